# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PATH that sudo gives to commands, from /etc/sudoers and the files that it includes."""

from __future__ import annotations

import contextlib
import os
import re
import typing as t

from ..._core.errors import DevserverError
from ..._core.provenance import Assignment, Source
from ..._host.files import read_text

SUDOERS = "/etc/sudoers"
_INCLUDE = re.compile(r"\s*[#@](include|includedir)\s+\"?([^\"\s](?:[^\"\n]*[^\"\s])?)\"?\s*\Z")
_DEFAULTS = re.compile(r"\s*Defaults\s+(?P<settings>.*)", re.DOTALL)
_SECURE_PATH = re.compile(
    r"(?:^|,)\s*(?:(?P<not>!)\s*)?secure_path(?:\s*=\s*(?:\"(?P<quoted>[^\"]*)\"|(?P<plain>[^,\"]*)))?"
)
# Files that include each other.
_DEEPEST = 16


def secure_path(path: str = SUDOERS) -> Assignment | None:
    """Return the last line for all users that sets ``secure_path``; None without one, and if it is switched off.

    Of settings for single users, hosts and commands, such as ``Defaults:alice``, nothing is read.
    """
    setting = None
    for source, line in _lines(path):
        defaults = _DEFAULTS.match(line)
        for match in _SECURE_PATH.finditer(defaults.group("settings")) if defaults else ():
            value = match.group("quoted") or match.group("plain") or ""
            setting = None if match.group("not") else Assignment("PATH", value.strip(), source)
    return setting


def _lines(path: str, depth: int = 0) -> t.Iterator[tuple[Source, str]]:
    """Yield the lines of a file and of those that it includes, with lines that end in a backslash joined."""
    text = None
    with contextlib.suppress(DevserverError):
        text = read_text(path)
    joined, first = "", 0
    for number, line in enumerate((text or "").split("\n"), 1):
        first = first if joined else number
        joined += line
        if joined.endswith("\\"):
            joined = joined[:-1]
            continue
        include = _INCLUDE.match(joined)
        if include and depth < _DEEPEST:
            for name in _included(include.group(1), os.path.join(os.path.dirname(path), include.group(2))):
                yield from _lines(name, depth + 1)
        elif not joined.lstrip().startswith("#"):
            yield Source("file", path, first), joined
        joined = ""


def _included(kind: str, path: str) -> list[str]:
    if kind == "include":
        return [path]
    with contextlib.suppress(OSError):
        # As sudo does: no editors' copies, and no names with a dot.
        return [os.path.join(path, name) for name in sorted(os.listdir(path)) if not re.search(r"[.]|~\Z", name)]
    return []
