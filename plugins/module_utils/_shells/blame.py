# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the line at which a startup fails: in its error message, or by a second run with a timed trace."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import typing as t

from .._core.provenance import Source
from .._host.command import SYSTEM_PATH, Completed, run
from .._host.path_names import is_below
from . import fish_blame
from .fish_blame import command_lines
from .scripts import (
    BASH_XTRACE,
    FINISH,
    FINISHED,
    PROMPTS,
    SH_MERGE_OUTPUT,
    SH_PRINT_LEFT,
    fill,
    quoted,
    source_files,
)
from .shell_query import visible
from .startup import Startup

_MARK = "\x01"
_BASH = f"{_MARK}${{EPOCHREALTIME}}{_MARK}${{BASH_SOURCE}}{_MARK}${{LINENO}}{_MARK}"
_ZSH = f"{_MARK}%D{{%s.%6.}}{_MARK}%x{_MARK}%I{_MARK}"
# Time, file, line, command and output. A startup may print text of this form: all numbers have a length that fits.
_PLACED = f"((?:\\d{{1,12}}(?:[.,]\\d{{1,9}})?)?){_MARK}([^{_MARK}\n\0]*){_MARK}(\\d{{1,9}})"
_STEP = re.compile(f"(?<!{_MARK}){_MARK}+{_PLACED}{_MARK}([^\n]*)\n?([^{_MARK}]*)")
_TOGETHER = ["/bin/sh", "-c", SH_MERGE_OUTPUT, "sh"]
# The end as bash traces it, wherever it is printed to.
_REACHED_END = re.compile(rf"{_MARK}{re.escape(FINISH)}\r?$", re.MULTILINE)
# Redirections, which are all that this one has, are in no trace.
_REDIRECTING = "exec"
# The formats of a file and line in bash, zsh, fish, sshd and this collection, and of an unreadable file in bash.
_PLACE = re.compile(r"(?:^|\s)((?:/|~/)[^:\n\0]*?)(?:: line |:| \(line | line )(\d{1,9})\b")
_FILE = re.compile(r"(?:^|\s)((?:/|~/)[^:\n\0]*): Permission denied")
# Of a file as a whole.
_WHOLE = re.compile(
    r"(?:^|\s|')((?:/|~/)[^:\n\0']*?)"
    r"(?:: (?:[Ii]s a directory|Too many levels of symbolic links)|'? is not a (?:file|directory|regular file))\b"
)
# Characters: the search takes the square of that.
_LONGEST_MESSAGE = 4096
_BROKEN = re.compile("syntax error|parse error|unexpected", re.IGNORECASE)
# How bash, dash and zsh report an assignment to a readonly variable, and the commands that make it one.
_READONLY = re.compile(r"\b(?:(\w+): (?:readonly variable|is read only)|read-only variable: (\w+))")
_MAKES_READONLY = r"(?:readonly|(?:declare|typeset|local) (?:\S+ )*-\w*r\w*)\b.*\b{}\b"
# How programs and shells report a limit that is too low, and the commands that limit resources.
_LACKS = re.compile("Resource temporarily unavailable|Cannot allocate memory|Too many open files|[Cc]annot fork")
_LIMITS = re.compile(r"(?:builtin )?u?limit .*\d")
# How programs report that their directory was deleted, and the commands by which a shell enters one.
_LOST_DIRECTORY = re.compile(r"\bgetcwd\b|retrieving current directory")
_ENTERS = re.compile(r"(?:builtin )?(?:cd|pushd|popd)\b")
# Files of this collection, which are not the cause.
_OWN = re.compile(r"/etc/gopherops/|.*/zz-gopherops-go\b")
# The format of dash for its standard startup; for a script it includes the name.
_UNNAMED = re.compile(r": \S*sh: \d+: Syntax error")
_SSHD = "/usr/sbin/sshd"
# After these commands a shell prints no trace.
_BLIND = re.compile(r"set \+x|set \+o xtrace|(unset |export )?PS4")

