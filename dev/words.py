# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The project's vocabulary: words that code, docs and commit subjects do not use, and what replaces them (words.toml).

`python -m dev.words [PATH...]` lists those in some paths, or in all files.
"""

from __future__ import annotations

import re
import sys
import tomllib
import typing as t
from pathlib import Path

from dev.checkout import ROOT, Failure
from dev.command import files, query
from dev.console import show

LIST = ROOT / "dev" / "words.toml"
SUBJECT_LENGTH = 72
SHOWN = 40


class Hit(t.NamedTuple):
    """``word`` is at ``place``, which is a line of a file or a commit."""

    place: str
    word: str
    replacement: str

    def __str__(self) -> str:
        return f"{self.place}: {self.word!r}, use: {self.replacement}"


class Vocabulary:
    """The words and phrases of words.toml, ready to search texts for."""

    def __init__(self, file: Path = LIST) -> None:
        data = tomllib.loads(file.read_text())
        self.excluded: list[str] = data["excluded"]
        self._replacements = [(_pattern(words), text) for text, words in data["replace"].items()]
        allowed: list[str] = data["allowed"]
        self.exceptions: dict[str, list[str]] = data["exceptions"]
        self._allowed = _alternatives(allowed)
        self._allowed_in = {file: _alternatives([*allowed, *terms]) for file, terms in self.exceptions.items()}

    def hits(self, text: str, place: str) -> t.Iterator[Hit]:
        """Yield the words of a text that are to be replaced; ``place`` is the text's name."""
        allowed = self._allowed_in.get(place, self._allowed)
        for number, line in enumerate(text.splitlines(), 1):
            # The same length, so that nothing else joins to a word.
            rest = allowed.sub(lambda match: " " * len(match[0]), line)
            for pattern, replacement in self._replacements:
                yield from (Hit(f"{place}:{number}", match[0], replacement) for match in pattern.finditer(rest))


def check(_log: Path) -> None:
    """Check all files but those that words.toml excludes, and the subjects of the branch's commits."""
    vocabulary = Vocabulary()
    names = _checked_files(vocabulary)
    subjects = branch_subjects()
    problems = [str(hit) for hit in _hits_in_files(vocabulary, names)]
    problems += subject_problems(vocabulary, subjects)
    show(f"    {len(names)} files and {len(subjects)} commit subjects")
    if problems:
        rest = [f"... and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        raise Failure("\n".join(["words that this project does not use:", *problems[:SHOWN], *rest]))


def subject_problems(vocabulary: Vocabulary, subjects: t.Iterable[str]) -> list[str]:
    """Return what is wrong with commit subjects: a word, or the length."""
    problems = []
    for subject in subjects:
        problems += [str(hit) for hit in vocabulary.hits(subject, f"commit {subject!r}")]
        if len(subject) > SUBJECT_LENGTH:
            problems.append(f"commit {subject!r}: {len(subject)} characters, at most {SUBJECT_LENGTH} are allowed")
    return problems


def branch_subjects(root: Path = ROOT) -> list[str]:
    """Return the subjects of the commits since the branch left origin's main; none where there is no such remote."""
    base = query(["git", "-C", root, "merge-base", "origin/main", "HEAD"])
    if not base.ok:
        return []
    return query(
        ["git", "-C", root, "log", "--no-merges", "--format=%s", f"{base.output.strip()}..HEAD"]
    ).output.splitlines()


def is_below(name: str, directories: t.Iterable[str]) -> bool:
    """Report whether a file is one of these paths or in one of them; "." is everything."""
    return any(each == "." or name == each or name.startswith(f"{each}/") for each in directories)


def _checked_files(vocabulary: Vocabulary) -> list[str]:
    return [name for name in files() if not is_below(name, vocabulary.excluded)]


def _hits_in_files(vocabulary: Vocabulary, names: t.Iterable[str]) -> t.Iterator[Hit]:
    for name in names:
        yield from vocabulary.hits(name, name)
        yield from vocabulary.hits((ROOT / name).read_text(errors="replace"), name)


def _alternatives(terms: t.Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(terms), re.IGNORECASE)


def _pattern(words: t.Iterable[str]) -> re.Pattern[str]:
    # Not \b: the words of a name with underscores count too.
    return re.compile(rf"(?<![a-z])(?:{'|'.join(words)})(?![a-z])", re.IGNORECASE)


def main(paths: t.Sequence[str]) -> None:
    vocabulary = Vocabulary()
    names = [name for name in _checked_files(vocabulary) if is_below(name, paths or ["."])]
    print(*_hits_in_files(vocabulary, names), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
