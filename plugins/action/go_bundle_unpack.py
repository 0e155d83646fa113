# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges a bundle on the controller, and brings to a host what it lacks of it, by the module go_bundle_unpack.

Where all is there that is one call of the module, with the digest of the manifest alone. Otherwise another call, which
has the manifest, says what is missing, and a last one is given these files in one tar. The tools go into the
controller's cache, from which go_tool copies.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
import typing as t

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible_collections.gopherops.devserver.plugins.module_utils._bundle.archive import Bundle, open_bundle
from ansible_collections.gopherops.devserver.plugins.module_utils._bundle.manifest import Entry
from ansible_collections.gopherops.devserver.plugins.module_utils._bundle.signature import signer
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.cache import ToolCache, default_folder

_Result = t.Dict[str, t.Any]
# Seconds to wait for another run that puts the same tool into the cache.
_PATIENCE = 600.0


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible ships no types: its classes are Any
    """The action of the task; not to be run asynchronously."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: t.Any = None, task_vars: _Result | None = None) -> _Result:
        """Return the result of the module, and what was learnt of the bundle."""
        result: _Result = super().run(tmp, task_vars)
        self._vars = task_vars
        if self._task.args.get("file") == "":
            return dict(result, changed=False)
        try:
            with open_bundle(self._path("file")) as bundle:
                result.update(self._run(bundle))
        except DevserverError as error:
            result.update(error.result(), failed=True)
        except OSError as error:
            result.update(failed=True, msg=f"the controller cannot read or copy the bundle: {error}")
        return result

    def _path(self, option: str) -> str:
        path = os.path.expanduser(str(self._task.args.get(option) or ""))
        if path and not os.path.isabs(path):
            raise DevserverError(f"{option} is {path!r}", expected="an absolute path on the controller")
        return path

    def _run(self, bundle: Bundle) -> _Result:
        told: _Result = {"manifest_sha256": bundle.sha256, "signer": self._judge(bundle), "cached": []}
        answer = self._ask(bundle)
        if answer.get("failed"):
            return answer
        known = {entry.path: entry for entry in bundle.manifest.files}
        wanted = [known[path] for path in answer.pop("wanted", []) if path in known]
        if self._task.check_mode:
            # What the run itself would use must be found damaged now.
            for entry in [*wanted, *bundle.manifest.of_kind("tool")]:
                bundle.files.verify(entry)
            return dict(answer, **told)
        told["cached"] = self._fill_cache(bundle)
        if wanted:
            answer = self._deliver(bundle, wanted)
            answer.pop("wanted", None)
        return dict(answer, **told)

    def _judge(self, bundle: Bundle) -> str:
        """Return who signed the bundle, or nothing where that is not asked; raise DevserverError where it is not it."""
        expected = str(self._task.args.get("sha256") or "").lower()
        if expected and bundle.sha256 != expected:
            raise DevserverError(
                f"the bundle {self._path('file')} is another one: its manifest has the SHA-256 {bundle.sha256}",
                expected=expected,
                remedy="get the right one, or correct bundle_sha256 (sha256) to what playbooks/bundle.yml said",
            )
        allowed_signers = self._path("allowed_signers")
        return signer(bundle.text, bundle.signature, allowed_signers) if allowed_signers else ""

    def _ask(self, bundle: Bundle) -> _Result:
        """Return what the host would change; the manifest goes there only where it is another than the last time."""
        answer = self._module(sha256=bundle.sha256, ask=True)
        return self._module(manifest=bundle.text, ask=True) if answer.get("unknown") else answer

    def _module(self, **delivery: t.Any) -> _Result:
        result: _Result = self._execute_module(
            module_name="gopherops.devserver.go_bundle_unpack",
            module_args=dict(self._task.args, _delivery=delivery),
            task_vars=self._vars,
        )
        # It would show the whole manifest.
        result.pop("invocation", None)
        return result

    def _fill_cache(self, bundle: Bundle) -> list[str]:
        """Put the bundle's tools into the controller's cache; return the builds that this host's task put there."""
        tools = bundle.manifest.of_kind("tool")
        if not tools:
            return []
        cache = ToolCache(self._task.args.get("tools_cache_dir") or default_folder(os.environ))
        return [tool.path.split("/")[1] for tool in tools if self._cache(cache, bundle, tool)]

    def _cache(self, cache: ToolCache, bundle: Bundle, tool: Entry) -> bool:
        _folder, key, digest = tool.path.split("/")
        if os.path.basename(cache.find(key)) == digest:
            return False
        with cache.claimed(key, timeout=_PATIENCE):
            # Another host's task may have put it there while this one waited.
            if os.path.basename(cache.find(key)) == digest:
                return False
            cache.store(key, digest, lambda path: bundle.files.extract(tool, path))
        return True

    def _deliver(self, bundle: Bundle, wanted: t.Sequence[Entry]) -> _Result:
        """Send files of the bundle to the host, all in one, and have them placed there."""
        shell = self._connection._shell
        folder = shell.tmpdir or self._make_tmp_path()
        there = shell.join_path(folder, "bundle.tar")
        with tempfile.TemporaryDirectory(dir=constants.DEFAULT_LOCAL_TMP) as own:
            path = os.path.join(own, "bundle.tar")
            with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
                for entry in wanted:
                    bundle.files.copy(entry, archive)
            self._transfer_file(path, there)
        self._fixup_perms2([folder, there], execute=False)
        return self._module(manifest=bundle.text, tar=there)
