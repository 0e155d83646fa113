# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
name: certificates_due
short_description: Picks the certificates that have to be made
version_added: 0.1.0
author:
  - the gopherops.devserver authors (@gopherops)
description:
  - Reads the certificates on the controller and returns those that are not there, run out soon, are for other names
    or another type of key, or were not signed by the authority.
  - Starts no process, so that a play that has nothing to make does not pay for looking.
positional: folder, authority, key_type, renew_before, alternative
options:
  _input:
    description: Names of certificates. Each lies in O(folder) with the ending C(.crt), its key with C(.key).
    type: list
    elements: str
    required: true
  folder:
    description: The folder of the certificates.
    type: path
    required: true
  authority:
    description: Path of the certificate that has to have signed them.
    type: path
    required: true
  key_type:
    description: The type of their keys.
    type: str
    choices: [ECC, Ed25519, RSA]
    required: true
  renew_before:
    description: How long before its end a certificate is made again, such as V(+30d).
    type: str
    required: true
  alternative:
    description:
      - The subject alternative names that they shall have, such as V(DNS:one) or V(IP:192.0.2.1).
      - By default each has its own name.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Make the keys that are missing
  community.crypto.openssl_privatekey:
    path: "/srv/ca/clients/{{ item }}.key"
    type: ECC
    curve: secp256r1
  loop: "{{ ['alice-laptop', 'ci']
    | gopherops.devserver.certificates_due('/srv/ca/clients', '/srv/ca/ca.crt', 'ECC', '+30d') }}"
"""

RETURN = r"""
_value:
  description: Those of the names whose certificates have to be made.
  type: list
  elements: str
"""

import os
import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.gopherops.devserver.plugins.plugin_utils.certificates import MISSING, is_due


def certificates_due(
    names: list[str],
    folder: str,
    authority: str,
    key_type: str,
    renew_before: str,
    alternative: list[str] | None = None,
) -> list[str]:
    """Return those of ``names`` whose certificates have to be made."""
    if MISSING:
        raise AnsibleFilterError(f"the controller's Python has no cryptography: {MISSING}")

    def due(name: str) -> bool:
        wanted = [f"DNS:{name}"] if alternative is None else alternative
        return is_due(os.path.join(folder, name), wanted, authority, key_type, renew_before)

    try:
        return [name for name in names if due(name)]
    except (KeyError, ValueError) as error:
        raise AnsibleFilterError(f"the certificates in {folder} cannot be judged: {error}") from error


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"certificates_due": certificates_due}
