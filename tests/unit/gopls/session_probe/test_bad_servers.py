# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that hang, exit or send wrong responses: one error with its cause each, and earlier measurements are kept."""

from __future__ import annotations

import os
import pathlib
import pwd
import re
import shutil
import socket
import threading
import time

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.session_probe import probe as probing
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.session_probe.checks import (
    Measurements,
    Task,
    run_checks,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.session_probe.sample_positions import Use
from ansible_collections.gopherops.devserver.plugins.module_utils._protocols.framing import Connection
from ansible_collections.gopherops.devserver.plugins.module_utils._protocols.lsp import LspClient, Place
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.directories import public_directory

SERVICE = pathlib.Path(__file__).parents[3] / "fixtures/service"
ME = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture
def probe_socket(workspace):
    """Probe a socket in this process and return the result for this one user."""

    def run(path, timeout=0.5, settings=None):
        options = probing.ServerOptions(str(path), "none.service", "", settings or {}, timeout)
        (result,) = probing.probe([probing.ProbeRequest(ME, str(workspace))], options)
        return result

    return run


def raising(error):
    def handler(_message):
        raise error

    return handler


def test_a_fake_server_with_correct_responses_passes(fake, probe_socket):
    result = probe_socket(fake.path, timeout=20)
    assert result["problem"] == ""
    assert result["server"] == {"name": "fake", "version": "1", "go": ""}
    assert result["memory"]["source"] == "process"
    assert fake.finished()[-2:] == ["shutdown", "exit"]


@pytest.mark.parametrize(
    ("method", "failure", "message", "measured"),
    [
        ("initialize", "hang", "did not respond to initialize within 0 seconds", []),
        ("textDocument/didOpen", "hang", "did not publish diagnostics of .*main.go", ["initialize"]),
        ("textDocument/references", "hang", "did not respond to textDocument/references", ["hover", "definition"]),
        ("textDocument/didChange", "hang", "did not publish diagnostics", ["references"]),
        ("initialize", "die", "closed the connection", []),
        ("textDocument/hover", "die", "closed the connection", ["initialize", "diagnostics"]),
        ("textDocument/didChange", "die", "closed the connection", ["references"]),
        ("initialize", "reject", "returned an error for initialize: no more memory", []),
        ("textDocument/definition", "reject", "returned an error for textDocument/definition", ["hover"]),
    ],
)
def test_partial_measurements_are_kept_when_the_server_fails(fake, probe_socket, method, failure, message, measured):
    fake.handlers[method] = raising(fake.failures[failure])
    result = probe_socket(fake.path)
    assert re.search(message, result["problem"]), result["problem"]
    assert set(measured) <= set(result["seconds"])
    assert "exit" not in fake.finished()


def test_exit_is_not_sent_before_the_response_to_shutdown(fake, probe_socket):
    fake.handlers["shutdown"] = raising(fake.failures["hang"])
    assert probe_socket(fake.path, timeout=3)["problem"] == ""
    assert fake.finished()[-1] == "shutdown"


def test_the_last_logged_error_is_part_of_the_problem(fake, probe_socket):
    def log(message):
        for kind, text in [(1, "first"), (1, "\nno https://me:secret@proxy\nstack"), (3, "loading")]:
            fake.notify("window/logMessage", {"type": kind, "message": text})
        fake.publish(message, [])

    fake.handlers["textDocument/didOpen"] = log
    fake.handlers["textDocument/hover"] = raising(fake.failures["reject"])
    problem, _to_fix, remedy = probe_socket(fake.path, timeout=20)["problem"].partition(" To fix this: ")
    assert " Last error in its log: no https://***@proxy. Expected: " in f"{problem} " and remedy


@pytest.mark.parametrize(
    ("method", "response", "message"),
    [
        ("textDocument/hover", None, "hover of stock.NewShelf at .*main.go:81 is ''"),
        ("textDocument/hover", {"contents": ["no", "words"]}, "hover .* is 'no"),
        ("textDocument/definition", None, "definition .* is empty"),
        ("textDocument/definition", [], "definition .* is empty"),
        ("textDocument/definition", [{"uri": "http://x/y.go"}], "definition .* is empty"),
        ("textDocument/definition", {"uri": "file:///elsewhere/y.go"}, "is in /elsewhere/y.go. Expected: .*/stock"),
        ("textDocument/references", [], "references .* lacks .*main.go"),
        ("textDocument/references", 7, "references .* lacks .*main.go"),
    ],
)
def test_a_wrong_response_is_a_failure(fake, probe_socket, method, response, message):
    fake.handlers[method] = lambda _message: response
    assert re.search(message, probe_socket(fake.path)["problem"])


def test_an_unexpected_error_is_the_problem_of_its_user(fake, probe_socket):
    nested = []
    for _level in range(900):
        nested = [nested]
    fake.handlers["textDocument/hover"] = lambda _message: {"contents": nested}
    problem = probe_socket(fake.path, timeout=20)["problem"]
    assert problem.startswith("an unexpected error occurred: RecursionError")


def test_a_server_that_does_not_report_a_compile_error_fails(fake, probe_socket):
    fake.handlers["textDocument/didChange"] = lambda message: fake.publish(message, [])
    assert "did not publish diagnostics" in probe_socket(fake.path)["problem"]


def test_diagnostics_of_the_previous_text_do_not_count(fake, probe_socket):
    def outdated(message):
        document = message["params"]["textDocument"]
        document["version"] -= 1
        fake.publish(message, [fake.mistake])

    fake.handlers["textDocument/didChange"] = outdated
    assert "did not publish diagnostics" in probe_socket(fake.path)["problem"]


def test_popups_are_kept_without_passwords_and_without_information(fake, probe_socket):
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
    assert probe_socket(fake.path, timeout=20)["popups"] == expected


def test_popups_without_end_are_not_all_kept(fake, probe_socket):
    def pop_up(_message):
        for number in range(20_000):
            fake.notify("window/showMessage", {"type": 1, "message": str(number)})

    fake.handlers["textDocument/didOpen"] = pop_up
    result = probe_socket(fake.path, timeout=30)
    assert "sent more than the 10000 messages" in result["problem"]
    assert len(result["popups"]) == 10_000


def test_diagnostics_of_files_that_are_not_open_are_not_kept():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        client = LspClient(Connection(ours, "gopls"), section="gopls", settings={}, deadline=time.monotonic() + 10)
        client.open("/open.go", "")
        for file in ("/other.go", "/open.go"):
            params = {"uri": f"file://{file}", "version": 1, "diagnostics": []}
            Connection(theirs, "it").send({"method": "textDocument/publishDiagnostics", "params": params})
        assert client.diagnostics("/open.go") == []
    assert list(client._published) == ["/open.go"]


def test_requests_of_the_server_get_responses(fake, probe_socket):
    responses = []

    def serve(message):
        for number, (method, params) in enumerate(SERVER_REQUESTS):
            fake.connection.send({"id": f"own-{number}", "method": method, "params": params})
            responses.append(fake.connection.receive(10))
        fake.publish(message, [])

    fake.handlers["textDocument/didOpen"] = serve
    assert probe_socket(fake.path, timeout=20, settings={"staticcheck": True})["problem"] == ""
    results = [response.get("result", response.get("error", {}).get("code")) for response in responses]
    assert results[:5] == [[{"staticcheck": True}, None], None, None, None, {"success": False}]
    assert (results[5]["applied"], results[6][0]["name"], results[7]) == (False, "service", -32601)


SERVER_REQUESTS = [
    ("workspace/configuration", {"items": [{"section": "gopls"}, {"section": "other"}]}),
    ("client/registerCapability", {"registrations": []}),
    ("window/workDoneProgress/create", {"token": 1}),
    ("window/showMessageRequest", {"type": 3, "message": "telemetry?", "actions": []}),
    ("window/showDocument", {"uri": "http://x"}),
    ("workspace/applyEdit", {"edit": {}}),
    ("workspace/workspaceFolders", None),
    ("sampling/other", {}),
]


def test_a_missing_socket_is_reported_with_a_remedy(probe_socket, tmp_path):
    problem = probe_socket(tmp_path / "none.sock")["problem"]
    assert f"socket {tmp_path}/none.sock does not exist" in problem
    assert "language_server" in problem and "gopls" in problem


def test_a_socket_without_a_server_is_reported(probe_socket, tmp_path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead.sock"))
    assert "no server listens at" in probe_socket(tmp_path / "dead.sock")["problem"]


def test_a_daemon_that_accepts_no_connection_is_reported(probe_socket, tmp_path):
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as first:
        busy.bind(str(tmp_path / "busy.sock"))
        busy.listen(0)
        first.connect(str(tmp_path / "busy.sock"))
        assert "cannot connect to" in probe_socket(tmp_path / "busy.sock")["problem"]


def test_a_file_instead_of_a_socket_is_reported(probe_socket, tmp_path):
    (tmp_path / "file").write_text("")
    assert "no server listens at" in probe_socket(tmp_path / "file")["problem"]


def test_a_path_too_long_for_a_socket_is_reported(probe_socket, tmp_path):
    assert "too long" in probe_socket(tmp_path / ("x" * 200))["problem"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_the_connection_uses_the_rights_of_the_user(tmp_path):
    with public_directory() as directory, socket.socket(socket.AF_UNIX) as listener:
        shutil.copytree(SERVICE, directory / "service")
        (directory / "gopls").mkdir(mode=0o700)
        listener.bind(str(directory / "gopls/gopls.sock"))
        listener.listen()
        options = probing.ServerOptions(f"{directory}/gopls/gopls.sock", "none", "", {}, 0.1)
        requests = [probing.ProbeRequest(name, str(directory / "service")) for name in ("root", "nobody")]
        root, nobody = probing.probe(requests, options)
    assert "did not respond to initialize" in root["problem"]
    assert f"user nobody has no permission to connect to {directory}/gopls/gopls.sock" in nobody["problem"]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "echo 'flag provided but not defined: -x' >&2; exit 2",
            "Last line of stderr: flag provided but not defined: -x",
        ),
        ("yes complaint | head -c 200000 >&2; echo 'cannot go on' >&2; exit 2", "Last line of stderr: cannot go on"),
        (
            "echo nonsense; echo; echo; sleep 60",
            "sent a header without a usable Content-Length|no header|did not respond",
        ),
        ("sleep 60", "did not respond to initialize within 1 seconds"),
        ("exec cat", "returned an error for initialize"),
    ],
    ids=["exits", "long stderr", "not the protocol", "hangs", "echoes"],
)
def test_a_command_that_is_not_gopls_is_reported_and_ended(workspace, tmp_path, script, message):
    command = tmp_path / "gopls"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    options = probing.ServerOptions("", "", str(command), {}, 1)
    (result,) = probing.probe([probing.ProbeRequest(ME, str(workspace))], options)
    assert re.search(message, result["problem"]), result["problem"]


