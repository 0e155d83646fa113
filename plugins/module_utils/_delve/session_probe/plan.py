# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a probe: its options, validated before anything is started."""

from __future__ import annotations

import collections
import os
import re
import typing as t

from ..._core.addresses import Address, parse_address
from ..._core.errors import DevserverError
from ..._host.accounts import Account
from ..._host.user_access import acting_as
from .sources import SourcePosition, find_markers_below, find_markers_in

MODES = {"launch": ("debug", "exec", "test"), "attach": ("local", "remote")}


class Breakpoint(t.NamedTuple):
    """A breakpoint, and the expected state of the program there.

    ``variables`` are values as dlv prints them, by expression. ``stack`` are functions, innermost first; others may be
    between them.
    """

    name: str
    file: str
    line: int
    variables: t.Mapping[str, str] = {}
    stack: t.Sequence[str] = ()


class TlsFiles(t.NamedTuple):
    """The files for mutual TLS with a headless dlv, and the name in the server's certificate."""

    ca: str
    certificate: str
    key: str
    server_name: str


class DebugProbePlan(t.NamedTuple):
    """One probe. ``timeout`` is in seconds for each run; ``substitute_path`` are pairs of editor and binary paths."""

    dlv: str
    account: Account
    environment: dict[str, str]
    request: str
    mode: str
    breakpoints: t.Sequence[Breakpoint]
    workspace: str = "/"
    package: str = "."
    program: str = ""
    args: t.Sequence[str] = ()
    build_flags: t.Sequence[str] = ()
    pid: int = 0
    address: Address = Address()
    tls: TlsFiles | None = None
    substitute_path: t.Sequence[tuple[str, str]] = ()
    trigger: str = ""
    runs: int = 3
    hit_rate: float = 1.0
    timeout: float = 60.0
    scratch: str = "/tmp"

    @property
    def remote(self) -> bool:
        return self.mode == "remote"

    @property
    def end_timeout(self) -> float:
        """Seconds for the end of a session, and for dlv to exit: one that hangs is killed with the program it started.

        A killed dlv would leave its breakpoints in a process that it was attached to.
        """
        return 0.2 if self.request == "launch" else 10.0

    @property
    def builds(self) -> bool:
        return self.mode in ("debug", "test")


def validate_plan(plan: DebugProbePlan) -> DebugProbePlan:
    """Return ``plan``. Raises DevserverError for the first invalid option."""
    for invalid, problem, expected, remedy in _validations(plan):
        if invalid:
            raise DevserverError(f"the debugger cannot be probed: {problem}", expected=expected, remedy=remedy)
    _reject_duplicates(plan.breakpoints)
    return plan


def _validations(plan: DebugProbePlan) -> list[tuple[bool, str, str, str]]:
    """Return whether each option is invalid, with the problem, the expected value and the remedy."""
    mode, modes = plan.mode, " or ".join(MODES[plan.request])
    sockets = plan.tls is not None and bool(plan.address.path)
    trigger = not re.match(r"(https?://|$)", plan.trigger)
    marker = "breakpoints, or markers '// breakpoint: name'"
    return [
        (
            mode not in MODES[plan.request],
            f"request {plan.request} has no mode {mode}",
            modes,
            "change mode or request",
        ),
        (mode == "exec" and not plan.program, "mode exec has no program", "the path of a binary", "set program"),
        (mode == "local" and not plan.pid, "mode local has no process", "a process or a unit", "set pid or unit"),
        (plan.remote and plan.address == Address(), "mode remote has no address", "the address of dlv", "set address"),
        (plan.builds and not os.path.isabs(plan.workspace), f"mode {mode} has no workspace", "a path", "set workspace"),
        (sockets, "a Unix socket does not support TLS", "a host and a port", "remove tls, or change address"),
        (plan.runs < 1, f"runs is {plan.runs}", "1 or more", "increase runs"),
        (not 0 <= plan.hit_rate <= 1, f"hit_rate is {plan.hit_rate}", "0 to 1", "set hit_rate to a share, such as 0.9"),
        (plan.timeout <= 0, f"timeout is {plan.timeout}", "more than 0 seconds", "increase timeout"),
        (trigger, f"trigger is {plan.trigger!r}", "an http or https URL", "set trigger to such a URL"),
        (not plan.breakpoints, "the probe has no breakpoint", marker, "add a breakpoint or a marker"),
    ]


