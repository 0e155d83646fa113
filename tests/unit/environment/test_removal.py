# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The removal of the whole environment: the host is as it was before the first run."""

from __future__ import annotations

import getpass
import os
import pathlib
import pwd
import shutil
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._environment import (
    apply,
    declaration,
    go_env,
    removal,
    rendered,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import (
    bash,
    cron,
    fish,
    login,
    pam,
    shell,
    ssh,
    systemd_user,
    zsh,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host import records
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, find_account

from tests.support.directories import public_directory

ME = getpass.getuser()
PAM = "#%PAM-1.0\n@include common-auth\n"
TEXTS = {
    "etc/pam.d/sshd": PAM,
    "etc/pam.d/sudo": PAM,
    "etc/pam.d/other": PAM,
    "etc/bash.bashrc": "# system\n",
    "etc/zsh/zshenv": "# zsh\n",
    "crontabs/somebody": "0 1 * * * x\n",
    "home/.config/go/env": "GOPRIVATE=mine\n",
    "home/settings.json": '{"a": 1}\n',
}


class Host(t.NamedTuple):
    """A host whose files are below ``directory``."""

    directory: pathlib.Path

    def run(self, *, check: bool = False, **options: t.Any) -> list[str]:
        """Run like the module; return the changed paths."""
        defaults = {name: option.get("default") for name, option in go_env.ARGUMENT_SPEC.items()}
        settings = {"vscode_settings": ["{home}/settings.json", "{home}/second.json"], "vscode_create": True}
        outcome = go_env.converge({**defaults, **settings, **options}, check=check)
        assert outcome.failure is None, outcome.failure
        return [part["after_header"] for part in outcome.result["diff"]]

    def tree(self) -> dict[str, tuple[int, str]]:
        files = (path for path in self.directory.rglob("*") if path.is_file())
        return {str(path.relative_to(self.directory)): (path.stat().st_mode, path.read_text()) for path in files}


@pytest.fixture
def host(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    etc = f"{tmp_path}/etc"
    for module, names in {
        rendered: ["USERS", "UNITS"],
        pam: ["SERVICE", "USERS_SERVICE", "DIRECTORY", "ENVIRONMENT"],
        login: ["HOOK"],
        fish: ["HOOK"],
        systemd_user: ["EVERYONE"],
        shell: ["SCRIPT"],
        cron: ["_PAM"],
        ssh: ["_SERVICE"],
        zsh: ["_DIRECTORY", "_PLAIN"],
        removal: ["_PAM"],
    }.items():
        for name in names:
            monkeypatch.setattr(module, name, f"{tmp_path}{getattr(module, name)}")
    monkeypatch.setattr(records, "DIRECTORY", f"{etc}/gopherops/records")
    monkeypatch.setattr(cron, "CRONTABS", (f"{tmp_path}/crontabs",))
    monkeypatch.setattr(shell, "SYSTEM_BASHRC", (f"{etc}/bash.bashrc",))
    monkeypatch.setattr(zsh, "SYSTEM_FILES", (f"{etc}/zsh/zshenv",))
    monkeypatch.setattr(systemd_user, "_GENERATORS", ("/bin/true",))
    for context in (bash.BashContext, fish.FishContext):
        monkeypatch.setattr(context, "is_installed", lambda _self: True)
    directories = (f"{etc}/gopherops", rendered.USERS, rendered.UNITS, pam.DIRECTORY)
    for module in (apply, removal):
        monkeypatch.setattr(module, "OWN_DIRECTORIES", directories)
    account = find_account(ME)._replace(home=f"{tmp_path}/home")
    monkeypatch.setattr(declaration, "find_account", lambda _name: account)
    monkeypatch.setattr(rendered, "find_known_account", lambda name: account if name == ME else None)
    monkeypatch.setattr("pwd.getpwall", list)
    for path, text in TEXTS.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return Host(tmp_path)


@pytest.mark.parametrize("later", [{}, {"goroot": "/other", "vscode_settings": []}])
def test_a_removal_without_the_declaration_restores_every_file(host: Host, later: dict[str, t.Any]) -> None:
    before = host.tree()
    host.run(users=[{"name": ME, "variables": {"GOFLAGS": "-x"}}])
    provisioned = host.tree()
    assert len(provisioned) > len(before) + 10
    announced = host.run(state="absent", check=True, **later)
    assert host.tree() == provisioned
    assert host.run(state="absent", **later) == announced
    assert host.tree() == before
    # These were made for the collection; the directories of a user stay.
    assert not (host.directory / "etc/gopherops").exists()
    assert not (host.directory / "etc/security/gopherops-go").exists()
    assert not (host.directory / "etc/environment.d").exists()
    assert host.run(state="absent", **later) == []


def test_blocks_leave_before_what_they_include(host: Host) -> None:
    host.run(users=[{"name": ME}])
    changed = host.run(state="absent", check=True)
    hooks = [changed.index(f"{host.directory}/etc/pam.d/{name}") for name in ("sshd", "sudo")]
    assert (
        max(hooks)
        < changed.index(pam.SERVICE)
        < changed.index(pam.USERS_SERVICE)
        < changed.index(pam.everyones_configuration())
    )


def test_a_service_that_would_include_a_missing_file_ends_the_run_before_any_write(host: Host) -> None:
    host.run(users=[{"name": ME}])
    own = host.directory / "etc/pam.d/other"
    own.write_text(f"{PAM}# gopherops-go\nsession include gopherops-go # mine\n")
    before = host.tree()
    with pytest.raises(DevserverError, match=r"other includes gopherops-go outside of the managed block"):
        host.run(state="absent")
    assert host.tree() == before


def test_a_run_that_was_killed_early_leaves_nothing(host: Host) -> None:
    before = host.tree()
    host.run(users=[{"name": ME}])
    for directory in (rendered.USERS, rendered.UNITS):
        for name in os.listdir(directory):
            os.unlink(os.path.join(directory, name))
    host.run(state="absent", users=[{"name": "long-gone"}])
    assert {path: text for path, text in host.tree().items() if before.get(path) != text} == {}


def test_a_user_whose_file_cannot_be_edited_fails_and_a_later_run_completes_the_removal(host: Host) -> None:
    before = host.tree()
    host.run(users=[{"name": ME}])
    settings = host.directory / "home/settings.json"
    good = settings.read_text()
    settings.write_text(good + "oops")
    with pytest.raises(AssertionError, match=ME):
        host.run(state="absent")
    assert {path for path in host.tree() if path.startswith("etc")} - {*before} == {
        f"etc/gopherops/units/{ME}.env",
        "etc/gopherops/records/environment.json",
    }
    settings.write_text(good)
    host.run(state="absent")
    assert host.tree() == before


def test_a_plan_starts_go_only_where_something_changes(host: Host, tmp_path_factory: pytest.TempPathFactory) -> None:
    goroot = tmp_path_factory.mktemp("goroot")
    calls, go = goroot / "calls", goroot / "bin/go"
    go.parent.mkdir()
    go.write_text(f"#!/bin/sh\necho >>{calls}\n")
    go.chmod(0o755)
    declared = {"goroot": str(goroot), "users": [{"name": ME, "variables": {"GOFLAGS": "-x"}}]}
    assert host.run(check=True, **declared)
    planned = calls.read_text()
    assert planned
    host.run(**declared)
    calls.unlink()
    assert host.run(check=True, **declared) == []
    assert not calls.exists()


def test_a_long_path_of_the_host_does_not_prevent_a_removal(host: Host) -> None:
    (host.directory / "etc/environment").write_text("PATH=/usr/bin:/bin\n")
    host.run(users=[{"name": ME}])
    (host.directory / "etc/environment").write_text(f"PATH=/usr/bin:/bin:/opt/{'x' * 20000}\n")
    host.run(state="absent")
    assert not [path for path in host.tree() if "gopherops" in path]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_user_of_no_earlier_run_cannot_fail_the_removal(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    before = host.tree()
    host.run(users=[{"name": ME}])
    stranger = pwd.getpwnam("nobody")
    account = find_account("nobody")._replace(home=f"{host.directory}/stranger")
    os.makedirs(f"{account.home}/.config/go/env")
    monkeypatch.setattr("pwd.getpwall", lambda: [stranger])
    monkeypatch.setattr(removal, "find_account", lambda _name: account)
    host.run(state="absent")
    assert host.tree() == before
    assert host.run(state="absent") == []


GOPHER = Account("gopher", 12345, 12345, "", "/bin/sh")
OF_GOPHER = (".config/go/env", ".config/environment.d/zz-gopherops-go.conf")


class Gopher:
    """A user of an earlier run, and what has become of the account since."""

    def __init__(self, host: Host, directory: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = directory / "gopher"
        self.home.mkdir(mode=0o755)
        os.chown(self.home, GOPHER.uid, GOPHER.gid)
        self._host = host
        account = GOPHER._replace(home=str(self.home))
        accounts = {GOPHER.name: account}
        for module in (declaration, rendered):
            name = "find_account" if module is declaration else "find_known_account"
            monkeypatch.setattr(module, name, accounts.get)
        self.accounts = accounts
        monkeypatch.setattr(
            rendered, "find_owner", lambda uid: next((item for item in accounts.values() if item.uid == uid), None)
        )
        monkeypatch.setattr(go_env, "user_exists", accounts.__contains__)
        host.run(users=[{"name": GOPHER.name, "variables": {"GOFLAGS": "-x"}}])
        assert self.files() == [*OF_GOPHER]

    def files(self) -> list[str]:
        return [path for path in OF_GOPHER if (self.home / path).exists()]

    def remove(self, **options: t.Any) -> list[str]:
        params = {name: option.get("default") for name, option in go_env.ARGUMENT_SPEC.items()}
        outcome = go_env.converge({**params, "state": "absent", **options}, check=False)
        assert outcome.failure is None
        return list(outcome.warnings)


@pytest.fixture
def gopher(host: Host, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Gopher]:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to another user")
    with public_directory() as directory:
        yield Gopher(host, directory, monkeypatch)


def test_a_renamed_users_files_are_removed_from_the_moved_home(gopher: Gopher) -> None:
    gopher.home = gopher.home.rename(gopher.home.with_name("gopher2"))
    gopher.accounts["gopher2"] = gopher.accounts.pop("gopher")._replace(name="gopher2", home=str(gopher.home))
    assert gopher.remove() == []
    assert gopher.files() == []


@pytest.mark.parametrize("gone", [True, False])
def test_a_user_who_got_the_id_of_a_removed_one_keeps_the_own_files(gopher: Gopher, gone: bool) -> None:
    """They can have the same values."""
    previous, gopher.home = gopher.home, gopher.home.with_name("erin")
    gopher.home.mkdir()
    for name in OF_GOPHER:
        (gopher.home / name).parent.mkdir(parents=True)
        (gopher.home / name).write_text("GOFLAGS=-x\n")
    if not gone:
        # The name is that of a third user by now.
        (gopher.home / OF_GOPHER[0]).write_text((previous / OF_GOPHER[0]).read_text())
    for path in (gopher.home, *gopher.home.rglob("*")):
        os.chown(path, GOPHER.uid, GOPHER.gid)
    account = gopher.accounts.pop("gopher")
    gopher.accounts["erin"] = account._replace(name="erin", home=str(gopher.home))
    if not gone:
        gopher.accounts["gopher"] = account._replace(uid=12346, home=str(previous.with_name("third")))
    shutil.rmtree(previous)
    assert gopher.remove() == []
    assert gopher.files() == [*OF_GOPHER]


def test_the_files_of_an_account_that_is_gone_are_removed_from_the_recorded_home(gopher: Gopher) -> None:
    gopher.accounts.clear()
    assert gopher.remove() == []
    assert gopher.files() == []


def test_a_home_that_the_earlier_user_may_not_change_is_a_warning(gopher: Gopher) -> None:
    gopher.accounts.clear()
    for path in (gopher.home, *gopher.home.rglob("*")):
        os.chown(path, 0, 0)
    warnings = gopher.remove()
    assert gopher.files() == [*OF_GOPHER]
    assert {path for path in OF_GOPHER if any(str(gopher.home / path) in text for text in warnings)} == {*OF_GOPHER}
    assert gopher.remove() == []


def test_a_home_that_is_not_recorded_is_a_warning(gopher: Gopher) -> None:
    gopher.accounts.clear()
    os.unlink(records.record_path("environment"))
    (warning,) = gopher.remove()
    assert all(path in warning for path in OF_GOPHER)
    assert "gopher has no account" in warning


def test_the_files_of_a_user_who_has_the_same_home_or_id_by_now_stay(gopher: Gopher) -> None:
    account = gopher.accounts.pop("gopher")._replace(name="gopher2")
    gopher.accounts["gopher2"] = account
    gopher._host.run(users=[{"name": "gopher2", "variables": {"GOFLAGS": "-x"}}])
    gopher._host.run(users=[{"name": "gopher2", "variables": {"GOFLAGS": "-x"}}], exclusive=True)
    assert gopher.files() == [*OF_GOPHER]
    assert not os.path.exists(rendered.POSIX.user_file("gopher"))
