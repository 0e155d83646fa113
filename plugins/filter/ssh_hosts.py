# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ssh_hosts; a file with its name documents it."""

from __future__ import annotations

import re
import typing as t

from ansible.utils.display import Display

from ..module_utils._core.addresses import parse_address
from ..module_utils._core.errors import DevserverError
from ..plugin_utils.role_variables import reject_facts

# The option of ssh in an inventory for hosts behind another one.
_JUMP = re.compile(r"(?:ProxyJump[= ]|-J ?)[\"']?([^\s\"']+)")


def ssh_hosts(names: list[str], hostvars: t.Mapping[str, t.Any], user: str) -> list[dict[str, t.Any]]:
    """Return the hosts for the module ssh_client_config, as the inventory declares them for ``user``."""
    return [_describe(name, hostvars[name], user) for name in names if _has_own_facts(name, hostvars[name])]


def _has_own_facts(name: str, variables: t.Any) -> bool:
    """Return whether a host's facts replace no variable; else the host is left out, with a warning."""
    try:
        reject_facts(variables.get("ansible_facts", {}))
    except DevserverError as error:
        Display().warning(f"host {name} is left out of the ssh configuration: {error}")
        return False
    return True


def _describe(name: str, variables: t.Any, user: str) -> dict[str, t.Any]:
    arguments = f"{variables.get('ansible_ssh_common_args', '')} {variables.get('ansible_ssh_extra_args', '')}"
    jump = _JUMP.search(arguments)
    services = [
        service
        for service in variables.get("debugger_services", [])
        if service.get("user") == user and service.get("state") != "absent"
    ]
    addresses = [parse_address(str(service.get("listen", ""))) for service in services]
    # localhost may lead to ::1, where another user of the host can listen.
    ports = [address.port for address in addresses if address and address.port and ":" not in address.host]
    return {
        "name": name,
        "address": variables.get("ansible_host", name),
        "port": variables.get("ansible_port", 22),
        "jump": variables.get("remote_access_client_jump") or (jump.group(1) if jump else ""),
        "keys": variables.get("remote_access_client_keys", {}).get("stdout_lines", []),
        "forwards": [*ports, *variables.get("remote_access_client_forwards", [])],
    }


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"ssh_hosts": ssh_hosts}
