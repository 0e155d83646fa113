# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the options of gopls_service into the expected daemons of a host. Validates all of them, changes nothing."""

from __future__ import annotations

import os
import typing as t

from .._core.errors import DevserverError
from .._core.sizes import parse_size
from .._environment.declaration import STANDARD_VSCODE_SETTINGS, declaration_from
from .._host.managed_files import named_files
from .._systemd import systemctl
from .._systemd.unit_state import settings_in
from .._tools.build_info import read_build_info
from .._tools.workarounds import Workaround, match_workarounds
from .expected import DaemonOptions, ExpectedDaemons
from .manager import systemd_version
from .memory import read_host_memory
from .memory_limits import Limits, calculate_limits
from .paths import known_users
from .settings import known_schema, read_schema, validate_settings

Params = t.Mapping[str, t.Any]

# The smallest and the largest value of each number.
_BOUNDS = {
    "cpu_weight": (1, 10000),
    "oom_score": (-1000, 1000),
    "idle": (0, 7 * 24 * 3600),
    "prewarm_days": (1, 5),
    "prewarm_minutes": (1, 24 * 60),
}


class ValidOptions(t.NamedTuple):
    """The expected daemons, and what to report about them.

    ``deprecated`` are messages about settings, ``workarounds`` those applied, ``obsolete_workarounds`` the names of the
    play's own that no longer match the installed versions.
    """

    expected: ExpectedDaemons
    deprecated: t.Sequence[str]
    warnings: t.Sequence[str]
    workarounds: t.Sequence[Workaround]
    obsolete_workarounds: t.Sequence[str]


def validate_options(params: Params, *, check: bool) -> ValidOptions:
    """Return the daemons that ``params`` declare; raise DevserverError for an invalid option.

    With ``check`` gopls may be missing, because nothing is installed then; its settings are compared with those that
    some version has.
    """
    _validate_numbers(params)
    declaration = declaration_from(params)
    gopls = params["gopls"]
    installed = os.path.exists(gopls)
    if declaration.users and not installed and not check:
        raise DevserverError(
            f"gopls {gopls} does not exist",
            expected="the pinned gopls",
            remedy="run the role tools first, or set devserver_gopls to the path of another gopls",
            path=gopls,
        )
    workarounds, obsolete = _match_workarounds(params, gopls if installed else "")
    settings = {name: value for entry in workarounds for name, value in entry.settings.items()}
    settings.update(params["settings"] or {})
    schema = read_schema(gopls) if settings and installed else known_schema()
    deprecated = validate_settings(settings, schema)
    names = [user.account.name for user in declaration.users]
    # The daemons of other users share the host's memory too.
    kept = [name for name in known_users() if not declaration.removes(name)]
    expected = ExpectedDaemons(
        declaration.users,
        _daemon_options(params, len({*names, *kept})),
        settings,
        environment={name: str(value) for entry in workarounds for name, value in entry.environment.items()},
        workarounds=[entry.name for entry in workarounds],
        prewarm=params["prewarm"],
        trace=params["trace"],
        vscode_settings=params["vscode_settings"] or STANDARD_VSCODE_SETTINGS,
        vscode_create=params["vscode_create"],
        absent=declaration.absent,
        exclusive=declaration.exclusive,
    )
    warnings = [entry.advice for entry in workarounds if entry.pin]
    warnings += [f"gopls setting {message}" for message in deprecated]
    return ValidOptions(expected, deprecated, warnings, workarounds, obsolete)


def options_of_removal(params: Params) -> ValidOptions:
    """Return the options for a host without daemons; only paths of earlier runs matter."""
    daemon = DaemonOptions(params["gopls"], params["goroot"], Limits(0, 0, 0), systemd_version())
    settings = params["vscode_settings"] or STANDARD_VSCODE_SETTINGS
    return ValidOptions(ExpectedDaemons([], daemon, {}, {}, vscode_settings=settings, purge=True), [], [], [], [])


def _validate_numbers(params: Params) -> None:
    for option, (least, most) in _BOUNDS.items():
        if not least <= params[option] <= most:
            raise DevserverError(
                f"{option} must be between {least} and {most}, got {params[option]}",
                remedy=f"set language_server_{option} to a number in this range",
            )


def _match_workarounds(params: Params, gopls: str) -> tuple[list[Workaround], list[str]]:
    added = [Workaround(**entry) for entry in params["workarounds"]]
    if not gopls:
        # Their bounds are validated all the same.
        match_workarounds("gopls", "v0", "go1", added)
        return [], []
    info = read_build_info(gopls)
    applied, obsolete = match_workarounds("gopls", info.version, info.go, added)
    return applied, [entry.name for entry in obsolete]


def _daemon_options(params: Params, users: int) -> DaemonOptions:
    limits = calculate_limits(
        users,
        read_host_memory(),
        memory=params["memory"],
        session=params["session_memory"],
        heap_percent=params["heap_percent"],
        force=params["force"],
        prewarm=params["prewarm"]
        and any(user.get("workspaces") and user.get("state") != "absent" for user in params["users"]),
        debug=_debug_memory(params["debug_services"], exclusive=params["exclusive"]),
    )
    copied = ("gopls", "goroot", "cpu_weight", "oom_score", "idle", "log", "pprof", "prewarm_days", "prewarm_minutes")
    return DaemonOptions(limits=limits, systemd=systemd_version(), **{name: params[name] for name in copied})


def _debug_memory(entries: t.Sequence[Params], *, exclusive: bool) -> int:
    """Return the bytes of all debug services: of the declared ones and of others that stay on this host."""
    listed = {entry["name"] for entry in entries}
    declared = [
        parse_size(entry["memory"], f"memory of debug service {entry['name']}")
        for entry in entries
        if entry["state"] != "absent"
    ]
    installed = {} if exclusive else named_files(f"{systemctl.UNIT_DIR}/dlv-*.service")
    limits = [settings_in(path).get("MemoryMax", "") for name, path in installed.items() if name not in listed]
    return sum(declared) + sum(int(limit) for limit in limits if limit.isdigit())
