# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing a declaration to a host: directories and files, with the users' own rights."""

from __future__ import annotations

import dataclasses
import getpass
import os
import re

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._environment import apply, rendered
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.goenv import GoEnvContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    Declaration,
    UserEnvironment,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.managed_files import whole_file


@pytest.fixture
def declare(tmp_path, monkeypatch):
    """Declare for a user whose home is a temporary directory; only the context in the home is written."""
    monkeypatch.setattr(apply, "KINDS", [GoEnvContext()])
    home = tmp_path / "home é"
    home.mkdir()
    account = find_account(getpass.getuser())._replace(home=str(home))

    def make(account=account, **variables):
        variables = {"GOPATH": f"{home}/go", "GOBIN": f"{home}/go/bin", **variables}
        return Declaration([UserEnvironment(account, variables, [])], "/g", [])

    make.home = home
    return make


def tree(directory):
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def test_check_mode_reports_all_changes_and_writes_nothing(declare):
    planned = apply.apply(declare(), check=True).changes.result()
    assert tree(declare.home) == []
    written = apply.apply(declare(), check=False).changes.result()
    assert planned == written
    assert tree(declare.home) == [".config", ".config/go", ".config/go/env", "go", "go/bin"]
    assert not apply.apply(declare(), check=False).changes


def test_what_the_user_wrote_in_the_file_stays_and_so_does_its_mode(declare):
    apply.apply(declare(), check=False)
    file = declare.home / ".config/go/env"
    file.write_text("GOPRIVATE=mine\n" + file.read_text())
    file.chmod(0o640)
    apply.apply(declare(GOFLAGS="-x"), check=False)
    assert "\nGOPRIVATE=mine\nGOPATH=" in file.read_text()
    assert "GOFLAGS=-x\n" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o640


def test_of_what_is_not_the_collections_no_secret_is_shown(declare):
    file = declare.home / ".config/go/env"
    file.parent.mkdir(parents=True)
    file.write_text("GITHUB_TOKEN=abc\nGOFLAGS=-v\n")
    changes = apply.apply(declare(), check=True).changes.result()
    (shown,) = [diff for diff in changes["diff"] if diff["before_header"] == str(file)]
    assert "abc" not in str(shown)
    assert shown["before"] == "GITHUB_TOKEN=***\nGOFLAGS=-v\n"


@pytest.mark.parametrize("check", [True, False])
def test_a_missing_home_keeps_nobody_else_from_anything(declare, check):
    both = declare()
    gone = both.users[0].account._replace(home=f"{declare.home}/gone")
    both.users.append(UserEnvironment(gone, {"GOPATH": f"{gone.home}/go", "GOBIN": f"{declare.home}/other"}, []))
    applied = apply.apply(both, check=check)
    changes = applied.changes.result()
    assert [user.account for user in applied.without_home] == [gone]
    written = [f"{declare.home}/{name}" for name in (".config/go/env", "go", "go/bin")]
    assert sorted(one["after_header"] for one in changes["diff"]) == written
    assert tree(declare.home) == ([] if check else [".config", ".config/go", ".config/go/env", "go", "go/bin"])


def test_a_link_to_what_is_not_there_yet_is_written_through(declare):
    (declare.home / ".config/go").mkdir(parents=True)
    (declare.home / ".config/go/env").symlink_to("../../dotfiles/go/env")
    apply.apply(declare(), check=False)
    assert (declare.home / ".config/go/env").is_symlink()
    assert "GOPATH=" in (declare.home / "dotfiles/go/env").read_text()
    assert not apply.apply(declare(), check=False).changes


@pytest.mark.parametrize("present", [None, "on 2025-01-01\n", "off 2025-01-01\n"])
def test_telemetry_is_a_file_of_its_own(declare, present):
    mode = declare.home / ".config/go/telemetry/mode"
    if present:
        mode.parent.mkdir(parents=True)
        mode.write_text(present)
    declared = declare()
    user = dataclasses.replace(declared.users[0], telemetry="off")
    declared.users[:] = [user]
    apply.apply(declared, check=False)
    assert mode.read_text().split()[0] == "off"
    assert (mode.read_text() == present) == (present == "off 2025-01-01\n")
    assert "GOTELEMETRY" not in (declare.home / ".config/go/env").read_text()
    assert not apply.apply(declared, check=False).changes


