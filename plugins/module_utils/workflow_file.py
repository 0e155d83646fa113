# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment that a workflow file of GitHub Actions gives: ``env`` at its top and of its jobs.

There is no reader of YAML on managed hosts. This one knows plain block mappings of names and scalars of one line, which
is how an ``env`` is written nearly everywhere, and refuses any other form with its line. Steps are not looked at.
"""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils.errors import DevserverError

_KEY = re.compile(r"""( *)(?:"([^"\\]*)"|'([^']*)'|([A-Za-z_][\w.-]*)) *:(?: +(.*)|)\Z""")
_BLANK = re.compile(r"[ \t]*(#.*)?\Z")
_DOUBLE = re.compile(r'("(?:[^"\\]|\\.)*")(.*)\Z')
_SINGLE = re.compile(r"('(?:[^']|'')*')(.*)\Z")
_PLAIN = re.compile(r"(.*?)((?: +#.*)?)\Z")
# No plain value begins with one of these.
_INDICATORS = tuple("&*!|>%@`{}[]?,#\"'")
_EXPRESSION = "${{"


class Variable(t.NamedTuple):
    """One line of an ``env``; ``value`` is None where only the service that runs the job can tell it."""

    name: str
    value: str | None
    line: int
    behind: str = ""


class Env(t.NamedTuple):
    """One ``env``: of the whole workflow where ``job`` is empty; ``line`` counts from 1, ``indent`` is its members'."""

    job: str
    line: int
    indent: int
    variables: t.Sequence[Variable]


def envs(text: str, *, path: str) -> list[Env]:
    """Return the ``env`` of the workflow and of its jobs, in order.

    Raises DevserverError with the line of one that is written in a way that is not understood.
    """
    lines = [line.rstrip("\r") for line in text.split("\n")]
    found = []
    for number, above, rest in _keys(lines):
        if above == ["env"] or (len(above) == 3 and (above[0], above[2]) == ("jobs", "env")):
            if not _BLANK.match(rest):
                raise _unknown(path, number, "env is no block of lines")
            found.append(_env(lines, number, above[1] if len(above) == 3 else "", path))
    return found


def _keys(lines: t.Sequence[str]) -> t.Iterator[tuple[int, list[str], str]]:
    """Yield for each line that is a key: its number, the keys from the top down to it, and what is behind the colon."""
    above: list[tuple[int, str]] = []
    for number, line in enumerate(lines, start=1):
        indent = len(line) - len(line.lstrip(" "))
        if _BLANK.match(line):
            continue
        match = _KEY.match(line)
        above = [item for item in above if item[0] < indent]
        name = next(filter(None, match.group(2, 3, 4)), "") if match else "-"
        above.append((indent, name))
        if match:
            yield number, [key for _indent, key in above], match.group(5) or ""


def _env(lines: t.Sequence[str], number: int, job: str, path: str) -> Env:
    outer = len(lines[number - 1]) - len(lines[number - 1].lstrip(" "))
    indent, variables = 0, []
    for at, line in enumerate(lines[number:], start=number + 1):
        own = len(line) - len(line.lstrip(" "))
        if _BLANK.match(line):
            continue
        if own <= outer:
            break
        indent = indent or own
        match = _KEY.match(line)
        if match is None or own != indent:
            raise _unknown(path, at, "this line of env is no name with a value")
        name = next(filter(None, match.group(2, 3, 4)), "")
        value, behind = _scalar(match.group(5) or "", path, at)
        variables.append(Variable(name, value, at, behind))
    return Env(job, number, indent or outer + 2, variables)


def _scalar(text: str, path: str, line: int) -> tuple[str | None, str]:
    """Return the value, None for an expression, and the comment behind it with the blanks before that."""
    if _BLANK.match(text):
        return "", f" {text.strip()}".rstrip()
    match = _DOUBLE.match(text) or _SINGLE.match(text) or _PLAIN.match(text)
    value, behind = match.group(1, 2) if match else ("", text)
    decoded = _decoded(value.rstrip())
    if decoded is None or not _BLANK.match(behind):
        raise _unknown(path, line, "the value is no text of one line")
    return (None if _EXPRESSION in decoded else decoded), behind


def _decoded(value: str) -> str | None:
    """Return what a quoted or plain scalar stands for; None where it is neither, or JSON would not read it."""
    if value.startswith("'"):
        return value[1:-1].replace("''", "'") if _SINGLE.match(value) else None
    if value.startswith('"'):
        try:
            return str(json.loads(value))
        except ValueError:
            return None
    return None if value.startswith(_INDICATORS) or re.search(r":( |\Z)|\A-( |\Z)", value) else value


def with_variables(text: str, values: t.Mapping[str, str], *, path: str) -> str:
    """Return the workflow with ``values`` in its own ``env``; comments and all other lines stay.

    An ``env`` is put before ``jobs`` where there is none. In those of jobs what is there is corrected. Raises
    DevserverError as envs does.
    """
    found = envs(text, path=path)
    own = [env for env in found if not env.job]
    lines = text.split("\n")
    end = "\r" if lines[0].endswith("\r") else ""
    env = own[-1] if own else Env("", 0, 2, ())
    there = {variable.name: variable for variable in env.variables}
    for each in found:
        for variable in each.variables:
            if variable.value not in (None, values.get(variable.name, variable.value)):
                lines[variable.line - 1] = _member(each, variable.name, values[variable.name]) + variable.behind + end
    new = [_member(env, name, value) + end for name, value in values.items() if name not in there]
    if own or not new:
        at = max((variable.line for variable in there.values()), default=env.line)
        return "\n".join([*lines[:at], *new, *lines[at:]])
    at = _place(lines)
    return "\n".join([*lines[:at], f"env:{end}", *new, end, *lines[at:]]) if at >= 0 else text


def _member(env: Env, name: str, value: str) -> str:
    return f"{' ' * env.indent}{name}: {json.dumps(value)}"


def _place(lines: t.Sequence[str]) -> int:
    """Return the index of the line of ``jobs``; -1 where this is no workflow."""
    keys = _keys([line.rstrip("\r") for line in lines])
    return next((number - 1 for number, above, _rest in keys if above == ["jobs"]), -1)


def _unknown(path: str, line: int, what: str) -> DevserverError:
    return DevserverError(
        f"{path}:{line}: {what}, and no other form is understood",
        expected="lines of NAME: value, indented alike",
        remedy="write it so, or take the workspace out of the play's list",
        path=path,
        line=line,
    )
