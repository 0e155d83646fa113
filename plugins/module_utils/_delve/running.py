# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running debug service was started with, compared with what its unit starts now."""

from __future__ import annotations

import contextlib
import os
import typing as t

from .._core.errors import DevserverError
from .._environment.rendered import unit_environment_file
from .._host.accounts import find_owner
from .._host.procfs import Process, read_process
from .._host.user_access import call_as
from .._systemd.environment_files import last_change, outdated_variables, variables_in
from .._tools.build_info import read_build_info
from .units import debuggee_path, environment_file


class RunningService(t.NamedTuple):
    """The main ``process`` of a debug service, and what a start gives it now.

    ``variables`` are those that are rendered for it, in files ``changed`` then, ``dlv`` is the declared one without
    links, ``go`` the Go that built its program, and ``expected_go`` the Go of this host. Texts are empty if that is not
    known.
    """

    process: Process
    variables: t.Mapping[str, str] = {}
    dlv: str = ""
    go: str = ""
    expected_go: str = ""
    changed: float = 0.0

    @property
    def outdated(self) -> list[str]:
        """What the running service has from before a change, as texts for a cause."""
        # While the program is built, and in mode attach before dlv starts, this is another program.
        if not os.path.basename(self.process.program).startswith("dlv"):
            return []
        names = outdated_variables(self.process, self.variables, self.changed)
        texts = [f"has outdated values of {', '.join(names)}"] if names else []
        if self.dlv and self.dlv != self.process.program:
            texts.append(f"runs {self.process.program}; expected {self.dlv}")
        if self.go and self.expected_go and self.go != self.expected_go:
            texts.append(f"debugs a program that {self.go} built; expected {self.expected_go}")
        return texts


def read_running(name: str, user: str, pid: int, dlv: str, expected_go: str) -> RunningService | None:
    """Return the debug service ``name`` whose main process is ``pid``; None if it does not run."""
    process = read_process(pid) if pid else None
    if process is None:
        return None
    files = (unit_environment_file(user), environment_file(name))
    go = go_of(debuggee_path(name), process.uid)
    dlv = os.path.realpath(dlv) if dlv else ""
    return RunningService(process, variables_in(*files), dlv, go, expected_go, last_change(*files))


def go_of(program: str, uid: int = 0) -> str:
    """Return the Go that built a program, which the user with the ID may replace; empty if that is not known."""
    owner = find_owner(uid)
    with contextlib.suppress(DevserverError, OSError):
        return call_as(owner, lambda: read_build_info(program).go) if owner else ""
    return ""
