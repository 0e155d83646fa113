# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long commands leave a log and a sign of life; their failures name the log."""

from __future__ import annotations

import concurrent.futures
import os
import time
from pathlib import Path

import pytest

from dev import command
from dev.checkout import Failure
from dev.command import query, run


def test_output_of_each_command_is_its_own_though_they_share_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert run(["printf", "one"], log=log).output == "one"
    assert run(["sh", "-c", "printf two; printf three >&2"], log=log).output == "twothree"
    assert log.read_text() == "$ printf one\none$ sh -c 'printf two; printf three >&2'\ntwothree"


def test_failure_names_command_code_log_and_the_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(Failure) as failure:
        run(["sh", "-c", "seq 100; exit 7"], log=log)
    text = str(failure.value)
    assert "seq 100; exit 7" in text and "ended with code 7" in text and str(log) in text
    assert "    71\n" in text and text.endswith("    100") and "    70\n" not in text


def test_failure_is_returned_where_it_is_expected(tmp_path: Path) -> None:
    done = run(["false"], log=tmp_path / "log", check=False)
    assert not done.ok


def test_command_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="cannot run /nonexistent/program"):
        run(["/nonexistent/program"], log=tmp_path / "log")
    assert not query(["/nonexistent/program"]).ok


def test_time_limit_ends_the_command(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="did not end within"):
        run(["sh", "-c", "echo $$; exec sleep 60"], log=tmp_path / "log", timeout=0.5)
    pid = int((tmp_path / "log").read_text().split()[-1])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_commands_of_other_threads_can_be_stopped_and_later_ones_run(tmp_path: Path) -> None:
    with concurrent.futures.ThreadPoolExecutor() as pool:
        running = pool.submit(run, ["sh", "-c", "echo $$; exec sleep 60"], log=tmp_path / "log")
        log = tmp_path / "log"
        # The process has printed its number.
        while not log.exists() or not log.read_text().rpartition("\n")[0].rpartition("\n")[2].isdecimal():
            time.sleep(0.01)
        command.stop_all()
        with pytest.raises(Failure, match="was stopped"):
            running.result()
    assert run(["echo", "cleaned up"], log=tmp_path / "log").ok


def test_sign_of_life_is_the_last_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "PROGRESS_SECONDS", 0.2)
    run(["sh", "-c", "printf 'TASK [one] ****\\n\\n'; sleep 0.5"], log=tmp_path / "log")
    assert capsys.readouterr().out.splitlines()[0].endswith(" s  TASK [one]")


@pytest.mark.parametrize(
    ("output", "expected"),
    [("", "..."), ("a\nb\n\n", "b"), (" 10%\r 20%\r", "20%"), ("x" * 500, "x" * command.LINE_WIDTH)],
)
def test_last_line(output: str, expected: str) -> None:
    assert command._last_line(output) == expected
