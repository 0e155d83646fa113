# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two lanes run side by side, and share their work; each line names its check."""

from __future__ import annotations

import dataclasses
import threading
import time
from pathlib import Path

import pytest

from dev import checks
from dev.checkout import Failure
from dev.checks import Check
from dev.console import labelled, show
from dev.lanes import Lanes
from dev.phases import Phases

TIMEOUT = 10


@dataclasses.dataclass(frozen=True)
class Job:
    name: str


def test_lanes_run_side_by_side() -> None:
    met = threading.Barrier(2)
    Lanes([[Job("a")], [Job("b")]]).run(lambda _job: [met.wait(TIMEOUT)])


def test_lane_without_work_takes_the_other_ones_next() -> None:
    done: list[str] = []
    rest_is_done = threading.Event()

    def work(job: Job) -> None:
        if job.name == "long":
            assert rest_is_done.wait(TIMEOUT)
        done.append(job.name)
        if len(done) == 3:
            rest_is_done.set()

    Lanes([[Job("long"), Job("second"), Job("third")], [Job("other")]]).run(work)
    assert done == ["other", "second", "third", "long"]


def test_exception_stops_the_other_lane() -> None:
    both_run = threading.Barrier(2)
    done: list[str] = []

    def work(job: Job) -> None:
        both_run.wait(TIMEOUT)
        if job.name == "broken":
            raise OSError("no space left")
        time.sleep(0.2)
        done.append(job.name)

    with pytest.raises(OSError, match="no space left"):
        Lanes([[Job("broken"), Job("never")], [Job("running"), Job("never")]]).run(work)
    assert done == ["running"]


def test_lines_name_their_check(capsys: pytest.CaptureFixture[str]) -> None:
    with labelled("unit tests"):
        show("    10 s\n    passed")
    show("after")
    assert capsys.readouterr().out == "unit tests:     10 s\nunit tests:     passed\nafter\n"


@pytest.mark.parametrize("obstacle", [None, Failure("no engine")])
def test_outcome_is_in_the_last_line(
    obstacle: Failure | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_log: Path) -> None:
        raise Failure("broken")

    def prepare_docker(_phases: Phases) -> str:
        prepared.append("docker")
        if obstacle:
            raise obstacle
        return "image"

    monkeypatch.setattr("dev.phases.LOGS", tmp_path)
    prepared: list[str] = []
    containers = [Check(name, "x", lambda _log: None, docker=True) for name in ("default", "fleet")]
    monkeypatch.setattr(checks, "CHECKS", (Check("ok", "x", lambda _log: None), Check("bad", "x", fail), *containers))
    monkeypatch.setattr(checks.devserver, "prepare", lambda _phases: None)
    monkeypatch.setattr(checks.devserver, "prepare_docker", prepare_docker)
    assert not checks.run_checks()
    *_rest, last = capsys.readouterr().out.splitlines()
    assert last == ("1 passed, 3 failed" if obstacle else "3 passed, 1 failed")
    assert prepared == ["docker"]
