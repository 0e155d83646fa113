# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written for language servers, to hosts without systemd that are folders; and what their editors are told."""

from __future__ import annotations

import dataclasses
import getpass
import json
import os
import pathlib
import stat
import subprocess
import types
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.sizes import MIB
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import UserEnvironment
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls import (
    editor,
    gopls_service,
    manager,
    options,
    service,
    units,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.memory_limits import Limits
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.units import Daemon
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd import systemctl
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.environment_files import assignments_in

LIMITS = Limits(1024 * MIB, 972 * MIB, 870 * MIB)
ME = getpass.getuser()


@pytest.fixture
def host(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """A host whose files lie in a folder, with one user; ``apply`` brings a language server to it."""
    for name in ("SETTINGS", "PREWARM", "CRASH", "TMPFILES", "LOGROTATE", "CACHES", "SOCKETS"):
        monkeypatch.setattr(units, name, str(tmp_path) + getattr(units, name))
    monkeypatch.setattr(systemctl, "UNITS", str(tmp_path) + systemctl.UNITS)
    monkeypatch.setattr(units, "environment_file", lambda user: f"{tmp_path}/etc/language_server/{user}.env")
    monkeypatch.setattr(service, "APPLIED", f"{tmp_path}/etc/language_server/applied.json")
    home = tmp_path / "home"
    home.mkdir()
    settings = home / "settings.json"
    account = find_account(ME)._replace(home=str(home))
    user = UserEnvironment(account, {}, [], ["/w"], [str(settings)])
    monkeypatch.setattr(service, "find_account", lambda _name: account)

    def apply(*users: UserEnvironment, check: bool = False, systemd: int = 0, **wanted: t.Any) -> service.Outcome:
        daemon = Daemon(f"{tmp_path}/bin/gopls", "/usr/local/go", wanted.pop("limits", LIMITS), systemd)
        fields = {"settings": {}, "environment": {}, "vscode_settings": ["{home}/settings.json"], **wanted}
        return service.apply(service.Wanted(list(users), daemon, **fields), check=check)

    return types.SimpleNamespace(apply=apply, user=user, settings=settings, folder=tmp_path)


class Systemd:
    """A manager of units: it knows what it has read, and which units are enabled and run."""

    def __init__(self) -> None:
        self.read: dict[str, str] = {}
        self.live: set[str] = set()
        self.told: list[tuple[str, ...]] = []

    @staticmethod
    def files() -> dict[str, str]:
        paths = [path for path in pathlib.Path(systemctl.UNITS).rglob("*") if path.is_file()]
        return {str(path.relative_to(systemctl.UNITS)): path.read_text() for path in paths}

    def properties(self, asked: t.Sequence[str], names: t.Sequence[str]) -> dict[str, dict[str, str]]:
        return {unit: {name: self._property(unit, name) for name in names} for unit in asked}

    def _property(self, unit: str, name: str) -> str:
        lives = unit in self.live
        values = {
            "ActiveState": "active" if lives else "inactive",
            "UnitFileState": "enabled" if lives else "disabled",
            "MainPID": "0",
            "NeedDaemonReload": "no" if self._of(unit, self.read) == self._of(unit, self.files()) else "yes",
        }
        return values[name]

    def _of(self, unit: str, files: dict[str, str]) -> list[str]:
        template = unit.partition("@")[0] + "@." + unit.rpartition(".")[2]
        return [text for name, text in sorted(files.items()) if name.startswith((template, f"{unit}.d/"))]

    def tell(self, *words: str) -> str:
        verb, listed = words[0], [word for word in words[1:] if not word.startswith("-")]
        self.told.append((verb, *listed))
        if verb == "daemon-reload":
            self.read = self.files()
        if verb == "enable":
            self.live |= set(listed)
        if verb in ("stop", "disable"):
            # What is to end must end by the files that it was started with.
            assert self.read == self.files()
            self.live -= set(listed)
        return ""


@pytest.fixture
def manages(monkeypatch: pytest.MonkeyPatch) -> Systemd:
    made = Systemd()
    monkeypatch.setattr(systemctl, "properties_of", made.properties)
    monkeypatch.setattr(systemctl, "tell", made.tell)
    monkeypatch.setattr(
        manager, "make_temporary_files", lambda _path: os.makedirs(f"{units.SOCKETS}/{ME}", exist_ok=True)
    )
    return made


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


@pytest.mark.parametrize(("check", "packages"), [(True, []), (False, ["logrotate"])])
def test_a_missing_package_is_requested_outside_of_check_mode_only(host, manages, monkeypatch, check, packages):
    monkeypatch.setattr(gopls_service, "_LOGROTATE", f"{host.folder}/logrotate")
    daemon = Daemon(f"{host.folder}/bin/gopls", "/usr/local/go", LIMITS, 252)
    expected = service.Wanted([host.user], daemon, {}, {}, vscode_settings=[str(host.settings)])
    monkeypatch.setattr(gopls_service, "judged", lambda _params, check: options.Judged(expected, [], [], [], []))
    assert gopls_service.converge({}, check=check).result["packages"] == packages


def test_who_leaves_the_list_loses_all_of_it(host):
    before = tree(host.folder)
    host.settings.write_text('{"go.languageServerFlags": ["-remote=unix;/run/x", "-mine"]}')
    host.apply(host.user)
    host.apply()
    assert tree(host.folder) == before | {"home/settings.json"}
    assert told(host)["go.languageServerFlags"] == ["-mine"]
    assert not host.apply().changes


def test_a_run_that_was_killed_before_systemd_read_its_files_is_finished_by_the_next(host, manages, monkeypatch):
    host.apply(host.user, systemd=252)
    with monkeypatch.context() as killed:
        killed.setattr(systemctl, "tell", lambda *_words: "")
        killed.setattr(manager, "carry_out", lambda _plan: None)
        host.apply(host.user, systemd=252, limits=LIMITS._replace(cap=512 * MIB))
    assert manages.read != manages.files()
    foreseen = host.apply(host.user, systemd=252, limits=LIMITS._replace(cap=512 * MIB), check=True)
    done = host.apply(host.user, systemd=252, limits=LIMITS._replace(cap=512 * MIB))
    assert manages.read == manages.files()
    assert done.changes and foreseen.changes.result() == done.changes.result()
    assert not host.apply(host.user, systemd=252, limits=LIMITS._replace(cap=512 * MIB)).changes


def test_a_folder_of_sockets_that_a_killed_run_did_not_make_is_made_by_the_next(host, manages):
    host.apply(host.user, systemd=252)
    (host.folder / f"run/gopls/{ME}").rmdir()
    host.apply(host.user, systemd=252)
    assert (host.folder / f"run/gopls/{ME}").is_dir()


@pytest.mark.parametrize("way", ["switched off", "no workspaces"])
def test_timers_end_before_the_files_that_they_need_and_a_second_run_changes_nothing(host, manages, way):
    host.apply(host.user, systemd=252)
    timer, socket = f"gopls-prewarm@{ME}.timer", f"gopls-proxy@{ME}.socket"
    assert manages.live == {timer, socket}
    user = host.user if way == "switched off" else dataclasses.replace(host.user, workspaces=[])
    flags = {"prewarm": way != "switched off", "systemd": 252}
    foreseen = host.apply(user, check=True, **flags)
    assert manages.live == {timer, socket}
    assert foreseen.changes.result() == host.apply(user, **flags).changes.result()
    assert manages.live == {socket}
    assert not (host.folder / f"etc/systemd/system/gopls-prewarm@{ME}.service.d").exists()
    assert not host.apply(user, **flags).changes


def test_who_leaves_the_list_leaves_sockets_and_cache_and_the_log_stays(host, manages, monkeypatch):
    monkeypatch.setattr(units, "LOGS", f"{host.folder}/log")
    kept = host.folder / f"log/{ME}.log"
    kept.parent.mkdir()
    kept.touch()
    host.apply(host.user, systemd=252)
    (host.folder / f"var/cache/gopls/{ME}").mkdir(parents=True)
    (host.folder / f"run/gopls/{ME}/gopls.sock").touch()
    host.apply(systemd=252)
    assert manages.live == set()
    assert not list(host.folder.glob(f"*/gopls/{ME}")) + list(host.folder.glob(f"*/*/gopls/{ME}"))
    assert kept.exists()
    assert not host.apply(systemd=252).changes


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


def test_the_binary_of_any_name_is_one_word_of_the_command():
    text = units.template_units(Daemon("/opt/100%/gopls", "/go", LIMITS, 252))[f"{systemctl.UNITS}/gopls@.service"]
    assert 'ExecStart="/opt/100%%/gopls" serve' in text


@pytest.mark.parametrize("value", ["plain", 'a "b" c', "$HOME and `id` and $(id)", "back\\slash", "it's #1; é"])
def test_variables_are_read_alike_by_a_shell_and_by_the_report(tmp_path, value):
    file = tmp_path / "me.env"
    file.write_text(units.environment_text({"OTHER": "x", "VALUE": value}))
    argv = ["/bin/sh", "-c", '. "$0"; printf %s "$VALUE"', str(file)]
    assert subprocess.run(argv, check=True, capture_output=True, text=True).stdout == value
    assert {one.name: one.value for one in assignments_in(str(file))} == {"OTHER": "x", "VALUE": value}


def test_gopls_of_an_editors_own_gets_the_flags_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(units, "SOCKETS", str(tmp_path))
    (tmp_path / "gopls").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "gopls").chmod(0o755)
    (tmp_path / f"{ME}.env").write_text(units.environment_text(units.variables_of(ME, LIMITS, {}, 6060)))
    script = units.shared_script(str(tmp_path / "gopls")).replace("/etc/gopherops/language_server", str(tmp_path))
    done = subprocess.run(["/bin/sh", "-c", script, "sh", "serve"], check=True, capture_output=True, text=True)
    assert done.stdout == "-debug=127.0.0.1:6060 serve\n"


@pytest.mark.parametrize(("log", "kept"), [(True, "of the file"), (False, "of the journal")])
def test_of_a_crash_the_words_are_kept_where_they_are_written_now(tmp_path, monkeypatch, log, kept):
    monkeypatch.setattr(units, "LOGS", str(tmp_path))
    (tmp_path / f"{ME}.log").write_text("of the file\n")
    (tmp_path / "journalctl").write_text("#!/bin/sh\necho of the journal\n")
    (tmp_path / "journalctl").chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SERVICE_RESULT": "oom-kill"}
    # What its mode is before anybody changes it.
    script = units.crash_script(log).replace("chown", ":")
    subprocess.run(["/bin/sh", "-c", script, "sh", ME], check=True, env=env)
    (file,) = (tmp_path / "crashes" / ME).iterdir()
    assert file.read_text().splitlines()[1] == kept
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o755


def test_a_unit_that_does_not_end_is_told(host, manages, monkeypatch):
    manager.stop(["gopls@gone.service"])
    manages.live.add("gopls@bob.service")

    def refuse(*_words: str) -> str:
        raise DevserverError("Access denied")

    monkeypatch.setattr(systemctl, "tell", refuse)
    with pytest.raises(DevserverError, match=r"gopls@bob\.service did not end: Access denied"):
        manager.stop(["gopls@bob.service", "gopls@gone.service"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_cache_that_a_killed_run_left_to_root_becomes_its_users(host):
    nobody = find_account("nobody")
    account = host.user.account._replace(name="nobody", uid=nobody.uid, gid=nobody.gid)
    (host.folder / "var/cache/gopls/nobody").mkdir(parents=True)
    host.apply(dataclasses.replace(host.user, account=account, vscode_settings=[]))
    assert (host.folder / "var/cache/gopls/nobody").stat().st_uid == nobody.uid


def test_the_kernels_limit_lies_below_the_declared_cap_and_above_what_slows_down():
    text = units.template_units(Daemon("/bin/gopls", "/go", LIMITS, 252))[f"{systemctl.UNITS}/gopls@.service"]
    high, most = (
        int(line.partition("=")[2]) for line in text.splitlines() if line.startswith(("MemoryH", "MemoryMax"))
    )
    assert high < most == LIMITS.cap - MIB
