# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the known name that a misspelt one probably means."""

from __future__ import annotations

import typing as t

# Characters of a name from which on it may have two wrong letters: shorter ones have names of other programs near them.
_LONG = 8


def nearest_name(name: str, known: t.Iterable[str]) -> str:
    """Return the known name that differs in one letter from ``name``, or a long name in two; empty for none."""
    most = 2 if len(name) >= _LONG else 1
    near = sorted((_distance(name, other), other) for other in known if abs(len(other) - len(name)) <= most)
    return next((other for distance, other in near if 0 < distance <= most), "")


def _distance(name: str, other: str) -> int:
    """Return how many letters are wrong, missing, added, or exchanged with the next one."""
    rows = [list(range(len(other) + 1))]
    for i, letter in enumerate(name, 1):
        row = [i]
        for j, another in enumerate(other, 1):
            costs = [rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (letter != another)]
            if i > 1 and j > 1 and name[i - 2 : i] == other[j - 2 : j][::-1]:
                costs.append(rows[-2][j - 2] + 1)
            row.append(min(costs))
        rows.append(row)
    return rows[-1][-1]
