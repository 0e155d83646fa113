# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The debug services of this host, the other debuggers that listen, and when their certificates expire."""

from __future__ import annotations

import contextlib
import glob
import ipaddress
import os
import re
import sys
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.server import FILES, FOLDER
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.validity import end_of, span
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.processes import started
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records import (
    Debuggers,
    Validity,
    WideDebugger,
    is_wide,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import acting_as, owner_of
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import read_text
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.systemctl import UNITS, manager_runs
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.unit_state import states_of
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.build_info import read_build_info

_MODULE = "github.com/go-delve/delve"
_LISTENING = "0A"
_SOCKET = re.compile(r"socket:\[(\d+)\]\Z")
_UNIT = re.compile(r"/(dlv-[^/\n]+\.service)$", re.MULTILINE)


def collect(renew_before: str) -> Debuggers:
    """Return the debuggers of this host; ``renew_before`` has the format of the role debugger.

    Raises DevserverError if that is not a length of time.
    """
    seconds = _seconds(renew_before)
    names = {os.path.basename(path) for pattern in ("dlv-*", "debug-tls*") for path in glob.glob(f"{UNITS}/{pattern}")}
    units = sorted(name for name in names if name.endswith((".service", ".socket")))
    states = states_of(units, ["ExecStart"]) if manager_runs() else {}
    return with_listen_lines(Debuggers(states, wide_debuggers(), _certificates(FOLDER), seconds))


def with_listen_lines(debuggers: Debuggers) -> Debuggers:
    """Return ``debuggers`` with the lines that set a wide listen address."""
    lines = {unit: debuggers.units[unit].line(r".*\s--?(listen|l)[= ]") for unit in debuggers.wide_units}
    return debuggers._replace(listen_lines=lines)


def _seconds(renew_before: str) -> float:
    try:
        return span(renew_before).total_seconds()
    except ValueError as error:
        raise DevserverError(
            str(error), expected="a length of time such as +30d", remedy="correct devserver_tls_renew_before"
        ) from error


def wide_debuggers(proc: str = "/proc") -> list[WideDebugger]:
    """Return each dlv that listens on an address outside the loopback network."""
    wide = {inode: address for inode, address in _listening(proc).items() if is_wide(address)}
    paths = sorted(glob.glob(os.path.join(proc, "[0-9]*"))) if wide else []
    found = (_debugger(path, wide) for path in paths)
    return [debugger for debugger in found if debugger]


def _listening(proc: str) -> dict[str, str]:
    """Return the listen addresses of all processes, by the inode of the socket."""
    found = {}
    for table in ("net/tcp", "net/tcp6"):
        with contextlib.suppress(OSError), open(os.path.join(proc, table), encoding="ascii") as file:
            rows = [line.split() for line in file][1:]
            found.update({row[9]: _address(row[1]) for row in rows if len(row) > 9 and row[3] == _LISTENING})
    return found


def _address(entry: str) -> str:
    """Return a readable address; the kernel writes each 32 bits in the byte order of this machine."""
    digits, _colon, port = entry.partition(":")
    words = (int(digits[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(digits), 8))
    address = ipaddress.ip_address(b"".join(words))
    return f"[{address}]:{int(port, 16)}" if address.version == 6 else f"{address}:{int(port, 16)}"


def _debugger(directory: str, wide: t.Mapping[str, str]) -> WideDebugger | None:
    try:
        if not (read_text(os.path.join(directory, "comm")) or "").startswith("dlv"):
            return None
        uid = os.stat(directory).st_uid
        with acting_as(owner_of(uid)):
            if not _is_dlv(os.path.join(directory, "exe")):
                return None
            links = [os.readlink(path) for path in glob.glob(os.path.join(directory, "fd/*"))]
            with open(os.path.join(directory, "cgroup"), encoding="utf-8", errors="replace") as file:
                unit = _UNIT.search(file.read())
        inodes = [match.group(1) for match in map(_SOCKET.match, links) if match]
    except (OSError, DevserverError):
        return None  # It has exited, or this process may not read it.
    address = next((wide[inode] for inode in inodes if inode in wide), "")
    if not address:
        return None
    name = unit.group(1) if unit else ""
    return WideDebugger(int(os.path.basename(directory)), _name(uid), address, name, started(directory))


def _name(uid: int) -> str:
    owner = owner_of(uid)
    return owner.name if owner else str(uid)


def _is_dlv(program: str) -> bool:
    """Return whether a program is dlv, according to its build info."""
    try:
        return read_build_info(program).module == _MODULE
    except DevserverError:
        return False


def _certificates(directory: str) -> list[Validity]:
    files = [os.path.join(directory, name) for name in FILES if name.endswith((".crt", ".pem"))]
    ends = {path: end_of(path) for path in files}
    return [Validity(path, end) for path, end in ends.items() if end is not None]
