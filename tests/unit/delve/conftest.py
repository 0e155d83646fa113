# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests of debug services."""

from __future__ import annotations

import pathlib

import pytest


@pytest.fixture
def workspace(tmp_path: pathlib.Path) -> pathlib.Path:
    """A workspace with a command, in a directory whose name systemd and shells must quote."""
    directory = tmp_path / "my 100% $HOME"
    (directory / "cmd/api").mkdir(parents=True)
    (directory / "go.mod").write_text("module example.com/x\n\ngo 1.21\n")
    (directory / "cmd/api/main.go").write_text("package main\n\nfunc main() { println(greet()) }\n")
    (directory / "cmd/api/greet.go").write_text('package main\n\nfunc greet() string { return "hello" }\n')
    (directory / "cmd/api/greet_test.go").write_text(
        'package main\n\nimport "testing"\n\nfunc TestGreet(t *testing.T) { println(greet()) }\n'
    )
    return directory
