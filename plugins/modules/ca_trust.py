#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ca_trust
short_description: Add private certificate authorities to the host's trust store
version_added: 0.1.0
description:
  - Every program on the host that uses the system's trust store verifies TLS with these authorities too.
  - Only certificates that the store does not contain are added, so the file may also contain public ones.
extends_documentation_fragment:
  - gopherops.devserver.attributes.writer
options:
  pem:
    description: One or more certificates in PEM format. Empty adds none.
    type: str
    default: ""
  exclusive:
    description: Whether certificates of earlier runs that are not in O(pem) are removed. By default they stay.
    type: bool
    default: false
  state:
    description: V(absent) removes all certificates that earlier runs have added.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Trust the company's certificate authority
  gopherops.devserver.ca_trust:
    pem: "{{ lookup('ansible.builtin.file', 'company-ca.pem') }}"
  become: true
"""

RETURN = r"""
anchors:
  description: The directory of the host's trust store to which certificates are added.
  returned: success, if O(pem) is not empty
  type: str
  sample: /usr/local/share/ca-certificates
"""

from ..module_utils._core.result import run
from ..module_utils._host.ca_trust import ARGUMENT_SPEC, converge


def main() -> None:
    run(ARGUMENT_SPEC, converge)


if __name__ == "__main__":
    main()
