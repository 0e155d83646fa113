#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: gopls_probe
short_description: Proves that gopls works for users, and measures how fast and with how much memory
version_added: 0.1.0
author:
  - the gopherops.devserver authors (@gopherops)
description:
  - Does for each user what an editor does, over the Language Server Protocol. It opens a file, waits for diagnostics,
    asks for hover, definition and references of a function of another module, makes a mistake in the file without
    saving it, and waits until that is told.
  - The answers are judged. It is a failure where the definition is not the right one, the references leave a place out,
    the mistake is not told, or the server does not answer in time.
  - All users are tried at the same time, each with that user's rights.
  - Changes nothing in the workspace. What gopls does by itself there is what it does for any editor, such as completing
    a C(go.work.sum).
extends_documentation_fragment:
  - gopherops.devserver.attributes
  - gopherops.devserver.attributes.read_only
  - gopherops.devserver.gopls_server
options:
  users:
    description: Whose language servers are tried, and on what. A user may be there several times.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the account.
        type: str
        required: true
      workspace:
        description: The folder that the editor opens. V({home}) and V({user}) in it are filled.
        type: str
        required: true
      files:
        description:
          - Go files to open, from O(users[].workspace) on. The diagnostics of all of them are waited for.
          - Without any, it is the file that the symbol is found in.
        type: list
        elements: str
        default: []
      symbol:
        description:
          - The function, or anything that has a name, to ask about, as it is spelt in the first of O(users[].files),
            such as V(stock.NewShelf).
          - Without it a call of a function of another module is looked for, in O(users[].files) if there are any, else
            one of another package, else any.
        type: str
        default: ''
      line:
        description: The line in which O(users[].symbol) stands. By default the first one.
        type: int
  settings:
    description:
      - What an editor would send as the settings of gopls. They show in RV(users[].popups) where gopls does not like
        them.
      - Without it each user gets the C(gopls) of the machine settings of VS Code's server, if there is any.
    type: dict
  timeout:
    description: Seconds that one user's session may take in all.
    type: float
    default: 120
  max_seconds_initialize:
    description: How long the server may take to start, and to answer for the first time. A failure where it is longer.
    type: float
  max_seconds_diagnostics:
    description: How long it may take from the opening of the files to their first diagnostics.
    type: float
  max_seconds_hover:
    description: How long a hover may take.
    type: float
  max_seconds_definition:
    description: How long it may take to find a definition.
    type: float
  max_seconds_references:
    description: How long it may take to find all references.
    type: float
  max_seconds_edit:
    description: How long it may take from a change until what is wrong with it is told.
    type: float
  max_seconds_total:
    description: How long all of that may take.
    type: float
  max_rss:
    description:
      - The most memory the server may have had, which is the peak in RV(users[].memory).
      - A size is a number with K, M, G or T for powers of 1024, such as V(2G), V(1.5GiB) or V(800MB); bytes without.
    type: str
  max_errors:
    description: How many errors there may be among the diagnostics.
    type: int
  max_popups:
    description: How many errors and warnings the server may pop up.
    type: int
seealso:
  - module: gopherops.devserver.go_env_drift
"""

EXAMPLES = r"""
- name: Prove that gopls works for everybody
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

- name: Try settings on a gopls of its own
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
  description: What was found out for each of O(users), in that order; also in a failure, as far as it came.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the account.
      type: str
    workspace:
      description: The folder that was opened.
      type: str
    mode:
      description: V(daemon), V(per-editor) for a gopls that was started and does the work, or empty where none was met.
      type: str
    problem:
      description: What does not work, and what to do; empty where all does.
      type: str
    exceeded:
      description: Which limit was exceeded by what.
      type: list
      elements: str
    server:
      description: Name and version of the server, and the Go that built it.
      type: dict
    symbol:
      description:
        - What was asked about, and where. Lines count from 1, columns from 0 in UTF-16 units.
        - Its C(across) is V(modules), V(packages) or V(package); empty for a given O(users[].symbol).
      type: dict
    definition:
      description: Where it is defined.
      type: dict
    references:
      description: How many references were found, with the declaration.
      type: int
    seconds:
      description: How long C(initialize), C(diagnostics), C(hover), C(definition), C(references) and C(edit) took.
      type: dict
    memory:
      description:
        - The C(peak) and C(limit), in bytes, and the C(source). With V(cgroup) the peak is that of the unit since it
          was started, with the file cache; with V(process) the largest resident set of the process.
      type: dict
    errors:
      description: How many errors there are among the diagnostics.
      type: int
    diagnostics:
      description: The first diagnostics of the files.
      type: list
      elements: dict
    popups:
      description: Errors and warnings that an editor would pop up.
      type: list
      elements: dict
    unit:
      description: State of the unit; how often it was restarted by itself is in C(restarts).
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

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.redaction import credentials
from ansible_collections.gopherops.devserver.plugins.module_utils._core.sizes import size
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.session_probe.checks import STEPS
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.session_probe.probe import (
    ProbeRequest,
    ServerOptions,
    probe,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.session_probe.thresholds import (
    Thresholds,
    find_exceeded,
)

_TIMED = (*STEPS, "total")
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
    **{f"max_seconds_{step}": {"type": "float"} for step in _TIMED},
    "max_rss": {"type": "str"},
    "max_errors": {"type": "int"},
    "max_popups": {"type": "int"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    params = module.params
    module.no_log_values.update(credentials(params))
    requests = [ProbeRequest(**{**user, "files": tuple(user["files"])}) for user in params["users"]]
    options = ServerOptions(params["socket"], params["unit"], params["gopls"], params["settings"], params["timeout"])
    try:
        thresholds = _thresholds(params)
        results = probe(requests, options)
    except DevserverError as error:
        module.fail_json(**error.result())
    for result in results:
        result["exceeded"] = [] if result["problem"] else find_exceeded(result, thresholds)
    problems = [f"{result['name']}: {problem}" for result in results for problem in _problems(result)]
    if problems:
        module.fail_json(msg="; ".join(problems), users=results)
    module.exit_json(changed=False, users=results)


def _thresholds(params: t.Mapping[str, t.Any]) -> Thresholds:
    seconds = {step: params[f"max_seconds_{step}"] for step in _TIMED}
    declared = {step: most for step, most in seconds.items() if most is not None}
    rss = size(params["max_rss"], "max_rss") if params["max_rss"] else None
    return Thresholds(declared, rss, params["max_errors"], params["max_popups"])


def _problems(result: t.Mapping[str, t.Any]) -> list[str]:
    return [result["problem"]] if result["problem"] else result["exceeded"]


if __name__ == "__main__":
    main()
