# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mirror is read from apt's own files, of either format."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from dev.apt import mirror
from dev.checkout import Failure

DEB822 = """\
# The main archive
Types: deb deb-src
URIs: http://mirror.example.org/debian
Suites: bookworm bookworm-updates
Components: main
"""
SECURITY = "Types: deb\nURIs: http://mirror.example.org/security\nSuites: bookworm-security\n"


def write(etc: Path, files: t.Mapping[str, str]) -> Path:
    (etc / "sources.list.d").mkdir()
    for name, content in files.items():
        (etc / name).write_text(content)
    return etc


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("sources.list", "deb http://a.example.org/debian bookworm main\n", "http://a.example.org/debian"),
        (
            "sources.list",
            "# deb http://no.example.org/ bookworm main\ndeb-src http://no.example.org/ bookworm main\n"
            "deb [arch=amd64 signed-by=/k.gpg] https://a.example.org/debian bookworm main # near\n",
            "https://a.example.org/debian",
        ),
        ("sources.list.d/debian.sources", DEB822, "http://mirror.example.org/debian"),
        ("sources.list.d/debian.sources", SECURITY + "\n" + DEB822, "http://mirror.example.org/debian"),
        (
            "sources.list.d/debian.sources",
            "Types: deb\nURIs:\n http://a.example.org/one\n http://a.example.org/two\nSuites: bookworm\n",
            "http://a.example.org/one",
        ),
        (
            "sources.list.d/debian.sources",
            "Types: deb\nEnabled: no\nURIs: http://off.example.org/\nSuites: bookworm\n\n" + DEB822,
            "http://mirror.example.org/debian",
        ),
        ("sources.list", "deb file:/srv/mirror bookworm main\ndeb http://a/ bookworm main\n", "http://a/"),
    ],
)
def test_mirror_is_the_one_that_serves_the_release(tmp_path: Path, name: str, content: str, expected: str) -> None:
    assert mirror("bookworm", write(tmp_path, {name: content})) == expected


def test_a_vendors_source_that_sorts_first_is_not_the_mirror(tmp_path: Path) -> None:
    vendor = "deb https://vendor.example.org/apt nodistro main\n"
    etc = write(tmp_path, {"sources.list.d/a-vendor.list": vendor, "sources.list.d/debian.sources": DEB822})
    assert mirror("bookworm", etc) == "http://mirror.example.org/debian"


def test_another_release_is_taken_from_the_first_mirror(tmp_path: Path) -> None:
    assert mirror("trixie", write(tmp_path, {"sources.list.d/debian.sources": DEB822})).endswith("/debian")


@pytest.mark.parametrize("content", ["", "deb cdrom:[Debian]/ bookworm main\n", "# nothing\n"])
def test_a_missing_mirror_is_an_error(tmp_path: Path, content: str) -> None:
    with pytest.raises(Failure, match=r"no http\(s\) mirror"):
        mirror("bookworm", write(tmp_path, {"sources.list": content}))
