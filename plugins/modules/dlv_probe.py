#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: dlv_probe
short_description: Proves that breakpoints stop, by debug sessions as an editor holds them, or says why they do not
version_added: 0.1.0
author:
  - the gopherops.devserver authors (@gopherops)
description:
  - Speaks the Debug Adapter Protocol to dlv as an editor does. It sets breakpoints, follows the program from stop to
    stop, looks at the stack and at variables there, and measures the time to the first stop.
  - A run counts where every breakpoint was reached, and everything that was expected there was to be seen. Where
    fewer runs than O(hit_rate) count, the module fails and names the cause and what mends it.
  - Leaves no process, no port and no file; what O(mode=debug) and O(mode=test) build goes to a temporary folder. As
    with every build, Go's build cache is filled, and from Go 1.23 on Go counts the build in a file of the user's.
  - A process that it attaches to, and a headless dlv, run on afterwards, without the breakpoints of this module.
extends_documentation_fragment:
  - gopherops.devserver.attributes
  - gopherops.devserver.attributes.read_only
options:
  user:
    description:
      - The user as whom dlv runs, with the environment that this user's units have
        (M(gopherops.devserver.go_env) writes it), or else a bare one with O(goroot) on C(PATH).
      - By default the user of the module itself, who has to be that user or root.
    type: str
  dlv:
    description: The dlv that is started. Not used with O(mode=remote).
    type: path
    default: /usr/local/bin/dlv
  goroot:
    description: The Go that is used where the user's environment declares none.
    type: path
    default: /usr/local/go
  request:
    description: Whether dlv starts the program or attaches to one that runs.
    type: str
    choices: [launch, attach]
    default: launch
  mode:
    description:
      - To launch V(debug) (build and run O(package)), V(test) (its tests) or V(exec) (run O(program), built already).
      - To attach V(local) (the process O(pid) or O(unit)) or V(remote) (the headless dlv at O(address)).
      - By default V(debug) to launch, and V(remote) to attach where there is an O(address), else V(local).
    type: str
    choices: [debug, test, exec, local, remote]
  workspace:
    description: The folder that the sources, and relative names of files, are in. C(go.mod) or C(go.work) lies here.
    type: path
  package:
    description:
      - The package to build, such as V(./cmd/api), from O(workspace).
      - Its folder is where markers are looked for where O(breakpoints) is empty.
    type: str
    default: .
  program:
    description:
      - The binary to run with O(mode=exec).
      - To attach, the binary that is expected to run, which tells one of another build by its build ID.
    type: path
  args:
    description: Arguments of the program. Tests of the package take V(-test.run=TestName).
    type: list
    elements: str
    default: []
  environment:
    description: Variables that are set for dlv, for Go and for the program besides the user's.
    type: dict
    default: {}
  build_flags:
    description: Flags for C(go build) besides C(-gcflags='all=-N -l'), such as V(-tags=integration).
    type: list
    elements: str
    default: []
  pid:
    description: The number of the process to attach to.
    type: int
    default: 0
  unit:
    description: The unit of systemd whose main process is attached to, such as V(api.service).
    type: str
    default: ''
  address:
    description:
      - Where the headless dlv listens, as V(127.0.0.1:2345), V([::1]:2345) or V(unix:/run/dlv/api/dlv.sock).
      - Any host but this one needs O(tls), because dlv has neither encryption nor a password.
    type: str
    default: ''
  tls:
    description: The mutual TLS in front of the headless dlv. Certificates are always verified.
    type: dict
    suboptions:
      ca:
        description: File with the authority that signed the server's certificate.
        type: path
        required: true
      certificate:
        description: File with the client's certificate.
        type: path
        required: true
      key:
        description: File with its key.
        type: path
        required: true
      server_name:
        description: The name in the server's certificate, where it is another than the host of O(address).
        type: str
        default: ''
  breakpoints:
    description:
      - >-
        Where the program has to stop. Either O(breakpoints[].name) alone, which is that of a marker, the comment
        C(// breakpoint: name) at the end of a line of the sources below O(workspace), or on a line before it; or
        O(breakpoints[].file) and O(breakpoints[].line).
      - An empty list means all markers in the folder of O(package), those in test files only with O(mode=test).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of a marker; with a file and a line, what the result calls it.
        type: str
      file:
        description: A source file, from O(workspace), by the path that the editor uses.
        type: str
      line:
        description: The line, from 1 on.
        type: int
      variables:
        description:
          - Values that must be seen there, as dlv prints them, by name or by expression such as V(request.URL.Path).
            Quotes around a string may be left out.
        type: dict
        default: {}
      stack:
        description: Functions that must be on the stack, innermost first, as V(main.main). Others may stand between.
        type: list
        elements: str
        default: []
  substitute_path:
    description: Rules from the editor's paths to those in the binary, as in C(launch.json).
    type: list
    elements: dict
    default: []
    suboptions:
      from:
        description: Beginning of the editor's path.
        type: str
        required: true
      to:
        description: What the binary has in its place.
        type: str
        required: true
  trigger:
    description:
      - A URL that is asked for again and again while the program runs, by GET, so that a service comes by its
        breakpoints.
    type: str
    default: ''
  runs:
    description:
      - How many sessions are held. What is refused, or runs out of time, is not tried again.
    type: int
    default: 3
  hit_rate:
    description: The share of sessions in which all has to be as expected, from 0 to 1.
    type: float
    default: 1.0
  timeout:
    description: Seconds that one session may take, with the build.
    type: float
    default: 60
  temporary_folder:
    description: Where the module makes a folder for what it builds. The user must be able to run programs there.
    type: path
    default: /tmp
notes:
  - With O(mode=remote), the breakpoints of another client of the same dlv in the same files are taken away, and a
    program that was halted runs on. A headless dlv without C(--accept-multiclient) ends with its first client, and
    with it a program that it started.
"""

EXAMPLES = r"""
- name: Debug the service at its markers, as alice's editor does
  gopherops.devserver.dlv_probe:
    user: alice
    workspace: /home/alice/service
    package: ./cmd/api
    args: [-check]
    breakpoints:
      - name: filled
        stack: [main.filled, main.main]
  become: true

- name: Stop in a running service, with its debugger behind TLS
  gopherops.devserver.dlv_probe:
    request: attach
    address: dev1.example.com:12345
    tls:
      ca: /etc/debug/ca.crt
      certificate: /etc/debug/ci.crt
      key: /etc/debug/ci.key
    workspace: /home/alice/service
    breakpoints:
      - file: internal/web/web.go
        line: 41
    trigger: http://dev1.example.com:8080/readyz
  delegate_to: localhost
"""

RETURN = r"""
mode:
  description: The mode.
  returned: always, once sessions have been held
  type: str
  sample: debug
runs:
  description: How many sessions were held.
  returned: always, once sessions have been held
  type: int
  sample: 3
hit_rate:
  description: The share of the wanted sessions in which all was as expected.
  returned: always, once sessions have been held
  type: float
  sample: 1.0
breakpoints:
  description: The breakpoints in the order in which they were given.
  returned: always, once sessions have been held
  type: list
  elements: dict
  contains:
    name:
      description: Name of the marker or of the entry.
      type: str
    file:
      description: The file, as the editor calls it.
      type: str
    line:
      description: The line.
      type: int
    hits:
      description: In how many sessions it was reached.
      type: int
    message:
      description: Why dlv set no breakpoint there; empty where it did.
      type: str
    stack:
      description: The functions on the stack of the last session's stop, innermost first.
      type: list
      elements: str
    variables:
      description: The variables that were asked for, as they were there. Others are not returned.
      type: dict
    cause:
      description: The cause by name, where the module fails and this one has to do with it.
      type: str
  sample:
    - name: filled
      file: /home/alice/service/cmd/api/main.go
      line: 81
      hits: 3
      message: ''
      stack: [main.filled, main.run, main.main, runtime.main, runtime.goexit]
      variables: {left: '11'}
seconds_to_first_stop:
  description: Seconds from the start of a session to its first stop, with the build; V(null) where there was no stop.
  returned: always, once sessions have been held
  type: dict
  sample: {least: 0.41, median: 0.43, most: 0.52}
substitute_path:
  description: The rules that would mend a path that the binary has otherwise.
  returned: always, once sessions have been held
  type: list
  elements: dict
  sample: [{from: /home/alice/link, to: /home/alice/service}]
cause:
  description:
    - The cause of the first breakpoint that was missed. V(stripped), V(optimised), V(path), V(build-id), V(excluded),
      V(dropped), V(no-part), V(no-statement), V(version), V(ptrace), V(same-user), V(build), V(program), V(ended),
      V(not-reached), V(differs) or V(refused). C(docs/reference/dlv_probe.md) of the collection describes them.
  returned: failure, once sessions have been held
  type: str
  sample: path
remedies:
  description: What mends the causes of all breakpoints.
  returned: failure, once sessions have been held
  type: list
  elements: str
"""

import getpass
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.no_log import params_of
from ansible_collections.gopherops.devserver.plugins.module_utils._core.redaction import printable
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.options import plan_from
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.probe import probe

_BREAKPOINT: dict[str, t.Any] = {
    "name": {"type": "str"},
    "file": {"type": "str"},
    "line": {"type": "int"},
    "variables": {"type": "dict", "default": {}},
    "stack": {"type": "list", "elements": "str", "default": []},
}
_TLS: dict[str, t.Any] = {
    "ca": {"type": "path", "required": True},
    "certificate": {"type": "path", "required": True},
    "key": {"type": "path", "required": True, "no_log": False},
    "server_name": {"type": "str", "default": ""},
}
_RULE: dict[str, t.Any] = {"from": {"type": "str", "required": True}, "to": {"type": "str", "required": True}}
ARGUMENT_SPEC: dict[str, t.Any] = {
    "user": {"type": "str"},
    "dlv": {"type": "path", "default": "/usr/local/bin/dlv"},
    "goroot": {"type": "path", "default": "/usr/local/go"},
    "request": {"type": "str", "choices": ["launch", "attach"], "default": "launch"},
    "mode": {"type": "str", "choices": ["debug", "test", "exec", "local", "remote"]},
    "workspace": {"type": "path"},
    "package": {"type": "str", "default": "."},
    "program": {"type": "path"},
    "args": {"type": "list", "elements": "str", "default": []},
    "environment": {"type": "dict", "default": {}, "no_log": True},
    "build_flags": {"type": "list", "elements": "str", "default": []},
    "pid": {"type": "int", "default": 0},
    "unit": {"type": "str", "default": ""},
    "address": {"type": "str", "default": ""},
    "tls": {"type": "dict", "options": _TLS},
    "breakpoints": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": _BREAKPOINT,
        "required_one_of": [("name", "file")],
        "required_by": {"line": "file"},
    },
    "substitute_path": {"type": "list", "elements": "dict", "default": [], "options": _RULE},
    "trigger": {"type": "str", "default": ""},
    "runs": {"type": "int", "default": 3},
    "hit_rate": {"type": "float", "default": 1.0},
    "timeout": {"type": "float", "default": 60},
    "temporary_folder": {"type": "path", "default": "/tmp"},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENT_SPEC, supports_check_mode=True, mutually_exclusive=[("pid", "unit", "address")]
    )
    params = params_of(module, lambda params: [params["environment"]])
    try:
        result = probe(plan_from(dict(params, user=params["user"] or getpass.getuser())))
    except DevserverError as error:
        module.fail_json(**printable(error.result()))
    module.exit_json(changed=False, **printable(result))


if __name__ == "__main__":
    main()
