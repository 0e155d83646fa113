# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes as people write and read them."""

from __future__ import annotations

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.sizes import MIB, format_size, parse_size
from hypothesis import given
from hypothesis import strategies as st

GIB = 1024 * MIB
POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
SPELLINGS = st.sampled_from(["{}", "{}B", "{}iB", " {}", " {}b", " {}IB"])


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("2G", 2 * GIB),
        ("2GB", 2 * GIB),
        ("512MiB", 512 * MIB),
        ("1.5 GiB", 3 * GIB // 2),
        ("800M", 800 * MIB),
        ("800mb", 800 * MIB),
        (" 1024\n", 1024),
        ("1T", 1024 * GIB),
    ],
)
def test_people_write_amounts_in_many_ways(text: str, amount: int) -> None:
    assert parse_size(text, "memory") == amount


@pytest.mark.parametrize(
    "text", ["", "much", "-1G", "2X", "2 G G", "G", "1e3M", "٢G", "1.G", ".5G", "9" * 400, "2K\nB"]
)
def test_an_invalid_size_is_rejected_with_the_options_name(text: str) -> None:
    with pytest.raises(DevserverError, match=r"memory: .* is not a size"):
        parse_size(text, "memory")


@given(st.integers(min_value=0, max_value=1023), st.sampled_from([*POWERS]), SPELLINGS, st.booleans())
def test_a_whole_number_of_a_unit_is_that_in_every_spelling_and_shown_as_it_is_written(
    number: int, unit: str, spelling: str, small: bool
) -> None:
    text = spelling.format(unit)
    amount = parse_size(f"{number}{text.lower() if small else text}", "memory")
    assert amount == number * 1024 ** POWERS[unit]
    assert format_size(amount) == (f"{number}{unit}" if number else "0")


@given(st.integers(min_value=0, max_value=1 << 50))
def test_what_is_shown_is_read_again_within_a_twentieth(amount: int) -> None:
    assert abs(parse_size(format_size(amount), "memory") - amount) <= amount / 20
