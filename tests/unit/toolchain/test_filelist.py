# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of files: unpacking records the files that are written, and the list can be parsed again."""

from __future__ import annotations

import os
import pathlib

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.archive import unpack_tar, unpack_zip
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.filelist import (
    Files,
    compare,
    dump,
    file_entry,
    link_entry,
    parse,
    scan,
)
from hypothesis import given
from hypothesis import strategies as st

names = st.text(st.characters(blacklist_characters="\n", blacklist_categories=()), min_size=1)
entries = st.builds(file_entry, st.integers(0, 0o7777), st.just("ab" * 32)) | st.builds(link_entry, st.just("x"))


@given(st.dictionaries(names, entries))
def test_a_list_can_be_read_back(files: Files) -> None:
    assert parse(dump(files)) == files


@given(st.dictionaries(names, entries), st.dictionaries(names, entries))
def test_equal_lists_have_no_difference_and_others_have(one: Files, other: Files) -> None:
    assert compare(one, one).total == 0
    assert bool(compare(one, other).total) == (one != other)


@pytest.mark.parametrize("text", ["x\n", "100644 ab\n"])
def test_an_invalid_list_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="unpack"):
        parse(text)


def test_the_recorded_list_is_that_of_the_unpacked_tree(tmp_path: pathlib.Path, old) -> None:
    os.umask(0o022)
    (tmp_path / "tar").write_bytes(old.tar)
    (tmp_path / "zip").write_bytes(old.zip)
    for tree in ("a", "b"):
        (tmp_path / tree).mkdir()
    from_tar = unpack_tar(str(tmp_path / "tar"), str(tmp_path / "a"))
    from_zip = unpack_zip(
        str(tmp_path / "zip"), str(tmp_path / "b"), old.zip_path.split("/@v/")[0][1:] + "@" + old.zip_name[:-4]
    )
    assert from_tar == from_zip == scan(str(tmp_path / "a"))
    assert len(from_tar) == 6
