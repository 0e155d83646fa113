# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sample service has no faults of its own, which would make verifications fail."""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest

SERVICE = pathlib.Path(__file__).parents[2] / "fixtures/service"
PACKAGES = ["./...", "./stock/..."]


@pytest.mark.builds
@pytest.mark.parametrize("version", ["go1.22.12", "go1.21.13"])
@pytest.mark.parametrize("command", [["vet"], ["test", "-count=1"]], ids=lambda command: command[0])
def test_go_vet_and_the_tests_pass(version, command, go_cache):
    env = dict(os.environ, GOTOOLCHAIN=version, GOFLAGS="-mod=readonly", CGO_ENABLED="0", GOCACHE=go_cache)
    completed = subprocess.run(
        ["go", *command, *PACKAGES], cwd=SERVICE, env=env, check=False, capture_output=True, text=True
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr


def test_each_breakpoint_marker_has_a_unique_name():
    lines = [line for file in SERVICE.rglob("*.go") for line in file.read_text().splitlines()]
    names = [line.partition("// breakpoint: ")[2] for line in lines if "// breakpoint: " in line]
    assert sorted(names) == sorted(set(names))
    assert {"take", "filled", "listening", "request", "articles", "nobody calls"} <= set(names)
