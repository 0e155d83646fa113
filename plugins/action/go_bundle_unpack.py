# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verifies a bundle on the controller, and copies the files that a host lacks, with the module go_bundle_unpack.

If no file is missing, that is one call of the module with the digest of the manifest. Otherwise a second call with the
manifest reports the missing files, and a third call gets these in one tar. The tools go into the controller's cache,
from which go_tool copies them.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
import typing as t

from ansible import constants

from ..module_utils._bundle.archive import Bundle
from ..module_utils._bundle.manifest import Entry
from ..module_utils._tools.cache import ToolCache, default_directory
from ..plugin_utils.actions import DevserverAction, Result
from ..plugin_utils.declared_bundle import open_declared_bundle

# Seconds to wait for another run that stores the same tool in the cache.
_CLAIM_TIMEOUT = 600.0


class ActionModule(DevserverAction):
    """The action of the task."""

    _os_failure = "cannot read or copy the bundle on the controller"

    def _run(self) -> Result:
        """Return the result of the module, with facts about the bundle."""
        if self._task.args.get("state") == "absent":
            return self._module()
        if self._task.args.get("file") == "":
            return {"changed": False}
        with open_declared_bundle(self._task.args) as (bundle, signer):
            return self._unpack(bundle, signer)

    def _unpack(self, bundle: Bundle, signer: str) -> Result:
        facts: Result = {"manifest_sha256": bundle.sha256, "signer": signer, "cached": []}
        result = self._query(bundle)
        if result.get("failed"):
            return result
        entries = {entry.path: entry for entry in bundle.manifest.files}
        missing = [entries[path] for path in result.pop("missing", []) if path in entries]
        if self._task.check_mode:
            # Damage that would make the run fail must be found now.
            for entry in [*missing, *bundle.manifest.of_kind("tool")]:
                bundle.files.verify(entry)
            return dict(result, **facts)
        facts["cached"] = self._fill_cache(bundle)
        return dict(self._deliver(bundle, missing) if missing else result, **facts)

    def _query(self, bundle: Bundle) -> Result:
        """Return what the host would change; the manifest is only sent if the host has another one."""
        result = self._module(sha256=bundle.sha256, report_missing=True)
        return self._module(manifest=bundle.text, report_missing=True) if result.get("manifest_needed") else result

    def _module(self, **delivery: t.Any) -> Result:
        result: Result = self._execute_module(
            module_args=dict(self._task.args, _delivery=delivery), task_vars=self._vars
        )
        # It contains the whole manifest.
        result.pop("invocation", None)
        return result

    def _fill_cache(self, bundle: Bundle) -> list[str]:
        """Store the bundle's tools in the controller's cache; return the builds that were not in it."""
        tools = bundle.manifest.of_kind("tool")
        if not tools:
            return []
        cache = ToolCache(self._task.args.get("tools_cache_dir") or default_directory(os.environ))
        return [tool.path.split("/")[1] for tool in tools if self._store(cache, bundle, tool)]

    def _store(self, cache: ToolCache, bundle: Bundle, tool: Entry) -> bool:
        _directory, key, digest = tool.path.split("/")
        if os.path.basename(cache.find(key)) == digest:
            return False
        with cache.claim(key, timeout=_CLAIM_TIMEOUT):
            # Another host's task may have stored it while this one waited.
            if os.path.basename(cache.find(key)) == digest:
                return False
            cache.store(key, digest, lambda path: bundle.files.extract(tool, path))
        return True

    def _deliver(self, bundle: Bundle, missing: t.Sequence[Entry]) -> Result:
        """Copy the missing files to the host in one tar, and place them there."""
        shell = self._connection._shell
        remote = shell.tmpdir or self._make_tmp_path()
        tar = shell.join_path(remote, "bundle.tar")
        with tempfile.TemporaryDirectory(dir=constants.DEFAULT_LOCAL_TMP) as local:
            path = os.path.join(local, "bundle.tar")
            with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
                for entry in missing:
                    bundle.files.copy(entry, archive)
            self._transfer_file(path, tar)
        self._fixup_perms2([remote, tar], execute=False)
        return self._module(manifest=bundle.text, tar=tar)
