# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment that a workflow file of GitHub Actions gives: ``env`` at its top and of its jobs.

There is no reader of YAML on managed hosts. This one knows mappings of names and scalars of one line, as a block of
lines or as ``{A: b}`` on one line. Nearly every ``env`` has one of these forms; any other form is an error with its
line. The ``env`` of steps is not read.
"""

from __future__ import annotations

import json
import re
import typing as t

from .._core.errors import DevserverError

_NAME = r"""(?:"([^"\\]*)"|'([^']*)'|([A-Za-z_][\w.-]*))"""
_KEY = re.compile(rf" *{_NAME} *:(?: +(.*)|(\t.*)|)\Z")
_BLANK = re.compile(r"[ \t]*(#.*)?\Z")
# The same in and after an env, where not all YAML parsers treat a tab as a blank.
_SPACES = re.compile(r" *(#.*)?\Z")
# The line after those of an env: a key, or the end of the document.
_NEXT = re.compile(r" *(?:[^\s-].*:(?: .*)?|---.*|\.\.\..*)\Z")
# Characters that YAML does not allow, or that some YAML parsers treat as the end of a line.
_NO_TEXT = re.compile("[^\t\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u2028\u2029]")
_DOUBLE = re.compile(r'("(?:[^"\\]|\\.)*")(.*)\Z')
_SINGLE = re.compile(r"('(?:[^']|'')*')(.*)\Z")
_PLAIN = re.compile(r"(.*?)((?: #.*)?)\Z")
# In braces: a name with its value and the comma after it, and the end. A plain value has no brace or bracket.
_MEMBER = re.compile(rf""" *{_NAME} *: +("(?:[^"\\]|\\.)*" *|'(?:[^']|'')*' *|(?!["': ])[^,\[\]{{}}]*)(?:,|(?=\}}))""")
_CLOSED = re.compile(r" *\}(?: +#.*| *)\Z")
# No plain value begins with one of these.
_INDICATORS = tuple("&*!|>%@`{}[]?,#\"'")
_EXPRESSION = "${{"


class Variable(t.NamedTuple):
    """One member of an ``env``; ``value`` is None if only the service that runs jobs knows it."""

    name: str
    value: str | None
    line: int


class Env(t.NamedTuple):
    """One ``env``: of the whole workflow where ``job`` is empty; ``line`` counts from 1."""

    job: str
    line: int
    variables: t.Sequence[Variable]


def envs(text: str, *, path: str) -> list[Env]:
    """Return the ``env`` of the workflow and of its jobs, in order.

    Raises DevserverError with the line of one in a form that is not supported.
    """
    return list(_Reader(text, path).envs())


class _Reader:
    """Reads the lines of one file; their numbers count from 1."""

    def __init__(self, text: str, path: str) -> None:
        self._lines = [line.rstrip("\r") for line in text.split("\n")]
        self._path = path

    def envs(self) -> t.Iterator[Env]:
        for number, above, rest in self._keys():
            if above == ["env"]:
                yield Env("", number, self._variables(number, rest))
            elif len(above) == 3 and (above[0], above[2]) == ("jobs", "env"):
                yield Env(above[1], number, self._variables(number, rest))

    def _keys(self) -> t.Iterator[tuple[int, list[str], str]]:
        """Yield each line that is a key: its number, the keys from the top down to it, and the text after the colon."""
        above: list[tuple[int, str]] = []
        for number, line in enumerate(self._lines, start=1):
            if _BLANK.match(line):
                continue
            match = _KEY.match(line)
            above = [item for item in above if item[0] < _indent(line)]
            above.append((_indent(line), _name(match) if match else "-"))
            if match:
                yield number, [key for _column, key in above], match.group(4) or match.group(5) or ""

    def _variables(self, number: int, rest: str) -> list[Variable]:
        """Return the members of the ``env`` in a line with the text ``rest`` after the colon."""
        self._check(self._lines[number - 1], number)
        if rest.startswith("{"):
            variables = self._in_braces(number)
            self._check_behind(number)
            return variables
        if not _SPACES.match(rest):
            raise self._unsupported(number, "env is not a block of lines")
        return self._in_block(number)

    def _in_block(self, number: int) -> list[Variable]:
        outer, indent, variables = _indent(self._lines[number - 1]), 0, []
        for at, line in self._behind(number):
            line_indent = _indent(line)
            if line_indent <= outer and _NEXT.match(line):
                break
            indent = indent or line_indent
            match = _KEY.match(line)
            if match is None or match.group(5) or line_indent != indent or line_indent <= outer:
                raise self._unsupported(at, "this line of env is not a name with a value")
            variables.append(self._variable(match, at))
        return variables

    def _variable(self, member: re.Match[str], line: int) -> Variable:
        """Return the variable of a line of a block."""
        text = member.group(4) or ""
        if _SPACES.match(text):
            return Variable(_name(member), "", line)
        match = _DOUBLE.match(text) or _SINGLE.match(text) or _PLAIN.match(text)
        value, behind = match.group(1, 2) if match else ("", text)
        decoded = _decoded(value.rstrip(" "))
        if decoded is None or not _SPACES.match(behind):
            raise self._unsupported(line, "the value is not text on one line")
        return _variable_of(_name(member), decoded, line)

    def _in_braces(self, number: int) -> list[Variable]:
        """Return the variables of the form ``{NAME: value, …}`` in a line."""
        line = self._lines[number - 1]
        at, variables = line.index("{") + 1, []
        while not _CLOSED.match(line, at):
            match = _MEMBER.match(line, at)
            decoded = _decoded(match.group(4).rstrip(" ")) if match else None
            if match is None or decoded is None:
                raise self._unsupported(number, "the braces do not contain names with values on this line")
            variables.append(_variable_of(_name(match), decoded, number))
            at = match.end()
        return variables

    def _check_behind(self, number: int) -> None:
        """Reject a line after an ``env`` in braces that is indented deeper, or is not a key."""
        at, line = next(self._behind(number), (0, ""))
        if at and (_indent(line) > _indent(self._lines[number - 1]) or not _NEXT.match(line)):
            raise self._unsupported(at, "the line after env is not a key")

    def _behind(self, number: int) -> t.Iterator[tuple[int, str]]:
        """Yield the lines after that of an ``env`` which are not empty; reject invalid characters in any."""
        for at, line in enumerate(self._lines[number:], start=number + 1):
            self._check(line, at)
            if not _SPACES.match(line):
                yield at, line

    def _check(self, line: str, number: int) -> None:
        if _NO_TEXT.search(line):
            raise self._unsupported(number, "this line of env has an invalid character")

    def _unsupported(self, line: int, problem: str) -> DevserverError:
        return DevserverError(
            f"{self._path}:{line}: {problem}",
            expected="lines of NAME: value, indented alike, or {NAME: value} on one line",
            remedy="use one of these forms, or remove the workspace from the play's list",
            path=self._path,
            line=line,
        )


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _name(match: re.Match[str]) -> str:
    return next(filter(None, match.group(1, 2, 3)), "")


def _variable_of(name: str, decoded: str, line: int) -> Variable:
    return Variable(name, None if _EXPRESSION in decoded else decoded, line)


def _decoded(value: str) -> str | None:
    """Return the value of a quoted or plain scalar; None if it is neither, or invalid in JSON."""
    if value.startswith("'"):
        return value[1:-1].replace("''", "'") if _SINGLE.match(value) else None
    if value.startswith('"'):
        try:
            return str(json.loads(value))
        except ValueError:
            return None
    return None if value.startswith(_INDICATORS) or re.search(r":(\s|\Z)|\A-(\s|\Z)|\s#|\t", value) else value
