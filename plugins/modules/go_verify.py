#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: go_verify
short_description: Verifies that users can develop in Go on a host, from hello world to a breakpoint that stops
version_added: 0.1.0
description:
  - Does the tasks of a developer as each user. It runs hello world, builds and tests the modules of a workspace, sends
    requests to gopls, debugs in each mode of dlv, runs a service and checks its health.
  - All steps run for all users, after failures too; a step that needs a failed step is skipped. The module fails at the
    end and names the failed steps.
  - Every command runs as the user, with the environment of the user's units, in a temporary directory. No file, process
    or port is left. As with every build, Go's build cache grows.
extends_documentation_fragment:
  - gopherops.devserver.attributes.read_only
  - gopherops.devserver.gopls_server
options:
  users:
    description: The users to verify.
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
          - The directory with C(go.mod) or C(go.work) to work on. V({home}) and V({user}) in it are replaced. Its files
            are not changed.
          - Empty means the sample, in a temporary directory.
        type: str
        default: ''
  sample:
    description: The files of the sample workspace, by relative path. Required if a user has no workspace.
    type: dict
    default: {}
  goroot:
    description: The Go of users whose environment declares none.
    type: path
    default: /usr/local/go
  dlv:
    description: Path of the debugger.
    type: path
    default: /usr/local/bin/dlv
  gopls:
    description:
      - As O(gopherops.devserver.gopls_probe#module:gopls).
      - Empty means, on a host without systemd, the C(gopls-shared) in the directory of O(dlv), if it exists.
    type: str
    default: ''
  package:
    description: The program of the workspace that serves HTTP. Empty means none.
    type: str
    default: ./cmd/api
  args:
    description: Its arguments, with V({address}) for the address to listen at.
    type: list
    elements: str
    default: [-listen, '{address}']
  host:
    description: The loopback address to listen at.
    type: str
    default: 127.0.0.1
  port:
    description:
      - The port to listen at. V(0) means any free port.
      - If other processes take two such ports before the service listens, its address has port 0, for which the kernel
        chooses.
    type: int
    default: 0
  health:
    description: Paths that must return status 200. An empty list disables the step.
    type: list
    elements: str
    default: [/healthz, /readyz]
  ready:
    description: Maximum seconds from the start of the service until they do.
    type: float
    default: 30
  coverage:
    description: Minimum share of the statements that the tests must cover, in percent.
    type: float
    default: 0
  modes:
    description:
      - The modes to debug in. dlv starts the program in V(debug), V(exec) and V(test), attaches to a running one in
        V(local), and in V(remote) a client attaches to a headless dlv that runs the program.
    type: list
    elements: str
    choices: [debug, exec, test, local, remote]
    default: [debug, exec, test, local, remote]
  breakpoints:
    description:
      - Markers that the program reaches during its start, as in O(gopherops.devserver.dlv_probe#module:breakpoints).
      - Empty means all markers in the directory of O(package).
    type: list
    elements: str
    default: [filled, listening]
  test_package:
    description: The package whose tests are debugged.
    type: str
    default: ./stock
  test_breakpoints:
    description: Markers that its tests reach. Empty means all markers in its directory.
    type: list
    elements: str
    default: [take]
  trigger:
    description: The path to request from the running program so that it reaches O(served_breakpoints).
    type: str
    default: /readyz
  served_breakpoints:
    description: Markers that the running program reaches on that request.
    type: list
    elements: str
    default: [readyz]
  runs:
    description: Number of debug sessions in each mode. Every session must stop at all markers.
    type: int
    default: 1
  drift:
    description: The C(report) of M(gopherops.devserver.go_env_drift), which the step V(go env) evaluates.
    type: dict
  drift_problem:
    description: The reason why there is no report. The step V(go env) fails with it.
    type: str
    default: ''
  drift_fail_on:
    description: The lowest severity of a finding that makes the step V(go env) fail.
    type: str
    choices: [note, warning, error]
    default: error
  max_first_diagnostics_seconds:
    description:
      - Maximum seconds until gopls has sent the first diagnostics of a file, as the median of three sessions.
      - V(0) means no limit.
    type: float
    default: 0
  max_memory:
    description:
      - Maximum memory of gopls, such as V(2G), as the highest peak of three sessions. That of a daemon counts from its
        start.
      - Empty means no limit.
    type: str
    default: ''
  min_cache_hit_rate:
    description:
      - Minimum share, from 0 to 1, of the packages of the workspace, with all dependencies, that the first build of the
        step V(build) takes from the user's build cache. It is measured once, because that build fills the cache.
      - V(0) means no limit.
    type: float
    default: 0
  timeout:
    description:
      - Maximum seconds of all steps of one user together. The step that exceeds it fails, those after it are skipped,
        and the next user follows.
    type: float
    default: 900
  temporary_directory:
    description: Where to create a directory for each user. Users must be able to run programs there.
    type: path
    default: /tmp
seealso:
  - module: gopherops.devserver.go_env_drift
  - module: gopherops.devserver.gopls_probe
  - module: gopherops.devserver.dlv_probe
"""

EXAMPLES = r"""
- name: Verify that two users can work on their own service
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
    served_breakpoints: [requested]
  become: true

- name: Build and test a library, and check gopls
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
  description: The results of all steps, user by user.
  returned: always, unless an option is invalid
  type: list
  elements: dict
  contains:
    user:
      description: Name of the account.
      type: str
    step:
      description:
        - V(go env), V(hello world), V(build), V(test), V(gopls), V(dlv debug), V(dlv exec), V(dlv test), V(dlv local),
          V(dlv remote) or V(health); V(workspace) if the sandbox of the user cannot be created.
      type: str
    result:
      description: V(ok), V(failed) or V(skipped).
      type: str
    seconds:
      description: Wall time of the step.
      type: float
    what:
      description: The measurement, or the error with its remedy.
      type: str
    failed_gates:
      description: Each limit that the step did not meet, with the measurement.
      type: list
      elements: str
  sample:
    - {user: alice, step: test, result: ok, seconds: 1.52, what: 82.1 % of statements covered, failed_gates: []}
failed_steps:
  description: Each failed step with its user.
  returned: always, unless an option is invalid
  type: list
  elements: str
  sample: ["alice: test"]
failed_gates:
  description: Each limit that was not met, with its user, step and measurement.
  returned: always, unless an option is invalid
  type: list
  elements: str
  sample: ["alice: gopls: max_memory: measured 2.1G, limit 2G"]
table:
  description: The lines of a table of the steps, and the failures in full.
  returned: always, unless an option is invalid
  type: list
  elements: str
"""

import typing as t

from ..module_utils._core.errors import DevserverError
from ..module_utils._core.result import Outcome, run_reader
from ..module_utils._core.sizes import parse_size
from ..module_utils._verify.plan import MODES, VerificationPlan
from ..module_utils._verify.verify import list_failed_gates, list_failed_steps, render_table, verify

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
    "max_first_diagnostics_seconds": {"type": "float", "default": 0},
    "max_memory": {"type": "str", "default": ""},
    "min_cache_hit_rate": {"type": "float", "default": 0},
    "timeout": {"type": "float", "default": 900},
    "temporary_directory": {"type": "path", "default": "/tmp"},
}


def main() -> None:
    run_reader(ARGUMENT_SPEC, _read)


def _read(params: t.Mapping[str, t.Any]) -> Outcome:
    results = verify(_make_plan(params))
    failed, gates = list_failed_steps(results), list_failed_gates(results)
    steps = [result._asdict() for result in results]
    shown = {"steps": steps, "failed_steps": failed, "failed_gates": gates, "table": render_table(results)}
    if not failed:
        return Outcome(shown)
    failure = DevserverError(
        f"{len(failed)} of {len(results)} steps failed: {'; '.join(failed)}"
        + (f". Limits that were not met: {'; '.join(gates)}" if gates else ""),
        remedy="apply the remedies at the end of table in this result, and run the playbook verify again",
    )
    return Outcome(shown, failure=failure)


def _make_plan(params: t.Mapping[str, t.Any]) -> VerificationPlan:
    options = {name: params[name] for name in VerificationPlan._fields if name in params}
    options["max_memory"] = parse_size(params["max_memory"] or "0", "max_memory")
    options["users"] = [(user["name"], user["workspace"]) for user in params["users"]]
    severities = _SEVERITIES[_SEVERITIES.index(params["drift_fail_on"]) :]
    return VerificationPlan(**options, failing_severities=severities)


if __name__ == "__main__":
    main()
