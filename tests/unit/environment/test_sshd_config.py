# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of sshd's configuration, and which of them sets a variable; sshd itself prints which are in force."""

from __future__ import annotations

import getpass
import os
import pathlib
import time
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Assignment, Source
from ansible_collections.gopherops.devserver.plugins.module_utils._environment import sshd_config
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import ssh
from ansible_collections.gopherops.devserver.plugins.module_utils._host import user_access
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account

BOB = find_account("nobody")._replace(name="bob")
CONFIGURATION = """\
Include more/*.conf
# SetEnv GOBIN=/none
SetEnv "GOPATH=/a b" GOBIN=/x#y # comment
Match User alice,!bob,*
  setenv GOBIN=/m
Match Group dev user b*
  Include match/one.conf
  SetEnv=GOBIN=/m
Match all
  X11Forwarding no
"""

Set = t.Callable[..., pathlib.Path]


@pytest.fixture
def sshd_host(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Set:
    """Write sshd's configuration, and an sshd that prints the given lines as those in force; return the directory."""
    (tmp_path / "sshd_config").write_text(CONFIGURATION)
    for name, text in {"more/a.conf": "Match User x\nSetEnv A=1\n", "match/one.conf": "SetEnv GOBIN=/one\n"}.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(sshd_config, "SSHD", str(tmp_path / "sshd"))
    monkeypatch.setattr(sshd_config, "CONFIGURATION", str(tmp_path / "sshd_config"))

    def write_sshd(*lines: str) -> pathlib.Path:
        (tmp_path / "effective").write_text("".join(f"{line}\n" for line in ["port 22", *lines]))
        (tmp_path / "sshd").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/queries\ncat {tmp_path}/effective\n')
        (tmp_path / "sshd").chmod(0o755)
        return tmp_path

    return write_sshd


IN_FORCE: dict[str, tuple[list[str], str, int]] = {
    "outside of all blocks": (["setenv GOPATH=/a b", "setenv GOBIN=/x#y"], "sshd_config", 3),
    # The same line is in a block that is not for bob.
    "in a block": (["setenv GOBIN=/m"], "sshd_config", 8),
    "in a file that a block includes": (["setenv GOBIN=/one"], "match/one.conf", 1),
}


@pytest.mark.parametrize("name", IN_FORCE)
def test_the_line_that_gives_a_variable(sshd_host: Set, name: str) -> None:
    effective, file, line = IN_FORCE[name]
    source = Source("file", str(sshd_host(*effective) / file), line)
    pairs = [text[len("setenv ") :].partition("=") for text in effective]
    assert sshd_config.variables(BOB, 5) == [Assignment(name, value, source) for name, _sign, value in pairs]


@pytest.mark.parametrize("effective", [[], ["setenv GOBIN=/other"], ["setenv GOBIN=/x#y"], ["setenv A=1"]])
def test_what_no_line_gives_has_none(sshd_host: Set, effective: list[str]) -> None:
    # A=1 is in a block of another user's, which ends with its file.
    sshd_host(*effective)
    assert sshd_config.variables(BOB, 5) == []


def test_a_block_ends_where_the_next_one_begins_or_its_file_ends(sshd_host: Set) -> None:
    sshd_host()
    found = [(line.keyword, line.value, line.match) for line in sshd_config.lines() if line.keyword != "match"]
    assert found == [
        ("setenv", "A=1", "User x"),
        ("include", "more/*.conf", ""),
        ("setenv", '"GOPATH=/a b" GOBIN=/x#y # comment', ""),
        ("setenv", "GOBIN=/m", "User alice,!bob,*"),
        ("setenv", "GOBIN=/one", "Group dev user b*"),
        ("include", "match/one.conf", "Group dev user b*"),
        ("setenv", "GOBIN=/m", "Group dev user b*"),
        ("x11forwarding", "no", "all"),
    ]


def test_sshd_is_queried_for_the_user_and_only_if_a_line_sets_variables(sshd_host: Set) -> None:
    directory = sshd_host("setenv GOBIN=/m")
    (directory / "sshd_config").write_text("Port 22\n# SetEnv A=1\n")
    assert sshd_config.variables(BOB, 5) == []
    assert not (directory / "queries").exists()
    (directory / "sshd_config").write_text("SetEnv GOBIN=/m\n")
    assert [item.name for item in sshd_config.variables(BOB, 5)] == ["GOBIN"]
    assert "user=bob," in (directory / "queries").read_text()


def test_without_an_sshd_nothing_is_in_force(sshd_host: Set) -> None:
    (sshd_host("setenv GOBIN=/m") / "sshd").unlink()
    assert sshd_config.effective(BOB, 5) == []
    assert sshd_config.variables(BOB, 5) == []


# What sshd prints for PermitUserEnvironment, and the variables of the key and of ~/.ssh/environment.
ALLOWED = {"yes": ("GOPROXY", "GOFLAGS"), "GOP*,X": ("GOPROXY",), "GOFLAGS": ("GOFLAGS",), "no": ()}
KEYS = """\
# environment="GOPROXY=none" ssh-ed25519 AAAA comment
ssh-ed25519 AAAA first
no-pty,environment="GOPROXY=off",environment="A b=c",command="x" ssh-ed25519 AAAA second
environment="GOPROXY=direct" ssh-ed25519 AAAA third
"""


@pytest.mark.parametrize("allowed", ALLOWED)
def test_the_lines_of_a_users_own_variables_are_found(sshd_host: Set, allowed: str) -> None:
    directory = sshd_host(f"permituserenvironment {allowed}", "authorizedkeysfile .ssh/gone %h/.ssh/keys")
    (directory / "sshd_config").write_text(f"PermitUserEnvironment {allowed}\n")
    (directory / ".ssh").mkdir()
    (directory / ".ssh/keys").write_text(KEYS)
    (directory / ".ssh/environment").write_text("# mine\nGOFLAGS=-mod=mod\n")
    user = find_account(getpass.getuser())._replace(home=str(directory))
    of_keys, of_file = sshd_config.user_variables(user, 5)
    found = [(item.name, item.value, str(item.source)) for item in [*of_keys, *of_file]]
    expected = [
        ("GOPROXY", "off", f"{directory}/.ssh/keys:3"),
        ("GOFLAGS", "-mod=mod", f"{directory}/.ssh/environment:2"),
    ]
    assert found == [item for item in expected if item[0] in ALLOWED[allowed]]
    assert [item.source.file for item in of_file] == [str(directory / ".ssh/environment")] * len(of_file)


@pytest.mark.parametrize("odd", ["a pipe", "a directory", "a link to a pipe"])
def test_an_odd_file_of_a_user_gives_no_variable(sshd_host: Set, odd: str) -> None:
    directory = sshd_host("permituserenvironment yes")
    (directory / "sshd_config").write_text("PermitUserEnvironment yes\n")
    file = directory / ".ssh/environment"
    (file / "x").mkdir(parents=True) if odd == "a directory" else file.parent.mkdir()
    target = directory / "pipe" if odd == "a link to a pipe" else file
    if odd != "a directory":
        os.mkfifo(target)
    if target != file:
        file.symlink_to(target)
    user = find_account(getpass.getuser())._replace(home=str(directory))
    assert sshd_config.user_variables(user, 2) == ([], [])


@pytest.mark.parametrize("is_set", [False, True])
def test_keys_that_run_a_command_of_their_own_are_found(sshd_host: Set, is_set: bool) -> None:
    directory = sshd_host("authorizedkeysfile /none %h/.ssh/authorized_keys2")
    (directory / "sshd_config").write_text("AuthorizedKeysFile x\n" if is_set else "")
    (directory / ".ssh").mkdir()
    file = directory / ".ssh/authorized_keys2"
    others = ['Command="a \\" b",no-pty ssh-rsa A', 'environment="X=,command=" ssh-rsa A', "", 'command="x"']
    file.write_text(KEYS + "\n".join(others))
    user = find_account(getpass.getuser())._replace(home=str(directory))
    found = {source.line: forced for source, forced in sshd_config.keys(user, 5) if source.file == str(file)}
    assert found == {2: False, 3: True, 4: False, 5: True, 6: False}
    assert (directory / "queries").exists() == is_set


def test_keys_that_take_long_are_read_in_the_process_of_the_user(
    sshd_host: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user can write lines and keys without end."""
    directory = sshd_host()
    (directory / "sshd_config").write_text("")
    (directory / ".ssh").mkdir()
    file, user = directory / ".ssh/authorized_keys", find_account(getpass.getuser())._replace(home=str(directory))
    file.write_text('\\"' * 40_000 + "\n" + 'command="x" ssh-rsa A\n' * 3_000)
    begin = time.process_time()
    assert len(sshd_config.keys(user, 20)) == 1000
    assert time.process_time() - begin < 1
    monkeypatch.setattr(sshd_config, "_options", lambda _line: time.sleep(60))
    for name, value in (("LIMIT", 0.2), ("_UNRESPONSIVE", {}), ("_SPENT", {})):
        monkeypatch.setattr(user_access, name, value)
    assert sshd_config.keys(user, 20) == []


@pytest.mark.parametrize("line", ['command="x', 'command="x\\', 'a="\\"b" command="x" A', '"'])
def test_a_quote_without_an_end_gives_no_key(line: str) -> None:
    assert sshd_config._options(line) in ("", "a=")


def test_without_permission_no_file_of_a_user_is_read(sshd_host: Set) -> None:
    directory = sshd_host("permituserenvironment yes")
    assert sshd_config.user_variables(BOB, 5) == ([], [])
    assert not (directory / "queries").exists()


@pytest.mark.parametrize(
    ("last", "problem", "failure"),
    [
        ("Password change required but no TTY available.", "sshd denies {}: the password has expired", "not let in"),
        ("no", "/bin/sh ended with 1 before the command ran: no", "ended early"),
    ],
)
def test_a_login_with_an_expired_password(
    monkeypatch: pytest.MonkeyPatch, last: str, problem: str, failure: str
) -> None:
    """The messages of a real sshd; molecule/default has one."""
    script = f"echo 'WARNING: Your password has expired.' >&2; echo '{last}' >&2; exit 1"
    monkeypatch.setattr(ssh, "_client", lambda *_arguments: ["/bin/sh", "-c", script])
    account = find_account(getpass.getuser())
    probe = ssh.probe_login(account, 20)
    assert (probe.environment, probe.problem, probe.failure) == (None, problem.format(account.name), failure)


def test_the_line_of_a_forced_command(sshd_host: Set) -> None:
    directory = sshd_host("forcecommand /usr/bin/wrap  x")
    assert sshd_config.forced_command(BOB, 5) == ("", None)
    assert not (directory / "queries").exists()
    (directory / "sshd_config").write_text(
        "Match User x\nForceCommand /other\nMatch User bob\nForceCommand /usr/bin/wrap  x"
    )
    source = Source("file", f"{directory}/sshd_config", 4, "ForceCommand /usr/bin/wrap  x")
    assert sshd_config.forced_command(BOB, 5) == ("/usr/bin/wrap  x", source)
