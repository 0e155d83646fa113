# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
name: revocations_due
short_description: Report whether a revocation list must be created or renewed
version_added: 0.1.0
author:
  - the gopherops.devserver authors (@gopherops)
description:
  - Reads the list on the controller. It is due if it is missing, expires soon, was not signed by the authority, or
    lacks one of the certificates.
positional: path, authority, renew_before
options:
  _input:
    description: The paths of the certificates to revoke.
    type: list
    elements: path
    required: true
  path:
    description: The path of the revocation list.
    type: path
    required: true
  authority:
    description: The path of the certificate of the list's authority.
    type: path
    required: true
  renew_before:
    description: How long before its expiry the list is renewed, such as V(+30d).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show whether the list is due
  ansible.builtin.debug:
    msg: "{{ ['/srv/ca/clients/ci.crt']
      | gopherops.devserver.revocations_due('/srv/ca/crl.pem', '/srv/ca/ca.crt', '+30d') }}"
"""

RETURN = r"""
_value:
  description: Whether the list is due.
  type: bool
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ..plugin_utils import certificates


def revocations_due(revoked: list[str], path: str, authority: str, renew_before: str) -> bool:
    """Return whether the list at ``path`` must be created or renewed."""
    if certificates.MISSING:
        raise AnsibleFilterError(f"the controller's Python has no cryptography: {certificates.MISSING}")
    try:
        return certificates.revocations_due(path, revoked, authority, renew_before)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"revocations_due": revocations_due}
