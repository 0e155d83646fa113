# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an earlier run gave goes again: of users who are no longer listed, and of variables no longer declared."""

from __future__ import annotations

import dataclasses
import getpass
import json
import time
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._environment import rendered
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import (
    devcontainer,
    goenv,
    systemd_system,
    systemd_user,
    vscode_server,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    Declaration,
    UserEnvironment,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host import accounts, records
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, find_account, groups_of
from ansible_collections.gopherops.devserver.plugins.module_utils._host.managed_files import (
    ManagedFile,
    plan_edits,
    write_all,
)

ACCOUNT = find_account(getpass.getuser())
MANAGE = {"/w": ["devcontainer"]}
GIVEN = {"GOPATH": "/srv/it's mine/go", "GOFLAGS": "-mod=mod -x", "GOVCS": "", "GOSUMDB": "off"}


@pytest.fixture
def given(tmp_path: t.Any, monkeypatch: pytest.MonkeyPatch) -> t.Any:
    """The directory of what units read, in which an earlier run left that of the present user."""
    monkeypatch.setattr(rendered, "UNITS", str(tmp_path))
    monkeypatch.setattr(records, "DIRECTORY", str(tmp_path / "records"))
    given = Declaration([UserEnvironment(ACCOUNT, GIVEN, ["/a b", "/c"])], "/g", [])
    write_all(plan_edits(systemd_system.SystemdSystemContext().managed_files(given)))
    return tmp_path


def now(**variables: str) -> Declaration:
    return Declaration([UserEnvironment(ACCOUNT, variables, [], ["/w"], ["/s.json"], manage=MANAGE)], "/g", [])


def file_in(files: list[ManagedFile], path: str) -> t.Callable[[str | None], str | None]:
    (found,) = [file.content for file in files if file.path == path]
    return found


def test_what_was_given_is_read_as_it_was_written(given: t.Any) -> None:
    (user,) = now(GOFLAGS="-v").users
    assert rendered.dropped(user) == {name: value for name, value in GIVEN.items() if name != "GOFLAGS"}
    assert rendered.recorded_names(ACCOUNT.name) == [*GIVEN, "PATH"]
    (given / f"{ACCOUNT.name}.env").unlink()
    assert rendered.dropped(user) == {}


def test_what_a_user_writes_is_no_record(given: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run as root would take hours to parse megabytes."""
    monkeypatch.setattr(rendered, "USERS", str(given))
    script = given / f"{ACCOUNT.name}.sh"
    script.write_text(f"export A={'x' * (4 << 20)}\nexport GOFLAGS=other\n")
    begin = time.monotonic()
    assert rendered.recorded_variables(ACCOUNT) == GIVEN
    assert rendered.recorded_names(ACCOUNT.name) == [*GIVEN, "PATH"]
    assert time.monotonic() - begin < 2
    # A process of the user has nothing else.
    (given / f"{ACCOUNT.name}.env").unlink()
    assert (rendered.recorded_variables(ACCOUNT), rendered.recorded_names(ACCOUNT.name)) == ({}, ["A", "GOFLAGS"])


def test_an_earlier_account_has_no_group_of_the_record(given: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def owner(uid: int) -> Account | None:
        return ACCOUNT._replace(name="erin", uid=2300, gid=2301) if uid == 2300 else None

    monkeypatch.setattr(accounts, "find_owner", owner)
    homes = ["dave:2300:50:/home/old", "dave:2400:50:/home/older", "dave:0:0:/root"]
    write_all(plan_edits([records.record_file("environment", {"homes": homes})]))
    earlier = [(account.uid, account.gid, account.home) for account in rendered.recorded_accounts("dave")]
    assert earlier == [(2300, 2301, "/home/old"), (2400, 65534, "/home/older")]
    assert [groups_of(account) for account in rendered.recorded_accounts("dave")] == [[2301], [65534]]


def test_only_accounts_with_a_home_have_left(given: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (given / "no-such-user.env").write_text("")
    assert rendered.departed(now()) == []
    nobody = dataclasses.replace(now(), users=[], exclusive=True)
    assert rendered.departed(nobody) == [ACCOUNT]
    monkeypatch.setattr(rendered, "has_home", lambda _account: False)
    assert rendered.departed(nobody) == []


def test_of_a_user_who_has_left_what_was_rendered_goes(given: t.Any) -> None:
    nobody = dataclasses.replace(now(), users=[], exclusive=True)
    path = f"{ACCOUNT.home}/.config/go/env"
    content = file_in(goenv.GoEnvContext().managed_files(nobody), path)
    managed = "# Managed by gopherops.devserver: GOFLAGS GOPATH\n"
    assert content(f"{managed}GOPATH=/x\nGOFLAGS=-x\n") is None
    assert content(f"{managed}GOPATH=/x\n# mine\nGOPRIVATE=mine\nGOFLAGS=-x\n") == "# mine\nGOPRIVATE=mine\n"
    assert content("GOPATH=/mine\n\n\n") == "GOPATH=/mine\n\n\n"
    assert content(None) is None


@pytest.mark.skipif(not systemd_user._generator(), reason="this machine has no systemd")
def test_of_a_user_who_has_left_the_file_of_user_services_goes(given: t.Any) -> None:
    files = systemd_user.SystemdUserContext().managed_files(dataclasses.replace(now(), users=[], exclusive=True))
    path = f"{ACCOUNT.home}/.config/environment.d/zz-gopherops-go.conf"
    assert file_in(files, path)("GOPATH=/x\n") is None
    assert [file.actor for file in files if file.path == path] == [ACCOUNT]


def test_only_a_removal_takes_what_was_rendered(given: t.Any) -> None:
    assert rendered.departed(dataclasses.replace(now(), users=[])) == []
    assert rendered.departed(dataclasses.replace(now(), users=[], absent=["other"])) == []
    assert rendered.departed(dataclasses.replace(now(), users=[], absent=[ACCOUNT.name])) == [ACCOUNT]


def test_the_editors_settings_of_a_removed_user_keep_what_is_not_as_it_was_written(given: t.Any) -> None:
    declared = dataclasses.replace(now(), vscode_settings=["/s.json", "{GOPATH}/s.json"], vscode_tools={"dlv": "/dlv"})
    given = file_in(vscode_server.VscodeServerKind().managed_files(declared), "/s.json")
    variables = json.dumps({"go.toolsEnvVars": GIVEN})
    text = given(variables) or ""
    removed = dataclasses.replace(declared, users=[], absent=[ACCOUNT.name])
    content = file_in(vscode_server.VscodeServerKind().managed_files(removed), "/s.json")
    assert content(None) is None
    assert content(json.dumps({**json.loads(text), "go.toolsEnvVars": GIVEN})) is None
    own = {"go.alternateTools": {"go": "/mine", "dlv": "/dlv"}, "go.toolsEnvVars": {**GIVEN, "GOSUMDB": "mine"}}
    after = json.loads(content(json.dumps({**json.loads(text), **own})) or "")
    assert after == {"go.alternateTools": {"go": "/mine"}, "go.toolsEnvVars": {"GOSUMDB": "mine"}}


def test_the_paths_and_tools_of_earlier_declarations_are_recorded(given: t.Any) -> None:
    for number in (1, 2):
        declared = dataclasses.replace(now(), vscode_settings=[f"/s{number}"], vscode_tools={"dlv": f"/dlv{number}"})
        write_all(plan_edits(vscode_server.settings_records(declared)))
    removed = dataclasses.replace(now(), users=[], goroot="/other", exclusive=True)
    files = vscode_server.VscodeServerKind().managed_files(removed)
    assert [file.path for file in files] == ["/s1", "/s2"]
    text = json.dumps({"go.alternateTools": {"go": "/g/bin/go", "dlv": "/dlv1"}})
    assert [file.content(text) for file in files] == [None, None]


def test_a_variable_that_is_no_longer_declared_leaves_the_settings_where_nobody_has_changed_it(given: t.Any) -> None:
    content = file_in(vscode_server.VscodeServerKind().managed_files(now(GOFLAGS="-v")), "/s.json")
    before = '{\n    // mine\n    "GOSUMDB": "off",\n    "GOPATH": "/own",\n    "CC": "gcc"\n  }'
    after = content(f'{{\n  "go.toolsEnvVars": {before}\n}}\n') or ""
    assert '{\n    // mine\n    "GOPATH": "/own",\n    "CC": "gcc",\n    "GOFLAGS": "-v"\n  }' in after
    assert content(after) == after


def test_a_variable_that_is_no_longer_declared_leaves_the_dev_container(given: t.Any) -> None:
    files = devcontainer.DevcontainerKind().managed_files(now())
    content = file_in(files, "/w/.devcontainer.json")
    given = {
        "containerEnv": {"GOSUMDB": "off", "GOFLAGS": "-own", "GOPATH": GIVEN["GOPATH"]},
        "remoteEnv": {"GOSUMDB": "off"},
    }
    kept = {"GOFLAGS": "-own", "GOPATH": GIVEN["GOPATH"]}
    assert json.loads(content(json.dumps(given)) or "") == dict(given, containerEnv=kept)