# A line is the cause of a slow startup if it took more than this part of the time.
_SHARE = 3
# More steps than any startup has that finishes.
_ROUND = 20000


class _Step(t.NamedTuple):
    """One traced command: its start (seconds), its place, and the output until the next one."""

    began: float
    source: Source
    command: str
    printed: str


def parse_place(message: str, home: str) -> Source | None:
    """Return the file, and the line if present, in an error message; ``~`` is ``home``."""
    message = message[:_LONGEST_MESSAGE]
    denied = _FILE.search(message)
    # If a startup file is unreadable, the line that reads it is not the cause.
    hidden = denied and os.path.basename(denied.group(1)).startswith(".")
    match = denied if hidden else _PLACE.search(message) or denied or _WHOLE.search(message)
    if not match:
        return None
    file = re.sub(r"\A~", lambda _match: home, match.group(1))
    return Source("file", file, int(match.group(2)) if match.re is _PLACE else None)


def find_sshd_error(timeout: float) -> str:
    """Return the error of sshd for its configuration, with file and line; empty if that is valid."""
    if not os.path.exists(_SSHD):
        return ""
    completed = run([_SSHD, "-t"], env={"PATH": SYSTEM_PATH}, timeout=timeout)
    return next((line for line in completed.stderr.splitlines() if _PLACE.search(line)), "")


def find_printing_line(start_up: Startup, output: str, timeout: float) -> Source | None:
    """Return the line of a startup that prints ``output``; None if it is unknown."""
    named = _place_in(output, start_up)
    # A file of the host is not the place to correct if the user's own line prints its name.
    if named and is_below(named.file or "", start_up.account.home) and not _has_other_cause(output):
        return named
    places = (_printing_line(part, output, timeout) for part in start_up.parts)
    return next(filter(None, places), named)


def _has_other_cause(output: str) -> bool:
    """Return whether a message is about what an earlier line has done."""
    return _READONLY.search(output) is not None or is_lost_directory(output)


def is_lost_directory(output: str) -> bool:
    """Return whether a message has the cause that the directory of its process was deleted."""
    return _LOST_DIRECTORY.search(output[:_LONGEST_MESSAGE]) is not None


def _place_in(message: str, start_up: Startup) -> Source | None:
    """Return the place in a message that a startup prints, if it may read that file."""
    place = parse_place(message, start_up.account.home)
    return place if place and start_up.may_read(place.file or "") else None


def _printing_line(part: Startup, output: str, timeout: float) -> Source | None:
    completed = _trace_startup(part, timeout)
    if completed is None and is_lost_directory(output):
        return fish_blame.find_only_command("cd", part.account, timeout)
    if completed is None:
        return fish_blame.find_only_line(output, part.account, timeout)
    steps = _steps(completed, part)
    if is_lost_directory(output):
        return _last_command(steps, _ENTERS)
    fixed = _readonly_line(output, steps)
    if fixed:
        return fixed
    for step in steps:
        if output in map(visible, step.printed.splitlines()):
            return step.source
    # The trace may be by another shell than the user's, with other error messages.
    places = (_place_in(line, part) for step in steps for line in step.printed.splitlines())
    return next(filter(None, places), None)


def find_slowest_line(start_up: Startup, timeout: float) -> Source | None:
    """Return the line of a startup with the largest total time; None if others together took most of it.

    On a busy host every line is slow, and none is the cause.
    """
    slowest = [item for item in (_slowest_line(part, timeout) for part in start_up.parts) if item]
    return max(slowest, key=lambda item: item[0])[1] if slowest else None


