# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a module's parameters to what a host shall have: everything is judged here, and nothing is changed."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    STANDARD_VSCODE_SETTINGS,
    declaration_from,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.memory_limits import host_memory, limits_for
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.service import Wanted, system_version
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.settings import judge, schema_of
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.units import Daemon
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.workarounds import WorkAround, matching
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.build_info import read_build_info

Params = t.Mapping[str, t.Any]

# What each number may be.
_BOUNDS = {
    "cpu_weight": (1, 10000),
    "oom_score": (-1000, 1000),
    "idle": (0, 7 * 24 * 3600),
    "prewarm_days": (1, 5),
    "prewarm_minutes": (1, 24 * 60),
    "pprof_port": (0, 65000),
}


class Judged(t.NamedTuple):
    """``deprecated`` and ``warnings`` are for people; ``over`` are the play's work-arounds that do not match."""

    wanted: Wanted
    deprecated: t.Sequence[str]
    warnings: t.Sequence[str]
    applied: t.Sequence[WorkAround]
    over: t.Sequence[str]


def judged(params: Params, *, check: bool) -> Judged:
    """Return what the parameters of gopls_service ask for; raise DevserverError for what cannot be.

    In ``check`` mode gopls may be missing, because nothing is installed then; its settings are taken as they are.
    """
    _refuse_numbers(params)
    declaration = declaration_from(params)
    gopls = params["gopls"]
    there = os.path.exists(gopls)
    if declaration.users and not there and not check:
        raise DevserverError(
            f"{gopls} is missing",
            expected="the pinned gopls",
            remedy="run the role tools first, or name another with the option gopls",
            path=gopls,
        )
    applied, over = _work_arounds(params, gopls if there else "")
    settings = {name: value for entry in applied for name, value in entry.settings.items()}
    settings.update(params["settings"] or {})
    deprecated = judge(settings, schema_of(gopls)) if settings and there else []
    wanted = Wanted(
        declaration.users,
        _daemon(params, len(declaration.users)),
        settings,
        {name: str(value) for entry in applied for name, value in entry.environment.items()},
        [entry.name for entry in applied],
        params["prewarm"],
        params["trace"],
        params["pprof_port"],
        params["vscode_settings"] or STANDARD_VSCODE_SETTINGS,
        params["vscode_create"],
    )
    warnings = [f"{entry.reason}: use {entry.pin}" for entry in applied if entry.pin]
    warnings += [f"gopls's setting {text}" for text in deprecated]
    return Judged(wanted, deprecated, warnings, applied, over)


def _refuse_numbers(params: Params) -> None:
    for option, (least, most) in _BOUNDS.items():
        if not least <= params[option] <= most:
            raise DevserverError(
                f"{option}: {params[option]} will not do", expected=f"{least} to {most}", remedy=f"correct {option}"
            )


def _work_arounds(params: Params, gopls: str) -> tuple[list[WorkAround], list[str]]:
    added = [WorkAround(**entry) for entry in params["workarounds"]]
    if not gopls:
        return [], []
    info = read_build_info(gopls)
    applied, over = matching(info.version, info.go, added)
    return applied, [entry.name for entry in over]


def _daemon(params: Params, users: int) -> Daemon:
    limits = limits_for(
        users,
        host_memory(),
        memory=params["memory"],
        session=params["session_memory"],
        heap_percent=params["heap_percent"],
        force=params["force"],
        prewarm=params["prewarm"] and any(user.get("workspaces") for user in params["users"]),
    )
    return Daemon(
        params["gopls"],
        params["goroot"],
        limits,
        system_version(),
        params["cpu_weight"],
        params["oom_score"],
        params["idle"],
        params["log"],
        params["prewarm_days"],
        params["prewarm_minutes"],
    )
