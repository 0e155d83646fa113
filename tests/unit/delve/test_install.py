# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The effects of a run on a host: files in temporary directories, and a fake systemd that records its commands."""

from __future__ import annotations

import os
import pathlib
import resource
import shutil
import struct
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve import install, units
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.dlv_service import ARGUMENT_SPEC, converge
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.services import parse_services
from ansible_collections.gopherops.devserver.plugins.module_utils._host.skipped_files import SkippedFile
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd import back_off, systemctl

from tests.support.directories import nest
from tests.support.mounts import mounted
from tests.support.systemd import FakeSystemd

from .samples import LIMITS, Entry, attached, entry

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
PROGRAMS = units.Programs("/bin/true", "/bin/true", True)


class Host:
    """Directories of a host, and a fake systemd."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self.systemd = FakeSystemd()
        self.states, self.commands = self.systemd.states, self.systemd.commands
        self.skipped: list[SkippedFile] = []

    def run(
        self, *entries: Entry, check: bool = False, removed: t.Container[str] | None = None, **programs: t.Any
    ) -> dict[str, tuple[str, str]]:
        """Run like the module; return the changed paths and units, each with its text before and after."""
        services = parse_services(entries, limits=LIMITS, state="started")
        self.commands.clear()
        is_removed = (lambda _name: True) if removed is None else removed.__contains__
        plan = install.plan_services(services, PROGRAMS._replace(**programs), is_removed)
        if not check:
            plan = install.apply_plan(plan)
        self.skipped = plan.skipped
        diff = plan.changes.result()["diff"]
        return {item["after_header"]: (item["before"], item["after"]) for item in diff}

    def record_failure(self, unit: str, invocation: str) -> None:
        failure = pathlib.Path(back_off.directory_of(unit), f"{invocation}.exit-code")
        failure.parent.mkdir(parents=True, exist_ok=True)
        failure.touch()

    def files(self) -> set[str]:
        return {str(path.relative_to(self.directory)) for path in self.directory.rglob("*") if path.is_file()}


@pytest.fixture
def service_host(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    fake_host = Host(tmp_path / "host")
    for name in ("units", "environments", "state"):
        (fake_host.directory / name).mkdir(parents=True)
    monkeypatch.setattr(install, "UNIT_DIR", str(fake_host.directory / "units"))
    monkeypatch.setattr(install, "PENDING", str(tmp_path / "pending"))
    monkeypatch.setattr(back_off, "DIRECTORY", str(tmp_path / "failures"))
    monkeypatch.setattr(units, "ENVIRONMENT_DIR", str(fake_host.directory / "environments"))
    monkeypatch.setattr(units, "STATE_DIR", str(fake_host.directory / "state"))
    monkeypatch.setattr(install, "manager_runs", lambda: True)
    fake_host.systemd.install(monkeypatch)
    return fake_host


def test_check_mode_predicts_the_run_and_a_second_run_changes_nothing(service_host: Host) -> None:
    declared = entry(environment={"A": "b"})
    predicted = service_host.run(declared, check=True)
    assert (service_host.files(), service_host.commands) == (set(), [])
    assert service_host.run(declared) == predicted
    assert service_host.files() == {"units/dlv-api.service", "environments/api.env"}
    assert service_host.commands == [("daemon-reload",), ("reenable", "dlv-api.service"), ("start", "dlv-api.service")]
    assert (service_host.directory / "environments/api.env").stat().st_mode & 0o777 == 0o600
    assert service_host.run(declared) == {}
    assert service_host.commands == []


def test_only_services_with_a_changed_unit_or_environment_restart(service_host: Host) -> None:
    web = entry(name="web", listen="127.0.0.1:2346")
    service_host.run(entry(environment={"A": "b"}), web)
    service_host.run(entry(environment={"A": "c"}), web)
    assert service_host.commands == [("restart", "dlv-api.service")]
    service_host.run(entry(environment={"A": "c"}, memory="1G"), web)
    assert service_host.commands == [
        ("daemon-reload",),
        ("reenable", "dlv-api.service"),
        ("restart", "dlv-api.service"),
    ]


def test_differences_contain_no_environment_values(service_host: Host) -> None:
    path = str(service_host.directory / "environments/api.env")
    service_host.run(entry(environment={"A": "first\u2028secret=", "B": "b"}))
    assert service_host.run(entry(environment={"A": "other", "B": "b"}))[path] == (
        "A=***\nB=***\n",
        "A=*** (new)\nB=***\n",
    )
    assert service_host.run(entry(environment={"B": "b"}))[path] == ("A=***\nB=***\n", "B=***\n")
    assert service_host.run(entry())[path] == ("B=***\n", "")
    assert service_host.files() == {"units/dlv-api.service"}


def test_undeclared_services_are_stopped_and_removed(service_host: Host) -> None:
    service_host.run(entry(environment={"A": "b"}), entry(name="web", listen="127.0.0.1:2346"))
    (service_host.directory / "state/api/debuggee").touch()
    (service_host.directory / "units/dlv-mine.service").write_text("[Service]\n")
    predicted = service_host.run(entry(name="web", listen="127.0.0.1:2346"), check=True)
    assert service_host.run(entry(name="web", listen="127.0.0.1:2346")) == predicted
    assert predicted["dlv-api.service"] == ("declared\n", "stopped and removed\n")
    # The port is free before another service needs it.
    assert service_host.commands == [("disable", "dlv-api.service"), ("daemon-reload",)]
    assert service_host.files() == {"units/dlv-web.service", "units/dlv-mine.service"}
    assert service_host.run() and service_host.files() == {"units/dlv-mine.service"}
    assert service_host.run() == {}


def test_only_removed_services_lose_their_units_and_launch_configurations(
    service_host: Host, tmp_path: pathlib.Path
) -> None:
    workspace = str(tmp_path / "workspace")
    os.mkdir(workspace, 0o755)
    launch = tmp_path / "workspace/.vscode/launch.json"
    api, web = (
        entry(name=name, listen=f"127.0.0.1:{port}", workspace=workspace, launch_configuration=True)
        for name, port in (("api", 2345), ("web", 2346))
    )
    service_host.run(api, web)
    before, configured = service_host.files(), launch.read_text()
    assert (service_host.run(removed=()), service_host.run(api, removed=())) == ({}, {})
    assert (service_host.files(), launch.read_text(), service_host.commands) == (before, configured, [])
    service_host.run({**api, "state": "absent"}, removed=["api"])
    assert service_host.files() == before - {"units/dlv-api.service"}
    assert "Attach to dlv-web" in launch.read_text()
    assert "Attach to dlv-api" not in launch.read_text()


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
    service_host: Host, properties: dict[str, str], declared_state: str, expected_verbs: list[str]
) -> None:
    service_host.run(entry(state=declared_state))
    service_host.states["dlv-api.service"] = properties
    service_host.run(entry(state=declared_state))
    assert [command[0] for command in service_host.commands] == expected_verbs


def test_a_run_after_a_killed_one_reloads_the_units(service_host: Host) -> None:
    service_host.run(entry())
    service_host.states["dlv-api.service"]["NeedDaemonReload"] = "yes"
    assert set(service_host.run(entry())) == {"dlv-api.service"}
    assert [command[0] for command in service_host.commands] == ["daemon-reload", "reenable", "restart"]
    assert service_host.run(entry()) == {}


def test_the_attached_unit_is_not_started(service_host: Host) -> None:
    service_host.run(attached())
    assert service_host.commands == [("daemon-reload",), ("reenable", "dlv-api.service")]
    assert service_host.run(attached()) == {}
    service_host.states["shop.service"] = {"ActiveState": "active"}
    service_host.run(attached())
    assert service_host.commands == [("start", "dlv-api.service")]


def test_a_foreign_unit_is_not_overwritten(service_host: Host) -> None:
    (service_host.directory / "units/dlv-api.service").write_text("[Service]\nExecStart=/bin/true\n")
    with pytest.raises(DevserverError, match="was not written by this module"):
        service_host.run(entry(name="web", listen="127.0.0.1:2346"), entry())
    assert service_host.files() == {"units/dlv-api.service"}


def test_a_host_without_systemd_is_rejected(service_host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "manager_runs", lambda: False)
    assert service_host.run() == {}
    with pytest.raises(DevserverError, match="debug services need systemd"):
        service_host.run(entry(), check=True)


def test_a_dlv_without_unix_sockets_is_rejected_with_its_version(
    service_host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = entry(listen="/run/dlv/api/dlv.sock")
    for version, rejected in (("v1.21.2", True), ("v1.22.0", True), ("v1.22.1", False), ("(devel)", False)):
        monkeypatch.setattr(install, "read_build_info", lambda _path, version=version: BuildInfo(version))
        if rejected:
            with pytest.raises(DevserverError, match=f"is {version}, which does not support Unix sockets"):
                service_host.run(declared, check=True)
        assert service_host.run(entry(), check=True)
    # The role tools may install dlv later in the play.
    assert service_host.run(declared, check=True, dlv=str(service_host.directory / "missing"))


class BuildInfo(t.NamedTuple):
    version: str


def test_the_launch_configuration_is_added_changed_and_removed(service_host: Host, workspace: pathlib.Path) -> None:
    declared = entry(workspace=str(workspace), launch_configuration=True)
    file = workspace / ".vscode/launch.json"
    assert str(file) in service_host.run(declared)
    assert "dlv-api" in file.read_text()
    assert service_host.run(declared) == {}
    service_host.run({**declared, "listen": "127.0.0.1:4444"})
    assert "4444" in file.read_text() and "2345" not in file.read_text()
    service_host.run({**declared, "launch_configuration": False})
    assert "dlv-api" not in file.read_text()
    service_host.run(declared)
    service_host.run()
    assert "dlv-api" not in file.read_text()


def test_a_broken_launch_file_is_skipped_and_everything_else_is_done(
    service_host: Host, workspace: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    broken, intact = workspace / ".vscode/launch.json", tmp_path / "web/.vscode/launch.json"
    broken.parent.mkdir()
    broken.write_text("{\noops")
    intact.parent.mkdir(parents=True)
    declared = [
        entry(workspace=str(workspace), launch_configuration=True),
        entry(name="web", listen="127.0.0.1:2346", workspace=str(tmp_path / "web"), launch_configuration=True),
    ]
    service_host.run(*declared)
    (skipped,) = service_host.skipped
    assert (skipped.user, skipped.file, skipped.line) == (entry()["user"], str(broken), 2)
    assert broken.read_text() == "{\noops" and "dlv-web" in intact.read_text()
    assert service_host.systemd.active == {"dlv-api.service", "dlv-web.service"}
    assert service_host.run(*declared) == {} and len(service_host.skipped) == 1
    broken.write_text("{}")
    assert str(broken) in service_host.run(*declared) and not service_host.skipped


def test_the_module_fails_at_its_end_with_the_skipped_launch_file(service_host: Host, workspace: pathlib.Path) -> None:
    (workspace / ".vscode").mkdir()
    (workspace / ".vscode/launch.json").write_text('{"configurations" oops}')
    defaults = {name: option.get("default") for name, option in ARGUMENT_SPEC.items()}
    services = [entry(workspace=str(workspace), launch_configuration=True)]
    for check in (True, False):
        outcome = converge({**defaults, "services": services, "dlv": "/bin/true", "wait": 0}, check=check)
        assert outcome.result["changed"] and outcome.result["services"][0]["name"] == "api"
        (skipped,) = outcome.result["skipped_files"]
        assert (skipped["line"], skipped["file"]) == (1, str(workspace / ".vscode/launch.json"))
        assert outcome.failure and skipped["reason"] in str(outcome.failure)
    assert service_host.systemd.active == {"dlv-api.service"}


def test_a_configuration_in_a_broken_launch_file_is_removed_later(service_host: Host, workspace: pathlib.Path) -> None:
    declared = entry(workspace=str(workspace), launch_configuration=True)
    file = workspace / ".vscode/launch.json"
    for undeclared in ([], [{**declared, "launch_configuration": False}]):
        service_host.run(declared)
        good = file.read_text()
        file.write_text(f"{good} oops")
        service_host.run(*undeclared)
        assert [entry.file for entry in service_host.skipped] == [str(file)]
        # An undeclared service stops, although its unit is kept as the record of what to remove.
        assert service_host.systemd.active == ({"dlv-api.service"} if undeclared else set())
        assert service_host.run(*undeclared) == {} and service_host.commands == []
        file.write_text(good)
        service_host.run(*undeclared)
        assert "dlv-api" not in file.read_text() and not service_host.skipped
        assert service_host.files() == ({"units/dlv-api.service"} if undeclared else set())
        assert service_host.run(*undeclared) == {}


@pytest.mark.parametrize("step", ["plan", "write"])
def test_the_launch_file_of_a_user_without_a_service_causes_only_a_warning(
    service_host: Host, workspace: pathlib.Path, step: str
) -> None:
    """Only the write itself meets a disk quota; the limit on the size of a file has the same effect."""
    file = workspace / ".vscode/launch.json"
    service_host.run(entry(workspace=str(workspace), launch_configuration=True))
    good = file.read_text()
    file.write_text("{" if step == "plan" else f"{good}// {'x' * 300_000}\n")
    defaults = {name: option.get("default") for name, option in ARGUMENT_SPEC.items()}
    options = {**defaults, "dlv": "/bin/true", "wait": 0, "exclusive": True}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        outcome = converge(options, check=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert outcome.failure is None
    assert [str(file) in warning and "who is not listed" in warning for warning in outcome.warnings] == [True]
    assert service_host.systemd.active == set()
    # The unit is the record by which a later run removes the configuration.
    assert service_host.files() == {"units/dlv-api.service"}
    file.write_text(good)
    outcome = converge(options, check=False)
    assert (outcome.failure, outcome.warnings) == (None, [])
    assert "dlv-api" not in file.read_text() and service_host.files() == set()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_build_that_cannot_be_removed_causes_only_a_warning(service_host: Host) -> None:
    """A user can mount a file system of FUSE there."""
    service_host.run(entry())
    build = service_host.directory / "state/api"
    os.chown(build, 12345, 12345)
    with mounted(build, "--bind", build):
        service_host.run()
    assert [(item.user, item.file) for item in service_host.skipped] == [("12345", str(build))]
    assert service_host.files() == set()


@needs_root
def test_a_service_runs_nothing_that_an_earlier_user_has_built(service_host: Host) -> None:
    """The ID of that user, or the name of the service, can be another one's by now."""
    service_host.run(entry())
    build, linked = service_host.directory / "state/api", service_host.directory / "shared"
    (build / "debuggee").touch()
    os.chown(build, 12345, 12345)
    predicted = service_host.run(entry(), check=True)
    assert list(predicted) == [str(build)] and service_host.run(entry()) == predicted
    assert (list(build.iterdir()), build.stat().st_uid, service_host.run(entry())) == ([], os.geteuid(), {})
    # The group of a directory does not matter, and what is in it keeps its owner: it can be a link to another's file.
    linked.touch()
    os.chown(linked, 12346, 12346)
    os.link(linked, build / "link")
    os.chown(build, 0, 12345)
    service_host.run(entry(args=["-v"]))
    assert (linked.stat().st_uid, service_host.systemd.active) == (12346, {"dlv-api.service"})
    assert "StateDirectory" not in (service_host.directory / "units/dlv-api.service").read_text()


