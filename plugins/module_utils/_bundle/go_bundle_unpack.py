# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module go_bundle_unpack does: its options, and how it plans and applies."""

from __future__ import annotations

import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._bundle.place import Wish, place_bundle, receipt_of
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.result import Outcome
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.platform import this_platform

ARGUMENT_SPEC: dict[str, t.Any] = {
    "file": {"type": "str", "required": True},
    "root": {"type": "path", "default": "/usr/local/lib/go-bundle"},
    "sha256": {"type": "str", "default": ""},
    "allowed_signers": {"type": "str", "default": ""},
    "tools_cache_dir": {"type": "str", "default": ""},
    "verify": {"type": "bool", "default": False},
    # The text of the ``manifest``, or its ``sha256``, which will do for a host that has it already; ``ask`` for what is
    # missing, or the path of a ``tar`` with that.
    "_delivery": {"type": "dict"},
}


def converge(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """Unpack what the host lacks of the bundle; with ``check`` only plan it."""
    if not params["file"]:
        return Outcome({"changed": False})
    delivery = params["_delivery"]
    if not delivery:
        raise DevserverError("the module was run without its action plugin, which reads the bundle on the controller")
    manifest = delivery.get("manifest") or receipt_of(params["root"], delivery["sha256"])
    if manifest is None:
        # The host has another bundle, or none; what it lacks is known when it gets the manifest.
        return Outcome({"changed": True, "unknown": True})
    wish = Wish(params["root"], manifest, this_platform(), params["verify"])
    outcome = place_bundle(wish, delivery.get("tar", ""), ask=bool(delivery.get("ask")), check=check)
    wanted = {"wanted": outcome.wanted} if delivery.get("ask") else {}
    return Outcome({"root": params["root"], "placed": len(outcome.wanted), **outcome.changes.result(), **wanted})