def _slowest_line(part: Startup, timeout: float) -> tuple[float, Source | None] | None:
    """Return the seconds of the slowest line, and that line; None if there is none."""
    if part.shell == "fish":
        return fish_blame.find_slowest_line(part, timeout)
    completed = _trace_startup(part, timeout)
    steps = _steps(completed, part)
    if not completed or not steps:
        return None
    seconds, source = max((seconds, source) for source, seconds in _spent(steps, completed).items())
    # The time of the last one includes that of the process itself.
    is_cause = source == steps[-1].source._replace(by=None) or _SHARE * seconds > steps[-1].began - steps[0].began
    return seconds, source if is_cause else None


def _spent(steps: t.Sequence[_Step], completed: Completed) -> dict[Source, float]:
    """Return the total seconds of each line."""
    ends = [*(step.began for step in steps[1:]), steps[0].began + completed.seconds]
    spent: dict[Source, float] = {}
    for step, end in zip(steps, ends):
        source = step.source._replace(by=None)
        spent[source] = spent.get(source, 0.0) + end - step.began
    return spent


def find_last_line(start_up: Startup, timeout: float) -> Source | None:
    """Return the line at which a startup exits early or hangs.

    None if the startup finishes, or is only slow: then no single line is the cause.
    """
    *before, shell = start_up.parts
    # How these end does not matter to the shell.
    hanging = (_last_line(part, timeout, hangs=True) for part in before)
    return next(filter(None, hanging), None) or _last_line(shell, timeout)


def _last_line(start_up: Startup, timeout: float, *, hangs: bool = False) -> Source | None:
    if start_up.shell == "fish":
        at = fish_blame.find_last_line(start_up, timeout)
        return None if at and _OWN.match(at.file or "") else at
    completed = _trace_startup(start_up, timeout)
    if hangs and (completed is None or completed.returncode is not None):
        return None
    steps = _steps(completed, start_up)
    errors = (line for step in steps for line in step.printed.splitlines() if _BROKEN.search(line))
    broken = next(filter(None, (_place_in(line, start_up) for line in errors)), None)
    broken = broken or (_readonly_line(steps[-1].printed, steps) if steps else None)
    if broken or not completed or FINISHED in completed.stdout:
        return broken
    # It finishes, but the output of the command is redirected.
    if _REACHED_END.search(completed.stdout):
        return next((step.source for step in reversed(steps) if step.command == _REDIRECTING), None)
    # Opening a file that is a pipe hangs.
    unread = _file_being_opened(completed)
    if unread:
        return unread
    if not steps or _BLIND.match(steps[-1].command):
        return None
    # The last command may be in a prompt, or be the observed one.
    if start_up.prompts and not _traced(completed)[-1][1].startswith("/"):
        return None
    return steps[-1].source if completed.returncode is not None or _hangs(steps, completed) else None


def find_process_left(start_up: Startup, timeout: float) -> tuple[str, Source | None]:
    """Return the command of a process that a startup leaves running, and the line that starts it; empty for none.

    A process whose environment was replaced is not recognized.
    """
    shell = start_up.parts[-1]
    shell = shell._replace(env={**shell.env, "GOPHEROPS_STARTUP": secrets.token_hex(8)})
    command = f"/bin/sh -c {shlex.quote(SH_PRINT_LEFT)}"
    if shell.shell == "fish":
        return fish_blame.find_process_left(shell, command, timeout)
    completed = _trace_startup(shell, timeout, f"{FINISH}\n{command}")
    left = command_lines(completed.stdout.rpartition(FINISHED)[2]) if completed else []
    for step in reversed(_steps(completed, shell)):
        words = _words(step.command)
        if any(words[-len(process) :] == process for process in left):
            return " ".join(words), step.source
    return "", None


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return []


def find_unparseable_line(start_up: Startup, problem: str, timeout: float) -> Source | None:
    """Return the line that the user's shell cannot parse, if its error message contains no file."""
    if not _UNNAMED.search(problem):
        return None
    account = start_up.account
    for file in [*start_up.files, *start_up.first_of]:
        completed = run([account.shell, "-n", file], env={"PATH": SYSTEM_PATH}, account=account, timeout=timeout)
        place = parse_place(completed.stderr.replace(": ", ":"), account.home) if completed.returncode else None
        if place:
            return place
    return None


