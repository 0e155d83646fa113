# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps credentials out of results and messages."""

from __future__ import annotations

import re
import typing as t

_CREDENTIALS = re.compile(r"(?<=://)[^/\s]+@")
# A user's name alone is no secret; a token may stand in its place, and no name is so long.
_SECRET = re.compile(r"(?<=://)(?:[^/\s:@]*:[^/\s]*|[^/\s:@]{20,})(?=@)")


def redacted(text: str) -> str:
    """Return ``text`` with the user and password of every URL in it replaced by three asterisks."""
    return _CREDENTIALS.sub("***@", text)


def printable(value: t.Any) -> t.Any:
    """Return ``value``, text or a structure of it, with what is no UTF-8 written out: no result can hold that."""
    if isinstance(value, str):
        return _printable(value)
    if isinstance(value, dict):
        return {printable(key): printable(item) for key, item in value.items()}
    return [printable(item) for item in value] if isinstance(value, (list, tuple)) else value


def _printable(text: str) -> str:
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        # Half of a pair, as JSON can name it, is no byte of any file.
        return text.encode("utf-8", "backslashreplace").decode("utf-8")


def credentials(value: t.Any) -> list[str]:
    """Return the user and password of every URL in text, or in the texts of a structure, for no_log_values."""
    if isinstance(value, str):
        return _SECRET.findall(value)
    if isinstance(value, dict):
        return credentials([*value, *value.values()])
    return [found for item in value for found in credentials(item)] if isinstance(value, (list, tuple)) else []
