# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process is looked into with the rights of whom it belongs to, and its debugger is told."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._host import procfs as module
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import begin
from ansible_collections.gopherops.devserver.plugins.module_utils._host.procfs import running, tracer_of

# One that debugs a child of its own from a thread that is not its first, as dlv does; prints the child's number.
DEBUGGER = """
import ctypes, os, signal, sys, threading
SEIZE = 0x4206
child = os.fork()
if not child:
    signal.pause()
libc = ctypes.CDLL(None)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
def debug():
    libc.ptrace(SEIZE, child, None, None)
    print(child, flush=True)
    sys.stdin.read()
    os.kill(child, signal.SIGKILL)
thread = threading.Thread(target=debug)
thread.start()
thread.join()
"""


@pytest.mark.parametrize("name", ["root", "nobody"])
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_binary_and_environment_are_read_as_its_owner(monkeypatch, name):
    seen = []
    readlink = os.readlink
    monkeypatch.setattr(module.os, "readlink", lambda path: (seen.append(os.geteuid()), readlink(path))[1])
    account = find_account(name)
    with begin(["/bin/cat"], account, env={"A": "x=y", "B": ""}, cwd="/", stdin=subprocess.PIPE) as process:
        found = running(process.pid)
        process.stdin.close()
    assert seen == [account.uid]
    assert found.environment == {"A": "x=y", "B": ""}
    assert found.binary == os.path.realpath("/bin/cat")


def test_what_does_not_run_is_nothing():
    assert running(0) is None


def test_tracer_is_the_process_of_the_thread_that_traces():
    with subprocess.Popen([sys.executable, "-c", DEBUGGER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as debugger:
        traced = int(debugger.stdout.readline())
        assert tracer_of(traced) == str(debugger.pid)
        debugger.stdin.close()


@pytest.mark.parametrize("pid", [lambda: 0, os.getpid], ids=["none", "ours"])
def test_what_nobody_debugs_has_no_tracer(pid):
    assert tracer_of(pid()) == ""
