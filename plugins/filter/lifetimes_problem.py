# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
name: lifetimes_problem
short_description: Says which lifetime of certificates will not do
version_added: 0.1.0
author:
  - the gopherops.devserver authors (@gopherops)
description:
  - Judges how long certificates are to be good before any is made. Each has to be longer than the time before its end
    at which it is renewed, or every run would renew it.
positional: renew_before
options:
  _input:
    description: Lifetimes such as V(+397d), by the names of the variables that hold them.
    type: dict
    required: true
  renew_before:
    description: How long before its end a certificate is made again, such as V(+30d).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse lifetimes that will not do
  ansible.builtin.assert:
    that: problem | length == 0
    fail_msg: "{{ problem }}"
  vars:
    problem: "{{ {'debugger_tls_lifetime': '+397d'} | gopherops.devserver.lifetimes_problem('+30d') }}"
"""

RETURN = r"""
_value:
  description: What is wrong and what to do; empty where all will do.
  type: str
"""

import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.validity import lifetimes_problem


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"lifetimes_problem": lifetimes_problem}
