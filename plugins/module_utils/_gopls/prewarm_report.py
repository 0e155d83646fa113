# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what the last prewarm of a user has counted."""

from __future__ import annotations

import contextlib
import json

from .._core.errors import DevserverError
from .._host.accounts import Account
from .._host.files import read_text
from .._host.user_access import call_as
from . import paths
from .prewarm import REPORT, Counts

# Bytes: too few for brackets that exceed the recursion limit of Python's parser.
_LARGEST = 500
_LARGEST_COUNT = 10**9


def read_report(account: Account) -> dict[str, int] | None:
    """Return the counts of the last prewarm; None without valid ones, because the user can change the file."""
    with contextlib.suppress(DevserverError):
        text = call_as(account, lambda: read_text(f"{paths.CACHE_DIR}/{account.name}/{REPORT}", largest=_LARGEST))
        return _parse(text or "")
    return None


def _parse(text: str) -> dict[str, int] | None:
    try:
        report = json.loads(text)
    except ValueError:
        return None
    counts = {name: report.get(name) for name in Counts._fields} if isinstance(report, dict) else {}
    # JSON's true is an int in Python.
    numbers = {name: count for name, count in counts.items() if isinstance(count, int) and not isinstance(count, bool)}
    valid = all(0 <= count <= _LARGEST_COUNT for count in numbers.values())
    return numbers if valid and len(numbers) == len(Counts._fields) else None
