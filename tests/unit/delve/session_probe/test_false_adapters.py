# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that a user starts in place of dlv: it can send any JSON, and causes no unexpected error."""

from __future__ import annotations

import getpass
import pathlib
import sys
import time
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.plan import (
    Breakpoint,
    DebugProbePlan,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.session import (
    SessionRun,
    run_session,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account

FALSE_DLV = """#!{python}
import json, socket, sys
path = sys.argv[-1].partition("unix:")[2]
responses = {responses!r}

def send(**message):
    text = json.dumps(message).encode()
    connection.sendall(b"Content-Length: %d\\r\\n\\r\\n" % len(text) + text)

with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(path)
    listener.listen()
    connection = listener.accept()[0]
received = connection.makefile("rb")
for header in received:
    received.readline()
    request = json.loads(received.read(int(header.split()[1])))
    if request["command"] == "launch":
        send(type="event", event="initialized")
    send(type="response", request_seq=request["seq"], success=True, body=responses)
    if request["command"] == "configurationDone":
        send(type="event", event="stopped", body=responses["stopped"])
        send(type="event", event="terminated")
    if request["command"] == "disconnect":
        break
"""
ODD = (None, 7, 1.5, "text", [], [None], [[]], {})
MEMBERS = {
    "breakpoints": ("id", "line", "source", "message", "verified"),
    "stackFrames": ("id", "name"),
    "scopes": ("name", "variablesReference"),
    "variables": ("name", "value"),
    "stopped": ("threadId", "hitBreakpointIds", "reason"),
}


@pytest.fixture
def run(short_directory: pathlib.Path) -> t.Callable[[dict[str, t.Any]], SessionRun]:
    """Return a function that runs one session with an adapter that sends these responses."""
    source, dlv = short_directory / "main.go", short_directory / "dlv"
    source.write_text("package main\n\nfunc main() {\n\tx := 1\n\tprintln(x)\n}\n")
    breakpoint = Breakpoint("one", str(source), 5, {"x": "1"}, [])

    def run(changes: dict[str, t.Any]) -> SessionRun:
        dlv.write_text(FALSE_DLV.format(python=sys.executable, responses={**responses_for(str(source)), **changes}))
        dlv.chmod(0o755)
        account, env = find_account(getpass.getuser()), {"PATH": "/usr/bin:/bin"}
        plan = DebugProbePlan(
            str(dlv), account, env, "launch", "exec", [breakpoint], program="/bin/true", runs=1, timeout=10
        )
        return run_session(plan, str(short_directory))

    return run


def responses_for(source: str) -> dict[str, t.Any]:
    return {
        "breakpoints": [{"verified": True, "id": 1, "line": 3, "source": {"path": source}}],
        "stackFrames": [{"id": 1, "name": "main.main"}],
        "scopes": [{"name": "Locals", "variablesReference": 1}],
        "variables": [{"name": "x", "value": "1"}],
        "stopped": {"threadId": 1, "hitBreakpointIds": [1]},
        "result": "1",
    }


def test_valid_responses_are_a_hit(run: t.Callable[[dict[str, t.Any]], SessionRun]) -> None:
    assert run({}).hits[0].variables == {"x": "1"}


@pytest.mark.parametrize("member", MEMBERS)
def test_any_json_in_a_response_is_no_unexpected_error(
    run: t.Callable[[dict[str, t.Any]], SessionRun], member: str
) -> None:
    begin = time.monotonic()
    for odd in ODD:
        run({member: odd})
        run({member: [odd]})
        for name in MEMBERS[member]:
            valid = responses_for("/main.go")[member]
            run({member: {**valid, name: odd} if isinstance(valid, dict) else [{**valid[0], name: odd}]})
    # No session waits for its time limit.
    assert time.monotonic() - begin < 60