@needs_root
def test_a_service_stays_as_it_is_while_an_earlier_user_prevents_the_removal_of_the_build(service_host: Host) -> None:
    service_host.run(entry())
    build, unit = service_host.directory / "state/api", service_host.directory / "units/dlv-api.service"
    before = unit.read_text()
    os.chown(build, 12345, 12345)
    with mounted(build, "--bind", build):
        changed = entry(args=["-v"], environment={"A": "secret"})
        assert service_host.run(changed, entry(name="web", listen="127.0.0.1:2346"))
        assert [item.file for item in service_host.skipped] == [str(build)]
        assert unit.read_text() == before and not any("dlv-api.service" in command for command in service_host.commands)
        assert service_host.files() == {"units/dlv-api.service", "units/dlv-web.service"}
    service_host.run(changed)
    assert not service_host.skipped and unit.read_text() != before


@needs_root
def test_a_build_with_deep_directories_is_removed(service_host: Host) -> None:
    service_host.run(entry())
    build = service_host.directory / "state/api"
    nest(build, sys.getrecursionlimit())
    subprocess.run(["chown", "-R", "12345:12345", build], check=True)
    service_host.run()
    assert not service_host.skipped and not build.exists()


@needs_root
def test_a_removed_service_of_a_removed_account_is_removed(service_host: Host, workspace: pathlib.Path) -> None:
    service_host.run(entry(workspace=str(workspace), launch_configuration=True))
    unit = service_host.directory / "units/dlv-api.service"
    unit.write_text(unit.read_text().replace(f"\nUser={entry()['user']}\n", "\nUser=gone\n"))
    assert service_host.run() and service_host.files() == set()


