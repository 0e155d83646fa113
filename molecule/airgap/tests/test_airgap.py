# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host without a network has all that was declared, from the bundle alone."""

from __future__ import annotations

import json
import re
import shlex

import pytest

ROOT = "/usr/local/lib/go-bundle"
USERS = ("alice", "bob")


def run_as(host, user: str, command: str) -> str:
    """Return what a command prints that ``user`` types after logging in; it must succeed."""
    return host.check_output(f"su - {user} -c {shlex.quote(command)}")


def test_there_is_no_way_out(host):
    assert host.check_output("ip route") == ""
    assert re.findall(r"^\d+: (\w+)", host.check_output("ip link"), re.MULTILINE) == ["lo"]
    assert host.run("getent hosts go.dev").rc != 0


def test_the_toolchain_came_from_the_bundle(host):
    record = json.loads(host.file("/usr/local/lib/go/1.22.12.json").content_string)
    assert record["source"] == "bundle"
    assert record["location"].startswith(f"{ROOT}/toolchains/")


@pytest.mark.parametrize("user", USERS)
def test_everyone_has_the_go_and_the_tools(host, user):
    assert run_as(host, user, "go version") == "go version go1.22.12 linux/amd64"
    for tool, version in (("dlv", "v1.23.1"), ("gopls", "v0.16.2")):
        first, *info = run_as(host, user, f"go version -m $(command -v {tool})").split("\n")
        assert first.endswith(": go1.22.12")
        assert any(re.match(rf"\s*mod\s+\S+\s+{version}\s", line) for line in info)
    assert "Version: 1.23.1" in run_as(host, user, "dlv version")


@pytest.fixture(scope="module")
def compiled(compile_once):
    compile_once("cd hello && go vet ./... && go test ./...", *USERS)


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("user", USERS)
def test_everyone_builds_and_tests_a_workspace_with_a_dependency(host, user):
    goproxy, gosumdb = run_as(host, user, "go env GOPROXY GOSUMDB").split("\n")
    assert goproxy == f"file://{ROOT}/modules"
    assert gosumdb not in ("", "off")
    assert re.fullmatch(r"hello, [0-9a-f-]{36}", run_as(host, user, "cd hello && go build -o ../built . && ../built"))
    assert run_as(host, user, "cd hello && go test -count=1 ./...").startswith("ok")
    assert run_as(host, user, "cd hello && go list -m -versions github.com/google/uuid").endswith(" v1.6.0")


def test_a_declared_proxy_takes_the_place_of_the_bundles(play):
    completed = play("site", "--check", "--diff", "--tags", "environment", devserver_variables={"GOPROXY": "off"})
    assert completed.returncode == 0, completed.output
    assert f"-GOPROXY=file://{ROOT}/modules" in completed.output.replace(" ", "")
    assert "+GOPROXY=off" in completed.output.replace(" ", "")


def test_a_module_that_is_not_in_the_bundle_is_named(host):
    completed = host.run("su - alice -c 'cd hello && go mod download github.com/google/uuid@v1.5.0'")
    assert completed.rc != 0
    assert "google/uuid@v1.5.0" in completed.stderr


def test_everyone_can_read_the_extension(host):
    assert run_as(host, "bob", f"cat {ROOT}/extensions/example.hello-1.0.0.vsix") == "not looked into"


def test_tools_did_not_go_through_the_hosts_directory(host):
    assert host.check_output(f"ls -A {ROOT}") == ".lock\nextensions\nmanifest.json\nmodules\ntoolchains"


def test_what_somebody_has_changed_is_found_and_replaced(host, play):
    host.check_output(f"echo more >>{ROOT}/extensions/example.hello-1.0.0.vsix")
    host.check_output(f"rm {ROOT}/modules/github.com/google/uuid/@v/v1.6.0.zip")
    planned = play("site", "--check", "--diff", "--tags", "bundle")
    assert "example.hello-1.0.0.vsix, other content" in planned.output
    completed = play("site", "--tags", "bundle")
    assert (planned.returncode, completed.returncode) == (0, 0), completed.output
    assert run_as(host, "bob", f"cat {ROOT}/extensions/example.hello-1.0.0.vsix") == "not looked into"
    assert "changed=0" in play("site", "--tags", "bundle").output


def test_the_same_declaration_makes_the_same_bundle_and_needs_no_network(play):
    completed = play("bundle", bundle_goproxy="off", devserver_toolchain_goproxy="https://127.0.0.1:9")
    assert completed.returncode == 0, completed.output
    assert "changed=0" in completed.output


def test_the_host_does_not_drift(play):
    completed = play("drift", drift_fail_on="note")
    assert completed.returncode == 0, completed.output
