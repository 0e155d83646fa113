# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host builds, the others get a copy; every host is whole and like the others."""

from __future__ import annotations

import os

import pytest
import testinfra

GOFUMPT = {"name": "gofumpt"}


@pytest.fixture(scope="module")
def fleet():
    return testinfra.get_hosts(["ansible://all"], ansible_inventory=os.environ["MOLECULE_INVENTORY_FILE"])


def digests(fleet, tool: str) -> set[str]:
    return {host.file(host.check_output(f"readlink -f /usr/local/bin/{tool}")).sha256sum for host in fleet}


def test_every_host_has_the_same_bytes(fleet):
    assert len(fleet) == 3
    assert len(digests(fleet, "goimports")) == 1


def test_one_host_builds_and_the_others_get_a_copy(fleet, play):
    completed = play("site", "-v", "--tags", "tools", devserver_tools=[GOFUMPT])
    assert completed.returncode == 0, completed.output
    assert (completed.output.count("source: built"), completed.output.count("source: copied")) == (1, 2), (
        completed.output
    )
    assert len(digests(fleet, "gofumpt")) == 1
    for host in fleet:
        assert host.check_output("runuser -u alice -- gofumpt --version").startswith("v0.7.0 (go1.22.12)")


def test_a_host_that_comes_later_gets_what_was_built_before(fleet, play):
    fleet[1].check_output("rm -r /usr/local/lib/go-tools/goimports")
    completed = play("site", "-v", "--tags", "tools")
    assert completed.returncode == 0, completed.output
    assert (completed.output.count("source: built"), completed.output.count("source: copied")) == (0, 1), (
        completed.output
    )
    assert len(digests(fleet, "goimports")) == 1


def test_no_host_drifts(play):
    completed = play("drift", drift_fail_on="note")
    assert completed.returncode == 0, completed.output
