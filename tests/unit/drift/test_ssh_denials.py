# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reasons why sshd denies a command, other than a startup file."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Source
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect import ssh_denials
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.ssh_denials import find_denial
from ansible_collections.gopherops.devserver.plugins.module_utils._environment import sshd_config
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, find_account

DENIED = "sshd denies bob: "
LEFT = "ssh ended with 1 before the command ran: it may leave"
CONFIGURATION = """\
# PubkeyAuthentication no
PubkeyAuthentication yes
Include more/*.conf
match user bob
  pubkeyauthentication=no
  ForceCommand "/bin/own  thing"
  ForceCommand /bin/false
"""


@pytest.fixture
def sshd_files(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A directory with sshd's configuration, and an sshd that prints the file ``effective``."""
    (tmp_path / "sshd_config").write_text(CONFIGURATION)
    (tmp_path / "more").mkdir()
    (tmp_path / "more/a.conf").write_text("\nAllowUsers carol\n")
    sshd = tmp_path / "sshd"
    sshd.write_text(f"#!/bin/sh\ncat {tmp_path}/effective\n")
    sshd.chmod(0o755)
    (tmp_path / "effective").write_text("port 22\nforcecommand none\n")
    monkeypatch.setattr(sshd_config, "SSHD", str(sshd))
    monkeypatch.setattr(sshd_config, "CONFIGURATION", str(tmp_path / "sshd_config"))
    monkeypatch.setattr(ssh_denials, "_NOLOGIN", [str(tmp_path / "nologin")])
    return tmp_path


@pytest.fixture
def account() -> Account:
    return find_account("nobody")


MESSAGES: dict[str, tuple[str, int] | None] = {
    "no authentication methods enabled": ("sshd_config", 5),
    "User bob from x not allowed because not listed in AllowUsers": ("more/a.conf", 2),
    "User bob from x not allowed because listed in DenyUsers": None,
    "Access denied for user bob by PAM account configuration": None,
    "User bob not allowed because account is locked": None,
}


@pytest.mark.parametrize("message", MESSAGES)
def test_a_denied_login_is_traced_to_its_line(sshd_files: pathlib.Path, account: Account, message: str) -> None:
    place = MESSAGES[message]
    expected = place and Source("file", str(sshd_files / place[0]), place[1])
    assert find_denial(DENIED + message, "not let in", account, 5) == (DENIED + message, "not let in", expected)


def test_nologin_denies_users_other_than_root(sshd_files: pathlib.Path, account: Account) -> None:
    message = DENIED + "Access denied for user bob by PAM account configuration"
    (sshd_files / "nologin").write_text("")
    found = find_denial(message, "not let in", account, 5)
    assert found and found.source == Source("file", str(sshd_files / "nologin"))
    found = find_denial(message, "not let in", account._replace(uid=0), 5)
    assert found and found.source is None


@pytest.mark.parametrize(("command", "line"), [("/bin/own  thing", 6), ("/bin/false", 7)])
def test_a_forced_command_is_traced_to_its_line(
    sshd_files: pathlib.Path, account: Account, command: str, line: int
) -> None:
    (sshd_files / "effective").write_text(f"port 22\nforcecommand {command}\n")
    found = t.cast("ssh_denials.Denial", find_denial(LEFT, "ended early", account, 5))
    place = Source("file", str(sshd_files / "sshd_config"), line)
    assert (found.source, found.failure, command in found.problem) == (place, "forced command", True)
    assert find_denial("settings.json:3: found '}'", "", account, 5) is None


@pytest.mark.parametrize("command", ["internal-sftp", "internal-sftp -l INFO", "/usr/lib/openssh/sftp-server"])
def test_a_user_who_may_only_transfer_files_has_that_reason(
    sshd_files: pathlib.Path, account: Account, command: str
) -> None:
    (sshd_files / "effective").write_text(f"port 22\nforcecommand {command}\n")
    denial = t.cast("ssh_denials.Denial", find_denial(LEFT, "ended early", account, 5))
    assert denial.problem.endswith("it allows the transfer of files, and no shell or editor")


def test_a_startup_that_exits_is_no_denial(
    sshd_files: pathlib.Path, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_denial(LEFT, "ended early", account, 5) is None
    monkeypatch.setattr(sshd_config, "SSHD", str(sshd_files / "gone"))
    assert find_denial(LEFT, "ended early", account, 5) is None
