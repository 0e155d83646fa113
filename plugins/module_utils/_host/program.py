# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that import only the standard library and are also programs on the host."""

from __future__ import annotations

import typing as t


def source_of(module: t.Any) -> str:
    """Return the text of a module, from its loader, because ansible packs modules into an archive."""
    text: str = module.__loader__.get_source(module.__name__)
    return text