def find_limiting_line(start_up: Startup, problem: str, timeout: float) -> Source | None:
    """Return the last line that limits resources, if the message in ``problem`` has such a cause."""
    if not is_lack_of_resources(problem):
        return None
    sources = (_last_command(_steps(_trace_startup(part, timeout), part), _LIMITS) for part in start_up.parts)
    return next(filter(None, sources), None)


def is_lack_of_resources(problem: str) -> bool:
    """Return whether a message has the cause that a resource limit is too low."""
    return _LACKS.search(problem) is not None


def _last_command(steps: t.Sequence[_Step], command: t.Pattern[str]) -> Source | None:
    return next((step.source for step in reversed(steps) if command.match(step.command)), None)


def _hangs(steps: t.Sequence[_Step], completed: Completed) -> bool:
    """Return whether one line took most of the time, or the startup loops: on a busy host all lines are slow."""
    last = steps[-1].source._replace(by=None)
    if _OWN.match(last.file or ""):
        return False
    return len(steps) > _ROUND or 2 * _spent(steps, completed)[last] > completed.seconds


def _readonly_line(message: str, steps: t.Sequence[_Step]) -> Source | None:
    """Return the line that made a variable readonly, if ``message`` reports that an assignment to it failed."""
    match = _READONLY.search(message[:_LONGEST_MESSAGE])
    if not match:
        return None
    return _last_command(steps, re.compile(_MAKES_READONLY.format(match.group(1) or match.group(2))))


def _file_being_opened(completed: Completed) -> Source | None:
    """Return the startup file that the shell is opening, if it has run no line of it."""
    commands = _traced(completed)
    words = commands[-1][3].split(" ", 1) if commands and not commands[-1][1] else []
    try:
        return Source("file", "".join(shlex.split(words[1]))) if len(words) > 1 and words[0] == "." else None
    except ValueError:
        return None  # Its name goes on in the next line, or was cut off.


def _steps(completed: Completed | None, start_up: Startup) -> list[_Step]:
    """Return the traced commands in files; those of other files than startup files are at the line before them."""
    steps: list[_Step] = []
    known: Source | None = None
    for began, file, line, command, printed in _traced(completed) if completed else ():
        if not file.startswith("/") or file.endswith("logout"):
            continue
        source = Source("file", file, int(line))
        known = source if start_up.may_read(file) else known and known._replace(by=str(source))
        if known:
            steps.append(_Step(float(began.replace(",", ".") or 0), known, command, printed))
    return steps


def _traced(completed: Completed) -> list[tuple[str, ...]]:
    """Return the groups of ``_STEP`` for each traced command, also for those outside of files."""
    return _STEP.findall(completed.stdout.replace("\r\n", "\n"))


def _trace_startup(start_up: Startup, timeout: float, finish: str = FINISH) -> Completed | None:
    """Return the trace of a startup, which ends with ``finish``; None if no shell can trace it, as for fish."""
    prompt = PROMPTS.get(start_up.shell, "") if start_up.prompts else ""
    if start_up.shell == "zsh":
        argv = [*_TOGETHER, "zsh", "-x", *start_up.options, "-c", f"{prompt or ':'}\n{finish}"]
        return start_up.run(argv, timeout, {"PS4": _ZSH})
    if start_up.shell == "fish" or not [*start_up.files, *start_up.first_of]:
        return None
    marks = {
        # Other shells end where POSIX lets them: at a missing file, and at an assignment that fails.
        "OPTIONS": "" if start_up.shell == "bash" else "set -o posix",
        "TRACE_PROMPT": quoted([_BASH]),
        "SOURCE": source_files(start_up.files, start_up.first_of),
        "THEN": start_up.then + prompt,
        "FINISH": finish,
    }
    return start_up.run(["bash", *start_up.unread, "-c", fill(BASH_XTRACE, marks)], timeout)
