# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs commands: long ones into a log, with a sign of life; short ones for their output."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import threading
import time
import typing as t
from pathlib import Path

from dev.checkout import ROOT, Failure
from dev.console import show

PROGRESS_SECONDS = 10
STOP_SECONDS = 0.5
TAIL_LINES = 30
LINE_WIDTH = 110

Argv = t.Sequence[str | Path]


# Set by stop_all() for the commands that run at that time; those that clean up afterwards have another.
_stop = threading.Event()


class Completed(t.NamedTuple):
    """How a command ended, and everything it wrote."""

    returncode: int
    output: str

    @property
    def ok(self) -> bool:
        return self.returncode == 0


def run(
    argv: Argv,
    *,
    log: Path,
    cwd: Path = ROOT,
    env: t.Mapping[str, str] | None = None,
    check: bool = True,
    timeout: float | None = None,
    stdin: str = "",
) -> Completed:
    """Run ``argv``, its output appended to ``log``, and print the log's last line now and then.

    ``stdin`` is a few lines, such as a password, which is then in no argument, environment or log.
    Raises Failure where it cannot be started, does not end within ``timeout`` seconds or, with ``check``, fails.
    """
    with log.open("ab") as sink:
        sink.write(f"$ {_shown(argv)}\n".encode())
        sink.flush()
        start = sink.tell()
        stop = _stop
        try:
            process = subprocess.Popen(
                argv, cwd=cwd, env=env, stdin=subprocess.PIPE, stdout=sink, stderr=subprocess.STDOUT
            )
            _write(process, stdin)
        except OSError as error:
            raise Failure(f"cannot run {argv[0]}: {error}") from error
    returncode = _wait(process, log, start, timeout, stop)
    output = _written(log, start)
    if returncode and check:
        raise Failure(f"{_shown(argv)}\nended with code {returncode}\n{tail(log)}")
    return Completed(returncode, output)


def query(argv: Argv, *, env: t.Mapping[str, str] | None = None, stdin: str = "") -> Completed:
    """Run a command that takes no time to speak of; a command that is not there counts as one that fails."""
    try:
        done = subprocess.run(argv, env=env, input=stdin, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        return Completed(127, str(error))
    return Completed(done.returncode, done.stdout if done.returncode == 0 else done.stdout + done.stderr)


def files() -> list[str]:
    """Return the files of the checkout that git tracks, or would."""
    listed = query(["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]).output
    return sorted({name for name in listed.split("\0") if name and (ROOT / name).is_file()})


def stop_all() -> None:
    """Terminate the long commands that other threads are running, which raises a Failure in each."""
    global _stop
    running, _stop = _stop, threading.Event()
    running.set()


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """Return the end of a log, indented, under the log's name."""
    last = log.read_text(errors="replace").splitlines()[-lines:]
    return "\n".join([f"the end of {log}:", *(f"    {line}" for line in last)])


def _write(process: subprocess.Popen[bytes], stdin: str) -> None:
    assert process.stdin
    # A program that does not read its input has closed it.
    with contextlib.suppress(BrokenPipeError), process.stdin:
        process.stdin.write(stdin.encode())


def _wait(process: subprocess.Popen[bytes], log: Path, start: int, timeout: float | None, stop: threading.Event) -> int:
    began = time.monotonic()
    progress = PROGRESS_SECONDS
    try:
        while True:
            elapsed = time.monotonic() - began
            if stop.is_set():
                raise Failure(f"{_shown(t.cast(Argv, process.args))}\nwas stopped after {elapsed:.0f} s")
            if timeout is not None and elapsed >= timeout:
                raise Failure(f"{_shown(t.cast(Argv, process.args))}\ndid not end within {timeout:.0f} s")
            if elapsed >= progress:
                show(f"    {elapsed:4.0f} s  {_last_line(_written(log, start))}")
                progress += PROGRESS_SECONDS
            try:
                return process.wait(
                    min(STOP_SECONDS, (timeout or elapsed + STOP_SECONDS) - elapsed, progress - elapsed)
                )
            except subprocess.TimeoutExpired:
                continue
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def _written(log: Path, start: int) -> str:
    with log.open("rb") as stream:
        stream.seek(start)
        return stream.read().decode(errors="replace")


def _last_line(output: str) -> str:
    # A progress bar redraws its line with carriage returns; ansible fills its lines up with asterisks.
    lines = [line.strip(" *\t") for line in output.replace("\r", "\n").splitlines()]
    return next((line for line in reversed(lines) if line), "...")[:LINE_WIDTH]


def _shown(argv: Argv) -> str:
    return shlex.join(str(word) for word in argv)