def _reject_duplicates(breakpoints: t.Sequence[Breakpoint]) -> None:
    counts = collections.Counter((breakpoint.file, breakpoint.line) for breakpoint in breakpoints)
    for (file, line), count in counts.items():
        if count > 1:
            raise DevserverError(
                f"{file}:{line} is listed {count} times", remedy="list each breakpoint once", file=file
            )


def parse_debugger_address(text: str, *, tls: bool) -> Address:
    """Return the address in ``text``: ``unix:/path``, ``/path``, ``host:port`` or ``[::1]:port``.

    Raises DevserverError for any other text. Without ``tls`` also for an address of another host: dlv has no
    authentication, and an attacker on the network would get all rights of the debugged program.
    """
    address = parse_address(text)
    if address is None or not (address.path or (address.host and 0 < address.port < 65536)):
        raise DevserverError(
            f"{text!r} is not an address of a debugger",
            expected="unix:/path, host:port or [::1]:port",
            remedy="write the option address in one of these formats",
        )
    if not tls and not address.is_local:
        raise DevserverError(
            f"{text} is not a loopback address, and tls is not set",
            expected="mutual TLS for other addresses, because dlv has neither encryption nor a password",
            remedy="set ca, certificate and key in tls, or run the probe on the host of the debugger",
        )
    return address


def parse_breakpoints(
    entries: t.Sequence[t.Mapping[str, t.Any]], *, account: Account, workspace: str, package: str, tests: bool
) -> list[Breakpoint]:
    """Return the breakpoints of ``entries``, which contain a marker's name or a file and a line, and expectations.

    Without entries, return all markers in the directory of ``package``, those of test files only with ``tests``.
    """
    with acting_as(account):
        if not entries:
            return _find_all_markers(os.path.normpath(os.path.join(workspace, package)), tests=tests)
        known = find_markers_below(workspace) if any(not entry.get("file") for entry in entries) else {}
    return [_parse_breakpoint(entry, workspace, known) for entry in entries]


def _find_all_markers(directory: str, *, tests: bool) -> list[Breakpoint]:
    try:
        return [Breakpoint(name, *position) for name, position in find_markers_in(directory, tests=tests).items()]
    except OSError as error:
        raise DevserverError(
            f"the sources in {directory} cannot be read: {error.strerror}",
            expected="the directory of the package in the workspace",
            remedy="set workspace and package to existing directories, or list breakpoints with file and line",
        ) from error


def _parse_breakpoint(
    entry: t.Mapping[str, t.Any], workspace: str, known: t.Mapping[str, t.Sequence[SourcePosition]]
) -> Breakpoint:
    variables = {name: str(value) for name, value in (entry.get("variables") or {}).items()}
    stack = list(entry.get("stack") or [])
    if entry.get("file"):
        if not entry.get("line") or entry["line"] < 1:
            raise DevserverError(f"the breakpoint in {entry['file']} has no line", remedy="add line, which starts at 1")
        file = os.path.normpath(os.path.join(workspace, entry["file"]))
        name = entry.get("name") or f"{os.path.basename(file)}:{entry['line']}"
        return Breakpoint(name, file, entry["line"], variables, stack)
    return Breakpoint(entry["name"], *_find_marker(entry.get("name") or "", workspace, known), variables, stack)


def _find_marker(name: str, workspace: str, known: t.Mapping[str, t.Sequence[SourcePosition]]) -> SourcePosition:
    positions = known.get(name, [])
    if len(positions) != 1:
        places = ", ".join(f"{position.file}:{position.line}" for position in positions) or "missing"
        raise DevserverError(
            f"the marker '// breakpoint: {name}' in the Go files below {workspace} is not unique: {places}",
            expected="exactly one; existing markers: {}".format(", ".join(sorted(known)) or "none"),
            remedy="use the name of an existing marker, or set file and line",
            marker=name,
        )
    return positions[0]
