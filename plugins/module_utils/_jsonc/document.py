# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads JSON with comments and trailing commas, and keeps the place of everything.

What is accepted is what VS Code reads without a warning, with trailing commas. Of a key that is in an object twice
the last one counts.
"""

from __future__ import annotations

import bisect
import dataclasses
import json
import re
import typing as t

from .._core.errors import DevserverError

# A name in an object, or an index in an array.
Key = t.Union[str, int]
Path = t.Sequence[Key]

# Levels; no file written by hand comes near, and Python's stack is far off.
DEEPEST = 100
_BYTE_ORDER_MARK = "\ufeff"
_BREAK = re.compile(r"\r\n|\n|\r")
_BLANK = re.compile(r"[ \t\r\n]*")
_COMMENT = re.compile(r"//[^\r\n]*|/\*.*?\*/", re.DOTALL)
_STRING = re.compile(r'"[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*"')
_WORD = re.compile(r"[-+.\w]+")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", re.ASCII)
_CONSTANTS = {"true": True, "false": False, "null": None}
# Digits; Python rejects a longer whole number, and to everybody else it is a rounded one anyway.
_LONGEST_NUMBER = 400


@dataclasses.dataclass(frozen=True)
class Node:
    """A value and the offsets where it begins and ends; only objects and arrays have ``children``."""

    kind: str
    start: int
    end: int
    scalar: t.Any = None
    children: t.Sequence[Child] = ()

    @property
    def value(self) -> t.Any:
        """The value as json.loads would give it."""
        if self.kind == "object":
            return {child.key: child.node.value for child in self.children}
        if self.kind == "array":
            return [child.node.value for child in self.children]
        return self.scalar

    def child(self, key: Key) -> Child | None:
        """Return the child that counts for ``key``."""
        fits = isinstance(key, str if self.kind == "object" else int) and not isinstance(key, bool)
        if self.kind == "array":
            # A search would take the square of the time for a long array.
            return self.children[int(key)] if fits and 0 <= int(key) < len(self.children) else None
        return next((child for child in reversed(self.children) if fits and child.key == key), None)


class Child(t.NamedTuple):
    """What an object or an array holds: ``start`` is where its name begins, or its value where it has none.

    ``comma`` is the offset of the comma behind it.
    """

    key: Key
    start: int
    node: Node
    comma: int | None = None


class Comment(t.NamedTuple):
    """The offsets of a comment."""

    start: int
    end: int


class Document:
    """A text and its content; ``root`` is None where there is nothing but blanks and comments."""

    def __init__(self, text: str, root: Node | None, comments: t.Sequence[Comment]) -> None:
        self.text = text
        self.root = root
        self.comments = comments
        self._lines = [0, *(match.end() for match in _BREAK.finditer(text))]

    @property
    def value(self) -> t.Any:
        """The value of the whole; an empty document is an empty object, as it is to VS Code."""
        return {} if self.root is None else self.root.value

    def node(self, path: Path) -> Node | None:
        """Return the node at ``path``, or None."""
        node = self.root
        for key in path:
            child = node.child(key) if node else None
            node = child.node if child else None
        return node

    def position(self, offset: int) -> tuple[int, int]:
        """Return line and column of an offset, both counted from 1."""
        line = bisect.bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1

    def line_start(self, offset: int) -> int:
        """Return the offset at which the line of ``offset`` begins."""
        return self._lines[self.position(offset)[0] - 1]


def parse(text: str, *, path: str) -> Document:
    """Return what ``text`` holds.

    Raises DevserverError with file (``path``), line and column for what is no JSON with comments, and for nesting
    beyond DEEPEST levels.
    """
    return _Parser(text, path).document()


class _Parser:
    """Goes through a text once; ``_at`` is the offset of what comes next."""

    def __init__(self, text: str, path: str) -> None:
        self._text = text
        self._path = path
        self._at = len(_BYTE_ORDER_MARK) if text.startswith(_BYTE_ORDER_MARK) else 0
        self._comments: list[Comment] = []

    def document(self) -> Document:
        self._skip()
        root = self._value(0) if self._at < len(self._text) else None
        self._skip()
        if self._at < len(self._text):
            raise self._unexpected("nothing but comments after the end of the value")
        return Document(self._text, root, self._comments)

    def _skip(self) -> None:
        """Go past blanks and comments."""
        while True:
            self._at = t.cast("re.Match[str]", _BLANK.match(self._text, self._at)).end()
            comment = _COMMENT.match(self._text, self._at)
            if comment is None:
                break
            self._comments.append(Comment(*comment.span()))
            self._at = comment.end()
        if self._text.startswith("/*", self._at):
            raise self._error("a comment that does not end", "*/")

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _value(self, depth: int) -> Node:
        opening = self._next()
        if depth == DEEPEST and opening in ("{", "["):
            raise self._error(f"nesting deeper than {DEEPEST} levels", "a flatter file")
        if opening == "{":
            return self._container("object", "}", depth)
        if opening == "[":
            return self._container("array", "]", depth)
        if opening != '"':
            return self._word()
        start, text = self._at, self._string("a value")
        return Node("string", start, self._at, text)

    def _container(self, kind: str, closing: str, depth: int) -> Node:
        start, children = self._at, t.cast("list[Child]", [])
        self._at += 1
        self._skip()
        while self._next() != closing:
            if children and children[-1].comma is None:
                raise self._unexpected(f"',' or {closing!r}")
            children.append(self._child(kind, len(children), depth + 1))
        self._at += 1
        return Node(kind, start, self._at, children=children)

    def _child(self, kind: str, index: int, depth: int) -> Child:
        start = self._at
        key = self._name() if kind == "object" else index
        node = self._value(depth)
        self._skip()
        comma = self._at if self._next() == "," else None
        if comma is not None:
            self._at += 1
            self._skip()
        return Child(key, start, node, comma)

    def _name(self) -> str:
        name = self._string("a name in double quotes, or '}'")
        self._skip()
        if self._next() != ":":
            raise self._unexpected("':'")
        self._at += 1
        self._skip()
        return name

    def _string(self, expected: str) -> str:
        if self._next() != '"':
            raise self._unexpected(expected)
        match = _STRING.match(self._text, self._at)
        if match is None:
            raise self._error("a string that does not end in its line, or holds a control character", '"')
        try:
            value: str = json.loads(match.group())
        except ValueError as error:
            self._at += getattr(error, "pos", 0)
            raise self._error("an escape that JSON does not know", r"one of \" \\ \/ \b \f \n \r \t \uXXXX") from error
        self._at = match.end()
        return value

    def _word(self) -> Node:
        start, match = self._at, _WORD.match(self._text, self._at)
        word = match.group() if match else ""
        if word not in _CONSTANTS and not _NUMBER.fullmatch(word):
            raise self._unexpected("a value")
        self._at += len(word)
        if word in _CONSTANTS:
            return Node(word, start, self._at, _CONSTANTS[word])
        whole = word.lstrip("-").isdigit() and len(word) <= _LONGEST_NUMBER
        return Node("number", start, self._at, int(word) if whole else float(word))

    def _unexpected(self, expected: str) -> DevserverError:
        # One character alone: what is here may be the rest of a secret.
        actual = repr(self._next()) if self._next() else "the end of the file"
        return self._error(f"found {actual}", expected)

    def _error(self, problem: str, expected: str) -> DevserverError:
        line, column = Document(self._text, None, ()).position(self._at)
        return DevserverError(
            f"{self._path}:{line}:{column}: {problem}",
            expected=expected,
            remedy="correct the file there; it was left as it is",
            path=self._path,
            line=line,
            column=column,
        )
