# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of the measurements of a verification. Each is off unless its option is set."""

from __future__ import annotations

import typing as t

from .._core.errors import DevserverError


class MeasurementGate(t.NamedTuple):
    """The ``limit`` that an option sets for a measurement: a maximum, unless ``is_minimum``.

    A limit of 0 is not checked. A measurement of None is unknown, which fails. ``show`` formats both numbers.
    """

    option: str
    measured: float | None
    limit: float
    show: t.Callable[[t.Any], str]
    remedy: str
    is_minimum: bool = False

    def fails(self) -> bool:
        if not self.limit or self.measured is None:
            return bool(self.limit)
        return self.measured < self.limit if self.is_minimum else self.measured > self.limit

    def describe(self) -> str:
        measured = "unknown" if self.measured is None else self.show(self.measured)
        return f"{self.option}: measured {measured}, limit {self.show(self.limit)}"


def check_gates(*gates: MeasurementGate) -> None:
    """Raise DevserverError, with ``failed_gates`` in its details, that names each gate that fails."""
    failed = [gate for gate in gates if gate.fails()]
    if failed:
        raise DevserverError(
            "; ".join(gate.describe() for gate in failed),
            remedy="; ".join(gate.remedy for gate in failed),
            failed_gates=[gate.describe() for gate in failed],
        )
