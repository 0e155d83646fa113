# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work-arounds of gopls, as the module that applies them and the one that looks for drift take them."""

from __future__ import annotations

# The option has another name in each, so Ansible could not merge it.
_ENTRIES = """
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: A name for it, by which it is reported.
        type: str
        required: true
      reason:
        description: The fault, and where it is described.
        type: str
        required: true
      gopls:
        description: The affected versions of gopls, such as V(>=0.15.0 <0.15.1). Empty means all.
        type: str
        default: ''
      go:
        description: The affected versions of the Go that built it, in the same form.
        type: str
        default: ''
      settings:
        description: Settings of gopls that help.
        type: dict
        default: {}
      environment:
        description: Variables of gopls's environment that help.
        type: dict
        default: {}
      pin:
        description: Another version that has not the fault. It is told only.
        type: str
        default: ''
"""


class ModuleDocFragment:
    # Annotated, because ansible-test's yamllint breaks off at a plain assignment of what is no constant.
    DOCUMENTATION: str = rf"""
options:
  workarounds:
    description:
      - What helps against faults of some versions, besides those that are known here. Each is applied while the
        versions match, and told when they no longer do.
{_ENTRIES}
"""

    DRIFT: str = rf"""
options:
  gopls_workarounds:
    description: As O(gopherops.devserver.gopls_service#module:workarounds).
{_ENTRIES}
"""
