# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment that a workflow file of GitHub Actions gives: ``env`` at its top and of its jobs.

There is no reader of YAML on managed hosts. This one knows mappings of names and scalars of one line, as a block of
lines or as ``{A: b}`` on one line. So an ``env`` is written nearly everywhere; any other form is refused with its line.
Steps are not looked at.
"""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError

_NAME = r"""(?:"([^"\\]*)"|'([^']*)'|([A-Za-z_][\w.-]*))"""
_KEY = re.compile(rf" *{_NAME} *(:)(?: +(.*)|(\t.*)|)\Z")
_BLANK = re.compile(r"[ \t]*(#.*)?\Z")
# The same in and behind an env, where not all readers of YAML take a tab for a blank.
_SPACES = re.compile(r" *(#.*)?\Z")
# What may stand behind the lines of an env: a key, or the end of the document.
_NEXT = re.compile(r" *(?:[^\s-].*:(?: .*)?|---.*|\.\.\..*)\Z")
# What YAML has no place for, and what some of its readers take for the end of a line.
_NO_TEXT = re.compile("[^\t\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u2028\u2029]")
_DOUBLE = re.compile(r'("(?:[^"\\]|\\.)*")(.*)\Z')
_SINGLE = re.compile(r"('(?:[^']|'')*')(.*)\Z")
_PLAIN = re.compile(r"(.*?)((?: +#.*)?)\Z")
# In braces: a name with its value and the comma behind it, and what ends it all. A plain value has no brace or bracket.
_MEMBER = re.compile(rf""" *{_NAME} *: +("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|(?!["': ])[^,\[\]{{}}]*?) *(?:,|(?=\}}))""")
_CLOSED = re.compile(r" *\}(?: +#.*| *)\Z")
# No plain value begins with one of these.
_INDICATORS = tuple("&*!|>%@`{}[]?,#\"'")
_EXPRESSION = "${{"


class Variable(t.NamedTuple):
    """One member of an ``env``; ``value`` is None where only the service that runs the job can tell it.

    It is written in ``line``, which counts from 1, from the column ``start`` up to ``end``, which count from 0.
    """

    name: str
    value: str | None
    line: int
    start: int
    end: int


class Env(t.NamedTuple):
    """One ``env``: of the whole workflow where ``job`` is empty; ``line`` counts from 1, ``indent`` is its members'.

    ``opened`` is the column behind the brace that begins it; 0 where it is a block of lines.
    """

    job: str
    line: int
    indent: int
    variables: t.Sequence[Variable]
    opened: int = 0


class _Edit(t.NamedTuple):
    """What is put in the place of the columns from ``start`` to ``end`` of a line, which counts from 1."""

    line: int
    start: int
    end: int
    text: str


def envs(text: str, *, path: str) -> list[Env]:
    """Return the ``env`` of the workflow and of its jobs, in order.

    Raises DevserverError with the line of one that is written in a way that is not understood.
    """
    lines = [line.rstrip("\r") for line in text.split("\n")]
    found = []
    for number, above, rest in _keys(lines):
        if above == ["env"] or (len(above) == 3 and (above[0], above[2]) == ("jobs", "env")):
            job = above[1] if len(above) == 3 else ""
            _check(lines[number - 1], number, path)
            if rest.startswith("{"):
                found.append(_in_braces(lines[number - 1], number, job, path))
                _check_behind(lines, number, path)
            elif _SPACES.match(rest):
                found.append(_env(lines, number, job, path))
            else:
                raise _unknown(path, number, "env is no block of lines")
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
        above.append((indent, _name(match) if match else "-"))
        if match:
            yield number, [key for _indent, key in above], match.group(5) or match.group(6) or ""


def _check(line: str, number: int, path: str) -> None:
    if _NO_TEXT.search(line):
        raise _unknown(path, number, "this line of env has a character that is no text")


def _check_behind(lines: t.Sequence[str], number: int, path: str) -> None:
    """Refuse what does not end an ``env`` in braces: a line behind it that is indented deeper, or is no key."""
    outer = len(lines[number - 1]) - len(lines[number - 1].lstrip(" "))
    for at, line in enumerate(lines[number:], start=number + 1):
        _check(line, at, path)
        if not _SPACES.match(line):
            if len(line) - len(line.lstrip(" ")) > outer or not _NEXT.match(line):
                raise _unknown(path, at, "this line behind env is no key")
            return


def _name(match: re.Match[str]) -> str:
    return next(filter(None, match.group(1, 2, 3)), "")


def _env(lines: t.Sequence[str], number: int, job: str, path: str) -> Env:
    outer = len(lines[number - 1]) - len(lines[number - 1].lstrip(" "))
    indent, variables = 0, []
    for at, line in enumerate(lines[number:], start=number + 1):
        own = len(line) - len(line.lstrip(" "))
        _check(line, at, path)
        if _SPACES.match(line):
            continue
        if own <= outer and _NEXT.match(line):
            break
        indent = indent or own
        match = _KEY.match(line)
        if match is None or match.group(6) or own != indent or own <= outer:
            raise _unknown(path, at, "this line of env is no name with a value")
        variables.append(_variable(match, path, at))
    return Env(job, number, indent or outer + 2, variables)


