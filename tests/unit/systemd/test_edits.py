# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendered units that were edited on the host: each edit is found, with its line."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Source
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.edits import edits_in, sealed
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.unit_state import Override, State
from hypothesis import given
from hypothesis import strategies as st

UNIT = sealed("# Managed\n[Service]\nMemoryMax=1\n\nExecStart=/bin/a \\\n  b\n")


@pytest.mark.parametrize(
    ("before", "after", "edits"),
    [
        ("", "", []),
        ("MemoryMax=1", "MemoryMax=infinity", [(3, "MemoryMax=infinity")]),
        ("MemoryMax=1\n", "", [(2, "")]),
        ("[Service]\n", "", [(1, "")]),
        ("\n  b", "\n  c", [(6, "c")]),
        ("[Service]\n", "[Service]\nUMask=0\nTasksMax=1\n", [(3, "UMask=0"), (4, "TasksMax=1")]),
        # What systemd ignores.
        ("# Managed", "# Mine\n\n ; mine", []),
    ],
)
def test_each_edit_has_its_line(before: str, after: str, edits: list[tuple[int, str]]) -> None:
    assert before in UNIT
    assert edits_in(UNIT.replace(before, after, 1).splitlines()) == edits


def test_a_line_after_the_checksums_is_an_edit() -> None:
    assert edits_in([*UNIT.splitlines(), "UMask=0"]) == [(8, "UMask=0")]


def test_a_file_without_checksums_has_no_edits() -> None:
    assert edits_in(["[Service]", "MemoryMax=1"]) == []


def test_only_a_line_feed_ends_a_rendered_line() -> None:
    assert edits_in(sealed("[Service]\nEnvironment=A=\u2028b\n").split("\n")) == []


LINES = st.lists(st.sampled_from(["A=1", "A=2", "B=", "[S]", "# c", ""]), max_size=8)


@given(LINES, LINES)
def test_any_other_lines_are_edits(rendered: list[str], actual: list[str]) -> None:
    text = sealed("".join(f"{line}\n" for line in rendered))
    edited = [*actual, text.splitlines()[-1]]
    effective = [[line for line in lines if line and line[0] != "#"] for lines in (rendered, actual)]
    assert bool(edits_in(edited)) == (effective[0] != effective[1])
    assert all(line in ("", edited[number - 1]) for number, line in edits_in(edited))


def test_edits_of_the_rendered_files_of_a_unit_are_overrides(tmp_path: pathlib.Path) -> None:
    fragment, drop_in = tmp_path / "a@.service", tmp_path / "50.conf"
    fragment.write_text(UNIT.replace("MemoryMax=1", "MemoryMax=2"))
    drop_in.write_text(sealed("[Service]\nUMask=0077\n").replace("UMask=0077\n", ""))
    state = State({"FragmentPath": str(fragment), "DropInPaths": str(drop_in)})
    assert state.overrides([str(fragment), str(drop_in)]) == [
        Override(Source("file", str(drop_in), 1), "", edited=True),
        Override(Source("file", str(fragment), 3), "MemoryMax=2", edited=True),
    ]
