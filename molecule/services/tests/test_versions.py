# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two Go versions on one host: the default is switched with everything that depends on it, and switched back."""

from __future__ import annotations

import shlex

import pytest

# pytest moves tests without the host behind the others.
pytestmark = pytest.mark.usefixtures("host")

OLD, NEW = "1.21.13", "1.22.12"
GO_LINE = f"module example.org/x\n\ngo 1.21\n\ntoolchain go{NEW}\n"
ALTERED = f"/usr/local/lib/go/{OLD}/src/fmt/print.go"


@pytest.fixture(scope="module")
def switched(host, play):
    """Make the older version the default, beside the other one."""
    # Other tests end daemons on purpose, which would be findings here.
    host.check_output("rm -rf /var/log/gopls/crashes/*/*")
    completed = play("site", devserver_go_versions=[OLD, NEW])
    assert completed.returncode == 0, completed.output
    return completed


def executable(host, unit: str) -> str:
    # Its build, with the whole standard library, may take longer than the run waited. This waits for it.
    host.check_output(f"systemctl start {unit}")
    pid = host.check_output(f"systemctl show --property=MainPID --value {unit}")
    return host.check_output(f"readlink /proc/{pid}/exe")


def built_by(host, program: str) -> str:
    return host.check_output(f"go version {program}").rpartition(" ")[2]


@pytest.mark.usefixtures("switched")
class TestTheOlderVersion:
    def test_is_the_default_beside_the_newer_one(self, run_as):
        versions = run_as("alice", f"go env GOVERSION; go{NEW} env GOVERSION; go{OLD} env GOVERSION").split()
        assert versions == [f"go{OLD}", f"go{NEW}", f"go{OLD}"]

    @pytest.mark.parametrize("tool", ["gopls", "dlv"])
    def test_builds_the_tools(self, host, tool):
        assert built_by(host, f"/usr/local/bin/{tool}") == f"go{OLD}"

    def test_runs_the_language_server(self, host, run_as):
        run_as("alice", "gopls '-remote=unix;/run/gopls/alice/gopls.sock' check service/stock/stock.go")
        assert built_by(host, executable(host, "gopls@alice")) == f"go{OLD}"

    def test_runs_the_debug_services(self, host):
        assert built_by(host, executable(host, "dlv-api")) == f"go{OLD}"

    def test_causes_no_drift(self, play):
        completed = play("drift", drift_fail_on="note", devserver_go_versions=[OLD, NEW])
        assert completed.findings == set(), completed.output

    def test_changes_nothing_in_a_second_run(self, play):
        completed = play("site", devserver_go_versions=[OLD, NEW])
        assert "changed=0" in completed.output, completed.output

    def test_finds_the_newer_one_on_path_for_a_toolchain_line(self, run_as):
        module = f"mkdir -p ~/x && cd ~/x && printf %s {shlex.quote(GO_LINE)} >go.mod"
        offline = "GOPROXY=off GOFLAGS= GOTOOLCHAIN"
        assert run_as("alice", f"{module} && {offline}=path go env GOVERSION") == f"go{NEW}"
        assert run_as("alice", f"{module} && {offline}=local go env GOVERSION; rm -r ~/x") == f"go{OLD}"


@pytest.mark.usefixtures("switched")
def test_verification_replaces_an_altered_toolchain(host, play):
    original = host.file(ALTERED).sha256sum
    host.check_output(f"echo '// altered' >>{ALTERED}")
    unverified = play("site", "--tags", "toolchain", devserver_go_versions=[OLD, NEW])
    assert "changed=0" in unverified.output, unverified.output
    verified = play("site", "-v", "--tags", "toolchain", devserver_go_versions=[OLD, NEW], toolchain_verify=True)
    assert verified.returncode == 0, verified.output
    assert "src/fmt/print.go" in verified.output
    assert host.file(ALTERED).sha256sum == original


@pytest.mark.usefixtures("switched")
def test_the_way_back_removes_the_older_version(host, play, run_as):
    completed = play("site", toolchain_exclusive=True)
    assert completed.returncode == 0, completed.output
    assert run_as("alice", "go env GOVERSION") == f"go{NEW}"
    assert host.check_output("ls -d /usr/local/lib/go/*/").split() == [f"/usr/local/lib/go/{NEW}/"]
    assert not host.file(f"/usr/local/bin/go{OLD}").exists
    assert [built_by(host, f"/usr/local/bin/{tool}") for tool in ("gopls", "dlv")] == [f"go{NEW}"] * 2
    assert built_by(host, executable(host, "dlv-api")) == f"go{NEW}"
    assert play("drift", drift_fail_on="note").findings == set()
