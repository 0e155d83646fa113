# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traces fish's startup files: which file and line set which variable.

fish's own trace contains neither file nor line. Its events do: a handler of each variable prints its call stack.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import typing as t

from .._core.go_variables import PERSISTENT_VARIABLES
from .._core.provenance import Assignment, Source
from .._host.accounts import Account
from .._host.command import Completed
from .._host.tempdirs import temporary_directory
from .scripts import FISH_PROMPT, FISH_TRACE, fill
from .startup import Startup

_NAMES = " ".join(sorted({"PATH", "GOROOT", "GOENV", "GOMEMLIMIT", *PERSISTENT_VARIABLES}))
# Directories that fish creates if they are missing, by the variable with their parent.
_OWN_DIRECTORIES = {"XDG_DATA_HOME": ".local/share/fish", "XDG_CONFIG_HOME": ".config/fish"}
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
    completed = run_fish(start_up, argv, timeout)
    return fish_assignments(completed.stderr, start_up.account.home, start_up.env)


def run_fish(start_up: Startup, argv: t.Sequence[str], timeout: float, **added: str) -> Completed:
    """Run ``argv`` as its context starts fish, with variables ``added``, without changes in the home directory."""
    with spare_directories(start_up.account) as directories:
        return start_up.run(argv, timeout, {**added, **directories})


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


@contextlib.contextmanager
def spare_directories(account: Account) -> t.Iterator[dict[str, str]]:
    """Yield variables that prevent a fish of ``account`` from creating directories in its home; none for other shells.

    They point to an empty temporary directory, and only in place of a missing one.
    """
    missing = [name for name, path in _OWN_DIRECTORIES.items() if not os.path.isdir(os.path.join(account.home, path))]
    if not missing or os.path.basename(account.shell) != "fish":
        yield {}
        return
    with user_directory(account) as directory:
        yield dict.fromkeys(missing, directory)


@contextlib.contextmanager
def user_directory(account: Account) -> t.Iterator[str]:
    """Yield a temporary directory that ``account`` owns, outside of the home directory."""
    with temporary_directory(tempfile.gettempdir(), "gopherops-fish-") as scratch:
        os.chmod(scratch.path, 0o711)
        directory = os.path.join(scratch.path, account.name)
        os.mkdir(directory, 0o700)
        os.chown(directory, account.uid, account.gid)
        yield directory
