# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action plugins have in common."""

from __future__ import annotations

import contextlib
import gc
import typing as t

from ansible.plugins.action import ActionBase

from ..module_utils._core.errors import DevserverError
from ..module_utils._core.redaction import presentable, secrets_in
from .role_variables import reject_facts

Result = t.Dict[str, t.Any]


@contextlib.contextmanager
def uncollected() -> t.Iterator[None]:
    """Do not search for unreachable objects meanwhile, nor for those that are left over then.

    Ansible parses each file that a module imports, in a process that ends with the task. The parsed files of a large
    module are so many objects that the search takes a quarter of the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.freeze()
            gc.enable()


class DevserverAction(ActionBase):  # type: ignore[misc]  # ansible ships no types: its classes are Any
    """An action whose work is ``_run``, and which cannot run asynchronously.

    ``_os_failure`` begins the message for an OSError.
    """

    _supports_check_mode = True
    _supports_async = False
    _os_failure = "cannot use a file on the controller"

    def run(self, tmp: t.Any = None, task_vars: Result | None = None) -> Result:
        """Return the result of ``_run``; its errors are failures of the task."""
        result: Result = super().run(tmp, task_vars)
        self._vars = task_vars or {}
        try:
            reject_facts(self._vars.get("ansible_facts", {}))
            with uncollected():
                result.update(self._run())
        except DevserverError as error:
            result.update(self._show(error.result()), failed=True)
        except OSError as error:
            result.update(self._show({"msg": f"{self._os_failure}: {error}"}), failed=True)
        return result

    def _show(self, error: Result) -> Result:
        shown: Result = presentable(error, secrets_in(self._task.args))
        return shown

    def _run(self) -> Result:
        raise NotImplementedError
