# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traces fish's startup files: which file and line set which variable.

fish's own trace contains neither file nor line. Its events do: a handler of each variable prints the innermost place.
Inside of eval, of a pipe and of functions that is not the line of a startup file. Then the trace shows which commands
lead to the change, and the text of the outer one is searched in the file that is being read.
"""

from __future__ import annotations

import functools
import itertools
import re
import shlex
import typing as t

from .._core.go_variables import PERSISTENT_VARIABLES
from .._core.provenance import Assignment, Source
from .fish_lines import FishLines, read_file
from .scripts import FISH_HOOKS, FISH_TRACE, fill
from .startup import Startup

_NAMES = " ".join(
    sorted({"HOME", "PATH", "XDG_CONFIG_HOME", "GOROOT", "GOENV", "GOMEMLIMIT", "TMPDIR", *PERSISTENT_VARIABLES})
)
_NOTED = re.compile("\x01([^\x01]*)\x01([^\x01]*)\x01([^\x01]*)\x01|^(-*)> ([^\n]*)", re.MULTILINE)
# More assignments than any startup has.
_MOST = 10_000
# Characters of a call stack: the search takes the square of that.
_LONGEST_PLACE = 16384
# The innermost file: what "source" reads from a pipe has none.
_CALLER = re.compile(r"in event handler:.*?called on line (\d{1,9}) of file ([~/][^\0]*?)$", re.DOTALL | re.MULTILINE)
# In fish 4.0 it is the file alone: the line is always 1.
_CALLER_FILE = re.compile(r"in function '__trace_\w+' with arguments .*\n\tcalled on line 1 of file ([~/][^\n]*)\Z")
# The file, "not-autoloaded" and the like, the line.
_DEFINED = re.compile(r"(/[^\n\0]*)\n.*\n(\d{1,9})\n")
# What grep finds: of a variable that fish keeps for all of the user's shells. The words of a list have \x1e between
# them; what is no character is left as it is.
_UNIVERSAL = re.compile(r"(/[^\n\0]*?):(\d{1,9}):SETUVAR --export (--path )?(\w+):(.*)")
_ESCAPED = re.compile(r"\\(?:x([0-9a-f]{2})|u((?!d[89a-f])[0-9a-f]{4})|U(00(?:0[1-9a-f]|10)[0-9a-f]{4}))")
# And of a function that "alias" makes fish keeps no place.
_FOUND = re.compile(r"(/[^\n\0]*?):(\d{1,9}):")


# Commands that are no calls.
_BLOCKS = {"if", "for", "while", "begin", "switch", "and", "or", "not", "else", "case", "end"}
_SETS_LIMIT = re.compile(r"ulimit (?:.* )?[^- ]\S*$")


class _Step(t.NamedTuple):
    """A command in the trace, and the one before it at the same depth."""

    depth: int
    command: str
    before: str

    @property
    def word(self) -> str:
        return self.command.split(" ", 1)[0]

    @property
    def file(self) -> str:
        """The file that the command reads; empty for another command, and for a pipe."""
        return _file_read_by(self.command) if self.word in ("source", ".") else ""

    @property
    def hides_lines(self) -> bool:
        return self.word == "eval" or (self.word in ("source", ".") and not self.file)

    @property
    def text(self) -> str:
        """The command as a line of a file may have it: what reads a pipe is behind the command that writes it."""
        if self.word in ("source", ".") and not self.file:
            return f"{self.before} | {self.word}" if "/.psub." not in self.command else self.word
        return self.command.split("\\n", 1)[0]


# Each change has all commands that lead to it, mostly the same.
@functools.lru_cache(maxsize=1000)
def _file_read_by(command: str) -> str:
    try:
        name = shlex.split(command)[1:2]
    except ValueError:
        return ""
    return name[0] if name and name[0].startswith("/") and "/.psub." not in name[0] else ""


class Change(t.NamedTuple):
    """A change at ``place``, by the last of ``steps``; each of them is inside of the one before it."""

    name: str
    value: str
    place: Source | None
    steps: t.Sequence[_Step]

    @property
    def read(self) -> str:
        """The file that is being read; empty at a prompt."""
        return next((step.file for step in reversed(self.steps) if step.file), "")

    @property
    def inner(self) -> list[_Step]:
        """The commands in the file that is being read, without blocks."""
        start = max((number for number, step in enumerate(self.steps, 1) if step.file), default=0)
        return [step for step in self.steps[start:] if step.word not in _BLOCKS]

    @property
    def is_exact(self) -> bool:
        """Whether the place is a line of the file that is being read."""
        hidden = any(step.hides_lines for step in self.inner)
        return self.place is not None and bool(self.place.line) and not hidden and self.read in ("", self.place.file)


def trace_fish(start_up: Startup, timeout: float) -> list[Assignment]:
    """Start fish and return the assignments in its startup files, in order."""
    script = fill(FISH_TRACE, {"NAMES": _NAMES, "THEN": FISH_HOOKS if start_up.prompts else ""})
    completed = start_up.run(["fish", *start_up.options, "--no-config", "-c", script], timeout)
    if "--no-config" in completed.stderr:
        # fish before 3.3 has no such option: it has read the files once more before the script, which changes no value.
        completed = start_up.run(["fish", *start_up.options, "-c", script], timeout)
    changes = list(itertools.islice(parse_changes(completed.stderr, start_up.account.home, start_up.env), _MOST))
    files = sorted({_file_of(change) for change in changes if not change.is_exact} - {""})
    lines = {file: read_file(file, start_up.account, timeout) for file in files}
    return [item for item in (_assignment(change, lines) for change in changes) if item]


def parse_changes(noted: str, home: str, environment: t.Container[str] = ()) -> t.Iterator[Change]:
    """Yield the changes in the output of the handlers, with fish's ``~`` expanded.

    A universal variable is ignored if ``environment`` has a variable of that name.
    """
    steps: list[_Step] = []
    for name, value, place, dashes, command in _NOTED.findall(noted):
        if command:
            before = ""
            while steps and steps[-1].depth >= len(dashes):
                before = steps.pop().command
            steps.append(_Step(len(dashes), command, before))
            if _SETS_LIMIT.match(command):
                yield Change("ulimit", command, None, tuple(steps))
            continue
        kept = _UNIVERSAL.match(place)
        if kept and kept.group(4) not in environment:
            universal = _universal(kept)
            yield Change(universal.name, universal.value, universal.source, ())
        elif not kept:
            defined = name.endswith(" go")
            yield Change(name, value, _place(place[:_LONGEST_PLACE], home), () if defined else tuple(steps))


def _place(text: str, home: str) -> Source | None:
    """Return the place in a call stack, or that of a definition."""
    defined, called = _DEFINED.match(text) or _FOUND.match(text), _CALLER.search(text)
    if defined:
        return Source("file", defined.group(1), int(defined.group(2)))
    if called:
        return Source("file", _expanded(called.group(2), home), int(called.group(1)))
    caller = _CALLER_FILE.search(text)
    return Source("file", _expanded(caller.group(1), home)) if caller else None


def _expanded(file: str, home: str) -> str:
    return re.sub(r"\A~(?=/)", lambda _tilde: home, file)


def _file_of(change: Change) -> str:
    return change.read or (change.place.file if change.place else "") or ""


def _assignment(change: Change, lines: t.Mapping[str, FishLines]) -> Assignment | None:
    """Return a change with the line of the file that is being read: of its eval, its outermost command or the last."""
    place, file = change.place, _file_of(change)
    if not change.is_exact and file in lines:
        evals = [step for step in reversed(change.inner) if step.hides_lines]
        steps = [*evals, *change.inner[:1], *change.inner[-1:]]
        place_of_text = next(filter(None, (_line(step, lines[file]) for step in steps)), None)
        # A file that "psub" makes is another one each time.
        elsewhere = place and place.file != file and "/.psub." not in str(place)
        by = str(place) if elsewhere else None
        place = (place_of_text or Source("file", file))._replace(by=by)
    return Assignment(change.name, change.value, place) if place else None


def _line(step: _Step, lines: FishLines) -> Source | None:
    """Return the line with the text of a command; the last one of several, because that decides."""
    for sources in (lines.with_command(step.text), lines.like(step.text)):
        if sources:
            return sources[-1]
    others = lines.with_command(step.word)
    return others[0] if len(others) == 1 else None


def _universal(kept: re.Match[str]) -> Assignment:
    """Return the universal variable in a line of fish's own file."""
    file, line, is_path, name, escaped = kept.groups()
    value = _ESCAPED.sub(lambda code: chr(int("".join(filter(None, code.groups())), 16)), escaped)
    return Assignment(name, value.replace("\x1e", ":" if is_path else " "), Source("file", file, int(line)))
