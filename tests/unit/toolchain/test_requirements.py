# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The requirements in a workspace's files."""

from __future__ import annotations

import itertools
import re

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.requirements import (
    Requirement,
    parse_mod_file,
    parse_version_file,
    version_key,
)
from hypothesis import given
from hypothesis import strategies as st

numbers = st.integers(0, 99)
versions = st.builds("{}.{}{}".format, numbers, numbers, st.just("") | st.builds(".{}".format, numbers))
# Lines that no reader may take for a demand.
other_lines = st.sampled_from(
    [
        "",
        "// go 1.99",
        "module example.com/go // toolchain go1.98.1",
        'module "go 1.97//x"',
        "require example.com/x v1.2.3 // indirect",
        "require (\n\tgo 1.96\n\ttoolchain go1.96.1\n)",
        "exclude(\n\texample.com/y v1.0.0 // (\n\tgo 1.95\n) // done",
        "use ./go",
        "godebug default=go1.21",
        "toolchain default",
        "gopher 1.94",
    ]
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("module x\n\ngo 1.22\n", [("go", "1.22", 3)]),
        ("go 1.22.1\ntoolchain go1.22.12\n", [("go", "1.22.1", 1), ("toolchain", "1.22.12", 2)]),
        ("  go\t1.23rc1  // soon\r\n", [("go", "1.23rc1", 1)]),
        ("toolchain go1.22.3-custom", [("toolchain", "1.22.3-custom", 1)]),
        ("require (\n)\ngo 1.21", [("go", "1.21", 3)]),
    ],
)
def test_go_mod_and_go_work(text: str, found: list[tuple[str, str, int]]) -> None:
    assert parse_mod_file(text) == [Requirement(*item) for item in found]


@given(st.lists(other_lines), versions, st.lists(other_lines))
def test_the_go_line_is_found_anywhere(before: list[str], version: str, after: list[str]) -> None:
    lines = "\n".join(before).split("\n") if before else []
    text = "\n".join([*lines, f"go {version}", *after])
    assert parse_mod_file(text) == [Requirement("go", version, len(lines) + 1)]


@given(st.text())
def test_any_text_is_read_or_rejected(text: str) -> None:
    for parse in (parse_mod_file, parse_version_file):
        try:
            found = parse(text)
        except ValueError as error:
            assert re.search("no(t a)? Go version", str(error))
        else:
            assert all(1 <= item.line <= text.count("\n") + 1 and version_key(item.version) for item in found)


@pytest.mark.parametrize("text", ["go\n", "go latest\n", "toolchain 1.x\n", "go 1.22 1.23\n", "go (\n1.22\n)\n"])
def test_a_line_without_a_version_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="line 2: it is not a Go version"):
        parse_mod_file("\n" + text)


@pytest.mark.parametrize(
    ("text", "version", "line"), [("1.22.12\n", "1.22.12", 1), ("# ours\n\n go1.22 # or so\n1.20\n", "1.22", 3)]
)
def test_a_version_file(text: str, version: str, line: int) -> None:
    assert parse_version_file(text) == [Requirement("version-file", version, line)]


@pytest.mark.parametrize("text", ["", "# nothing\n", "system\n", "1\n"])
def test_a_version_file_without_a_version(text: str) -> None:
    with pytest.raises(ValueError, match=r"no(t a)? Go version"):
        parse_version_file(text)


def test_versions_sort_as_go_does() -> None:
    ascending = ["1.9", "1.9.1", "1.21", "1.21beta1", "1.21rc1", "1.21rc2", "1.21.0", "1.21.2", "1.21.12", "1.22"]
    assert all(version_key(lower) < version_key(higher) for lower, higher in itertools.pairwise(ascending))


@pytest.mark.parametrize("version", ["1." + "9" * 5000, "9" * 8_000_000 + ".1", "1.22rc" + "1" * 5000])
def test_a_number_of_any_length_is_rejected_at_once(version: str) -> None:
    with pytest.raises(ValueError, match="line 1: it is not a Go version"):
        parse_version_file(version)
