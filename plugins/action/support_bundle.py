# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module support_bundle and writes its archive to a file on the controller."""

from __future__ import annotations

import base64
import os

from ..module_utils._host.files import replacing
from ..plugin_utils.actions import DevserverAction, Result


class ActionModule(DevserverAction):
    """The action of the task."""

    def _run(self) -> Result:
        """Return the result of the module, and write its archive to ``dest``."""
        result: Result = self._execute_module(task_vars=self._vars)
        archive = result.pop("archive", None)
        if archive is None:
            return result
        dest = os.path.abspath(os.path.expanduser(str(self._task.args["dest"])))
        try:
            result.update(dest=dest, size=_write(dest, base64.b64decode(archive)))
        except OSError as error:
            problem = f"cannot write {dest} on the controller: {error.strerror}"
            result.update(failed=True, msg=f"{problem}. To fix this: set dest to a writable path.")
        return result


def _write(dest: str, content: bytes) -> int:
    os.makedirs(os.path.dirname(dest), mode=0o700, exist_ok=True)
    with replacing(dest, mode=0o600) as file:
        return file.write(content)
