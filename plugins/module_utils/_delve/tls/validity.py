# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Until when certificates and revocation lists are good, by the standard library alone: hosts have nothing more.

Formats: RFC 5280, 4.1 and 5.1. What is in them is a tree of items, each a byte of a tag, a length and a content.
"""

from __future__ import annotations

import binascii
import calendar
import datetime
import re
import time
import typing as t

_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_SPAN = re.compile(r"\+?((?:\d+[wdhms])+)\Z")
# What community.crypto takes: relative, each unit once, the longest first.
_LIFETIME = re.compile(r"\+(?=\d)(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?\Z", re.ASCII)
_BLOCK = re.compile(rb"-----BEGIN (?:CERTIFICATE|X509 CRL)-----\s(.*?)-----END", re.DOTALL)
_SEQUENCE = 0x30
# UTCTime, which has two digits of the year, and GeneralizedTime, which has four.
_TIMES = {0x17: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}


class _Item(t.NamedTuple):
    tag: int
    content: bytes


def span(text: str) -> datetime.timedelta:
    """Return the length of time that ``text``, such as ``+30d`` or ``1w2d``, says; raises ValueError for others."""
    match = _SPAN.match(text)
    if not match:
        raise ValueError(f"{text!r} is not a length of time such as +30d or +12h")
    amounts: dict[str, float] = {}
    for number, unit in re.findall(r"(\d+)([wdhms])", match[1]):
        amounts[_UNITS[unit]] = amounts.get(_UNITS[unit], 0) + int(number)
    return datetime.timedelta(**amounts)


def lifetimes_problem(lifetimes: t.Mapping[str, t.Any], renew_before: t.Any) -> str:
    """Return what is wrong with ``lifetimes``, by the names of their variables, and what to do; empty for nothing."""
    try:
        before = span(str(renew_before))
    except (ValueError, OverflowError):
        return f"devserver_tls_renew_before: {renew_before!r} is not a length of time. Write one such as +30d or +12h."
    for name, text in lifetimes.items():
        if not _LIFETIME.match(str(text)):
            return (
                f"{name}: {text!r} is not a length of time from now on. Write one such as +397d or +1w2d, with its +."
            )
        try:
            length = span(str(text))
        except OverflowError:
            return f"{name}: {text} is longer than any certificate can be good. Write one such as +397d."
        if length <= before:
            return (
                f"{name}: {text} is not longer than devserver_tls_renew_before, {renew_before}, so each run would "
                "renew what the one before has made. Make it longer, or renew later."
            )
    return ""


def end_of(path: str) -> float | None:
    """Return when the first certificate or revocation list of a PEM file ends, in seconds of the epoch.

    None for a file that cannot be read, that holds neither, or a list that does not say.
    """
    try:
        with open(path, "rb") as file:
            block = _BLOCK.search(file.read())
        signed = _items(_items(binascii.a2b_base64(block.group(1)))[0].content)[0] if block else None
        times = _times(_items(signed.content)) if signed else []
        return float(max(times)) if len(times) > 1 else None
    except (OSError, ValueError, IndexError):
        return None


def _items(data: bytes) -> list[_Item]:
    found, at = [], 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            length, at = int.from_bytes(data[at : at + count], "big"), at + count
        found.append(_Item(tag, data[at : at + length]))
        at += length
    return found


def _times(items: t.Sequence[_Item]) -> list[int]:
    """Return the two times of a list, which are items of their own, or of a certificate, where they are in one."""
    own = [item for item in items if item.tag in _TIMES]
    if own:
        return [_seconds(item) for item in own]
    inner = (_items(item.content) for item in items if item.tag == _SEQUENCE)
    return next(([_seconds(one) for one in pair] for pair in inner if pair and pair[0].tag in _TIMES), [])


def _seconds(item: _Item) -> int:
    return calendar.timegm(time.strptime(item.content.decode("ascii"), _TIMES[item.tag]))
