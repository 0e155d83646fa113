# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is remembered of the daemon never names another process, and a killed daemon's pid file stops nobody."""

from __future__ import annotations

import os
import subprocess
import typing as t
from pathlib import Path

import pytest

from dev import docker_engine, state


@pytest.fixture
def sleeper() -> t.Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


@pytest.fixture(autouse=True)
def state_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(state, "FILE", tmp_path / "state.json")
    return tmp_path / "state.json"


def test_process_key_ends_with_the_process(sleeper: subprocess.Popen[bytes]) -> None:
    key = docker_engine._process_key(sleeper.pid)
    assert key.split()[0] == str(sleeper.pid) and key == docker_engine._process_key(sleeper.pid)
    assert key.split()[1] != docker_engine._process_key(os.getpid()).split()[1]
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert docker_engine._process_key(sleeper.pid) == ""  # though it is not reaped yet


@pytest.mark.parametrize(("owner", "stays"), [("sleep", True), ("dockerd", False)])
def test_pid_file_goes_where_its_number_is_another_program_now(
    owner: str, stays: bool, tmp_path: Path, sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "docker.pid"
    file.write_text(f"{sleeper.pid}\n")
    monkeypatch.setattr(docker_engine, "PID_FILES", {file: owner, tmp_path / "absent": "containerd"})
    docker_engine._remove_stale_pid_files()
    assert file.exists() is stays


def test_daemon_that_we_did_not_start_is_left_alone(sleeper: subprocess.Popen[bytes]) -> None:
    assert docker_engine.stop() == ""
    state.remember(daemon=f"{sleeper.pid} 1")
    assert "had ended already" in docker_engine.stop()
    assert docker_engine.stop() == ""
    assert sleeper.poll() is None


def test_state_outlives_the_command(state_file: Path) -> None:
    assert state.load() == state.State()
    state.remember(port=2222)
    state.remember_image("sha256:b")
    state.remember_image("sha256:a")
    state.remember_image("sha256:b")
    assert state.load() == state.State(daemon="", images=["sha256:a", "sha256:b"], port=2222)
    assert [path.name for path in state_file.parent.iterdir()] == ["state.json"]
