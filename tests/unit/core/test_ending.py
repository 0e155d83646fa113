# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module ends with its connection or by a signal, with its programs and temporary directories."""

from __future__ import annotations

import contextlib
import pathlib
import signal
import subprocess
import sys
import threading
import time
import typing as t
import zipfile

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core import ending

# A module whose threads wait for programs.
MODULE = """
import os, sys, threading
from ansible.module_utils import basic
from ansible_collections.gopherops.devserver.plugins.module_utils._core.result import run_reader
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import run
from ansible_collections.gopherops.devserver.plugins.module_utils._host.tempdirs import temporary_directory

basic._ANSIBLE_ARGS = b'{"ANSIBLE_MODULE_ARGS": {}}'
basic._ANSIBLE_PROFILE = "legacy"

def start():
    with temporary_directory(sys.argv[1], "work-") as directory:
        script = f"echo $$ > {sys.argv[1]}/pid; setsid sleep 600 & exec sleep 600"
        run(["sh", "-c", script], env={"PATH": os.environ["PATH"]})

def read(params):
    thread = threading.Thread(target=start)
    thread.start()
    thread.join()

run_reader({}, read)
"""


# A module in an archive, as ansible packs it.
FROM_ARCHIVE = """
import sys, time
sys.path.insert(0, sys.argv[1])
import ending
ending.end_with_connection()
time.sleep(600)
"""


@contextlib.contextmanager
def module(directory: pathlib.Path) -> t.Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run MODULE; yield its process and the session of its program."""
    command = [sys.executable, "-c", MODULE, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        pid = directory / "pid"
        while not (pid.exists() and pid.read_text()):
            assert process.poll() is None
            time.sleep(0.01)
        yield process, pid.read_text().strip()


def alive(session: str) -> list[str]:
    """Return the processes with this session that have not exited."""
    found = subprocess.run(["ps", "-o", "stat=,args=", "--sid", session], capture_output=True, text=True, check=False)
    return [line for line in found.stdout.splitlines() if not line.startswith("Z")]


def close(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout
    process.stdout.close()


@pytest.mark.parametrize(
    ("end", "number"),
    [
        (close, signal.SIGTERM),
        (lambda process: process.send_signal(signal.SIGTERM), signal.SIGTERM),
        (lambda process: process.send_signal(signal.SIGHUP), signal.SIGHUP),
    ],
    ids=["closed connection", "SIGTERM", "SIGHUP"],
)
def test_a_module_that_ends_leaves_neither_directories_nor_programs(
    tmp_path: pathlib.Path, end: t.Callable[[subprocess.Popen[bytes]], None], number: int
) -> None:
    with module(tmp_path) as (process, session):
        assert alive(session)
        end(process)
        assert process.wait(timeout=30) == 128 + number
    assert [path.name for path in tmp_path.iterdir()] == ["pid"]
    assert not alive(session)


def test_a_reader_that_is_slow_is_no_end(tmp_path: pathlib.Path) -> None:
    with module(tmp_path) as (process, session):
        time.sleep(0.5)
        assert process.poll() is None
        assert alive(session)
        threading.Timer(0, process.terminate).start()
        process.wait(timeout=30)


def test_the_archive_of_the_module_is_removed(tmp_path: pathlib.Path) -> None:
    payload = tmp_path / "ansible_gopherops.devserver.go_tool_payload_k3x"
    payload.mkdir()
    with zipfile.ZipFile(payload / "ansible_gopherops.devserver.go_tool_payload.zip", "w") as archive:
        archive.write(ending.__file__, "ending.py")
    with subprocess.Popen(
        [sys.executable, "-c", FROM_ARCHIVE, archive.filename or ""], stdout=subprocess.PIPE
    ) as process:
        close(process)
        assert process.wait(timeout=30) == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []
