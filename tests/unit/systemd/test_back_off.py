# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The delay of a unit that fails again and again: its commands, run as systemd runs them, and what is read back."""

from __future__ import annotations

import getpass
import os
import pathlib
import re
import subprocess
import time

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import SYSTEM_PATH
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd import back_off
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.unit_state import State

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives directories to users")
UNIT = "dlv-api.service"
RETRIES = {"ActiveState": "activating", "SubState": "start-pre", "NRestarts": "3", "User": getpass.getuser()}


@pytest.fixture
def failures(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setattr(back_off, "START_DELAY", back_off.START_DELAY.replace(back_off.DIRECTORY, str(tmp_path / "f")))
    monkeypatch.setattr(back_off, "DIRECTORY", str(tmp_path / "f"))
    (tmp_path / "sleep").write_text("#!/bin/sh\necho $1\n")
    (tmp_path / "sleep").chmod(0o755)
    back_off.prepare_start({UNIT: find_account(getpass.getuser())})
    return tmp_path / "f" / UNIT


def run(setting: str, path: pathlib.Path, before: str = "", **env: str) -> str:
    (command,) = re.findall(rf"^{setting}=-/bin/sh -c '(.*)'$", back_off.START_DELAY, re.MULTILINE)
    script = command.replace("%n", UNIT).replace("$$", "$")
    script = script.replace(SYSTEM_PATH, f"{path.parent.parent}:/usr/bin:/bin")
    completed = subprocess.run(["/bin/sh", "-c", before + script], check=False, capture_output=True, text=True, env=env)
    assert completed.stderr == ""
    return completed.stdout.strip()


@pytest.mark.parametrize(
    ("ages", "slept"),
    [([], ""), ([1], ""), ([1, 2], "2"), ([1, 2, 3], "6"), ([1] * 5, "30"), ([1] * 10, "58"), ([1, *[11] * 9], "")],
)
def test_each_recent_failure_delays_the_next_start_longer(failures: pathlib.Path, ages: list[int], slept: str) -> None:
    for number, minutes in enumerate(ages):
        run("ExecStopPost", failures, SERVICE_RESULT="exit-code", INVOCATION_ID=str(number))
        os.utime(failures / f"{number}.exit-code", (time.time() - minutes * 60,) * 2)
    assert run("ExecStartPre", failures) == slept


def test_a_start_after_a_run_without_failure_is_no_further_attempt(failures: pathlib.Path) -> None:
    run("ExecStopPost", failures, SERVICE_RESULT="exit-code", INVOCATION_ID="4f2e")
    run("ExecStopPost", failures, SERVICE_RESULT="success", INVOCATION_ID="5f2e")
    assert back_off.pending_failure(UNIT, RETRIES) is None


def test_the_variables_of_a_unit_do_not_matter(failures: pathlib.Path) -> None:
    """A library of this name in the unit's LD_LIBRARY_PATH keeps find from starting."""
    (failures.parent.parent / "libc.so.6").touch()
    env = {"LD_LIBRARY_PATH": str(failures.parent.parent), "LD_PRELOAD": "/none.so", "PATH": "/none"}
    script = f"export {' '.join(f'{name}={value}' for name, value in env.items())}; "
    run("ExecStopPost", failures, script, SERVICE_RESULT="signal", INVOCATION_ID="1")
    run("ExecStopPost", failures, script, SERVICE_RESULT="signal", INVOCATION_ID="2")
    assert run("ExecStartPre", failures, script) == "2"


def test_old_failures_are_removed(failures: pathlib.Path) -> None:
    run("ExecStopPost", failures, SERVICE_RESULT="signal", INVOCATION_ID="old")
    os.utime(failures / "old.signal", (time.time() - 720,) * 2)
    run("ExecStopPost", failures, SERVICE_RESULT="signal", INVOCATION_ID="new")
    assert sorted(os.listdir(failures)) == ["new.signal"]


@pytest.mark.parametrize(
    ("properties", "pending"),
    [
        ({}, True),
        ({"SubState": "auto-restart", "NRestarts": "0"}, True),
        # An explicit start, or one after a client has stopped dlv, is no further attempt.
        ({"NRestarts": "0"}, False),
        ({"ActiveState": "active", "SubState": "running"}, False),
        ({"ActiveState": "inactive", "SubState": "dead"}, False),
    ],
)
def test_a_delayed_start_is_a_failure_until_it_succeeds(
    failures: pathlib.Path, properties: dict[str, str], pending: bool
) -> None:
    values = {**RETRIES, "Result": "success", **properties}
    assert not State(values, back_off.pending_failure(UNIT, values)).failed
    run("ExecStopPost", failures, SERVICE_RESULT="exit-code", INVOCATION_ID="4f2e")
    state = State(values, back_off.pending_failure(UNIT, values))
    assert state.failure == (back_off.Failure("4f2e", "exit-code") if pending else None)
    assert (state.failed, state.result) == (pending, "exit-code" if pending else "success")


def test_forgotten_failures_leave_nothing(failures: pathlib.Path) -> None:
    run("ExecStopPost", failures, SERVICE_RESULT="exit-code", INVOCATION_ID="4f2e")
    back_off.forget_failures(["other.service", UNIT])
    assert not failures.parent.exists()


@pytest.mark.parametrize("name", ["4f2e.exit-code\n", "4F2E.exit-code", "4f2e.a b", "../x.signal", "4f2e", "x" * 200])
def test_the_user_of_a_unit_can_record_only_an_invocation_and_a_result(failures: pathlib.Path, name: str) -> None:
    (failures / name.replace("/", "_")).touch()
    assert back_off.pending_failure(UNIT, RETRIES) is None


@needs_root
def test_what_the_user_of_a_unit_plants_is_reached_with_that_users_rights(failures: pathlib.Path) -> None:
    nobody, secret = find_account("nobody"), failures.parent.parent / "secret"
    secret.mkdir(mode=0o700)
    (secret / "4f2e.signal").touch()
    back_off.prepare_start({UNIT: nobody})
    (failures / "link").symlink_to(secret)
    failures.parent.parent.chmod(0o755)
    os.rename(failures / "link", failures.parent / "link")
    failures.rmdir()
    os.rename(failures.parent / "link", failures)
    assert back_off.pending_failure(UNIT, {**RETRIES, "User": "nobody"}) is None


def test_a_unit_without_its_account_is_not_started_again() -> None:
    """It runs no command, and thus no delay (217/USER)."""
    assert "RestartPreventExitStatus=217\n" in back_off.START_DELAY


@needs_root
def test_the_directory_of_another_user_is_not_used(failures: pathlib.Path) -> None:
    for number in range(5):
        run("ExecStopPost", failures, SERVICE_RESULT="signal", INVOCATION_ID=str(number))
    os.chown(failures, 12345, 12345)
    assert run("ExecStartPre", failures) == ""
    os.symlink(failures.parent.parent / "of-root", failures / "6.signal")
    run("ExecStopPost", failures, SERVICE_RESULT="signal", INVOCATION_ID="6")
    assert not (failures.parent.parent / "of-root").exists()
    back_off.prepare_start({UNIT: find_account("nobody")})
    assert (os.listdir(failures), failures.stat().st_uid) == ([], find_account("nobody").uid)
