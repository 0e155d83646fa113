# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension host of a real VS Code server gets what is declared, and the drift report knows what it gets."""

from __future__ import annotations

import json

import pytest

# The server puts a command of its own before all others.
OWN = "/opt/code-server/server/bin/remote-cli:"
# bob's own files override the declaration for him.
DECLARED = ("alice", "zoe", "finn")


# Not to Go 1.22: the first is a program.
UNKNOWN_TO_GO = ("go", "GOAUTH", "GODEBUG", "GOTELEMETRY")


def variables(user: str) -> dict[str, str]:
    gopath = f"/home/{user}/go"
    return {
        "GOPATH": gopath,
        "GOMODCACHE": f"{gopath}/pkg/mod",
        "GOBIN": f"{gopath}/bin",
        "GOTOOLCHAIN": "local",
        "GOPROXY": "https://goproxy.example.com,direct",
        "GOFLAGS": "-mod=readonly",
    }


@pytest.mark.parametrize("user", DECLARED)
def test_it_gets_what_is_declared(extension_hosts, user):
    assert "--type=extensionHost" in extension_hosts[user].command
    for environment in (extension_hosts[user].initial, extension_hosts[user].environment):
        assert variables(user).items() <= environment.items()
        assert environment["PATH"].startswith(f"{OWN}/usr/local/go/bin:/usr/local/bin:/home/{user}/go/bin:")


@pytest.mark.parametrize("user", DECLARED)
def test_a_go_that_it_starts_reports_the_same(extension_hosts, user):
    assert dict(variables(user), GOVERSION="go1.22.12").items() <= extension_hosts[user].go.items()


@pytest.mark.parametrize("user", DECLARED)
def test_the_settings_have_it_too(extension_hosts, user):
    assert variables(user).items() <= extension_hosts[user].settings.items()


@pytest.mark.parametrize("user", [*DECLARED, "bob"])
def test_the_pinned_extension_is_the_one_that_runs(host, extension_hosts, user):
    """It has recorded all of this: a program of alice's server has installed it, and the others' servers found it."""
    listed = json.loads(host.file(f"/home/{user}/.vscode-server/extensions/extensions.json").content_string)
    entries = {entry["identifier"]["id"]: entry for entry in listed}
    assert entries["gopherops.witness"]["version"] == "0.0.1"
    by_program = entries["gopherops.witness"].get("metadata", {}).get("source") == "vsix"
    assert by_program == (user == "alice")
    assert extension_hosts[user].command


def test_a_users_own_setting_and_comment_stay(host, extension_hosts):
    assert extension_hosts["alice"].go["GOPRIVATE"] == "example.com/alice"
    settings = host.file("/home/alice/.vscode-server/data/Machine/settings.json")
    assert (settings.user, settings.contains("// Mine.")) == ("alice", True)


def test_a_users_own_lines_reach_it_and_settings_win_over_them(extension_hosts):
    bob = extension_hosts["bob"]
    assert bob.environment["PATH"].startswith(f"{OWN}/opt/bob/bin:")
    assert (bob.environment["GOBIN"], bob.go["GOBIN"]) == ("/opt/bob/bin", "/home/bob/go/bin")
    assert (bob.environment["GOSUMDB"], bob.go["GOSUMDB"]) == ("off", "off")


def test_the_drift_report_has_the_real_environment(play, extension_hosts):
    """Each value that the report has for this context, against the one that the extension host has."""
    cells = [cell for cell in play("drift").report["cells"] if cell["context"] == "vscode_server"]
    for user, real in extension_hosts.items():
        reported = {cell["variable"]: cell["actual"] for cell in cells if cell["user"] == user}
        reported = {name: value for name, value in reported.items() if name not in UNKNOWN_TO_GO}
        assert {"PATH", "GOSUMDB", *variables(user)} <= reported.keys()
        expected = {**real.environment, **real.settings, **real.go}
        assert dict(reported, PATH=OWN + reported["PATH"]) == {name: expected.get(name) for name in reported}


def test_a_pinned_extension_that_is_gone_is_a_finding(host, play):
    directory = "/home/bob/.vscode-server/extensions/gopherops.witness-0.0.1"
    host.check_output("mv %s /root/extension", directory)
    try:
        findings = play("drift").report["findings"]
    finally:
        host.check_output("mv /root/extension %s", directory)
    missing = [(one["user"], one["variable"]) for one in findings if one["rule_id"] == "GD808"]
    assert missing == [("bob", "gopherops.witness")]
