# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directories that a go.work or go.mod names: the same as go reads, and never a traceback."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import time

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.modules_of_workspace import (
    local_directories,
    read_workspace,
)
from hypothesis import given
from hypothesis import strategies as st

WORK = {
    "one": ("use ./a\n", ["./a"]),
    "block": ("use (\n\t./a\n\t../b // here\n)\n", ["./a", "../b"]),
    "quoted": ('use "./a b"\nuse (\n"./c"\n"../d"\n)\n', ["./a b", "./c", "../d"]),
    "itself": ("use .\n", ["."]),
    "comments": ("// use ./no\nuse ./a // use ./no\n", ["./a"]),
    "replaced": ("use ./a\n\nreplace example.com/x v1.0.0 => ../x\n", ["./a", "../x"]),
    "replaced by a module": ("replace example.com/x => example.com/y v1.0.0\n", []),
    "block of replacements": (
        "replace (\n\texample.com/x => ./x\n\texample.com/y v1.2.3 => /y\n)\nuse ./a\n",
        ["./x", "/y", "./a"],
    ),
    "other blocks": ("toolchain go1.21.1\n\nuse (\n)\n", []),
}


@pytest.mark.parametrize("case", WORK)
def test_the_directories_are_those_that_go_reads(case: str, goroot: str, tmp_path: pathlib.Path) -> None:
    text, directories = WORK[case]
    assert local_directories(text) == directories
    path = tmp_path / "go.work"
    path.write_text("go 1.21\n" + text)
    env = dict(os.environ, GOTOOLCHAIN="local", GOWORK=str(path))
    argv = [f"{goroot}/bin/go", "work", "edit", "-json"]
    output = json.loads(subprocess.run(argv, cwd="/", env=env, check=True, capture_output=True, text=True).stdout)
    read = [use["DiskPath"] for use in output.get("Use") or []]
    read += [one["New"]["Path"] for one in output.get("Replace") or [] if "Version" not in one["New"]]
    assert sorted(read) == sorted(directories)


def test_a_requirement_named_like_a_directory_is_none() -> None:
    assert local_directories("module example.com/use\n\nrequire (\n\texample.com/replace v1.0.0\n)\n") == []


@given(st.text(alphabet='userplac .()"`/\\=>\n\t,', max_size=60) | st.text(max_size=60))
def test_any_text_is_read(text: str) -> None:
    assert all(isinstance(directory, str) for directory in local_directories(text))


@pytest.mark.parametrize("text", ['\\"', '\\"\\', '"', "/", "=", "(", "\\"])
def test_the_time_for_a_line_is_linear_in_its_length(text: str) -> None:
    before = time.process_time()
    local_directories('module x\n\nreplace a => "' + text * 50_000)
    assert time.process_time() - before < 1


def test_a_workspace_that_names_too_many_directories_is_an_error(tmp_path: pathlib.Path) -> None:
    (tmp_path / "go.mod").write_text("module x\n" + "".join(f"replace a{n} => ./{n}\n" for n in range(5001)))
    with pytest.raises(DevserverError, match="name more than 5000 directories"):
        read_workspace(str(tmp_path))


def test_a_workspace_with_too_much_text_is_an_error(tmp_path: pathlib.Path) -> None:
    (tmp_path / "go.work").write_text("".join(f"use ./{n}\n" for n in range(9)))
    (tmp_path / "sum").write_text("x" * (8 << 20))
    for number in range(9):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "go.sum").symlink_to(tmp_path / "sum")
    with pytest.raises(DevserverError, match="or are too large"):
        read_workspace(str(tmp_path))


def test_a_workspace_hides_its_path(tmp_path: pathlib.Path) -> None:
    inputs = []
    for place in ("a", "b/c"):
        directory = tmp_path / place / "shop"
        (directory / "lib").mkdir(parents=True)
        (directory / "go.mod").write_text("module example.com/shop\n\nreplace example.com/lib => ./lib\n")
        (directory / "lib/go.mod").write_text("module example.com/lib\n")
        inputs.append(read_workspace(str(directory)).inputs())
    assert inputs[0] == inputs[1]
    assert sorted(inputs[0]["files"]) == ["go.mod", "lib/go.mod"]


def test_directories_that_name_each_other_do_not_loop(tmp_path: pathlib.Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "go.mod").write_text(f"module x.y/{name}\n\nreplace x.y/{other} => ../{other}\n")
    assert len(read_workspace(str(tmp_path / "a")).files) == 2


def test_a_directory_without_a_module_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DevserverError, match=str(tmp_path)):
        read_workspace(str(tmp_path))
