# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the line at which a startup of fish fails: fish traces commands and their times, but not their places.

The text of a command is searched in the startup files; if exactly one line has it, that is the place. Otherwise it is
the place of the call, the loop or another block that contains the command.
"""

from __future__ import annotations

import os
import re
import typing as t

from .._core.provenance import Source
from .._host.accounts import Account
from .fish_lines import FishLines, read_startup_files
from .scripts import FISH_HALF_TIME, FISH_HOOKS, FISH_PROMPT, SH_PRINT_FISH_PROFILE, SH_TRACE_FISH
from .startup import Startup, user_directory

# Microseconds by itself and with its parts, depth, and the first line of the command.
_TIMED = re.compile(r"^[ \t]*(\d{1,15})[ \t]+\d+[ \t]+(-*)> (.*?)(?:\.\.\.|\u2026)?$", re.MULTILINE)
_STEP = re.compile(rf"^(?:(-*)> (.*)|{FISH_HALF_TIME}(.*))\n", re.MULTILINE)
# Commands that contain other steps, besides the functions of a startup.
_BLOCKS = {"begin", "if", "for", "while", "switch", "source", "eval"}
# More steps than any startup has that finishes.
_ROUND = 20000


class _FishStep(t.NamedTuple):
    """A command, how deep it is in others, and how long it took by itself (microseconds)."""

    depth: int
    command: str
    time: int = 0


def find_only_line(output: str, account: Account, timeout: float) -> Source | None:
    """Return the line of the startup files with the text of ``output``; None if several have it."""
    return _only(read_startup_files(account, timeout).printing(output))


def find_only_command(command: str, account: Account, timeout: float) -> Source | None:
    """Return the line of the startup files with a command; None if several have it."""
    return _only(read_startup_files(account, timeout).with_command(command))


def find_slowest_line(start_up: Startup, timeout: float) -> tuple[float, Source | None] | None:
    """Return the seconds of the slowest line, and that line; None for the line if commands without one take more."""
    with user_directory(start_up.account) as directory:
        profile = os.path.join(directory, "profile")
        options = [f"--profile-startup={profile}", f"--profile={profile}"]
        command = FISH_PROMPT if start_up.prompts else "true"
        fish = [start_up.account.shell, *start_up.options, *options, "-c", command]
        completed = start_up.run(["/bin/sh", "-c", SH_PRINT_FISH_PROFILE, profile, *fish], timeout)
    steps = [_FishStep(len(dashes), command, int(time)) for time, dashes, command in _TIMED.findall(completed.stderr)]
    spent: dict[Source | None, int] = {}
    for step, source in zip(steps, _places(steps, read_startup_files(start_up.account, timeout))):
        spent[source] = spent.get(source, 0) + step.time
    slowest = max(spent, key=lambda source: spent[source]) if spent else None
    return (spent[slowest] / 1e6, slowest) if spent else None


def find_last_line(start_up: Startup, timeout: float) -> Source | None:
    """Return the line at which a startup exits early or hangs; None if it finishes, or is only slow."""
    command = FISH_HOOKS if start_up.prompts else "true"
    argv = ["/bin/sh", "-c", SH_TRACE_FISH, str(timeout / 2), start_up.account.shell, *start_up.options, "-c", command]
    completed = start_up.run(argv, timeout, {"fish_trace": "all"})
    matches = _STEP.findall(completed.stderr)
    steps = [_FishStep(len(dashes), command) for dashes, command, mark in matches if not mark]
    ended = completed.returncode is not None
    came_to_end = ended and _FishStep(0, command.splitlines()[0]) in steps
    if came_to_end or not steps or "fish_trace" in steps[-1].command:
        return None
    lines = read_startup_files(start_up.account, timeout)
    leaves = ended and steps[-1].command.split(" ")[0] == "exit"
    # A program that replaces the shell is in no trace.
    if (ended and not leaves) or {mark for *_step, mark in matches} - {"", "fish"}:
        return _only(lines.with_command("exec"))
    hangs = matches[-1][2] == "fish" or len(steps) > _ROUND
    return list(_places(steps, lines))[-1] if leaves or hangs else None


def find_process_left(start_up: Startup, command: str, timeout: float) -> tuple[str, Source | None]:
    """Return the command of a process that a startup leaves, as ``command`` prints them, and its line; empty for none.

    Its text must be in exactly one line.
    """
    completed = start_up.run([start_up.account.shell, *start_up.options, "-c", command], timeout)
    lines = read_startup_files(start_up.account, timeout)
    left = ((" ".join(words), lines.with_command(" ".join(words))) for words in command_lines(completed.stdout))
    return next(((text, sources[0]) for text, sources in left if len(sources) == 1), ("", None))


def command_lines(output: str) -> list[list[str]]:
    """Return the words of each command in the output of SH_PRINT_LEFT."""
    return [command.split("\0")[:-1] for command in output.split("\1") if "\0" in command]


def _places(steps: t.Sequence[_FishStep], lines: FishLines) -> t.Iterator[Source | None]:
    """Yield the place of each step, or of the block that contains it; None if no line has it, or several."""
    known: dict[str, Source | None] = {}
    around: list[tuple[int, Source | None]] = []
    made = (step.command.split()[1:2] for step in steps if step.command.startswith("function "))
    parts = _BLOCKS.union(*made)
    for depth, command, _time in steps:
        if command not in known:
            known[command] = _only(lines.with_command(command))
        while around and around[-1][0] >= depth:
            around.pop()
        place = known[command] or (around[-1][1] if around else None)
        if command.split(" ")[0] in parts:
            around.append((depth, place))
        yield place


def _only(sources: t.Sequence[Source]) -> Source | None:
    return sources[0] if len(sources) == 1 else None
