# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host without systemd: what needs no units works as elsewhere, and the rest is not reported as a fault."""

from __future__ import annotations

import pytest

SERVICE = {"name": "api", "user": "alice", "workspace": "/home/alice", "package": ".", "listen": "127.0.0.1:2345"}
CONTEXTS = {"goenv", "login", "bash", "zsh", "fish", "ssh", "ssh_terminal", "vscode_server", "vscode_debug"}


@pytest.mark.parametrize("user", ["alice", "zoe", "finn"])
def test_a_session_over_ssh_has_go_and_the_tools(host, user):
    connect = f"ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new {user}@localhost"
    output = host.check_output(f"{connect} 'go version; go env GOPATH; command -v gopls; command -v dlv'")
    assert output == (f"go version go1.22.12 linux/amd64\n/home/{user}/go\n/usr/local/bin/gopls\n/usr/local/bin/dlv")


def test_there_are_no_findings_and_no_contexts_of_systemd(play):
    run = play("drift", drift_fail_on="note", drift_timeout=60)
    assert (run.returncode, run.findings) == (0, set()), run.output
    assert {cell["context"] for cell in run.report["cells"]} == CONTEXTS
    assert {(server["mode"], server["running"]) for server in run.report["language_servers"]} == {("per-editor", False)}


def test_a_workspace_is_ready_to_be_built(host):
    """It is cloned, and git shows nothing of what the editor and go got."""
    command = "cd ~/shop && git status --porcelain && ls .vscode *.code-workspace && go run ./api"
    output = host.check_output(f"ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new alice@localhost '{command}'")
    assert output.split() == ["shop.code-workspace", ".vscode:", "extensions.json", "launch.json", "tasks.json"]
    assert host.file("/home/alice/shop/.git/config").user == "alice"


def test_a_workspace_is_cloned_over_ssh_with_a_deploy_key(host):
    assert host.file("/home/zoe/shop/go.work").user == "zoe"
    assert "ssh -i /home/zoe/.ssh/deploy" in host.file("/home/zoe/shop/.git/config").content_string


def test_a_debug_service_is_rejected(reject_each):
    run = reject_each({"service": {"debugger_services": [SERVICE]}})["service"]
    run.expect_rejection(["debug services need systemd", "leave debugger_services empty"])


def test_gopls_and_dlv_work_for_real(play):
    """The sample service is built, its tests run, gopls responds, and dlv stops at breakpoints of the program."""
    run = play("verify", verify_users=[{"name": "alice"}], verify_modes=["debug"])
    assert run.returncode == 0, run.output
    assert "gopls" in run.output and "dlv" in run.output
