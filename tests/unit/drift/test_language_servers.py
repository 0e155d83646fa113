# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Language servers in the drift report: the collector, and each rule with and without a finding."""

from __future__ import annotations

import dataclasses
import fcntl
import getpass
import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Source
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect import language_servers
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.finding import Finding
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records.editor_settings import (
    EditorSettings,
    Setting,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records.language_servers import (
    Crash,
    Gopls,
    LanguageServer,
    LanguageServers,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.rules import language_server
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.snapshot import Snapshot
from ansible_collections.gopherops.devserver.plugins.module_utils._environment import rendered
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import UserEnvironment
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls import host_files, paths
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.expected import DaemonOptions
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.memory_limits import Limits
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.settings import Schema, SchemaEntry
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.units import render_units
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.procfs import Process
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd import systemctl, unit_state
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.edits import sealed
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.unit_state import State
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.build_info import BuildInfo
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.workarounds import Workaround

from tests.support.time_limit import time_limit

ME = getpass.getuser()
MACHINE = "/h/settings.json"
WORKSPACE = "/w/.vscode/settings.json"
CONTAINER = "/w/.devcontainer/devcontainer.json"
SOCKET, UNIT, PREWARM = f"gopls-proxy@{ME}.socket", f"gopls@{ME}.service", f"gopls-prewarm@{ME}.service"
PPROF = f"gopls-pprof@{ME}.socket"
FILE, PROFILES = f"/run/gopls/{ME}/gopls.sock", f"/run/gopls/{ME}/pprof.sock"
REMOTE = f"-remote=unix;{FILE}"
BINARY = "/lib/gopls/v0.16.2/gopls"
VARIABLES = {"GOMEMLIMIT": "870MiB"}
PROVISION = "provision the host again with --tags language_server"


def build(version: str = "v0.16.2", go: str = "go1.22.12") -> BuildInfo:
    return BuildInfo(go, "golang.org/x/tools/gopls", "golang.org/x/tools/gopls", version, {}, "")


PINNED = Gopls(BINARY, build())


def daemon(program: str, heap: str, started: float | None = None) -> Process:
    return Process(1, 1000, {"GOMEMLIMIT": heap}, started, program)


def active(**values: str) -> State:
    return State({"ActiveState": "active", "SubState": "running", "Result": "success", **values})


@pytest.fixture
def evaluate(fake_host: t.Any) -> t.Callable[..., list[Finding]]:
    """Evaluate a server that is as rendered, except for the changes of a test."""
    user = dataclasses.replace(fake_host.declaration.users[0], vscode_settings=[MACHINE])
    limits = (f"{systemctl.UNIT_DIR}/gopls@.service", {"MemoryMax": "1073741824", "CPUWeight": "50"})
    sound = LanguageServer(
        user,
        "daemon",
        VARIABLES,
        {SOCKET: active(), UNIT: active(MemoryMax="1073741824", CPUWeight="50"), PREWARM: active()},
        daemon=daemon(BINARY, "870MiB", 60.0),
        rendered={UNIT: limits},
    )

    def run(
        settings: dict[str, t.Any] | None = None,
        gopls: Gopls = PINNED,
        path: str = MACHINE,
        kind: str = "settings",
        schema: Schema | None = None,
        **changes: t.Any,
    ) -> list[Finding]:
        server = language_servers.with_lines(sound._replace(**changes))
        made = [_setting(path, *item) for item in enumerate((settings or {}).items(), 1)]
        files = [EditorSettings(user, kind, made, path=path)] if settings is not None else []
        servers = LanguageServers([server], gopls)
        servers = servers._replace(schema=schema or language_servers.schema_for(servers, files))
        records = {"editor_files": files, "language_servers": servers, "taken_at": time.time()}
        return list(language_server.evaluate(Snapshot(fake_host.declaration, [], [], **records)))

    return run


def _setting(path: str, line: int, item: tuple[str, t.Any]) -> Setting:
    inner = {name: Source("file", path, line * 10 + n) for n, name in enumerate(item[1] or ())}
    return Setting(*item, Source("file", path, line), inner if isinstance(item[1], dict) else {})


def test_a_server_as_it_was_provisioned_has_no_finding(evaluate: t.Any) -> None:
    assert evaluate() == evaluate({"go.languageServerFlags": [REMOTE, "-mine"]}) == []


@pytest.mark.parametrize(("changed", "found"), [(None, False), (59.0, False), (61.0, True)])
def test_a_daemon_from_before_a_change_of_its_settings(evaluate: t.Any, changed: float | None, found: bool) -> None:
    findings = evaluate(gopls=PINNED._replace(settings_changed=changed))
    assert [finding.rule.id for finding in findings] == (["GD1005"] if found else [])
    for finding in findings:
        assert finding.cause == f"the gopls of {ME} started before its settings changed at 1970-01-01T00:01:01Z"
        assert finding.remedy.text == f"run systemctl restart {UNIT} when it is not in use"


def test_drop_ins_and_units_in_the_place_of_ours_are_found(
    evaluate: t.Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit_state, "_OF_ADMINISTRATORS", (str(tmp_path),))
    monkeypatch.setattr(systemctl, "UNIT_DIR", str(tmp_path))
    template, prewarm, mine = tmp_path / "gopls@.service", tmp_path / "gopls-prewarm@.service", tmp_path / "over.conf"
    template.write_text("[Service]\nMemoryMax=1073741824\n")
    prewarm.write_text("[Service]\n")
    mine.write_text("[Service]\nMemoryMax=infinity\nEnvironment=GOFLAGS=-mod=vendor\nEnvironmentFile=\n")
    ours = paths.prewarm_file(ME)
    os.makedirs(os.path.dirname(ours))
    pathlib.Path(ours).write_text("[Service]\nExecStart=x\n")
    units = {
        UNIT: active(MemoryMax="infinity", FragmentPath=str(template), DropInPaths=str(mine)),
        PREWARM: active(FragmentPath=str(prewarm), DropInPaths=ours),
    }
    found = evaluate(units=units)
    places = [(one.rule.id, one.variable, one.source and (one.source.file, one.source.line)) for one in found]
    assert places == [
        ("GD1004", "MemoryMax", (str(mine), 2)),
        ("GD1010", "Environment", (str(mine), 3)),
        ("GD1010", "EnvironmentFile", (str(mine), 4)),
    ]
    own_unit = tmp_path / UNIT
    own_unit.write_text("[Service]\n")
    (instead,) = evaluate(units={UNIT: active(FragmentPath=str(own_unit))})
    assert (instead.rule.id, instead.source) == ("GD1010", Source("file", str(own_unit)))


def test_edits_of_rendered_files_are_found_once_with_their_lines(
    evaluate: t.Any, host_root: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template, session = host_root / "UNIT_DIR/gopls@.service", pathlib.Path(paths.session_file(os.getuid()))
    session.parent.mkdir()
    foreign = session.with_name("99.conf")
    foreign.write_text("[Slice]\nCPUWeight=1\n")
    template.write_text(sealed("[Service]\nMemoryMax=1073741824\nCPUWeight=50\n").replace("50\n", "1000\n"))
    session.write_text(sealed("[Slice]\nMemoryMax=1073741824\n").replace("1073741824\n", "infinity\n"))
    unit_slice = paths.session_slice(os.getuid())
    states = {
        # systemd has not read the files again.
        UNIT: {"MemoryMax": "1073741824", "CPUWeight": "50", "FragmentPath": str(template)},
        unit_slice: {"MemoryMax": "1073741824", "DropInPaths": f"{session} {foreign}"},
    }
    record_queries(monkeypatch, states)
    (server,) = language_servers.servers_of([user()])
    assert server.rendered == {UNIT: (str(template), {"MemoryMax": "1073741824"}), unit_slice: (str(session), {})}
    units = {name: server.units[name] for name in states}
    found = evaluate(units=units, rendered=server.rendered)
    assert [(one.rule.id, one.variable, one.source, one.subject.split()[0], one.remedy.text) for one in found] == [
        ("GD1010", "CPUWeight", Source("file", str(template), 3), UNIT, PROVISION),
        ("GD1010", "MemoryMax", Source("file", str(session), 2), unit_slice, PROVISION),
    ]


def test_a_user_without_a_language_server_has_no_finding(evaluate: t.Any) -> None:
    faults = {"missing": [FILE], "units": {SOCKET: State({})}, "crashes": [Crash("/c", "r", time.time())]}
    assert evaluate({}, gopls=Gopls(BINARY, build("v0.15.0")), mode="none", **faults) == []


FLAGS: dict[str, tuple[dict[str, t.Any], int | None]] = {
    "none": ({}, None),
    "an empty list": ({"a": "", "go.languageServerFlags": []}, 2),
    "another socket": ({"go.languageServerFlags": ["-remote=unix;/tmp/x"]}, 1),
    "no list": ({"go.languageServerFlags": REMOTE}, 1),
    "null": ({"go.languageServerFlags": None}, None),
}


@pytest.mark.parametrize("case", FLAGS)
def test_editors_without_the_shared_server(evaluate: t.Any, case: str) -> None:
    settings, line = FLAGS[case]
    (finding,) = evaluate(settings)
    assert (finding.rule.id, finding.source) == ("GD1001", Source("file", MACHINE, line))
    assert (finding.context, finding.variable) == ("vscode_server", "go.languageServerFlags")


def test_missing_files_containers_and_per_editor_servers_are_not_reported(evaluate: t.Any) -> None:
    assert evaluate({}, path="") == evaluate({}, mode="per-editor") == []
    assert evaluate({"go.languageServerFlags": [], "gopls": {"x": 1}}, path=CONTAINER, kind="devcontainer") == []


@pytest.mark.parametrize("flags", [[], ["-remote=auto"], REMOTE])
def test_a_workspace_s_own_flags_take_the_place_of_the_machine_s(evaluate: t.Any, flags: t.Any) -> None:
    (finding,) = evaluate({"go.languageServerFlags": flags}, path=WORKSPACE)
    assert (finding.rule.id, finding.source, finding.subject) == ("GD1001", Source("file", WORKSPACE, 1), WORKSPACE)
    assert "--tags" not in finding.remedy.text
    assert f"add {REMOTE} to it" in finding.remedy.text


@pytest.mark.parametrize(
    "settings", [{}, {"go.languageServerFlags": None}, {"go.languageServerFlags": ["-rpc.trace", REMOTE]}]
)
def test_a_workspace_without_own_flags_is_not_reported(evaluate: t.Any, settings: dict[str, t.Any]) -> None:
    assert evaluate(settings, path=WORKSPACE) == []


UNITS: dict[str, tuple[dict[str, State], list[str], list[str]]] = {
    "a stopped socket": ({SOCKET: State({"ActiveState": "inactive"})}, [], ["GD1002"]),
    "a failed socket": ({SOCKET: State({"ActiveState": "failed", "Result": "resources"})}, [], ["GD1002"]),
    "a socket without its file": ({SOCKET: active()}, [FILE], ["GD1002"]),
    "a stopped socket of profiles": ({PPROF: State({"ActiveState": "inactive"})}, [], ["GD1002"]),
    "a socket of profiles without its file": ({SOCKET: active(), PPROF: active()}, [PROFILES], ["GD1002"]),
    "both sockets": ({SOCKET: active(), PPROF: active()}, [], []),
    "a daemon that nobody needs": ({UNIT: State({"ActiveState": "inactive", "Result": "success"})}, [], []),
    "a failed daemon": ({UNIT: State({"ActiveState": "failed", "Result": "signal"})}, [], ["GD1003"]),
    "a failed prewarm": ({PREWARM: State({"ActiveState": "failed", "Result": "timeout"})}, [], ["GD1003"]),
    "a prewarm at work": ({PREWARM: State({"ActiveState": "activating", "SubState": "start"})}, [], []),
    "a stopped timer": ({f"gopls-prewarm@{ME}.timer": State({"ActiveState": "inactive"})}, [], ["GD1003"]),
    "a timer": ({f"gopls-prewarm@{ME}.timer": active()}, [], []),
}


@pytest.mark.parametrize("case", UNITS)
def test_units(evaluate: t.Any, case: str) -> None:
    states, missing, expected = UNITS[case]
    findings = evaluate(units=states, missing=missing, rendered={})
    assert [found.rule.id for found in findings] == expected
    for found in findings:
        assert found.rule is not language_server.NO_SOCKET or (PROFILES if PPROF in states else FILE) in found.cause


def test_the_line_of_a_drop_in_is_named(evaluate: t.Any, tmp_path: pathlib.Path) -> None:
    drop_in = tmp_path / "99-mine.conf"
    drop_in.write_text("[Service]\nMemoryMax=infinity\n# MemoryMax=1\n")
    state = active(MemoryMax="infinity", CPUWeight="50", DropInPaths=str(drop_in), FragmentPath="/x")
    (finding,) = evaluate(units={UNIT: state})
    assert (finding.rule.id, finding.variable, finding.source) == (
        "GD1004",
        "MemoryMax",
        Source("file", str(drop_in), 2),
    )
    assert finding.remedy.commands == []
    assert finding.remedy.text == f"remove the line {drop_in}:2, or declare the limit in language_server_memory"


def test_outdated_limits_are_reported_and_rounded_ones_are_not(evaluate: t.Any) -> None:
    own = f"{systemctl.UNIT_DIR}/gopls@.service"
    (finding,) = evaluate(units={UNIT: active(MemoryMax="2147483648", CPUWeight="50", FragmentPath=own)})
    assert (finding.rule.id, finding.remedy.commands) == ("GD1004", ["systemctl daemon-reload"])
    assert evaluate(units={UNIT: active(MemoryMax="1073745920", CPUWeight="50")}) == []
    (finding,) = evaluate(units={UNIT: active(MemoryMax="1073741824", CPUWeight="51")})
    assert finding.variable == "CPUWeight"


DAEMONS: dict[str, tuple[Process | None, str]] = {
    "none": (None, ""),
    "another binary": (daemon("/lib/gopls/v0.15.3/gopls", "870MiB"), "v0.15.3/gopls; expected"),
    "a deleted binary": (daemon(f"{BINARY} (deleted)", "870MiB"), "(deleted); expected"),
    "another heap limit": (daemon(BINARY, "1MiB"), "outdated values of GOMEMLIMIT"),
}


@pytest.mark.parametrize("case", DAEMONS)
def test_daemons(evaluate: t.Any, case: str) -> None:
    daemon, expected = DAEMONS[case]
    found = evaluate(daemon=daemon)
    assert [one.rule.id for one in found] == (["GD1005"] if expected else [])
    assert all(expected in one.cause for one in found)


@pytest.mark.parametrize(
    ("changed", "variables", "outdated"),
    [
        (59.0, {**VARIABLES, "GOFLAGS": "-mod=vendor"}, "GOFLAGS"),
        (61.0, VARIABLES, "GOFLAGS"),  # Removed since the start.
        (59.0, VARIABLES, ""),  # From a drop-in.
        (61.0, {**VARIABLES, "GOFLAGS": "-mod=mod"}, ""),
    ],
)
def test_a_daemon_from_before_a_change_of_its_variables(
    evaluate: t.Any, changed: float, variables: dict[str, str], outdated: str
) -> None:
    environment = {**VARIABLES, "GOFLAGS": "-mod=mod", "HOME": "/"}
    found = evaluate(daemon=Process(1, 1000, environment, 60.0, BINARY), variables=variables, variables_changed=changed)
    causes = [f"the gopls of {ME} has outdated values of {outdated}; expected the rendered ones"] if outdated else []
    assert [(one.rule.id, one.cause) for one in found] == [("GD1005", cause) for cause in causes]


def test_without_a_pinned_gopls_no_binary_is_another(evaluate: t.Any) -> None:
    assert evaluate(gopls=Gopls(BINARY), daemon=daemon("/x", "870MiB")) == []


def test_failures_of_the_last_days_are_one_finding_with_the_newest_log(evaluate: t.Any) -> None:
    now = time.time()
    late = [Crash("/new", "result signal, killed KILL", now - 60), Crash("/old", "", now - 6 * 86400)]
    (finding,) = evaluate(crashes=[*late, Crash("/older", "", now - 8 * 86400)])
    assert (finding.rule.id, finding.source) == ("GD1006", Source("file", "/new"))
    assert "2 times" in finding.cause
    assert "killed KILL" in finding.cause
    assert evaluate(crashes=[Crash("/older", "", now - 8 * 86400)]) == []


SLOW = Workaround("slow", "it is slow", gopls="<0.16.3", settings={"a": False})
OVER = Workaround("over", "it was slow", gopls="<0.16.0")
ALIASES = "type-aliases-before-0.16"
WORK_AROUNDS: dict[str, tuple[Gopls, list[tuple[str, str]]]] = {
    "none": (PINNED, []),
    "one that is applied": (Gopls(BINARY, build(), ["slow"], [SLOW]), []),
    "one that is not": (Gopls(BINARY, build(), [], [SLOW]), [("GD1007", "slow")]),
    "only another version helps": (
        Gopls(BINARY, build("v0.15.0"), ["highlight-crash-0.15.0"]),
        [("GD1007", "highlight-crash-0.15.0")],
    ),
    "one of ours that is over": (Gopls(BINARY, build(), [ALIASES]), [("GD1008", ALIASES)]),
    "one of the play's that is over": (Gopls(BINARY, build(), [], [OVER]), [("GD1008", "over")]),
    "one that nobody explains": (Gopls(BINARY, build(), ["theirs"]), []),
    "no gopls": (Gopls(BINARY, None, [ALIASES], [SLOW]), []),
}


@pytest.mark.parametrize("case", WORK_AROUNDS)
def test_workarounds(evaluate: t.Any, case: str) -> None:
    gopls, expected = WORK_AROUNDS[case]
    assert [(found.rule.id, found.subject) for found in evaluate(gopls=gopls, daemon=None)] == expected


@pytest.mark.parametrize("path", [MACHINE, WORKSPACE])
def test_settings_that_gopls_rejects_are_reported_with_their_lines(evaluate: t.Any, path: str) -> None:
    known = SchemaEntry("staticcheck", "ui.diagnostic", "bool")
    schema = {"staticcheck": known, known.full_name: known}
    given = {"staticchek": True, "ui.diagnostic.staticcheck": True, "staticcheck": "yes"}
    found = evaluate({"go.languageServerFlags": [REMOTE], "gopls": given}, path=path, schema=schema)
    assert [(one.rule.id, one.variable, one.source) for one in found] == [
        ("GD1009", "gopls.staticchek", Source("file", path, 20)),
        ("GD1009", "gopls.staticcheck", Source("file", path, 22)),
    ]
    assert "did you mean ui.diagnostic.staticcheck?" in found[0].cause


def test_a_gopls_that_fails_rejects_no_settings(evaluate: t.Any, tmp_path: pathlib.Path) -> None:
    silent = tmp_path / "gopls"
    silent.write_text("#!/bin/sh\nexit 1\n")
    silent.chmod(0o755)
    settings = {"go.languageServerFlags": [REMOTE], "gopls": {"x": 1}}
    assert evaluate(settings, gopls=Gopls(str(silent), build()), daemon=None) == []


@pytest.fixture
def host_root(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A directory as the root of a host on which the present user has a language server."""
    for module, name in ((systemctl, "UNIT_DIR"), (paths, "LOG_DIR"), (paths, "SOCKET_DIR")):
        monkeypatch.setattr(module, name, str(tmp_path / name))
        (tmp_path / name).mkdir()
    monkeypatch.setattr(paths, "environment_file", lambda user: f"{tmp_path}/{user}.env")
    monkeypatch.setattr(rendered, "UNITS", str(tmp_path / "units"))
    monkeypatch.setattr(language_servers, "manager_runs", lambda: True)
    (tmp_path / f"{ME}.env").write_text(host_files.render_variables(VARIABLES))
    (tmp_path / "UNIT_DIR/gopls@.service").write_text("[Service]\nMemoryMax=1048576\nMemoryHigh=0\nExecStart=/x\n")
    return tmp_path


def user() -> UserEnvironment:
    return UserEnvironment(find_account(ME), {}, [])


def record_queries(monkeypatch: pytest.MonkeyPatch, states: dict[str, dict[str, str]]) -> list[str]:
    """Let systemd report ``states``; the queried units are added to the returned list."""
    names: list[str] = []

    def states_of(unit_names: t.Sequence[str], _properties: t.Sequence[str]) -> dict[str, State]:
        names.extend(unit_names)
        return {unit: State(states.get(unit, {})) for unit in unit_names}

    monkeypatch.setattr(language_servers, "states_of", states_of)
    return names


def test_a_daemon_is_examined_without_a_connection(host_root: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env={"A": "b"}) as process:
        names = record_queries(monkeypatch, {UNIT: {"MainPID": str(process.pid)}})
        (server,) = language_servers.servers_of([user()])
        assert server.daemon is not None
        assert server.daemon.environment["A"] == "b"
        assert server.daemon.program == os.path.realpath(sys.executable)
        process.communicate(b"\n")
    assert (server.mode, server.variables) == ("daemon", VARIABLES)
    assert server.missing == [f"{host_root}/SOCKET_DIR/{ME}/gopls.sock"]
    assert server.rendered[UNIT] == (
        f"{host_root}/UNIT_DIR/gopls@.service",
        {"MemoryMax": "1048576", "MemoryHigh": "0"},
    )
    assert not [name for name in names if "prewarm" in name]
    assert server.result(BINARY) == {
        "user": ME,
        "mode": "daemon",
        "socket": f"{host_root}/SOCKET_DIR/{ME}/gopls.sock",
        "gopls": BINARY,
        "running": True,
        "limits": {"memory_max": 1048576, "memory_high": 0, "heap": "870MiB"},
    }


def test_the_variables_of_all_units_are_those_of_a_daemon_too(
    host_root: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_queries(monkeypatch, {UNIT: {}})
    units = host_root / "units" / f"{ME}.env"
    units.parent.mkdir()
    units.write_text("GOFLAGS=-mod=mod\nGOMEMLIMIT=1MiB\n")
    os.utime(host_root / f"{ME}.env", (50, 50))
    os.utime(units, (60, 60))
    (server,) = language_servers.servers_of([user()])
    assert (server.variables, server.variables_changed) == ({"GOFLAGS": "-mod=mod", **VARIABLES}, 60.0)
    (host_root / f"{ME}.env").unlink()
    (server,) = language_servers.servers_of([user()])
    assert server.mode == "none"


def test_crash_logs_are_read_newest_first(host_root: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record_queries(monkeypatch, {})
    crashes = host_root / f"LOG_DIR/crashes/{ME}"
    crashes.mkdir(parents=True)
    for name, at in (("1.log", 100), ("2.log", 300), ("3.txt", 400)):
        (crashes / name).write_text(f"result {name}\nmore\n")
        os.utime(crashes / name, (at, at))
    (server,) = language_servers.servers_of([user()])
    assert server.crashes == [
        Crash(str(crashes / "2.log"), "result 2.log", 300),
        Crash(str(crashes / "1.log"), "result 1.log", 100),
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_only_the_last_crash_logs_are_read_and_with_the_rights_of_their_user(
    host_root: pathlib.Path, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    """A user can link any files, and make any number of them."""
    directory = host_root / "LOG_DIR/crashes/nobody"
    directory.mkdir(parents=True)
    for number in range(100, 130):
        (directory / f"{number}.log").write_text("result signal\n")
    (directory / "129.log").chmod(0o600)
    for parent in [directory, *itertools.takewhile(lambda path: path != pathlib.Path("/tmp"), directory.parents)]:
        parent.chmod(0o755)
    crashes = language_servers._crashes(find_account("nobody"))
    assert sorted(pathlib.Path(crash.path).name for crash in crashes) == [f"{number}.log" for number in range(120, 130)]
    assert {pathlib.Path(crash.path).name for crash in crashes if not crash.result} == {"129.log"}


def test_a_lease_on_a_crash_log_delays_no_report(host_root: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record_queries(monkeypatch, {})
    log = host_root / f"LOG_DIR/crashes/{ME}/1.log"
    log.parent.mkdir(parents=True)
    log.write_text("result signal\n")
    os.utime(log, (100, 100))
    with log.open() as file:
        previous = signal.signal(signal.SIGIO, signal.SIG_IGN)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        try:
            with time_limit(10):
                (server,) = language_servers.servers_of([user()])
        finally:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
            signal.signal(signal.SIGIO, previous)
    assert server.crashes == [Crash(str(log), "", 100)]


def test_prewarm_units_are_queried_if_they_exist(host_root: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pathlib.Path(paths.prewarm_file(ME))
    path.parent.mkdir(parents=True)
    path.touch()
    names = record_queries(monkeypatch, {})
    language_servers.servers_of([user()])
    assert {PREWARM, f"gopls-prewarm@{ME}.timer"} <= set(names)


@pytest.mark.parametrize("pprof", [False, True])
def test_the_socket_of_profiles_is_required_if_the_rendered_daemon_serves_them(
    fake_host: t.Any, host_root: pathlib.Path, monkeypatch: pytest.MonkeyPatch, pprof: bool
) -> None:
    options = DaemonOptions(
        "/usr/local/bin/gopls", "/usr/local/go", Limits(1 << 30, 1 << 29, 1 << 28), 252, pprof=pprof
    )
    for path, text in render_units(options).items():
        pathlib.Path(path).write_text(text)
    record_queries(monkeypatch, {SOCKET: {"ActiveState": "active"}, PPROF: {"ActiveState": "inactive"}})
    (server,) = language_servers.servers_of([user()])
    servers = LanguageServers([server._replace(missing=[])], PINNED)
    found = language_server.evaluate(Snapshot(fake_host.declaration, [], [], language_servers=servers))
    causes = [one.cause for one in found if one.rule is language_server.NO_SOCKET]
    expected = f"{PPROF} is inactive; expected a socket at {host_root}/SOCKET_DIR/{ME}/pprof.sock"
    assert causes == ([expected] if pprof else [])


def test_modes(host_root: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language_servers, "manager_runs", lambda: False)
    (server,) = language_servers.servers_of([user()])
    assert (server.mode, server.units, server.result("g")["socket"]) == ("per-editor", {}, None)
    (host_root / f"{ME}.env").unlink()
    (server,) = language_servers.servers_of([user()])
    assert (server.mode, server.result("g")["gopls"]) == ("none", None)


def test_without_a_response_of_systemd_all_is_unknown(host_root: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language_servers, "states_of", lambda *_arguments: {})
    (server,) = language_servers.servers_of([user()])
    assert (server.mode, server.units, server.rendered, server.missing) == ("daemon", {}, {}, ())


def test_the_pinned_gopls_and_the_applied_workarounds(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    applied = tmp_path / "applied.json"
    monkeypatch.setattr(paths, "APPLIED", str(applied))
    assert language_servers.pinned("/none", []) == Gopls("/none", None, [], [])
    applied.write_text(json.dumps({"workarounds": ["a"]}))
    (tmp_path / "link").symlink_to(sys.executable)
    entry = {"name": "b", "reason": "r", "gopls": "", "go": "", "settings": {}, "environment": {}, "pin": ""}
    found = language_servers.pinned(str(tmp_path / "link"), [entry])
    # The interpreter is not a Go program.
    assert (found.path, found.info, found.applied) == (os.path.realpath(sys.executable), None, ["a"])
    assert [one.name for one in found.added] == ["b"]
    applied.write_text("[")
    assert language_servers.pinned("/none", []).applied == []
