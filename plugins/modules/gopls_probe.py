#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: gopls_probe
short_description: Verifies that gopls works for users, and measures its response times and memory
version_added: 0.1.0
description:
  - Sends the requests of an editor for each user, over the Language Server Protocol. It opens a file, waits for its
    diagnostics, requests hover, definition and references of a function of another module, inserts a compile error
    without saving the file, and waits for the diagnostic of that error.
  - The responses are validated. The module fails if the definition is wrong, the references lack a place, the compile
    error gets no diagnostic, or the server does not respond in time.
  - All users are probed at the same time, each with the rights of that user.
  - Changes nothing in the workspace. gopls may change files as it does for any editor, for example complete a
    C(go.work.sum).
extends_documentation_fragment:
  - gopherops.devserver.attributes.read_only
  - gopherops.devserver.gopls_server
options:
  users:
    description: The users to probe. A user may be listed several times.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the account.
        type: str
        required: true
      workspace:
        description: The directory to open. V({home}) and V({user}) in it are replaced.
        type: str
        required: true
      files:
        description:
          - Go files to open, relative to O(users[].workspace). The probe waits for the diagnostics of all of them.
          - Empty means the file that contains the symbol.
        type: list
        elements: str
        default: []
      symbol:
        description:
          - The function, or any other name, for the requests, as the first of O(users[].files) spells it, such as
            V(stock.NewShelf).
          - Empty means a call of a function of another module, else of another package, else any call, in
            O(users[].files) if they are set.
        type: str
        default: ''
      line:
        description: The line that contains O(users[].symbol). The default is the first one.
        type: int
  settings:
    description:
      - The settings that the probe sends to gopls. RV(users[].popups) shows those that gopls rejects.
      - The default is C(gopls) in each user's machine settings of VS Code's server.
    type: dict
  timeout:
    description: Maximum seconds of one user's session.
    type: float
    default: 120
  max_seconds_initialize:
    description: Maximum seconds until the server has started and responded to the first request.
    type: float
  max_seconds_diagnostics:
    description: Maximum seconds from the opening of the files to their first diagnostics.
    type: float
  max_seconds_hover:
    description: Maximum seconds of a hover request.
    type: float
  max_seconds_definition:
    description: Maximum seconds of a definition request.
    type: float
  max_seconds_references:
    description: Maximum seconds of a references request.
    type: float
  max_seconds_edit:
    description: Maximum seconds from the insertion of a compile error to its diagnostic.
    type: float
  max_seconds_total:
    description: Maximum seconds of all steps together.
    type: float
  max_rss:
    description:
      - Maximum memory of the server, which is the C(peak) in RV(users[].memory).
      - A size is a number of bytes, or a number with K, M, G or T for powers of 1024, such as V(2G), V(1.5GiB) or
        V(800MB).
    type: str
  max_errors:
    description: Maximum number of errors among the diagnostics.
    type: int
  max_popups:
    description: Maximum number of errors and warnings that an editor would pop up.
    type: int
seealso:
  - module: gopherops.devserver.go_env_drift
"""

EXAMPLES = r"""
- name: Verify that gopls works for two users
  gopherops.devserver.gopls_probe:
    users:
      - name: alice
        workspace: "{home}/src/shop"
      - name: bob
        workspace: /srv/shop
        files: [cmd/api/main.go]
        symbol: stock.NewShelf
    max_seconds_diagnostics: 10
    max_rss: 2G
    max_popups: 0
  become: true

- name: Test settings with a separate gopls
  gopherops.devserver.gopls_probe:
    users:
      - name: alice
        workspace: "{home}/src/shop"
    gopls: /usr/local/bin/gopls
    settings:
      staticcheck: true
    max_popups: 0
  become: true
