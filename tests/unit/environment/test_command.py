# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that print without end, leave something behind, or do not end: real ones, each bounded."""

from __future__ import annotations

import os
import pathlib
import signal
import time
import typing as t
import uuid

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils import command
from ansible_collections.gopherops.devserver.plugins.module_utils.command import end_marked, run, run_in_terminal

Run = t.Callable[..., command.Completed]
both = pytest.mark.parametrize("start", [run, run_in_terminal])


def started(start: Run, script: str, timeout: float = 20, **env: str) -> command.Completed:
    return start(["bash", "-c", script], env={"PATH": "/usr/bin:/bin", **env}, timeout=timeout)


def alive(mark: str) -> list[int]:
    """Return the processes that have ``mark`` among their arguments or in their environment."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            said = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            state = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
        except OSError:
            continue
        found += [int(folder.name)] if mark.encode() in said and state not in "ZX" else []
    return found


def wait_until_gone(mark: str) -> None:
    deadline = time.monotonic() + 20
    while alive(mark):
        assert time.monotonic() < deadline, alive(mark)
        time.sleep(0.01)


@both
@pytest.mark.parametrize("channel", ["", ">&2"])
def test_who_prints_without_end_fills_nothing(start: Run, channel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_LONGEST_OUTPUT", 100_000)
    monkeypatch.setattr("tempfile.tempdir", "/nonexistent")
    done = started(start, f"exec yes {channel}", 0.5)
    assert done.returncode is None
    assert sorted([len(done.stdout), len(done.stderr)]) == [0, 100_000]


def test_what_comes_after_too_much_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_LONGEST_OUTPUT", 10)
    done = started(run, "head -c 1000000 /dev/zero; echo end >&2; exit 3")
    assert (done.returncode, len(done.stdout), done.stderr) == (3, 10, "end\n")


@both
def test_a_daemon_holds_nobody_up_and_stays(start: Run) -> None:
    mark = str(uuid.uuid4())
    done = started(start, "(exec setsid bash -c 'trap \"\" HUP; echo $$; exec sleep 300') & sleep 0.5", MARK=mark)
    (left,) = alive(mark)
    os.kill(left, signal.SIGKILL)
    assert (done.returncode, done.stdout) == (0, f"{left}\n")


@both
@pytest.mark.parametrize(
    "script", ["sleep 300 & :", "set -m; sleep 300 & :", "setsid --wait sleep 300", "(setsid --wait sleep 300); :"]
)
def test_nothing_else_is_left(start: Run, script: str) -> None:
    mark = str(uuid.uuid4())
    started(start, script, 1, MARK=mark)
    wait_until_gone(mark)


def test_what_carries_a_mark_is_ended_wherever_it_is() -> None:
    mark, other = str(uuid.uuid4()), str(uuid.uuid4())
    for value in (mark, other):
        started(run, "(exec setsid sleep 300) & sleep 0.5", MARK=value)
    end_marked(f"MARK={mark}")
    wait_until_gone(mark)
    (left,) = alive(other)
    os.kill(left, signal.SIGKILL)
