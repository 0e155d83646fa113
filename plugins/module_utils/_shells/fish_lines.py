# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the lines of fish's startup files that have the text of a command in fish's trace, which has no lines."""

from __future__ import annotations

import os
import re
import typing as t

from .._core.provenance import Source
from .._host.accounts import Account
from .._host.command import SYSTEM_PATH, run
from .._host.files import numbered_lines
from .._host.remembered import remembered
from .._host.user_texts import read_texts
from .scripts import SH_PRINT_FISH_FILES

_LINE = re.compile(r"^([^:\n\0]+):(\d{1,9}):(.*)$", re.MULTILINE)
_WORD = re.compile(r"[\w-]+")
# In the text of a line: what the trace shows with its value.
_EXPANDED = re.compile(r"\$\w+(?:\[[^]]*\]?)?|\$?\([^()]*\)|~(?=/)")
_END_OF_COMMAND = re.compile(r"[;|&]")
_PRINTS = re.compile(r"(?<![\w-])(?:echo|printf|set_color)(?![\w-])")


class FishLines:
    """Lines of startup files. A search takes the time of the lines that have the command's rarest word."""

    def __init__(self, lines: t.Sequence[tuple[Source, str]]) -> None:
        code = [(source, text) for source, text in lines if not text.lstrip().startswith("#")]
        self._lines = [(source, _unquoted(text)) for source, text in code]
        self._texts = lines
        self._numbers: dict[str, list[int]] = {}
        for number, (_source, text) in enumerate(self._lines):
            for word in dict.fromkeys(_WORD.findall(text)):
                self._numbers.setdefault(word, []).append(number)

    def printing(self, output: str) -> list[Source]:
        """Return the lines whose text is a part of a command that prints ``output``."""
        lines = [(source, text) for source, text in self._texts if output in text]
        return [source for source, text in lines if _PRINTS.search(text)] or [source for source, _text in lines]

    def with_command(self, command: str) -> list[Source]:
        """Return the lines with a command in any quoting; a definition of a function is not a call."""
        command = _unquoted(command)
        whole = re.compile(rf"(?<![\w-])(?<!function ){re.escape(command)}(?![\w-])")
        return [source for source, text in self._with_words(command) if whole.search(text)]

    def like(self, command: str) -> list[Source]:
        """Return the lines that are ``command`` after the expansion of variables and substitutions."""
        command = _unquoted(command)
        first = command.split(" ", 1)[0]
        return [source for source, text in self._with_words(first) if _expands_to(text, first, command)]

    def _with_words(self, command: str) -> list[tuple[Source, str]]:
        words = _WORD.findall(command)
        rarest = min((self._numbers.get(word, []) for word in words), key=len, default=range(len(self._lines)))
        return [self._lines[number] for number in rarest]


def read_startup_files(account: Account, timeout: float) -> FishLines:
    """Return every line of the user's and the host's startup files that the user can read."""
    directory = os.path.join(account.home, ".config/fish")
    argv = ["/bin/sh", "-c", SH_PRINT_FISH_FILES, "sh", directory]
    matches = _LINE.findall(run(argv, env={"PATH": SYSTEM_PATH}, account=account, timeout=timeout).stdout)
    return FishLines([(Source("file", os.path.join(directory, name), int(line)), text) for name, line, text in matches])


@remembered
def read_file(path: str, account: Account, timeout: float) -> FishLines:
    """Return every line of a file, if the user can read it."""
    text = read_texts([path], account, timeout).get(path, "")
    return FishLines([(Source("file", path, number), line) for number, line in numbered_lines(text)])


def _unquoted(text: str) -> str:
    return re.sub(r"['\"\\]", "", text)


def _expands_to(text: str, first: str, command: str) -> bool:
    """Return whether a line has a command whose parts between expansions are in ``command``, in their order."""
    start = re.search(rf"(?<![\w-])(?<!function ){re.escape(first)}(?![\w-])", text)
    if not start:
        return False
    *parts, last = _EXPANDED.split(text[start.start() :])
    at = 0
    for number, part in enumerate([*parts, _END_OF_COMMAND.split(last)[0].rstrip()]):
        start_of_part = command.find(part, at)
        if start_of_part < 0 or (number == 0 and start_of_part > 0):
            return False
        at = start_of_part + len(part)
    return True
