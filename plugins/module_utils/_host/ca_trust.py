# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans and applies the module ca_trust."""

from __future__ import annotations

import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.result import Outcome
from ansible_collections.gopherops.devserver.plugins.module_utils._host.trust_store import (
    find_trust_store,
    trust_certificates,
)

ARGUMENT_SPEC: dict[str, t.Any] = {"pem": {"type": "str", "required": True}}


def converge(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """Add certificate authorities to the trust store; with ``check`` only plan it."""
    if not params["pem"]:
        return Outcome({"changed": False})
    store = find_trust_store()
    changes = trust_certificates(params["pem"], store=store, check=check)
    return Outcome({"anchors": store.anchors, **changes.result()})
