# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences of files, without the content of private keys."""

from __future__ import annotations

from ..._host.files import Changes
from ..._host.managed_files import FileEdit


def add_redacted_change(changes: Changes, edit: FileEdit) -> None:
    """Add the change of a file; for a private key (*.key), only whether it exists or is replaced."""
    before, after = edit.shown
    if edit.file.path.endswith(".key"):
        new = "a private key\n"
        previous = new if edit.before == edit.after else "a previous private key\n"
        before, after = edit.with_rights(previous if edit.before else "", new if edit.after else "")
    changes.add(edit.file.path, before, after)
