# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module go_env, and proves over a new connection that the host still lets this play in.

If the module has changed files that logins or sudo read, a timer on the host restores them, unless a second call of the
module confirms them. That call is made over a connection of its own and with the play's become, so it is the proof.
"""

from __future__ import annotations

import contextlib
import signal
import time
import typing as t

from ansible.errors import AnsibleError

from ..plugin_utils.actions import DevserverAction, Result

_ROLLBACK_AFTER = 60
# Seconds that the timer needs to restore the files.
_RESTORING = 3


class _TimeLimitExceeded(BaseException):
    """No Exception, because connection plugins repeat what raises one."""


class ActionModule(DevserverAction):
    """The action of the task."""

    def _run(self) -> Result:
        result = self._module(prepare=not self._task.check_mode)
        identifier, suspect = result.pop("unconfirmed", ""), result.pop("suspect", "")
        if not identifier:
            return result
        limit = int(self._task.args.get("rollback_after", _ROLLBACK_AFTER))
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
            msg="the previous files are restored, because a new connection to the host failed with the new ones:"
            f" {problem}. To fix this: {remedy}." + (f" {previous}" if previous else ""),
        )

    def _module(self, **request: t.Any) -> Result:
        result: Result = self._execute_module(module_args=dict(self._task.args, _access=request), task_vars=self._vars)
        return result

    def _call(self, limit: int, **request: str) -> str:
        """Return why a call of the module fails; empty if it succeeds."""
        try:
            with _time_limit(0 if self._task.timeout else limit):
                result = self._module(**request)
        except _TimeLimitExceeded:
            return f"it took longer than {limit} seconds"
        except AnsibleError as error:
            return str(error)
        stderr = str(result.get("module_stderr", "")).strip()
        return f"{result.get('msg')} {stderr}".strip() if result.get("failed") else ""

    def _call_over_new_connection(self, limit: int, **request: str) -> str:
        with _new_connection(self._connection):
            return self._call(limit, **request)


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
