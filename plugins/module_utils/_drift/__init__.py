# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drift report of one host: declared values, those of real processes, and the findings."""
