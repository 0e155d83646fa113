# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Quoting in systemd's files: values of variables, and words of commands."""

from __future__ import annotations

import re
import typing as t

_PLAIN = re.compile(r"[\w.,:/=@+\[\]-]+", re.ASCII)


def quoted(value: str, dollar: str) -> str:
    """Return a variable's ``value`` in double quotes; ``dollar`` is how a dollar sign is written."""
    return '"' + re.sub(r'([\\"`])', r"\\\1", value).replace("$", dollar) + '"'


def unquoted(value: str) -> str:
    """Return the value in the text that follows ``NAME=`` in an environment file or a generator's output."""
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] == '"':
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == "'" else value


def command_line(words: t.Iterable[str]) -> str:
    """Return the command of ``ExecStart=`` and the like that starts a program with exactly these ``words``."""
    return " ".join(map(command_word, words))


def command_word(text: str) -> str:
    """Return ``text`` as one word of a command, in which systemd replaces nothing."""
    return setting_word(text.replace("$", "$$"))


def setting_word(text: str) -> str:
    """Return ``text`` as one word of a setting such as ``Environment=``, in which systemd replaces nothing."""
    if _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{without_specifiers(escaped)}"'


def without_specifiers(text: str) -> str:
    """Return ``text`` such that systemd finds no specifier in it."""
    return text.replace("%", "%%")
