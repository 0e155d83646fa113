# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The expiry of certificates and revocation lists, read with the standard library: hosts have no other library.

Formats: RFC 5280, sections 4.1 and 5.1. They are trees of DER elements: a tag byte, a length and the content.
"""

from __future__ import annotations

import binascii
import calendar
import datetime
import re
import time
import typing as t

_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_DURATION = re.compile(r"\+?((?:\d+[wdhms])+)\Z")
# The relative format of community.crypto: each unit once, the longest first.
_LIFETIME = re.compile(r"\+(?=\d)(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?\Z", re.ASCII)
_BLOCK = re.compile(rb"-----BEGIN (?:CERTIFICATE|X509 CRL)-----\s([^-]*)-----END")
_SEQUENCE = 0x30
# UTCTime has a year of two digits, GeneralizedTime of four.
_TIMES = {0x17: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}


class _Element(t.NamedTuple):
    tag: int
    content: bytes


def parse_duration(text: str) -> datetime.timedelta:
    """Return the length of time in ``text``, such as ``+30d`` or ``1w2d``. Raises ValueError for any other text."""
    match = _DURATION.match(text)
    if not match:
        raise ValueError(f"{text!r} is not a length of time such as +30d or +12h")
    amounts: dict[str, float] = {}
    for number, unit in re.findall(r"(\d+)(\D?)", match[1]):
        amounts[_UNITS[unit]] = amounts.get(_UNITS[unit], 0) + int(number)
    return datetime.timedelta(**amounts)


def lifetimes_problem(lifetimes: t.Mapping[str, t.Any], renew_before: t.Any) -> str:
    """Return why a lifetime is invalid, with a remedy; empty if all are valid. The keys are the names of variables."""
    try:
        before = parse_duration(str(renew_before))
    except (ValueError, OverflowError):
        return (
            f"devserver_tls_renew_before: {renew_before!r} is not a length of time. "
            "To fix this: write a value such as +30d or +12h."
        )
    for name, text in lifetimes.items():
        if not _LIFETIME.match(str(text)):
            return (
                f"{name}: {text!r} is not a relative length of time. "
                "To fix this: write a value such as +397d or +1w2d, with the plus sign."
            )
        try:
            length = parse_duration(str(text))
        except OverflowError:
            return f"{name}: {text} is longer than a certificate supports. To fix this: write a value such as +397d."
        if length <= before:
            return (
                f"{name}: {text} must be longer than devserver_tls_renew_before, {renew_before}. Otherwise "
                f"each run would renew the certificates of the previous run. To fix this: increase {name}."
            )
    return ""


def read_expiry(path: str) -> float | None:
    """Return when the first certificate or revocation list of a PEM file expires, in seconds of the epoch.

    Returns None for an unreadable file, for a file with neither of them, and for a list without an expiry.
    """
    try:
        with open(path, "rb") as file:
            block = _BLOCK.search(file.read())
        signed = _parse_elements(_parse_elements(binascii.a2b_base64(block.group(1)))[0].content)[0] if block else None
        times = _find_times(_parse_elements(signed.content)) if signed else []
        return float(max(times)) if len(times) > 1 else None
    except (OSError, ValueError, IndexError):
        return None


def _parse_elements(data: bytes) -> list[_Element]:
    elements, at = [], 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            length, at = int.from_bytes(data[at : at + count], "big"), at + count
        elements.append(_Element(tag, data[at : at + length]))
        at += length
    return elements


def _find_times(elements: t.Sequence[_Element]) -> list[int]:
    """Return the two times: direct elements of a revocation list, nested in one element of a certificate."""
    direct = [element for element in elements if element.tag in _TIMES]
    if direct:
        return [_parse_time(element) for element in direct]
    nested = (_parse_elements(element.content) for element in elements if element.tag == _SEQUENCE)
    return next(([_parse_time(time_) for time_ in pair] for pair in nested if pair and pair[0].tag in _TIMES), [])


def _parse_time(element: _Element) -> int:
    return calendar.timegm(time.strptime(element.content.decode("ascii"), _TIMES[element.tag]))
