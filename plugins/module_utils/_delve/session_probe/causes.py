# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The causes of missed breakpoints: one rule for each cause evaluates the evidence, the most certain rule first."""

from __future__ import annotations

import os
import re
import typing as t

from ..._core.errors import DevserverError
from ..._host.procfs import has_seccomp_filter, owner_id, read_ptrace_scope, tracer_of
from ..._tools.build_info import read_build_info
from ..._tools.support import incompatibility
from .evidence import Binary, Evidence
from .paths import PathRule, find_path_rule
from .unreachable import explain_peer

_DLV = "github.com/go-delve/delve/cmd/dlv"
_DEBUG_FLAGS = "-gcflags='all=-N -l'"
_NO_FILE, _NO_STATEMENT = "could not find file", "could not find statement"


class Cause(t.NamedTuple):
    """A cause with its stable name, a message and a remedy."""

    name: str
    message: str
    remedy: str
    rule: PathRule | None = None


def find_cause(evidence: Evidence) -> Cause:
    """Return the first cause that matches ``evidence``."""
    for rule in _REJECTION_RULES if evidence.run.rejection else _MISS_RULES:
        cause = rule(evidence)
        if cause:
            return cause
    if evidence.run.rejection:
        remedy = "run dlv by hand as the same user with --log --log-output=dap, and follow its message"
        return Cause("refused", f"dlv rejected the request: {evidence.run.rejection}", remedy)
    return _difference_cause(evidence)


def _check_version(evidence: Evidence) -> Cause | None:
    match = re.search(
        r"(?:Version of (?:Delve|Go)|Go version \S+) is too (?:old|new).*", evidence.run.rejection, re.DOTALL
    )
    if not match:
        return None
    go = re.search(r"go\d+\.\d+(?:\.\d+)?", match.group())
    version = _read_version(evidence.plan.dlv)
    mismatch = incompatibility(_DLV, version, go.group()) if go and version else ""
    remedy = "pin the dlv for that Go version in devserver_tools, or build with a Go version that this dlv supports"
    return Cause("version", f"{match.group().strip()}{'; ' if mismatch else ''}{mismatch}", remedy)


def _read_version(dlv: str) -> str:
    try:
        return read_build_info(os.path.realpath(dlv)).version
    except DevserverError:
        return ""


def _check_build(evidence: Evidence) -> Cause | None:
    if "Build error" not in evidence.run.rejection:
        return None
    output = evidence.run.output.partition("Build Error: ")[2].strip() or evidence.run.rejection
    remedy = "fix the reported compile errors, or change package or build_flags"
    return Cause("build", f"the program does not build: {output[:2000]}", remedy)


def _check_other_debugger(evidence: Evidence) -> Cause | None:
    pid = evidence.plan.pid
    if not pid or not _is_ptrace_error(evidence):
        return None
    tracer = tracer_of(pid)
    if not tracer:
        return None
    message = f"process {tracer} already debugs process {pid}"
    return Cause("ptrace", message, f"stop process {tracer}: a process can have only one debugger")


def _check_ptrace(evidence: Evidence) -> Cause | None:
    """Return which part of the kernel denied ptrace: the rule of the same user, Yama, or a seccomp filter."""
    if not _is_ptrace_error(evidence):
        return None
    plan, scope = evidence.plan, read_ptrace_scope()
    denied = f"the kernel does not let {plan.account.name} trace"
    owner = owner_id(plan.pid) if plan.pid else None
    if owner is not None and owner != plan.account.uid:
        return Cause("ptrace", f"{denied} process {plan.pid}: its owner has uid {owner}", "set user to its owner")
    if scope == "3" or (plan.pid and scope in ("1", "2")):
        return Cause(
            "ptrace", f"{denied}: kernel.yama.ptrace_scope is {scope}", "set it to 0 in debugger_kernel_parameters"
        )
    if has_seccomp_filter(evidence.run.status):
        remedy = "run the container with a seccomp profile that allows ptrace, or --cap-add=SYS_PTRACE"
        return Cause("ptrace", f"{denied}: dlv runs under a seccomp filter", remedy)
    remedy = "allow ptrace in the security module, or start the container with --cap-add=SYS_PTRACE"
    return Cause("ptrace", f"{denied}: {evidence.run.rejection}", remedy)


def _is_ptrace_error(evidence: Evidence) -> bool:
    # Later versions of dlv read /proc themselves, and report more than the kernel.
    patterns = ("operation not permitted", "ptrace_scope", "does not own the process", "already being debugged")
    return any(pattern in evidence.run.rejection for pattern in patterns)


