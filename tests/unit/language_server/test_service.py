# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written for language servers, to hosts without systemd that are folders; and what their editors are told."""

from __future__ import annotations

import getpass
import json
import pathlib
import types
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils.declaration import UserEnvironment
from ansible_collections.gopherops.devserver.plugins.module_utils.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils.language_server import editor, service, units
from ansible_collections.gopherops.devserver.plugins.module_utils.language_server.limits import MIB, Limits
from ansible_collections.gopherops.devserver.plugins.module_utils.language_server.units import Daemon

LIMITS = Limits(1024 * MIB, 972 * MIB, 870 * MIB)
ME = getpass.getuser()


@pytest.fixture
def host(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """A host whose files lie in a folder, with one user; ``apply`` brings a language server to it."""
    for name in ("SETTINGS", "CACHES"):
        monkeypatch.setattr(units, name, str(tmp_path) + getattr(units, name))
    monkeypatch.setattr(units, "environment_file", lambda user: f"{tmp_path}/etc/language_server/{user}.env")
    monkeypatch.setattr(service, "APPLIED", f"{tmp_path}/etc/language_server/applied.json")
    home = tmp_path / "home"
    home.mkdir()
    settings = home / "settings.json"
    account = find_account(ME)._replace(home=str(home))
    user = UserEnvironment(account, {}, [], ["/w"], [str(settings)])
    monkeypatch.setattr(service, "find_account", lambda _name: account)

    def apply(*users: UserEnvironment, check: bool = False, **wanted: t.Any) -> service.Outcome:
        daemon = Daemon(f"{tmp_path}/bin/gopls", "/usr/local/go", LIMITS, 0)
        fields = {"settings": {}, "environment": {}, "vscode_settings": ["{home}/settings.json"], **wanted}
        return service.apply(service.Wanted(list(users), daemon, **fields), check=check)

    return types.SimpleNamespace(apply=apply, user=user, settings=settings, folder=tmp_path)


def told(host: types.SimpleNamespace) -> t.Any:
    return json.loads(host.settings.read_text())


def tree(folder: pathlib.Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_without_systemd_each_editor_has_its_own_within_the_same_limit(host):
    host.apply(host.user, vscode_create=True)
    assert told(host) == {"go.alternateTools": {"gopls": f"{host.folder}/bin/gopls-shared"}}
    assert 'GOMEMLIMIT="870MiB"\n' in (host.folder / f"etc/language_server/{ME}.env").read_text()
    assert not [name for name in tree(host.folder) if "systemd" in name]


def test_check_mode_tells_all_and_writes_nothing_and_a_second_run_has_nothing_to_do(host):
    before = tree(host.folder)
    announced = host.apply(host.user, check=True, vscode_create=True, settings={"gofumpt": True})
    assert tree(host.folder) == before
    done = host.apply(host.user, vscode_create=True, settings={"gofumpt": True})
    assert announced.changes.result() == done.changes.result()
    assert not host.apply(host.user, vscode_create=True, settings={"gofumpt": True}).changes


def test_who_leaves_the_list_loses_all_of_it(host):
    before = tree(host.folder)
    host.settings.write_text('{"go.languageServerFlags": ["-remote=unix;/run/x", "-mine"]}')
    host.apply(host.user)
    host.apply()
    assert tree(host.folder) == before | {"home/settings.json"}
    assert told(host)["go.languageServerFlags"] == ["-mine"]
    assert not host.apply().changes


def test_settings_that_are_declared_no_longer_go_but_what_the_user_changed_stays(host):
    host.settings.write_text('{"gopls": {"local": "mine"}} // own')
    host.apply(host.user, settings={"gofumpt": True, "staticcheck": True, "analyses": {"appends": False}})
    host.settings.write_text(host.settings.read_text().replace('"staticcheck": true', '"staticcheck": false'))
    host.apply(host.user, settings={"gofumpt": True})
    text, _slashes, comment = host.settings.read_text().partition("//")
    assert json.loads(text)["gopls"] == {"local": "mine", "gofumpt": True, "staticcheck": False}
    assert comment == " own"


def test_settings_that_are_no_json_stop_it_before_anything_is_written(host):
    host.settings.write_text('{"gopls": ')
    before = tree(host.folder)
    with pytest.raises(DevserverError, match=r"settings\.json"):
        host.apply(host.user)
    assert tree(host.folder) == before


def test_a_note_that_somebody_has_spoilt_is_no_note(host):
    host.apply(host.user)
    (host.folder / "etc/language_server/applied.json").write_text("{")
    assert host.apply(host.user).changes


def test_work_arounds_that_are_over_are_told(host):
    assert host.apply(host.user, work_arounds=["one", "two"]).over == []
    assert host.apply(host.user, work_arounds=["two"]).over == ["one"]
    assert host.apply(host.user, work_arounds=["two"]).over == []


@pytest.mark.parametrize("name", ["-x", "a/b", "a b", "é", "%i", "a\nb", ""])
def test_a_name_that_is_no_units_is_refused(host, name):
    user = UserEnvironment(host.user.account._replace(name=name), {}, [])
    with pytest.raises(DevserverError, match="no unit can be made"):
        host.apply(user)


@pytest.mark.parametrize(
    ("flags", "wanted", "after"),
    [
        (None, ["-remote=unix;/s"], ["-remote=unix;/s"]),
        (["-mine"], ["-remote=unix;/s"], ["-remote=unix;/s", "-mine"]),
        (["-mine", "-remote=auto"], ["-remote=unix;/s"], ["-remote=unix;/s", "-mine"]),
        (["-remote=unix;/s", "-rpc.trace"], ["-remote=unix;/s"], ["-remote=unix;/s"]),
        (["-remote=unix;/s"], [], None),
        ("broken", ["-remote=unix;/s"], ["-remote=unix;/s"]),
    ],
)
def test_flags_of_the_users_own_stay(flags, wanted, after):
    text = json.dumps({} if flags is None else {"go.languageServerFlags": flags})
    file = editor.settings_file(find_account(ME), "/s.json", editor.Told(wanted, {}, {}), create=False)
    assert json.loads(file.content(text) or "").get("go.languageServerFlags") == after
    assert file.content(file.content(text)) == file.content(text)


@pytest.mark.parametrize(
    ("version", "present", "absent"),
    [
        (245, ["RestartSec=2"], ["RestartSteps", "exit-idle-time"]),
        (252, ["RestartSec=2", "--exit-idle-time=3600s"], ["RestartSteps"]),
        (254, ["RestartSteps=6", "RestartMaxDelaySec=60"], ["RestartSec=2"]),
    ],
)
def test_units_ask_for_no_more_than_the_hosts_systemd_knows(version, present, absent):
    text = "".join(units.template_units(Daemon("/bin/gopls", "/go", LIMITS, version)).values())
    assert [word for word in present if word not in text] == []
    assert [word for word in absent if word in text] == []


def test_a_workspace_of_any_name_is_one_word_of_the_command():
    text = units.prewarm_drop_in("/usr/bin/python3", "/g", ['/w/100% $HOME "x" \\y'], "")
    assert text.endswith('"/w/100%% $$HOME \\"x\\" \\\\y"\n')


def test_the_kernels_limit_lies_below_the_declared_cap_and_above_what_slows_down():
    text = units.template_units(Daemon("/bin/gopls", "/go", LIMITS, 252))[f"{units.UNITS}/gopls@.service"]
    high, most = (
        int(line.partition("=")[2]) for line in text.splitlines() if line.startswith(("MemoryH", "MemoryMax"))
    )
    assert high < most == LIMITS.cap - MIB
