#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: dlv_service
short_description: Run dlv as services that editors attach to, on loopback addresses only
version_added: 0.1.0
description:
  - Writes a system unit C(dlv-<name>.service) for each debug service. It runs a headless C(dlv) as its user, with
    resource limits, in a sandbox, and logs to the journal.
  - Each start of a service builds the program without optimisation into the separate directory
    C(/var/lib/dlv/<name>). Other builds of the program are never overwritten.
  - A service listens on a loopback address, or on a Unix socket that only its user can reach. Other addresses are
    rejected, because dlv has neither TLS nor a password.
  - A service with O(services[].state=absent) is stopped and removed, with its program. One that is not in O(services)
    stays as it is, unless O(exclusive).
  - All entries are validated before anything is written.
  - A C(launch.json) that cannot be edited, such as one with a syntax error, is skipped. The module does everything
    else, fails at the end, and lists such files in RV(skipped_files). The unit of a service that is to be removed
    is stopped, and stays until its configuration can be removed.
notes:
  - A program that does not compile is not an error of the module. systemd retries the service until the program
    compiles. A warning and RV(services) contain the output of the compiler.
extends_documentation_fragment:
  - gopherops.devserver.attributes.writer
  - gopherops.devserver.debug_services
options:
  dlv:
    description: The path of C(dlv).
    type: path
    default: /usr/local/bin/dlv
  go:
    description: The path of the C(go) command that builds the programs.
    type: path
    default: /usr/local/go/bin/go
  check_go_version:
    description: Whether dlv rejects programs that were built with a Go version that it does not support.
    type: bool
    default: true
  memory:
    description:
      - The default memory limit of the services.
      - A size is a number with K, M, G or T for powers of 1024, such as V(2G), V(1.5GiB) or V(800MB). A
        number without a unit is in bytes.
    type: str
    default: 2G
  tasks:
    description: The default limit of processes and threads of the services.
    type: int
    default: 512
  cpu_weight:
    description: The default CPU weight of the services.
    type: int
    default: 50
  state:
    description:
      - The default state of the services. V(absent) removes all services, also those that are not in O(services).
    type: str
    choices: [started, stopped, absent]
    default: started
  exclusive:
    description: Whether debug services that are not in O(services) are removed. By default they stay as they are.
    type: bool
    default: false
  wait:
    description: The seconds to wait until all services listen. A service that is still building then is not an error.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: Run debug services for alice's program, its tests and its staging unit
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
  description: The state of each declared service; in check mode, the state before the run.
  returned: always, unless an option is invalid
  type: list
  elements: dict
  contains:
    name:
      description: The name of the service.
      type: str
    unit:
      description: The name of its unit.
      type: str
    listen:
      description: The address that it listens on, in the format of dlv's option.
      type: str
    state:
      description: The active state of the unit, such as V(active), V(inactive) or V(activating).
      type: str
    listens:
      description: Whether a process listens on the address.
      type: bool
    problem:
      description: The last output of a service that failed to start; empty otherwise.
      type: str
  sample:
    - {name: api, unit: dlv-api.service, listen: "127.0.0.1:2345", state: active, listens: true, problem: ""}
check_mode:
  description: Whether the module ran in check mode, which a play or a single task can request.
  returned: always, unless an option is invalid
  type: bool
tls:
  description: Whether the TLS server of M(gopherops.devserver.dlv_tls) is installed, by this or an earlier run.
  returned: always, unless an option is invalid
  type: bool
skipped_files:
  description:
    - The C(launch.json) files that could not be edited and were left as they are. With an entry the module fails, after
      it has done everything else. Files of other users cause only warnings.
    - The format is that of RV(gopherops.devserver.go_env#module:skipped_files).
  returned: always, unless an option is invalid
  type: list
  elements: dict
  sample: []
ptrace:
  description:
    - Whether the kernel lets each user debug, by a real attempt. C(launch) is for programs that dlv starts, C(attach)
      is for running processes.
    - V(ok), or a text that begins with V(denied) or V(unknown) and contains the reason.
  returned: always, unless an option is invalid
  type: dict
  sample: {alice: {launch: ok, attach: "denied by Yama, whose ptrace_scope is 1"}}
"""

from ..module_utils._core.result import run
from ..module_utils._delve.dlv_service import ARGUMENT_SPEC, converge


def main() -> None:
    run(ARGUMENT_SPEC, converge)


if __name__ == "__main__":
    main()
