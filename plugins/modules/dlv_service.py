#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: dlv_service
short_description: Runs dlv as services that editors attach to, on the loopback alone
version_added: 0.1.0
author:
  - the gopherops.devserver authors (@gopherops)
description:
  - Makes a unit C(dlv-<name>.service) of the system's manager for each debug service, which runs a headless C(dlv) as
    its user, with limits of its own, in a sandbox, logging to the journal.
  - What is debugged is built without optimisation into a folder of its own, C(/var/lib/dlv/<name>), each time that the
    service starts. A program that is used elsewhere is never overwritten.
  - A service listens on the loopback or on a unix socket that its user alone can reach. Anything wider is refused, as
    dlv has no TLS and asks nobody who they are.
  - One call declares all services of a host. Those of an earlier call that are no longer declared are stopped, and
    removed with their programs.
  - All entries are judged before anything is written.
notes:
  - A program that does not compile does not end the run. The service is tried again until it does; RV(services) says
    what is the matter, and so does a warning.
extends_documentation_fragment:
  - gopherops.devserver.attributes
  - gopherops.devserver.attributes.writer
  - gopherops.devserver.debug_services
options:
  dlv:
    description: The debugger.
    type: path
    default: /usr/local/bin/dlv
  go:
    description: The C(go) that builds.
    type: path
    default: /usr/local/go/bin/go
  check_go_version:
    description: Whether dlv refuses programs of a Go that it was not made for.
    type: bool
    default: true
  memory:
    description:
      - The memory of services that say nothing else.
      - A size is a number with K, M, G or T for powers of 1024, such as V(2G), V(1.5GiB) or V(800MB); bytes without.
    type: str
    default: 2G
  tasks:
    description: The processes and threads of services that say nothing else.
    type: int
    default: 512
  cpu_weight:
    description: The share of the CPUs of services that say nothing else.
    type: int
    default: 50
  state:
    description: The state of services that say nothing else.
    type: str
    choices: [started, stopped]
    default: started
  wait:
    description: How many seconds to wait until all listen. A service that still builds then is no error.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: Let alice debug her service, its tests and what runs of it
  gopherops.devserver.dlv_service:
    services:
      - name: api
        user: alice
        workspace: /home/alice/shop
        package: ./cmd/api
        listen: 127.0.0.1:2345
        args: [--listen, "127.0.0.1:8080"]
        launch_configuration: true
      - name: orders-test
        user: alice
        mode: test
        workspace: /home/alice/shop
        package: ./internal/orders
        listen: "[::1]:2346"
      - name: staging
        user: alice
        mode: attach
        process_unit: shop-staging.service
        listen: /run/dlv/staging/dlv.sock
  become: true
"""

RETURN = r"""
services:
  description: How each declared service is; in check mode, how it was before.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
    unit:
      description: Its unit.
      type: str
    listen:
      description: Where it listens, as dlv's own option has it.
      type: str
    state:
      description: What systemd says of the unit, such as V(active), V(inactive) or V(activating).
      type: str
    listens:
      description: Whether somebody listens there.
      type: bool
    problem:
      description: What it said last, where it has failed to start; else empty.
      type: str
  sample:
    - {name: api, unit: dlv-api.service, listen: "127.0.0.1:2345", state: active, listens: true, problem: ""}
check_mode:
  description: Whether it ran in check mode, be it of the whole play or of this task alone.
  returned: success
  type: bool
tls:
  description: Whether M(gopherops.devserver.dlv_tls) has put TLS in front of debug services of this or an earlier run.
  returned: success
  type: bool
ptrace:
  description:
    - What came of it when a process of each service's user really traced another one. V(ok), or who refused that.
    - The one that it C(launch)es itself, and one that runs already, to C(attach) to.
  returned: success
  type: dict
  sample: {alice: {launch: ok, attach: "refused by Yama, whose ptrace_scope is 1"}}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gopherops.devserver.plugins.module_utils._core.no_log import params_of
from ansible_collections.gopherops.devserver.plugins.module_utils._core.result import run
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.dlv_service import ARGUMENT_SPEC, converge


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run(module, converge, params_of(module, lambda params: [service["environment"] for service in params["services"]]))


if __name__ == "__main__":
    main()
