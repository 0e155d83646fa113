# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd is given: read back by its own generator."""

from __future__ import annotations

import getpass
import subprocess

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import (
    pam,
    systemd,
    systemd_user,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.systemd_system import (
    SystemdSystemContext,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.systemd_user import (
    SystemdUserContext,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    Declaration,
    UserEnvironment,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import Completed
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd import (
    environment_files,
    quoting,
    systemctl,
    transient_unit,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

GENERATOR = "/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator"
ACCOUNT = find_account(getpass.getuser())
VALUES = st.text(st.sampled_from("a \\\"'$`{}%;#é~*"), min_size=1, max_size=20)
# What an interrupted example left would be the next one's: each writes its file anew.
REAL = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])


def generated(home, files, **env):
    for file in files:
        path = home / ".config/environment.d" / file.path.rpartition("/")[2]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.content(None) or "")
    done = subprocess.run([GENERATOR], env={"HOME": str(home), **env}, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    return {name: quoting.unquoted(value) for name, _separator, value in pairs}


@pytest.fixture
def user(tmp_path, monkeypatch):
    monkeypatch.setattr(systemd_user, "_GENERATORS", (GENERATOR,))
    monkeypatch.setattr(pam, "ENVIRONMENT", str(tmp_path / "environment"))

    def make(path=("/g/bin",), **variables):
        account = ACCOUNT._replace(home=str(tmp_path))
        return Declaration([UserEnvironment(account, variables, list(path))], "/g", ["/g/bin"])

    make.home = tmp_path
    return make


def own(declaration):
    (file,) = SystemdUserContext().managed_files(declaration)[1:]
    return file


@REAL
@given(VALUES)
def test_a_users_values_survive_the_generator(user, value):
    assert generated(user.home, [own(user(GOPATH=value, GOBIN="/b"))])["GOPATH"] == value


@REAL
@given(VALUES)
def test_and_what_is_read_back_with_its_line(user, value):
    file = SystemdSystemContext().managed_files(user(GOFLAGS="-x", GOPATH=value))[0]
    (user.home / "env").write_text(file.content(None))
    found = {item.name: item for item in environment_files.assignments_in(str(user.home / "env"))}
    assert (found["GOPATH"].value, found["GOPATH"].source.line) == (value, 3)
    assert found["PATH"].value == "/g/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@pytest.mark.parametrize(("before", "after"), [({}, systemd_user.SYSTEM_PATH), ({"PATH": "/own:/bin"}, "/own:/bin")])
def test_path_goes_before_what_the_manager_has(user, before, after):
    declared = user(path=["/g/bin", "/h $x/bin"])
    assert generated(user.home, [own(declared)], **before)["PATH"] == f"/g/bin:/h $x/bin:{after}"


def test_standard_directories_that_the_host_lacks_are_added(user):
    (user.home / "environment").write_text("PATH=/opt/x/bin\n")
    path = generated(user.home, [own(user())], PATH="/opt/x/bin")["PATH"]
    assert path == f"/g/bin:/opt/x/bin:{systemd_user.SYSTEM_PATH}"


def test_what_is_empty_is_left_out(user):
    assert "GOFLAGS" not in generated(user.home, [own(user(GOFLAGS="", GOPATH="/a"))])


def test_values_are_for_their_user_alone_and_everyone_gets_path(user):
    everyone, mine = SystemdUserContext().managed_files(user(GOPROXY="https://u:p@x"))
    assert (mine.mode, mine.as_owner, mine.owner.name) == (0o600, True, ACCOUNT.name)
    assert "GOPROXY" not in everyone.content(None)
    # The user's own file hides that of the same name.
    assert mine.path.rpartition("/")[2] == everyone.path.rpartition("/")[2]
    (unit,) = SystemdSystemContext().managed_files(user(GOPROXY="https://u:p@x"))
    assert (unit.mode, unit.owner) == (0o600, None)


def test_the_lines_of_environment_d_are_named(user):
    directory = user.home / ".config/environment.d"
    directory.mkdir(parents=True)
    (directory / "10-mine.conf").write_text("# mine\nGOPATH=/mine\n")
    (directory / "zz-gopherops-go.conf").write_text('\n\nGOPATH="/declared"\n')
    found = SystemdUserContext().assignments(ACCOUNT._replace(home=str(user.home)), 10)
    found = [item for item in found if item.name == "GOPATH"]
    assert [(item.value, item.source.line) for item in found] == [("/mine", 2), ("/declared", 3)]


def test_a_pipe_in_the_place_of_a_file_holds_nobody_up(user):
    directory = user.home / ".config/environment.d"
    directory.mkdir(parents=True)
    subprocess.run(["mkfifo", directory / "x.conf"], check=True)
    (directory / "y.conf").write_text("GOPATH=/y\n")
    found = SystemdUserContext().assignments(ACCOUNT._replace(home=str(user.home)), 10)
    assert [item.value for item in found if item.name == "GOPATH"] == ["/y"]


def test_what_a_manager_that_runs_has_not_read_again_is_stale(user, monkeypatch):
    declaration = user(GOBIN="/new", GOPATH="/same")
    generated(user.home, [own(declaration)])
    account = declaration.users[0].account
    unit = "GOBIN=/old\0GOPATH=/same\0PATH=/usr/bin\0HOME=/other\0"
    monkeypatch.setattr(systemd_user, "_runs", lambda *_args: True)
    monkeypatch.setattr(
        transient_unit, "read_unit_environment", lambda *_args, **_more: Completed(["env"], 0, unit, "")
    )
    got = SystemdUserContext().probe(account, declaration, 10)
    assert (got.environment["GOBIN"], got.problem) == ("/old", "")
    # The machine's own files may give more.
    assert got.stale & {"GOBIN", "GOPATH", "HOME", "PATH"} == {"GOBIN", "PATH"}


def test_the_path_of_a_manager_that_gives_less_than_the_system_is_not_stale(user, monkeypatch):
    # As systemd 257 does, and a DefaultEnvironment= in system.conf.
    declaration = user()
    unit = generated(user.home, [own(declaration)], PATH="/usr/local/bin:/usr/bin")
    monkeypatch.setattr(systemd_user, "_runs", lambda *_args: True)
    monkeypatch.setattr(
        systemctl, "run", lambda argv, **_more: Completed(argv, 0, "A=b\nPATH=/usr/local/bin:/usr/bin\n", "")
    )
    printed = "".join(f"{name}={value}\0" for name, value in unit.items())
    monkeypatch.setattr(
        transient_unit, "read_unit_environment", lambda *_args, **_more: Completed(["env"], 0, printed, "")
    )
    got = SystemdUserContext().probe(declaration.users[0].account, declaration, 10)
    assert "PATH" not in got.stale


# Of systemd 247 and 252, and of 257.
@pytest.mark.parametrize(
    "message",
    [
        "Failed to connect to bus: No such file or directory",
        "Failed to connect to user scope bus via local transport: No such file or directory",
    ],
)
def test_a_probe_without_a_bus_is_recognized(user, monkeypatch, message):
    monkeypatch.setattr(systemd_user, "_runs", lambda *_args: True)
    monkeypatch.setattr(transient_unit, "run", lambda argv, **_more: Completed(argv, 1, "", message))
    declaration = user()
    account = declaration.users[0].account
    assert SystemdUserContext().probe(account, declaration, 10).failure == "no user bus"
    assert SystemdSystemContext().probe(account, declaration, 10).failure == "no system bus"


@pytest.mark.parametrize("script", ["echo PATH=/half; echo no memory >&2; exit 1", "echo no memory >&2; kill $$"])
def test_a_generator_that_fails_has_no_environment(user, tmp_path, monkeypatch, script):
    generator = tmp_path / "generator"
    generator.write_text(f"#!/bin/sh\n{script}\n")
    generator.chmod(0o755)
    monkeypatch.setattr(systemd_user, "_GENERATORS", (str(generator),))
    monkeypatch.setattr(systemd_user, "_runs", lambda *_args: False)
    declaration = user()
    got = SystemdUserContext().probe(declaration.users[0].account, declaration, 10)
    assert (got.environment, "no memory" in got.problem) == (None, True)


@pytest.mark.parametrize(
    ("code", "printed", "returncode"), [(0, "PATH=/bin\0", 0), (0, "", 1), (3, "", 3), (None, "", None)]
)
def test_a_unit_that_prints_nothing_has_failed(monkeypatch, code, printed, returncode):
    monkeypatch.setattr(transient_unit, "run", lambda argv, **_options: Completed(argv, code, printed, ""))
    assert transient_unit.read_unit_environment([], 1).returncode == returncode


@pytest.mark.parametrize(
    ("code", "failure", "words"),
    [
        (203, "", "no program starts: /l.conf:2 limits its processes to 3"),
        (224, "not let in", "PAM denies the session: the account or its password has expired, or it is locked"),
        (7, "", "it exited with 7 without a message"),
    ],
)
def test_the_status_of_a_unit_is_explained(monkeypatch, code, failure, words):
    monkeypatch.setattr(transient_unit, "run", lambda argv, **_more: Completed(argv, code, "", ""))
    got = systemd.probe_unit("cannot open a session", [], 5, low_limit=": /l.conf:2 limits its processes to 3")
    assert (got.environment, got.failure, got.problem) == (None, failure, f"cannot open a session: {words}")


def test_the_configuration_of_a_manager_is_a_source(tmp_path, monkeypatch):
    monkeypatch.setattr(systemd, "_CONFIGURATION", str(tmp_path))
    (tmp_path / "user.conf").write_text(
        '[Manager]\n#DefaultEnvironment=A=1\nDefaultEnvironment="GOFLAGS=-a -b" GOOS=x\n'
    )
    (tmp_path / "user.conf.d").mkdir()
    (tmp_path / "user.conf.d/own.conf").write_text("ManagerEnvironment=GOBIN=/x\nDefaultEnvironment='broken\n")
    found = [(item.name, item.value, str(item.source)) for item in systemd.manager_assignments("user")]
    assert found == [
        ("GOFLAGS", "-a -b", f"{tmp_path}/user.conf:3"),
        ("GOOS", "x", f"{tmp_path}/user.conf:3"),
        ("GOBIN", "/x", f"{tmp_path}/user.conf.d/own.conf:1"),
    ]
    assert systemd.manager_assignments("system") == []
