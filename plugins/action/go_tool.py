# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module go_tool, and copies the builds of one host to the others of its platform.

If no build is missing, that is one call of the module. Otherwise the first call only reports the missing builds. The
second call gets those in the controller's cache and builds the rest, which is then fetched. Builds that are not in the
cache are claimed before, so that one host of the play builds each while the others wait.
"""

from __future__ import annotations

import contextlib
import os

from ansible.errors import AnsibleError

from ..module_utils._core.errors import DevserverError
from ..module_utils._tools.cache import ToolCache, default_directory
from ..plugin_utils.actions import DevserverAction, Result


class ActionModule(DevserverAction):
    """The action of the task."""

    _os_failure = "cannot use the controller's cache of tools"

    def _run(self) -> Result:
        if self._task.args.get("delivery", "copy") != "copy" or self._task.check_mode:
            return self._module(None)
        result = self._module({"report_missing": True})
        missing = result.pop("missing", [])
        holder = result.pop("lock_holder", "")
        if holder:
            host = self._vars["inventory_hostname"]
            self._display.display(f"[{host}] waits for another run, which holds the lock of the tools: {holder}")
        return self._deliver(missing) if missing else result

    def _module(self, delivery: Result | None) -> Result:
        result: Result = self._execute_module(
            module_args=dict(self._task.args, _delivery=delivery), task_vars=self._vars
        )
        return result

    def _deliver(self, keys: list[str]) -> Result:
        cache = ToolCache(self._task.args.get("cache_dir") or default_directory(os.environ))
        paths = {key: cache.find(key) for key in keys}
        missing = {key for key in keys if not paths[key]}
        timeout = float(self._task.args.get("timeout", 900)) * len(keys)
        with contextlib.ExitStack() as claims:
            # In one order, so that no two hosts wait for each other.
            for key in sorted(missing):
                with contextlib.ExitStack() as claim:
                    claim.enter_context(cache.claim(key, timeout=timeout))
                    paths[key] = cache.find(key)
                    if not paths[key]:
                        claims.push(claim.pop_all())
            result = self._module({"files": self._send({key: path for key, path in paths.items() if path})})
            for build in result.pop("shared", []):
                if build["key"] in missing:
                    self._store(cache, build, result)
        return result

    def _send(self, paths: dict[str, str]) -> dict[str, dict[str, str]]:
        """Copy files of the cache to the host; return the path there and the digest of each."""
        if not paths:
            return {}
        shell = self._connection._shell
        directory = shell.tmpdir or self._make_tmp_path()
        copies = {key: shell.join_path(directory, f"tool-{number}") for number, key in enumerate(paths)}
        for key, copy in copies.items():
            self._transfer_file(paths[key], copy)
        self._fixup_perms2([directory, *copies.values()], execute=False)
        return {key: {"path": copy, "sha256": os.path.basename(paths[key])} for key, copy in copies.items()}

    def _store(self, cache: ToolCache, build: dict[str, str], result: Result) -> None:
        """Fetch a build of the host into the cache. It is installed there: if this fails, the next host builds it."""
        try:
            cache.store(build["key"], build["sha256"], lambda path: self._connection.fetch_file(build["path"], path))
        except (AnsibleError, DevserverError, OSError) as error:
            result.setdefault("warnings", []).append(
                f"cannot copy {build['path']} to the cache for other hosts: {error}"
            )