def test_a_missing_command_is_reported(workspace, tmp_path):
    options = probing.ServerOptions("", "", f"{tmp_path}/none", {}, 1)
    (result,) = probing.probe([probing.ProbeRequest(ME, str(workspace))], options)
    assert f"cannot run {tmp_path}/none" in result["problem"]


KEYS = ["uri", "range", "start", "line", "contents", "value", "items", "section", "message", "type", "serverInfo"]
KEYS += ["diagnostics", "severity", "version", "textDocument", "code"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("file:///x.go"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)
METHODS = ["textDocument/publishDiagnostics", "window/showMessage", "workspace/configuration", "x", 7, None]
random_message = st.fixed_dictionaries(
    {},
    optional={
        "id": st.integers(1, 5) | st.text(max_size=2),
        "method": st.sampled_from(METHODS),
        "params": json_values,
        "result": json_values,
        "error": json_values,
    },
)


@settings(max_examples=200)
@given(messages=st.lists(random_message, max_size=12))
def test_random_messages_cause_only_a_devserver_error(messages):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        server = Connection(theirs, "the client")
        for message in messages:
            server.send(message)
        theirs.shutdown(socket.SHUT_WR)
        client = LspClient(Connection(ours, "gopls"), section="gopls", settings={}, deadline=time.monotonic() + 60)
        drain = threading.Thread(target=lambda: [None for _chunk in iter(lambda: theirs.recv(65536), b"")])
        drain.start()
        task = Task("/w", Use(Place("/w/a.go", 1, 0), "f"), {"/w/a.go": "package a\n"})
        try:
            with pytest.raises(DevserverError):
                run_checks(client, task, Measurements())
        finally:
            ours.shutdown(socket.SHUT_RDWR)
            drain.join()
