# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters certificates_due, revocations_due and lifetimes_problem; files with their names document them."""

from __future__ import annotations

import os
import typing as t

from ansible.errors import AnsibleFilterError

from ..module_utils._delve.tls.validity import lifetimes_problem
from ..plugin_utils import certificates


def certificates_due(
    names: list[str],
    folder: str,
    authority: str,
    key_type: str,
    renew_before: str,
    alternative: list[str] | None = None,
) -> list[str]:
    """Return the ``names`` of the certificates that must be created or renewed."""
    _require_cryptography()

    def due(name: str) -> bool:
        expected = [f"DNS:{name}"] if alternative is None else alternative
        return certificates.is_due(os.path.join(folder, name), expected, authority, key_type, renew_before)

    try:
        return [name for name in names if due(name)]
    except (KeyError, ValueError) as error:
        raise AnsibleFilterError(f"cannot evaluate the certificates in {folder}: {error}") from error


def revocations_due(revoked: list[str], path: str, authority: str, renew_before: str) -> bool:
    """Return whether the list at ``path`` must be created or renewed."""
    _require_cryptography()
    try:
        return certificates.revocations_due(path, revoked, authority, renew_before)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


def _require_cryptography() -> None:
    if certificates.MISSING:
        raise AnsibleFilterError(f"the controller's Python has no cryptography: {certificates.MISSING}")


class FilterModule:
    """Registers the filters."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {function.__name__: function for function in (certificates_due, revocations_due, lifetimes_problem)}