@pytest.fixture
def left_by_root(declare):
    """A declaration for user nobody, whose home has a GOPATH that root has left there."""
    for directory in [declare.home, *declare.home.parents][:-1]:
        if directory.stat().st_uid == 0:
            directory.chmod(directory.stat().st_mode | 0o011)
    account = find_account("nobody")._replace(home=str(declare.home))
    (declare.home / "go/pkg").mkdir(parents=True)
    (declare.home / "go/pkg/x.go").write_text("")
    os.chown(declare.home, account.uid, account.gid)
    return declare(account=account)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user")


@needs_root
def test_what_root_left_in_a_home_is_given_to_its_user(declare, left_by_root):
    foreseen = apply.apply(left_by_root, check=True).changes.result()
    assert (declare.home / "go").stat().st_uid == 0
    assert apply.apply(left_by_root, check=False).changes.result() == foreseen
    assert {path.stat().st_uid for path in declare.home.rglob("*")} == {left_by_root.users[0].account.uid}
    assert not apply.apply(left_by_root, check=False).changes


@needs_root
@pytest.mark.parametrize("place", ["go", "go/pkg"])
def test_nothing_is_given_away_through_a_planted_link(declare, left_by_root, tmp_path, place):
    victim = tmp_path / "victim"
    (victim / "pkg").mkdir(parents=True)
    (victim / "pkg/x.go").write_text("")
    (declare.home / place).rename(tmp_path / "moved")
    (declare.home / place).symlink_to(victim)
    apply.apply(left_by_root, check=False)
    assert {path.stat().st_uid for path in [victim, *victim.rglob("*")]} == {0}


@needs_root
def test_hard_links_and_secrets_of_root_are_not_given_away(declare, left_by_root, tmp_path):
    (tmp_path / "passwd").write_text("")
    os.link(tmp_path / "passwd", declare.home / "go/pkg/passwd")
    (declare.home / "go/secret").write_text("")
    (declare.home / "go/secret").chmod(0o600)
    (declare.home / "go/su").write_text("")
    (declare.home / "go/su").chmod(0o4755)
    os.mkfifo(declare.home / "go/pipe")
    apply.apply(left_by_root, check=False)
    kept = ["pkg/passwd", "secret", "su", "pipe"]
    assert {(declare.home / "go" / name).stat().st_uid for name in kept} == {0}
    assert (declare.home / "go/pkg").stat().st_uid == left_by_root.users[0].account.uid


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_another_users_rights_count_and_not_roots(declare, tmp_path):
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == 0 and parent != parent.parent and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    nobody = find_account("nobody")._replace(home=str(declare.home))
    failure = str(apply.apply(declare(account=nobody), check=False).failure)
    assert re.search(r"cannot be used by user nobody: .* is not writable", failure)
    assert tree(declare.home) == []
    os.chown(declare.home, nobody.uid, nobody.gid)
    apply.apply(declare(account=nobody), check=False)
    assert {path.stat().st_uid for path in declare.home.rglob("*")} == {nobody.uid}


@pytest.mark.parametrize("variable", ["GOTMPDIR", "TMPDIR"])
def test_the_directory_of_builds_is_made_and_may_be_shared(declare, variable):
    directory = declare.home / "cache/tmp"
    declared = declare(**{variable: str(directory)})
    assert str(directory) in str(apply.apply(declared, check=True).changes.result())
    assert not directory.exists()
    apply.apply(declared, check=False)
    assert directory.is_dir() and not apply.apply(declared, check=False).changes
    shared = declare(account=declared.users[0].account._replace(uid=os.getuid() + 1), **{variable: "/tmp"})
    planned = apply._plan_directory(shared.users[0].account, False, ("/tmp", variable))
    assert planned == (False, False)


@pytest.mark.parametrize("variable", ["GOTMPDIR", "TMPDIR"])
def test_a_directory_of_builds_that_cannot_be_made_is_an_error_of_the_declaration(declare, variable):
    (declare.home.parent / "file").touch()
    with pytest.raises(
        DevserverError,
        match=rf"{variable}=.*/file/tmp cannot be used by user .*/file is not a directory"
        rf".* move {declare.home.parent}/file away, and provision; or declare",
    ):
        apply.apply(declare(**{variable: f"{declare.home.parent}/file/tmp"}), check=True)


