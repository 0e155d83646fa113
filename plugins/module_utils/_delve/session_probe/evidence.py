# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a program, its source and its host, from which the cause of a missed breakpoint is told."""

from __future__ import annotations

import contextlib
import json
import os
import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.plan import Plan, Wanted
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.session import Asked, Hit, Run
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.go_command import (
    executables,
    without_traces,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import acting_as
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import run
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import read_text
from ansible_collections.gopherops.devserver.plugins.module_utils._host.procfs import path_of
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.build_info import (
    BuildInfo,
    read_build_id,
    read_build_info,
)

_FIELDS = "Module,GoFiles,CgoFiles,IgnoredGoFiles,TestGoFiles,XTestGoFiles"
_CONSTRAINT = re.compile(r"^//go:build (.+)$", re.MULTILINE)
_CGO = re.compile(r'^import\s+(?:\(\s*(?:[^)]*\n\s*)?)?"C"', re.MULTILINE)


class Binary(t.NamedTuple):
    """The debugged binary: its build info, None where it has none; ``differs`` says how it is not what is expected."""

    path: str
    info: BuildInfo | None
    modified: float
    differs: str = ""


class Package(t.NamedTuple):
    """What ``go list`` says of a source's package under the binary's own tags."""

    module: str
    compiled: t.Sequence[str]
    tests: t.Sequence[str]
    ignored: t.Sequence[str]


class Source(t.NamedTuple):
    """The source of a wanted breakpoint: its path without links, when it was changed, its //go:build line, its cgo."""

    real: str
    modified: float
    constraint: str
    cgo: bool


class Evidence(t.NamedTuple):
    """All that is known of one missed breakpoint, or of one where something else was to be seen (``wrong``)."""

    plan: Plan
    run: Run
    wanted: Wanted
    unset: str = ""
    asked: Asked = Asked()
    hit: Hit | None = None
    wrong: str = ""
    binary: Binary | None = None
    package: Package | None = None
    source: Source | None = None


def evidence_for(plan: Plan, run: Run, number: int, binary: Binary | None, wrong: str = "") -> Evidence:
    """Return what is known of the wanted breakpoint ``number`` after ``run``."""
    wanted = plan.wanted[number]
    return Evidence(
        plan,
        run,
        wanted,
        run.unset.get(number, ""),
        run.asked.get(number, Asked()),
        run.hits.get(number),
        wrong,
        binary,
        _package(plan, wanted.file, binary),
        _source(plan, wanted.file),
    )


def binary_of(plan: Plan) -> Binary | None:
    """Return what is known of the binary that ``plan`` debugs; None where it is built anew or on another host."""
    path = path_of(plan.pid, "exe") if plan.pid else "" if plan.builds else plan.program
    # A container may keep root from looking into other users' processes; the user may look into its own.
    with acting_as(plan.account):
        if not path or not os.path.exists(path):
            return None
        info = None
        with contextlib.suppress(DevserverError):
            info = read_build_info(path)
        return Binary(plan.program or path, info, os.stat(path).st_mtime, _difference(plan, path))


def _difference(plan: Plan, running: str) -> str:
    """Return how the running program is another than the one on disk."""
    if not plan.pid:
        return ""
    try:
        disk = os.readlink(running)
        if disk.endswith(" (deleted)"):
            return f"process {plan.pid} still runs a binary that has been replaced, {disk}"
        if plan.program and read_build_id(plan.program) != read_build_id(running):
            return f"process {plan.pid} runs {disk}, whose build ID is another than that of {plan.program}"
    except (OSError, DevserverError):
        return ""
    return ""


def _package(plan: Plan, file: str, binary: Binary | None) -> Package | None:
    """Ask go about the folder of ``file``, offline and without a trace; None where it cannot say."""
    env = dict(without_traces(plan.environment), GOPROXY="off", **_build_variables(binary))
    with contextlib.suppress(DevserverError, ValueError):
        go = next(iter(executables(["go"], env.get("PATH", ""), plan.account)["go"]), "")
        argv = [go, "list", "-e", f"-json={_FIELDS}", *_tags(plan, binary), "."]
        done = run(argv, env=env, cwd=os.path.dirname(file), account=plan.account, timeout=plan.timeout) if go else None
        if done and done.ok:
            return _package_from(json.loads(done.stdout))
    return None


def _package_from(said: t.Mapping[str, t.Any]) -> Package:
    compiled = [*said.get("GoFiles", []), *said.get("CgoFiles", [])]
    tests = [*said.get("TestGoFiles", []), *said.get("XTestGoFiles", [])]
    return Package((said.get("Module") or {}).get("Path", ""), compiled, tests, said.get("IgnoredGoFiles", []))


def _build_variables(binary: Binary | None) -> dict[str, str]:
    settings = binary.info.settings if binary and binary.info else {}
    return {name: settings[name] for name in ("CGO_ENABLED", "GOOS", "GOARCH") if settings.get(name)}


def _tags(plan: Plan, binary: Binary | None) -> list[str]:
    if binary and binary.info:
        tags = binary.info.settings.get("-tags", "")
        return [f"-tags={tags}"] if tags else []
    flags = list(plan.build_flags)
    found = [place for place, flag in enumerate(flags) if re.match("--?tags(=|$)", flag)]
    return [word for place in found for word in flags[place : place + (1 if "=" in flags[place] else 2)]]


def _source(plan: Plan, file: str) -> Source | None:
    try:
        with acting_as(plan.account):
            real = os.path.realpath(file)
            text = read_text(file)
            if text is None:
                return None
            match = _CONSTRAINT.search(text)
            return Source(real, os.stat(file).st_mtime, match.group(1) if match else "", bool(_CGO.search(text)))
    except (OSError, DevserverError):
        return None
