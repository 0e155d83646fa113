# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages that the host lacks and cannot install cost what needs them, and nothing else."""

from __future__ import annotations

import os

SERVICE = {
    "name": "api",
    "user": "alice",
    "workspace": "/home/alice/hello",
    "listen": "127.0.0.1:2345",
    "state": "stopped",
    "tls": {"listen": "127.0.0.1:12345"},
}
TLS = {
    "debugger_tls_clients": ["ci"],
    "debugger_tls_dir": os.path.join(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "debug-ca"),
}
ROLES = ("--tags", "language_server,debugger")


def test_the_run_goes_on_without_logrotate_and_stunnel(host, play):
    incomplete = play("site", *ROLES, language_server_log=True, debugger_services=[SERVICE], **TLS)
    assert incomplete.returncode == 2, incomplete.output
    assert "The logs of gopls are not rotated: logrotate cannot be installed" in incomplete.output
    end = incomplete.output.partition(
        "TASK [Fail for users whose files could not be edited, and for a missing program]"
    )[2]
    assert "/usr/bin/stunnel is missing" in end
    assert host.file("/etc/systemd/system/dlv-api.service").exists
    assert host.file("/var/log/gopls/alice.log").exists
    # The whole declaration, as it was.
    completed = play("site", *ROLES, debugger_services=[{**SERVICE, "state": "absent"}], **TLS)
    assert completed.returncode == 0, completed.output
    assert not host.file("/etc/systemd/system/dlv-api.service").exists


def test_a_user_can_work(play):
    verified = play("verify", verify_users=[{"name": "bob"}], verify_modes=["debug"])
    assert verified.returncode == 0, verified.output
    assert "gopls" in verified.output and "dlv" in verified.output
