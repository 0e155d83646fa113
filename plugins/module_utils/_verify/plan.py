# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a verification: the users and workspaces, and the programs, service and breakpoints to check."""

from __future__ import annotations

import os
import typing as t

from .._core.addresses import Address
from .._core.errors import DevserverError

MODES = ("debug", "exec", "test", "local", "remote")
# In an argument of the service, the address to listen at.
ADDRESS = "{address}"
_MAX_SECONDS = 86400


class VerificationPlan(t.NamedTuple):
    """One verification; the fields are the options of go_verify, with these differences.

    ``users`` are pairs of name and workspace; an empty workspace means the ``sample`` files. ``failing_severities`` are
    those of findings that fail the step go env. ``max_memory`` is in bytes. A limit of 0 is not checked.
    """

    users: t.Sequence[tuple[str, str]]
    sample: t.Mapping[str, str]
    goroot: str
    dlv: str
    socket: str
    unit: str
    gopls: str
    package: str
    args: t.Sequence[str]
    health: t.Sequence[str]
    modes: t.Sequence[str]
    breakpoints: t.Sequence[str]
    test_package: str
    test_breakpoints: t.Sequence[str]
    trigger: str
    served_breakpoints: t.Sequence[str]
    host: str = "127.0.0.1"
    port: int = 0
    ready: float = 30.0
    runs: int = 1
    drift: t.Mapping[str, t.Any] | None = None
    drift_problem: str = ""
    failing_severities: t.Sequence[str] = ("error",)
    coverage: float = 0.0
    max_first_diagnostics_seconds: float = 0.0
    max_memory: int = 0
    min_cache_hit_rate: float = 0.0
    timeout: float = 900.0
    temporary_directory: str = "/tmp"


def validate_plan(plan: VerificationPlan) -> None:
    """Raise DevserverError for the first invalid option."""
    for problem, remedy in _find_problems(plan):
        raise DevserverError(problem, remedy=remedy)


def _find_problems(plan: VerificationPlan) -> t.Iterator[tuple[str, str]]:
    """Yield each problem with its remedy."""
    ip = Address(plan.host).ip
    if not (ip and ip.is_loopback):
        yield f"host must be a loopback address, got {plan.host}", "set host to 127.0.0.1 or ::1"
    if not 0 <= plan.port < 65536:
        yield f"port must be between 0 and 65535, got {plan.port}", "set port to 0, which means any free port"
    if plan.package and not any(ADDRESS in word for word in plan.args):
        yield f"args must contain {ADDRESS}, got {list(plan.args)}", f"add an argument such as -listen={ADDRESS}"
    served = [mode for mode in plan.modes if mode != "test"]
    for option, values in (("modes", served), ("health", plan.health)):
        if values and not plan.package:
            remedy = f"set package to the program that serves HTTP, or remove these values from {option}"
            yield f"package must be set for {', '.join(values)} in {option}, got none", remedy
    for path in plan.health:
        if not path.startswith("/"):
            yield f"health must contain paths that start with /, got {path}", f"replace it by /{path}"
    for option, seconds in (("ready", plan.ready), ("timeout", plan.timeout)):
        if not 0 < seconds <= _MAX_SECONDS:
            expected = f"more than 0 and at most {_MAX_SECONDS} seconds"
            yield f"{option} must be {expected}, got {seconds:g}", f"set {option} to a number in this range"
    most, rate = plan.max_first_diagnostics_seconds, plan.min_cache_hit_rate
    if most < 0:
        remedy = "set max_first_diagnostics_seconds to 0, which means no limit"
        yield f"max_first_diagnostics_seconds must be 0 or more, got {most:g}", remedy
    if not 0 <= rate <= 1:
        remedy = "set min_cache_hit_rate to 0, which means no limit, or to a share such as 0.9"
        yield f"min_cache_hit_rate must be between 0 and 1, got {rate:g}", remedy
    if not 0 <= plan.coverage <= 100:
        yield f"coverage must be between 0 and 100 percent, got {plan.coverage:g}", "set coverage to 0 to accept any"
    if not plan.sample and not all(workspace for _name, workspace in plan.users):
        yield "workspace must be set for each user if sample is empty", "set workspace, or the files in sample"
    for name in plan.sample:
        if os.path.isabs(name) or ".." in name.split("/"):
            yield f"sample must contain relative paths without .., got {name!r}", "correct this key of sample"
