# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server is verified by: for whom, on which workspace, with which tools."""

from __future__ import annotations

import ipaddress
import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError

MODES = ("debug", "exec", "test", "local", "remote")
# In an argument of the service, where it shall listen.
ADDRESS = "{address}"


class Service(t.NamedTuple):
    """The program of the workspace that serves HTTP; without a ``package`` there is none.

    Its ``args`` hold ``{address}``. Each path of ``health`` has to answer 200 within ``ready`` seconds. ``port``
    0 is any free one.
    """

    package: str
    args: t.Sequence[str]
    health: t.Sequence[str]
    port: int = 0
    host: str = "127.0.0.1"
    ready: float = 30.0


class Debugging(t.NamedTuple):
    """Which modes are tried, and at which markers the service, its tests and the service that runs have to stop.

    ``trigger`` is the path that is asked for so that the running service comes by its breakpoints. Each mode has
    ``runs`` sessions.
    """

    modes: t.Sequence[str]
    breakpoints: t.Sequence[str]
    test_package: str
    test_breakpoints: t.Sequence[str]
    trigger: str
    served_breakpoints: t.Sequence[str]
    runs: int = 1


class Programs(t.NamedTuple):
    """``goroot`` and ``dlv`` are paths; ``socket``, ``unit`` and ``gopls`` are as gopls_probe takes them."""

    goroot: str
    dlv: str
    socket: str
    unit: str
    gopls: str


class Plan(t.NamedTuple):
    """One verification. ``users`` are names and workspaces, an empty one for the sample, whose files are ``sample``.

    ``drift`` is the report's part of the result of go_env_drift, ``drift_problem`` what kept it from looking.
    ``coverage`` is the least share of statements in percent; ``timeout`` are seconds for one
    command, probe or debug session.
    """

    users: t.Sequence[tuple[str, str]]
    sample: t.Mapping[str, str]
    programs: Programs
    service: Service
    debugging: Debugging
    drift: t.Mapping[str, t.Any] | None = None
    drift_problem: str = ""
    drift_severities: t.Sequence[str] = ("error",)
    coverage: float = 0.0
    timeout: float = 300.0
    scratch: str = "/tmp"


def judged(plan: Plan) -> Plan:
    """Return ``plan``; raise DevserverError for one that cannot be carried out as it is."""
    service, debugging = plan.service, plan.debugging
    serves = bool(service.package)
    fills = any(ADDRESS in word for word in service.args)
    lost = [mode for mode in debugging.modes if mode != "test" and not serves]
    for wrong, what, expected in (
        (not _is_loopback(service.host), f"host is {service.host}", "an address of the loopback"),
        (not 0 <= service.port < 65536, f"port is {service.port}", "0 for any free one, or a number below 65536"),
        (serves and not fills, f"no one of args holds {ADDRESS}", f"as in -listen={ADDRESS}"),
        (bool(lost), f"modes has {', '.join(lost)}, but there is no package", "the package of a program that serves"),
        (bool(service.health) and not serves, "health has paths, but there is no package", "the package that serves"),
        (not 0 < service.ready <= 86400, f"ready is {service.ready:g}", "seconds, more than 0 and at most a day"),
        (not 0 <= plan.coverage <= 100, f"coverage is {plan.coverage:g}", "percent, from 0 to 100"),
        (not 0 < plan.timeout <= 86400, f"timeout is {plan.timeout:g}", "seconds, more than 0 and at most a day"),
        (any(not path.startswith("/") for path in service.health), "health has a path without /", "as in /healthz"),
        (_needs_sample(plan) and not plan.sample, "there is no workspace and no sample", "one of the two"),
    ):
        if wrong:
            raise DevserverError(f"nothing is verified: {what}", expected=expected, remedy="correct the options")
    _refuse_outside(plan.sample)
    return plan


def _needs_sample(plan: Plan) -> bool:
    return any(not workspace for _name, workspace in plan.users)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refuse_outside(sample: t.Iterable[str]) -> None:
    for name in sample:
        if os.path.isabs(name) or ".." in name.split("/"):
            raise DevserverError(
                f"the sample has a file {name!r}", expected="paths below its folder", remedy="correct the option sample"
            )
