# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option of modules that record which paths they use."""

from __future__ import annotations


class ModuleDocFragment:
    """The option ``record``."""

    DOCUMENTATION = r"""
options:
  record:
    description:
      - Whether root records the paths in C(/etc/gopherops/records), so that a later run with O(state=absent) finds them
        without this declaration.
    type: bool
    default: true
"""
