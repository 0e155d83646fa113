# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter without_role_variables; a file with its name documents it."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ..module_utils._core.errors import DevserverError
from ..plugin_utils.role_variables import reject_facts


def without_role_variables(facts: t.Mapping[str, t.Any]) -> bool:
    """Return true; fail if ``facts`` of a host would replace variables of the roles."""
    try:
        reject_facts(facts)
    except DevserverError as error:
        raise AnsibleFilterError(str(error)) from error
    return True


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"without_role_variables": without_role_variables}
