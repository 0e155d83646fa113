# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Language servers and debuggers in the drift report: no finding after provisioning, and every injected fault."""

from __future__ import annotations

import datetime
import pathlib
import shlex

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

RULE_PAGES = pathlib.Path(__file__).parents[3] / "docs/rules"
SETTINGS = "/home/alice/.vscode-server/data/Machine/settings.json"
WORKSPACE = "/home/alice/service/.vscode/settings.json"
APPLIED = "/etc/gopherops/language_server/applied.json"
TLS = "/etc/gopherops/debug/tls"
UNIT_DIR = "/etc/systemd/system"
OLD = "/usr/local/lib/old-gopls"
DAEMON = "/run/gopls/alice/daemon/gopls.sock"
MINE = f"{UNIT_DIR}/gopls@alice.service.d/99-mine.conf"
WIDE = f"{UNIT_DIR}/dlv-six.service.d/99-mine.conf"
BROKEN = f"{UNIT_DIR}/dlv-broken.service"
API = "/etc/gopherops/debug/api.env"
# Rendered files that are edited.
STOCK = f"{UNIT_DIR}/dlv-stock-test.service"
SESSION = f"{UNIT_DIR}/user-1000.slice.d/50-gopherops-session.conf"
# Provisioning has not heard of it.
FAULT = {"name": "slow", "reason": "it is slow", "gopls": ">=0.1", "settings": {"staticcheck": False}}


def ended() -> str:
    """Return a certificate, as PEM text, that was good for a day of 2020."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    begin = datetime.datetime(2020, 1, 1)
    day = (begin, begin + datetime.timedelta(days=1))
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, *day).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


# What is made anew, and what is put in the place of what is saved.
FILES = {
    SETTINGS: '{\n  "go.languageServerFlags": ["-mine"],\n  "gopls": {\n    "staticchek": true\n  }\n}\n',
    WORKSPACE: '{\n  "go.languageServerFlags": [],\n  "gopls": {"hoverkind": 1}\n}\n',
    f"{TLS}/ca.crt": ended(),
    APPLIED: '{"settings": {}, "workarounds": ["type-aliases-before-0.16"]}\n',
    MINE: f'[Service]\nMemoryMax=infinity\nExecStart=\nExecStart={OLD} serve "-listen=unix;{DAEMON}"\n',
    WIDE: "[Service]\nExecStart=\nExecStart=/usr/local/bin/dlv dap --listen=:2347\n",
    BROKEN: "[Service]\nType=exec\nExecStart=/bin/false\n",
}
# Nobody but its user may, and the first connection starts a daemon.
CHECK = "runuser -u {0} -- gopls '-remote=unix;/run/gopls/{0}/gopls.sock' check /home/{0}/service/stock/stock.go"
INJECT = f"""
    chown alice: {WORKSPACE}
    {CHECK.format("bob")}
    systemctl kill --signal=ABRT --kill-who=main gopls@bob
    timeout 20 sh -c 'until ls /var/log/gopls/crashes/bob/*.log; do sleep 0.1; done'
    systemctl stop gopls-proxy@bob.socket gopls-prewarm@alice.timer dlv-six
    echo 'LATER="1"' >>{API}
    sed -i 's/^Type=exec$/Type=simple/' {STOCK}
    sed -i 's/^MemoryMax=.*/MemoryMax=infinity/' {SESSION}
    cp /usr/local/bin/gopls {OLD}
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -days 5 -subj /CN=x \
      -out {TLS}/server.crt
    systemctl daemon-reload
    systemctl stop gopls@alice
    {CHECK.format("alice")}
    systemctl start dlv-broken || true
    systemd-run --quiet --uid=bob --unit=foreign /usr/local/bin/dlv dap --listen=0.0.0.0:3999
    timeout 20 sh -c 'until ss -Hltn | grep -q :3999; do sleep 0.1; done'
