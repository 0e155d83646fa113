# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host for arm64: its Go is the one that the collection has pinned, and every entry point has it."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("user", ["alice", "zoe", "finn"])
def test_a_session_over_ssh_has_go_for_the_architecture(host, user):
    connect = f"ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new {user}@localhost"
    output = host.check_output(f"{connect} 'go version; go env GOPATH GOHOSTARCH'")
    assert output == f"go version go1.22.12 linux/arm64\n/home/{user}/go\narm64"


def test_a_program_is_built_and_runs(host):
    program = 'package main; import "runtime"; func main() { println(runtime.GOARCH) }'
    host.check_output(f"echo '{program}' > /srv/main.go")
    assert host.check_output("su - alice -c 'go run /srv/main.go' 2>&1") == "arm64"


def test_there_are_no_findings(play):
    run = play("drift", drift_fail_on="note", drift_timeout=120)
    assert (run.returncode, run.findings) == (0, set()), run.output
