# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debuggers in the drift report: real sockets of real processes, and each rule with and without a finding."""

from __future__ import annotations

import getpass
import os
import pathlib
import shutil
import subprocess
import sys
import time
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import PROCESS, Source
from ansible_collections.gopherops.devserver.plugins.module_utils._delve import running as running_module
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.running import RunningService
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.units import Programs, render_unit
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect import debug_services
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records.debuggers import (
    Debuggers,
    DebugServiceState,
    WideDebugger,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.rules import debugger
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.snapshot import Snapshot
from ansible_collections.gopherops.devserver.plugins.module_utils._host import procfs, user_access
from ansible_collections.gopherops.devserver.plugins.module_utils._host.procfs import Process
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd import unit_state
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.unit_state import State

from tests.support.time_limit import time_limit
from tests.unit.delve.samples import service as declared_service

DAY = 86400
START = "{{ path=/usr/bin/dlv ; argv[]=/usr/bin/dlv exec --headless {} /x -- --listen=0.0.0.0:1 ; pid=0 }}"
# A program that listens, and prints where; its first argument is the address.
LISTEN = (
    "import socket, sys; s = socket.create_server((sys.argv[1], 0)); print(s.getsockname()[1], flush=True); input()"
)


def evaluate(fake_host: t.Any, **found: t.Any) -> list[tuple[str, str, t.Any]]:
    debuggers = debug_services.with_listen_lines(Debuggers(**found))
    snapshot = Snapshot(fake_host.declaration, [], [], debuggers=debuggers, taken_at=time.time())
    return [(one.rule.id, one.cause, one.source) for one in debugger.evaluate(snapshot)]


def unit(option: str, **values: str) -> State:
    return State({"ActiveState": "active", "Result": "success", "ExecStart": START.format(option), **values})


@pytest.mark.parametrize(
    ("option", "wide"),
    [
        ("--listen=127.0.0.1:2345", False),
        ("--listen=127.9.9.9:2345", False),
        ("--listen=[::1]:2345", False),
        ("--listen=localhost:2345", False),
        ("--listen=unix:/run/dlv/api/dlv.sock", False),
        ("--check-go-version=true", False),
        ("--listen=0.0.0.0:2345", True),
        ("--listen=:2345", True),
        ("--listen=[::]:2345", True),
        ("--listen=192.0.2.1:2345", True),
        ("-l 0.0.0.0:2345", True),
        ("--listen=0.0.0.0:${PORT}", True),
        ("--listen=127.0.0.1:${PORT}", False),
        ("--listen=[::ffff:127.0.0.1]:2345", False),
        ("--listen=[::1%lo]:2345", False),
        ("--listen=[fe80::1%eth0]:2345", True),
        # A name may lead to any address.
        ("--listen=dev.example.com:2345", True),
        ("--listen=*:2345", True),
        ("--listen 0.0.0.0:2345", True),
    ],
)
def test_listen_addresses_of_units(fake_host: t.Any, option: str, wide: bool) -> None:
    found = evaluate(fake_host, units={"dlv-api.service": unit(option)})
    assert [rule for rule, _cause, _source in found] == (["GD1101"] if wide else [])


def test_a_wide_unit_is_reported_once_with_its_line(fake_host: t.Any, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "dlv-api.service"
    file.write_text("[Service]\nExecStart=/usr/bin/dlv exec --headless --listen=0.0.0.0:2345 /x\n")
    units = {"dlv-api.service": unit("--listen=0.0.0.0:2345", FragmentPath=str(file))}
    wide = [WideDebugger(1, "alice", "0.0.0.0:2345", "dlv-api.service")]
    cause = "dlv-api.service is configured to listen on 0.0.0.0:2345; expected a loopback address or a unix socket"
    assert evaluate(fake_host, units=units, wide=wide) == [("GD1101", cause, Source("file", str(file), 2))]


def test_wide_debuggers_of_all_users_are_reported(fake_host: t.Any) -> None:
    wide = [WideDebugger(4711, "alice", "0.0.0.0:2345")]
    cause = "dlv of alice (process 4711) listens on 0.0.0.0:2345; expected a loopback address or a unix socket"
    assert evaluate(fake_host, wide=wide) == [("GD1101", cause, PROCESS)]


@pytest.mark.parametrize(
    ("state", "failed"),
    [
        ({"ActiveState": "active", "SubState": "running", "Result": "success"}, False),
        ({"ActiveState": "inactive", "SubState": "dead", "Result": "success"}, False),
        ({"ActiveState": "activating", "SubState": "start-pre", "Result": "success"}, False),
        ({"ActiveState": "activating", "SubState": "auto-restart", "Result": "success"}, False),
        ({"ActiveState": "activating", "SubState": "auto-restart", "Result": "exit-code"}, True),
        ({"ActiveState": "failed", "SubState": "failed", "Result": "exit-code"}, True),
        ({}, False),
    ],
)
@pytest.mark.parametrize("name", ["dlv-api.service", "debug-tls.service"])
def test_units_that_failed(fake_host: t.Any, name: str, state: dict[str, str], failed: bool) -> None:
    found = evaluate(fake_host, units={name: State({**state, "FragmentPath": "/u"})})
    assert found == ([("GD1102", f"{name} has failed (exit-code)", Source("file", "/u"))] if failed else [])


RUNS = {"ActiveState": "active", "Result": "success", "FragmentPath": "/u"}
DLV = "/lib/dlv/v1/dlv"


def service(running: RunningService | None = None, started: bool = True) -> DebugServiceState:
    return DebugServiceState("dlv-api.service", "alice", started, running)


def running(program: str = DLV, go: str = "go1.22", **environment: str) -> RunningService:
    process = Process(7, 1000, {"GOFLAGS": "-v", "OWN": "1", **environment}, 1.0, program)
    return RunningService(process, {"GOFLAGS": "-v"}, DLV, go, "go1.22")


SERVICES: dict[str, tuple[dict[str, str], DebugServiceState, list[tuple[str, str]]]] = {
    "as declared": (RUNS, service(running()), []),
    "missing": ({}, service(), [("GD1105", "dlv-api.service does not exist; expected a debug service of alice")]),
    "stopped": (
        {**RUNS, "ActiveState": "inactive"},
        service(),
        [("GD1105", "dlv-api.service is inactive; expected a running debug service")],
    ),
    "stopped as declared": ({**RUNS, "ActiveState": "inactive"}, service(started=False), []),
    "failed": (
        {**RUNS, "ActiveState": "failed", "Result": "exit-code"},
        service(),
        [("GD1102", "dlv-api.service has failed (exit-code)")],
    ),
    "disabled": (
        {**RUNS, "UnitFileState": "disabled"},
        service(running()),
        [("GD1105", "dlv-api.service is disabled; expected an enabled unit, which starts again after a reboot")],
    ),
    "disabled, with another environment": (
        {**RUNS, "UnitFileState": "enabled-runtime"},
        service(running(GOFLAGS="")),
        [
            (
                "GD1105",
                "dlv-api.service is enabled-runtime; expected an enabled unit, which starts again after a reboot",
            ),
            ("GD1106", "dlv-api.service has outdated values of GOFLAGS"),
        ],
    ),
    "enabled": ({**RUNS, "UnitFileState": "enabled"}, service(running()), []),
    "disabled as declared": ({**RUNS, "UnitFileState": "disabled"}, service(started=False), []),
    "building": ({**RUNS, "ActiveState": "activating"}, service(), []),
    "another environment": (
        RUNS,
        service(running(GOFLAGS="")),
        [("GD1106", "dlv-api.service has outdated values of GOFLAGS")],
    ),
    "another dlv": (
        RUNS,
        service(running("/lib/dlv/v0/dlv (deleted)")),
        [("GD1106", f"dlv-api.service runs /lib/dlv/v0/dlv (deleted); expected {DLV}")],
    ),
    "a shell that waits": (RUNS, service(running("/bin/dash")), []),
    "another Go": (
        RUNS,
        service(running(go="go1.21")),
        [("GD1106", "dlv-api.service debugs a program that go1.21 built; expected go1.22")],
    ),
    "a Go that is not known": (RUNS, service(running(go="")), []),
}


@pytest.mark.parametrize("case", SERVICES)
def test_declared_services(fake_host: t.Any, case: str) -> None:
    values, declared, expected = SERVICES[case]
    found = evaluate(fake_host, units={"dlv-api.service": State(values)}, services=[declared])
    assert [(rule, cause) for rule, cause, _source in found] == expected


def test_a_running_service_is_read_from_its_process_and_its_files(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a real process and real files; the build info is that of the host's Go."""
    queried: set[str] = set()

    def states_of(units: t.Sequence[str], names: t.Sequence[str] = ()) -> dict[str, State]:
        queried.update(names)
        return dict.fromkeys(units, State(states))

    states = {"MainPID": str(os.getpid()), "ActiveState": "active", "ExecStart": START.format("")}
    monkeypatch.setattr(debug_services, "states_of", states_of)
    monkeypatch.setattr(debug_services, "manager_runs", lambda: True)
    (tmp_path / "own.env").write_text('GREETING="it\'s 100%"\n')
    monkeypatch.setattr(running_module, "environment_file", lambda name: str(tmp_path / f"{name}.env"))
    monkeypatch.setattr(running_module, "debuggee_path", lambda _name: os.path.realpath(shutil.which("go") or ""))
    declared = debug_services.DeclaredServices({"own": getpass.getuser(), "other": "x"}, ["other"], "1.2.3")
    own, other = debug_services.collect("+30d", declared).services
    assert (own.unit, own.user, own.started, other.started) == ("dlv-own.service", getpass.getuser(), True, False)
    assert "UnitFileState" in queried
    read = own.running
    assert read is not None and read.process.environment["PATH"] == os.environ["PATH"]
    assert (read.variables["GREETING"], read.dlv) == ("it's 100%", os.path.realpath("/usr/bin/dlv"))
    assert (read.go[:3], read.expected_go) == ("go1", "go1.2.3")


@pytest.mark.parametrize(("process", "started"), [("active", True), ("inactive", False), ("failed", False)])
def test_a_service_that_attaches_runs_with_its_process(
    monkeypatch: pytest.MonkeyPatch, process: str, started: bool
) -> None:
    states = {
        "dlv-shop.service": {"ActiveState": "inactive", "BindsTo": "shop.service", "FragmentPath": "/u"},
        "shop.service": {"ActiveState": process},
    }
    monkeypatch.setattr(
        debug_services, "states_of", lambda units, _names=(): {unit: State(states[unit]) for unit in units}
    )
    monkeypatch.setattr(debug_services, "manager_runs", lambda: True)
    monkeypatch.setattr(debug_services.glob, "glob", lambda _pattern: [])
    (service,) = debug_services.collect("+30d", debug_services.DeclaredServices({"shop": "alice"})).services
    assert service.started is started


DROP_IN = """\
[Unit]
Description=x
[Service]
# Environment=A=1
Environment=GOFLAGS=-mod=vendor
Type=exec
EnvironmentFile=
"""


def test_directives_of_drop_ins_are_reported_with_their_lines(
    fake_host: t.Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit_state, "_OF_ADMINISTRATORS", (f"{tmp_path}/etc",))
    fragment, mine, ours, packaged = (tmp_path / name for name in ("etc/u", "etc/mine", "etc/ours", "lib/x"))
    for directory in ("etc", "lib"):
        (tmp_path / directory).mkdir()
    fragment.write_text("[Service]\nType=exec\n")
    for path in (mine, ours, packaged):
        path.write_text(DROP_IN)
    state = State({"FragmentPath": str(fragment), "DropInPaths": f"{packaged} {ours} {mine}"})
    overrides = {"dlv-api.service": state.overrides([str(fragment), str(ours)])}
    cause = "dlv-api.service has {}, which provisioning has not rendered"
    assert evaluate(fake_host, overrides=overrides) == [
        ("GD1107", cause.format("Environment=GOFLAGS=-mod=vendor"), Source("file", str(mine), 5)),
        ("GD1107", cause.format("EnvironmentFile="), Source("file", str(mine), 7)),
    ]
    instead = {"dlv-api.service": State({"FragmentPath": str(fragment)}).overrides([])}
    assert evaluate(fake_host, overrides=instead) == [
        ("GD1107", f"dlv-api.service is {fragment}, which provisioning has not rendered", Source("file", str(fragment)))
    ]


def test_edits_of_a_rendered_unit_are_reported_with_their_lines(fake_host: t.Any, tmp_path: pathlib.Path) -> None:
    unit = tmp_path / "dlv-api.service"
    rendered = render_unit(declared_service(), Programs("/bin/dlv", "/bin/go", True), [])
    limit = next(line for line in rendered.splitlines() if line.startswith("MemoryMax="))
    number = rendered.splitlines().index(limit) + 1
    unit.write_text(rendered.replace(limit, "MemoryMax=infinity"))
    state = State({"FragmentPath": str(unit)})
    cause = "dlv-api.service has MemoryMax=infinity, which provisioning has not rendered"
    assert evaluate(fake_host, overrides={unit.name: state.overrides([str(unit)])}) == [
        ("GD1107", cause, Source("file", str(unit), number))
    ]
    unit.write_text(rendered.replace(f"{limit}\n", ""))
    cause = f"dlv-api.service lacks a line that provisioning has rendered, after {unit}:{number - 1}"
    assert evaluate(fake_host, overrides={unit.name: state.overrides([str(unit)])}) == [
        ("GD1107", cause, Source("file", str(unit), number - 1))
    ]


@pytest.mark.parametrize(("days", "rules"), [(40, []), (29, ["GD1103"]), (-1, ["GD1104"])])
def test_certificates(fake_host: t.Any, days: int, rules: list[str]) -> None:
    files = {"/c/server.crt": time.time() + days * DAY}
    found = evaluate(fake_host, certificates=files)
    assert [rule for rule, _cause, _source in found] == rules
    assert all(source == Source("file", "/c/server.crt") for _rule, _cause, source in found)


def test_a_shorter_renewal_time_is_applied(fake_host: t.Any) -> None:
    files = {"/c/server.crt": time.time() + 29 * DAY}
    assert evaluate(fake_host, certificates=files, renew_before=7 * DAY) == []


def test_findings_of_one_host_have_different_fingerprints(fake_host: t.Any) -> None:
    soon = time.time() + DAY
    found = Debuggers(
        {name: unit("--listen=:1", ActiveState="failed") for name in ("dlv-a.service", "dlv-b.service")},
        [WideDebugger(1, "alice", "0.0.0.0:1"), WideDebugger(2, "alice", "0.0.0.0:2")],
        {"/a": soon, "/b": soon},
    )
    snapshot = Snapshot(fake_host.declaration, [], [], debuggers=found, taken_at=time.time())
    prints = [one.result("h")["fingerprint"] for one in debugger.evaluate(snapshot)]
    assert len(set(prints)) == len(prints) == 8


@pytest.fixture
def listener(tmp_path: pathlib.Path) -> t.Iterator[t.Callable[..., tuple[int, int]]]:
    """Start a process that listens at an address, by a program of the given name; return its number and the port."""
    started = []

    def run(address: str, name: str) -> tuple[int, int]:
        program = tmp_path / name
        shutil.copy(os.path.realpath(sys.executable), program)
        env = {"PYTHONHOME": sys.base_prefix, "LD_LIBRARY_PATH": f"{sys.base_prefix}/lib"}
        process = subprocess.Popen(
            [program, "-c", LISTEN, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env
        )
        started.append(process)
        assert process.stdout is not None
        return process.pid, int(process.stdout.readline())

    yield run
    for process in started:
        process.communicate(b"\n")


@pytest.mark.parametrize(
    ("address", "name", "shown"),
    [
        ("0.0.0.0", "dlv", "0.0.0.0:{}"),
        ("0.0.0.0", "dlv-dap", "0.0.0.0:{}"),
        ("127.0.0.1", "dlv", ""),
        ("0.0.0.0", "other", ""),
    ],
)
def test_processes_that_listen(
    listener: t.Any, monkeypatch: pytest.MonkeyPatch, address: str, name: str, shown: str
) -> None:
    monkeypatch.setattr(debug_services, "read_build_info", lambda _path: Built())
    pid, port = listener(address, name)
    found = [one for one in debug_services.wide_debuggers() if one.pid == pid]
    assert [(one.user, one.address) for one in found] == ([(getpass.getuser(), shown.format(port))] if shown else [])
    assert all(one.started is not None and one.started <= time.time() + 1 for one in found)


class Built:
    """The build info of dlv."""

    module = "github.com/go-delve/delve"


def test_a_program_with_the_name_of_dlv_is_not_a_debugger(listener: t.Any) -> None:
    pid, _port = listener("0.0.0.0", "dlv")
    assert pid not in [one.pid for one in debug_services.wide_debuggers()]


@pytest.fixture
def fake_proc(tmp_path: pathlib.Path) -> pathlib.Path:
    """A mount point of /proc with 30 processes named dlv that listen on all addresses."""
    for pid in range(100, 130):
        directory = tmp_path / str(pid)
        (directory / "fd").mkdir(parents=True)
        (directory / "fd/3").symlink_to("socket:[11]")
        (directory / "comm").write_text("dlv\n")
        (directory / "exe").symlink_to(f"/program/{pid}")
    (tmp_path / "net").mkdir()
    row = " 0: 00000000:0929 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 11 1"
    (tmp_path / "net/tcp").write_text(f"head\n{row}\n")
    return tmp_path


def test_of_each_user_a_limited_number_of_processes_is_inspected(
    fake_proc: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debug_services, "read_build_info", lambda _path: Built())
    found = debug_services.wide_debuggers(str(fake_proc))
    assert [(one.pid, one.address) for one in found] == [(pid, "0.0.0.0:2345") for pid in range(100, 120)]


def test_programs_that_do_not_respond_cost_their_user_the_time_limit_once(
    fake_proc: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("LIMIT", 1.0), ("_UNRESPONSIVE", {}), ("_SPENT", {})):
        monkeypatch.setattr(user_access, name, value)
    responding = f"{fake_proc}/100/exe"
    monkeypatch.setattr(
        debug_services, "read_build_info", lambda path: Built() if path == responding else time.sleep(60)
    )
    with time_limit(10):
        assert [one.pid for one in debug_services.wide_debuggers(str(fake_proc))] == [100]


def test_a_process_without_a_wide_socket_has_its_program_not_read(
    fake_proc: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debug_services, "read_build_info", lambda _path: time.sleep(60))
    for link in fake_proc.glob("*/fd/*"):
        link.unlink()
    with time_limit(10):
        assert debug_services.wide_debuggers(str(fake_proc)) == []


@pytest.mark.parametrize(
    ("entry", "shown", "wide"),
    [
        ("0100007F:0929", "127.0.0.1:2345", False),
        ("00000000:0929", "0.0.0.0:2345", True),
        ("00000000000000000000000001000000:0929", "[::1]:2345", False),
        ("00000000000000000000000000000000:0929", "[::]:2345", True),
        ("0000000000000000FFFF00000100007F:0929", "[::ffff:127.0.0.1]:2345", False),
    ],
)
@pytest.mark.skipif(sys.byteorder != "little", reason="the kernel writes numbers of its machine")
def test_addresses_of_the_kernel(entry: str, shown: str, wide: bool) -> None:
    address = procfs.parse_address(entry)
    assert str(address) in (shown, shown.replace("::ffff:127.0.0.1", "::ffff:7f00:1"))
    assert address.is_local is not wide


def test_an_outgoing_connection_is_not_a_listener(tmp_path: pathlib.Path) -> None:
    (tmp_path / "net").mkdir()
    row = " {}: 00000000:0929 00000000:0000 {} 00000000:00000000 00:00000000 00000000 0 0 {} 1"
    rows = ["head", row.format(0, "0A", 11), row.format(1, "01", 12)]
    (tmp_path / "net/tcp").write_text("\n".join(rows))
    assert [(one.inode, str(one.address)) for one in procfs.listening_sockets(str(tmp_path))] == [
        ("11", "0.0.0.0:2345")
    ]


def test_an_invalid_renewal_time_is_rejected() -> None:
    with pytest.raises(DevserverError, match="not a length of time"):
        debug_services.collect("soon")
