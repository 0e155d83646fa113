#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: gopls_service
short_description: Runs gopls as one daemon per user, shared by all editors of that user, within memory limits
version_added: 0.1.0
description:
  - Runs gopls as a daemon of each listed user, in the system unit C(gopls@USER.service). It starts when an editor
    connects to C(/run/gopls/USER/gopls.sock), which only that user can reach, and exits after O(idle) seconds without a
    connection.
  - The cgroup of the unit limits its memory, on cgroup v1 and v2, and C(GOMEMLIMIT) its heap. A daemon that is killed
    at the limit is restarted after a pause; editors that connect during the pause wait.
  - Configures VS Code's Go extension for it in the machine settings, as M(gopherops.devserver.go_env) does for the
    environment.
  - Fills its cache with all packages of the users' workspaces in advance, at idle priority.
  - On a host without systemd, such as a plain container, each editor starts its own gopls within the same heap limit.
notes:
  - A running daemon is restarted only if its binary or its environment changes, which contains the variables that
    M(gopherops.devserver.go_env) renders for units of the user, the limit of the heap (C(GOMEMLIMIT), a share of
    O(memory)) and the variables of the workarounds. Limits of its cgroup take effect at
    once, other changes at its next start.
  - Users who are not listed keep their daemons. With O(exclusive), and for users with O(users[].state=absent), the
    units and the settings of their editors are removed.
extends_documentation_fragment:
  - gopherops.devserver.attributes.writer
  - gopherops.devserver.declaration
  - gopherops.devserver.declaration.users
  - gopherops.devserver.gopls_workarounds
attributes:
  action_group:
    membership:
      - gopherops.devserver.all
      - gopherops.devserver.declaration
options:
  state:
    description:
      - V(absent) removes everything that earlier runs have made, for all users, with logs and crashes. It needs no
        other option.
    type: str
    choices: [present, absent]
    default: present
  gopls:
    description:
      - The gopls to run. In check mode it may be missing; then O(settings) are not validated.
    type: path
    default: /usr/local/bin/gopls
  memory:
    description:
      - Maximum memory of each user's gopls, such as V(2G). Empty means half of the host's memory, divided among the
        users, but 512M to 4G each, and less on a host on which they and the debug services would not fit.
      - A size is a number of bytes, or a number with K, M, G or T for powers of 1024, such as V(2G), V(1.5GiB) or
        V(800MB).
    type: str
    default: ''
  session_memory:
    description:
      - Maximum memory of all processes in one user's sessions, such as V(8G) for editor server, builds and debuggers
        together, without gopls. Empty means no limit.
    type: str
    default: ''
  heap_percent:
    description: The soft limit of gopls's heap, set by C(GOMEMLIMIT), in percent of O(memory).
    type: int
    default: 85
  force:
    description: Whether to accept limits that add up to more than the host's memory.
    type: bool
    default: false
  debug_services:
    description:
      - The debug services that M(gopherops.devserver.dlv_service) runs on this host. Their memory counts in the sum of
        all limits. So does the memory of installed debug services that are not listed, unless O(exclusive).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The name of the debug service.
        type: str
        required: true
      memory:
        description: Its maximum memory, in the format of O(memory).
        type: str
        required: true
      state:
        description: The memory of a service with V(absent) does not count.
        type: str
        choices: [started, stopped, absent]
        default: started
  cpu_weight:
    description: The share of each daemon in busy processors; other units have 100.
    type: int
    default: 50
  oom_score:
    description:
      - The C(OOMScoreAdjust) of each daemon, V(-1000) to V(1000). The kernel kills processes with a high score first.
    type: int
    default: 500
  idle:
    description:
      - Seconds without a connection after which a daemon exits. V(0), and any value before systemd 246, means never.
    type: int
    default: 3600
  settings:
    description:
      - gopls's settings, by short name or as VS Code writes them, such as V(ui.diagnostic.staticcheck). They are
        written to the machine settings, below C(gopls).
      - Settings that C(gopls api-json) of O(gopls) does not list, and values of another type, are rejected before any
        file is written. Deprecated settings are reported.
    type: dict
    default: {}
  prewarm:
    description: Whether to analyse the users' workspaces after this module ran, and then every O(prewarm_days).
    type: bool
    default: true
  prewarm_days:
    description: Days between two prewarms. gopls deletes cache entries that were not used for five days.
    type: int
    default: 3
  prewarm_minutes:
    description: Maximum minutes of one user's prewarm.
    type: int
    default: 30
  log:
    description: Whether daemons log to C(/var/log/gopls/USER.log), which is rotated, instead of the journal.
    type: bool
    default: true
  trace:
    description: Whether editors start gopls with C(-rpc.trace), to log all messages in their output panel.
    type: bool
    default: false
  pprof:
    description:
      - Whether daemons serve their debug and profiling pages, on C(/run/gopls/USER/pprof.sock), which only that user
        can open. It takes effect with the next start of a daemon.
      - These daemons have no network, because gopls serves the pages on a TCP port, which all users could open.
        They download no modules. The option needs systemd.
    type: bool
    default: false
seealso:
  - module: gopherops.devserver.gopls_probe
  - module: gopherops.devserver.go_env
"""

EXAMPLES = r"""
- name: Run a language server of at most 2 GiB for each of two users
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
  description: V(daemon) on a host with systemd, else V(per-editor).
  returned: success
  type: str
  sample: daemon
limits:
  description: The limits of each daemon and of each user's sessions (0 means none), in bytes.
  returned: success
  type: dict
  sample: {memory: 2147483648, memory_high: 2040109465, heap: 1824522240, session: 0}
users:
  description: The listed users.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name of the user.
      type: str
    socket:
      description: The socket that editors connect to; empty in the mode V(per-editor).
      type: str
    prewarm:
      description: The last finished prewarm of all workspaces of the user; V(null) before the first one.
      type: dict
      contains:
        packages:
          description: The number of packages in the workspaces.
          type: int
        analysed:
          description: How many of these were analysed.
          type: int
        with_dependencies:
          description: The number of packages in the workspaces and of all their dependencies.
          type: int
        from_cache:
          description: How many of these came from the cache.
          type: int
  sample:
    - name: alice
      socket: /run/gopls/alice/gopls.sock
      prewarm: {packages: 3, analysed: 3, with_dependencies: 137, from_cache: 137}
restarted:
  description: The users whose running daemon was restarted.
  returned: success
  type: list
  elements: str
  sample: []
deprecated:
  description: The deprecated settings, with gopls's message about each.
  returned: success
  type: list
  elements: str
  sample: []
workarounds:
  description: The workarounds that are applied.
  returned: success
  type: list
  elements: dict
  sample: []
obsolete_workarounds:
  description: Names of workarounds that these versions do not need.
  returned: success
  type: list
  elements: str
  sample: []
packages:
  description: Packages that are needed and not installed. Always empty in check mode.
  returned: success
  type: list
  elements: str
  sample: [logrotate]
skipped_files:
  description:
    - The editor settings of users that could not be read or parsed, the cache and socket directories of removed
      users that could not be removed, and units of single users that do not start. They were left as they are, and all
      others are completed. With an entry the module fails, after it has done everything else. Files of users who are
      not listed cause only warnings.
    - The format is that of RV(gopherops.devserver.go_env#module:skipped_files).
  returned: always, unless an option is invalid
  type: list
  elements: dict
  sample: []
"""

from ..module_utils._core.result import run
from ..module_utils._gopls.gopls_service import ARGUMENT_SPEC, converge


def main() -> None:
    run(ARGUMENT_SPEC, converge)


if __name__ == "__main__":
    main()
