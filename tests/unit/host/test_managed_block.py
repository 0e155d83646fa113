# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The managed block: the rest of the file is a guest's."""

from __future__ import annotations

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host.managed_block import (
    BEGIN,
    END,
    with_block,
    without_block,
)
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(st.sampled_from("ab #\n"), max_size=30)


def block(text, body="x\n", first=False):
    return with_block(text, body, path="/etc/f", first=first)


def test_is_first_or_last():
    assert block("a\n", first=True) == f"{BEGIN}\nx\n{END}\na\n"
    assert block("a\n") == f"a\n{BEGIN}\nx\n{END}\n"
    assert block("a") == f"a\n{BEGIN}\nx\n{END}\n"
    assert block("") == f"{BEGIN}\nx\n{END}\n"


def test_is_replaced_in_place():
    assert block(f"a\n{BEGIN}\nold\nolder\n{END}\nb\n") == f"a\n{BEGIN}\nx\n{END}\nb\n"


@given(TEXT, st.booleans())
def test_a_second_time_changes_nothing_and_the_rest_stays(text, first):
    once = block(text, first=first)
    assert block(once, first=first) == once
    rest = once.replace(f"{BEGIN}\nx\n{END}\n", "")
    assert rest in (text, text + "\n")


@given(TEXT, st.booleans())
def test_it_leaves_as_it_came(text, first):
    assert without_block(block(text, first=first), path="/etc/f") in (text, text + "\n")
    assert without_block(text, path="/etc/f") == text


def test_line_endings_stay():
    assert block("a\r\nb\r\n") == f"a\r\nb\r\n{BEGIN}\r\nx\r\n{END}\r\n"


@pytest.mark.parametrize("text", ["a\r\nb\n", "a\nb\r\n", f"a\r\n{BEGIN}\nold\n{END}\nb\n"])
def test_one_line_of_another_ending_leaves_the_block_alone(text):
    assert f"{BEGIN}\nx\n{END}\n" in block(text)


@pytest.mark.parametrize("text", [BEGIN, END, f"{END}\n{BEGIN}", f"{BEGIN}\n{END}\n{BEGIN}\n{END}"])
def test_broken_marks_are_rejected_with_their_line(text):
    with pytest.raises(DevserverError, match="/etc/f line 2"):
        block("\n" + text)


@pytest.mark.parametrize("character", "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
def test_only_a_line_feed_ends_a_line_of_the_block(character):
    assert block("", body=f"x {character}y\n") == f"{BEGIN}\nx {character}y\n{END}\n"
