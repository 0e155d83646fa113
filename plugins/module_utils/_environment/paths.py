# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the rendered declaration is."""

from __future__ import annotations

# One file for each user and kind of shell.
USERS = "/etc/gopherops/users"
