# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans and applies the module ca_trust."""

from __future__ import annotations

import typing as t

from .._core.result import Outcome
from .trust_store import find_trust_store, trust_certificates

ARGUMENT_SPEC: dict[str, t.Any] = {"pem": {"type": "str", "required": True}}


def converge(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """Add certificate authorities to the trust store; with ``check`` only plan it."""
    if not params["pem"]:
        return Outcome({"changed": False})
    store = find_trust_store()
    changes = trust_certificates(params["pem"], store=store, check=check)
    return Outcome({"anchors": store.anchors, **changes.result()})
