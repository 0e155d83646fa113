# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of single users that cannot be edited: they are skipped, and reported after everything else.

For a listed user the module fails then. A user who is not listed can cause no more than a warning.
"""

from __future__ import annotations

import contextlib
import typing as t

from .._core.errors import DevserverError


class SkippedFile(t.NamedTuple):
    """A file or directory of one user that was left as it is; ``line`` and ``column`` count from 1."""

    user: str
    file: str
    line: int | None
    column: int | None
    reason: str


@contextlib.contextmanager
def skip_errors(skipped: list[SkippedFile], user: str, path: str) -> t.Iterator[None]:
    """Add an error about a file of ``user`` to ``skipped``; without a user the file is the host's, and it is raised."""
    try:
        yield
    except (DevserverError, OSError) as error:
        if not user:
            raise
        if not isinstance(error, DevserverError):
            remedy = f"correct the owner or mode that 'namei -l {path}' shows, or rename what is in its place"
            error = DevserverError(f"{path} of user {user}: {error.strerror}", remedy=remedy)
        skipped.append(SkippedFile(user, path, error.details.get("line"), error.details.get("column"), str(error)))


def split_skipped(skipped: t.Sequence[SkippedFile], listed: t.Container[str]) -> tuple[list[SkippedFile], list[str]]:
    """Return the skipped files of ``listed`` users, and a warning about each file of another user."""
    warnings = [
        f"{entry.file} of user {entry.user}, who is not listed, was left as it is: {entry.reason}"
        for entry in skipped
        if entry.user not in listed
    ]
    return [entry for entry in skipped if entry.user in listed], warnings


def find_failure(
    skipped: t.Sequence[SkippedFile], problem: str = "files of these users were not edited"
) -> DevserverError | None:
    """Return the error of a run that skipped files, with every reason; None for a complete run."""
    if not skipped:
        return None
    users = ", ".join(dict.fromkeys(entry.user for entry in skipped))
    reasons = "".join(f"\n{entry.user}: {entry.reason}" for entry in skipped)
    return DevserverError(f"{problem}: {users}.{reasons}")
