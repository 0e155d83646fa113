# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that hang, lie, die and babble: each is one error with its cause, and what was measured before stays."""

from __future__ import annotations

import contextlib
import os
import pathlib
import pwd
import re
import shutil
import socket
import tempfile
import threading
import time

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.session_probe import probe as probing
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.session_probe.checks import (
    Answers,
    Task,
    examine,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.session_probe.sample_positions import Use
from ansible_collections.gopherops.devserver.plugins.module_utils._protocols.framing import Connection
from ansible_collections.gopherops.devserver.plugins.module_utils._protocols.lsp import Client, Place
from hypothesis import given, settings
from hypothesis import strategies as st

SERVICE = pathlib.Path(__file__).parents[3] / "fixtures/service"
ME = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture
def ask(workspace):
    """Probe a socket in this process and return the result for this one user."""

    def run(path, timeout=0.5, settings=None):
        way = probing.Way(str(path), "none.service", "", settings or {}, timeout)
        (result,) = probing.probe([probing.Wanted(ME, str(workspace))], way)
        return result

    return run


def raising(error):
    def handler(_message):
        raise error

    return handler


def test_a_made_up_server_that_answers_right_is_taken_for_one(fake, ask):
    result = ask(fake.path, timeout=20)
    assert result["problem"] == ""
    assert result["server"] == {"name": "fake", "version": "1", "go": ""}
    assert result["memory"]["source"] == "process"
    assert fake.finished()[-2:] == ["shutdown", "exit"]


@pytest.mark.parametrize(
    ("method", "fails", "told", "measured"),
    [
        ("initialize", "hang", "did not answer initialize within 0 seconds", []),
        ("textDocument/didOpen", "hang", "did not publish diagnostics of .*main.go", ["initialize"]),
        ("textDocument/references", "hang", "did not answer textDocument/references", ["hover", "definition"]),
        ("textDocument/didChange", "hang", "did not publish diagnostics", ["references"]),
        ("initialize", "die", "hung up", []),
        ("textDocument/hover", "die", "hung up", ["initialize", "diagnostics"]),
        ("textDocument/didChange", "die", "hung up", ["references"]),
        ("initialize", "refuse", "answers initialize with an error: no more memory", []),
        ("textDocument/definition", "refuse", "answers textDocument/definition with an error", ["hover"]),
    ],
)
def test_who_fails_midway_is_told_with_what_was_measured(fake, ask, method, fails, told, measured):
    fake.handlers[method] = raising(fake.failures[fails])
    result = ask(fake.path)
    assert re.search(told, result["problem"]), result["problem"]
    assert set(measured) <= set(result["seconds"])
    assert "exit" not in fake.finished()


def test_who_does_not_answer_shutdown_is_not_told_to_exit(fake, ask):
    fake.handlers["shutdown"] = raising(fake.failures["hang"])
    assert ask(fake.path, timeout=3)["problem"] == ""
    assert fake.finished()[-1] == "shutdown"


def test_what_it_logged_as_an_error_is_told_with_what_failed(fake, ask):
    def log(message):
        for kind, text in [(1, "first"), (1, "\nno https://me:secret@proxy\nstack"), (3, "loading")]:
            fake.notify("window/logMessage", {"type": kind, "message": text})
        fake.publish(message, [])

    fake.handlers["textDocument/didOpen"] = log
    fake.handlers["textDocument/hover"] = raising(fake.failures["refuse"])
    assert ask(fake.path, timeout=20)["problem"].endswith(" It logged last: no https://***@proxy.")


@pytest.mark.parametrize(
    ("method", "answer", "told"),
    [
        ("textDocument/hover", None, "hover of stock.NewShelf in line 81 of .*main.go: it says ''"),
        ("textDocument/hover", {"contents": ["no", "words"]}, "it says 'no"),
        ("textDocument/definition", None, "it leads nowhere"),
        ("textDocument/definition", [], "it leads nowhere"),
        ("textDocument/definition", [{"uri": "http://x/y.go"}], "it leads nowhere"),
        ("textDocument/definition", {"uri": "file:///elsewhere/y.go"}, "leads to /elsewhere/y.go. Expected: .*/stock"),
        ("textDocument/references", [], "it leaves out .*main.go"),
        ("textDocument/references", 7, "it leaves out .*main.go"),
    ],
)
def test_a_wrong_answer_is_no_proof(fake, ask, method, answer, told):
    fake.handlers[method] = lambda _message: answer
    assert re.search(told, ask(fake.path)["problem"])


def test_a_server_that_does_not_see_a_mistake_is_found_out(fake, ask):
    fake.handlers["textDocument/didChange"] = lambda message: fake.publish(message, [])
    assert "did not publish diagnostics" in ask(fake.path)["problem"]


def test_diagnostics_of_the_text_before_are_not_those_of_the_change(fake, ask):
    def outdated(message):
        document = message["params"]["textDocument"]
        document["version"] -= 1
        fake.publish(message, [fake.mistake])

    fake.handlers["textDocument/didChange"] = outdated
    assert "did not publish diagnostics" in ask(fake.path)["problem"]


def test_what_pops_up_is_kept_without_passwords_and_what_is_only_information_is_not(fake, ask):
    messages = [
        (1, "no https://me:secret@proxy"),
        (2, "old"),
        (3, "loading"),
        (1, "no https://me:secret@proxy"),
        ("x", "y"),
    ]

    def pop_up(message):
        for kind, text in messages:
            fake.notify("window/showMessage", {"type": kind, "message": text})
        fake.publish(message, [])

    fake.handlers["textDocument/didOpen"] = pop_up
    expected = [{"kind": "error", "message": "no https://***@proxy"}, {"kind": "warning", "message": "old"}]
    assert ask(fake.path, timeout=20)["popups"] == expected


def test_requests_of_the_servers_own_are_answered(fake, ask):
    answers = []

    def serve(message):
        for number, (method, params) in enumerate(OWN_REQUESTS):
            fake.connection.send({"id": f"own-{number}", "method": method, "params": params})
            answers.append(fake.connection.receive(10))
        fake.publish(message, [])

    fake.handlers["textDocument/didOpen"] = serve
    assert ask(fake.path, timeout=20, settings={"staticcheck": True})["problem"] == ""
    told = [answer.get("result", answer.get("error", {}).get("code")) for answer in answers]
    assert told[:5] == [[{"staticcheck": True}, None], None, None, None, {"success": False}]
    assert (told[5]["applied"], told[6][0]["name"], told[7]) == (False, "service", -32601)


OWN_REQUESTS = [
    ("workspace/configuration", {"items": [{"section": "gopls"}, {"section": "other"}]}),
    ("client/registerCapability", {"registrations": []}),
    ("window/workDoneProgress/create", {"token": 1}),
    ("window/showMessageRequest", {"type": 3, "message": "telemetry?", "actions": []}),
    ("window/showDocument", {"uri": "http://x"}),
    ("workspace/applyEdit", {"edit": {}}),
    ("workspace/workspaceFolders", None),
    ("sampling/other", {}),
]


def test_no_socket_is_told_with_what_to_do(ask, tmp_path):
    problem = ask(tmp_path / "none.sock")["problem"]
    assert f"there is no socket {tmp_path}/none.sock" in problem
    assert "language_server" in problem and "gopls" in problem


def test_a_socket_that_nobody_serves_is_told(ask, tmp_path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead.sock"))
    assert "nobody listens at" in ask(tmp_path / "dead.sock")["problem"]


def test_a_daemon_that_takes_no_connection_is_told(ask, tmp_path):
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as first:
        busy.bind(str(tmp_path / "busy.sock"))
        busy.listen(0)
        first.connect(str(tmp_path / "busy.sock"))
        assert "cannot connect to" in ask(tmp_path / "busy.sock")["problem"]


def test_what_is_no_socket_is_told(ask, tmp_path):
    (tmp_path / "file").write_text("")
    assert "nobody listens at" in ask(tmp_path / "file")["problem"]


def test_a_path_that_no_socket_can_have_is_told(ask, tmp_path):
    assert "too long" in ask(tmp_path / ("x" * 200))["problem"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_the_users_rights_decide_who_may_connect(tmp_path):
    with public_folder() as folder, socket.socket(socket.AF_UNIX) as listener:
        shutil.copytree(SERVICE, folder / "service")
        (folder / "gopls").mkdir(mode=0o700)
        listener.bind(str(folder / "gopls/gopls.sock"))
        listener.listen()
        way = probing.Way(f"{folder}/gopls/gopls.sock", "none", "", {}, 0.1)
        wanted = [probing.Wanted(name, str(folder / "service")) for name in ("root", "nobody")]
        root, nobody = probing.probe(wanted, way)
    assert "did not answer initialize" in root["problem"]
    assert f"user nobody may not connect to {folder}/gopls/gopls.sock" in nobody["problem"]


@contextlib.contextmanager
def public_folder():
    """Yield a temporary folder that every user can enter, which pytest's own are not."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="probe-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 'flag provided but not defined: -x' >&2; exit 2", "It said last: flag provided but not defined: -x"),
        ("yes complaint | head -c 200000 >&2; echo 'cannot go on' >&2; exit 2", "It said last: cannot go on"),
        (
            "echo nonsense; echo; echo; sleep 60",
            "sent a header without a usable Content-Length|no header|did not answer",
        ),
        ("sleep 60", "did not answer initialize within 1 seconds"),
        ("exec cat", "answers initialize with an error"),
    ],
    ids=["dies", "complains", "prints", "hangs", "echoes"],
)
def test_a_command_that_is_no_gopls_is_told_and_ended(workspace, tmp_path, script, told):
    command = tmp_path / "gopls"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    way = probing.Way("", "", str(command), {}, 1)
    (result,) = probing.probe([probing.Wanted(ME, str(workspace))], way)
    assert re.search(told, result["problem"]), result["problem"]


def test_a_command_that_is_not_there_is_told(workspace, tmp_path):
    way = probing.Way("", "", f"{tmp_path}/none", {}, 1)
    (result,) = probing.probe([probing.Wanted(ME, str(workspace))], way)
    assert f"cannot run {tmp_path}/none" in result["problem"]


KEYS = ["uri", "range", "start", "line", "contents", "value", "items", "section", "message", "type", "serverInfo"]
KEYS += ["diagnostics", "severity", "version", "textDocument", "code"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("file:///x.go"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)
METHODS = ["textDocument/publishDiagnostics", "window/showMessage", "workspace/configuration", "x", 7, None]
babble = st.fixed_dictionaries(
    {},
    optional={
        "id": st.integers(1, 5) | st.text(max_size=2),
        "method": st.sampled_from(METHODS),
        "params": json_values,
        "result": json_values,
        "error": json_values,
    },
)


@settings(max_examples=200, deadline=None)
@given(messages=st.lists(babble, max_size=12))
def test_no_babble_is_worse_than_an_error(messages):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        server = Connection(theirs, "the client")
        for message in messages:
            server.send(message)
        theirs.shutdown(socket.SHUT_WR)
        client = Client(Connection(ours, "gopls"), section="gopls", settings={}, deadline=time.monotonic() + 60)
        drain = threading.Thread(target=lambda: [None for _chunk in iter(lambda: theirs.recv(65536), b"")])
        drain.start()
        try:
            with pytest.raises(DevserverError):
                examine(client, Task("/w", Use(Place("/w/a.go", 1, 0), "f"), {"/w/a.go": "package a\n"}), Answers())
        finally:
            ours.shutdown(socket.SHUT_RDWR)
            drain.join()
