# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock between runs, and the directory that a failure does not leave behind."""

from __future__ import annotations

import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host.lock import (
    find_holder,
    lock_file,
    locked_directory,
)


def test_a_failure_takes_away_what_was_made_for_it(tmp_path):
    with pytest.raises(ValueError, match="x"), locked_directory(str(tmp_path / "new"), timeout=1):
        raise ValueError("x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("before", [[], ["kept"]])
def test_a_failure_leaves_what_was_there(tmp_path, before):
    for name in before:
        (tmp_path / name).write_text("")
    with pytest.raises(ValueError, match="x"), locked_directory(str(tmp_path), timeout=1):
        raise ValueError("x")
    assert {path.name for path in tmp_path.iterdir()} == {*before, ".lock"}


def test_another_run_waits_and_then_reports_it(tmp_path):
    second = locked_directory(str(tmp_path), timeout=0)
    with locked_directory(str(tmp_path), timeout=1), pytest.raises(DevserverError, match=r"\.lock") as error:
        second.__enter__()
    program = os.path.basename(sys.executable)
    assert re.search(rf"process {os.getpid()} \({program}.*\).*, which runs since \d{{4}}-", str(error.value))


# Takes the lock, passes its descriptor to a child, and shows the child's process ID.
ABANDONING = """
import subprocess, sys
from ansible_collections.gopherops.devserver.plugins.module_utils._host.lock import locked_directory
lock = locked_directory(sys.argv[1], timeout=1)
child = subprocess.Popen(["sleep", "600"], pass_fds=[lock.__enter__()], env={"SUDO_USER": "ops"}, stdout=2)
print(child.pid, flush=True)
"""


def test_the_holder_is_the_process_that_still_runs(tmp_path):
    path = lock_file(str(tmp_path))
    assert find_holder(path) == ""
    holder = subprocess.run([sys.executable, "-c", ABANDONING, str(tmp_path)], check=True, stdout=subprocess.PIPE)
    pid = int(holder.stdout)
    try:
        # A process that waits has the file open, too.
        with open(path):
            assert find_holder(path).startswith(f"process {pid} (sleep) started by ops, which runs since 20")
    finally:
        os.kill(pid, signal.SIGKILL)


def test_who_waits_for_a_run_that_fails_gets_a_lock_that_counts(tmp_path):
    directory = str(tmp_path / "new")
    failing, waiting = locked_directory(directory, timeout=1), locked_directory(directory, timeout=5)
    failing.__enter__()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        entered = pool.submit(waiting.__enter__)
        time.sleep(0.2)
        assert not failing.__exit__(ValueError, ValueError("x"), None)
        entered.result()
    with pytest.raises(DevserverError, match="another run"), locked_directory(directory, timeout=0):
        pass
    waiting.__exit__(None, None, None)
