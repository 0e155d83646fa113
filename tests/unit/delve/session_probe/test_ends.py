# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ends of sessions: which kinds are retried, and how they are reported."""

from __future__ import annotations

import getpass
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe import probe
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.causes import find_cause
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.evidence import Evidence
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.plan import (
    Breakpoint,
    DebugProbePlan,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.session import (
    SessionEnd,
    SessionRun,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account

BREAKPOINT = Breakpoint("one", "/src/acme/main.go", 7, {}, [])
PLAN = DebugProbePlan(
    "/bin/true", find_account(getpass.getuser()), {}, "launch", "exec", [BREAKPOINT], program="/bin/true"
)
ENDS = [
    (SessionEnd("program", "the program exited"), 3, "ended"),
    (SessionEnd("program", "the program failed: the time limit expired"), 3, "ended"),
    (SessionEnd("session", "dlv did not detach from the program: silence"), 1, "ended"),
    (SessionEnd("session", "dlv of /srv/program/the time limit expired closed the connection"), 1, "ended"),
    (SessionEnd("time", "the time limit expired: the program is silent"), 1, "not-reached"),
]


@pytest.mark.parametrize(("end", "runs", "cause"), ENDS)
def test_the_kind_of_an_end_decides_and_not_its_message(
    monkeypatch: pytest.MonkeyPatch, end: SessionEnd, runs: int, cause: str
) -> None:
    def once(*_arguments: t.Any, **_options: t.Any) -> SessionRun:
        return SessionRun({}, {}, {}, end=end)

    monkeypatch.setattr(probe, "run_session", once)
    sessions = probe._run_sessions(PLAN, "/nowhere")
    assert len(sessions) == runs
    found = find_cause(Evidence(PLAN, sessions[0], BREAKPOINT))
    assert found.name == cause and end.message in found.message
