# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of the installed tools."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dev import python_env
from dev.checkout import CACHE


def test_tools_keep_compiled_sources_in_the_cache_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    # As make sets it.
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    code = "import sys; print(sys.pycache_prefix, sys.dont_write_bytecode)"
    completed = subprocess.run(
        [sys.executable, "-c", code],
        env=python_env.tool_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert completed.stdout == f"{CACHE / 'pycache'} False\n"
