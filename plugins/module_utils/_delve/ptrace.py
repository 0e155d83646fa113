# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether this host lets a user debug: the calls that dlv makes of ptrace, really made, as that user."""

from __future__ import annotations

import functools
import json
import sys
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import SYSTEM_PATH, run
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import read_text

_YAMA = "/proc/sys/kernel/yama/ptrace_scope"

# One that lets itself be traced, as what dlv launches; and one that another child of ours attaches to, as dlv does to
# what it has not started. Prints both errors as numbers, 0 for none.
_TRY = """
import ctypes, json, os, signal, time
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
TRACEME, ATTACH = 0, 16
def error(request, pid):
    return ctypes.get_errno() if libc.ptrace(request, pid, None, None) else 0
def child(what):
    pid = os.fork()
    if not pid:
        signal.alarm(5)
        os._exit(what() or 0)
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


class Ptrace(t.NamedTuple):
    """What keeps a user from debugging what dlv starts, and what runs already.

    Each is ``ok``, or begins with ``refused`` or ``not known``.
    """

    launch: str
    attach: str


def try_ptrace(account: Account) -> Ptrace:
    """Make a process of ``account`` trace another one, and say what came of it. Nothing is left behind."""
    try:
        done = run([sys.executable, "-c", _TRY], env={"PATH": SYSTEM_PATH}, account=account, timeout=20)
        errors = json.loads(done.stdout)
    except DevserverError as error:
        # This module's Python may be root's alone.
        return Ptrace(*[f"not known: {error.what}"] * 2)
    except ValueError:
        return Ptrace(*[f"not known: {done.complaint}"] * 2)
    scope = (read_text(_YAMA, largest=64) or "").strip()
    return judged(errors["launch"], errors["attach"], scope=scope, filtered=_filtered())


def judged(launch: int, attach: int, *, scope: str, filtered: bool) -> Ptrace:
    """Return in words what the errors mean, where Yama has ``scope`` and a seccomp filter may be in force."""
    if launch:
        who = "the container's seccomp filter" if filtered else "a security module, such as SELinux's deny_ptrace"
        remedy = "start the container with --cap-add=SYS_PTRACE or a seccomp profile that allows ptrace"
        why = f"refused by {who}: {remedy if filtered else 'setsebool deny_ptrace off'}"
        return Ptrace(why, why)
    if attach and scope not in ("", "0"):
        remedy = "set kernel.yama.ptrace_scope to 0 by debugger_kernel_parameters"
        return Ptrace("ok", f"refused by Yama, whose ptrace_scope is {scope}: {remedy}")
    return Ptrace("ok", f"refused (error {attach})" if attach else "ok")


@functools.lru_cache(maxsize=None)
def _filtered() -> bool:
    return "\nSeccomp:\t2" in (read_text("/proc/self/status") or "")
