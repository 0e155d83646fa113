# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts a real VS Code server for each user, opens it in a real browser, and reads what its extension host got."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import secrets
import shlex
import signal
import subprocess
import typing as t

import pytest

USERS = ("alice", "bob", "zoe", "finn")

# As an editor does it over ssh: a script for sh, whichever shell the user has.
SSH = "ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new {user}@localhost sh"
# Without a session of its own it would go with the one that started it.
START = """\
rm -f "$HOME/seen.json"
setsid /opt/code-server/node/node /opt/code-server/server/out/server-main.js \
--accept-server-license-terms --telemetry-level off --host 0.0.0.0 --port 8000 --connection-token {token} \
--server-data-dir "$HOME/.vscode-server" >"$HOME/server.log" 2>&1 </dev/null &
echo $!
"""
BROWSER = (
    "chromium",
    "--headless",
    "--no-sandbox",
    "--no-first-run",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
)


class ExtensionHost(t.NamedTuple):
    """What one user's extension host got: from the kernel, in its own words, and from the go that it started."""

    command: str
    initial: dict[str, str]
    environment: dict[str, str]
    settings: dict[str, str]
    go: dict[str, str]


@pytest.fixture(scope="module")
def extension_hosts(host, tmp_path_factory) -> dict[str, ExtensionHost]:
    """What each user's extension host got."""
    return {user: _probe(host, user, tmp_path_factory.mktemp(user)) for user in USERS}


def _probe(host, user: str, profile: pathlib.Path) -> ExtensionHost:
    home = host.user(user).home
    token = secrets.token_hex()
    port = subprocess.run(
        ["docker", "port", host.backend.host, "8000/tcp"], capture_output=True, text=True, check=True
    ).stdout.strip()
    with _server(host, user, token), _browser(f"http://{port}/?tkn={token}&folder=/opt/hello", profile):
        _await(host, f"test -s {home}/seen.json", f"{home}/server.log")
        recorded = json.loads(host.file(f"{home}/seen.json").content_string)
        process = f"/proc/{recorded.pop('pid')}"
        lines = host.check_output(f"tr '\\0' '\\n' <{process}/environ").split("\n")
        return ExtensionHost(
            command=host.check_output(f"tr '\\0' ' ' <{process}/cmdline"),
            initial=dict(line.partition("=")[::2] for line in lines),
            **recorded,
        )


@contextlib.contextmanager
def _server(host, user: str, token: str) -> t.Iterator[None]:
    script = shlex.quote(START.format(token=token))
    number = host.check_output(f"printf %s {script} | {SSH.format(user=user)}")
    try:
        log = f"{host.user(user).home}/server.log"
        _await(host, f'grep -q "Extension host agent started" {log}', log)
        yield
    finally:
        host.check_output(f"kill -- -{number}; timeout 30 tail --pid={number} --follow /dev/null")


@contextlib.contextmanager
def _browser(url: str, profile: pathlib.Path) -> t.Iterator[None]:
    # A process group, for its many processes; what they print is shown where a test fails.
    with subprocess.Popen([*BROWSER, f"--user-data-dir={profile}", url], start_new_session=True) as process:
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def _await(host, condition: str, log: str) -> None:
    waited = host.run(f"timeout 60 sh -c 'until {condition}; do sleep 0.2; done'")
    assert waited.rc == 0, f"never came true: {condition}\n{host.file(log).content_string}"
