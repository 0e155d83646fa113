# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans and applies the module ca_trust."""

from __future__ import annotations

import typing as t

from .._core.result import Outcome
from .files import Changes
from .trust_store import find_trust_store, present_stores, remove_certificates, trust_certificates

ARGUMENT_SPEC: dict[str, t.Any] = {
    "pem": {"type": "str", "default": ""},
    "exclusive": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def converge(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """Add certificate authorities to the trust store, or remove those of earlier runs; with ``check`` only plan it."""
    absent = params["state"] == "absent"
    pem = "" if absent else params["pem"]
    changes = Changes()
    for store in present_stores() if absent or params["exclusive"] else ():
        remove_certificates(pem, changes, store=store, check=check)
    if not pem:
        return Outcome(changes.result())
    store = find_trust_store()
    changes.extend(trust_certificates(pem, store=store, check=check))
    return Outcome({"anchors": store.anchors, **changes.result()})
