# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module go_env_drift as Ansible runs any module, in less time."""

from __future__ import annotations

import typing as t

from ansible.plugins.action.normal import ActionModule as NormalAction

from ..plugin_utils.actions import Result, uncollected


class ActionModule(NormalAction):  # type: ignore[misc]  # ansible ships no types: its classes are Any
    """The action of the task."""

    def run(self, tmp: t.Any = None, task_vars: Result | None = None) -> Result:
        with uncollected():
            result: Result = super().run(tmp, task_vars)
        return result
