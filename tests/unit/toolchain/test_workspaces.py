# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The requirements of workspaces, and whether the host meets them."""

from __future__ import annotations

import os
import pathlib

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.workspaces import AvailableGo, mismatches

HOST = AvailableGo(["1.21.13", "1.22.12", "1.23.4"], "1.22.12")


@pytest.mark.parametrize(
    ("name", "text", "causes"),
    [
        ("go.mod", "go 1.20\n", []),
        ("go.mod", "go 1.22.12\n", []),
        ("go.mod", "go 1.22.13\n", ["go"]),
        ("go.mod", "go 1.23.4\n", []),
        # There is no go1.23 to switch to: only a default of 1.23 or later will do.
        ("go.mod", "go 1.23\n", ["go"]),
        ("go.mod", "go 1.21\ntoolchain go1.23.4\n", []),
        ("go.mod", "go 1.21\ntoolchain go1.23.5\n", ["toolchain"]),
        ("go.mod", "go 1.24\ntoolchain go1.24.1\n", ["go", "toolchain"]),
        ("go.work", "go 1.24.1\n", ["go"]),
        (".go-version", "1.22\n", []),
        (".go-version", "1.21.13\n", []),
        (".go-version", "1.22.1\n", ["version-file"]),
        (".go-version", "1.2\n", ["version-file"]),
        (".go-version", "latest\n", ["unreadable: line 1: it is not a Go version"]),
        ("go.sum", "go 1.99\n", []),
    ],
)
def test_requirements_that_are_not_met(tmp_path: pathlib.Path, name: str, text: str, causes: list[str]) -> None:
    (tmp_path / name).write_text(text)
    found = mismatches([str(tmp_path)], HOST, None)
    assert [item.cause for item in found] == causes
    assert {item.file for item in found} <= {str(tmp_path / name)}


@pytest.mark.parametrize(
    ("name", "text", "causes"),
    [
        ("go.mod", "go 1.22.12\n", []),
        ("go.mod", "go 1.23.4\n", ["go"]),
        ("go.work", "go 1.23.4\n", ["go"]),
        # It ignores this line, whose version is installed for those who run it by its own name.
        ("go.mod", "go 1.21\ntoolchain go1.23.4\n", []),
        (".go-version", "1.23.4\n", []),
    ],
)
def test_a_go_that_does_not_switch_rejects_newer_lines(
    tmp_path: pathlib.Path, name: str, text: str, causes: list[str]
) -> None:
    (tmp_path / name).write_text(text)
    found = mismatches([str(tmp_path)], HOST._replace(switches=False), None)
    assert [item.cause for item in found] == causes
    assert all("GOTOOLCHAIN: path" in item.remedy for item in found)


def test_an_entry_has_file_line_and_remedy(tmp_path: pathlib.Path) -> None:
    (tmp_path / "go.mod").write_text("module x\n\ngo 1.24.1\n")
    assert [item._asdict() for item in mismatches([str(tmp_path)], HOST, None)] == [
        {
            "cause": "go",
            "file": f"{tmp_path}/go.mod",
            "line": 3,
            "required": "1.24.1",
            "installed": ["1.21.13", "1.22.12", "1.23.4"],
            "default": "1.22.12",
            "remedy": "add Go 1.24.1 to devserver_go_versions, or make it or a later version devserver_go_default",
        }
    ]


@pytest.mark.parametrize(
    ("minimum", "default", "count"),
    [("1.22", "1.22.12", 0), ("1.22.12", "1.22.12", 0), ("1.22.13", "1.22.12", 1), ("1.22", None, 1), (None, None, 0)],
)
def test_a_minimum_for_the_default(minimum: str | None, default: str | None, count: int) -> None:
    assert [item.cause for item in mismatches([], AvailableGo([], default), minimum)] == ["minimum"] * count


def test_a_minimum_for_version_files(tmp_path: pathlib.Path) -> None:
    (tmp_path / ".go-version").write_text("1.21.13\n")
    found = mismatches([str(tmp_path)], HOST, "1.22")
    assert [(item.cause, item.line, item.required) for item in found] == [("minimum", 1, "1.22")]


def test_a_minimum_that_is_no_version() -> None:
    with pytest.raises(DevserverError, match="minimum is 'new'"):
        mismatches([], HOST, "new")


def test_a_missing_directory(tmp_path: pathlib.Path) -> None:
    found = mismatches([str(tmp_path / "gone")], HOST, None)
    assert [(item.cause, item.file) for item in found] == [("no such directory", f"{tmp_path}/gone")]


def test_a_pipe_does_not_block_the_reader(tmp_path: pathlib.Path) -> None:
    os.mkfifo(tmp_path / "go.mod")
    (item,) = mismatches([str(tmp_path)], HOST, None)
    assert item.cause.startswith(f"unreadable: {tmp_path}/go.mod is not a regular file")
