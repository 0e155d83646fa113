# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of JSON with comments: read, and edited so that a reader meets the old text or the new one."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import Changes, read_text, write_text
from ansible_collections.gopherops.devserver.plugins.module_utils._jsonc.editor import Edit, apply_edits


def edit_file(path: str, edits: t.Iterable[Edit], *, mode: int | None, check: bool) -> Changes:
    """Make ``edits`` in the file and return what that changed, or would change where ``check``.

    ``mode`` is that of a file that is not there yet; None means that it must be there. Raises DevserverError for a file
    that is missing then, cannot be read or written, or is no JSON with comments.
    """
    before = read_text(path)
    if before is None and mode is None:
        raise DevserverError(
            f"{path} is missing", expected="a file", remedy="create it, or ask for it with create: true", path=path
        )
    after = apply_edits(before or "", edits, path=path)
    changes = Changes()
    changes.add(path, before or "", after, whole=False)
    if changes and not check:
        _make_folder(os.path.dirname(os.path.abspath(path)))
        write_text(path, after, mode=mode or 0o644, uid=os.geteuid(), gid=os.getegid())
    return changes


def _make_folder(path: str) -> None:
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise DevserverError(
            f"cannot make the folder {path}: {error.strerror}",
            remedy="make it, or the one above it writable",
            path=path,
        ) from error
