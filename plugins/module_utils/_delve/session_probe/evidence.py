# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about a program, its source and its host, for the cause of a missed breakpoint."""

from __future__ import annotations

import contextlib
import json
import os
import re
import typing as t

from ..._core.errors import DevserverError
from ..._environment.go_command import executables, without_traces
from ..._host.command import run
from ..._host.files import read_text
from ..._host.procfs import path_of
from ..._host.user_access import acting_as
from ..._tools.build_info import BuildInfo, read_build_id, read_build_info
from .plan import Breakpoint, DebugProbePlan
from .session import BinaryLocation, BreakpointHit, SessionRun
from .sources import LineDirective, find_line_directive

# Seconds for each of the commands that list the package of a breakpoint.
_LIST_TIMEOUT = 10.0
_FIELDS = "Module,IgnoredGoFiles,TestGoFiles,XTestGoFiles"
_CONSTRAINT = re.compile(r"^//go:build (.+)$", re.MULTILINE)
_CGO = re.compile(r'^import\s+(?:\((?:\s*|[^()]*\n[ \t]*))?"C"', re.MULTILINE)


class Binary(t.NamedTuple):
    """The debugged binary and its build info, if it has one; ``differs`` is its difference to the expected binary."""

    path: str
    info: BuildInfo | None
    modified: float
    differs: str = ""


class Package(t.NamedTuple):
    """The package of a source in the output of ``go list`` with the tags of the binary."""

    module: str
    tests: t.Sequence[str]
    ignored: t.Sequence[str]


class BreakpointSource(t.NamedTuple):
    """The source of a breakpoint: its path without links, its modification time, its //go:build line, its cgo.

    ``directive`` is the directive ``//line`` that decides about the line of the breakpoint.
    """

    real: str
    modified: float
    constraint: str
    cgo: bool
    directive: LineDirective | None = None


class Evidence(t.NamedTuple):
    """All facts about a missed breakpoint, or about one with a ``difference`` to the expected state."""

    plan: DebugProbePlan
    run: SessionRun
    breakpoint: Breakpoint
    unset: str = ""
    location: BinaryLocation = BinaryLocation()
    hit: BreakpointHit | None = None
    difference: str = ""
    binary: Binary | None = None
    package: Package | None = None
    source: BreakpointSource | None = None


def collect_evidence(
    plan: DebugProbePlan, run: SessionRun, number: int, binary: Binary | None, difference: str = ""
) -> Evidence:
    """Return the facts about breakpoint ``number`` after ``run``."""
    breakpoint = plan.breakpoints[number]
    return Evidence(
        plan,
        run,
        breakpoint,
        run.unset.get(number, ""),
        run.locations.get(number, BinaryLocation()),
        run.hits.get(number),
        difference,
        binary,
        _list_package(plan, breakpoint.file, binary),
        _inspect_source(plan, breakpoint),
    )


def inspect_binary(plan: DebugProbePlan) -> Binary | None:
    """Return the binary that ``plan`` debugs; None if dlv builds it, or if it is on another host."""
    path = path_of(plan.pid, "exe") if plan.pid else "" if plan.builds else plan.program
    # A container may deny root access to other users' processes. Users can inspect their own processes.
    with acting_as(plan.account):
        if not path or not os.path.exists(path):
            return None
        info = None
        with contextlib.suppress(DevserverError):
            info = read_build_info(path)
        return Binary(plan.program or path, info, os.stat(path).st_mtime, _binary_difference(plan, path))


def _binary_difference(plan: DebugProbePlan, running: str) -> str:
    """Return the difference between the running program and the one on disk; empty without one."""
    if not plan.pid:
        return ""
    try:
        disk = os.readlink(running)
        if disk.endswith(" (deleted)"):
            return f"process {plan.pid} still runs a binary that has been replaced, {disk}"
        if plan.program and read_build_id(plan.program) != read_build_id(running):
            return f"process {plan.pid} runs {disk}, whose build ID differs from that of {plan.program}"
    except (OSError, DevserverError):
        return ""
    return ""


def _list_package(plan: DebugProbePlan, file: str, binary: Binary | None) -> Package | None:
    """List the package of ``file`` with go, offline and without side effects; None if that fails."""
    env = dict(without_traces(plan.environment), GOPROXY="off", **_build_variables(binary))
    with contextlib.suppress(DevserverError, ValueError):
        go = next(iter(executables(["go"], env.get("PATH", ""), plan.account, timeout=_LIST_TIMEOUT)["go"]), "")
        argv = [go, "list", "-e", f"-json={_FIELDS}", *_build_tags(plan, binary), "."]
        completed = (
            run(argv, env=env, cwd=os.path.dirname(file), account=plan.account, timeout=_LIST_TIMEOUT) if go else None
        )
        if completed and completed.ok:
            return _parse_package(json.loads(completed.stdout))
    return None


def _parse_package(listed: t.Mapping[str, t.Any]) -> Package:
    tests = [*listed.get("TestGoFiles", []), *listed.get("XTestGoFiles", [])]
    return Package((listed.get("Module") or {}).get("Path", ""), tests, listed.get("IgnoredGoFiles", []))


def _build_variables(binary: Binary | None) -> dict[str, str]:
    settings = binary.info.settings if binary and binary.info else {}
    return {name: settings[name] for name in ("CGO_ENABLED", "GOOS", "GOARCH") if settings.get(name)}


def _build_tags(plan: DebugProbePlan, binary: Binary | None) -> list[str]:
    if binary and binary.info:
        tags = binary.info.settings.get("-tags", "")
        return [f"-tags={tags}"] if tags else []
    flags = list(plan.build_flags)
    positions = [position for position, flag in enumerate(flags) if re.match("--?tags(=|$)", flag)]
    return [word for start in positions for word in flags[start : start + (1 if "=" in flags[start] else 2)]]


def _inspect_source(plan: DebugProbePlan, breakpoint: Breakpoint) -> BreakpointSource | None:
    file = breakpoint.file
    try:
        with acting_as(plan.account):
            real = os.path.realpath(file)
            text = read_text(file)
            if text is None:
                return None
            match = _CONSTRAINT.search(text)
            directive = find_line_directive(text, breakpoint.line, os.path.dirname(file))
            constraint = match.group(1) if match else ""
            return BreakpointSource(real, os.stat(file).st_mtime, constraint, bool(_CGO.search(text)), directive)
    except (OSError, DevserverError):
        return None
