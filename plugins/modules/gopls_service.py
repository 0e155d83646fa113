#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: gopls_service
short_description: One gopls for each user, shared by all of that user's editors, within limits that hold
version_added: 0.1.0
author:
  - the gopherops.devserver authors (@gopherops)
description:
  - Makes gopls a daemon of each listed user, a unit of the system's manager C(gopls@USER.service) that runs as that
    user. It starts when an editor connects to C(/run/gopls/USER/gopls.sock), which only that user can reach, and ends
    when nobody is connected for a while.
  - Its memory is capped by the unit's cgroup, on cgroup v1 and v2 alike, and its heap is told to stay below by
    C(GOMEMLIMIT). Where it is ended at the cap, it is started again after a pause, and editors that connect meanwhile
    wait.
  - Tells VS Code's Go extension of it in the machine settings, as M(gopherops.devserver.go_env) tells of the rest.
  - Fills its cache ahead of time with all packages of the users' workspaces, at low priority.
  - Where no systemd runs the host, as in plain containers, every editor has a gopls of its own within the same heap
    limit.
notes:
  - A daemon that runs is restarted only where its binary, its memory limits or the variables of a work-around change.
    Everything else reaches it when it starts the next time.
  - Users who are no longer listed lose their units and what their editors were told of them.
extends_documentation_fragment:
  - gopherops.devserver.attributes
  - gopherops.devserver.attributes.writer
  - gopherops.devserver.declaration
  - gopherops.devserver.gopls_workarounds
options:
  gopls:
    description:
      - The gopls that runs. In check mode it may be missing, and settings are not judged then.
    type: path
    default: /usr/local/bin/gopls
  memory:
    description:
      - What each user's gopls may have at most, such as V(2G). Empty means half of the host's memory, divided among the
        users, but 512M to 4G each, and on a small host as much less as all fit in.
      - A size is a number with K, M, G or T for powers of 1024, such as V(2G), V(1.5GiB) or V(800MB); bytes without.
    type: str
    default: ''
  session_memory:
    description:
      - What all that a user's sessions run may have at most, such as V(8G) for editor server, builds and debuggers
        together. gopls is not among them. Empty means no limit.
    type: str
    default: ''
  heap_percent:
    description: The part of O(memory) that gopls's heap is told to stay below, by C(GOMEMLIMIT).
    type: int
    default: 85
  force:
    description: Whether limits that are together more than the host has are taken nevertheless.
    type: bool
    default: false
  cpu_weight:
    description: The weight of each daemon where processors are short; other units have 100.
    type: int
    default: 50
  oom_score:
    description: What is added to a daemon's badness where the whole host is out of memory, V(-1000) to V(1000).
    type: int
    default: 500
  idle:
    description:
      - Seconds without a connection after which a daemon ends; V(0) means never. Needs systemd 246, without which it is
        never.
    type: int
    default: 3600
  settings:
    description:
      - gopls's settings, by short name or as VS Code writes them, such as V(ui.diagnostic.staticcheck). They are
        written to the machine settings, below C(gopls).
      - Those that C(gopls api-json) of O(gopls) does not list, and values of another type, are refused before anything
        is written. Deprecated ones are told.
    type: dict
    default: {}
  prewarm:
    description: Whether the users' workspaces are analysed ahead of time, after this and then every O(prewarm_days).
    type: bool
    default: true
  prewarm_days:
    description: Days between; gopls forgets what nobody has used for five.
    type: int
    default: 3
  prewarm_minutes:
    description: Minutes that the prewarm of one user may take.
    type: int
    default: 30
  log:
    description: Whether a daemon logs to C(/var/log/gopls/USER.log), which is rotated, and not to the journal.
    type: bool
    default: true
  trace:
    description: Whether editors are told C(-rpc.trace), which writes all messages to the editor's own output of gopls.
    type: bool
    default: false
  pprof_port:
    description:
      - The port on the loopback address where the first user's daemon serves its debug and profiling pages; each
        further user's has the next one. V(0) means none. Every user of the host can read them.
    type: int
    default: 0
seealso:
  - module: gopherops.devserver.gopls_probe
  - module: gopherops.devserver.go_env
"""

EXAMPLES = r"""
- name: Give two developers a language server of at most 2 GiB each
  gopherops.devserver.gopls_service:
    users:
      - name: alice
        workspaces: ["{home}/service"]
      - name: bob
    memory: 2G
    settings:
      ui.diagnostic.staticcheck: true
      build.directoryFilters: [-**/node_modules]
  become: true
"""

RETURN = r"""
mode:
  description: V(daemon) where systemd runs the host, else V(per-editor).
  returned: success
  type: str
  sample: daemon
limits:
  description: Bytes that each daemon, and each user's sessions (0 is no limit), may have.
  returned: success
  type: dict
  sample: {memory: 2147483648, memory_high: 2040109465, heap: 1824522240, session: 0}
users:
  description: The listed users, with the socket that editors connect to; empty in the mode V(per-editor).
  returned: success
  type: list
  elements: dict
  sample: [{name: alice, socket: /run/gopls/alice/gopls.sock}]
restarted:
  description: The users whose running daemon was restarted.
  returned: success
  type: list
  elements: str
  sample: []
deprecated:
  description: Settings that gopls takes, but not for long any more, and why.
  returned: success
  type: list
  elements: str
  sample: []
workarounds:
  description: The work-arounds that are in use.
  returned: success
  type: list
  elements: dict
  sample: []
obsolete_workarounds:
  description: Names of work-arounds that are not needed with these versions.
  returned: success
  type: list
  elements: str
  sample: []
packages:
  description: Packages that the host lacks for what was set up; none in check mode, which sets up nothing.
  returned: success
  type: list
  elements: str
  sample: [logrotate]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gopherops.devserver.plugins.module_utils._core.result import run
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.gopls_service import ARGUMENT_SPEC, converge


def main() -> None:
    run(AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True), converge)


if __name__ == "__main__":
    main()
