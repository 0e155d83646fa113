#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ssh_client_config
short_description: Write a developer's ssh configuration for all hosts of an inventory
version_added: 0.2.0
description:
  - Runs on the developer's machine, usually the controller. Writes three files to O(directory). They are C(config) with
    an entry for each host, C(known_hosts) with their keys, and C(settings.json) with settings of VS Code's Remote-SSH.
  - ssh checks the keys of hosts strictly, and uses only O(identity). Sessions share one connection, by a socket in
    O(directory).
  - A host that is no longer listed disappears. A host without keys keeps those of earlier runs.
  - The developer's own C(~/.ssh/config) changes only with O(include), which adds a block with an C(Include) at its
    beginning.
extends_documentation_fragment:
  - gopherops.devserver.attributes.writer
options:
  state:
    description: V(absent) removes the files, and the C(Include).
    type: str
    choices: [present, absent]
    default: present
  directory:
    description: The directory of the files. Its path must be short, because that of a socket has at most 108 bytes.
    type: path
    required: true
  user:
    description: The name of the developer's account on the hosts. Required unless O(state=absent).
    type: str
    default: ''
  hosts:
    description: The hosts, such as from the filter P(gopherops.devserver.ssh_hosts#filter).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The name by which ssh and editors know the host.
        type: str
        required: true
      address:
        description: The host name or IP address; by default O(hosts[].name).
        type: str
        default: ''
      port:
        description: The port of sshd.
        type: int
        default: 22
      jump:
        description:
          - Hosts to go through, in the form of C(ProxyJump), such as V(ops@bastion.example.com). A host of O(hosts), by
            its name or address, becomes its entry.
        type: str
        default: ''
      keys:
        description:
          - The public keys of the host, as in C(/etc/ssh/ssh_host_ed25519_key.pub). Any other line is left out,
            with a warning, such as a key with options.
        type: list
        elements: str
        default: []
      forwards:
        description:
          - Ports on the loopback address of the host that ssh forwards. Where several hosts forward the same one, the
            local port is the next that is free in this configuration.
        type: list
        elements: int
        default: []
  identity:
    description: The developer's private key, which ssh reads on the developer's machine.
    type: str
    default: ~/.ssh/id_ed25519
  include:
    description: Whether O(user_config) includes the configuration.
    type: bool
    default: false
  user_config:
    description: The developer's own configuration of ssh.
    type: path
    default: ~/.ssh/config
attributes:
  action_group:
    membership:
      - gopherops.devserver.all
seealso:
  - module: gopherops.devserver.ssh_access
"""

EXAMPLES = r"""
- name: Write alice's configuration for one host behind another one
  gopherops.devserver.ssh_client_config:
    directory: ~/.ssh/devserver
    user: alice
    hosts:
      - name: bastion
        address: bastion.example.com
      - name: dev1
        address: 10.0.0.7
        jump: bastion
        forwards: [2345]
  delegate_to: localhost
"""

RETURN = r"""
config:
  description: The configuration, for C(ssh -F).
  returned: success
  type: str
  sample: /home/alice/.ssh/devserver/config
"""

from ..module_utils._core.result import run
from ..module_utils._remote_access.ssh_client_config import ARGUMENT_SPEC, converge


def main() -> None:
    run(ARGUMENT_SPEC, converge)


if __name__ == "__main__":
    main()
