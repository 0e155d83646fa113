# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module go_tool, and carries what one host has built to the others of its platform.

Where nothing is to be built that is one call of the module. Otherwise the first call only says what is; the second is
given what is in the controller's cache and builds the rest, which is then fetched. What is not in the cache is claimed
before, so that of the hosts of a play one builds it while the others wait.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.cache import ToolCache, default_folder

_Result = t.Dict[str, t.Any]


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible ships no types: its classes are Any
    """The action of the task; not to be run asynchronously."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: t.Any = None, task_vars: _Result | None = None) -> _Result:
        """Return the result of the module."""
        result: _Result = super().run(tmp, task_vars)
        self._vars = task_vars
        try:
            result.update(self._run())
        except DevserverError as error:
            result.update(error.result(), failed=True)
        except OSError as error:
            result.update(failed=True, msg=f"the controller cannot use its cache of tools: {error}")
        return result

    def _run(self) -> _Result:
        if self._task.args.get("delivery", "copy") != "copy" or self._task.check_mode:
            return self._module(None)
        answer = self._module({"ask": True})
        wanted = answer.pop("wanted", [])
        return self._deliver(wanted) if wanted else answer

    def _module(self, delivery: _Result | None) -> _Result:
        arguments = dict(self._task.args, _delivery=delivery)
        result: _Result = self._execute_module(
            module_name="gopherops.devserver.go_tool", module_args=arguments, task_vars=self._vars
        )
        return result

    def _deliver(self, wanted: list[str]) -> _Result:
        cache = ToolCache(self._task.args.get("cache_dir") or default_folder(os.environ))
        found = {key: cache.find(key) for key in wanted}
        missing = {key for key in wanted if not found[key]}
        with contextlib.ExitStack() as claims:
            # In one order, so that no two hosts wait for each other.
            for key in sorted(missing):
                with contextlib.ExitStack() as claim:
                    claim.enter_context(cache.claimed(key, timeout=self._patience(wanted)))
                    found[key] = cache.find(key)
                    if not found[key]:
                        claims.push(claim.pop_all())
            result = self._module({"files": self._sent({key: path for key, path in found.items() if path})})
            for one in result.pop("shared", []):
                if one["key"] in missing:
                    self._keep(cache, one, result)
        return result

    def _patience(self, wanted: list[str]) -> float:
        return float(self._task.args.get("timeout", 900)) * len(wanted)

    def _sent(self, found: dict[str, str]) -> dict[str, dict[str, str]]:
        """Send files of the cache to the host; return the path there and the digest of each."""
        if not found:
            return {}
        shell = self._connection._shell
        folder = shell.tmpdir or self._make_tmp_path()
        files = {key: shell.join_path(folder, f"tool-{number}") for number, key in enumerate(found)}
        for key, path in files.items():
            self._transfer_file(found[key], path)
        self._fixup_perms2([folder, *files.values()], execute=False)
        return {key: {"path": path, "sha256": os.path.basename(found[key])} for key, path in files.items()}

    def _keep(self, cache: ToolCache, built: dict[str, str], result: _Result) -> None:
        """Fetch what the host has built. It is installed there: where that fails, the next host builds it again."""
        try:
            cache.store(built["key"], built["sha256"], lambda path: self._connection.fetch_file(built["path"], path))
        except (AnsibleError, DevserverError, OSError) as error:
            result.setdefault("warnings", []).append(f"cannot keep {built['path']} for other hosts: {error}")
