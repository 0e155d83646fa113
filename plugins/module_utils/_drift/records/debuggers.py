# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debug services, other debuggers that listen, and their certificates."""

from __future__ import annotations

import re
import typing as t

from ..._core.addresses import Address
from ..._core.provenance import Source
from ..._delve.running import RunningService
from ..._systemd.unit_state import Override, State

_OPTION = re.compile(r"\s--?(?:listen|l)[= ](\S+)")


class WideDebugger(t.NamedTuple):
    """A dlv that listens at an ``address`` that other hosts can reach; ``unit`` is empty for none."""

    pid: int
    user: str
    address: str
    unit: str = ""
    started: float | None = None


class DebugServiceState(t.NamedTuple):
    """A declared debug service: ``started`` if it must run; ``running`` is None if it does not."""

    unit: str
    user: str
    started: bool
    running: RunningService | None = None


class Debuggers(t.NamedTuple):
    """``units`` are those of debug services and of their TLS endpoints, by name; ``services`` are the declared ones.

    ``listen_lines`` has the line that sets the address of a unit which listens on a wide address. Provisioning renews
    certificates ``renew_before`` seconds before they expire; ``certificates`` has the files of the debug ports, each
    with the time of its expiry (seconds of the epoch).
    """

    units: t.Mapping[str, State] = {}
    wide: t.Sequence[WideDebugger] = ()
    certificates: t.Mapping[str, float] = {}
    renew_before: float = 30 * 86400
    listen_lines: t.Mapping[str, Source | None] = {}
    services: t.Sequence[DebugServiceState] = ()
    overrides: t.Mapping[str, t.Sequence[Override]] = {}

    @property
    def wide_units(self) -> dict[str, str]:
        """The configured addresses of the units of dlv that listen on a wide address."""
        addresses = {unit: address_of(state.values.get("ExecStart", "")) for unit, state in self.units.items()}
        return {unit: address for unit, address in addresses.items() if unit.startswith("dlv-") and _is_wide(address)}


def address_of(command: str) -> str:
    """Return the listen address in a command line of dlv; options behind ``--`` are those of the debugged program."""
    match = _OPTION.search(command.partition(" -- ")[0])
    return match.group(1) if match else ""


def _is_wide(text: str) -> bool:
    """Return whether other hosts may reach a listen address of dlv; its port may be a name or a variable."""
    host, colon, _port = text.rpartition(":")
    return bool(colon) and not text.startswith("unix:") and not Address(host.strip("[]")).is_local
