# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hundred debug sessions in a row as a user of the provisioned host: each stops, and none leaves anything."""

from __future__ import annotations

import json
import time

import pytest

RUNS = 20
WORKSPACE = "/home/alice/service"
PROGRAM = "/home/alice/probed/api"
ARGS = ["-check", "-listen=127.0.0.1:0"]
FILLED = {"name": "filled", "variables": {"left": 11}, "stack": ["main.filled", "main.main"]}
READYZ = {"name": "readyz", "stack": ["web.(*Service).readyz"]}
MODES = {
    "debug": {"package": "./cmd/api", "args": ARGS, "breakpoints": [FILLED, {"name": "listening"}]},
    "exec": {"program": PROGRAM, "args": ARGS, "breakpoints": [FILLED, {"name": "listening"}]},
    "test": {"package": "./stock", "breakpoints": [{"name": "take", "variables": {"article": "gopher", "held": 3}}]},
    "local": {"unit": "probed.service", "breakpoints": [READYZ], "trigger": "http://127.0.0.1:8092/readyz"},
    "remote": {"address": "127.0.0.1:2345", "breakpoints": [READYZ], "trigger": "http://127.0.0.1:8081/readyz"},
}


@pytest.fixture(scope="module", autouse=True)
def programs(host):
    """What is debugged: a binary, a unit that runs it, and the debug service of the play."""
    build = f"cd {WORKSPACE} && go build -gcflags='all=-N -l' -o {PROGRAM} ./cmd/api"
    host.check_output(f'su - alice -c "{build}"')
    run = f"systemd-run --quiet --unit probed --uid alice {PROGRAM} -listen 127.0.0.1:8092"
    host.check_output(f"{run} && systemctl start dlv-api")
    for port in (8092, 2345, 8081):
        until_listening(host, port)
    yield
    host.check_output("systemctl stop probed && rm -r /home/alice/probed")


def until_listening(host, port):
    deadline = time.monotonic() + 60
    while f"127.0.0.1:{port} " not in host.check_output("ss -Hltn"):
        assert time.monotonic() < deadline, host.check_output("journalctl -q -o cat -n 20")
        time.sleep(0.3)


def present(host):
    """Return what a session could leave more of: processes of alice's, open ports, files."""
    ports = {line.split()[3] for line in host.check_output("ss -Hltn").splitlines()}
    processes = set(host.check_output("ps -u alice -o pid=,args=").splitlines())
    files = host.check_output("find /tmp /home/alice -maxdepth 2 -not -path '*/.cache/*'").splitlines()
    return processes | ports | set(files)


@pytest.mark.parametrize("mode", MODES)
def test_a_breakpoint_stops_in_every_session(host, mode):
    before = present(host)
    parameters = {"user": "alice", "request": "attach" if mode in ("local", "remote") else "launch", "mode": mode}
    parameters.update(MODES[mode], workspace=WORKSPACE, runs=RUNS)
    result = host.ansible("gopherops.devserver.dlv_probe", json.dumps(parameters), check=False)
    assert (result["hit_rate"], result["runs"]) == (1.0, RUNS)
    assert {item["hits"] for item in result["breakpoints"]} == {RUNS}
    assert present(host) - before == set()


def test_what_was_attached_to_goes_on(host):
    for port in (8092, 8081):
        request = (
            f"import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:{port}/readyz', timeout=5).read())"
        )
        assert host.check_output(f'python3 -c "{request}"') == "b'ok\\n'"
