# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that must outlive its module is not ended with the others."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys

from ansible_collections.gopherops.devserver.plugins.module_utils._host.process_tree import _ORPHANS, orphans_ended

# Starts a daemon and other programs, and ends by a signal like a module whose connection closes.
MODULE = """
import os, signal, sys, time
from ansible_collections.gopherops.devserver.plugins.module_utils._core.ending import end_with_connection
from ansible_collections.gopherops.devserver.plugins.module_utils._host import process_tree
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import run

end_with_connection()
process_tree.start_daemon(["/bin/sh", "-c", f"echo $$ >{sys.argv[1]}; exec /bin/sleep 60"])
while not os.path.exists(sys.argv[1]) or not os.path.getsize(sys.argv[1]):
    time.sleep(0.01)
run(["/bin/sh", "-c", "/bin/sleep 60 & exit 0"], env={})
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_daemon_outlives_commands_and_the_module(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "pid"
    completed = subprocess.run([sys.executable, "-c", MODULE, file], check=False, stdout=subprocess.PIPE, timeout=60)
    pid = int(file.read_text())
    try:
        assert completed.returncode == 128 + signal.SIGTERM
        assert pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() == b"/bin/sleep\x0060\x00"
    finally:
        os.kill(pid, signal.SIGKILL)


def test_a_forked_process_ends_what_its_own_programs_leave() -> None:
    with orphans_ended():
        child = os.fork()
        if child == 0:
            try:
                with orphans_ended():
                    subprocess.run(["sh", "-c", "setsid sleep 6437 & sleep 0.1"], start_new_session=True, check=True)
                os._exit(subprocess.run(["pgrep", "-f", "^sleep 6437$"], check=False).returncode)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1  # pgrep finds none.


def test_a_program_from_before_is_no_orphan() -> None:
    """Otherwise all processes of the host are read after each command."""
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as before:
        with orphans_ended():
            assert _ORPHANS.none()
        assert before.poll() is None
