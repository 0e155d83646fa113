# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes which units still have to be told of files that are being written, for the run after one that was killed.

The notes lie in /run: what starts with the host has read its files anew. Each run writes its own whole.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import read_text, write_text

FOLDER = "/run"


def read_pending(path: str) -> set[str]:
    """Return the names that an earlier run has noted in ``path`` and did not come to."""
    return set((read_text(path) or "").split())


def record_pending(path: str, names: t.Iterable[str]) -> None:
    """Note ``names`` before anything is written; with none, the notes stay as they are."""
    text = "".join(f"{name}\n" for name in sorted(set(names)))
    if text:
        write_text(path, text, mode=0o644, uid=os.geteuid(), gid=os.getegid(), keep=False)


def clear_pending(path: str) -> None:
    """Take the notes away: all have been told."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
