# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debuggers that others can reach, debug services that have failed, and certificates that come to their end."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import PROCESS, Source
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.finding import Finding, Remedy, Rule, moment
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records import (
    Validity,
    WideDebugger,
    address_of,
    is_wide,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.snapshot import Snapshot
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.unit_state import State

WIDE = Rule(
    "GD1101",
    "error",
    "A debugger can be reached from other machines",
    "Whoever reaches the port runs any code as the debugger's user: dlv asks nobody for a password.",
    why="""\
A running dlv listens on an address that is not the loopback's, by the kernel's own table and by what its program was
built from; or a unit `dlv-*.service` is told to with its next start, by its own file or a drop-in. A program that is
being debugged may listen where it likes.""",
    mend="""\
End it, and listen on 127.0.0.1 or a unix socket; for connections from elsewhere declare `tls` of the debug service, or
use a tunnel of ssh.""",
    example="dlv of alice (process id 4711) listens at 0.0.0.0:2345",
)
SERVICE_FAILED = Rule(
    "GD1102",
    "warning",
    "A debug service has failed",
    "Nobody can attach to what it should debug, or comes through to it.",
    why="""\
systemd says that a unit `dlv-*`, or one of the TLS in front of them (`debug-tls*`), has failed, or that it waits to be
started again after that: mostly its program does not compile, or its port is taken.""",
    mend="Read `journalctl -u UNIT`, and mend what it names: a debug service starts again by itself.",
    example="dlv-api.service is failed (exit-code)",
)
ENDS_SOON = Rule(
    "GD1103",
    "warning",
    "A certificate of the debug ports comes to its end",
    "After that nobody comes through to a debugger.",
    why="""\
A certificate, or the list of those that are revoked, ends within the time in which provisioning renews them
(`debugger_tls_renew_before`): nobody has provisioned the host since.""",
    mend="Provision the host again with `--tags debugger`.",
    example="/etc/gopherops/debug/tls/server.crt is good until 2026-01-31T12:00:00Z",
)
ENDED = Rule(
    "GD1104",
    "error",
    "A certificate of the debug ports has ended",
    "The TLS server refuses every client, or every client refuses it.",
    why="""\
The time of a certificate in /etc/gopherops/debug/tls, or of the list of those that are revoked, is over. Without a list
that is in force stunnel lets nobody in.""",
    mend="Provision the host again with `--tags debugger`, and hand out the clients' bundles where they were renewed.",
    example="/etc/gopherops/debug/tls/crl.pem was good until 2026-01-31T12:00:00Z",
)
RULES = (WIDE, SERVICE_FAILED, ENDS_SOON, ENDED)

_AGAIN = "provision the host again with --tags debugger"


def findings(snapshot: Snapshot) -> t.Iterator[Finding]:
    told = set()
    for unit, state in snapshot.debuggers.units.items():
        address = address_of(state.values.get("ExecStart", ""))
        if unit.startswith("dlv-") and is_wide(address):
            told.add(unit)
            yield _wide_unit(unit, address, state)
        if state.failed:
            remedy = Remedy(f"mend what 'journalctl -u {unit}' names")
            cause = f"{unit} is failed ({state.result})"
            yield Finding(SERVICE_FAILED, cause, remedy, source=state.source, subject=unit)
    for debugger in snapshot.debuggers.wide:
        if debugger.unit not in told:
            yield _wide_process(debugger)
    for file in snapshot.debuggers.certificates:
        yield from _validity(file, snapshot.debuggers.renew_before)


def _wide_unit(unit: str, address: str, state: State) -> Finding:
    source = state.line(r".*\s--?(listen|l)[= ]")
    remedy = Remedy(f"stop {unit}, then correct the line, or {_AGAIN}")
    return Finding(WIDE, f"{unit} is to listen at {address}", remedy, source=source, subject=unit)


def _wide_process(debugger: WideDebugger) -> Finding:
    of = f"dlv of {debugger.user} (process id {debugger.pid}{f', {debugger.unit}' if debugger.unit else ''})"
    remedy = Remedy("end it, and let it listen on 127.0.0.1 or a unix socket")
    cause = f"{of} listens at {debugger.address}"
    place = (debugger.user, "", "", PROCESS)
    return Finding(WIDE, cause, remedy, *place, subject=debugger.address, since=debugger.started)


def _validity(file: Validity, renew_before: float) -> t.Iterator[Finding]:
    left = file.end - time.time()
    if left < renew_before:
        rule, verb = (ENDS_SOON, "is") if left > 0 else (ENDED, "was")
        cause = f"{file.path} {verb} good until {moment(file.end)}"
        yield Finding(rule, cause, Remedy(_AGAIN), source=Source("file", file.path), subject=file.path)
