# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether CONTRIBUTING.md names files and commands that exist."""

from __future__ import annotations

import pathlib
import re

import pytest

from dev.__main__ import COMMANDS

ROOT = pathlib.Path(__file__).parents[3]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
PATHS = {path for path in re.findall(r"`([a-z_]+/[^`\s]*)`", TEXT) if "<" not in path}


@pytest.mark.parametrize("path", sorted(PATHS))
def test_named_files_exist(path: str) -> None:
    assert (ROOT / path).exists()


def test_named_commands_exist() -> None:
    named = set(re.findall(r"\bmake ([a-z-]+)`", TEXT))
    assert "check" in named
    assert named <= {"help", *COMMANDS}
