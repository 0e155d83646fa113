# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The symbolic links by which a toolchain is found; what stands in a link's place is moved aside, never deleted."""

from __future__ import annotations

import os
import re
import time
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils.files import point_link, sync_directory


class Link(t.NamedTuple):
    """A link that must be made or turned: ``aside`` is where a real file or folder in its place goes, or None."""

    path: str
    target: str
    before: str
    aside: str | None


def pending(wanted: t.Mapping[str, str]) -> list[Link]:
    """Return what must be done so that each path of ``wanted`` is a link to its target."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    links = []
    for path, target in wanted.items():
        before = _described(path)
        if before != f"link to {target}\n":
            real = before in ("a folder\n", "a file\n")
            links.append(Link(path, target, before, f"{path}.replaced-{stamp}" if real else None))
    return links


def _described(path: str) -> str:
    if os.path.islink(path):
        return f"link to {os.readlink(path)}\n"
    if not os.path.lexists(path):
        return ""
    return "a folder\n" if os.path.isdir(path) else "a file\n"


def leftovers(wanted: t.Mapping[str, str]) -> list[str]:
    """Return what killed runs left of point_link beside the paths of ``wanted``, or one that is under way."""
    names = "|".join(re.escape(os.path.basename(path)) for path in wanted)
    temporary = re.compile(rf"\.({names}|go\d[\d.]*)\.\d+")
    folders = {os.path.dirname(path) for path in wanted}
    entries = [entry for folder in sorted(folders) if os.path.isdir(folder) for entry in os.scandir(folder)]
    return sorted(entry.path for entry in entries if entry.is_symlink() and temporary.fullmatch(entry.name))


def make(links: t.Sequence[Link]) -> None:
    """Make the links, each by one rename."""
    for link in links:
        os.makedirs(os.path.dirname(link.path), mode=0o755, exist_ok=True)
        if link.aside is not None:
            os.rename(link.path, link.aside)
            sync_directory(os.path.dirname(link.path))
        point_link(link.path, link.target)


def leads(path: str, target: str) -> bool:
    """Say whether ``path`` is a link to ``target``."""
    return os.path.islink(path) and os.readlink(path) == target
