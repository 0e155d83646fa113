# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The effects of a run on a host: files in temporary directories, and a fake systemd that records its commands."""

from __future__ import annotations

import os
import pathlib
import shutil
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve import install, units
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.services import parse_services
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd import systemctl

from tests.support.systemd import FakeSystemd

from .samples import LIMITS, Entry, attached, entry

PROGRAMS = units.Programs("/bin/true", "/bin/true", True)


class Host:
    """Directories of a host, and a fake systemd."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self.systemd = FakeSystemd()
        self.states, self.commands = self.systemd.states, self.systemd.commands

    def run(self, *entries: Entry, check: bool = False, **programs: t.Any) -> dict[str, tuple[str, str]]:
        """Run like the module; return the changed paths and units, each with its text before and after."""
        services = parse_services(entries, limits=LIMITS, state="started")
        self.commands.clear()
        plan = install.plan_services(services, PROGRAMS._replace(**programs))
        if not check:
            install.apply_plan(plan)
        diff = plan.changes().result()["diff"]
        return {item["after_header"]: (item["before"], item["after"]) for item in diff}

    def files(self) -> set[str]:
        return {str(path.relative_to(self.directory)) for path in self.directory.rglob("*") if path.is_file()}


@pytest.fixture
def host(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    fake_host = Host(tmp_path / "host")
    for name in ("units", "environments", "state"):
        (fake_host.directory / name).mkdir(parents=True)
    monkeypatch.setattr(install, "UNITS", str(fake_host.directory / "units"))
    monkeypatch.setattr(install, "PENDING", str(tmp_path / "pending"))
    monkeypatch.setattr(units, "ENVIRONMENT_DIR", str(fake_host.directory / "environments"))
    monkeypatch.setattr(units, "STATE_DIR", str(fake_host.directory / "state"))
    monkeypatch.setattr(install, "manager_runs", lambda: True)
    fake_host.systemd.install(monkeypatch)
    return fake_host


def test_check_mode_predicts_the_run_and_a_second_run_changes_nothing(host: Host) -> None:
    declared = entry(environment={"A": "b"})
    predicted = host.run(declared, check=True)
    assert (host.files(), host.commands) == (set(), [])
    assert host.run(declared) == predicted
    assert host.files() == {"units/dlv-api.service", "environments/api.env"}
    assert host.commands == [("daemon-reload",), ("reenable", "dlv-api.service"), ("start", "dlv-api.service")]
    assert (host.directory / "environments/api.env").stat().st_mode & 0o777 == 0o600
    assert host.run(declared) == {}
    assert host.commands == []


def test_only_services_with_a_changed_unit_or_environment_restart(host: Host) -> None:
    web = entry(name="web", listen="127.0.0.1:2346")
    host.run(entry(environment={"A": "b"}), web)
    host.run(entry(environment={"A": "c"}), web)
    assert host.commands == [("restart", "dlv-api.service")]
    host.run(entry(environment={"A": "c"}, memory="1G"), web)
    assert host.commands == [("daemon-reload",), ("reenable", "dlv-api.service"), ("restart", "dlv-api.service")]


def test_differences_contain_no_environment_values(host: Host) -> None:
    path = str(host.directory / "environments/api.env")
    host.run(entry(environment={"A": "secret", "B": "b"}))
    assert host.run(entry(environment={"A": "other", "B": "b"}))[path] == ("A=***\nB=***\n", "A=*** (new)\nB=***\n")
    assert host.run(entry(environment={"B": "b"}))[path] == ("A=***\nB=***\n", "B=***\n")
    assert host.run(entry())[path] == ("B=***\n", "")
    assert host.files() == {"units/dlv-api.service"}


def test_undeclared_services_are_stopped_and_removed(host: Host) -> None:
    host.run(entry(environment={"A": "b"}), entry(name="web", listen="127.0.0.1:2346"))
    (host.directory / "state/api").mkdir()
    (host.directory / "state/api/debuggee").touch()
    (host.directory / "units/dlv-mine.service").write_text("[Service]\n")
    predicted = host.run(entry(name="web", listen="127.0.0.1:2346"), check=True)
    assert host.run(entry(name="web", listen="127.0.0.1:2346")) == predicted
    assert predicted["dlv-api.service"] == ("declared\n", "stopped and removed\n")
    # The port is free before another service needs it.
    assert host.commands == [("disable", "dlv-api.service"), ("daemon-reload",)]
    assert host.files() == {"units/dlv-web.service", "units/dlv-mine.service"}
    assert host.run() and host.files() == {"units/dlv-mine.service"}
    assert host.run() == {}


@pytest.mark.parametrize(
    ("properties", "declared_state", "expected_verbs"),
    [
        ({"ActiveState": "active", "UnitFileState": "enabled"}, "stopped", ["disable", "stop"]),
        ({"ActiveState": "activating", "UnitFileState": "disabled"}, "stopped", ["stop"]),
        ({"ActiveState": "failed", "UnitFileState": "disabled"}, "stopped", []),
        ({"ActiveState": "inactive", "UnitFileState": "disabled"}, "started", ["reenable", "start"]),
        ({"ActiveState": "failed", "UnitFileState": "enabled"}, "started", ["start"]),
        # systemd retries it.
        ({"ActiveState": "activating", "UnitFileState": "enabled"}, "started", []),
    ],
)
def test_systemd_gets_only_differences(
    host: Host, properties: dict[str, str], declared_state: str, expected_verbs: list[str]
) -> None:
    host.run(entry(state=declared_state))
    host.states["dlv-api.service"] = properties
    host.run(entry(state=declared_state))
    assert [command[0] for command in host.commands] == expected_verbs


def test_a_run_after_a_killed_one_reloads_the_units(host: Host) -> None:
    host.run(entry())
    host.states["dlv-api.service"]["NeedDaemonReload"] = "yes"
    assert set(host.run(entry())) == {"dlv-api.service"}
    assert [command[0] for command in host.commands] == ["daemon-reload", "reenable", "restart"]
    assert host.run(entry()) == {}


def test_the_attached_unit_is_not_started(host: Host) -> None:
    host.run(attached())
    assert host.commands == [("daemon-reload",), ("reenable", "dlv-api.service")]
    assert host.run(attached()) == {}
    host.states["shop.service"] = {"ActiveState": "active"}
    host.run(attached())
    assert host.commands == [("start", "dlv-api.service")]


def test_a_foreign_unit_is_not_overwritten(host: Host) -> None:
    (host.directory / "units/dlv-api.service").write_text("[Service]\nExecStart=/bin/true\n")
    with pytest.raises(DevserverError, match="was not written by this module"):
        host.run(entry(name="web", listen="127.0.0.1:2346"), entry())
    assert host.files() == {"units/dlv-api.service"}


def test_a_host_without_systemd_is_rejected(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "manager_runs", lambda: False)
    assert host.run() == {}
    with pytest.raises(DevserverError, match="debug services need systemd"):
        host.run(entry(), check=True)


def test_a_dlv_without_unix_sockets_is_rejected_with_its_version(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    declared = entry(listen="/run/dlv/api/dlv.sock")
    for version, rejected in (("v1.21.2", True), ("v1.22.0", True), ("v1.22.1", False), ("(devel)", False)):
        monkeypatch.setattr(install, "read_build_info", lambda _path, version=version: BuildInfo(version))
        if rejected:
            with pytest.raises(DevserverError, match=f"is {version}, which does not support Unix sockets"):
                host.run(declared, check=True)
        assert host.run(entry(), check=True)
    # The role tools may install dlv later in the play.
    assert host.run(declared, check=True, dlv=str(host.directory / "missing"))


class BuildInfo(t.NamedTuple):
    version: str


def test_the_launch_configuration_is_added_changed_and_removed(host: Host, workspace: pathlib.Path) -> None:
    declared = entry(workspace=str(workspace), launch_configuration=True)
    file = workspace / ".vscode/launch.json"
    assert str(file) in host.run(declared)
    assert "dlv-api" in file.read_text()
    assert host.run(declared) == {}
    host.run({**declared, "listen": "127.0.0.1:4444"})
    assert "4444" in file.read_text() and "2345" not in file.read_text()
    host.run({**declared, "launch_configuration": False})
    assert "dlv-api" not in file.read_text()
    host.run(declared)
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
    assert (host.files(), host.commands) == (set(), [])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_a_stale_service_of_a_removed_account_is_removed(host: Host, workspace: pathlib.Path) -> None:
    host.run(entry(workspace=str(workspace), launch_configuration=True))
    unit = host.directory / "units/dlv-api.service"
    unit.write_text(unit.read_text().replace(f"\nUser={entry()['user']}\n", "\nUser=gone\n"))
    assert host.run() and host.files() == set()


def test_a_failed_service_reports_its_output(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemctl, "read_last_log_lines", lambda _invocation, _lines: "main.go:3: undefined: x")
    (declared,) = parse_services([entry(listen="127.0.0.1:1025")], limits=LIMITS, state="started")
    for state, problem, pending in (
        ({"ActiveState": "activating", "SubState": "auto-restart"}, "main.go:3: undefined: x", False),
        ({"ActiveState": "failed", "SubState": "failed"}, "main.go:3: undefined: x", False),
        ({"ActiveState": "activating", "SubState": "start-pre"}, "", True),
        ({"ActiveState": "inactive", "Job": "17"}, "", True),
        ({"ActiveState": "inactive"}, "", False),
    ):
        host.states["dlv-api.service"] = state
        service_state = install.wait_for_services([declared], 0)["api"]
        assert (service_state.problem, service_state.pending) == (problem, pending)


def test_a_real_systemd_returns_the_properties() -> None:
    if not os.path.isdir("/run/systemd/system") or not shutil.which("systemctl"):
        pytest.skip("systemd does not run this machine")
    properties = systemctl.properties_of(["dlv-none.service", "-.mount"], ("ActiveState", "UnitFileState"))
    assert (properties["dlv-none.service"]["ActiveState"], properties["-.mount"]["ActiveState"]) == (
        "inactive",
        "active",
    )


def test_the_output_of_a_failed_program_contains_no_variables(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        systemctl, "read_last_log_lines", lambda _invocation, _lines: "cannot log in with battery staple, 1"
    )
    host.states["dlv-api.service"] = {"ActiveState": "failed", "InvocationID": "one"}
    services = parse_services([entry(environment={"A": "battery staple", "B": "1"})], limits=LIMITS, state="started")
    assert install.wait_for_services(services, 0)["api"].problem == "cannot log in with ***, 1"


@pytest.mark.parametrize(
    ("change", "killed_verb"),
    [
        ({"environment": {"A": "new"}}, "restart"),
        ({"args": ["new"]}, "reenable"),
        ({"args": ["new"]}, "restart"),
    ],
)
def test_the_run_after_a_killed_one_restarts_the_service(
    host: Host, monkeypatch: pytest.MonkeyPatch, change: dict[str, t.Any], killed_verb: str
) -> None:
    host.run(entry(environment={"A": "old"}))

    def killed(verb: str, *arguments: str) -> None:
        if verb == killed_verb:
            raise KeyboardInterrupt
        host.systemd.run(verb, *arguments)

    monkeypatch.setattr(systemctl, "run_verb", killed)
    declared = entry(**{"environment": {"A": "old"}, **change})
    for _run in range(2):
        with pytest.raises(KeyboardInterrupt):
            host.run(declared)
    monkeypatch.setattr(systemctl, "run_verb", host.systemd.run)
    assert host.run(declared)
    assert ("restart", "dlv-api.service") in host.commands
    assert not host.run(declared) and host.commands == []
