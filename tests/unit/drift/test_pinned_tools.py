# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pinned tools in the drift report: entries are typed as in go_tool, and a failure does not stop the report."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.tools import pinned_tools
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.plan import ToolPaths

GOFUMPT = {"package": "mvdan.cc/gofumpt", "version": "v0.7.0"}


@pytest.fixture
def places(tmp_path):
    (tmp_path / "bin").mkdir()
    return ToolPaths(str(tmp_path / "lib"), str(tmp_path / "bin"), "go/bin")


def test_a_tool_without_a_go_is_absent(places, tmp_path):
    (tool,) = pinned_tools([dict(GOFUMPT, cgo="no")], goroot=str(tmp_path / "none"), places=places)
    assert (tool.name, tool.reason, tool.path) == ("gofumpt", "absent", str(tmp_path / "bin/gofumpt"))


def test_a_go_that_fails_is_a_reason_of_the_tool(places, tmp_path):
    (tmp_path / "go/bin").mkdir(parents=True)
    (tmp_path / "go/bin/go").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "go/bin/go").chmod(0o755)
    (tool,) = pinned_tools([GOFUMPT], goroot=str(tmp_path / "go"), places=places)
    assert "env -json failed" in tool.reason


def test_the_program_in_the_place_of_a_tool_is_described(places, tmp_path, goroot):
    (tmp_path / "bin/gofumpt").symlink_to(f"{goroot}/bin/go")
    (tool,) = pinned_tools([GOFUMPT], goroot=goroot, places=places)
    version = pathlib.Path(goroot, "VERSION").read_text().split()[0]
    assert tool.reason == "other version"
    assert (tool.actual.startswith("cmd/go "), tool.actual.endswith(f", {version}")) == (True, True)
    (tool,) = pinned_tools([dict(GOFUMPT, users=["root"])], goroot=goroot, places=places)
    assert tool.actual == ""


@pytest.mark.parametrize("entry", [{"package": "x", "cgo": "perhaps"}, {"packag": "x"}, "gopls"])
def test_invalid_entries_are_rejected(places, tmp_path, entry):
    with pytest.raises(DevserverError, match="devserver_tools"):
        pinned_tools([entry], goroot=str(tmp_path), places=places)