"""

RETURN = r"""
users:
  description: One result for each of O(users), in the same order. A failure contains the partial results.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the account.
      type: str
    workspace:
      description: The directory that was opened.
      type: str
    mode:
      description: V(daemon), V(per-editor) for a gopls that the probe started, or empty if no server was reached.
      type: str
    problem:
      description: The error with its remedy; empty if all steps succeeded.
      type: str
    exceeded:
      description: One message for each exceeded limit.
      type: list
      elements: str
    server:
      description: Name and version of the server, and the Go that built it.
      type: dict
    symbol:
      description:
        - The symbol of the requests and its place. Lines count from 1, columns from 0 in UTF-16 units.
        - Its C(across) is V(modules), V(packages) or V(package); empty if O(users[].symbol) is set.
      type: dict
    definition:
      description: The place of its definition.
      type: dict
    references:
      description: Number of references, including the declaration.
      type: int
    seconds:
      description: Time of C(initialize), C(diagnostics), C(hover), C(definition), C(references), C(edit), and C(total).
      type: dict
    memory:
      description:
        - The C(peak) and C(limit), in bytes, and the C(source). With V(cgroup) the peak is that of the unit since its
          start, including the file cache; with V(process) it is the largest resident set of the process.
      type: dict
    errors:
      description: Number of errors among the diagnostics.
      type: int
    diagnostics:
      description: The first 20 diagnostics of the files.
      type: list
      elements: dict
    popups:
      description: Errors and warnings that an editor would pop up.
      type: list
      elements: dict
    unit:
      description: State of the unit; C(restarts) counts its automatic restarts.
      type: dict
  sample:
    - name: alice
      workspace: /home/alice/src/shop
      mode: daemon
      problem: ''
      exceeded: []
      server: {name: gopls, version: v0.16.2, go: go1.22.12}
      symbol:
        {name: stock.NewShelf, file: /home/alice/src/shop/cmd/api/main.go, line: 80, column: 16, across: modules}
      definition: {file: /home/alice/src/shop/stock/stock.go, line: 22, column: 5}
      references: 5
      seconds:
        {initialize: 0.02, diagnostics: 0.4, hover: 0.01, definition: 0.01, references: 0.05, edit: 0.04, total: 0.53}
      memory: {peak: 187260928, source: cgroup, limit: 2147483648}
      errors: 0
      diagnostics: []
      popups: []
      unit: {name: gopls@alice.service, active: active, result: success, restarts: '0', pid: '812'}
"""

import typing as t

from ..module_utils._core.errors import DevserverError
from ..module_utils._core.result import Outcome, run_reader
from ..module_utils._core.sizes import parse_size
from ..module_utils._gopls.session_probe.probe import ProbeRequest, ServerOptions, probe
from ..module_utils._gopls.session_probe.thresholds import TIMED, find_exceeded

USER_SPEC: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "workspace": {"type": "str", "required": True},
    "files": {"type": "list", "elements": "str", "default": []},
    "symbol": {"type": "str", "default": ""},
    "line": {"type": "int"},
}
ARGUMENT_SPEC: dict[str, t.Any] = {
    "users": {"type": "list", "elements": "dict", "required": True, "options": USER_SPEC},
    "socket": {"type": "str", "default": "/run/gopls/{user}/gopls.sock"},
    "unit": {"type": "str", "default": "gopls@{user}.service"},
    "gopls": {"type": "str", "default": ""},
    "settings": {"type": "dict"},
    "timeout": {"type": "float", "default": 120},
    **{f"max_seconds_{step}": {"type": "float"} for step in TIMED},
    "max_rss": {"type": "str"},
    "max_errors": {"type": "int"},
    "max_popups": {"type": "int"},
}


def main() -> None:
    run_reader(ARGUMENT_SPEC, _read)


def _read(params: t.Mapping[str, t.Any]) -> Outcome:
    requests = [ProbeRequest(**user) for user in params["users"]]
    options = ServerOptions(*(params[name] for name in ServerOptions._fields))
    rss = parse_size(params["max_rss"], "max_rss") if params["max_rss"] else None
    results = probe(requests, options)
    for result in results:
        result["exceeded"] = [] if result["problem"] else find_exceeded(result, {**params, "max_rss": rss})
    problems = [
        f"{result['name']}: {problem}"
        for result in results
        for problem in (result["problem"], *result["exceeded"])
        if problem
    ]
    # The message of a problem contains its own remedy.
    exceeded = any(result["exceeded"] for result in results)
    remedy = "check seconds, memory, diagnostics and popups in this result, or increase the limits" if exceeded else ""
    failure = DevserverError("; ".join(problems), remedy=remedy) if problems else None
    return Outcome({"users": results}, failure=failure)


if __name__ == "__main__":
    main()
