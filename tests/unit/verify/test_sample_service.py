# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sample service is sound by itself: what is tried on it must not fail for its own sake."""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest

SERVICE = pathlib.Path(__file__).parents[2] / "fixtures/service"
PACKAGES = ["./...", "./stock/..."]


@pytest.mark.parametrize("version", ["go1.22.12", "go1.21.13"])
@pytest.mark.parametrize("command", [["vet"], ["test", "-count=1"]], ids=lambda command: command[0])
def test_go_finds_nothing_wrong(version, command):
    env = dict(os.environ, GOTOOLCHAIN=version, GOFLAGS="-mod=readonly", CGO_ENABLED="0")
    done = subprocess.run(
        ["go", *command, *PACKAGES], cwd=SERVICE, env=env, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_place_to_stop_at_has_a_name_of_its_own():
    lines = [line for file in SERVICE.rglob("*.go") for line in file.read_text().splitlines()]
    names = [line.partition("// breakpoint: ")[2] for line in lines if "// breakpoint: " in line]
    assert sorted(names) == sorted(set(names))
    assert {"take", "filled", "listening", "request", "articles", "nobody calls"} <= set(names)
