# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that print without end, leave something behind, or do not end: real ones, each bounded."""

from __future__ import annotations

import concurrent.futures
import contextlib
import pathlib
import resource
import subprocess
import time
import typing as t
import uuid

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host import command, process_tree
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import run, run_at_home, run_in_terminal

Run = t.Callable[..., command.Completed]
both = pytest.mark.parametrize("start", [run, run_in_terminal])


def started(start: Run, script: str, timeout: float = 20, **env: str) -> command.Completed:
    return start(["bash", "-c", script], env={"PATH": "/usr/bin:/bin", **env}, timeout=timeout)


def alive(mark: str) -> list[int]:
    """Return the processes that have ``mark`` among their arguments or in their environment."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            text = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            state = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
        except OSError:
            continue
        found += [int(process.name)] if mark.encode() in text and state not in "ZX" else []
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
def test_a_daemon_holds_nobody_up(start: Run) -> None:
    done = started(start, "(exec setsid bash -c 'trap \"\" HUP; echo $$; exec sleep 300') & sleep 0.5")
    assert (done.returncode, len(done.stdout.split())) == (0, 1)
    assert done.seconds < 20


@both
@pytest.mark.parametrize(
    "script",
    [
        "sleep 300.{} & :",
        "set -m; sleep 300.{} & :",
        "setsid --wait sleep 300.{}",
        "(setsid --wait sleep 300.{}); :",
        "setsid env -i sleep 300.{} & :",
        "nohup setsid env -i sleep 300.{} >/dev/null 2>&1 & sleep 0.2; exit 3",
        "(setsid env -i sh -c '(setsid sleep 300.{} &) &' &); sleep 300",
    ],
)
def test_nothing_is_left(start: Run, script: str) -> None:
    mark = str(uuid.uuid4().int)
    started(start, script.format(mark), 1)
    wait_until_gone(f"300.{mark}")


@pytest.mark.parametrize("listed", [True, False], ids=["children listed", "older kernel"])
def test_what_is_left_in_a_session_ends_while_others_still_run(monkeypatch: pytest.MonkeyPatch, listed: bool) -> None:
    if not listed:
        monkeypatch.setattr(process_tree, "child_ids", lambda _pid: None)
    mark = str(uuid.uuid4().int)
    with process_tree.orphans_ended():
        # One that stays a zombie in front of it, as it is reaped with the last.
        started(run, "setsid true & sleep 0.1")
        started(run, f"sleep 300.{mark} & :")
        wait_until_gone(f"300.{mark}")


def test_a_program_that_does_not_end_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "end_session", lambda _leader: None)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        assert pool.submit(started, run, "exec sleep 60", 0.1).result(30).returncode is None


@both
def test_any_number_of_files_may_be_open(start: Run) -> None:
    with contextlib.ExitStack() as stack:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        while stack.enter_context(open("/dev/null", encoding="ascii")).fileno() < 1024:
            pass
        done = started(start, "echo a; echo b >&2; exit 3")
    assert (done.returncode, done.stdout.strip(), done.stderr) == (3, "a", "b\n")


def test_what_others_have_started_stays() -> None:
    with subprocess.Popen(["sleep", "300"], start_new_session=True) as own:
        started(run, ":")
        assert own.poll() is None
        own.kill()


@pytest.mark.parametrize("start", [run_at_home, run_in_terminal])
def test_a_login_begins_at_home_or_where_that_cannot_be_in_the_root(start: Run, tmp_path: pathlib.Path) -> None:
    home = tmp_path / "-a b"
    script = "pwd; echo ${OLDPWD-none}"
    assert started(start, script, HOME=str(home)).stdout == "/\nnone\n"
    home.mkdir()
    assert started(start, script, HOME=str(home)).stdout == f"{home}\nnone\n"


@pytest.mark.parametrize(
    ("program", "remedy"),
    [("exit 3", "look at it"), ("sleep 9", "run the play again when the host is less busy; if the command times out")],
)
def test_the_remedy_for_a_slow_command_is_another_run(program: str, remedy: str) -> None:
    completed = run(["sh", "-c", program], env={"PATH": command.SYSTEM_PATH}, timeout=0.3)
    error = completed.error("it failed", remedy="look at it")
    assert f"To fix this: {remedy}" in str(error)


@both
@pytest.mark.parametrize("argument", ["a\0b", "\ud800"])
def test_an_argument_that_no_program_can_get_is_an_error(start: Run, argument: str) -> None:
    with pytest.raises(DevserverError, match="remove it from the argument"):
        start(["echo", argument], env={"PATH": "/usr/bin:/bin"})
