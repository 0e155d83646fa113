# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How sessions end, whatever the words for it: which are tried again, and what is told of them."""

from __future__ import annotations

import getpass
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe import probe
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.causes import cause_of
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.evidence import Evidence
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.plan import Plan, Wanted
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.session import Ended, Run
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account

WANTED = Wanted("one", "/src/acme/main.go", 7, {}, [])
PLAN = Plan("/bin/true", find_account(getpass.getuser()), {}, "launch", "exec", [WANTED], program="/bin/true")
ENDS = [
    (Ended("program", "the program ended"), 3, "ended"),
    (Ended("program", "the program broke off: time ran out"), 3, "ended"),
    (Ended("session", "it did not let go of the program: silence"), 1, "ended"),
    (Ended("session", "dlv of /srv/program/time ran out closed the connection"), 1, "ended"),
    (Ended("time", "time ran out: the program is silent"), 1, "not-reached"),
]


@pytest.mark.parametrize(("ended", "runs", "cause"), ENDS)
def test_the_kind_of_an_end_decides_and_not_its_words(
    monkeypatch: pytest.MonkeyPatch, ended: Ended, runs: int, cause: str
) -> None:
    def once(*_arguments: t.Any, **_options: t.Any) -> Run:
        return Run({}, {}, {}, ended=ended)

    monkeypatch.setattr(probe, "debug_once", once)
    held = probe._runs(PLAN, "/nowhere")
    assert len(held) == runs
    told = cause_of(Evidence(PLAN, held[0], WANTED))
    assert told.name == cause and ended.words in told.what
