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
_PS4 = _MARK + "${BASH_SUBSHELL}" + _MARK + "${BASH_SOURCE}" + _MARK + "${LINENO}" + _MARK + "${FUNCNAME[@]}" + _MARK
_TRACED = re.compile("^%s+(\\d+)%s([^%s]*)%s(\\d+)%s([^%s]*)%s(.*)$" % ((_MARK,) * 7))
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
# Within a function these declare what is the function's own.
_LOCAL = ("local", "declare", "typeset")
_ASSIGNED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\+?)=(.*)\Z", re.DOTALL)
# The pieces of a word in a trace: what is escaped, quoted, or quoted with escapes inside, which is the group.
_QUOTED = re.compile(r"\\.|'[^']*'|\$'((?:[^'\\]|\\.)*)'", re.DOTALL)
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|[abeEfnrtv\\'\"?])")
_ESCAPED = dict(zip("abeEfnrtv\\'\"?", "\a\b\x1b\x1b\f\n\r\t\v\\'\"?"))
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
    return assignments(done.stderr, env) + [Assignment("function go", "", source) for source in place]


def _quoted(words: t.Sequence[str]) -> str:
    return " ".join(map(shlex.quote, words))


def assignments(traced: str, given: t.Mapping[str, str]) -> list[Assignment]:
    """Return the assignments in bash's trace output, those of subshells left out; ``given`` is what was set before."""
    found, variables = [], Variables(given, "g")
    for line in traced.split("\n"):
        match = _TRACED.match(line)
        if match and match.group(1) == "0" and match.group(2):
            source = Source("file", match.group(2), int(match.group(3)))
            # The names of what runs: those of functions, and source for each file.
            calls = match.group(4).split()
            place = Place(len(calls), any(name not in ("source", "main") for name in calls))
            found += [Assignment(name, value, source) for name, value in variables.after(match.group(5), place)]
    return found


def _without_escapes(command: str) -> str:
    """Return a traced command with plain quotes for those in which shells write control characters: ``$'a\\r'``."""
    return _QUOTED.sub(_plainly_quoted, command)


def _plainly_quoted(piece: re.Match[str]) -> str:
    if piece.group(1) is None:
        return piece.group()
    raw = _ESCAPE.sub(_unescaped, piece.group(1).encode("utf-8", "surrogateescape"))
    return shlex.quote(raw.decode("utf-8", "surrogateescape"))


def _unescaped(escape: re.Match[bytes]) -> bytes:
    code = escape.group(1).decode()
    return _ESCAPED[code].encode() if code in _ESCAPED else bytes([int(code, 8) & 0xFF])


class Place(t.NamedTuple):
    """Where a traced command runs: how deep in calls, and whether within a function."""

    depth: int
    in_function: bool


class Variables:
    """The variables of a shell while its trace is followed, but for those that belong to a function alone."""

    def __init__(self, given: t.Mapping[str, str], global_flags: str) -> None:
        """``global_flags`` are the options by which ``typeset`` within a function means a variable of all."""
        self.values = dict(given)
        self._global_flags = global_flags
        self._local: dict[str, int] = {}
        self._declared: t.Sequence[str] = ()

    def after(self, command: str, place: Place) -> list[tuple[str, str]]:
        """Return the names and new values that one traced command assigns; an alias for go is called ``alias go``."""
        try:
            words = shlex.split(_without_escapes(command))
        except ValueError:
            return []
        if words[:1] == ["alias"]:
            return [("alias go", word[len("go=") :]) for word in words[1:] if word.startswith("go=")]
        self._local = {name: depth for name, depth in self._local.items() if depth <= place.depth}
        if self._declares_local(words, place):
            names = (word.partition("=")[0].rstrip("+") for word in words[1:] if not word.startswith("-"))
            self._local.update((name, place.depth) for name in names if name not in self._local)
        return self._assigned(words)

    def _declares_local(self, words: t.Sequence[str], place: Place) -> bool:
        if not place.in_function or words[:1] == [] or words[0] not in _LOCAL:
            return False
        options = "".join(word for word in words[1:] if word.startswith("-"))
        return words[0] == "local" or not set(self._global_flags) & set(options)

    def _assigned(self, words: t.Sequence[str]) -> list[tuple[str, str]]:
        declaring = bool(words) and words[0] in _DECLARING
        repeated, self._declared = self._declared, words[1:] if declaring else ()
        pairs = [_ASSIGNED.match(word) for word in words[1 if declaring else 0 :]]
        # bash follows "export A+=b" up with "A+=b", which is the same once more.
        if not declaring and (not all(pairs) or set(words) <= set(repeated)):
            return []
        return [self._set(*pair.groups()) for pair in pairs if pair and pair.group(1) not in self._local]

    def _set(self, name: str, added: str, value: str) -> tuple[str, str]:
        self.values[name] = self.values.get(name, "") + value if added else value
        return name, self.values[name]
