# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run does to a host: files in folders made for it, and a manager that notes what it is told."""

from __future__ import annotations

import os
import pathlib
import shutil
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve import install, units
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.services import services_from
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd import systemctl

from .samples import LIMITS, Entry, attached, entry

PROGRAMS = units.Programs("/bin/true", "/bin/true", True)


class Host:
    """Folders of a host, and its manager: the states of units, and the verbs that it got."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.states: dict[str, dict[str, str]] = {}
        self.told: list[tuple[str, ...]] = []

    def properties(self, names: t.Sequence[str], _properties: t.Sequence[str]) -> dict[str, dict[str, str]]:
        standard = {"ActiveState": "inactive", "SubState": "dead", "UnitFileState": "", "InvocationID": "", "Job": ""}
        standard["NeedDaemonReload"] = "no"
        return {name: {**standard, **self.states.get(name, {})} for name in names}

    def tell(self, verb: str, *arguments: str) -> None:
        names = [word for word in arguments if not word.startswith("-")]
        self.told.append((verb, *names))
        for name in names:
            state = self.states.setdefault(name, {})
            state.pop("NeedDaemonReload", None)
            if verb in ("start", "restart", "stop"):
                state["ActiveState"] = "inactive" if verb == "stop" else "active"
            elif verb == "disable":
                state.update(UnitFileState="disabled", ActiveState="inactive")
            elif verb == "reenable":
                state["UnitFileState"] = "enabled"

    def run(self, *entries: Entry, check: bool = False, **programs: t.Any) -> dict[str, tuple[str, str]]:
        """Do what the module does; return the paths and units that change, each with its text before and after."""
        services = services_from(entries, limits=LIMITS, state="started")
        self.told.clear()
        planned = install.plan(services, PROGRAMS._replace(**programs))
        if not check:
            install.carry_out(planned)
        found = planned.changes().result()["diff"]
        return {one["after_header"]: (one["before"], one["after"]) for one in found}

    def files(self) -> set[str]:
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()}


@pytest.fixture
def host(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host(tmp_path / "host")
    for name in ("units", "environments", "state"):
        (made.folder / name).mkdir(parents=True)
    monkeypatch.setattr(install, "UNITS", str(made.folder / "units"))
    monkeypatch.setattr(install, "PENDING", str(tmp_path / "pending"))
    monkeypatch.setattr(units, "ENVIRONMENTS", str(made.folder / "environments"))
    monkeypatch.setattr(units, "STATE", str(made.folder / "state"))
    monkeypatch.setattr(install, "manager_runs", lambda: True)
    monkeypatch.setattr(systemctl, "properties_of", made.properties)
    monkeypatch.setattr(systemctl, "tell", made.tell)
    return made


def test_check_mode_says_what_the_run_does_and_a_second_run_nothing(host: Host) -> None:
    asked = entry(environment={"A": "b"})
    foreseen = host.run(asked, check=True)
    assert (host.files(), host.told) == (set(), [])
    assert host.run(asked) == foreseen
    assert host.files() == {"units/dlv-api.service", "environments/api.env"}
    assert host.told == [("daemon-reload",), ("reenable", "dlv-api.service"), ("start", "dlv-api.service")]
    assert (host.folder / "environments/api.env").stat().st_mode & 0o777 == 0o600
    assert host.run(asked) == {}
    assert host.told == []


def test_what_runs_is_restarted_where_its_unit_or_environment_changed_alone(host: Host) -> None:
    web = entry(name="web", listen="127.0.0.1:2346")
    host.run(entry(environment={"A": "b"}), web)
    host.run(entry(environment={"A": "c"}), web)
    assert host.told == [("restart", "dlv-api.service")]
    host.run(entry(environment={"A": "c"}, memory="1G"), web)
    assert host.told == [("daemon-reload",), ("reenable", "dlv-api.service"), ("restart", "dlv-api.service")]


def test_no_value_of_the_environment_is_shown_and_a_new_one_is_a_change(host: Host) -> None:
    path = str(host.folder / "environments/api.env")
    host.run(entry(environment={"A": "secret", "B": "b"}))
    assert host.run(entry(environment={"A": "other", "B": "b"}))[path] == ("A=***\nB=***\n", "A=*** (new)\nB=***\n")
    assert host.run(entry(environment={"B": "b"}))[path] == ("A=***\nB=***\n", "B=***\n")
    assert host.run(entry())[path] == ("B=***\n", "")
    assert host.files() == {"units/dlv-api.service"}


def test_what_is_no_longer_declared_is_stopped_and_goes(host: Host) -> None:
    host.run(entry(environment={"A": "b"}), entry(name="web", listen="127.0.0.1:2346"))
    (host.folder / "state/api").mkdir()
    (host.folder / "state/api/debuggee").touch()
    (host.folder / "units/dlv-mine.service").write_text("[Service]\n")
    foreseen = host.run(entry(name="web", listen="127.0.0.1:2346"), check=True)
    assert host.run(entry(name="web", listen="127.0.0.1:2346")) == foreseen
    assert foreseen["dlv-api.service"] == ("declared\n", "stopped and removed\n")
    # The port is free before anything else may want it.
    assert host.told == [("disable", "dlv-api.service"), ("daemon-reload",)]
    assert host.files() == {"units/dlv-web.service", "units/dlv-mine.service"}
    assert host.run() and host.files() == {"units/dlv-mine.service"}
    assert host.run() == {}


@pytest.mark.parametrize(
    ("now", "wanted", "told"),
    [
        ({"ActiveState": "active", "UnitFileState": "enabled"}, "stopped", ["disable", "stop"]),
        ({"ActiveState": "activating", "UnitFileState": "disabled"}, "stopped", ["stop"]),
        ({"ActiveState": "failed", "UnitFileState": "disabled"}, "stopped", []),
        ({"ActiveState": "inactive", "UnitFileState": "disabled"}, "started", ["reenable", "start"]),
        ({"ActiveState": "failed", "UnitFileState": "enabled"}, "started", ["start"]),
        # It is tried again by itself.
        ({"ActiveState": "activating", "UnitFileState": "enabled"}, "started", []),
    ],
)
def test_only_what_differs_is_told(host: Host, now: dict[str, str], wanted: str, told: list[str]) -> None:
    host.run(entry(state=wanted))
    host.states["dlv-api.service"] = now
    host.run(entry(state=wanted))
    assert [words[0] for words in host.told] == told


def test_a_run_that_was_killed_before_the_manager_read_its_units_is_made_up_for(host: Host) -> None:
    host.run(entry())
    host.states["dlv-api.service"]["NeedDaemonReload"] = "yes"
    assert set(host.run(entry())) == {"dlv-api.service"}
    assert [words[0] for words in host.told] == ["daemon-reload", "reenable", "restart"]
    assert host.run(entry()) == {}


def test_what_is_to_be_attached_to_is_not_started_for_it(host: Host) -> None:
    host.run(attached())
    assert host.told == [("daemon-reload",), ("reenable", "dlv-api.service")]
    assert host.run(attached()) == {}
    host.states["shop.service"] = {"ActiveState": "active"}
    host.run(attached())
    assert host.told == [("start", "dlv-api.service")]


def test_somebody_elses_unit_is_not_overwritten(host: Host) -> None:
    (host.folder / "units/dlv-api.service").write_text("[Service]\nExecStart=/bin/true\n")
    with pytest.raises(DevserverError, match="was not written by this module"):
        host.run(entry(name="web", listen="127.0.0.1:2346"), entry())
    assert host.files() == {"units/dlv-api.service"}


def test_a_host_without_systemd_is_told_so(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "manager_runs", lambda: False)
    assert host.run() == {}
    with pytest.raises(DevserverError, match="systemd, which does not run this host"):
        host.run(entry(), check=True)


def test_a_dlv_without_unix_sockets_is_refused_with_its_version(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = entry(listen="/run/dlv/api/dlv.sock")
    for version, refused in (("v1.21.2", True), ("v1.22.0", True), ("v1.22.1", False), ("(devel)", False)):
        monkeypatch.setattr(install, "read_build_info", lambda _path, version=version: Built(version))
        if refused:
            with pytest.raises(DevserverError, match=f"is {version}, which knows no unix sockets"):
                host.run(asked, check=True)
        assert host.run(entry(), check=True)
    # One that the tools' role has yet to bring is not judged.
    assert host.run(asked, check=True, dlv=str(host.folder / "missing"))


class Built(t.NamedTuple):
    version: str


def test_the_launch_configuration_comes_moves_and_goes(host: Host, workspace: pathlib.Path) -> None:
    asked = entry(workspace=str(workspace), launch_configuration=True)
    file = workspace / ".vscode/launch.json"
    assert str(file) in host.run(asked)
    assert "dlv-api" in file.read_text()
    assert host.run(asked) == {}
    host.run({**asked, "listen": "127.0.0.1:4444"})
    assert "4444" in file.read_text() and "2345" not in file.read_text()
    host.run({**asked, "launch_configuration": False})
    assert "dlv-api" not in file.read_text()
    host.run(asked)
    host.run()
    assert "dlv-api" not in file.read_text()


def test_a_launch_file_that_cannot_be_read_stops_it_before_anything_is_written(
    host: Host,
    workspace: pathlib.Path,
) -> None:
    (workspace / ".vscode").mkdir()
    (workspace / ".vscode/launch.json").write_text("{oops")
    with pytest.raises(DevserverError, match=r"launch\.json"):
        host.run(entry(workspace=str(workspace), launch_configuration=True))
    assert (host.files(), host.told) == (set(), [])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can remove an account's trace")
def test_a_stale_service_of_an_account_that_is_gone_is_removed(host: Host, workspace: pathlib.Path) -> None:
    host.run(entry(workspace=str(workspace), launch_configuration=True))
    unit = host.folder / "units/dlv-api.service"
    unit.write_text(unit.read_text().replace(f"\nUser={entry()['user']}\n", "\nUser=gone\n"))
    assert host.run() and host.files() == set()


def test_what_failed_says_its_last_words(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemctl, "last_words", lambda _invocation, _lines: "main.go:3: undefined: x")
    (asked,) = services_from([entry(listen="127.0.0.1:1025")], limits=LIMITS, state="started")
    for state, problem, pending in (
        ({"ActiveState": "activating", "SubState": "auto-restart"}, "main.go:3: undefined: x", False),
        ({"ActiveState": "failed", "SubState": "failed"}, "main.go:3: undefined: x", False),
        ({"ActiveState": "activating", "SubState": "start-pre"}, "", True),
        ({"ActiveState": "inactive", "Job": "17"}, "", True),
        ({"ActiveState": "inactive"}, "", False),
    ):
        host.states["dlv-api.service"] = state
        found = install.wait_for([asked], 0)["api"]
        assert (found.problem, found.pending) == (problem, pending)


def test_a_real_manager_is_asked_in_its_own_words() -> None:
    if not os.path.isdir("/run/systemd/system") or not shutil.which("systemctl"):
        pytest.skip("systemd does not run this machine")
    found = systemctl.properties_of(["dlv-none.service", "-.mount"], ("ActiveState", "UnitFileState"))
    assert (found["dlv-none.service"]["ActiveState"], found["-.mount"]["ActiveState"]) == ("inactive", "active")


def test_what_a_program_says_at_its_end_has_none_of_its_variables(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemctl, "last_words", lambda _invocation, _lines: "cannot log in with battery staple, 1")
    host.states["dlv-api.service"] = {"ActiveState": "failed", "InvocationID": "one"}
    services = services_from([entry(environment={"A": "battery staple", "B": "1"})], limits=LIMITS, state="started")
    assert install.wait_for(services, 0)["api"].problem == "cannot log in with ***, 1"


@pytest.mark.parametrize(
    ("change", "last"),
    [
        ({"environment": {"A": "new"}}, "restart"),
        ({"args": ["new"]}, "reenable"),
        ({"args": ["new"]}, "restart"),
    ],
)
def test_what_a_killed_run_has_written_is_read_after_the_next(
    host: Host, monkeypatch: pytest.MonkeyPatch, change: dict[str, t.Any], last: str
) -> None:
    host.run(entry(environment={"A": "old"}))

    def killed(verb: str, *arguments: str) -> None:
        if verb == last:
            raise KeyboardInterrupt
        host.tell(verb, *arguments)

    monkeypatch.setattr(systemctl, "tell", killed)
    asked = entry(**{"environment": {"A": "old"}, **change})
    for _run in range(2):
        with pytest.raises(KeyboardInterrupt):
            host.run(asked)
    monkeypatch.setattr(systemctl, "tell", host.tell)
    assert host.run(asked)
    assert ("restart", "dlv-api.service") in host.told
    assert not host.run(asked) and host.told == []