def _variable(member: re.Match[str], path: str, line: int) -> Variable:
    """Return the variable of a line of a block; where it has no value, its place is behind the colon."""
    text = member.group(5) or ""
    if _SPACES.match(text):
        return Variable(_name(member), "", line, member.end(4), member.end(4))
    match = _DOUBLE.match(text) or _SINGLE.match(text) or _PLAIN.match(text)
    value, behind = match.group(1, 2) if match else ("", text)
    decoded = _decoded(value.rstrip(" "))
    if decoded is None or not _SPACES.match(behind):
        raise _unknown(path, line, "the value is no text of one line")
    return _placed(_name(member), decoded, line, member.start(5), value)


def _placed(name: str, decoded: str, line: int, start: int, written: str) -> Variable:
    value = None if _EXPRESSION in decoded else decoded
    return Variable(name, value, line, start, start + len(written.rstrip(" ")))


def _in_braces(line: str, number: int, job: str, path: str) -> Env:
    """Return the ``env`` of the form ``{NAME: value, …}`` that a line is."""
    opened = line.index("{") + 1
    at, variables = opened, []
    while not _CLOSED.match(line, at):
        match = _MEMBER.match(line, at)
        decoded = _decoded(match.group(4).rstrip(" ")) if match else None
        if match is None or decoded is None:
            raise _unknown(path, number, "what is in braces are no names with values of this line")
        variables.append(_placed(_name(match), decoded, number, match.start(4), match.group(4)))
        at = match.end()
    return Env(job, number, 0, variables, opened)


def _decoded(value: str) -> str | None:
    """Return what a quoted or plain scalar stands for; None where it is neither, or JSON would not read it."""
    if value.startswith("'"):
        return value[1:-1].replace("''", "'") if _SINGLE.match(value) else None
    if value.startswith('"'):
        try:
            return str(json.loads(value))
        except ValueError:
            return None
    return None if value.startswith(_INDICATORS) or re.search(r":(\s|\Z)|\A-(\s|\Z)|\s#|\t", value) else value


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
    there = {variable.name for variable in env.variables}
    new = [f"{name}: {json.dumps(value)}" for name, value in values.items() if name not in there]
    _carry_out([*([_addition(env, new)] if env.opened and new else []), *_corrections(found, values, lines)], lines)
    added = [] if env.opened else [f"{' ' * env.indent}{member}{end}" for member in new]
    if own or not added:
        at = max((variable.line for variable in env.variables), default=env.line)
        return "\n".join([*lines[:at], *added, *lines[at:]])
    at = _place(lines)
    return "\n".join([*lines[:at], f"env:{end}", *added, end, *lines[at:]]) if at >= 0 else text


def _addition(env: Env, members: t.Sequence[str]) -> _Edit:
    """Return the edit that puts members into an ``env`` in braces, behind the last one that is there."""
    last = env.variables[-1].end if env.variables else env.opened
    return _Edit(env.line, last, last, (", " if env.variables else "") + ", ".join(members))


def _corrections(found: t.Sequence[Env], values: t.Mapping[str, str], lines: t.Sequence[str]) -> t.Iterator[_Edit]:
    for variable in (variable for env in found for variable in env.variables):
        if variable.value not in (None, values.get(variable.name, variable.value)):
            blank = " " if lines[variable.line - 1][variable.start - 1] == ":" else ""
            yield _Edit(variable.line, variable.start, variable.end, blank + json.dumps(values[variable.name]))


def _carry_out(edits: t.Sequence[_Edit], lines: list[str]) -> None:
    """Change ``lines``, from behind, as no edit may move the place of the next; of two at one place the first is last.

    So what is added behind an empty value stays behind it when that gets one.
    """
    for edit in sorted(edits, key=lambda edit: (edit.line, edit.start), reverse=True):
        line = lines[edit.line - 1]
        lines[edit.line - 1] = line[: edit.start] + edit.text + line[edit.end :]


def _place(lines: t.Sequence[str]) -> int:
    """Return the index of the line of ``jobs``; -1 where this is no workflow."""
    keys = _keys([line.rstrip("\r") for line in lines])
    return next((number - 1 for number, above, _rest in keys if above == ["jobs"]), -1)


def _unknown(path: str, line: int, what: str) -> DevserverError:
    return DevserverError(
        f"{path}:{line}: {what}, and no other form is understood",
        expected="lines of NAME: value, indented alike, or {NAME: value} on one line",
        remedy="write it so, or take the workspace out of the play's list",
        path=path,
        line=line,
    )
