# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits JSON with comments in place: what is not edited keeps every byte, and no comment is ever lost."""

from __future__ import annotations

import json
import re
import typing as t

from .._core.errors import DevserverError
from .document import Child, Comment, Document, Node, Path, parse

# VS Code's own, for a file that does not show what its author prefers.
_INDENT = "    "
_FIRST_BREAK = re.compile(r"\r\n|\n|\r")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Put(t.NamedTuple):
    """Set the value at ``path``, and make what is missing above it. An index that equals its array's length appends."""

    path: Path
    value: t.Any


class Remove(t.NamedTuple):
    """Take away what is at ``path``; comments stay where they are. What is not there is no error."""

    path: Path


class Merge(t.NamedTuple):
    """Set every leaf of nested dictionaries; names that they do not hold stay as they are."""

    values: t.Mapping[str, t.Any]


Edit = t.Union[Put, Remove, Merge]


class _Splice(t.NamedTuple):
    start: int
    end: int
    text: str


def apply_edits(text: str, edits: t.Iterable[Edit], *, path: str) -> str:
    """Return ``text`` after ``edits``, one after the other; unchanged if it has all values already.

    Raises DevserverError with ``path``, line and column if the text is not JSON with comments, or if the path of an
    edit passes through a value that cannot contain it.
    """
    document = parse(text, path=path)
    # A file may have thousands of values to correct: those that change nothing else are replaced together.
    replacements: dict[int, t.Sequence[_Splice]] = {}
    for edit in edits:
        for step in _steps(document, edit):
            place = _find_scalar(document, step)
            if place is None or place in replacements:
                document, replacements = _replace_all(document, replacements, path), {}
                place = _find_scalar(document, step)
            splices = _Editor(document, path).splices(step)
            if place is not None:
                replacements[place] = splices
            elif splices:
                document = parse(_spliced(document.text, splices), path=path)
    return _replace_all(document, replacements, path).text


def _find_scalar(document: Document, step: Put | Remove) -> int | None:
    """Return the offset of a value without children that ``step`` replaces by another one; None for other steps."""
    node = document.node(step.path) if step.path else None
    if isinstance(step, Remove) or isinstance(step.value, (dict, list)) or node is None:
        return None
    return None if node.kind in ("object", "array") else node.start


def _replace_all(document: Document, replacements: t.Mapping[int, t.Sequence[_Splice]], path: str) -> Document:
    splices = [splice for place in sorted(replacements) for splice in replacements[place]]
    return parse(_spliced(document.text, splices), path=path) if splices else document


