# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Quoting in systemd's files, for values and for words of commands."""

from __future__ import annotations

import pytest
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
