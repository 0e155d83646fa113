#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: dlv_tls
short_description: Puts mutual TLS in front of debug services
version_added: 0.1.0
author:
  - the gopherops.devserver authors (@gopherops)
description:
  - Runs one stunnel that lets in clients by their certificates and by their names, and hands what they say to the
    debuggers, which listen on loopback addresses or Unix sockets.
  - The server has a user of its own, C(gopherops-debug-tls), who alone may read the key. Behind it a relay for each
    debugger runs as the debugger's user while somebody is connected, because C(dlv) takes nobody else's connections.
  - New certificates are read by the running server. Whatever changes who may come in restarts it, which ends the
    connections that there are.
  - Without services that have a TLS port, everything is taken away.
extends_documentation_fragment:
  - gopherops.devserver.attributes
  - gopherops.devserver.attributes.writer
  - gopherops.devserver.debug_services.doors
options:
  authority:
    description:
      - Certificate of the authority that signs for clients, as PEM text.
      - This and the three below may be empty in check mode, where nothing was made yet.
    type: str
    default: ""
  certificate:
    description: Certificate of this host, as PEM text.
    type: str
    default: ""
  key:
    description: Key of this host, as PEM text. It shows in no result and in no difference.
    type: str
    default: ""
  revocations:
    description: Revocation list of the authority, as PEM text.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Put TLS in front of the debuggers
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
  description: The TLS address of each debug service that somebody may come in by.
  returned: success
  type: dict
  sample: {"api": "[::]:12345"}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gopherops.devserver.plugins.module_utils._core.result import run
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.dlv_tls import ARGUMENT_SPEC, converge


def main() -> None:
    run(AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True), converge)


if __name__ == "__main__":
    main()
