#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: dlv_tls_client
short_description: Bundles what a client of debug services needs
version_added: 0.1.0
author:
  - the gopherops.devserver authors (@gopherops)
description:
  - Runs where the authority of M(gopherops.devserver.dlv_tls)'s certificates is, which is the controller as a rule.
  - Writes a folder for each client, with the authority's certificate, the client's own, its key for its owner alone,
    and for the host a configuration of stunnel and an entry for VS Code's C(launch.json).
  - Files of other hosts that lie in the same folder stay. The bundles of who is revoked are removed.
extends_documentation_fragment:
  - gopherops.devserver.attributes
  - gopherops.devserver.attributes.writer
  - gopherops.devserver.debug_services.doors
options:
  folder:
    description: Where the bundles go.
    type: path
    required: true
  source:
    description: The folder of the authority, with C(ca.crt) and C(clients/).
    type: path
    required: true
  host:
    description: Name of the host in the inventory.
    type: str
    required: true
  address:
    description: The name or IP address by which clients reach the host. The host's certificate must be for it.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Bundle what clients need
  gopherops.devserver.dlv_tls_client:
    folder: /srv/debug-ca/bundles
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
  description: The folder of each client.
  returned: success
  type: dict
  sample: {"ci": "/srv/debug-ca/bundles/ci"}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gopherops.devserver.plugins.module_utils._core.result import run
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.dlv_tls_client import (
    ARGUMENT_SPEC,
    converge,
)


def main() -> None:
    run(AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True), converge)


if __name__ == "__main__":
    main()