"""
REVERT = f"""
    systemctl stop foreign gopls@alice dlv-broken
    systemctl reset-failed dlv-broken gopls@bob
    rm -rf {OLD} {MINE} {WIDE} {BROKEN} {WORKSPACE} /var/log/gopls/crashes/bob/*
    rmdir {UNIT_DIR}/gopls@alice.service.d {UNIT_DIR}/dlv-six.service.d
    systemctl daemon-reload
    systemctl start gopls-proxy@bob.socket gopls-prewarm@alice.timer dlv-six
"""
FOUND = {
    ("GD1001", "alice", "go.languageServerFlags", f"{SETTINGS}:2"),
    ("GD1001", "alice", "go.languageServerFlags", f"{WORKSPACE}:2"),
    ("GD1002", "bob", "", f"{UNIT_DIR}/gopls-proxy@.socket"),
    ("GD1003", "alice", "", f"{UNIT_DIR}/gopls-prewarm@.timer"),
    ("GD1004", "alice", "MemoryMax", f"{MINE}:2"),
    ("GD1005", "alice", "", "process"),
    ("GD1006", "bob", "", "log"),
    ("GD1007", "", "gopls", "gopls"),
    ("GD1008", "", "gopls", APPLIED),
    ("GD1009", "alice", "gopls.staticchek", f"{SETTINGS}:4"),
    ("GD1009", "alice", "gopls.hoverkind", f"{WORKSPACE}:3"),
    ("GD1010", "alice", "ExecStart", f"{MINE}:3"),
    ("GD1010", "alice", "ExecStart", f"{MINE}:4"),
    ("GD1010", "alice", "MemoryMax", f"{SESSION}:4"),
    ("GD1101", "", "", f"{WIDE}:3"),
    ("GD1105", "alice", "", f"{UNIT_DIR}/dlv-six.service"),
    ("GD1106", "alice", "", "process"),
    ("GD1107", "", "ExecStart", f"{WIDE}:2"),
    ("GD1107", "", "Type", f"{STOCK}:8"),
    ("GD1101", "bob", "", "process"),
    ("GD1102", "", "", BROKEN),
    ("GD1103", "", "", f"{TLS}/server.crt"),
    ("GD1104", "", "", f"{TLS}/ca.crt"),
}


def findings_of(run):
    """Return rule, user, variable and place of each finding about services; logs and the binary are called so."""
    return {
        (finding["rule_id"], finding["user"], finding["variable"], place(finding["source"]))
        for finding in run.every
        if len(finding["rule_id"]) == len("GD1001")
    }


def place(source):
    file, line = source["file"] or source["kind"], source["line"]
    known = {".log": "log", "/gopls": "gopls"}
    called = next((word for end, word in known.items() if file.endswith(end)), file)
    return f"{called}:{line}" if line else called


@pytest.fixture
def injected(host):
    """A host on which nobody's language server or debugger is as it was provisioned."""
    saved = " ".join([SETTINGS, APPLIED, API, STOCK, SESSION, f"{TLS}/server.crt", f"{TLS}/ca.crt"])
    host.check_output(f"mkdir -p /root/saved; cp -a --parents {saved} /root/saved")
    try:
        for path, text in FILES.items():
            host.check_output(f"mkdir -p $(dirname {path}); printf %s {shlex.quote(text)} >{path}")
        host.check_output(f"set -e; {INJECT}")
        yield
    finally:
        host.run(REVERT)
        host.check_output("cp -a /root/saved/. / && rm -r /root/saved; systemctl daemon-reload")


def test_a_provisioned_host_has_none_and_no_daemon_is_started_for_it(host, play):
    host.check_output("systemctl stop gopls-proxy@bob.service gopls@bob.service")
    completed = play("drift", drift_crash_days=0)
    assert findings_of(completed) == set()
    servers = {server["user"]: server for server in completed.report["language_servers"]}
    assert {user: server["mode"] for user, server in servers.items()} == {"alice": "daemon", "bob": "daemon"}
    assert servers["bob"]["socket"] == "/run/gopls/bob/gopls.sock"
    assert servers["bob"]["gopls"] == host.file("/usr/local/bin/gopls").linked_to
    show = "systemctl show --property=MemoryMax --value gopls@bob.service"
    assert servers["bob"]["limits"]["memory_max"] == int(host.check_output(show))
    assert not servers["bob"]["running"]
    assert not host.service("gopls@bob.service").is_running


def test_each_injected_fault_is_found_with_its_place(host, injected, play):
    completed = play("drift", devserver_gopls_workarounds=[FAULT])
    assert findings_of(completed) == FOUND, completed.output
    assert "language servers: daemon for alice, bob" in completed.output


def test_each_rule_is_broken():
    catalogue = {page.stem for page in RULE_PAGES.glob("GD[0-9][0-9][0-9][0-9].md")}
    assert catalogue == {rule for rule, *_rest in FOUND}
