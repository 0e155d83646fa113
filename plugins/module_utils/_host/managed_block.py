# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A block of lines between two marks in a file of another owner."""

from __future__ import annotations

from .._core.errors import DevserverError
from .files import split_lines
from .rollback import BEGIN, END, block_marks


def with_block(text: str, body: str, *, path: str, first: bool) -> str:
    """Return ``text`` with ``body`` as its managed block: in place of the existing block, else first or last.

    Raises DevserverError if the marks in ``text`` are not one pair in order; ``path`` is the file in the message.
    """
    newline, lines, place = _parts(text, path)
    block = [BEGIN, *split_lines(body), END]
    if place:
        return newline.join(lines[: place[0]] + block + lines[place[1] + 1 :])
    return newline.join(block + lines) if first else newline.join(_ended(lines) + block) + newline


def has_block(text: str) -> bool:
    """Return whether ``text`` contains a mark of a managed block."""
    return any(block_marks(split_lines(text)))


def lines_of_block(text: str, *, path: str) -> list[str]:
    """Return the lines in the managed block of ``text``; raise the errors of ``with_block``."""
    _newline_of_text, lines, place = _parts(text, path)
    return lines[place[0] + 1 : place[1]] if place else []


def without_block(text: str, *, path: str) -> str:
    """Return ``text`` without a managed block; raise the errors of ``with_block``."""
    newline, lines, place = _parts(text, path)
    return newline.join(lines[: place[0]] + lines[place[1] + 1 :]) if place else text


def _parts(text: str, path: str) -> tuple[str, list[str], tuple[int, int] | None]:
    """Return the line ending of ``text``, its lines, and the numbers of the block's first and last line."""
    newline = _newline(text)
    lines = text.split(newline)
    begins, ends = block_marks(lines)
    if not begins and not ends:
        return newline, lines, None
    if len(begins) != 1 or len(ends) != 1 or begins[0] > ends[0]:
        line = min(begins + ends) + 1
        raise DevserverError(
            f"{path} line {line}: the marks of the managed block are broken",
            expected=f"one {BEGIN!r}, followed by one {END!r}",
            remedy="delete the rest of the block and run again",
            path=path,
            line=line,
        )
    return newline, lines, (begins[0], ends[0])


def _newline(text: str) -> str:
    # A single CRLF is a mistake: shells and PAM would read the CR as a part of the block's words.
    return "\r\n" if "\r\n" in text and text.count("\r\n") == text.count("\n") else "\n"


def _ended(lines: list[str]) -> list[str]:
    return lines[:-1] if lines and lines[-1] == "" else lines
