# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units of the system's manager that run as a user: the collection's own services name this file as EnvironmentFile."""

from __future__ import annotations

from ..._core.provenance import SET_ENVIRONMENT, Assignment
from ..._host.accounts import Account
from ..._host.command import SYSTEM_PATH
from ..._host.managed_files import ManagedFile, files_of_removed, whole_file
from ..._systemd import environment_files, systemctl
from ..declaration import Declaration, UserEnvironment
from ..rendered import unit_environment_file
from . import systemd
from .base import Probe, SingleContext


class SystemdSystemContext(SingleContext):
    """A unit with ``User=`` and that ``EnvironmentFile=``."""

    name = "systemd_system"
    given_by = SET_ENVIRONMENT

    def applies_to(self, account: Account) -> bool:
        return systemctl.manager_runs()

    def managed_files(self, declaration: Declaration) -> list[ManagedFile]:
        contents = {unit_environment_file(user.account.name): _render(user) for user in declaration.users}
        # The manager reads them as root; a user's variables may hold a proxy's password.
        files = [whole_file(path, text, mode=0o600) for path, text in contents.items()]
        return [*files, *files_of_removed(unit_environment_file("*"), declaration.removes)]

    def probe(self, account: Account, declaration: Declaration, timeout: float) -> Probe:
        file = unit_environment_file(account.name)
        # With the dash, the variables of a missing file are reported one by one.
        properties = [f"User={account.name}", f"EnvironmentFile=-{environment_files.environment_file_setting(file)}"]
        return systemd.probe_unit(f"cannot start a unit as {account.name}", properties, timeout)

    def assignments(self, account: Account, timeout: float) -> list[Assignment]:
        return systemd.manager_assignments("system") + environment_files.assignments_in(
            unit_environment_file(account.name)
        )


def _render(user: UserEnvironment) -> str:
    path = ":".join([*user.path, *(entry for entry in SYSTEM_PATH.split(":") if entry not in user.path)])
    # With empty values too: a later run finds here what this one has given to the user.
    return environment_files.environment_lines({**user.variables, "PATH": path}, dollar="$")