def _check_program(evidence: Evidence) -> Cause | None:
    patterns = ("not an executable file", "could not read debug info", "no such file or directory", "permission denied")
    if not any(pattern in evidence.run.rejection for pattern in patterns):
        return None
    message = f"{evidence.plan.program or evidence.plan.package} cannot be debugged: {evidence.run.rejection}"
    return Cause("program", message, "set program to a Go binary for this host that the user may execute")


def _check_peer(evidence: Evidence) -> Cause | None:
    plan, greeting = evidence.plan, evidence.run.greeting
    reason = explain_peer(plan.address, greeting) if plan.remote and not plan.tls and greeting is not None else None
    return Cause(*reason) if reason else None


def _check_user(evidence: Evidence) -> Cause | None:
    """dlv closes loopback connections of other users without a response, and reports that only in its log."""
    plan = evidence.plan
    if not evidence.run.closed_without_response or not plan.remote or plan.tls or plan.address.path:
        return None
    closed = f"{plan.address} closed the connection of {plan.account.name} without a response"
    reason = "with --only-same-user dlv admits only its own user"
    return Cause("same-user", f"{closed}: {reason}", "set user to the user of that dlv, whose journal names both")


def _check_language(evidence: Evidence) -> Cause | None:
    """Later versions of dlv run any program, even without debug information of Go."""
    if not evidence.unset or not evidence.binary or evidence.binary.info:
        return None
    message = f"{evidence.binary.path} cannot be debugged: it has no Go build info"
    return Cause("program", message, "set program to a Go binary that was built with modules and is not packed")


def _check_stripped(evidence: Evidence) -> Cause | None:
    """dlv lists the file of a stripped program, from the table of the Go runtime, but finds no code for it."""
    file = evidence.unset.partition(_NO_FILE + " ")[2]
    listed = file in evidence.location.sources
    strip_flags = bool(re.search(r"(^|\s)[\"']?-[sw]\b", _build_settings(evidence.binary).get("-ldflags", "")))
    if not (listed or (evidence.unset and (strip_flags or "no debug info found" in evidence.run.output))):
        return None
    message = f"{_program_name(evidence)} has no debug information: it was stripped"
    return Cause("stripped", message, f"build it with {_DEBUG_FLAGS}, without -ldflags '-s -w', and do not strip it")


def _check_excluded(evidence: Evidence) -> Cause | None:
    """Compare the file with the output of ``go list`` for the tags and the platform of the binary."""
    package, source, name = evidence.package, evidence.source, os.path.basename(evidence.breakpoint.file)
    if not package or not source or not evidence.unset:
        return None
    if name in package.ignored:
        if source.cgo:
            message = f"{name} imports C, and the program is built with CGO_ENABLED=0"
            return Cause("excluded", message, "build with CGO_ENABLED=1 and a C compiler, or choose another file")
        reason = f"its line //go:build {source.constraint}" if source.constraint else "its name"
        message = f"{name} is excluded from this build by {reason}"
        return Cause("excluded", message, "add its tags to build_flags (-tags=...), or choose another file")
    if name in package.tests and evidence.plan.mode != "test":
        return Cause("excluded", f"{name} is a test file, which only tests contain", "set mode to test")
    return None


def _check_line_directive(evidence: Evidence) -> Cause | None:
    """A generated source, such as that of ragel or goyacc: its lines have the positions of another file."""
    directive = evidence.source.directive if evidence.source else None
    if not directive or not evidence.unset:
        return None
    file, line = evidence.breakpoint.file, evidence.breakpoint.line
    position = f"{directive.position.file}:{directive.position.line}"
    message = f"the directive at {file}:{directive.line} gives {file}:{line} the position {position}"
    return Cause("line-directive", message, f"set the breakpoint at {position}")


def _check_path(evidence: Evidence) -> Cause | None:
    source, location = evidence.source, evidence.location
    if _NO_FILE not in evidence.unset or not source:
        return None
    package = evidence.package
    rule = find_path_rule(
        evidence.breakpoint.file,
        location.sources,
        real=source.real,
        module=package.module if package else "",
        usable=location.usable,
    )
    if not rule:
        return None
    reason = {
        "trimpath": "it was built with -trimpath",
        "symlink": "the editor's path goes through a symbolic link",
        "vendor": "one is the vendored copy of the other",
    }.get(rule.kind, "it was built elsewhere, as in a container")
    message = f"the binary contains {evidence.breakpoint.file} with another path: {reason}"
    return Cause("path", message, f"add the rule from {rule.editor} to {rule.binary} to substitutePath", rule)


