# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Quoting in systemd's files, for values and for words of commands."""

from __future__ import annotations

import ctypes
import pathlib
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.environment_files import (
    environment_file_setting,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.quoting import (
    command_line,
    command_word,
    quoted,
    setting_word,
    unquoted,
)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("/usr/bin/dlv", "/usr/bin/dlv"),
        ("", '""'),
        ("a b", '"a b"'),
        ("100%", '"100%%"'),
        ("$HOME", '"$$HOME"'),
        ('"', '"\\""'),
        ("\\", '"\\\\"'),
        # Backticks are plain characters in a command, other than in the files of variables.
        ("`", '"`"'),
        ("é", '"é"'),
    ],
)
def test_a_word_of_a_command_reaches_the_program_unchanged(text: str, word: str) -> None:
    assert command_word(text) == word


@pytest.mark.parametrize(("text", "word"), [("PATH=/go/bin:/bin", "PATH=/go/bin:/bin"), ('A=$x `%"', '"A=$x `%%\\""')])
def test_a_word_of_a_setting_keeps_its_dollar_sign(text: str, word: str) -> None:
    assert setting_word(text) == word


def test_words_are_separated_by_spaces() -> None:
    assert command_line(["/bin/x", "a b", "c"]) == '/bin/x "a b" c'


@pytest.mark.parametrize("value", ["", "a b", "it's", '"x"', "back\\slash", "`x`", "$HOME"])
def test_a_quoted_value_is_read_back(value: str) -> None:
    assert unquoted(quoted(value, "$")) == value


@pytest.mark.parametrize(("dollar", "expected"), [("$", '"$x"'), ("$$", '"$$x"'), (r"\$", r'"\$x"')])
def test_each_kind_of_file_has_its_own_dollar_sign(dollar: str, expected: str) -> None:
    assert quoted("$x", dollar) == expected


@pytest.mark.parametrize("name", ["alice", r"CORP\adoe", "a[b]", "a*", "a?b", "50%"])
def test_an_environment_file_is_the_only_match_of_its_pattern(tmp_path: pathlib.Path, name: str) -> None:
    file = tmp_path / name
    for path in (file, tmp_path / "CORPadoe", tmp_path / "ab", tmp_path / "a1b"):
        path.touch()
    assert glob(environment_file_setting(str(file)).replace("%%", "%")) == [str(file)]


class Matches(ctypes.Structure):
    """The beginning of glob_t, and more than the rest of it."""

    _fields_: t.ClassVar = [
        ("count", ctypes.c_size_t),
        ("paths", ctypes.POINTER(ctypes.c_char_p)),
        ("rest", ctypes.c_char * 64),
    ]


def glob(pattern: str) -> list[str]:
    """Return what glob(3) finds, by which systemd resolves the setting: Python's own has no backslash."""
    found = Matches()
    ctypes.CDLL(None).glob(pattern.encode(), 0, None, ctypes.byref(found))
    return [found.paths[number].decode() for number in range(found.count)]
