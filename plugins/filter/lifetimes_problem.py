# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
name: lifetimes_problem
short_description: Validate the lifetimes of certificates
version_added: 0.1.0
author:
  - the gopherops.devserver authors (@gopherops)
description:
  - Validates the lifetimes before a certificate is created. Each must be longer than O(renew_before). Otherwise every
    run would renew the certificate.
positional: renew_before
options:
  _input:
    description: The lifetimes, such as V(+397d), by the names of their variables.
    type: dict
    required: true
  renew_before:
    description: How long before its expiry a certificate is renewed, such as V(+30d).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Validate the lifetimes
  ansible.builtin.assert:
    that: problem | length == 0
    fail_msg: "{{ problem }}"
  vars:
    problem: "{{ {'debugger_tls_lifetime': '+397d'} | gopherops.devserver.lifetimes_problem('+30d') }}"
"""

RETURN = r"""
_value:
  description: The problem and its remedy; empty if all lifetimes are valid.
  type: str
"""

import typing as t

from ..module_utils._delve.tls.validity import lifetimes_problem


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"lifetimes_problem": lifetimes_problem}