@pytest.fixture
def nobodys(declare, tmp_path):
    """The GOENV file of nobody, whose home can be reached."""
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == 0 and parent != parent.parent and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    nobody = find_account("nobody")._replace(home=str(declare.home))
    os.chown(declare.home, nobody.uid, nobody.gid)
    apply.apply(declare(account=nobody), check=False)
    return nobody, declare.home / ".config/go/env"


@needs_root
@pytest.mark.parametrize("link", [".config", ".config/go", ".config/go/env"])
def test_a_remedy_never_gives_a_user_rights_where_a_link_leads(declare, nobodys, tmp_path, link):
    nobody, _file = nobodys
    victim = tmp_path / "victim"
    (victim / "go").mkdir(parents=True)
    victim.chmod(0o755)
    (declare.home / link).rename(tmp_path / "moved")
    (declare.home / link).symlink_to(victim / "go/env" if link.endswith("env") else victim)
    failure = str(apply.apply(declare(account=nobody), check=False).failure)
    assert "is not writable" in failure
    remedy = failure.partition("To fix this: ")[2]
    assert f"move {declare.home / link} away with the rights of nobody" in remedy
    assert str(victim) not in remedy


@needs_root
def test_a_file_of_another_owner_outside_of_the_home_is_not_given_to_its_user(declare, nobodys, tmp_path):
    nobody, file = nobodys
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "env").write_text("GOFLAGS=-y\n")
    (shared / "env").chmod(0o644)
    file.unlink()
    file.symlink_to(shared / "env")
    failure = str(apply.apply(declare(account=nobody), check=False).failure)
    assert "it belongs to uid 0" in failure
    assert "chown" not in failure and f"move {file} away with the rights of nobody" in failure


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("case", ["owner", "group"])
def test_a_file_that_is_not_its_users_is_skipped(declare, nobodys, case, check):
    nobody, file = nobodys
    file.chmod(0o644)
    os.chown(file, *((0, 0) if case == "owner" else (nobody.uid, 0)))
    before = file.read_text()
    # Read, but not to be changed.
    assert not apply.apply(declare(account=nobody), check=check).changes
    declaration = declare()
    first = declaration.users[0].account._replace(home=str(declare.home.parent / "first"))
    os.mkdir(first.home)
    declaration.users[:] = [
        UserEnvironment(first, {"GOFLAGS": "-x"}, []),
        UserEnvironment(nobody, {"GOFLAGS": "-x"}, []),
    ]
    applied = apply.apply(declaration, check=check)
    reason = "it belongs to uid 0." if case == "owner" else "it has the group 0, which is not its user's."
    assert f"{file} of user nobody cannot be written: {reason}" in str(applied.failure)
    assert f"give it to nobody: chown -h nobody: '{file}'." in str(applied.failure)
    assert (os.listdir(first.home), file.read_text()) == ([] if check else [".config"], before)
    os.chown(file, nobody.uid, nobody.gid)
    assert not apply.apply(declaration, check=check).skipped


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_a_directory_may_give_a_file_a_group_that_is_not_its_users(declare, nobodys):
    nobody, file = nobodys
    os.chown(file.parent, nobody.uid, 0)
    file.parent.chmod(0o2755)
    os.chown(file, nobody.uid, 0)
    apply.apply(declare(account=nobody, GOFLAGS="-x"), check=False)
    status = file.stat()
    assert ("GOFLAGS=-x" in file.read_text(), status.st_uid, status.st_gid) == (True, nobody.uid, 0)


def test_the_record_of_what_was_given_is_written_last(declare, monkeypatch, tmp_path):
    """A run that is killed before must find it the next time."""
    written = []
    monkeypatch.setattr(rendered, "UNITS", f"{tmp_path}/units")
    monkeypatch.setattr(
        apply, "write_each", lambda edits, *_rest: written.extend(edit.file.path for edit in edits) or []
    )

    class Early(GoEnvContext):
        def managed_files(self, _declaration):
            return [whole_file(f"{tmp_path}/{name}", "x") for name in ("units/a.env", "other", "units/b.env", "more")]

    monkeypatch.setattr(apply, "KINDS", [Early()])
    apply.apply(declare(), check=False)
    assert [path[len(str(tmp_path)) + 1 :] for path in written] == ["other", "more", "units/a.env", "units/b.env"]
