# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The author and the attributes of every module."""

from __future__ import annotations

# Annotated below: ansible-test's yamllint fails at an unannotated assignment of a value that is not constant.
_COMMON = """
author:
  - the gopherops.devserver authors (@gopherops)
options: {}
attributes:
  platform:
    description: The platforms that the module supports.
    support: full
    platforms: linux
  action_group:
    description: The action groups of the module, whose names C(module_defaults) accepts after C(group/).
    support: full
    membership:
      - gopherops.devserver.all
"""


class ModuleDocFragment:
    WRITER: str = rf"""
{_COMMON}
  check_mode:
    description:
      - Reports in check mode exactly what it would change, also on a host where nothing is installed yet, and changes
        nothing.
    support: full
  diff_mode:
    description: Shows everything that it changes, or would change, before and after the change.
    details: Only in a run with C(--diff) (C(diff=true)). It contains whole files of up to 102 KiB, with secrets
      masked.
    support: full
"""

    READ_ONLY: str = rf"""
{_COMMON}
  check_mode:
    description: Never changes anything, so it does the same in check mode.
    support: full
  diff_mode:
    description: There is nothing to compare, because nothing changes.
    support: none
"""
