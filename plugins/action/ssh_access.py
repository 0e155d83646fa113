# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module ssh_access, and proves that sshd still lets this play in."""

from __future__ import annotations

from ..plugin_utils.access import ProvenAccessAction


class ActionModule(ProvenAccessAction):
    """The action of the task."""

    _VARIABLE = "remote_access_rollback_after"
