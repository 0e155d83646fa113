# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module go_bundle_unpack: its options, and how it plans and applies."""

from __future__ import annotations

import typing as t

from .._core.errors import DevserverError
from .._core.result import Outcome
from .._host.destinations import check_own_directory, is_filled
from .._host.files import Changes
from .._host.records import Record, read_record, remove_record, with_record
from .._host.removal import remove_paths
from .._toolchain.platform import this_platform
from .place import ExpectedFiles, find_manifest, place_bundle

_ROLE = "bundle"

ARGUMENT_SPEC: dict[str, t.Any] = {
    "file": {"type": "str", "default": ""},
    "root": {"type": "path", "default": "/usr/local/lib/go-bundle"},
    "sha256": {"type": "str", "default": ""},
    "allowed_signers": {"type": "str", "default": ""},
    "tools_cache_dir": {"type": "str", "default": ""},
    "verify": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "record": {"type": "bool", "default": True},
    # The text of the ``manifest``, or its ``sha256``, enough for a host that has it already; ``report_missing`` for the
    # first calls, or the path of a ``tar`` with the missing files.
    "_delivery": {"type": "dict"},
}


def converge(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """Place the bundle's files on the host, or remove them; with ``check`` only plan it."""
    places = {"root": [params["root"]]}
    if params["state"] == "absent":
        return _remove(places, check=check)
    # Whether it is used or not: other options contain this path.
    check_own_directory("devserver_bundle_root (root)", params["root"])
    if not params["file"]:
        return Outcome({"changed": False})
    delivery = params["_delivery"]
    if not delivery:
        raise DevserverError(
            "the module was run without its action plugin, which reads the bundle on the controller",
            expected="a task of Ansible",
            remedy="call the module by its name gopherops.devserver.go_bundle_unpack in a task",
        )
    manifest = delivery.get("manifest") or find_manifest(params["root"], delivery["sha256"])
    if manifest is None:
        # The host has another bundle or none; the missing files are known when it gets the manifest.
        return Outcome({"changed": True, "manifest_needed": True})
    expected = ExpectedFiles(params["root"], manifest, this_platform(), params["verify"])
    report_missing = bool(delivery.get("report_missing"))
    placed = place_bundle(expected, delivery.get("tar", ""), report_missing=report_missing, check=check)
    missing = {"missing": placed.missing} if report_missing else {}
    result = {"root": params["root"], "placed": len(placed.missing), **placed.changes.result(), **missing}
    if params["record"]:
        result = with_record(result, _ROLE, places, check=check)
    return Outcome(result)


def _remove(places: Record, *, check: bool) -> Outcome:
    changes = Changes()
    remove_paths(filter(is_filled, read_record(_ROLE, places)["root"]), changes, check=check)
    remove_record(_ROLE, changes, check=check)
    return Outcome(changes.result())
