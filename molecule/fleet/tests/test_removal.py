# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook remove takes everything away, without the inventory of the earlier runs; site brings it back."""

from __future__ import annotations

import os
import pathlib
from shlex import quote

import pytest
import testinfra

SNAPSHOT = (pathlib.Path(__file__).parents[2] / "shared/snapshot.sh").read_text()
EPHEMERAL = pathlib.Path(os.environ.get("MOLECULE_EPHEMERAL_DIRECTORY", ""))
# What stays on purpose in the home: the user's caches, and directories.
KEPT = {
    ".cache",
    ".cache/fish",
    ".cache/go-build",
    ".config",
    ".config/environment.d",
    ".config/go",
    "go",
    "go/bin",
    "go/pkg",
}
# Values that are not those of the earlier runs.
OTHERS = {"devserver_users": [], "devserver_tools": [], "devserver_toolchain_root": "/nonexistent"}


@pytest.fixture(scope="module")
def host():
    return testinfra.get_hosts(["ansible://all"], ansible_inventory=os.environ["MOLECULE_INVENTORY_FILE"])[-1]


@pytest.fixture(scope="module")
def name(host):
    return host.backend.host


def test_a_removal_leaves_the_host_as_it_was_before_the_first_run(host, name, play):
    before = (EPHEMERAL / f"before-{name}").read_text().splitlines()
    changed = play("site", "-l", name, "--tags", "debugger", debugger_kernel_parameters={"net.ipv4.tcp_syn_retries": 3})
    assert changed.returncode == 0, changed.output
    provisioned = host.check_output(f"sh -c {quote(SNAPSHOT)}").splitlines()
    assert "net.ipv4.tcp_syn_retries = 3" in provisioned
    announced = play("remove", "-l", name, "--check", "--diff", **OTHERS)
    assert announced.returncode == 0, announced.output
    changed_paths = ("/etc/pam.d/sshd", "/etc/gopherops/users/alice.sh", "/usr/local/go", "/etc/sysctl.d/60-gopherops")
    for path in changed_paths:
        assert path in announced.output
    assert host.check_output(f"sh -c {quote(SNAPSHOT)}").splitlines() == provisioned
    removed = play("remove", "-l", name, **OTHERS)
    assert removed.returncode == 0, removed.output
    after = host.check_output(f"sh -c {quote(SNAPSHOT)}").splitlines()
    assert (sorted({*after} - {*before}), sorted({*before} - {*after})) == ([], [])
    assert host.check_output("/usr/local/go/bin/go version") == "go version go1.20 linux/amd64"
    assert host.check_output("cat ~alice/.config/go/env") == "# mine"
    found = host.check_output("cd ~alice && find . -mindepth 1 -path ./go/pkg/mod -prune -o -type d -printf '%P\\n'")
    assert {*found.splitlines()} <= KEPT
    again = play("remove", "-l", name, **OTHERS)
    assert (again.returncode, "changed=0" in again.output) == (0, True), again.output


def test_a_host_can_be_provisioned_again(host, name, play):
    completed = play("site", "-l", name, devserver_tools=[])
    assert completed.returncode == 0, completed.output
    assert "go1.22.12" in host.check_output("runuser -l alice -c 'go version'")
    assert "changed=0" in play("site", "-l", name, devserver_tools=[]).output