def is_same_json(left: t.Any, right: t.Any) -> bool:
    """Return whether two values are equal in JSON: 1 and 1.0 are, 1 and true are not."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(is_same_json(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(is_same_json, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _steps(document: Document, edit: Edit) -> t.Sequence[Put | Remove]:
    if isinstance(edit, Merge):
        return _leaves(document, edit.values, ())
    if isinstance(edit, Put) or not edit.path:
        return [edit]
    # If only the last of several equal keys were removed, the one before it would count.
    parent = document.node(edit.path[:-1])
    return [edit] * len([child for child in parent.children if child.key == edit.path[-1]] if parent else [])


def _leaves(document: Document, values: t.Mapping[str, t.Any], above: tuple[str, ...]) -> list[Put]:
    puts = []
    for key, value in values.items():
        path = (*above, key)
        if isinstance(value, dict) and value:
            puts += _leaves(document, value, path)
        # An empty dictionary means any object.
        elif value != {} or getattr(document.node(path), "kind", "") != "object":
            puts.append(Put(path, value))
    return puts


def _spliced(text: str, splices: t.Sequence[_Splice]) -> str:
    """Return ``text`` with all of ``splices``, which are in the order of the text."""
    parts, at = [], 0
    for splice in splices:
        parts += [text[at : splice.start], splice.text]
        at = splice.end
    return "".join([*parts, text[at:]])


class _Editor:
    """Computes the changes of one edit in one document."""

    def __init__(self, document: Document, path: str) -> None:
        self._document = document
        self._text = document.text
        self._path = path
        first_break = _FIRST_BREAK.search(self._text)
        self._break = first_break.group() if first_break else "\n"

    def splices(self, edit: Put | Remove) -> list[_Splice]:
        if not edit.path:
            raise DevserverError(
                f"an edit of {self._path} has an empty path", expected="one name or more", remedy="name the key"
            )
        return self._put(edit.path, edit.value) if isinstance(edit, Put) else self._remove(edit.path)

    def _put(self, path: Path, value: t.Any) -> list[_Splice]:
        if self._document.root is None:
            return [self._whole(self._nested(path, value))]
        node, holder = self._document.root, None
        for depth, key in enumerate(path):
            if node.kind == "null" and holder:
                return self._replace(holder, self._nested(path[depth:], value))
            self._check(node, path, depth)
            child = node.child(key)
            if child is None:
                return self._insert(node, key, self._nested(path[depth + 1 :], value))
            node, holder = child.node, child
        return [] if holder is None or is_same_json(node.value, value) else self._replace(holder, value)

    def _check(self, node: Node, path: Path, depth: int) -> None:
        """Raise DevserverError if ``node`` cannot contain the key of that depth."""
        key = path[depth]
        expected = "object" if isinstance(key, str) else "array"
        if node.kind == expected and (expected == "object" or 0 <= t.cast(int, key) <= len(node.children)):
            return
        line, column = self._document.position(node.start)
        kind = f"{node.kind} of {len(node.children)} values" if node.kind == expected else node.kind
        raise DevserverError(
            f"{self._path}:{line}:{column}: {list(path)} passes through the {kind} at {list(path[:depth])}",
            expected=f"an {expected} that can contain {key!r}",
            remedy="correct the file there; it was left as it is",
            path=self._path,
            line=line,
            column=column,
        )

    def _nested(self, path: Path, value: t.Any) -> t.Any:
        """Return ``value`` inside of the missing objects and arrays of ``path``."""
        for key in reversed(path):
            if isinstance(key, int) and key != 0:
                raise DevserverError(
                    f"{self._path} has no array for the path {list(path)}",
                    expected="an array, or index 0 for a new one",
                    remedy="correct the path",
                )
            value = {key: value} if isinstance(key, str) else [value]
        return value

    def _whole(self, value: t.Any) -> _Splice:
        """Return the first value of a file without values, after its comments."""
        end = len(self._text)
        rest = self._text[self._document.comments[-1].end :] if self._document.comments else "\n"
        between = "" if _FIRST_BREAK.search(rest) else self._break
        return _Splice(end, end, between + self._formatted(value, "", _INDENT) + self._break)

    def _replace(self, holder: Child, value: t.Any) -> list[_Splice]:
        node = holder.node
        own_line = self._own_line(holder.start)
        indent = self._indentation(holder.start)
        text = self._formatted(value, indent, self._unit() if own_line else "")
        # Comments inside of the old value are kept before the new one.
        kept = self._comments(node.start, node.end)
        comments_text = self._join_comments(kept, own_line, indent) if kept else ""
        return [_Splice(holder.start, holder.start, comments_text), _Splice(node.start, node.end, text)]

    def _insert(self, node: Node, key: t.Any, value: t.Any) -> list[_Splice]:
        if not node.children:
            return self._insert_first(node, key, value)
        last = node.children[-1]
        at = self._end_of_line(last.node.end if last.comma is None else last.comma + 1)
        own_line = self._own_line(last.start)
        indent = self._indentation(last.start)
        behind_line_comment = any(c.end == at and self._is_line(c) for c in self._document.comments)
        gap = self._break + indent if own_line or behind_line_comment else " "
        member = self._member(key, value, indent, self._unit() if own_line else "")
        if last.comma is not None:
            return [_Splice(at, at, gap + member + ",")]
        return [_Splice(last.node.end, last.node.end, ","), _Splice(at, at, gap + member)]

    def _insert_first(self, node: Node, key: t.Any, value: t.Any) -> list[_Splice]:
        outer = self._indentation(node.start)
        indent = outer + self._unit()
        within = self._comments(node.start, node.end)
        start = within[-1].end if within else node.start + 1
        rest = self._text[start : node.end - 1]
        tail = rest if _FIRST_BREAK.search(rest) else self._break + outer
        return [
            _Splice(start, node.end - 1, self._break + indent + self._member(key, value, indent, self._unit()) + tail)
        ]

    def _remove(self, path: Path) -> list[_Splice]:
        parent = self._document.node(path[:-1])
        child = parent.child(path[-1]) if parent else None
        if parent is None or child is None:
            return []
        number = parent.children.index(child)
        # With its comma; the last one without a comma, with the comma before it.
        end = child.node.end if child.comma is None else child.comma + 1
        if child.comma is not None or number == 0:
            return [self._cut_out(child, end)]
        comma = t.cast(int, parent.children[number - 1].comma)
        alone = not self._text[comma + 1 : child.start].strip() and not self._comments(child.start, end)
        if alone and self._end_of_line(end) == end:
            return [_Splice(comma, end, "")]
        return [_Splice(comma, comma + 1, ""), self._cut_out(child, end)]

    def _cut_out(self, child: Child, end: int) -> _Splice:
        """Remove a child up to ``end``, and the whole line if nothing else is in it; keep its comments."""
        start, stop = child.start, self._past_blanks(end)
        starts_line, ends_line = self._own_line(start), self._text[stop : stop + 1] in ("", "\r", "\n")
        kept = self._comments(start, end)
        if kept:
            comments_text = self._join_comments(kept, starts_line, self._indentation(start), ends_line)
            return _Splice(start, stop, comments_text)
        if starts_line and ends_line:
            line_break = _FIRST_BREAK.match(self._text, stop)
            return _Splice(self._document.line_start(start), line_break.end() if line_break else stop, "")
        if ends_line:
            start = len(self._text[:start].rstrip(" \t"))
        return _Splice(start, stop, "")

    def _comments(self, start: int, end: int) -> list[Comment]:
        return [comment for comment in self._document.comments if start <= comment.start and comment.end <= end]

    def _is_line(self, comment: Comment) -> bool:
        return self._text.startswith("//", comment.start)

    def _join_comments(
        self, comments: t.Sequence[Comment], own_line: bool, indent: str, ends_line: bool = False
    ) -> str:
        """Return comments with the separator after each; after the last one nothing if the line ends there."""
        comments_text = ""
        for comment in comments:
            comments_text += self._text[comment.start : comment.end]
            if not (ends_line and comment is comments[-1]):
                comments_text += self._break + indent if own_line or self._is_line(comment) else " "
        return comments_text

    def _past_blanks(self, offset: int) -> int:
        return len(self._text) - len(self._text[offset:].lstrip(" \t"))

    def _end_of_line(self, offset: int) -> int:
        """Return the end of the last comment that begins in the same line after ``offset``, else ``offset``."""
        for comment in self._document.comments:
            if comment.start >= offset and not self._text[offset : comment.start].strip(" \t"):
                offset = comment.end
        return offset

    def _indentation(self, offset: int) -> str:
        line = self._text[self._document.line_start(offset) : offset]
        return line[: len(line) - len(line.lstrip(" \t"))]

    def _own_line(self, offset: int) -> bool:
        """Return whether only blanks are before ``offset`` in its line."""
        return not self._text[self._document.line_start(offset) : offset].strip(" \t")

    def _unit(self) -> str:
        """Return one level's indentation, as the first nested line has it."""
        nodes = [self._document.root]
        while nodes:
            node = nodes.pop(0)
            if node is None or not node.children:
                continue
            first = node.children[0].start
            outer, inner = self._indentation(node.start), self._indentation(first)
            if self._own_line(first) and inner != outer and inner.startswith(outer):
                return inner[len(outer) :]
            nodes += [child.node for child in node.children]
        return _INDENT

    def _member(self, key: t.Any, value: t.Any, indent: str, unit: str) -> str:
        text = self._formatted(value, indent, unit)
        return f"{_encoded(key, None)}: {text}" if isinstance(key, str) else text

    def _formatted(self, value: t.Any, indent: str, unit: str) -> str:
        """Return the value in lines of the document's own style, or in one line without a ``unit``."""
        try:
            text = _encoded(value, unit or None)
        except (TypeError, ValueError) as error:
            raise DevserverError(
                f"a value for {self._path} cannot be written as JSON: {error}",
                expected="text, numbers, true, false, null, lists and dictionaries",
                remedy="correct the value",
            ) from error
        return text.replace("\n", self._break + indent)


def _encoded(value: t.Any, indent: str | None) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)
    # Half of a pair has no bytes of its own.
    return _SURROGATE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
