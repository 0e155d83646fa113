# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Skipped tests are read from pytest's own report, and each needs a reason on the list."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dev import checks, skips
from dev.checks import Check
from dev.skips import Skip

TESTS = """
import pytest

@pytest.mark.skipif(True, reason="only root can act as another user")
def test_one():
    pass

@pytest.mark.parametrize("name", ["a", "b"])
def test_two(name):
    if name == "b":
        pytest.skip("never mind")
"""


@pytest.fixture
def report(tmp_path: Path) -> Path:
    (tmp_path / "test_sample.py").write_text(TESTS)
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={tmp_path}/x.xml", tmp_path]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    subprocess.run(argv, cwd=tmp_path, env=env, check=True, capture_output=True)
    return tmp_path / "x.xml"


def test_skips_are_read_from_pytests_report(report: Path) -> None:
    assert skips.read(report) == [
        Skip("test_sample.test_one", "only root can act as another user"),
        Skip("test_sample.test_two[b]", "never mind"),
    ]


def test_skips_of_other_checks_are_written_likewise(tmp_path: Path) -> None:
    report = skips.report_of(tmp_path / "sanity.log")
    assert skips.read(report) == []
    skips.write(report, [Skip("Python 3.8", "Python 3.8 is not installed")])
    assert skips.read(report) == [Skip("Python 3.8", "Python 3.8 is not installed")]


def test_summary_counts_them_and_groups_them_by_reason(report: Path) -> None:
    reasons = {"only root .*": "the run is not root's"}
    assert skips.summary(skips.read(report), reasons).splitlines() == [
        "2 skipped",
        "  not on the list in tests/skips.toml:",
        "    test_sample.test_two[b]: never mind",
        "  the run is not root's:",
        "    test_sample.test_one: only root can act as another user",
    ]
    assert skips.summary([], reasons) == "0 skipped"


def test_every_entry_of_the_list_has_a_reason() -> None:
    assert all(message and reason for message, reason in skips.allowed().items())


@pytest.mark.parametrize(
    ("message", "outcome"), [("only root can mount", "1 passed, 0 failed"), ("never mind", "0 passed, 1 failed")]
)
def test_skip_that_is_not_on_the_list_fails_the_run(
    message: str,
    outcome: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def check(log: Path) -> None:
        skips.write(skips.report_of(log), [Skip("test_x", message)])

    monkeypatch.setattr("dev.phases.LOGS", tmp_path)
    monkeypatch.setattr(checks, "CHECKS", (Check("x", "x", check),))
    monkeypatch.setattr(checks.devserver, "prepare", lambda _phases: None)
    checks.run_checks()
    output = capsys.readouterr().out
    assert output.splitlines()[-1] == outcome
    assert f"    test_x: {message}" in output
