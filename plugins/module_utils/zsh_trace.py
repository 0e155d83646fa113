# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follows the start-up of a real zsh and notes which file and line assigned which variable."""

from __future__ import annotations

import re
import shlex
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils.accounts import Account
from ansible_collections.gopherops.devserver.plugins.module_utils.command import run
from ansible_collections.gopherops.devserver.plugins.module_utils.provenance import Assignment, Source
from ansible_collections.gopherops.devserver.plugins.module_utils.shell_trace import Place, Variables

_MARK = "\x01"
# %x is the file that the command stands in, %I the line there, of functions too; %N the function and %e how deep it is.
_PS4 = f"{_MARK}%x{_MARK}%I{_MARK}%N{_MARK}%e{_MARK}"
_TRACED = re.compile(f"{_MARK}([^{_MARK}]*){_MARK}(\\d+){_MARK}([^{_MARK}]*){_MARK}(\\d+){_MARK}([^{_MARK}]*)")
# The lists that zsh ties to a variable, as in path=(/opt/bin $path).
_LIST = re.compile(r"(path)(\+?)=\((.*)\)\s*\Z", re.DOTALL)
# Where a function of that name comes from, as far as zsh knows: it keeps no line.
_FUNCTION = 'print -r -- "${functions_source[go]}"'


def trace_zsh(
    *, options: t.Sequence[str], env: t.Mapping[str, str], account: Account, timeout: float
) -> list[Assignment]:
    """Start zsh with ``options`` and return every assignment of its start-up, in order."""
    traced = ["zsh", "-x", *options, "-c", f"set +x; zmodload zsh/parameter; {_FUNCTION}"]
    done = run(traced, env=dict(env, PS4=_PS4), account=account, timeout=timeout)
    found = zsh_assignments(done.stderr, env)
    source = (done.stdout.splitlines() or [""])[-1]
    return found + ([Assignment("function go", "", Source("file", source))] if source.startswith("/") else [])


def zsh_assignments(traced: str, given: t.Mapping[str, str]) -> list[Assignment]:
    """Return the assignments in zsh's trace output; ``given`` is what was set before."""
    found: list[Assignment] = []
    variables = Variables(given, "gx")
    for file, line, name_of_call, depth, command in _TRACED.findall(traced):
        place = Place(int(depth), name_of_call not in (file, "(eval)"))
        for name, value in _assigned(command.rstrip("\n"), variables, place):
            # What stands in no file is the command that was given to this zsh.
            if file.startswith("/"):
                found.append(Assignment(name, value, Source("file", file, int(line))))
    return found


def _assigned(command: str, variables: Variables, place: Place) -> list[tuple[str, str]]:
    match = _LIST.match(command)
    if not match:
        return variables.after(command.rstrip(" "), place)
    try:
        entries = shlex.split(match.group(3))
    except ValueError:
        return []
    path = variables.values.get("PATH", "")
    variables.values["PATH"] = ":".join([path, *entries] if match.group(2) else entries)
    return [("PATH", variables.values["PATH"])]
