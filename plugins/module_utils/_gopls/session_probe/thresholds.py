# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the measurements of a probe with the thresholds of the module's options."""

from __future__ import annotations

import typing as t

from ..._core.sizes import format_size


class Thresholds(t.NamedTuple):
    """The largest accepted values: seconds by step, bytes, and counts. None is not checked."""

    seconds: t.Mapping[str, float]
    rss: int | None = None
    errors: int | None = None
    popups: int | None = None


def find_exceeded(result: t.Mapping[str, t.Any], thresholds: Thresholds) -> list[str]:
    """Return one message per threshold that a user's result exceeds."""
    messages = []
    for step, most in thresholds.seconds.items():
        seconds = result["seconds"].get(step)
        if seconds is None:
            messages.append(f"{step} was not measured, so max_seconds_{step} cannot be checked")
        elif seconds > most:
            messages.append(f"{step} took {seconds:.2f} s, {seconds - most:.2f} more than max_seconds_{step}={most:g}")
    messages += _check_memory(result["memory"]["peak"], thresholds.rss)
    messages += _check_count("errors", result["errors"], thresholds.errors)
    return messages + _check_count("popups", len(result["popups"]), thresholds.popups)


def _check_memory(peak: int | None, most: int | None) -> list[str]:
    if most is None:
        return []
    if peak is None:
        return ["the memory is unknown, so max_rss cannot be checked"]
    return [
        f"the memory peaked at {format_size(peak)}, {format_size(peak - most)} more than max_rss={format_size(most)}"
    ] * (peak > most)


def _check_count(what: str, count: int, most: int | None) -> list[str]:
    return [f"there are {count} {what}, more than max_{what}={most}"] * (most is not None and count > most)
