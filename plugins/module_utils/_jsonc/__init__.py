# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON with comments, as editors, dev containers and task files have it: read with positions, edited in place."""
