# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of debug services, for the module that runs them and for the TLS modules."""

from __future__ import annotations

# Ansible merges options by name, but not their suboptions. This text contains the common suboptions of both lists.
_TLS_SERVICE = """
      name:
        description: The unique name of the service, of letters, digits, V(_), V(.) and V(-).
        type: str
        required: true
      user:
        description: The account that runs the debugger and the program.
        type: str
        required: true
      listen:
        description:
          - The address that dlv listens on. A loopback address and a port, such as V(127.0.0.1:2345) or V([::1]:2345),
            or a Unix socket in C(/run/dlv/<name>/).
          - V(localhost) means V(127.0.0.1). All other names and addresses are rejected.
          - Unix sockets need dlv 1.22.1 or later.
        type: str
        required: true
      workspace:
        description: The absolute directory of the user's sources on the host. Required except to attach to a unit.
        type: str
      tls:
        description:
          - The port with mutual TLS for connections from other machines, which the role
            P(gopherops.devserver.debugger#role) provides.
        type: dict
        suboptions:
          listen:
            description:
              - An IP address and a port from 1024 on, such as V(0.0.0.0:12345), or V([::]:12345) for IPv4 and IPv6.
            type: str
            required: true
          clients:
            description: The names of the admitted clients. By default all.
            type: list
            elements: str
          client_port:
            description: The loopback port on the client's machine. By default the port of O(services[].tls.listen).
            type: int
"""


class ModuleDocFragment:
    # Annotated: ansible-test's yamllint fails at an unannotated assignment of a value that is not constant.
    DOCUMENTATION: str = rf"""
options:
  services:
    description: The debug services of the host.
    type: list
    elements: dict
    default: []
    suboptions:
{_TLS_SERVICE}
      mode:
        description:
          - V(exec) builds a main package and runs it. The program runs before a client attaches, and any number of
            clients may attach and detach.
          - V(test) builds the tests of a package and stops before the first test. One client runs them. When it
            detaches, they are built again for the next client.
          - V(attach) attaches to the main process of a unit each time that this unit starts.
        type: str
        choices: [exec, attach, test]
        default: exec
      package:
        description: The directory of the package in the workspace, such as V(./cmd/api).
        type: str
        default: .
      process_unit:
        description:
          - The unit whose main process is debugged, with O(services[].mode=attach). It must run as O(services[].user).
          - The debug service starts and stops together with this unit. It never starts the unit.
        type: str
      args:
        description: The arguments of the program. A test accepts arguments such as V(-test.run=TestOrder).
        type: list
        elements: str
        default: []
      environment:
        description:
          - Environment variables of the program and of its build, in addition to those of the user.
          - They are written to a file that only root can read. Differences contain only their names.
        type: dict
        default: {{}}
      build_flags:
        description:
          - Flags of C(go build), such as V(-tags=integration).
          - C(-o), C(-C), C(-gcflags) and C(-trimpath) are rejected, because the module sets them. So are the linker
            flags C(-s) and C(-w).
        type: list
        elements: str
        default: []
      continue:
        description:
          - Whether the program runs before a client attaches. With V(false) it waits, and its start can be debugged.
          - Ignored with O(services[].mode=test), which always waits.
        type: bool
        default: true
      log:
        description: The components of dlv that log to the journal.
        type: list
        elements: str
        choices: [debugger, rpc, dap, fncall, minidump, debuglineerr]
        default: []
      memory:
        description: The memory limit of the service and its build, in the format of O(memory), which is the default.
        type: str
      tasks:
        description: The limit of processes and threads. By default O(tasks).
        type: int
      cpu_weight:
        description: The CPU weight, from 1 to 10000. Other units have 100. By default O(cpu_weight).
        type: int
      state:
        description:
          - V(started) runs the service now and after each boot. V(stopped) only installs it. V(absent) removes it; its
            user need not exist. By default O(state).
        type: str
        choices: [started, stopped, absent]
      launch_configuration:
        description:
          - Whether C(.vscode/launch.json) of the workspace gets a configuration C(Attach to dlv-<name>). A missing file
            is created. Other content of the file is kept.
          - The configuration is removed together with this option or with the service.
        type: bool
        default: false
      allow_shared_workspace:
        description:
          - Whether other users than O(services[].user) may be able to change the workspace, or a directory above it.
          - Everybody who can do so can run code as O(services[].user), because the service builds it and runs it.
            Without this option such a service is stopped and reported, and the others are set up.
        type: bool
        default: false
      allow_root:
        description: Whether O(services[].user) may be root. Then every client of the debugger has the rights of root.
        type: bool
        default: false
"""

    TLS_SERVICES: str = rf"""
options:
  services:
    description:
      - Entries of the variable C(debugger_services) of P(gopherops.devserver.debugger#role), without the options that
        TLS does not need, such as environment variables. Entries without O(services[].tls) have no endpoint.
    type: list
    elements: dict
    default: []
    suboptions:
{_TLS_SERVICE}
      state:
        description: With V(absent) the endpoint is removed.
        type: str
        choices: [started, stopped, absent]
  exclusive:
    description: Whether the endpoints of services that are not in O(services) are removed. By default they stay.
    type: bool
    default: false
  clients:
    description: The names of all clients. An entry of O(services) may admit fewer.
    type: list
    elements: str
    default: []
  revoked:
    description: The names of revoked clients, which no service admits.
    type: list
    elements: str
    default: []
  minimum:
    description: The minimum TLS version.
    type: str
    choices: [TLSv1.2, TLSv1.3]
    default: TLSv1.2
"""
