# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a user may debug on this host: the ptrace calls of dlv, made as that user."""

from __future__ import annotations

import functools
import json
import sys
import typing as t

from .._core.errors import DevserverError
from .._host.accounts import Account
from .._host.command import SYSTEM_PATH, run
from .._host.procfs import has_seccomp_filter, read_file, read_ptrace_scope

# One child requests to be traced, like a program that dlv launches. Another child attaches to a process that it did not
# start, like dlv in mode attach. The script prints both error numbers, 0 for success.
_PROBE_SCRIPT = """
import ctypes, json, os, signal, time
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
TRACEME, ATTACH = 0, 16
def error(request, pid):
    return ctypes.get_errno() if libc.ptrace(request, pid, None, None) else 0
def child(action):
    pid = os.fork()
    if not pid:
        signal.alarm(5)
        os._exit(action() or 0)
    return pid
def status(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if hasattr(os, "waitstatus_to_exitcode") \\
        else os.WEXITSTATUS(os.waitpid(pid, 0)[1])
launch = status(child(lambda: error(TRACEME, 0)))
sleeper = child(lambda: time.sleep(5))
attach = status(child(lambda: error(ATTACH, sleeper)))
os.kill(sleeper, signal.SIGKILL)
os.waitpid(sleeper, 0)
print(json.dumps({"launch": launch, "attach": attach}))
"""


class PtraceAccess(t.NamedTuple):
    """Whether a user may debug programs that dlv launches, and processes that dlv attaches to.

    Each text is ``ok``, or begins with ``denied`` or ``unknown``.
    """

    launch: str
    attach: str


def probe_ptrace(account: Account) -> PtraceAccess:
    """Return whether processes of ``account`` can trace each other, by a real attempt. No process is left running."""
    try:
        completed = run([sys.executable, "-c", _PROBE_SCRIPT], env={"PATH": SYSTEM_PATH}, account=account, timeout=20)
        errors = json.loads(completed.stdout)
    except DevserverError as error:
        # Only root may be able to run this Python.
        return PtraceAccess(*[f"unknown: {error.problem}"] * 2)
    except ValueError:
        return PtraceAccess(*[f"unknown: {completed.complaint}"] * 2)
    filtered = _has_seccomp_filter()
    return interpret_errors(errors["launch"], errors["attach"], scope=read_ptrace_scope(), filtered=filtered)


def interpret_errors(launch: int, attach: int, *, scope: str, filtered: bool) -> PtraceAccess:
    """Return what the errors mean with the ``scope`` of Yama; ``filtered`` means that seccomp is active."""
    if launch:
        denied_by = "the container's seccomp filter" if filtered else "a security module, such as SELinux's deny_ptrace"
        container = "start the container with --cap-add=SYS_PTRACE or a seccomp profile that allows ptrace"
        message = f"denied by {denied_by}. To fix this: {container if filtered else 'run setsebool deny_ptrace off'}"
        return PtraceAccess(message, message)
    if attach and scope not in ("", "0"):
        remedy = "set kernel.yama.ptrace_scope to 0 in debugger_kernel_parameters"
        return PtraceAccess("ok", f"denied by Yama, whose ptrace_scope is {scope}. To fix this: {remedy}")
    return PtraceAccess("ok", f"denied (error {attach})" if attach else "ok")


@functools.lru_cache(maxsize=None)
def _has_seccomp_filter() -> bool:
    return has_seccomp_filter(read_file("self", "status"))
