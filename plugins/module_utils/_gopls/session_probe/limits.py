# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds what was measured against what was asked."""

from __future__ import annotations

import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.sizes import shown


class Limits(t.NamedTuple):
    """Only what is given is asked: seconds by step, bytes, and counts."""

    seconds: t.Mapping[str, float]
    rss: int | None = None
    errors: int | None = None
    popups: int | None = None


def exceeded(result: t.Mapping[str, t.Any], limits: Limits) -> list[str]:
    """Return in words by what a user's result is above which limit; nothing where it keeps all."""
    found = []
    for step, most in limits.seconds.items():
        seconds = result["seconds"].get(step)
        if seconds is None:
            found.append(f"{step} was not measured, so max_seconds_{step} cannot be judged")
        elif seconds > most:
            found.append(f"{step} took {seconds:.2f} s, {seconds - most:.2f} more than max_seconds_{step}={most:g}")
    found += _memory(result["memory"]["peak"], limits.rss)
    return found + _count("errors", result["errors"], limits) + _count("popups", len(result["popups"]), limits)


def _memory(peak: int | None, most: int | None) -> list[str]:
    if most is None:
        return []
    if peak is None:
        return ["its memory is unknown, so max_rss cannot be judged"]
    return [f"its memory peaked at {shown(peak)}, {shown(peak - most)} more than max_rss={shown(most)}"] * (peak > most)


def _count(what: str, count: int, limits: Limits) -> list[str]:
    most = getattr(limits, what)
    return [f"there are {count} {what}, and max_{what}={most}"] * (most is not None and count > most)