MALLORY = 12345


def foreign_link(shop: pathlib.Path) -> None:
    real = shop.rename(shop.parent / "real")
    shop.symlink_to(real)
    os.chown(shop, MALLORY, -1, follow_symlinks=False)


# What setfacl -m u:MALLORY:rwx sets: a version, then tag, rights and ID of owner, user, group, mask and others.
ACL_ENTRIES = (
    (0x01, 7, 2**32 - 1),
    (0x02, 7, MALLORY),
    (0x04, 5, 2**32 - 1),
    (0x10, 7, 2**32 - 1),
    (0x20, 5, 2**32 - 1),
)
ACL = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in ACL_ENTRIES)
# How another user can change what is built in the workspace ``shop`` of a user; its parent is ``src``.
SHARED: dict[str, t.Callable[[pathlib.Path], object]] = {
    "owner of the workspace": lambda shop: os.chown(shop, MALLORY, -1),
    "all may write": lambda shop: shop.chmod(0o777),
    "all may add files": lambda shop: shop.chmod(0o1777),
    "all may add files below": lambda shop: (shop / "cmd/api").chmod(0o1777),
    "a group may write": lambda shop: (os.chown(shop, -1, 60), shop.chmod(0o775)),
    "an access control list": lambda shop: os.setxattr(shop, "system.posix_acl_access", ACL),
    "owner of the parent": lambda shop: os.chown(shop.parent, MALLORY, -1),
    "owner of a source file": lambda shop: os.chown(shop / "cmd/api/main.go", MALLORY, -1),
    "a source file for all": lambda shop: (shop / "cmd/api/main.go").chmod(0o666),
    "owner of the module file": lambda shop: os.chown(shop / "go.mod", MALLORY, -1),
    "a directory below": lambda shop: (shop / "internal").mkdir() or os.chown(shop / "internal", MALLORY, -1),
    "a workspace file above": lambda shop: foreign_file(shop.parent / "go.work", "go 1.21\nuse ./shop\n"),
    "a repository above": lambda shop: (shop.parent / ".git").mkdir() or (shop.parent / ".git").chmod(0o777),
    "a used module": lambda shop: foreign_module(shop, "go.work", "go 1.21\nuse (\n\t.\n\t../lib\n)\n"),
    "a replaced module": lambda shop: foreign_module(shop, "go.mod", "module x\nreplace y => ../lib\n"),
    "a link to a file": lambda shop: (shop / "gen.go").symlink_to(foreign_file(shop.parent / "gen.go", "package x\n")),
    "a link on the way": foreign_link,
}


