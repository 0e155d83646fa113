# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module admits about itself."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  platform:
    description: The platforms that the module supports.
    support: full
    platforms: linux
"""

    WRITER = r"""
options: {}
attributes:
  check_mode:
    description:
      - Reports in check mode exactly what it would change, also on a host where nothing is installed yet, and changes
        nothing.
    support: full
  diff_mode:
    description: Shows everything that it changes, or would change, before and after the change.
    details: Only in a run with C(--diff) (C(diff=true)). It contains whole files, without the credentials in URLs.
    support: full
"""

    READ_ONLY = r"""
options: {}
attributes:
  check_mode:
    description: Never changes anything, so it does the same in check mode.
    support: full
  diff_mode:
    description: There is nothing to compare, because nothing changes.
    support: none
"""
