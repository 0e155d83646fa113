#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: dlv_tls_client
short_description: Write bundles for the clients of debug services
version_added: 0.1.0
description:
  - Runs on the machine of the authority that signs the certificates of M(gopherops.devserver.dlv_tls), usually the
    controller.
  - Writes a directory for each client. It contains the certificates of the authority and of the client, the client's
    key with mode 0600, a configuration of stunnel for the host, and an entry for VS Code's C(launch.json).
  - Keeps the files of other hosts in the same directory, and what earlier runs have written about services that are not
    in O(services), unless O(exclusive). Removes the bundles of revoked clients.
extends_documentation_fragment:
  - gopherops.devserver.attributes.writer
  - gopherops.devserver.debug_services.tls_services
options:
  state:
    description:
      - V(absent) removes the key and the certificates of O(host), and the files about it in all bundles.
      - The authority and the certificates of clients stay, because other hosts may use them.
    type: str
    choices: [present, absent]
    default: present
  directory:
    description: The directory for the bundles.
    type: path
    required: true
  source:
    description: The directory of the authority, with C(ca.crt) and C(clients/).
    type: path
    required: true
  host:
    description: The name of the host in the inventory.
    type: str
    required: true
  address:
    description: The host name or IP address that clients connect to. The certificate of the host must contain it.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Write the bundles of clients
  gopherops.devserver.dlv_tls_client:
    directory: /srv/debug-ca/bundles
    source: /srv/debug-ca
    host: "{{ inventory_hostname }}"
    address: dev1.example.org
    services:
      - name: api
        user: alice
        listen: 127.0.0.1:2345
        workspace: /home/alice/shop
        tls:
          listen: "[::]:12345"
          client_port: 2345
    clients: [alice-laptop, ci]
  delegate_to: localhost
"""

RETURN = r"""
bundles:
  description: The directory of each client's bundle.
  returned: success
  type: dict
  sample: {"ci": "/srv/debug-ca/bundles/ci"}
"""

from ..module_utils._core.result import run
from ..module_utils._delve.tls.dlv_tls_client import ARGUMENT_SPEC, converge


def main() -> None:
    run(ARGUMENT_SPEC, converge)


if __name__ == "__main__":
    main()