def foreign_file(path: pathlib.Path, text: str) -> pathlib.Path:
    path.write_text(text)
    os.chown(path, MALLORY, -1)
    return path


def foreign_module(shop: pathlib.Path, name: str, text: str) -> None:
    (shop / name).write_text(text)
    (shop.parent / "lib").mkdir()
    os.chown(foreign_file(shop.parent / "lib/go.mod", "module y\n").parent, MALLORY, -1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
@pytest.mark.parametrize("way", SHARED)
def test_a_workspace_that_others_can_change_is_not_run(
    service_host: Host, workspace: pathlib.Path, tmp_path: pathlib.Path, way: str
) -> None:
    (tmp_path / "src").mkdir()
    shop = workspace.rename(tmp_path / "src/shop")
    shutil.copytree(shop, tmp_path / "own")
    bob = entry(name="bob", listen="127.0.0.1:2346", workspace=str(tmp_path / "own"), launch_configuration=True)
    declared = entry(workspace=str(shop), launch_configuration=True)
    service_host.run(declared)
    SHARED[way](shop)
    predicted = service_host.run(declared, bob, check=True)
    assert service_host.run(declared, bob) == predicted
    assert service_host.systemd.active == {"dlv-bob.service"}
    (skipped,) = service_host.skipped
    assert (skipped.user, skipped.file) == (declared["user"], str(shop))
    assert "debug service api would run what others can change" in skipped.reason and "To fix this" in skipped.reason
    assert "dlv-bob" in (tmp_path / "own/.vscode/launch.json").read_text()
    assert service_host.run(declared, bob) == {}
    assert service_host.run({**declared, "allow_shared_workspace": True}, bob)["dlv-api.service"]
    assert service_host.systemd.active == {"dlv-api.service", "dlv-bob.service"} and not service_host.skipped


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_workspace_of_the_user_in_shared_directories_is_run(service_host: Host, workspace: pathlib.Path) -> None:
    """The directories of /tmp are such; so is a group that only the user is in."""
    workspace.chmod(0o2775)
    os.chown(workspace, -1, 54329)
    workspace.parent.chmod(0o1777)
    service_host.run(entry(workspace=str(workspace)))
    assert service_host.systemd.active == {"dlv-api.service"} and not service_host.skipped


def test_a_failed_service_reports_its_output(service_host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    output = {"4f2e": "main.go:3: undefined: x", "": "main.go:3: undefined: x", "next": ""}
    monkeypatch.setattr(systemctl, "read_last_log_lines", lambda _unit, invocation, _lines: output[invocation])
    service_host.record_failure("dlv-api.service", "4f2e")
    (declared,) = parse_services([entry(listen="127.0.0.1:1025")], limits=LIMITS, state="started")
    for state, problem, pending in (
        ({"ActiveState": "activating", "SubState": "auto-restart"}, "main.go:3: undefined: x", False),
        ({"ActiveState": "failed", "SubState": "failed"}, "main.go:3: undefined: x", False),
        ({"ActiveState": "activating", "SubState": "start-pre"}, "", True),
        # A delayed start, and the build after it.
        ({"ActiveState": "activating", "SubState": "start-pre", "NRestarts": "2"}, "main.go:3: undefined: x", False),
        ({"ActiveState": "deactivating", "SubState": "stop-post"}, "", True),
        ({"ActiveState": "inactive", "Job": "17"}, "", True),
        ({"ActiveState": "inactive"}, "", False),
    ):
        service_host.states["dlv-api.service"] = {"InvocationID": "next" if "NRestarts" in state else "", **state}
        service_state = install.wait_for_services([declared], 0)["api"]
        assert (service_state.problem, service_state.pending) == (problem, pending)


def test_a_service_that_is_stopped_may_record_failures_of_a_later_start(service_host: Host) -> None:
    service_host.run(entry(state="stopped"))
    recorded = os.stat(back_off.directory_of("dlv-api.service"))
    assert (recorded.st_uid, recorded.st_mode & 0o777) == (os.geteuid(), 0o700)


def test_a_restart_is_not_delayed_by_previous_failures(service_host: Host) -> None:
    service_host.run(entry(), entry(name="other", listen="127.0.0.1:2999"))
    service_host.states["dlv-api.service"] = {"ActiveState": "activating", "NRestarts": "2"}
    for name in ("api", "other"):
        service_host.record_failure(f"dlv-{name}.service", "4f2e")
    service_host.run(entry(args=["-v"]), entry(name="other", listen="127.0.0.1:2999"))
    counted = pathlib.Path(back_off.DIRECTORY).rglob("4f2e.exit-code")
    assert [path.parent.name for path in counted] == ["dlv-other.service"]
    service_host.run()
    assert not os.path.exists(back_off.DIRECTORY)


def test_a_real_systemd_returns_the_properties() -> None:
    if not os.path.isdir("/run/systemd/system") or not shutil.which("systemctl"):
        pytest.skip("systemd does not run this machine")
    properties = systemctl.properties_of(["dlv-none.service", "-.mount"], ("ActiveState", "UnitFileState"))
    assert (properties["dlv-none.service"]["ActiveState"], properties["-.mount"]["ActiveState"]) == (
        "inactive",
        "active",
    )


def test_the_output_of_a_failed_program_contains_no_variables(
    service_host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        systemctl, "read_last_log_lines", lambda _unit, _invocation, _lines: "cannot log in with battery staple, 1"
    )
    service_host.states["dlv-api.service"] = {"ActiveState": "failed", "InvocationID": "one"}
    services = parse_services([entry(environment={"A": "battery staple", "B": "1"})], limits=LIMITS, state="started")
    assert install.wait_for_services(services, 0)["api"].problem == "cannot log in with ***, 1"


def test_a_problem_contains_only_the_end_of_a_long_line(service_host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    line = "x" * (1 << 20) + "undefined: y"
    monkeypatch.setattr(systemctl, "read_last_log_lines", lambda _unit, _invocation, _lines: line)
    service_host.states["dlv-api.service"] = {"ActiveState": "failed", "InvocationID": "one"}
    problem = install.wait_for_services(parse_services([entry()], limits=LIMITS, state="started"), 0)["api"].problem
    assert len(problem) == 8192
    assert problem.endswith("xundefined: y")


@pytest.mark.parametrize(
    ("change", "killed_verb"),
    [
        ({"environment": {"A": "new"}}, "restart"),
        ({"args": ["new"]}, "reenable"),
        ({"args": ["new"]}, "restart"),
    ],
)
def test_the_run_after_a_killed_one_restarts_the_service(
    service_host: Host, monkeypatch: pytest.MonkeyPatch, change: dict[str, t.Any], killed_verb: str
) -> None:
    service_host.run(entry(environment={"A": "old"}))

    def killed(verb: str, *arguments: str) -> None:
        if verb == killed_verb:
            raise KeyboardInterrupt
        service_host.systemd.run(verb, *arguments)

    monkeypatch.setattr(systemctl, "run_verb", killed)
    declared = entry(**{"environment": {"A": "old"}, **change})
    for _run in range(2):
        with pytest.raises(KeyboardInterrupt):
            service_host.run(declared)
    monkeypatch.setattr(systemctl, "run_verb", service_host.systemd.run)
    assert service_host.run(declared)
    assert ("restart", "dlv-api.service") in service_host.commands
    assert not service_host.run(declared) and service_host.commands == []


def test_a_removal_also_takes_the_builds_of_killed_runs(service_host: Host) -> None:
    service_host.run(entry(environment={"A": "b"}))
    for name in ("api", "killed"):
        (service_host.directory / f"state/{name}").mkdir(exist_ok=True)
        (service_host.directory / f"state/{name}/debuggee").touch()
    defaults = {name: option.get("default") for name, option in ARGUMENT_SPEC.items()}
    # An entry's own state does not matter.
    options = {**defaults, "dlv": "/bin/true", "wait": 0, "state": "absent", "services": [entry(state="started")]}
    planned = converge(options, check=True).result["diff"]
    assert service_host.files() == {
        "units/dlv-api.service",
        "environments/api.env",
        "state/api/debuggee",
        "state/killed/debuggee",
    }
    assert converge(options, check=False).result["diff"] == planned
    assert service_host.files() == set()
    assert not converge(options, check=False).result["changed"]
