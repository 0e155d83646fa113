#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ssh_access
short_description: Lets developers in over ssh, with accounts, public keys and settings of sshd for editors
version_added: 0.2.0
description:
  - Creates the accounts of listed users with C(create), and adds their public keys to C(~/.ssh/authorized_keys), with
    the user's rights. It removes only keys that it has added before. Other lines of that file stay, with their options.
  - Writes C(/etc/ssh/sshd_config.d/10-gopherops-devserver.conf), so that editors may forward ports, open several
    sessions in one connection, and notice dead connections. C(sshd -t) validates it with the whole configuration before
    it is written. Then sshd reloads, and must accept connections.
  - A host stays reachable. As M(gopherops.devserver.go_env) does, the action plugin of this name opens a new connection
    before and after a change of sshd. If one fails, the previous configuration is restored, by a timer on the host if
    need be, and sshd reloads again.
  - A file of one user that cannot be used is skipped. The module does everything else, fails at the end, and lists such
    files in RV(skipped_files).
notes:
  - The task cannot run asynchronously.
  - Accounts are never removed or changed.
  - It writes no C(SetEnv) for sshd, because PAM gives sessions their environment.
extends_documentation_fragment:
  - gopherops.devserver.attributes.writer
  - gopherops.devserver.declaration.users
options:
  state:
    description:
      - V(absent) removes the drop-in of sshd and all keys that earlier runs have added. Accounts stay.
    type: str
    choices: [present, absent]
    default: present
  sshd:
    description:
      - Whether to write the settings of sshd. V(false) removes them. Without an sshd they are left out, with a warning.
      - C(sshd_config) must include C(/etc/ssh/sshd_config.d/*.conf), which needs OpenSSH 8.2 or later.
    type: bool
    default: true
  tcp_forwarding:
    description:
      - C(AllowTcpForwarding). V(local) lets users reach ports of the host, which editors need, but not open ports on it
        that lead to their own machines.
    type: str
    choices: [all, local]
    default: all
  client_alive_interval:
    description: C(ClientAliveInterval), seconds without data after which sshd probes a connection.
    type: int
    default: 30
  client_alive_count:
    description: C(ClientAliveCountMax), probes without a response after which sshd closes a connection.
    type: int
    default: 10
  max_sessions:
    description: C(MaxSessions), the number of terminals, copies and editors that can share a connection.
    type: int
    default: 50
  rollback_after:
    description:
      - The time limit in seconds for the proof that a new connection and C(become) work after sshd has changed.
        Thereafter the host restores the previous configuration by itself. V(0) changes it without a proof.
    type: int
    default: 60
  _access:
    description: Reserved for the action plugin of this name. Do not set it.
    type: dict
attributes:
  action_group:
    membership:
      - gopherops.devserver.all
seealso:
  - module: gopherops.devserver.go_env
"""

EXAMPLES = r"""
- name: Let two developers in
  gopherops.devserver.ssh_access:
    users:
      - name: alice
        create: true
        authorized_keys:
          - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHqN0Zr1nZb4cQ0QyOqkq3m1aVx9hUo1s5x0J3m5l7fN alice@laptop
      - name: bob
  become: true
"""

RETURN = r"""
access_problem:
  description:
    - Why a new connection with C(become) failed. If that was before the first change, nothing was changed; otherwise
      the previous configuration of sshd is restored.
  returned: if that failed
  type: str
  sample: "Connection refused"
skipped_files:
  description:
    - The files of listed users that could not be edited. They were left as they are, and all others are written. With
      an entry the module fails, after it has done everything else.
    - The format is that of RV(gopherops.devserver.go_env#module:skipped_files).
  returned: always, unless an option is invalid
  type: list
  elements: dict
  sample: []
"""

from ..module_utils._core.result import run
from ..module_utils._remote_access.ssh_access import ARGUMENT_SPEC, converge


def main() -> None:
    run(ARGUMENT_SPEC, converge)


if __name__ == "__main__":
    main()
