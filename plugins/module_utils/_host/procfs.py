# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads processes and listening TCP sockets from /proc.

Every function takes the mount point as ``proc``. A process that has exited, or that this process may not inspect, has
no text, no stat and no record. Nor has a file of a process that is larger than LARGEST: with prctl(PR_SET_MM_MAP) any
user can show gigabytes as the command line or environment of a process.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import re
import sys
import typing as t

from .._core.addresses import Address
from .accounts import find_owner
from .user_access import acting_as

PROC = "/proc"
# Bytes of a file of a process. A shell starts programs with at most 2 MiB of arguments and environment by default.
LARGEST = 2 * 1024 * 1024
# Bytes of a command line in which its program and options are.
_FIRST = 16 * 1024
# The value of "Seccomp" in /proc/PID/status for a process under a filter.
_SECCOMP_FILTER = "2"
# States of sockets in /proc/net/tcp.
_CONNECTED, _LISTENING = "01", "0A"
_SOCKET = re.compile(r"socket:\[(\d+)\]\Z")


class Stat(t.NamedTuple):
    """Fields of /proc/PID/stat; ``started`` counts clock ticks since the boot, and -1 is an unknown count.

    ``children`` counts the ticks in which children ran that have exited.
    """

    state: str
    parent: int
    session: int
    started: int = -1
    children: int = 0

    @property
    def has_exited(self) -> bool:
        """Whether only the parent's wait for the exit status is left."""
        return self.state in "ZX"


class Process(t.NamedTuple):
    """A running process: its owner, the environment and time (seconds of the epoch) of its start, its executable."""

    pid: int
    uid: int
    environment: t.Mapping[str, str]
    started: float | None = None
    program: str = ""


class TcpSocket(t.NamedTuple):
    """A TCP socket; ``inode`` identifies it among the descriptors of processes."""

    address: Address
    inode: str


def path_of(pid: int | str, name: str = "", proc: str = PROC) -> str:
    """Return the path of the file ``name`` of a process, or of the directory of the process."""
    return os.path.join(proc, str(pid), name) if name else os.path.join(proc, str(pid))


def read_file(pid: int | str, name: str, proc: str = PROC) -> str:
    """Return the text of a process's file; empty if it cannot be read."""
    try:
        return _read(path_of(pid, name, proc))
    except OSError:
        return ""


def process_ids(proc: str = PROC) -> list[int]:
    """Return the IDs of all processes."""
    return sorted(map(int, filter(str.isdecimal, os.listdir(proc))))


def owner_id(pid: int, proc: str = PROC) -> int | None:
    """Return the user ID of a process."""
    try:
        return os.stat(path_of(pid, proc=proc)).st_uid
    except OSError:
        return None


def read_stat(pid: int, proc: str = PROC) -> Stat | None:
    """Return the state of a process, its parent, session and start."""
    return parse_stat(read_file(pid, "stat", proc))


def parse_stat(text: str) -> Stat | None:
    """Return the fields in the text of a /proc/PID/stat; the name of a program may contain parentheses."""
    fields = text.rpartition(")")[2].split()
    try:
        started, children = (int(fields[19]), sum(map(int, fields[13:15]))) if len(fields) > 19 else (-1, 0)
        return Stat(fields[0], int(fields[1]), int(fields[3]), started, children)
    except (ValueError, IndexError):
        return None


def start_time(pid: int, proc: str = PROC) -> float | None:
    """Return when a process was started, in seconds of the epoch."""
    stat = read_stat(pid, proc)
    booted = re.search(r"^btime (\d+)$", read_file("", "stat", proc), re.MULTILINE)
    if stat is None or stat.started < 0 or not booted:
        return None
    return int(booted.group(1)) + stat.started / os.sysconf("SC_CLK_TCK")


def read_command_line(pid: int, proc: str = PROC) -> list[str]:
    """Return the words of the command of a process."""
    return read_file(pid, "cmdline", proc).split("\0")[:-1]


def read_first_words(pid: int, proc: str = PROC) -> list[str]:
    """Return the words of a command that are in its first bytes: all of a usual one, and soon also of a long one."""
    try:
        with open(path_of(pid, "cmdline", proc), "rb", buffering=0) as file:
            return file.read(_FIRST).decode("utf-8", "surrogateescape").split("\0")[:-1]
    except OSError:
        return []