def _check_build_id(evidence: Evidence) -> Cause | None:
    binary, source, location = evidence.binary, evidence.source, evidence.location
    remedy = "build it from this source and start it again, or open the source that it was built from"
    if binary and binary.differs:
        return Cause("build-id", binary.differs, remedy)
    if location.function and location.moved(_last_possible_line(evidence, location.function.line)):
        name, line, source_line = location.function.name, location.function_line, location.function.line
        difference = f"{name} on line {line}, the source on line {source_line}"
        message = f"{_program_name(evidence)} has {difference}: it was built from another source"
        return Cause("build-id", message, remedy)
    if binary and source and source.modified > binary.modified and (evidence.unset or evidence.difference):
        message = f"{evidence.breakpoint.file} has been changed since {binary.path} was built"
        return Cause("build-id", message, remedy)
    return None


def _last_possible_line(evidence: Evidence, line: int) -> int:
    """Return the last possible line in the binary of a function on ``line`` of the source.

    An optimised function begins with its first statement.
    """
    exact = evidence.plan.builds or "-N" in _build_settings(evidence.binary).get("-gcflags", "")
    return line if exact or (evidence.hit and not evidence.hit.optimised) else evidence.breakpoint.line


def _check_linker(evidence: Evidence) -> Cause | None:
    function = evidence.location.function
    if not evidence.unset or not function or evidence.location.function_line != 0:
        return None
    message = f"{function.name} is not in the program: no code calls it, and the linker removed it"
    return Cause("dropped", message, "set mode to test, or choose a function that the program calls")


def _check_optimised(evidence: Evidence) -> Cause | None:
    built = (
        evidence.binary and evidence.binary.info and "-N" not in _build_settings(evidence.binary).get("-gcflags", "")
    )
    if not built and not any(hit.optimised for hit in evidence.run.hits.values()):
        return None
    message = (
        f"{_program_name(evidence)} was built with optimisations, which move, merge and inline lines and variables"
    )
    return Cause("optimised", message, f"build it with {_DEBUG_FLAGS}")


def _check_statement(evidence: Evidence) -> Cause | None:
    if not evidence.unset:
        return None
    if _NO_FILE in evidence.unset:
        problem = f"{evidence.breakpoint.file} is not part of {_program_name(evidence)}"
        directory = os.path.dirname(evidence.breakpoint.file)
        if directory in map(os.path.dirname, evidence.location.sources):
            message = f"{problem}: it contains no function that the program calls"
            return Cause("no-part", message, "choose a function that the program calls, or set mode to test")
        message = f"{problem}: no package of the program is in that directory"
        return Cause("no-part", message, "set package or program to the one with this file, or choose another file")
    if _NO_STATEMENT in evidence.unset:
        message = f"{evidence.breakpoint.file}:{evidence.breakpoint.line} contains no statement"
        return Cause("no-statement", message, "choose a line with a statement")
    remedy = "choose another line, or set the breakpoint by hand in a session of dlv with --log --log-output=dap"
    return Cause("refused", f"dlv set no breakpoint: {evidence.unset}", remedy)


def _check_reached(evidence: Evidence) -> Cause | None:
    """The breakpoint was set, but the program did not reach it."""
    if evidence.hit:
        return None
    problem = f"{evidence.breakpoint.file}:{evidence.breakpoint.line} was not reached"
    end = evidence.run.end
    reason = end.message if end else "the session ended"
    if end and end.kind == "time":
        remedy = "set args, trigger or another test so that the program reaches the line, or increase timeout"
        return Cause("not-reached", f"{problem} within {evidence.plan.timeout:g} s: {reason}", remedy)
    remedy = "set args or environment so that the program reaches the line, or choose another line"
    return Cause("ended", f"{problem}: {reason}", remedy)


def _difference_cause(evidence: Evidence) -> Cause:
    remedy = "change the expected variables or stack, or fix the program"
    return Cause("differs", evidence.difference or "only some sessions reached the breakpoint", remedy)


_CauseRule = t.Callable[[Evidence], t.Optional[Cause]]
_REJECTION_RULES: t.Sequence[_CauseRule] = (
    _check_version,
    _check_build,
    _check_other_debugger,
    _check_ptrace,
    _check_program,
)
_MISS_RULES: t.Sequence[_CauseRule] = (
    _check_peer,
    _check_user,
    _check_language,
    _check_stripped,
    _check_excluded,
    _check_line_directive,
    _check_path,
    _check_build_id,
    _check_optimised,
    _check_linker,
    _check_statement,
    _check_reached,
)


def _build_settings(binary: Binary | None) -> t.Mapping[str, str]:
    return binary.info.settings if binary and binary.info else {}


def _program_name(evidence: Evidence) -> str:
    return evidence.binary.path if evidence.binary else evidence.plan.program or "the program"
