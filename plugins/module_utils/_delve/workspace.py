# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workspaces of debug services: where they are, and whether others can change what is built and run there.

Everything is read with the rights of the service's user, within the time limit of that user.
"""

from __future__ import annotations

import contextlib
import functools
import os
import typing as t

from .._core.errors import DevserverError, TimedOut
from .._host.planned import is_planned
from .._host.skipped_files import SkippedFile, skip_errors
from .._host.user_access import call_as, each_as
from .._toolchain.workspace_writers import describe_sharing_repair, find_workspace_writer
from .services import DebugService


def accept_services(services: t.Sequence[DebugService], skipped: list[SkippedFile]) -> list[DebugService]:
    """Return ``services`` with their real workspaces; those that cannot be used are added to ``skipped``."""
    accepted = []
    for service in services:
        with skip_errors(skipped, service.account.name, service.workspace):
            accepted.append(_inspected(service) if service.workspace else service)
    return accepted


def reject_missing_workspaces(services: t.Sequence[DebugService]) -> None:
    """Raise DevserverError for a service whose package is no directory, unless this run makes the workspace."""
    for service in services:
        if is_planned(service.package_dir):
            continue
        is_missing = False
        # A directory that does not respond is an error of that user alone, which accept_services reports.
        with contextlib.suppress(TimedOut):
            is_missing = service.builds and not call_as(
                service.account, functools.partial(os.path.isdir, service.package_dir)
            )
        if is_missing:
            raise DevserverError(
                f"debug service {service.name}: the directory {service.package_dir} does not exist",
                expected="the directory of the program, below the workspace",
                remedy=f"create it, or correct workspace and package of {service.name} in debugger_services",
                service=service.name,
            )


def _inspected(service: DebugService) -> DebugService:
    """Return a service with its real workspace; raise DevserverError if others can change what it builds."""
    real, writer = each_as(service.account, _inspect, {service.workspace: service})[service.workspace]()
    if writer:
        user = service.account.name
        raise DevserverError(
            f"debug service {service.name} would run what others can change as user {user}: {writer}",
            expected=f"a workspace that only {user} and root can change, with all directories above it",
            remedy=describe_sharing_repair(user),
        )
    return service._replace(real_workspace=real)


def _inspect(service: DebugService) -> tuple[str, str]:
    unchecked = service.allow_shared_workspace or not (service.builds and os.path.lexists(service.workspace))
    writer = "" if unchecked else find_workspace_writer(service.workspace, service.account, service.package_dir)
    return os.path.realpath(service.workspace), writer
