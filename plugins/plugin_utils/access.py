# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proves over a new connection that a host still lets a play in after a module has changed files that logins read.

If the module is to change files that logins or sudo read, a call over a new connection, with the play's become, must
succeed before: else nothing is written. Then a timer on the host restores the files unless another such call confirms
them, so that call is the proof.
"""

from __future__ import annotations

import contextlib
import signal
import time
import typing as t

from ansible.errors import AnsibleError

from .actions import DevserverAction, Result

_ROLLBACK_AFTER = 60
# Seconds that the timer needs to restore the files.
_RESTORING = 3


class _TimeLimitExceeded(BaseException):
    """No Exception, because connection plugins repeat what raises one."""


class ProvenAccessAction(DevserverAction):
    """The action of a task whose module uses ``converge_proven``; ``_VARIABLE`` is the role's rollback_after."""

    _VARIABLE = ""

    def _run(self) -> Result:
        result = self._module(prepare=not self._task.check_mode)
        limit = int(self._task.args.get("rollback_after", _ROLLBACK_AFTER))
        if result.pop("unproven", False):
            problem = self._call_over_new_connection(limit, probe=True)
            if problem:
                return _no_connection(problem, self._VARIABLE)
            result = self._module(prepare=True, proven=True)
        kept = result.pop("kept", [])
        identifier, suspect = result.pop("unconfirmed", ""), result.pop("suspect", "")
        if not identifier:
            return result
        restored_at = time.monotonic() + limit + _RESTORING
        problem = self._call_over_new_connection(limit, confirm=identifier)
        if not problem:
            return result
        files = suspect or "the files of the host that conflict with the new ones (diff: true shows these)"
        remedy = f"correct {files}, and run again"
        if self._call(limit, roll_back=identifier):
            # The old connection is of no use without become.
            time.sleep(max(0.0, restored_at - time.monotonic()))
        if self._call_over_new_connection(limit, roll_back=identifier):
            remedy = "log in at the console of the host, and check /etc/pam.d, sshd and sudo"
        previous = result.get("msg", "")
        return dict(
            result,
            failed=True,
            access_problem=problem,
            msg="the previous files of the host are restored, because a new connection to the host failed with the new"
            f" ones: {problem}. To fix this: {remedy}."
            + (f" The files of users stay as this run has written them: {', '.join(kept)}." if kept else "")
            + (f" {previous}" if previous else ""),
        )

    def _module(self, **request: t.Any) -> Result:
        result: Result = self._execute_module(module_args=dict(self._task.args, _access=request), task_vars=self._vars)
        return result

    def _call(self, limit: int, **request: t.Any) -> str:
        """Return why a call of the module fails; empty if it succeeds."""
        try:
            with _time_limit(0 if self._task.timeout else limit):
                result = self._module(**request)
        except _TimeLimitExceeded:
            return f"it took longer than {limit} seconds"
        except AnsibleError as error:
            return str(error).rstrip(". ")
        stderr = str(result.get("module_stderr", "")).strip()
        return f"{result.get('msg')} {stderr}".rstrip(". ") if result.get("failed") else ""

    def _call_over_new_connection(self, limit: int, **request: t.Any) -> str:
        with _new_connection(self._connection):
            return self._call(limit, **request)


def _no_connection(problem: str, variable: str) -> Result:
    """Return the failure of a run that has changed nothing, because no new connection works."""
    return {
        "changed": False,
        "failed": True,
        "access_problem": problem,
        "msg": "nothing was changed, because files that logins read would change and a new connection to the host fails"
        f" already with the present ones: {problem}. To fix this: make it possible to connect and to use become without"
        " input at the terminal, such as with a key that sshd's AuthenticationMethods accepts alone, and run again; or"
        f" keep a root session open, and set {variable} (rollback_after of the module) to 0, which changes"
        " the files without a proof.",
    }


@contextlib.contextmanager
def _new_connection(connection: t.Any) -> t.Iterator[None]:
    """Let ``connection`` open a new connection for each command, beside the one that ssh keeps open for the play."""
    if not connection.has_option("ssh_args"):
        # Such a plugin opens the next one when it is used.
        connection.close()
        yield
        return
    arguments = connection.get_option("ssh_args")
    connection.set_option("ssh_args", f"-o ControlPath=none {arguments or ''}")
    try:
        yield
    finally:
        connection.set_option("ssh_args", arguments)


@contextlib.contextmanager
def _time_limit(seconds: int) -> t.Iterator[None]:
    """Raise _TimeLimitExceeded after so many seconds; 0 is no limit."""

    def expire(number: int, _frame: t.Any) -> None:
        raise _TimeLimitExceeded(number)

    if not seconds:
        yield
        return
    previous = signal.signal(signal.SIGALRM, expire)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
