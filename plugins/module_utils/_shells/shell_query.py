# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands by which a shell that has started reports its environment, and the parser of their output."""

from __future__ import annotations

import os
import re
import secrets
import time
import typing as t

from .._host.procfs import Stat, parse_environment, parse_stat

# The state of the shell itself, of which only the third file may be missing, and the limits of its children.
_STATE = "/bin/sh -c '/bin/cat /proc/$PPID/stat /proc/uptime /proc/$PPID/schedstat /proc/self/limits 2>/dev/null'"
# Commands that every shell understands. One that fails ends no shell, even if the startup has set options.
_COMMANDS = (_STATE, "/usr/bin/env -0", "type go 2>/dev/null")


class Resource(t.NamedTuple):
    """A limited resource: its name in /proc/PID/limits, what Go needs of it, and how the shells' commands name it."""

    title: str
    enough: int
    in_commands: str


# By their names in prlimit(1) and limits.conf(5).
RESOURCES = {
    "as": Resource("address space", 1 << 33, "-[a-zA-Z]*v|vmemorysize|addressspace"),
    "data": Resource("data size", 1 << 33, "-[a-zA-Z]*d|datasize"),
    "stack": Resource("stack size", 1 << 20, "-[a-zA-Z]*s|stacksize"),
    "fsize": Resource("file size", 1 << 30, "-[a-zA-Z]*f|filesize"),
    "nproc": Resource("processes", 1000, "-[a-zA-Z]*u|maxproc"),
    "nofile": Resource("open files", 1024, "-[a-zA-Z]*n|descriptors"),
    "cpu": Resource("cpu time", 3600, "-[a-zA-Z]*t|cputime"),
}
_NAMES = {resource.title: name for name, resource in RESOURCES.items()}
_LIMIT = re.compile(rf"^Max ({'|'.join(_NAMES)}) +(\d{{1,18}}|unlimited) +(\d{{1,18}}|unlimited)", re.MULTILINE)
# Control sequences of terminals, such as a colour, and other invisible characters.
_CONTROL = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[ -/]*[0-~])|[\x00-\x08\x0e-\x1f\x7f]")
_SCHEDULED = re.compile(r"(\d{1,18}) (\d{1,18}) \d+")


class ShellState(t.NamedTuple):
    """What a shell reported: ``seconds`` is its age without the time in which it waited for a processor.

    ``reported_at`` counts the seconds since the boot; both are None if they are not known. ``limits`` are the low ones.
    """

    environment: dict[str, str]
    go_is: str
    seconds: float | None
    reported_at: float | None
    limits: t.Mapping[str, int]


class ShellQuery:
    """The ``command`` for one shell. Marks around its output are random, so that no startup file contains them."""

    def __init__(self) -> None:
        # In two parts in the command, so that its text in a variable, as sshd's SSH_ORIGINAL_COMMAND, is no mark.
        parts = (f"gopherops-{secrets.token_hex(8)}-", secrets.token_hex(8))
        print_mark = f"printf %s%s {' '.join(parts)}"
        self._mark = "".join(parts)
        self.command = "; ".join([*(f"{print_mark}; {command} || :" for command in _COMMANDS), print_mark])

    def parse(self, output: str) -> tuple[str, ShellState | None]:
        """Return the output of the startup, and the state of the shell, None without a complete one.

        The first one counts: commands that the startup has left for the exit of the shell run later.
        """
        before, *parts = output.split(self._mark)
        if len(parts) <= len(_COMMANDS):
            return "\n".join([before, *parts]), None
        state, variables, go_is = parts[: len(_COMMANDS)]
        uptime, scheduled = [*state.rpartition(")")[2].split("\n")[1:3], "", ""][:2]
        stat, now = parse_stat(state), _number(uptime.split(" ")[0])
        seconds = _age(stat, now, scheduled) if stat and now is not None else None
        return before, ShellState(
            parse_environment(variables), go_is.partition("\n")[0].strip(), seconds, now, _low_limits(state)
        )


def _low_limits(state: str) -> dict[str, int]:
    """Return the limits that are too low for Go, which raises the soft limit of open files to the hard one itself."""
    limits = ((_NAMES[title], soft, hard) for title, soft, hard in _LIMIT.findall(state))
    values = ((name, hard if name == "nofile" else soft) for name, soft, hard in limits)
    return {name: int(value) for name, value in values if value.isdigit() and int(value) < RESOURCES[name].enough}


def visible(line: str) -> str:
    """Return a line of output without control sequences."""
    return _CONTROL.sub("", line)


def seconds_since(moment: float) -> float:
    """Return the seconds since a ``moment`` that is counted from the boot."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - moment


def _age(stat: Stat, now: float, scheduled: str) -> float | None:
    """Return the age of a shell, less the delay by other processes of a busy host.

    ``scheduled`` has the nanoseconds in which it ran and in which it waited for a processor. Those of its children are
    not known: they waited as long in proportion to the time in which they ran, or as the load of the host lets expect.
    """
    ticks = os.sysconf("SC_CLK_TCK")
    age = now - stat.started / ticks
    match = _SCHEDULED.match(scheduled)
    ran, waited = (int(number) / 1e9 for number in match.groups()) if match else (0.0, 0.0)
    slowdown = min(waited / ran, os.getloadavg()[0] / (os.cpu_count() or 1)) if ran else 0.0
    delay = waited + stat.children / ticks * slowdown
    return max(0.0, age - delay) if age >= 0 else None


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d{1,12}(\.\d{1,6})?", text) else None
