#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: go_env_drift
short_description: Reports where a host's Go environment has drifted from the declaration, with cause, file and line
version_added: 0.1.0
description:
  - Probes real processes of every listed user in every context (login shell, interactive bash, zsh and fish, command
    over ssh, cron job, systemd unit, VS Code server and debug session, a bare process that runs C(go)), compares their
    environment with the declaration, and reports the file and line of every value. Of dev containers and workflows
    only the files are read.
  - The contexts are those that M(gopherops.devserver.go_env) renders. Set the same options for both modules.
  - Changes nothing. The context V(ssh) is probed by a client and a server that are connected by a pipe, with a
    temporary key; the host's log shows that login. As after each login, the user's systemd manager runs for some time.
  - A startup that prints, is slow or hangs runs once more with tracing, to find the line at fault.
extends_documentation_fragment:
  - gopherops.devserver.attributes.read_only
  - gopherops.devserver.declaration
  - gopherops.devserver.declaration.users
  - gopherops.devserver.gopls_workarounds.drift
attributes:
  action_group:
    membership:
      - gopherops.devserver.all
      - gopherops.devserver.declaration
options:
  go_version:
    description: The expected version, such as V(1.22.12). Empty allows any version.
    type: str
    default: ''
  go_minimum:
    description:
      - The minimum version, such as V(1.22). An older Go at O(goroot) is a finding of the host. A C(.go-version) of a
        workspace that requires an older one is a finding too. Empty allows any version.
    type: str
    default: ''
  tools:
    description: The pinned tools, in the format of O(gopherops.devserver.go_tool#module:tools).
    type: list
    elements: dict
    default: []
  tools_root:
    description: As O(gopherops.devserver.go_tool#module:root).
    type: path
    default: /usr/local/lib/go-tools
  tools_bin_dir:
    description: As O(gopherops.devserver.go_tool#module:bin_dir).
    type: path
    default: /usr/local/bin
  tools_user_bin_dir:
    description: As O(gopherops.devserver.go_tool#module:user_bin_dir).
    type: str
    default: go/bin
  tools_goroot:
    description: The Go that builds the tools, if it is not O(goroot).
    type: path
  gopls:
    description: The pinned gopls, which the users' language servers must run. By default that of O(tools_bin_dir).
    type: path
  crash_days:
    description: Number of days for which the failure of a language server is reported; V(0) reports none.
    type: float
    default: 7
  debug_services:
    description: The users of the declared debug services, by the names of the services.
    type: dict
    default: {}
  debug_services_stopped:
    description: The names of the debug services that need not run.
    type: list
    elements: str
    default: []
  tls_renew_before:
    description: Time before their expiry at which provisioning renews debug TLS certificates, such as V(+30d).
    type: str
    default: +30d
  host:
    description: Name of the host in the report and in fingerprints, usually C(inventory_hostname).
    type: str
    default: ''
  timeout:
    description: Timeout of each probe in seconds, more than 0. The cells of a context that exceeds it are V(unknown).
    type: float
    default: 10
seealso:
  - module: gopherops.devserver.go_env
"""

EXAMPLES = r"""
- name: Report drift
  gopherops.devserver.go_env_drift:
    host: "{{ inventory_hostname }}"
    users:
      - name: alice
    go_version: 1.22.12
    go_minimum: "1.22"
  become: true
  register: drift

- name: Fail on errors
  ansible.builtin.assert:
    that: drift.report.findings | selectattr('severity', 'eq', 'error') | length == 0
"""

RETURN = r"""
report:
  description: The versioned report of this host; C(docs/drift-report.schema.json) of the collection describes it.
  returned: success
  type: dict
  contains:
    schema_version:
      description: Version of the format.
      type: int
      sample: 1
    collection_version:
      description: Version of the collection that made the report.
      type: str
      sample: 0.1.0
    generated_at:
      description: Time of the report, in UTC.
      type: str
      sample: "2026-01-31T12:00:00Z"
    host:
      description: Name of the host.
      type: str
      sample: dev1
    toolchain:
      description: Path and version of the Go in use.
      type: dict
      sample: {path: /usr/local/lib/go/1.22.12, version: 1.22.12}
    tools:
      description: The pinned tools; C(reason) is the difference from the pinned build, empty for none.
      type: list
      elements: dict
    language_servers:
      description: The gopls of each user; C(mode) is V(daemon), V(per-editor) or V(none). Memory is in bytes.
      type: list
      elements: dict
      sample:
        - user: alice
          mode: daemon
          socket: /run/gopls/alice/gopls.sock
          gopls: /usr/local/lib/go-tools/gopls/v0.16.2-go1.22.12/gopls
          running: true
          limits: {memory_max: 2146435072, memory_high: 2040109465, heap: 1740MiB}
    cells:
      description: One value for each user, context and variable, with its status and source.
      type: list
      elements: dict
      sample:
        - user: alice
          context: login
          variable: GOPATH
          expected: /home/alice/go
          actual: /opt/go
          status: drift
          source: {kind: file, file: /home/alice/.profile, line: 12}
          shadowed: [{kind: file, file: /etc/gopherops/go-environment.sh, line: 25}]
    findings:
      description:
        - The findings, by rule, with severity, cause, impact, source, last change, remedy and a stable fingerprint.
        - Findings with one cause are one, with the others in its C(follows). If a cause concerns several users,
          C(users) has their names, and C(follows) has an entry for each of them.
      type: list
      elements: dict
summary:
  description:
    - The findings as a table, worst first, with cause and remedy below each row.
    - One line if there are none.
    - The last line has the modes of the users' language servers.
  returned: success
  type: list
  elements: str
  sample: [no drift in 104 values, language servers: daemon for alice]
"""

import dataclasses
import math
import typing as t

from ..module_utils._core.errors import DevserverError
from ..module_utils._core.result import Outcome, run_reader
from ..module_utils._drift.causes import by_cause
from ..module_utils._drift.collect.host import Options, evaluate_limited
from ..module_utils._drift.collect.paths import with_dates
from ..module_utils._drift.finding import Finding, complete_variables
from ..module_utils._drift.report import report, summary
from ..module_utils._drift.rules import evaluate
from ..module_utils._drift.snapshot import Snapshot
from ..module_utils._environment.declaration import ARGUMENT_SPEC, declaration_from
from ..module_utils._tools.workarounds import ARGUMENT_SPEC as WORKAROUND_SPEC


def main() -> None:
    spec = dict(
        ARGUMENT_SPEC,
        go_version={"type": "str", "default": Options.go_version},
        go_minimum={"type": "str", "default": Options.go_minimum},
        tools={"type": "list", "elements": "dict", "default": []},
        tools_root={"type": "path", "default": Options.tools_root},
        tools_bin_dir={"type": "path", "default": Options.tools_bin_dir},
        tools_user_bin_dir={"type": "str", "default": Options.tools_user_bin_dir},
        tools_goroot={"type": "path"},
        gopls={"type": "path"},
        gopls_workarounds={"type": "list", "elements": "dict", "default": [], "options": WORKAROUND_SPEC},
        crash_days={"type": "float", "default": Options.crash_days},
        debug_services={"type": "dict", "default": {}},
        debug_services_stopped={"type": "list", "elements": "str", "default": []},
        tls_renew_before={"type": "str", "default": Options.tls_renew_before},
        host={"type": "str", "default": ""},
        timeout={"type": "float", "default": Options.timeout},
    )
    run_reader(spec, _read)


def _read(params: t.Mapping[str, t.Any]) -> Outcome:
    def evaluated(snapshot: Snapshot) -> dict[str, t.Any]:
        users = [user.account.name for user in snapshot.users_with_home]
        findings = by_cause(with_dates(evaluate(snapshot), snapshot.declaration.users), users)
        return report(snapshot, [_with_declared(finding, params) for finding in findings], params["host"])

    document = evaluate_limited(declaration_from(params), _options(params), evaluated)
    return Outcome({"report": document, "summary": summary(document)})


def _with_declared(finding: Finding, params: t.Mapping[str, t.Any]) -> Finding:
    variables = complete_variables(finding.remedy.variables, params["variables"] or {}, params["users"])
    return dataclasses.replace(finding, remedy=dataclasses.replace(finding.remedy, variables=variables))


def _options(params: t.Mapping[str, t.Any]) -> Options:
    if not 0 < params["timeout"] < math.inf:
        raise DevserverError(
            f"timeout must be a number of seconds above 0, got {params['timeout']}",
            remedy="omit timeout, which means 10",
        )
    return Options(**{field.name: params[field.name] for field in dataclasses.fields(Options)})


if __name__ == "__main__":
    main()
