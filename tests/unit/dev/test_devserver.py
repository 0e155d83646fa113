# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make devserver` shows to its user, and what it passes on from this machine."""

from __future__ import annotations

import json
import socket
import typing as t
from pathlib import Path

import pytest

from dev import host
from dev.checkout import Failure
from dev.console import show
from dev.devserver import RECAP, summary
from dev.phases import Phases, log_of

REPORT: dict[str, t.Any] = {
    "toolchain": {"path": "/usr/local/lib/go/1.26.1", "version": "1.26.1"},
    "tools": [{"name": "gopls", "path": "/usr/local/bin/gopls", "version": "v0.21.0", "go": "1.26.1"}],
    "findings": [],
}
FINDING = {
    "rule_id": "GD101",
    "severity": "error",
    "cause": "/opt/go runs",
    "user": "ada",
    "context": "login",
    "remedy": {"text": "remove /opt/go"},
}


def test_summary_of_a_host_without_drift() -> None:
    lines = summary(REPORT).splitlines()
    assert lines[1].split() == ["Go", "1.26.1", "/usr/local/lib/go/1.26.1"]
    assert lines[2].split() == ["gopls", "v0.21.0", "/usr/local/bin/gopls"]
    assert lines[-1] == "no drift"


def test_summary_shows_findings_with_place_and_remedy() -> None:
    text = summary(REPORT | {"findings": [FINDING]})
    assert text.endswith("error GD101 (ada login): /opt/go runs\n    remove /opt/go")
    assert "no drift" not in text


def test_no_value_of_a_user_reaches_the_terminal_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    cause = "GOPATH is \x1b]0;x\x07\x9b31m\u202e/og\u2066\r from größe\tx"
    show(summary(REPORT | {"findings": [FINDING | {"cause": cause}]}))
    printed = capsys.readouterr().out
    assert r"GOPATH is \x1b]0;x\x07\x9b31m\u202e/og\u2066\r from größe" in printed
    assert all(char.isprintable() or char in "\n\t" for char in printed)


def test_recap_is_read_from_what_ansible_prints() -> None:
    printed = "PLAY RECAP ****\nbuild7.example.org   : ok=3    changed=0    failed=0   \n"
    assert [" ".join(recap.split()) for recap in RECAP.findall(printed)] == ["ok=3 changed=0 failed=0"]


@pytest.mark.parametrize("destination", ["build7", "-oProxyCommand=x@y", "ada@-oProxyCommand=x", "ada@a/../b", "@host"])
def test_destination_must_be_user_at_host(destination: str) -> None:
    with pytest.raises(Failure, match="expected user@host"):
        host.own(destination)


def test_own_host_keeps_the_users_ssh_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "DEVSERVER", tmp_path)
    target = host.own("ada@build7.example.org")
    variables = json.loads(target.inventory.read_text())["all"]["hosts"]["build7.example.org"]
    assert variables["ansible_user"] == "ada" and variables["devserver_users"] == [{"name": "ada"}]
    assert not [name for name in variables if name.startswith("ansible_ssh_")]
    assert target.connect.endswith("ssh ada@build7.example.org")


@pytest.mark.parametrize(
    ("goproxy", "expected"),
    [
        ("https://a.example.org|https://b.example.org,direct", "https://a.example.org"),
        ("direct,https://b.example.org", "https://b.example.org"),
        ("http://plain.example.org", None),
        ("off", None),
    ],
)
def test_first_https_proxy_is_passed_on(goproxy: str, expected: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOPROXY", goproxy)
    assert host.surroundings().get("devserver_toolchain_goproxy") == expected


def test_certificate_authorities_are_passed_on_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tmp_path / "bundle.crt"
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    assert "trust_ca_bundle" not in host.surroundings()
    bundle.write_text("")
    assert host.surroundings()["trust_ca_bundle"] == str(bundle)


def test_port_that_is_taken_is_not_chosen() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert host._free_port(port) != port
    assert host._free_port(port) == port


def test_table_has_every_phase_and_the_time_since_the_beginning() -> None:
    phases = Phases()
    phases.seconds = {"Image": 35.25, "Provision": 4.5}
    assert [line.split() for line in phases.table().splitlines()] == [
        ["Image", "35.2", "s"],
        ["Provision", "4.5", "s"],
        ["total", "0.0", "s"],
    ]


def test_log_is_named_after_its_phase() -> None:
    assert log_of("ansible-core 2.16").name == "ansible-core-2.16.log"
