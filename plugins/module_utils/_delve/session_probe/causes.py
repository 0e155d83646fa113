# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a breakpoint was missed: one rule for each cause, the surest first, each of which looks at the evidence."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.evidence import Binary, Evidence
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.paths import Rule, mapping
from ansible_collections.gopherops.devserver.plugins.module_utils._host.procfs import (
    has_seccomp_filter,
    owner_id,
    read_ptrace_scope,
    tracer_of,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.build_info import read_build_info
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.support import incompatibility

_DLV = "github.com/go-delve/delve/cmd/dlv"
_FULL = "-gcflags='all=-N -l'"
_NO_FILE, _NO_STATEMENT = "could not find file", "could not find statement"


class Cause(t.NamedTuple):
    """A cause by its stable name, in words, and what mends it."""

    name: str
    what: str
    remedy: str
    rule: Rule | None = None


def cause_of(evidence: Evidence) -> Cause:
    """Return the first cause that ``evidence`` speaks for."""
    for rule in _OF_A_REFUSAL if evidence.run.refusal else _OF_A_MISS:
        cause = rule(evidence)
        if cause:
            return cause
    if evidence.run.refusal:
        return Cause("refused", f"dlv refused: {evidence.run.refusal}", "mend what it names")
    return _reached_otherwise(evidence)


def _version_bounds(evidence: Evidence) -> Cause | None:
    match = re.search(
        r"(?:Version of (?:Delve|Go)|Go version \S+) is too (?:old|new).*", evidence.run.refusal, re.DOTALL
    )
    if not match:
        return None
    go = re.search(r"go\d+\.\d+(?:\.\d+)?", match.group())
    version = _version_of(evidence.plan.dlv)
    which = incompatibility(_DLV, version, go.group()) if go and version else ""
    remedy = "pin the dlv that goes with that Go in devserver_tools, or build with a Go that this dlv takes"
    return Cause("version", f"{match.group().strip()}{'; ' if which else ''}{which}", remedy)


def _version_of(dlv: str) -> str:
    try:
        return read_build_info(os.path.realpath(dlv)).version
    except DevserverError:
        return ""


def _build_failed(evidence: Evidence) -> Cause | None:
    if "Build error" not in evidence.run.refusal:
        return None
    said = evidence.run.output.partition("Build Error: ")[2].strip() or evidence.run.refusal
    return Cause(
        "build", f"the program does not build: {said[:2000]}", "mend what go names; package and build_flags too"
    )


def _traced_already(evidence: Evidence) -> Cause | None:
    pid = evidence.plan.pid
    if not pid or not _not_permitted(evidence):
        return None
    tracer = tracer_of(pid)
    if not tracer:
        return None
    what = f"process {pid} is debugged by process {tracer} already"
    return Cause("ptrace", what, f"end the debugger {tracer} first; a process has one at a time")


def _ptrace_refused(evidence: Evidence) -> Cause | None:
    """Tell who it was that refused: the filter that dlv runs under, Yama, or the plain rule of the same user."""
    if not _not_permitted(evidence):
        return None
    plan, scope = evidence.plan, read_ptrace_scope()
    who = f"the kernel does not let {plan.account.name} trace"
    owner = owner_id(plan.pid) if plan.pid else None
    if owner is not None and owner != plan.account.uid:
        return Cause("ptrace", f"{who} process {plan.pid}: it belongs to uid {owner}", "probe as the user who runs it")
    if scope == "3" or (plan.pid and scope in ("1", "2")):
        return Cause("ptrace", f"{who}: kernel.yama.ptrace_scope is {scope}", "set it to 0 by the role debugger")
    if has_seccomp_filter(evidence.run.status):
        remedy = "run the container with a seccomp profile that allows ptrace, or --cap-add=SYS_PTRACE"
        return Cause("ptrace", f"{who}: a seccomp filter is on dlv", remedy)
    remedy = "look for a security module, or for a container that lacks --cap-add=SYS_PTRACE"
    return Cause("ptrace", f"{who}: {evidence.run.refusal}", remedy)


def _not_permitted(evidence: Evidence) -> bool:
    # Later versions of dlv look at /proc themselves, and say what the kernel would not have said.
    signs = ("operation not permitted", "ptrace_scope", "does not own the process", "already being debugged")
    return any(sign in evidence.run.refusal for sign in signs)


def _no_go_program(evidence: Evidence) -> Cause | None:
    signs = ("not an executable file", "could not read debug info", "no such file or directory", "permission denied")
    if not any(sign in evidence.run.refusal for sign in signs):
        return None
    what = f"{evidence.plan.program or evidence.plan.package} cannot be debugged: {evidence.run.refusal}"
    return Cause("program", what, "name a Go binary for this host that the user may run, and not on a noexec mount")


def _of_another_user(evidence: Evidence) -> Cause | None:
    """Tell what dlv tells nobody but its log: on the loopback it looks up whose the other end is, and hangs up."""
    plan = evidence.plan
    if not evidence.run.turned_away or not plan.remote or plan.tls or plan.address.path:
        return None
    what = f"what listens at {plan.address} hung up on {plan.account.name} without an answer"
    why = "with --only-same-user dlv lets in nobody but its own user"
    return Cause("same-user", f"{what}: {why}", "probe as the user who runs that dlv; its journal names who came")


def _of_another_language(evidence: Evidence) -> Cause | None:
    """Later versions of dlv run any program, even where they find nothing in it."""
    if not evidence.unset or not evidence.binary or evidence.binary.info:
        return None
    what = f"{evidence.binary.path} cannot be debugged: it has no build info of Go"
    return Cause("program", what, "name a Go binary, built with modules and not packed")


def _stripped(evidence: Evidence) -> Cause | None:
    """Tell by dlv itself: it lists the file, from the table that the runtime needs, and finds no code of it."""
    looked_for = evidence.unset.partition(_NO_FILE + " ")[2]
    listed = looked_for in evidence.asked.sources
    asked_for = bool(re.search(r"(^|\s)[\"']?-[sw]\b", _settings(evidence.binary).get("-ldflags", "")))
    if not (listed or (evidence.unset and (asked_for or "no debug info found" in evidence.run.output))):
        return None
    what = f"{_binary(evidence)} carries no debug information: it was stripped"
    return Cause("stripped", what, f"build it without -ldflags '-s -w', with {_FULL}, and never strip it")


def _excluded(evidence: Evidence) -> Cause | None:
    """Tell by go itself, asked with the binary's tags and platform."""
    package, source, name = evidence.package, evidence.source, os.path.basename(evidence.wanted.file)
    if not package or not source or not evidence.unset:
        return None
    if name in package.ignored:
        if source.cgo:
            what = f"{name} imports C, and the program is built with CGO_ENABLED=0"
            return Cause("excluded", what, "build with CGO_ENABLED=1 and a C compiler, or choose another file")
        why = f"its line //go:build {source.constraint}" if source.constraint else "its name"
        what = f"{name} is left out of this build by {why}"
        return Cause(
            "excluded", what, "add the tags that it asks for to build_flags (-tags=...), or choose another file"
        )
    if name in package.tests and evidence.plan.mode != "test":
        return Cause("excluded", f"{name} is a test file, which is built only for tests", "use mode test")
    return None


def _path_mapping(evidence: Evidence) -> Cause | None:
    source, asked = evidence.source, evidence.asked
    if _NO_FILE not in evidence.unset or not source:
        return None
    package = evidence.package
    rule = mapping(
        evidence.wanted.file,
        asked.sources,
        real=source.real,
        module=package.module if package else "",
        usable=asked.usable,
    )
    if not rule:
        return None
    why = {
        "trimpath": "it was built with -trimpath",
        "symlink": "the editor's path goes through a symbolic link",
        "vendor": "one is the vendored copy of the other",
    }.get(rule.kind, "it was built elsewhere, as in a container")
    what = f"the binary knows {evidence.wanted.file} below another path: {why}"
    return Cause("path", what, f"add the rule from {rule.editor} to {rule.binary} to substitutePath", rule)


def _another_build(evidence: Evidence) -> Cause | None:
    binary, source, asked = evidence.binary, evidence.source, evidence.asked
    remedy = "build and start it again from this source, or open the source that it was built from"
    if binary and binary.differs:
        return Cause("build-id", binary.differs, remedy)
    if asked.function and asked.moved(_last_line_of_beginning(evidence, asked.function.line)):
        name, line, here = asked.function.name, asked.function_line, asked.function.line
        what = f"{_binary(evidence)} has {name} on line {line}, the source on line {here}: it is of another source"
        return Cause("build-id", what, remedy)
    if binary and source and source.modified > binary.modified and (evidence.unset or evidence.wrong):
        what = f"{evidence.wanted.file} has been changed since {binary.path} was built"
        return Cause("build-id", what, remedy)
    return None


def _last_line_of_beginning(evidence: Evidence, here: int) -> int:
    """Return the last line on which the binary may have a function of line ``here``.

    Optimised, it begins with its first statement.
    """
    sure = evidence.plan.builds or "-N" in _settings(evidence.binary).get("-gcflags", "")
    return here if sure or (evidence.hit and not evidence.hit.optimised) else evidence.wanted.line


def _dropped(evidence: Evidence) -> Cause | None:
    function = evidence.asked.function
    if not evidence.unset or not function or evidence.asked.function_line != 0:
        return None
    what = f"{function.name} is not in the program: nothing in it calls that function, so the linker left it out"
    return Cause("dropped", what, "probe the package's tests (mode test), or a function that the program uses")


def _optimised(evidence: Evidence) -> Cause | None:
    built = evidence.binary and evidence.binary.info and "-N" not in _settings(evidence.binary).get("-gcflags", "")
    if not built and not any(hit.optimised for hit in evidence.run.hits.values()):
        return None
    what = f"{_binary(evidence)} was built with optimisations, which move, merge and inline lines and variables"
    return Cause("optimised", what, f"build it with {_FULL}")


def _no_statement(evidence: Evidence) -> Cause | None:
    if not evidence.unset:
        return None
    if _NO_FILE in evidence.unset:
        what = f"{evidence.wanted.file} is no part of {_binary(evidence)}: no package of the program is in that folder"
        return Cause("no-part", what, "correct package or program, or choose a file of the program")
    if _NO_STATEMENT in evidence.unset:
        what = f"{evidence.wanted.file}:{evidence.wanted.line} holds no statement"
        return Cause("no-statement", what, "choose a line on which something is done")
    return Cause("refused", f"dlv set no breakpoint: {evidence.unset}", "mend what it names")


def _ended_before(evidence: Evidence) -> Cause | None:
    """What was set and not reached: the program went another way."""
    if evidence.hit:
        return None
    where = f"{evidence.wanted.file}:{evidence.wanted.line} was not reached"
    ended = evidence.run.ended
    words = ended.words if ended else "the session ended"
    if ended and ended.kind == "time":
        remedy = "have the program come by: args, trigger, another unit test; or allow more time"
        return Cause("not-reached", f"{where} within {evidence.plan.timeout:g} s: {words}", remedy)
    remedy = "give the args, environment or input with which the program comes by, or choose another line"
    return Cause("ended", f"{where}: {words}", remedy)


def _reached_otherwise(evidence: Evidence) -> Cause:
    remedy = "correct what is expected there, or the program"
    return Cause("differs", evidence.wrong or "the breakpoint was reached in some runs only", remedy)


_Rule = t.Callable[[Evidence], t.Optional[Cause]]
_OF_A_REFUSAL: t.Sequence[_Rule] = (_version_bounds, _build_failed, _traced_already, _ptrace_refused, _no_go_program)
_OF_A_MISS: t.Sequence[_Rule] = (
    _of_another_user,
    _of_another_language,
    _stripped,
    _excluded,
    _path_mapping,
    _another_build,
    _optimised,
    _dropped,
    _no_statement,
    _ended_before,
)


def _settings(binary: Binary | None) -> t.Mapping[str, str]:
    return binary.info.settings if binary and binary.info else {}


def _binary(evidence: Evidence) -> str:
    return evidence.binary.path if evidence.binary else evidence.plan.program or "the program"
