# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debug services, as the modules that run them and those that put TLS in front of them take them."""

from __future__ import annotations

# Ansible merges options by name, but not what is in one: what two lists of suboptions share is put together here.
_DOOR = """
      name:
        description: Its name, of letters, digits, V(_), V(.) and V(-). Names must differ.
        type: str
        required: true
      user:
        description: The account that the debugger, and what it starts, run as.
        type: str
        required: true
      listen:
        description:
          - Where dlv listens. An address of the loopback and a port, such as V(127.0.0.1:2345) or V([::1]:2345), or a
            unix socket in C(/run/dlv/<name>/).
          - V(localhost) stands for V(127.0.0.1). All other names and addresses are refused.
          - Unix sockets need dlv 1.22.1 or later.
        type: str
        required: true
      workspace:
        description: Absolute folder of the host that the user works in. Needed but to attach to what runs.
        type: str
      tls:
        description:
          - How it can be reached from elsewhere. The role P(gopherops.devserver.debugger#role) puts TLS in front by it.
        type: dict
        suboptions:
          listen:
            description:
              - An IP address and a port from 1024 on, such as V(0.0.0.0:12345), or V([::]:12345) for IPv4 and IPv6.
            type: str
            required: true
          clients:
            description: Names of those who may come in. By default all.
            type: list
            elements: str
          client_port:
            description: The port of the loopback at which a client's machine offers it. By default the host's own.
            type: int
"""


class ModuleDocFragment:
    # Annotated, because ansible-test's yamllint breaks off at a plain assignment of what is no constant.
    DOCUMENTATION: str = rf"""
options:
  services:
    description: The debug services of the host.
    type: list
    elements: dict
    default: []
    suboptions:
{_DOOR}
      mode:
        description:
          - V(exec) builds a main package and runs it. It goes on before anybody attaches, and any number of clients may
            come and go.
          - V(test) builds the tests of a package and holds them before the first. One client runs them; when it leaves
            they are built anew for the next.
          - V(attach) attaches to the main process of a unit that runs already, each time that this unit starts.
        type: str
        choices: [exec, attach, test]
        default: exec
      package:
        description: Folder of the package in the workspace, such as V(./cmd/api).
        type: str
        default: .
      process_unit:
        description:
          - The unit whose main process is attached to, with O(services[].mode=attach). It must run as
            O(services[].user).
          - The service starts and stops along with it. It is not started for the service's sake.
        type: str
      args:
        description: Arguments of the program; for a test such as V(-test.run=TestOrder).
        type: list
        elements: str
        default: []
      environment:
        description:
          - Variables that the program, and its build, get besides those of its user.
          - They stand in a file that only root can read, and as names alone in a difference.
        type: dict
        default: {{}}
      build_flags:
        description:
          - Flags of C(go build), such as V(-tags=integration).
          - Not C(-o), C(-C), C(-gcflags) and C(-trimpath), which are set here, nor C(-s) and C(-w) for the linker.
        type: list
        elements: str
        default: []
      continue:
        description:
          - Whether the program runs before anybody attaches. Without it, it waits, so that its start can be debugged.
          - Means nothing to O(services[].mode=test), which always waits.
        type: bool
        default: true
      log:
        description: Parts of dlv whose own log goes to the journal.
        type: list
        elements: str
        choices: [debugger, rpc, dap, fncall, minidump, debuglineerr]
        default: []
      memory:
        description: What the service may take at most, with its build; a size as for O(memory), which is the default.
        type: str
      tasks:
        description: How many processes and threads it may have. By default O(tasks).
        type: int
      cpu_weight:
        description: Its share where CPUs are short, from 1 to 10000; others have 100. By default O(cpu_weight).
        type: int
      state:
        description:
          - V(started) runs now and after each boot. V(stopped) is there to be started by hand. By default O(state).
        type: str
        choices: [started, stopped]
      launch_configuration:
        description:
          - Whether C(.vscode/launch.json) of the workspace gets a configuration C(Attach to dlv-<name>). It is made
            where there is none; the rest of it stays as it is.
          - Taken out again where it is no longer asked for, or the service is no longer declared.
        type: bool
        default: false
      allow_root:
        description: Whether O(services[].user) may be root. Who reaches the debugger is root then.
        type: bool
        default: false
"""

    DOORS: str = rf"""
options:
  services:
    description:
      - Entries of the variable C(debugger_services) of P(gopherops.devserver.debugger#role), less what is not needed
        here, such as the variables of programs. One without O(services[].tls) is left alone.
    type: list
    elements: dict
    default: []
    suboptions:
{_DOOR}
  clients:
    description: Names of the clients that there are. An entry of O(services) may name fewer.
    type: list
    elements: str
    default: []
  revoked:
    description: Names that nobody is let in by any more.
    type: list
    elements: str
    default: []
  minimum:
    description: The oldest version of TLS that is spoken.
    type: str
    choices: [TLSv1.2, TLSv1.3]
    default: TLSv1.2
"""
