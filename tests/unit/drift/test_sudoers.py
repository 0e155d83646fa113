# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PATH of sudo, as its own files set it."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Assignment, Source
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.sudoers import secure_path

# The files by name, and the file, line and value that is in force.
FILES: dict[str, tuple[dict[str, str], tuple[str, int, str] | None]] = {
    "none": ({"sudoers": "Defaults env_reset\n"}, None),
    "plain": ({"sudoers": "\nDefaults secure_path = /sbin:/bin\n"}, ("sudoers", 2, "/sbin:/bin")),
    "quoted": ({"sudoers": 'Defaults\tsecure_path="/sbin:/bin"\n'}, ("sudoers", 1, "/sbin:/bin")),
    "one of several": ({"sudoers": "Defaults env_reset, secure_path=/bin, !lecture\n"}, ("sudoers", 1, "/bin")),
    "the last one": ({"sudoers": "Defaults secure_path=/a\nDefaults secure_path=/b\n"}, ("sudoers", 2, "/b")),
    "switched off": ({"sudoers": "Defaults secure_path=/a\nDefaults !secure_path\n"}, None),
    "a comment": ({"sudoers": "# Defaults secure_path=/a\n"}, None),
    "of one user": ({"sudoers": "Defaults:alice secure_path=/a\n"}, None),
    "continued": ({"sudoers": "Defaults \\\n  secure_path=/a\nDefaults x\n"}, ("sudoers", 1, "/a")),
    "in a directory": (
        {
            "sudoers": "Defaults secure_path=/a\n#includedir {}/sudoers.d\n",
            "sudoers.d/10": "Defaults secure_path=/b\n",
            "sudoers.d/20.bak": "Defaults secure_path=/c\n",
            "sudoers.d/30~": "Defaults secure_path=/c\n",
        },
        ("sudoers.d/10", 1, "/b"),
    ),
    "in another file": (
        {"sudoers": "@include sudoers.local\nDefaults x\n", "sudoers.local": "Defaults secure_path=/b\n"},
        ("sudoers.local", 1, "/b"),
    ),
    "in a circle": ({"sudoers": "@include sudoers\nDefaults secure_path=/a\n"}, ("sudoers", 2, "/a")),
    "missing": ({}, None),
}


@pytest.mark.parametrize("case", FILES)
def test_the_line_in_force(tmp_path: pathlib.Path, case: str) -> None:
    files, expected = FILES[case]
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text.replace("{}", str(tmp_path)))
    found = secure_path(str(tmp_path / "sudoers"))
    place = found and (str(found.source.file)[len(f"{tmp_path}/") :], found.source.line, found.value)
    assert place == expected


@pytest.mark.parametrize(
    ("value", "rules"),
    [("/sbin:/usr/bin", ["GD112"]), ("/usr/bin:/usr/local/bin/", []), ("{}/bin", []), (None, [])],
)
def test_a_secure_path_without_go_is_a_note(fake_host: t.Any, value: str | None, rules: list[str]) -> None:
    line = value and Assignment("PATH", value.format(fake_host.goroot), Source("file", "/etc/sudoers", 9))
    found = fake_host.findings(secure_path=line or None)
    assert [one.rule.id for one in found] == rules
    assert all((one.rule.severity, one.user, one.source.line) == ("note", "", 9) for one in found)
