# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The debug services of this host, the other debuggers that listen, and when their certificates expire."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import typing as t

from ..._core.errors import DevserverError
from ..._delve.running import read_running
from ..._delve.services import unit_name
from ..._delve.tls.server import DIRECTORY, FILES
from ..._delve.tls.validity import parse_duration, read_expiry
from ..._host.accounts import Account, find_owner
from ..._host.procfs import (
    PROC,
    listening_sockets,
    owner_id,
    path_of,
    process_ids,
    read_file,
    socket_inodes,
    start_time,
)
from ..._host.user_access import each_as
from ..._systemd.systemctl import UNIT_DIR, manager_runs
from ..._systemd.unit_state import State, states_of
from ..._tools.build_info import read_build_info
from ..records.debuggers import Debuggers, DebugServiceState, WideDebugger

# Of each user; a name costs a process nothing.
_MOST_PROCESSES = 20
_MODULE = "github.com/go-delve/delve"
# The dlv in the command of a unit.
_DLV = re.compile(r"[\s=](/\S+) (?:exec|attach) --headless")
_UNIT = re.compile(r"/(dlv-[^/\n]+\.service)$", re.MULTILINE)


class DeclaredServices(t.NamedTuple):
    """The declared debug services: their users by name, those that need not run, and the version at GOROOT."""

    users: t.Mapping[str, str] = {}
    stopped: t.Collection[str] = ()
    go_version: str = ""


_NONE = DeclaredServices()


def collect(renew_before: str, declared: DeclaredServices = _NONE) -> Debuggers:
    """Return the debuggers of this host; ``renew_before`` has the format of the role debugger.

    Raises DevserverError if that is not a length of time.
    """
    seconds = _seconds(renew_before)
    names = {
        os.path.basename(path) for pattern in ("dlv-*", "debug-tls*") for path in glob.glob(f"{UNIT_DIR}/{pattern}")
    }
    units = sorted(name for name in names if name.endswith((".service", ".socket")))
    units = sorted({*units, *map(unit_name, declared.users)})
    states = states_of(units, ["ExecStart", "MainPID", "BindsTo", "UnitFileState"]) if manager_runs() else {}
    bound = states_of(sorted({unit for state in states.values() for unit in _bound_to(state)})) if states else {}
    services = [_service(name, declared, states, bound) for name in declared.users] if states else []
    overrides = {unit: state_of.overrides([f"{UNIT_DIR}/{unit}"]) for unit, state_of in states.items()}
    debuggers = Debuggers(
        states, wide_debuggers(), _certificates(DIRECTORY), seconds, services=services, overrides=overrides
    )
    return with_listen_lines(debuggers)


def _bound_to(state: State) -> list[str]:
    """Return the units with which a unit starts and stops: the one whose process dlv attaches to."""
    return state.values.get("BindsTo", "").split()


def _service(
    name: str, declared: DeclaredServices, states: t.Mapping[str, State], bound: t.Mapping[str, State]
) -> DebugServiceState:
    unit, user, version = unit_name(name), str(declared.users[name]), declared.go_version
    values = states[unit].values if unit in states else {}
    pid = int(values.get("MainPID") or 0) if values.get("ActiveState") == "active" else 0
    dlv = _DLV.search(values.get("ExecStart", ""))
    running = read_running(name, user, pid, dlv.group(1) if dlv else "", f"go{version}" if version else "")
    starts = all(bound[other].active for other in _bound_to(State(values)) if other in bound)
    return DebugServiceState(unit, user, starts and name not in declared.stopped, running)


def with_listen_lines(debuggers: Debuggers) -> Debuggers:
    """Return ``debuggers`` with the lines that set a wide listen address."""
    lines = {unit: debuggers.units[unit].line(r".*\s--?(listen|l)[= ]") for unit in debuggers.wide_units}
    return debuggers._replace(listen_lines=lines)


def _seconds(renew_before: str) -> float:
    try:
        return parse_duration(renew_before).total_seconds()
    except ValueError as error:
        raise DevserverError(
            str(error), expected="a length of time such as +30d", remedy="correct devserver_tls_renew_before"
        ) from error


def wide_debuggers(proc: str = PROC) -> list[WideDebugger]:
    """Return each dlv that listens on an address outside the loopback network."""
    sockets = listening_sockets(proc)
    wide = {socket.inode: str(socket.address) for socket in sockets if not socket.address.is_local}
    of_users: dict[int, list[int]] = {}
    for pid in process_ids(proc) if wide else []:
        uid = owner_id(pid, proc)
        if uid is not None and read_file(pid, "comm", proc).startswith("dlv"):
            of_users.setdefault(uid, []).append(pid)
    limited = {uid: pids[:_MOST_PROCESSES] for uid, pids in of_users.items()}
    return [debugger for uid, pids in limited.items() for debugger in _debuggers_of(uid, pids, wide, proc)]


def _debuggers_of(uid: int, pids: t.Sequence[int], wide: t.Mapping[str, str], proc: str) -> t.Iterator[WideDebugger]:
    """Yield the debuggers among the processes of one user, whose programs can be any files of that user."""
    owner = find_owner(uid)
    account = owner or Account(str(uid), uid, uid, "/", "")
    processes = {path_of(pid, proc=proc): pid for pid in pids}
    results = each_as(account, lambda pid: _inspect(pid, wide, proc), processes, as_root=owner is None)
    for path, pid in processes.items():
        with contextlib.suppress(DevserverError, OSError):  # It has exited, or this process may not read it.
            address, unit = results[path]()
            if address:
                yield WideDebugger(pid, account.name, address, unit, start_time(pid, proc))


def _inspect(pid: int, wide: t.Mapping[str, str], proc: str) -> list[str]:
    """Return the wide address of a dlv and its unit; empty without one."""
    address = next((wide[inode] for inode in sorted(socket_inodes(pid, proc)) if inode in wide), "")
    # The program is read last, because it can be large.
    is_debugger = bool(address) and _is_dlv(path_of(pid, "exe", proc))
    unit = _UNIT.search(read_file(pid, "cgroup", proc))
    return [address if is_debugger else "", unit.group(1) if unit else ""]


def _is_dlv(program: str) -> bool:
    """Return whether a program is dlv, according to its build info."""
    try:
        return read_build_info(program).module == _MODULE
    except DevserverError:
        return False


def _certificates(directory: str) -> dict[str, float]:
    files = [os.path.join(directory, name) for name in FILES if name.endswith((".crt", ".pem"))]
    ends = {path: read_expiry(path) for path in files}
    return {path: end for path, end in ends.items() if end is not None}
