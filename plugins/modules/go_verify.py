#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: go_verify
short_description: Proves that users can work with Go on a host, from hello world to a breakpoint that stops
version_added: 0.1.0
author:
  - the gopherops.devserver authors (@gopherops)
description:
  - Does for each user what a developer does in a day. It runs hello world, builds and tests the modules of a workspace,
    asks gopls, debugs in each mode of dlv, runs a service and asks for its health.
  - All steps of all users are taken, whatever fails; what needs a step that failed is skipped. The module fails at the
    end and names what did.
  - Runs everything as the user, with the environment that the user's units have, in a folder of its own. Leaves no
    file, no process and no port; as with every build, Go's build cache is filled.
extends_documentation_fragment:
  - gopherops.devserver.attributes
  - gopherops.devserver.attributes.read_only
  - gopherops.devserver.gopls_server
options:
  users:
    description: Who is to be able to work.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the account.
        type: str
        required: true
      workspace:
        description:
          - The folder with C(go.mod) or C(go.work) to work on. V({home}) and V({user}) in it are filled. Nothing in it
            is changed.
          - By default the sample, in the folder of the module's own.
        type: str
        default: ''
  sample:
    description: The files of the sample workspace, by path below it. Needed where a user has no workspace.
    type: dict
    default: {}
  goroot:
    description: The Go that is used where a user's environment declares none.
    type: path
    default: /usr/local/go
  dlv:
    description: The debugger.
    type: path
    default: /usr/local/bin/dlv
  gopls:
    description:
      - As O(gopherops.devserver.gopls_probe#module:gopls).
      - Where it is empty and no systemd runs, it is the C(gopls-shared) beside O(dlv), if that is there.
    type: str
    default: ''
  package:
    description: The program of the workspace that serves HTTP. Empty where there is none.
    type: str
    default: ./cmd/api
  args:
    description: Its arguments, with V({address}) in the place of the address that it shall listen at.
    type: list
    elements: str
    default: [-listen, '{address}']
  host:
    description: The address of the loopback that it shall listen at.
    type: str
    default: 127.0.0.1
  port:
    description: The port. V(0) takes one that is free.
    type: int
    default: 0
  health:
    description: Paths that have to answer with 200. Empty leaves the step out.
    type: list
    elements: str
    default: [/healthz, /readyz]
  ready:
    description: Seconds that it may take until they do.
    type: float
    default: 30
  coverage:
    description: How many percent of the statements the tests have to cover at least.
    type: float
    default: 0
  modes:
    description:
      - The modes of debugging that are tried, of V(debug), V(exec) and V(test), in which dlv starts the program,
        V(local), in which it attaches to one that runs, and V(remote), in which a headless dlv runs it.
    type: list
    elements: str
    choices: [debug, exec, test, local, remote]
    default: [debug, exec, test, local, remote]
  breakpoints:
    description:
      - Markers that the program comes by at its start, as O(gopherops.devserver.dlv_probe#module:breakpoints) has them.
      - Empty means all that stand in the folder of O(package).
    type: list
    elements: str
    default: [filled, listening]
  test_package:
    description: The package whose tests are debugged.
    type: str
    default: ./stock
  test_breakpoints:
    description: Markers that its tests come by. Empty means all that stand in its folder.
    type: list
    elements: str
    default: [take]
  trigger:
    description: The path that the running program is asked for, so that it comes by O(served_breakpoints).
    type: str
    default: /readyz
  served_breakpoints:
    description: Markers that it comes by then.
    type: list
    elements: str
    default: [readyz]
  runs:
    description: How many debug sessions of each mode are held. All of them have to stop.
    type: int
    default: 1
  drift:
    description: The C(report) of M(gopherops.devserver.go_env_drift), which is judged in the step V(go env).
    type: dict
  drift_problem:
    description: What kept that module from a report. The step fails with it.
    type: str
    default: ''
  drift_fail_on:
    description: The least severity of a finding that makes the step fail.
    type: str
    choices: [note, warning, error]
    default: error
  timeout:
    description: Seconds that one command, probe or debug session may take.
    type: float
    default: 300
  temporary_folder:
    description: Where a folder for each user is made. Users must be able to run programs there.
    type: path
    default: /tmp
seealso:
  - module: gopherops.devserver.go_env_drift
  - module: gopherops.devserver.gopls_probe
  - module: gopherops.devserver.dlv_probe
"""

EXAMPLES = r"""
- name: Prove that everybody can work on their own service
  gopherops.devserver.go_verify:
    users:
      - name: alice
        workspace: "{home}/src/shop"
      - name: bob
        workspace: "{home}/src/shop"
    package: ./cmd/shop
    args: ["-addr={address}"]
    coverage: 60
    breakpoints: [started]
    test_package: ./internal/orders
    test_breakpoints: [order]
    served_breakpoints: [asked]
  become: true

- name: Build and test a library, and ask gopls
  gopherops.devserver.go_verify:
    users:
      - name: alice
        workspace: /srv/library
    package: ''
    health: []
    modes: []
  become: true
"""

RETURN = r"""
steps:
  description: What came of each step of each user, in their order.
  returned: always, once steps have been taken
  type: list
  elements: dict
  contains:
    user:
      description: Name of the account.
      type: str
    step:
      description:
        - V(go env), V(hello world), V(build), V(test), V(gopls), V(dlv debug), V(dlv exec), V(dlv test), V(dlv local),
          V(dlv remote) or V(health); V(workspace) where there was none to take the others in.
      type: str
    result:
      description: V(ok), V(failed) or V(skipped).
      type: str
    seconds:
      description: How long it took.
      type: float
    what:
      description: What was measured, or what is wrong and what to do.
      type: str
  sample:
    - {user: alice, step: test, result: ok, seconds: 1.52, what: 82.1 % of statements covered}
failed_steps:
  description: Each step that failed, with its user.
  returned: always, once steps have been taken
  type: list
  elements: str
  sample: ["alice: test"]
table:
  description: The steps as a table for people, line by line.
  returned: always, once steps have been taken
  type: list
  elements: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.redaction import credentials, printable
from ansible_collections.gopherops.devserver.plugins.module_utils._verify.plan import (
    MODES,
    Debugging,
    Plan,
    Programs,
    Service,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._verify.verify import failed_steps, table, verify

_SEVERITIES = ("note", "warning", "error")
_USER: dict[str, t.Any] = {"name": {"type": "str", "required": True}, "workspace": {"type": "str", "default": ""}}
ARGUMENT_SPEC: dict[str, t.Any] = {
    "users": {"type": "list", "elements": "dict", "required": True, "options": _USER},
    "sample": {"type": "dict", "default": {}},
    "goroot": {"type": "path", "default": "/usr/local/go"},
    "dlv": {"type": "path", "default": "/usr/local/bin/dlv"},
    "socket": {"type": "str", "default": "/run/gopls/{user}/gopls.sock"},
    "unit": {"type": "str", "default": "gopls@{user}.service"},
    "gopls": {"type": "str", "default": ""},
    "package": {"type": "str", "default": "./cmd/api"},
    "args": {"type": "list", "elements": "str", "default": ["-listen", "{address}"]},
    "host": {"type": "str", "default": "127.0.0.1"},
    "port": {"type": "int", "default": 0},
    "health": {"type": "list", "elements": "str", "default": ["/healthz", "/readyz"]},
    "ready": {"type": "float", "default": 30},
    "coverage": {"type": "float", "default": 0},
    "modes": {"type": "list", "elements": "str", "choices": list(MODES), "default": list(MODES)},
    "breakpoints": {"type": "list", "elements": "str", "default": ["filled", "listening"]},
    "test_package": {"type": "str", "default": "./stock"},
    "test_breakpoints": {"type": "list", "elements": "str", "default": ["take"]},
    "trigger": {"type": "str", "default": "/readyz"},
    "served_breakpoints": {"type": "list", "elements": "str", "default": ["readyz"]},
    "runs": {"type": "int", "default": 1},
    "drift": {"type": "dict"},
    "drift_problem": {"type": "str", "default": ""},
    "drift_fail_on": {"type": "str", "choices": list(_SEVERITIES), "default": "error"},
    "timeout": {"type": "float", "default": 300},
    "temporary_folder": {"type": "path", "default": "/tmp"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    module.no_log_values.update(credentials(module.params))
    try:
        outcomes = verify(_plan(module.params))
    except DevserverError as error:
        module.fail_json(**error.result())
    failed = failed_steps(outcomes)
    steps = [outcome._asdict() for outcome in outcomes]
    result = printable({"steps": steps, "failed_steps": failed, "table": table(outcomes)})
    if failed:
        module.fail_json(msg=f"{len(failed)} of {len(steps)} steps failed: {'; '.join(failed)}", **result)
    module.exit_json(changed=False, **result)


def _plan(params: t.Mapping[str, t.Any]) -> Plan:
    return Plan(
        users=[(user["name"], user["workspace"]) for user in params["users"]],
        sample=params["sample"],
        programs=Programs(*(params[name] for name in Programs._fields)),
        service=Service(*(params[name] for name in Service._fields)),
        debugging=Debugging(*(params[name] for name in Debugging._fields)),
        drift=params["drift"],
        drift_problem=params["drift_problem"],
        drift_severities=_SEVERITIES[_SEVERITIES.index(params["drift_fail_on"]) :],
        coverage=params["coverage"],
        timeout=params["timeout"],
        scratch=params["temporary_folder"],
    )


if __name__ == "__main__":
    main()
