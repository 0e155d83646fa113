# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a module that writes."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule


def answer(module: AnsibleModule, **result: t.Any) -> None:
    """Leave with ``result``, whose ``diff`` is told only to who asks for it.

    It holds whole files of users, which must not lie about in registered results and logs.
    """
    if not module._diff:
        result.pop("diff", None)
    module.exit_json(**result)
