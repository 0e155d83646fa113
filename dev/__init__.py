# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The project's own tooling: `python3 -m dev <command>`; standard library only, Python 3.11 or later."""

from __future__ import annotations
