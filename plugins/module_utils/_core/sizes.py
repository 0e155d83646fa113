# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes in options and messages: 2G, 1.5 GiB, 800MB, 4096."""

from __future__ import annotations

import re

from .errors import DevserverError

MIB = 1024 * 1024
# The units of systemd, Go and the kernel; KB and KiB are the same.
_UNITS = {"": 1, "K": 1024, "M": MIB, "G": 1024 * MIB, "T": 1024 * 1024 * MIB}
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE | re.ASCII)


def parse_size(text: str, option: str) -> int:
    """Return the bytes that ``text``, the value of ``option``, names; raise DevserverError for anything else.

    The format is a number, optionally with a fraction, and K, M, G or T in upper or lower case, optionally with B or
    iB. Each is 1024 of the previous unit. A number without a unit is bytes.
    """
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise DevserverError(
            f"{option}: {text!r} is not a size",
            expected="a number with K, M, G or T, such as 2G, 1.5GiB or 800MB",
            remedy=f"correct {option}",
            option=option,
        )
    return int(float(match.group(1)) * _UNITS[match.group(2).upper()])


def format_size(amount: int) -> str:
    """Return a readable number of bytes, to one decimal: 2G, 1.5G, 800M."""
    for unit in ("T", "G", "M", "K"):
        if amount >= _UNITS[unit]:
            return f"{amount / _UNITS[unit]:.1f}".rstrip("0").rstrip(".") + unit
    return str(amount)
