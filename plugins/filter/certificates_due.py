# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
name: certificates_due
short_description: Select the certificates that must be created or renewed
version_added: 0.1.0
author:
  - the gopherops.devserver authors (@gopherops)
description:
  - Reads the certificates on the controller. Returns those that are missing, that expire soon, that have other names or
    another type of key, and those that the authority has not signed.
  - Starts no process, which keeps a play without due certificates fast.
positional: folder, authority, key_type, renew_before, alternative
options:
  _input:
    description: The names of the certificates. The files in O(folder) are C(NAME.crt), and C(NAME.key) for the key.
    type: list
    elements: str
    required: true
  folder:
    description: The directory of the certificates.
    type: path
    required: true
  authority:
    description: The path of the certificate of the authority that issues them.
    type: path
    required: true
  key_type:
    description: The expected type of their keys.
    type: str
    choices: [ECC, Ed25519, RSA]
    required: true
  renew_before:
    description: How long before its expiry a certificate is renewed, such as V(+30d).
    type: str
    required: true
  alternative:
    description:
      - The expected subject alternative names, such as V(DNS:one) or V(IP:192.0.2.1).
      - By default the name of each certificate.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Create the missing keys
  community.crypto.openssl_privatekey:
    path: "/srv/ca/clients/{{ item }}.key"
    type: ECC
    curve: secp256r1
  loop: "{{ ['alice-laptop', 'ci']
    | gopherops.devserver.certificates_due('/srv/ca/clients', '/srv/ca/ca.crt', 'ECC', '+30d') }}"
"""

RETURN = r"""
_value:
  description: The names of the due certificates.
  type: list
  elements: str
"""

import os
import typing as t

from ansible.errors import AnsibleFilterError

from ..plugin_utils.certificates import MISSING, is_due


def certificates_due(
    names: list[str],
    folder: str,
    authority: str,
    key_type: str,
    renew_before: str,
    alternative: list[str] | None = None,
) -> list[str]:
    """Return the ``names`` of the certificates that must be created or renewed."""
    if MISSING:
        raise AnsibleFilterError(f"the controller's Python has no cryptography: {MISSING}")

    def due(name: str) -> bool:
        expected = [f"DNS:{name}"] if alternative is None else alternative
        return is_due(os.path.join(folder, name), expected, authority, key_type, renew_before)

    try:
        return [name for name in names if due(name)]
    except (KeyError, ValueError) as error:
        raise AnsibleFilterError(f"cannot evaluate the certificates in {folder}: {error}") from error


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"certificates_due": certificates_due}
