# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of JSON with comments, edited atomically: a reader finds the old text or the new one."""

from __future__ import annotations

import os
import typing as t

from .._core.errors import DevserverError
from .._host.files import Changes, read_text, write_text
from .editor import Edit, apply_edits


def edit_file(path: str, edits: t.Iterable[Edit], *, mode: int | None, check: bool) -> Changes:
    """Apply ``edits`` to the file and return the changes; with ``check`` only plan them.

    ``mode`` is that of a new file; None means that the file must exist. Raises DevserverError for a file that is
    missing then, cannot be read or written, or is not JSON with comments.
    """
    before = read_text(path)
    if before is None and mode is None:
        raise DevserverError(
            f"{path} is missing", expected="a file", remedy="create it, or set create: true", path=path
        )
    after = apply_edits(before or "", edits, path=path)
    changes = Changes()
    changes.add(path, before or "", after, whole=False)
    if changes and not check:
        _create_directory(os.path.dirname(os.path.abspath(path)))
        write_text(path, after, mode=mode or 0o644, uid=os.geteuid(), gid=os.getegid())
    return changes


def _create_directory(path: str) -> None:
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise DevserverError(
            f"cannot create the directory {path}: {error.strerror}",
            remedy="create it, or make its parent directory writable",
            path=path,
        ) from error
