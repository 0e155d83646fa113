# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of single users that cannot be edited: they are skipped, and the module fails after everything else."""

from __future__ import annotations

import contextlib
import typing as t

from .._core.errors import DevserverError
from .accounts import Account


class SkippedFile(t.NamedTuple):
    """A file or directory of one user that was left as it is; ``line`` and ``column`` count from 1."""

    user: str
    file: str
    line: int | None
    column: int | None
    reason: str


@contextlib.contextmanager
def skip_errors(skipped: list[SkippedFile], user: Account | None, path: str) -> t.Iterator[None]:
    """Add an error about a file of ``user`` to ``skipped``; without a user the file is the host's, and it is raised."""
    try:
        yield
    except (DevserverError, OSError) as error:
        if user is None:
            raise
        details = error.details if isinstance(error, DevserverError) else {}
        reason = str(error) if isinstance(error, DevserverError) else f"{path}: {error.strerror}."
        skipped.append(SkippedFile(user.name, path, details.get("line"), details.get("column"), reason))


def find_failure(skipped: t.Sequence[SkippedFile]) -> DevserverError | None:
    """Return the error of a run that skipped files, with every reason; None for a complete run."""
    if not skipped:
        return None
    users = ", ".join(dict.fromkeys(entry.user for entry in skipped))
    reasons = "".join(f"\n{entry.user}: {entry.reason}" for entry in skipped)
    return DevserverError(f"files of these users were not edited: {users}.{reasons}")
