# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follows the start-up files of bash and its like and notes which file and line assigned which variable."""

from __future__ import annotations

import re
import shlex
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils.accounts import Account
from ansible_collections.gopherops.devserver.plugins.module_utils.command import run
from ansible_collections.gopherops.devserver.plugins.module_utils.provenance import Assignment, Source

# A control character cannot stand at the start of a line that a start-up file prints by accident.
_MARK = "\x01"
_PS4 = _MARK + "${BASH_SUBSHELL}" + _MARK + "${BASH_SOURCE}" + _MARK + "${LINENO}" + _MARK
_TRACED = re.compile("^%s+(\\d+)%s([^%s]*)%s(\\d+)%s(.*)$" % ((_MARK,) * 5))
_SCRIPT = """\
PS4={ps4}
set -x
for __startup in {files}; do [ ! -r "$__startup" ] || . "$__startup"; done
for __startup in {first_of}; do if [ -r "$__startup" ]; then . "$__startup"; break; fi; done
{{ set +x; }} 2>/dev/null
shopt -s extdebug
declare -F go
"""
_DECLARING = ("export", "declare", "typeset", "readonly")
_ASSIGNED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)\Z", re.DOTALL)
# What "declare -F" prints in debugging mode.
_FUNCTION = re.compile(r"go (\d+) (/.*)\Z")


def trace(
    files: t.Sequence[str],
    first_of: t.Sequence[str] = (),
    *,
    options: t.Sequence[str],
    env: t.Mapping[str, str],
    account: Account,
    timeout: float,
) -> list[Assignment]:
    """Source ``files``, and of ``first_of`` the first that is there, and return every assignment, in order.

    An alias and a function that stand for go are called ``alias go`` and ``function go``.

    bash reads start-up files by itself too; ``options`` must keep it from that. The prompt PS4 is set inside the
    script because bash does not take it from root's environment.
    """
    script = _SCRIPT.format(ps4=shlex.quote(_PS4), files=_quoted(files), first_of=_quoted(first_of))
    done = run(["bash", *options, "-c", script], env=env, account=account, cwd="/", timeout=timeout)
    function = _FUNCTION.match((done.stdout.splitlines() or [""])[-1])
    place = [Source("file", function.group(2), int(function.group(1)))] if function else []
    return assignments(done.stderr) + [Assignment("function go", "", source) for source in place]


def _quoted(words: t.Sequence[str]) -> str:
    return " ".join(map(shlex.quote, words))


def assignments(traced: str) -> list[Assignment]:
    """Return the assignments in bash's trace output, those of subshells left out."""
    found = []
    for line in traced.split("\n"):
        match = _TRACED.match(line)
        if match and match.group(1) == "0" and match.group(2):
            source = Source("file", match.group(2), int(match.group(3)))
            found += [Assignment(name, value, source) for name, value in assigned(match.group(4))]
    return found


def assigned(command: str) -> list[tuple[str, str]]:
    """Return the names and values that one traced command assigns; an alias for go is called ``alias go``."""
    try:
        words = shlex.split(command)
    except ValueError:
        return []
    if words[:1] == ["alias"]:
        return [("alias go", word[len("go=") :]) for word in words[1:] if word.startswith("go=")]
    declaring = bool(words) and words[0] in _DECLARING
    pairs = [_ASSIGNED.match(word) for word in words[1 if declaring else 0 :]]
    if not declaring and not all(pairs):
        return []
    return [(pair.group(1), pair.group(2)) for pair in pairs if pair]
