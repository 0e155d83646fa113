# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs all steps for all users, after failures too, and shows the results."""

from __future__ import annotations

import re
import time
import typing as t

from .._core.ending import end_with_connection
from .._core.errors import DevserverError, describe_error
from .._core.redaction import without_secrets
from .._environment.caches import describe_foreign_cache
from .._host.accounts import find_account
from .._host.process_tree import orphans_ended
from .._host.user_access import each_as
from .plan import VerificationPlan, validate_plan
from .steps import Step, select_steps
from .user_sandbox import UserSandbox, open_sandbox

OK, FAILED, SKIPPED = "ok", "failed", "skipped"
_HEADER = ("user", "step", "result", "seconds", "what")
# How go reports a cache that it cannot use.
_CACHE = re.compile(r"permission denied|is not in std", re.IGNORECASE)
# Characters of a cell; the result contains the whole text.
_MAX_WIDTH = 100
# Seconds after the time limit of a user until that user's process is killed, for what the steps stop by themselves.
_GRACE = 30.0


class StepResult(t.NamedTuple):
    """``result`` is ok, failed or skipped, ``seconds`` is wall time, ``what`` is the measurement or the error.

    ``failed_gates`` describes each limit that the step did not meet.
    """

    user: str
    step: str
    result: str
    seconds: float
    what: str
    failed_gates: t.Sequence[str] = ()


def verify(plan: VerificationPlan) -> list[StepResult]:
    """Return the results of all steps, user by user; raise DevserverError only for an invalid plan."""
    validate_plan(plan)
    steps = select_steps(plan)
    return [result for name, workspace in plan.users for result in _verify_user(plan, steps, name, workspace)]


def _verify_user(plan: VerificationPlan, steps: t.Sequence[Step], name: str, workspace: str) -> list[StepResult]:
    """Run the steps in a process of their own, which is killed if a file system of the user hangs."""

    def run(_place: str) -> list[StepResult]:
        # It ends like the module, with all that it has started.
        end_with_connection()
        with open_sandbox(plan, name, workspace) as sandbox:
            return _run_steps(steps, sandbox)

    place, seconds = workspace or plan.temporary_directory, plan.timeout + _GRACE
    try:
        with orphans_ended():
            results = each_as(find_account(name), run, {place: place}, as_root=True, seconds=seconds, programs=True)
            return [StepResult(*result) for result in results[place]()]
    except Exception as error:
        skipped = [StepResult(name, step.name, SKIPPED, 0.0, "needs workspace") for step in steps]
        return [StepResult(name, "workspace", FAILED, 0.0, without_secrets(describe_error(error))), *skipped]


def _run_steps(steps: t.Sequence[Step], sandbox: UserSandbox) -> list[StepResult]:
    results: list[StepResult] = []
    for step in steps:
        # Without its limit, a step that exceeds it would be ok.
        lacking = [entry for entry in results if entry.result != OK and not entry.failed_gates]
        missing = [entry.step for entry in lacking if entry.step in step.needs]
        if sandbox.expired or missing:
            needs = f"needs {', '.join(missing) or f'more than {sandbox.plan.timeout:g} s for all steps of the user'}"
            results.append(StepResult(sandbox.account.name, step.name, SKIPPED, 0.0, needs))
        else:
            results.append(_run_step(step, sandbox))
    return results


def _run_step(step: Step, sandbox: UserSandbox) -> StepResult:
    start, gates = time.monotonic(), t.cast("list[str]", [])
    try:
        result, detail = OK, step.run(sandbox)
    except Exception as error:
        # Programs of the user are hostile input: they must not suppress the results of others.
        result, detail = FAILED, describe_error(explain_failure(error, sandbox))
        gates = error.details.get("failed_gates", []) if isinstance(error, DevserverError) else []
    seconds = round(time.monotonic() - start, 2)
    return StepResult(sandbox.account.name, step.name, result, seconds, without_secrets(detail), gates)


def explain_failure(error: Exception, sandbox: UserSandbox) -> Exception:
    """Return an error with a remedy that still works when the sandbox is removed.

    Where go cannot use a cache, because root has created a part of it, that is the cause. So is a time limit that is
    exceeded.
    """
    if not isinstance(error, DevserverError):
        return error
    if sandbox.expired:
        name, limit = sandbox.account.name, f"{sandbox.plan.timeout:g} s"
        remedy = f"find the process of {name} that hangs by 'ps -u {name} -o pid,stat,args', or increase timeout"
        return DevserverError(f"{error.problem}; the steps of {name} took longer than {limit}", remedy=remedy)
    foreign = describe_foreign_cache(sandbox.account, sandbox.environment) if _CACHE.search(error.problem) else ""
    if foreign:
        remedy = f"run the playbook drift, and apply the remedy of GD301 or GD303 for {sandbox.account.name}"
        return DevserverError(f"{error.problem}; {foreign}", expected=error.expected, remedy=remedy)
    if sandbox.directory not in error.remedy:
        return error
    remedy = re.sub(rf"{re.escape(sandbox.directory)}[^\s',]*", "a directory with such files", error.remedy)
    return DevserverError(error.problem, expected=error.expected, remedy=remedy, **error.details)


def list_failed_steps(results: t.Iterable[StepResult]) -> list[str]:
    """Return each failed step with its user, such as ``alice: test``."""
    return [f"{entry.user}: {entry.step}" for entry in results if entry.result == FAILED]


def list_failed_gates(results: t.Iterable[StepResult]) -> list[str]:
    """Return each limit that was not met, with its user and step."""
    return [f"{entry.user}: {entry.step}: {gate}" for entry in results for gate in entry.failed_gates]


def render_table(results: t.Sequence[StepResult]) -> list[str]:
    """Return the lines of a table, and below it each failure in full."""
    rows = [_HEADER, *map(_render_row, results)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return [*lines, *(f"{entry.user}: {entry.step}: {entry.what}" for entry in results if entry.result == FAILED)]


def _render_row(entry: StepResult) -> tuple[str, ...]:
    detail = entry.what.splitlines()[0] if entry.what else ""
    shown = detail if len(detail) <= _MAX_WIDTH else detail[: _MAX_WIDTH - 1] + "…"
    return (entry.user, entry.step, entry.result, f"{entry.seconds:.2f}", shown)
