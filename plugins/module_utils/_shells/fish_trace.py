# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traces fish's startup files: which file and line set which variable.

fish's own trace contains neither file nor line. Its events do: a handler of each variable prints its call stack.
"""

from __future__ import annotations

import re
import typing as t

from .._core.go_variables import PERSISTENT_VARIABLES
from .._core.provenance import Assignment, Source
from .scripts import FISH_PROMPT, FISH_TRACE, fill
from .startup import Startup

_NAMES = " ".join(sorted({"PATH", "GOROOT", "GOENV", "GOMEMLIMIT", *PERSISTENT_VARIABLES}))
_NOTED = re.compile("\x01([^\x01]*)\x01([^\x01]*)\x01([^\x01]*)\x01")
# Characters of a call stack: the search takes the square of that.
_LONGEST_PLACE = 16384
# The innermost file: what "source" reads from a pipe has none.
_CALLER = re.compile(r"in event handler:.*?called on line (\d{1,9}) of file ([~/][^\0]*?)$", re.DOTALL | re.MULTILINE)
# The file, "not-autoloaded" and the like, the line.
_DEFINED = re.compile(r"(/[^\n\0]*)\n.*\n(\d{1,9})\n")
# What grep finds: of a variable that fish keeps for all of the user's shells. The words of a list have \x1e between
# them; what is no character is left as it is.
_UNIVERSAL = re.compile(r"(/[^\n\0]*?):(\d{1,9}):SETUVAR --export (--path )?(\w+):(.*)")
_ESCAPED = re.compile(r"\\(?:x([0-9a-f]{2})|u((?!d[89a-f])[0-9a-f]{4})|U(00(?:0[1-9a-f]|10)[0-9a-f]{4}))")
# And of a function that "alias" makes fish keeps no place.
_FOUND = re.compile(r"(/[^\n\0]*?):(\d{1,9}):")


def trace_fish(start_up: Startup, timeout: float) -> list[Assignment]:
    """Start fish and return the assignments in its startup files, in order."""
    script = fill(FISH_TRACE, {"NAMES": _NAMES, "THEN": FISH_PROMPT if start_up.prompts else ""})
    argv = ["fish", *start_up.options, "--no-config", "-c", script]
    completed = start_up.run(argv, timeout)
    return fish_assignments(completed.stderr, start_up.account.home, start_up.env)


def fish_assignments(noted: str, home: str, environment: t.Container[str] = ()) -> list[Assignment]:
    """Return the assignments in the output of the handlers, with fish's ``~`` expanded.

    A universal variable is ignored if ``environment`` has a variable of that name.
    """
    assignments = []
    for name, value, place in _NOTED.findall(noted):
        kept = _UNIVERSAL.match(place)
        if kept and kept.group(4) not in environment:
            assignments.append(_universal(kept))
        if kept:
            continue
        place = place[:_LONGEST_PLACE]
        defined, called = _DEFINED.match(place) or _FOUND.match(place), _CALLER.search(place)
        if defined:
            assignments.append(Assignment(name, value, Source("file", defined.group(1), int(defined.group(2)))))
        elif called:
            file = re.sub(r"\A~(?=/)", lambda _tilde: home, called.group(2))
            assignments.append(Assignment(name, value, Source("file", file, int(called.group(1)))))
    return assignments


def _universal(kept: re.Match[str]) -> Assignment:
    """Return the universal variable in a line of fish's own file."""
    file, line, is_path, name, escaped = kept.groups()
    value = _ESCAPED.sub(lambda code: chr(int("".join(filter(None, code.groups())), 16)), escaped)
    return Assignment(name, value.replace("\x1e", ":" if is_path else " "), Source("file", file, int(line)))
