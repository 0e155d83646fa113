# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Go versions that workspaces and the play require, and the host does not have; the trees that were altered."""

from __future__ import annotations

import contextlib
import os

from ..._environment.declaration import Declaration
from ..._toolchain.store import ToolchainStore, version_named
from ..._toolchain.workspaces import AvailableGo, Mismatch, mismatches, mismatches_as
from ..records.tools import AlteredToolchain


def unmet_requirements(declaration: Declaration, go_minimum: str) -> list[tuple[str, Mismatch]]:
    """Return the requirements that the host does not meet, each with the user of the workspace.

    ``go_minimum`` is that of the play, empty for none; its user is empty too.

    Raises DevserverError if ``go_minimum`` is not a version.
    """
    with_workspaces = [user for user in declaration.users if user.workspaces]
    if not go_minimum and not with_workspaces:
        return []
    return unmet_by(installed(declaration.goroot), declaration, go_minimum)


def unmet_by(available: AvailableGo, declaration: Declaration, go_minimum: str) -> list[tuple[str, Mismatch]]:
    """Return the requirements that ``available`` does not meet, each with its user."""
    requirements = [("", entry) for entry in mismatches([], available, go_minimum or None)]
    for user in (user for user in declaration.users if user.workspaces):
        of_user = available._replace(gotoolchain=user.variables.get("GOTOOLCHAIN", ""))
        gowork = user.variables.get("GOWORK", "")
        entries = mismatches_as(user.account, user.workspaces, of_user, go_minimum or None, gowork)
        # An entry without a file is about the host, which has its own entry.
        requirements += [(user.account.name, entry) for entry in entries if entry.file]
    return requirements


def altered_toolchains(goroot: str) -> list[AlteredToolchain]:
    """Return the toolchains beside GOROOT whose trees differ from what was installed."""
    store, altered = ToolchainStore(os.path.dirname(os.path.realpath(goroot))), []
    for record in store.records():
        with contextlib.suppress(OSError):  # A tree that is missing is a finding of its own.
            differences = store.differences(record, quick=True)
            altered += [AlteredToolchain(store.path(record.version), differences)] if differences.total else []
    return altered


def installed(goroot: str) -> AvailableGo:
    """Return the versions beside GOROOT, and that of GOROOT."""
    tree = os.path.realpath(goroot)
    versions = [record.version for record in ToolchainStore(os.path.dirname(tree)).records()]
    return AvailableGo(versions, version_named(tree) or None)
