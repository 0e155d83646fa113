# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input ends with one message that names the value and the remedy, and leaves the host as it was."""

from __future__ import annotations

import pytest

# Places where nothing is yet, so that there would be much to do before the bad input is met.
FRESH = {
    "devserver_toolchain_root": "/opt/go{number}",
    "devserver_goroot": "/opt/go-link{number}",
    "devserver_tools_root": "/opt/go-tools{number}",
}

CASES = {
    "version that does not exist": (
        {"devserver_go_versions": ["1.22.99"]},
        ["1.22.99", "devserver_toolchain_checksums"],
    ),
    "version below 1.21": ({"devserver_go_versions": ["1.20.14"]}, ["1.20.14", "1.21"]),
    "wrong checksum": (
        {
            "devserver_go_versions": ["1.21.13"],
            "devserver_toolchain_checksums": {"1.21.13": {"linux-amd64": "h1:" + "A" * 43 + "="}},
        },
        ["1.21.13", "h1:AAAA"],
    ),
    "unreachable mirror": (
        {
            "devserver_go_versions": ["1.21.13"],
            "toolchain_sources": ["mirror"],
            "devserver_toolchain_mirror": "https://127.0.0.1:9/go",
        },
        ["https://127.0.0.1:9/go", "1.21.13"],
    ),
    "user that does not exist": (
        {"devserver_users": [{"name": "nobody-at-all"}]},
        ["nobody-at-all", "create the account"],
    ),
    "unwritable GOPATH": (
        {"devserver_users": [{"name": "alice", "variables": {"GOPATH": "/root/go"}}]},
        ["GOPATH=/root/go", "alice", "install -d"],
    ),
    "tool that is not pinned": (
        {"devserver_tools": [{"package": "golang.org/x/tools/gopls", "version": "latest"}]},
        ["latest", "gopls"],
    ),
}


@pytest.fixture(scope="module")
def runs(reject_each):
    declarations = {}
    for number, (case, (variables, _words)) in enumerate(CASES.items()):
        fresh = {name: path.format(number=number) for name, path in FRESH.items()}
        declarations[case] = {**fresh, **variables}
    return reject_each(declarations)


@pytest.mark.parametrize("case", CASES)
def test_bad_input(runs, case):
    _variables, words = CASES[case]
    runs[case].expect_rejection(words)


def test_check_mode_of_an_upgrade_reports_the_changes_and_makes_none(play, snapshot):
    before = snapshot()
    completed = play("site", "--check", "--diff", devserver_go_versions=["1.21.13"])
    assert completed.returncode == 0, completed.output
    assert "1.21.13" in completed.output
    assert snapshot() == before


def test_a_file_of_one_user_that_cannot_be_edited_leaves_out_that_user_alone_until_a_run_restores_it(host, play):
    file = "/home/alice/.config/go/env"
    other = {"devserver_variables": {"GOFLAGS": ["-mod=mod"]}}
    host.check_output(f"chown zoe {file}")
    try:
        result = play("site", **other)
        assert result.returncode == 2, result.output
        assert result.output.count("fatal:") == 1, result.output
        assert file in result.output
        assert "GOFLAGS=-mod=mod" in host.file("/home/zoe/.config/go/env").content_string
        assert "TASK [gopherops.devserver.debugger" in result.output
        # Only that file differs now, and each run reports it.
        assert play("site", **other).returncode == 2
    finally:
        host.check_output(f"chown alice {file}")
    # Tags limit the run that restores all files to a role and what that plans.
    result = play("site", "--tags", "environment", devserver_go_versions=["1.21.13"])
    assert result.returncode == 0, result.output
    assert "TASK [gopherops.devserver.environment" in result.output
    assert "TASK [gopherops.devserver.toolchain : Install" not in result.output
    assert "GOFLAGS=-mod=readonly" in host.file("/home/zoe/.config/go/env").content_string
    assert "TASK [gopherops.devserver" not in play("site").output
