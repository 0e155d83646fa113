# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs and directories that variables name for builds, and that do not exist for their user."""

from __future__ import annotations

import os
import re
import typing as t

from ..._core.provenance import Source
from ..._environment.go_values import PROGRAM_VARIABLES, is_program
from ..._host.user_access import acting_as
from ..records.observation import MissingPath, Observation
from ..snapshot import Snapshot

# The directory in which go builds: the first of these that is set.
_DIRECTORIES = ("GOTMPDIR", "TMPDIR")
# Of sessions: without one, a directory in it does not exist yet.
_SESSIONS = "/run/user/"
# The first word of a command, as go reads it.
_PROGRAM = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|(\S+))""")


def missing_paths_of(snapshot: Snapshot) -> list[MissingPath]:
    """Return what is missing, by context."""
    observations = (row.observation for row in snapshot.rows if row.observation.context.on_this_host)
    return [item for observation in observations for item in _missing_in(snapshot, observation)]


def _missing_in(snapshot: Snapshot, observation: Observation) -> t.Iterator[MissingPath]:
    environment, file = observation.environment or {}, snapshot.settings_file(observation)
    persisted = {item.name: (item.value, Source("file", file.path, item.line)) for item in file.settings}

    def find(variable: str) -> tuple[str, Source | None]:
        value = environment.get(variable)
        by = observation.source_of(variable) or observation.given_by or observation.context.given_by
        return (value, by) if value else persisted.get(variable, ("", None))

    directory = next(filter(environment.get, _DIRECTORIES), _DIRECTORIES[0])
    without_cgo = observation.go.values.get("CGO_ENABLED") == "0"
    for variable in (directory, *(() if without_cgo else PROGRAM_VARIABLES)):
        value, source = find(variable)
        with acting_as(observation.user.account):
            exists = _is_directory(value) if variable == directory else _is_found(value, environment.get("PATH", ""))
        # A carriage return at its end is a finding of its own.
        if value and not exists and not value.endswith("\r"):
            yield MissingPath(observation, variable, value, source)


def _is_directory(path: str) -> bool:
    return os.path.isdir(path) or path.startswith(_SESSIONS)


def _is_found(command: str, search: str) -> bool:
    """Return whether the program of a command exists; one that is relative to the working directory may."""
    match = _PROGRAM.match(command)
    program = next(filter(None, match.groups()), "") if match else ""
    if "/" in program:
        return program.startswith(".") or is_program(program)
    return any(is_program(os.path.join(entry, program)) for entry in search.split(":"))
