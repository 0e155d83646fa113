# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out all steps for all users, to the last one whatever fails, and shows what came of them."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.redaction import redacted
from ansible_collections.gopherops.devserver.plugins.module_utils._verify.plan import Plan, judged
from ansible_collections.gopherops.devserver.plugins.module_utils._verify.steps import Step, steps_of
from ansible_collections.gopherops.devserver.plugins.module_utils._verify.user_sandbox import Site, site_of

OK, FAILED, SKIPPED = "ok", "failed", "skipped"
_HEAD = ("user", "step", "result", "seconds", "what")
# Characters; the whole stands in the result.
_WIDEST = 100


class Outcome(t.NamedTuple):
    """What came of a step: ``result`` is ok, failed or skipped, ``seconds`` is wall time, ``what`` says it in words."""

    user: str
    step: str
    result: str
    seconds: float
    what: str


def verify(plan: Plan) -> list[Outcome]:
    """Return the outcomes of ``plan``, user by user; raise DevserverError only for a plan that is none."""
    steps = steps_of(judged(plan))
    return [outcome for name, workspace in plan.users for outcome in _of_user(plan, steps, name, workspace)]


def _of_user(plan: Plan, steps: t.Sequence[Step], name: str, workspace: str) -> list[Outcome]:
    try:
        with site_of(plan, name, workspace) as site:
            return _taken(steps, site)
    except (DevserverError, OSError) as error:
        skipped = [Outcome(name, step.name, SKIPPED, 0.0, "there is no workspace") for step in steps]
        return [Outcome(name, "workspace", FAILED, 0.0, redacted(str(error))), *skipped]


def _taken(steps: t.Sequence[Step], site: Site) -> list[Outcome]:
    done: list[Outcome] = []
    for step in steps:
        lost = [one.step for one in done if one.result != OK and one.step in step.needs]
        done.append(_skipped(site, step, lost) if lost else _attempted(step, site))
    return done


def _skipped(site: Site, step: Step, lost: t.Sequence[str]) -> Outcome:
    return Outcome(site.account.name, step.name, SKIPPED, 0.0, f"it needs {', '.join(lost)}")


def _attempted(step: Step, site: Site) -> Outcome:
    start = time.monotonic()
    try:
        result, what = OK, step.function(site)
    except (DevserverError, OSError) as error:
        result, what = FAILED, str(error)
    return Outcome(site.account.name, step.name, result, round(time.monotonic() - start, 2), redacted(what))


def failed_steps(outcomes: t.Iterable[Outcome]) -> list[str]:
    """Return each failed step with its user, as in ``alice: test``."""
    return [f"{one.user}: {one.step}" for one in outcomes if one.result == FAILED]


def table(outcomes: t.Sequence[Outcome]) -> list[str]:
    """Return the lines of a table for people; what is wrong stands below it in full."""
    rows = [_HEAD, *(_row(one) for one in outcomes)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return [*lines, *(f"{one.user}: {one.step}: {one.what}" for one in outcomes if one.result == FAILED)]


def _row(one: Outcome) -> tuple[str, ...]:
    what = one.what.splitlines()[0] if one.what else ""
    shown = what if len(what) <= _WIDEST else what[: _WIDEST - 1] + "…"
    return (one.user, one.step, one.result, f"{one.seconds:.2f}", shown)
