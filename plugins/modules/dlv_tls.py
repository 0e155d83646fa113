#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: dlv_tls
short_description: Run a server with mutual TLS for debug services
version_added: 0.1.0
description:
  - Runs one stunnel that admits clients by their certificates and names, and forwards their connections to the debug
    services, which listen on loopback addresses or Unix sockets.
  - The server runs as the separate user C(gopherops-debug-tls), and only this user may read the key. A relay for each
    debug service runs as the user of the service while a client is connected, because C(dlv) rejects connections of
    other users.
  - The running server reloads new certificates. A change of the admitted clients restarts it, which ends all
    connections.
  - Without endpoints, the server and its files are removed.
extends_documentation_fragment:
  - gopherops.devserver.attributes.writer
  - gopherops.devserver.debug_services.tls_services
options:
  authority:
    description:
      - The certificate of the authority that signs the clients' certificates, as PEM text.
      - In check mode O(authority), O(certificate), O(key) and O(revocations) may be empty. The controller may not have
        created them yet.
    type: str
    default: ""
  certificate:
    description: The certificate of this host, as PEM text.
    type: str
    default: ""
  key:
    description: The key of this host, as PEM text. Results and differences do not contain it.
    type: str
    default: ""
  revocations:
    description: The revocation list of the authority, as PEM text.
    type: str
    default: ""
  state:
    description:
      - V(absent) removes the server with all endpoints and its user, and needs no other option. The package of stunnel
        stays.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Run the TLS server of the debug services
  gopherops.devserver.dlv_tls:
    services:
      - name: api
        user: alice
        listen: 127.0.0.1:2345
        tls:
          listen: "[::]:12345"
          clients: [alice-laptop]
    clients: [alice-laptop, ci]
    authority: "{{ lookup('ansible.builtin.file', 'ca.crt') }}"
    certificate: "{{ lookup('ansible.builtin.file', 'server.crt') }}"
    key: "{{ lookup('ansible.builtin.file', 'server.key') }}"
    revocations: "{{ lookup('ansible.builtin.file', 'crl.pem') }}"
  become: true
"""

RETURN = r"""
ports:
  description: The TLS address of each debug service that admits a client.
  returned: success
  type: dict
  sample: {"api": "[::]:12345"}
"""

from ..module_utils._core.result import run
from ..module_utils._delve.tls.dlv_tls import ARGUMENT_SPEC, converge


def main() -> None:
    run(ARGUMENT_SPEC, converge)


if __name__ == "__main__":
    main()
