# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The requirements of workspaces, and whether the host meets them."""

from __future__ import annotations

import os
import pathlib
import tracemalloc

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.workspaces import (
    AvailableGo,
    _files_of,
    mismatches,
)

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
    found = mismatches([str(tmp_path)], HOST._replace(gotoolchain="local"), None)
    assert [item.cause for item in found] == causes
    assert all("GOTOOLCHAIN: path" in item.remedy for item in found)


LINES = [
    # line, default, installed, GOTOOLCHAIN, whether it is met
    ("go 1.21\ntoolchain go1.23.4", "1.22.12", ["1.22.12"], "local", True),
    ("go 1.21\ntoolchain go1.23.4", "1.22.12", ["1.22.12"], "go1.22.12", True),
    ("go 1.21\ntoolchain go1.23.4", "1.22.12", ["1.22.12"], "", False),
    ("go 1.21\ntoolchain go1.23.4", "1.22.12", ["1.22.12"], "path", False),
    ("go 1.21\ntoolchain go1.23.4", "1.22.12", ["1.22.12", "1.23.4"], "auto", True),
    ("go 1.22.12", "1.21.13", ["1.21.13", "1.22.12"], "local", False),
    ("go 1.22.12", "1.21.13", ["1.21.13", "1.22.12"], "go1.21.13", False),
    ("go 1.22.12", "1.21.13", ["1.21.13", "1.22.12"], "go1.22.12", True),
    ("go 1.22.12", "1.21.13", ["1.21.13", "1.22.12"], "go1.21.13+path", True),
    ("go 1.22.12", "1.21.13", ["1.21.13", "1.22.12"], "local+auto", True),
    ("go 1.22.12", "1.21.13", ["1.21.13"], "go1.21.13+auto", False),
    ("go 1.22.12", "1.22.12", ["1.22.12"], "go1.21.13", False),
    ("go 1.22", "1.22.12", ["1.22.12"], "local", True),
    ("go 1.22.12", None, [], "local", False),
]


@pytest.mark.parametrize(("lines", "default", "installed", "gotoolchain", "met"), LINES)
def test_lines_are_met_by_the_go_that_runs(
    tmp_path: pathlib.Path, lines: str, default: str | None, installed: list[str], gotoolchain: str, met: bool
) -> None:
    (tmp_path / "go.mod").write_text(f"module x\n{lines}\n")
    found = mismatches([str(tmp_path)], AvailableGo(installed, default, gotoolchain), None)
    assert bool(found) is not met


# The files of a tree, GOWORK, and the file with a requirement that is not met in the workspace api/v1 of it.
TREES: dict[str, tuple[dict[str, str], str, list[str]]] = {
    "a go.work above": ({"go.work": "go 1.25.1\nuse ./api/v1\n", "api/v1/go.mod": "go 1.21\n"}, "", ["go.work"]),
    "the nearest go.work": ({"go.work": "go 1.25.1\n", "api/go.work": "go 1.21\n"}, "", []),
    "a go.work that is off": ({"go.work": "go 1.25.1\n"}, "off", []),
    "another go.work": ({"go.work": "go 1.21\n", "x/other.work": "go 1.25.1\n"}, "x/other.work", ["x/other.work"]),
    "a go.mod above": ({"go.mod": "go 1.25.1\n"}, "", ["go.mod"]),
    "a go.mod of its own": ({"go.mod": "go 1.25.1\n", "api/v1/go.mod": "go 1.21\n"}, "", []),
    "a directory of that name": ({"go.mod": "go 1.25.1\n", "api/v1/go.mod/x": ""}, "", ["go.mod"]),
    "a module in use": (
        {"go.work": "go 1.21\nuse (\n\t./api/v1\n\t./lib\n)\n", "lib/go.mod": "go 1.25.1\n"},
        "",
        ["lib/go.mod"],
    ),
    "a module that replaces another": (
        {"api/v1/go.mod": "go 1.21\nreplace a => ../../lib\n", "lib/go.mod": "go 1.25.1\n"},
        "",
        ["lib/go.mod"],
    ),
    "a module beside": ({"lib/go.mod": "go 1.25.1\n", "api/v1/go.mod": "go 1.21\n"}, "", []),
}


@pytest.mark.parametrize("case", TREES)
def test_files_above_a_workspace_count_as_for_go(tmp_path: pathlib.Path, case: str) -> None:
    files, gowork, expected = TREES[case]
    workspace = tmp_path / "api/v1"
    workspace.mkdir(parents=True)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    local = HOST._replace(gotoolchain="local")
    gowork = str(tmp_path / gowork) if "/" in gowork else gowork
    found = mismatches([str(workspace), str(workspace)], local, None, gowork)
    assert [(item.file, item.line) for item in found] == [(f"{tmp_path}/{name}", 1) for name in expected]


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


def test_a_few_lines_of_each_file_are_entries(tmp_path: pathlib.Path) -> None:
    (tmp_path / "go.mod").write_text("go 1.99\n" * 1000)
    assert len(mismatches([str(tmp_path)], HOST, None)) == 10


@pytest.mark.parametrize("text", ["\n" * (1 << 20) + "x", "go 1.22-" + "x" * 1000])
def test_an_outsized_file_is_an_entry(tmp_path: pathlib.Path, text: str) -> None:
    (tmp_path / "go.mod").write_text(text)
    (item,) = mismatches([str(tmp_path)], HOST, None)
    assert item.cause.startswith("unreadable: ") and len(item.cause) < 300


def test_modules_that_name_many_others_take_little_memory(tmp_path: pathlib.Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m/go.mod").write_text("module m\n" + "".join(f"replace a=>./b{n}\n" for n in range(45_000)))
    (tmp_path / "go.work").write_text("".join(f"use ./l{n}\n" for n in range(20)))
    for number in range(20):
        (tmp_path / f"l{number}").symlink_to("m")
    tracemalloc.start()
    try:
        files = _files_of(str(tmp_path), "")
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()
    assert len(files) == 1 + 1 + 20 + 200


@pytest.mark.parametrize("name", ["go.mod", "go.work"])
def test_files_above_a_link_and_above_its_target_are_read(tmp_path: pathlib.Path, name: str) -> None:
    """A shell's PWD has the link; other programs have the real path."""
    for directory in ("real/shop", "home"):
        (tmp_path / directory).mkdir(parents=True)
    link = tmp_path / "home/shop"
    link.symlink_to(tmp_path / "real/shop")
    files = [tmp_path / "home" / name, tmp_path / "real" / name]
    for file in files:
        file.write_text("go 1.99\n")
    assert [item.file for item in mismatches([str(link)], HOST, None)] == [str(file) for file in files]
    (tmp_path / "real/shop" / name).write_text("go 1.99\n")
    assert len(mismatches([str(link), str(tmp_path / "real/shop")], HOST, None)) == 1