def read_program(pid: int, proc: str = PROC) -> str:
    """Return the executable of a process; empty if this process may not inspect it."""
    try:
        return os.readlink(path_of(pid, "exe", proc))
    except OSError:
        return ""


def read_process(pid: int, proc: str = PROC) -> Process | None:
    """Return the record of a process.

    The environment is empty if it cannot be read, as one that the process makes too large: it counts as outdated then.
    ``acting_as`` gives the rights of the owner, because root may not inspect the process in a container.
    """
    uid = owner_id(pid, proc)
    if uid is None:
        return None
    try:
        with acting_as(find_owner(uid)):
            environment = parse_environment(read_file(pid, "environ", proc))
            program = os.readlink(path_of(pid, "exe", proc))
    except OSError:
        return None
    return Process(pid, uid, environment, start_time(pid, proc), program)


def parse_environment(text: str) -> dict[str, str]:
    """Return the variables in the text of a /proc/PID/environ, which is also the output of ``env -0``."""
    pairs = (entry.partition("=") for entry in text.split("\0") if "=" in entry)
    return {name: value for name, _equals, value in pairs}


def child_ids(pid: int, proc: str = PROC) -> set[int] | None:
    """Return the children of a process's first thread; None on a kernel without CONFIG_PROC_CHILDREN."""
    try:
        return set(map(int, _read(path_of(pid, f"task/{pid}/children", proc)).split()))
    except FileNotFoundError:
        return None


def tracer_of(pid: int) -> str:
    """Return the ID of the process that debugs process ``pid``; empty if none does."""
    tracer = status_field(read_file(pid, "status"), "TracerPid")
    # The kernel names the thread that traces, which in a Go program is any of them.
    return "" if tracer in ("", "0") else status_field(read_file(tracer, "status"), "Tgid") or tracer


def status_field(status: str, name: str) -> str:
    """Return the first word of the line ``name`` in the text of a /proc/PID/status; empty if there is none."""
    match = re.search(rf"^{name}:\s*(\S+)", status, re.MULTILINE)
    return match.group(1) if match else ""


def read_ptrace_scope(proc: str = PROC) -> str:
    """Return the value of kernel.yama.ptrace_scope; empty on a kernel without Yama."""
    return read_file("sys", "kernel/yama/ptrace_scope", proc).strip()


def has_seccomp_filter(status: str) -> bool:
    """Return whether the process with this text of /proc/PID/status runs under a seccomp filter."""
    return status_field(status, "Seccomp") == _SECCOMP_FILTER


def listening_sockets(proc: str = PROC) -> list[TcpSocket]:
    """Return the TCP sockets that listen on this host, of all processes in its network namespace."""
    return [TcpSocket(parse_address(row[1]), row[9]) for row in _tcp_rows(_LISTENING, proc)]


def connected_sockets(proc: str = PROC) -> list[TcpSocket]:
    """Return the connected TCP sockets of this host with the addresses that they are connected to."""
    return [TcpSocket(parse_address(row[2]), row[9]) for row in _tcp_rows(_CONNECTED, proc)]


def _tcp_rows(state: str, proc: str) -> t.Iterator[list[str]]:
    """Yield the rows of sockets in this state, line by line: any user can make these tables long, but not the rows."""
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError), open(path_of("net", table, proc), encoding="utf-8") as file:
            yield from (row for row in map(str.split, file) if row[3:4] == [state] and row[9:])


def socket_inodes(pid: int, proc: str = PROC) -> set[str]:
    """Return the inodes of a process's sockets; raise OSError if this process may not inspect it."""
    directory = path_of(pid, "fd", proc)
    inodes = set()
    for name in os.listdir(directory):
        with contextlib.suppress(FileNotFoundError):  # It was closed meanwhile.
            match = _SOCKET.match(os.readlink(os.path.join(directory, name)))
            inodes.update([match.group(1)] if match else [])
    return inodes


def parse_address(entry: str) -> Address:
    """Return an address from the kernel's notation: each 32 bits in the byte order of this machine, then the port."""
    digits, _colon, port = entry.partition(":")
    words = (int(digits[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(digits), 8))
    return Address(str(ipaddress.ip_address(b"".join(words))), int(port, 16))


def _read(path: str) -> str:
    with open(path, "rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
    return content.decode("utf-8", "surrogateescape")
