# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check of the vocabulary: what counts as a word, which terms are allowed, and which commits are read."""

from __future__ import annotations

import pathlib
import subprocess
import typing as t

import pytest

from dev import words


@pytest.fixture(scope="module")
def vocabulary() -> words.Vocabulary:
    return words.Vocabulary()


@pytest.mark.parametrize(
    ("text", "word", "replacement"),
    [
        ("To mend it", "mend", "fix"),
        ("FOLDER = 1", "FOLDER", "directory"),
        ("def _told(unit)", "told", "report"),
        ("it comes to an end", "comes to an end", "expires"),
        ("a start-up file", "start-up", "startup"),
    ],
)
def test_a_word_is_found_in_text_and_in_names(
    vocabulary: words.Vocabulary, text: str, word: str, replacement: str
) -> None:
    (hit,) = vocabulary.hits(f"\n{text}\n", "a.py")
    assert (hit.place, hit.word) == ("a.py:2", word)
    assert replacement in hit.replacement


@pytest.mark.parametrize(
    "text", ["a task and its mask", "amend", "Connection refused", "--ask-become-pass", "a workspace folder", "client"]
)
def test_other_words_and_terms_of_other_programs_are_allowed(vocabulary: words.Vocabulary, text: str) -> None:
    assert not list(vocabulary.hits(text, "a.py"))


def test_an_allowed_term_does_not_hide_the_word_beside_it(vocabulary: words.Vocabulary) -> None:
    assert [hit.word for hit in vocabulary.hits("connection refused, then refused", "a.py")] == ["refused"]


def test_a_public_name_is_allowed_only_in_its_file(vocabulary: words.Vocabulary) -> None:
    name = "plugins/module_utils/_environment/contexts/ssh.py"
    assert not list(vocabulary.hits("LOGIN REFUSED", name))
    assert [hit.word for hit in vocabulary.hits("refused", name)] == ["refused"]
    assert [hit.word for hit in vocabulary.hits("LOGIN REFUSED", "a.py")] == ["REFUSED"]


def test_a_long_subject_and_a_word_in_a_subject_are_reported(vocabulary: words.Vocabulary) -> None:
    assert not words.subject_problems(vocabulary, ["Fix the unit", "x" * 72])
    assert len(words.subject_problems(vocabulary, ["Mend the unit", "x" * 73])) == 2


@pytest.mark.parametrize(
    ("name", "directories", "expected"),
    [
        ("dev/words.py", ["dev"], True),
        ("dev/words.py", ["dev/words.py"], True),
        ("developer.md", ["dev"], False),
        ("developer.md", ["."], True),
    ],
)
def test_a_path_covers_itself_and_what_is_in_it(name: str, directories: list[str], expected: bool) -> None:
    assert words.is_below(name, directories) is expected


def test_only_commits_since_origin_main_are_checked(tmp_path: pathlib.Path) -> None:
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    _git(tmp_path, "init", "-q", "-b", "main", origin)
    _commit(origin, "An old commit")
    assert words.branch_subjects(origin) == []
    _git(tmp_path, "clone", "-q", origin, clone)
    assert words.branch_subjects(clone) == []
    _commit(clone, "A new commit")
    assert words.branch_subjects(clone) == ["A new commit"]


def test_every_path_on_the_list_exists(vocabulary: words.Vocabulary) -> None:
    paths: t.Iterable[str] = [*vocabulary.excluded, *vocabulary.exceptions]
    assert [path for path in paths if not (words.ROOT / path).exists()] == []


def _commit(repository: pathlib.Path, subject: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    _git(repository, *identity, "commit", "-q", "--allow-empty", "-m", subject)


def _git(directory: pathlib.Path, *arguments: str | pathlib.Path) -> None:
    subprocess.run(["git", "-C", directory, *arguments], check=True)
