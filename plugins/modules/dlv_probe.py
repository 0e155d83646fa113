#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: dlv_probe
short_description: Verify with real debug sessions that breakpoints stop the program, and report the cause if not
version_added: 0.1.0
description:
  - Uses the Debug Adapter Protocol of dlv like an editor. It sets breakpoints, continues the program from stop to stop,
    reads the stack and variables, and measures the time to the first stop.
  - A session is successful if the program reached every breakpoint and its state was as expected. If the share of
    successful sessions is less than O(hit_rate), the module fails and reports the cause and a remedy.
  - Leaves no process, no port and no file. Builds of O(mode=debug) and O(mode=test) go to a temporary directory. As
    with every build, Go fills its build cache, and from Go 1.23 on it counts the build in a file of the user.
  - An attached process and a headless dlv continue afterwards, without the breakpoints of this module.
extends_documentation_fragment:
  - gopherops.devserver.attributes.read_only
options:
  user:
    description:
      - The user that runs dlv, with the environment of this user's units, which M(gopherops.devserver.go_env) writes.
        Without one, a plain environment with O(goroot) in C(PATH).
      - By default the user that runs the module. Only root can set another user.
    type: str
  dlv:
    description: The path of the dlv to start. Ignored with O(mode=remote).
    type: path
    default: /usr/local/bin/dlv
  goroot:
    description: The Go installation to use if the user's environment declares none.
    type: path
    default: /usr/local/go
  request:
    description: Whether dlv starts the program or attaches to a running one.
    type: str
    choices: [launch, attach]
    default: launch
  mode:
    description:
      - With O(request=launch), V(debug) builds and runs O(package), V(test) builds and runs its tests, V(exec) runs the
        existing binary O(program).
      - With O(request=attach), V(local) attaches to the process O(pid) or O(unit), V(remote) to the headless dlv at
        O(address).
      - By default V(debug) to launch. To attach, V(remote) if O(address) is set, and V(local) otherwise.
    type: str
    choices: [debug, test, exec, local, remote]
  workspace:
    description: The directory of the sources, with C(go.mod) or C(go.work). File names are relative to it.
    type: path
  package:
    description:
      - The package to build, such as V(./cmd/api), relative to O(workspace).
      - If O(breakpoints) is empty, the module searches its directory for markers.
    type: str
    default: .
  program:
    description:
      - The binary to run with O(mode=exec).
      - To attach, the expected binary of the process. Its build ID detects a process of another build.
    type: path
  args:
    description: The arguments of the program. Tests accept arguments such as V(-test.run=TestName).
    type: list
    elements: str
    default: []
  environment:
    description: Environment variables for dlv, Go and the program, in addition to those of the user.
    type: dict
    default: {}
  build_flags:
    description: Flags of C(go build) in addition to C(-gcflags='all=-N -l'), such as V(-tags=integration).
    type: list
    elements: str
    default: []
  pid:
    description: The process id to attach to.
    type: int
    default: 0
  unit:
    description: The systemd unit whose main process to attach to, such as V(api.service).
    type: str
    default: ''
  address:
    description:
      - The address of the headless dlv, such as V(127.0.0.1:2345), V([::1]:2345) or V(unix:/run/dlv/api/dlv.sock).
      - Addresses of other hosts need O(tls), because dlv has neither encryption nor a password.
    type: str
    default: ''
  tls:
    description: The files for mutual TLS with the headless dlv. Certificates are always verified.
    type: dict
    suboptions:
      ca:
        description: The certificate file of the authority that signed the server's certificate.
        type: path
        required: true
      certificate:
        description: The certificate file of the client.
        type: path
        required: true
      key:
        description: The key file of the client.
        type: path
        required: true
      server_name:
        description: The name in the server's certificate, if it differs from the host in O(address).
        type: str
        default: ''
  breakpoints:
    description:
      - >-
        The breakpoints. An entry has either only O(breakpoints[].name), the name of a marker, or O(breakpoints[].file)
        and O(breakpoints[].line). A marker is a comment C(// breakpoint: name) in the sources below O(workspace), at
        the end of a line or before the line.
      - An empty list means all markers in the directory of O(package), those in test files only with O(mode=test).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The name of a marker. With a file and a line, the name of the entry in the result.
        type: str
      file:
        description: A source file relative to O(workspace), with the path that the editor uses.
        type: str
      line:
        description: The line, which starts at 1.
        type: int
      variables:
        description:
          - The expected values at the breakpoint, as dlv prints them, by name or by expression such as
            V(request.URL.Path). The quotes around a string are optional.
        type: dict
        default: {}
      stack:
        description: Expected functions on the stack, innermost first, such as V(main.main). Others may be between them.
        type: list
        elements: str
        default: []
  substitute_path:
    description: The rules from the editor's paths to the paths in the binary, as in C(launch.json).
    type: list
    elements: dict
    default: []
    suboptions:
      from:
        description: The beginning of the editor's path.
        type: str
        required: true
      to:
        description: The beginning of the path in the binary.
        type: str
        required: true
  trigger:
    description:
      - A URL that the module requests repeatedly with GET while the program runs, so that a service reaches its
        breakpoints.
    type: str
    default: ''
  runs:
    description:
      - The number of sessions. A rejected or timed out session is the last one.
    type: int
    default: 3
  hit_rate:
    description: The minimum share of successful sessions, from 0 to 1.
    type: float
    default: 1.0
  timeout:
    description: The time limit of one session in seconds, including the build.
    type: float
    default: 60
  temporary_directory:
    description: The directory for the temporary directory of builds. The user must be able to execute programs in it.
    type: path
    default: /tmp
notes:
  - With O(mode=remote), the module removes the breakpoints of other clients of the same dlv in the same files, and
    continues a halted program. A headless dlv without C(--accept-multiclient) exits with its first client, together
    with the program that it has started.
"""

EXAMPLES = r"""
- name: Verify a marker of the service in alice's environment
  gopherops.devserver.dlv_probe:
    user: alice
    workspace: /home/alice/service
    package: ./cmd/api
    args: [-check]
    breakpoints:
      - name: filled
        stack: [main.filled, main.main]
  become: true

- name: Verify a breakpoint in a running service through TLS
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
  returned: always, after the first session
  type: str
  sample: debug
runs:
  description: The number of sessions.
  returned: always, after the first session
  type: int
  sample: 3
hit_rate:
  description: The share of O(runs) that were successful.
  returned: always, after the first session
  type: float
  sample: 1.0
breakpoints:
  description: The breakpoints in the order of the option.
  returned: always, after the first session
  type: list
  elements: dict
  contains:
    name:
      description: The name of the marker or of the entry.
      type: str
    file:
      description: The file, with the editor's path.
      type: str
    line:
      description: The line.
      type: int
    hits:
      description: The number of sessions that reached it.
      type: int
    message:
      description: The reason of dlv if it did not set the breakpoint; empty otherwise.
      type: str
    stack:
      description: The functions on the stack at the stop of the last session, innermost first.
      type: list
      elements: str
    variables:
      description: The values of the requested variables. Other variables are not returned.
      type: dict
    cause:
      description: The name of the cause, if this breakpoint contributed to the failure.
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
  description: Seconds from the start of a session to its first stop, including the build; V(null) without a stop.
  returned: always, after the first session
  type: dict
  sample: {least: 0.41, median: 0.43, most: 0.52}
substitute_path:
  description: The rules that fix paths that differ in the binary.
  returned: always, after the first session
  type: list
  elements: dict
  sample: [{from: /home/alice/link, to: /home/alice/service}]
cause:
  description:
    - If the headless dlv cannot be reached, V(not-listening), V(loopback-only), V(firewall), V(not-published),
      V(wrong-port), V(tls-expected), V(no-tls), V(certificate), V(no-response) or V(name).
    - Otherwise the cause of the first missed breakpoint. V(stripped), V(optimised), V(path), V(build-id), V(excluded),
      V(dropped), V(line-directive), V(no-part), V(no-statement), V(version), V(ptrace), V(same-user), V(build),
      V(program), V(ended), V(not-reached), V(differs) or V(refused). C(docs/reference/dlv_probe.md) of the collection
      describes them.
  returned: failure to connect, and failure after the first session
  type: str
  sample: path
remedies:
  description: The remedies for the causes of all breakpoints.
  returned: failure, after the first session
  type: list
  elements: str
"""

import getpass
import typing as t

from ..module_utils._core.result import Outcome, run_reader
from ..module_utils._delve.session_probe.options import parse_plan
from ..module_utils._delve.session_probe.probe import probe

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
    "temporary_directory": {"type": "path", "default": "/tmp"},
}


def main() -> None:
    run_reader(ARGUMENT_SPEC, _read, mutually_exclusive=[("pid", "unit", "address")])


def _read(params: t.Mapping[str, t.Any]) -> Outcome:
    return Outcome(probe(parse_plan(dict(params, user=params["user"] or getpass.getuser()))))


if __name__ == "__main__":
    main()
