# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the measurements of a probe with the thresholds of the module's options."""

from __future__ import annotations

import typing as t

from ..._core.sizes import format_size
from .checks import STEPS

# The measured times: each step, and their sum.
TIMED = (*STEPS, "total")


def find_exceeded(result: t.Mapping[str, t.Any], thresholds: t.Mapping[str, t.Any]) -> list[str]:
    """Return one message per threshold that a user's result exceeds.

    ``thresholds`` are the options of gopls_probe by name, with ``max_rss`` in bytes. None is not checked.
    """
    messages = []
    for step in TIMED:
        seconds, most = result["seconds"].get(step), thresholds[f"max_seconds_{step}"]
        if most is not None and seconds is None:
            messages.append(f"{step} was not measured, so max_seconds_{step} cannot be checked")
        elif most is not None and seconds > most:
            messages.append(f"{step} took {seconds:.2f} s, {seconds - most:.2f} more than max_seconds_{step}={most:g}")
    peak, most = result["memory"]["peak"], thresholds["max_rss"]
    if most is not None and peak is None:
        messages.append("the memory is unknown, so max_rss cannot be checked")
    elif most is not None and peak > most:
        shown, excess = format_size(peak), format_size(peak - most)
        messages.append(f"the memory peaked at {shown}, {excess} more than max_rss={format_size(most)}")
    for kind, count in (("errors", result["errors"]), ("popups", len(result["popups"]))):
        most = thresholds[f"max_{kind}"]
        if most is not None and count > most:
            messages.append(f"there are {count} {kind}, more than max_{kind}={most}")
    return messages
