# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors that this collection raises for invalid input and for operations that fail on the host."""

from __future__ import annotations

import typing as t

# What separates the remedy from the rest of an error's text.
REMEDY = ". To fix this: "
# Characters of an error that is not the collection's own.
_LONGEST_ERROR = 200


class DevserverError(Exception):
    """An error with its problem (what failed, and where), the expected state, and a remedy.

    ``details`` are machine-readable facts (a digest, a path, an exit code); they become keys of the module's result.
    """

    def __init__(self, problem: str, *, expected: str = "", remedy: str = "", **details: t.Any) -> None:
        self.problem = problem
        self.expected = expected
        self.remedy = remedy
        self.details = details
        super().__init__(str(self))

    def __str__(self) -> str:
        text = self.problem.rstrip(".")
        if self.expected:
            text += ". Expected: {}".format(self.expected.rstrip("."))
        if self.remedy:
            text += REMEDY + self.remedy.rstrip(".")
        return f"{text}."

    def result(self) -> dict[str, t.Any]:
        """Return the arguments for ``AnsibleModule.fail_json``."""
        return dict(self.details, msg=str(self))


class TimedOut(DevserverError):
    """An operation exceeded its time limit."""


def describe_error(error: Exception) -> str:
    """Return the message of any error: what a user's files and processes contain can cause unexpected ones."""
    return str(error) if isinstance(error, (DevserverError, OSError)) else describe_unexpected(error)


def describe_unexpected(error: Exception) -> str:
    """Return the message for an error that nobody has foreseen."""
    return f"an unexpected error occurred: {type(error).__name__}: {str(error)[:_LONGEST_ERROR]}"
