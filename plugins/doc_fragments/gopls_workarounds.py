# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workarounds for gopls, an option of the module that applies them and of the one that reports drift."""

from __future__ import annotations

# Ansible could not merge the option, because its name differs between the modules.
_ENTRIES = """
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The name of the workaround in reports.
        type: str
        required: true
      reason:
        description: The fault, and a link to its description.
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
        description: Settings of gopls that avoid the fault.
        type: dict
        default: {}
      environment:
        description: Variables of gopls's environment that avoid the fault.
        type: dict
        default: {}
      pin:
        description: A version without the fault, to recommend in a warning.
        type: str
        default: ''
"""


class ModuleDocFragment:
    # The annotation keeps ansible-test's yamllint from failing at an assignment that is not a constant.
    DOCUMENTATION: str = rf"""
options:
  workarounds:
    description:
      - Workarounds for faults of some versions, in addition to the built-in ones. Each is applied while the versions
        match, and reported as obsolete when they no longer do.
{_ENTRIES}
"""

    DRIFT: str = rf"""
options:
  gopls_workarounds:
    description: As O(gopherops.devserver.gopls_service#module:workarounds).
{_ENTRIES}
"""
