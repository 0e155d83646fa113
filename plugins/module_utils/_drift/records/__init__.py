# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Typed, frozen records of what was read from a host. The rules evaluate these and read nothing themselves."""
