# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process is read with the rights of its user, and its debugger is found."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.addresses import Address
from ansible_collections.gopherops.devserver.plugins.module_utils._host import procfs as module
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import start_process
from ansible_collections.gopherops.devserver.plugins.module_utils._host.procfs import (
    Stat,
    listening_sockets,
    parse_stat,
    read_command_line,
    read_file,
    read_process,
    socket_inodes,
    tracer_of,
)

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
    with start_process(["/bin/cat"], account, env={"A": "x=y", "B": ""}, cwd="/", stdin=subprocess.PIPE) as process:
        found = read_process(process.pid)
        process.stdin.close()
    assert seen == [account.uid]
    assert found.environment == {"A": "x=y", "B": ""}
    assert found.program == os.path.realpath("/bin/cat")


def test_what_does_not_run_is_nothing():
    assert read_process(0) is None


@pytest.mark.parametrize("large", ["environment", "command line"])
def test_a_process_with_an_outsized_environment_or_command_line_is_not_read(large):
    words = ["x" * 100_000] * (module.LARGEST // 100_000 + 1)
    argv = ["/bin/cat", "-", *(words if large == "command line" else [])]
    env = {f"V{number}": word for number, word in enumerate(words)} if large == "environment" else {}

    def permit():
        limit = 32 * module.LARGEST
        resource.setrlimit(resource.RLIMIT_STACK, (limit, resource.getrlimit(resource.RLIMIT_STACK)[1]))

    pipe = subprocess.PIPE
    with subprocess.Popen(argv, env=env, stdin=pipe, stdout=pipe, stderr=pipe, preexec_fn=permit) as process:
        process.stdin.write(b"x")
        process.stdin.flush()
        assert process.stdout.read(1) == b"x"
        if large == "environment":
            # Without variables it counts as outdated, and is restarted.
            assert (read_process(process.pid).environment, read_file(process.pid, "environ")) == ({}, "")
            assert read_command_line(process.pid) == argv
        else:
            assert read_command_line(process.pid) == []
            assert read_process(process.pid).environment == {}
        process.kill()


def test_tracer_is_the_process_of_the_thread_that_traces():
    with subprocess.Popen([sys.executable, "-c", DEBUGGER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as debugger:
        traced = int(debugger.stdout.readline())
        assert tracer_of(traced) == str(debugger.pid)
        debugger.stdin.close()


@pytest.mark.parametrize("pid", [lambda: 0, os.getpid], ids=["none", "ours"])
def test_what_nobody_debugs_has_no_tracer(pid):
    assert tracer_of(pid()) == ""


def test_a_program_name_with_parentheses_does_not_shift_the_fields():
    fields = " ".join(str(number) for number in range(4, 23))
    assert parse_stat(f"7 (a) b (c) Z {fields}\n") == Stat("Z", 4, 6, 22, 16 + 17)
    assert parse_stat("") is None


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_listening_sockets_are_found_by_address_and_process(host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        address = Address(host, server.getsockname()[1])
        inodes = [one.inode for one in listening_sockets() if one.address == address]
        assert len(inodes) == 1
        assert inodes[0] in socket_inodes(os.getpid())
    assert address not in [one.address for one in listening_sockets()]
