# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debuggers that other hosts can reach, failed debug services, and certificates that expire."""

from __future__ import annotations

import shlex
import typing as t

from ..._core.provenance import PROCESS, Source
from ..._systemd.unit_state import State
from ..finding import Finding, Remedy, Rule, format_time, of_file
from ..records.debuggers import DebugServiceState, WideDebugger
from ..snapshot import Snapshot
from .overrides import of_override

WIDE = Rule(
    "GD1101",
    severity="error",
    title="A debugger can be reached from other hosts",
    impact="Anyone who can reach the port can run any code as the debugger's user: dlv has no authentication.",
    why="""\
A running dlv listens on an address outside the loopback network, according to the kernel's socket table and the build
info of the program. Or a unit `dlv-*.service` is configured to do so at its next start, by its own file or a drop-in. A
host name other than localhost counts as such an address, because it may lead to any. The debugged program itself may
listen anywhere.""",
    fix="""\
Stop it, and let it listen on 127.0.0.1 or a unix socket. For connections from other hosts, declare `tls` for the debug
service, or use an ssh tunnel.""",
    example="dlv of alice (process 4711) listens on 0.0.0.0:2345; expected a loopback address or a unix socket",
)
SERVICE_FAILED = Rule(
    "GD1102",
    severity="warning",
    title="A debug service has failed",
    impact="No debugger client can attach to the program of the service.",
    why="""\
systemd reports that a unit `dlv-*`, or one of its TLS endpoints (`debug-tls*`), has failed, or is started again after
a failure. Usual reasons: the program does not compile, or the port is in use.""",
    fix="""\
Read `journalctl -u UNIT` and correct the reported error, for example a compile error or a port conflict. A debug
service restarts without further action within a minute.""",
    example="dlv-api.service has failed (exit-code)",
)
EXPIRES_SOON = Rule(
    "GD1103",
    severity="warning",
    title="A debug TLS certificate expires soon",
    impact="After that date no client can connect to a debugger.",
    why="""\
A certificate or the revocation list expires within the time in which provisioning renews them
(`devserver_tls_renew_before`), and the host has not been provisioned since.""",
    fix="Provision the host again with `--tags debugger`.",
    example="/etc/gopherops/debug/tls/server.crt is valid until 2026-01-31T12:00:00Z",
)
EXPIRED = Rule(
    "GD1104",
    severity="error",
    title="A debug TLS certificate has expired",
    impact="The TLS endpoint rejects every client, or every client rejects the endpoint.",
    why="""\
A certificate in /etc/gopherops/debug/tls or the revocation list has expired. Without a valid revocation list stunnel
rejects every client.""",
    fix="""\
Provision the host again with `--tags debugger`. Then distribute the client bundles that were renewed.""",
    example="/etc/gopherops/debug/tls/crl.pem expired on 2026-01-31T12:00:00Z",
)

NOT_RUNNING = Rule(
    "GD1105",
    severity="warning",
    title="A declared debug service does not run",
    impact="No debugger client can attach to the program of the service.",
    why="""\
The play declares the service in `debugger_services`, and its unit does not exist or is not active: the host has not
been provisioned since, or the unit was removed or stopped. Or the unit is disabled, and will not run after the next
boot. A service with `state: stopped` need not run, nor does one
that attaches to a unit which is not active. One that has
failed is GD1102.""",
    fix="Provision the host again with `--tags debugger`, or run `systemctl enable --now UNIT`.",
    example="dlv-api.service is inactive; expected a running debug service",
)
OUTDATED = Rule(
    "GD1106",
    severity="warning",
    title="A debug service runs with a previous environment, dlv or Go",
    impact="The debugged program has other values than a terminal, or dlv misreads a program of another Go.",
    why="""\
The environment of the running dlv differs from the rendered files, its binary is not the pinned one or has been
deleted, or another Go than that of the host has built the debugged program. A debug service builds and starts its
program when the unit starts, and may run for days.""",
    fix="Run `systemctl restart UNIT` when nobody debugs, or provision the host again with `--tags debugger`.",
    example="dlv-api.service has outdated values of GOFLAGS",
)
OVERRIDDEN = Rule(
    "GD1107",
    severity="warning",
    title="A unit of a debug service was edited or overridden",
    impact="The debugger runs with other variables, commands or restrictions than the rendered ones.",
    why="""\
As GD1010, for the units of debug services and of their TLS endpoints. A listen address that other hosts can reach is
GD1101.""",
    fix="""\
Remove the line or the file and run `systemctl daemon-reload`, then restart the unit. If a rendered file was edited,
provision the host again with `--tags debugger`.""",
    example="dlv-api.service has Environment=GODEBUG=netdns=go, which provisioning has not rendered",
)

_PROVISION_AGAIN = "provision the host again with --tags debugger"
# States of a unit's file with which the unit is gone after a reboot.
_NOT_AT_BOOT = ("disabled", "enabled-runtime")
_EXPECTED = "expected a loopback address or a unix socket"


def evaluate(snapshot: Snapshot) -> t.Iterator[Finding]:
    debuggers = snapshot.debuggers
    for unit, address in debuggers.wide_units.items():
        yield _wide_unit(unit, address, debuggers.listen_lines.get(unit))
    for unit, state in debuggers.units.items():
        if state.failed:
            remedy = Remedy(f"read 'journalctl -u {unit}' and correct the reported error")
            cause = f"{unit} has failed ({state.result})"
            yield Finding(SERVICE_FAILED, cause, remedy, source=state.source, subject=unit)
    for service in debuggers.services:
        yield from _service(service, debuggers.units.get(service.unit, State({})))
    wide = [source for source in debuggers.listen_lines.values() if source]
    for unit, overrides in debuggers.overrides.items():
        yield from (
            of_override(OVERRIDDEN, unit, override, "debugger") for override in overrides if override.source not in wide
        )
    for debugger in debuggers.wide:
        if debugger.unit not in debuggers.wide_units:
            yield _wide_process(debugger)
    for path, end in debuggers.certificates.items():
        left = end - snapshot.taken_at
        if left < debuggers.renew_before:
            rule, validity = (EXPIRES_SOON, "is valid until") if left > 0 else (EXPIRED, "expired on")
            yield of_file(rule, path, f"{path} {validity} {format_time(end)}", _PROVISION_AGAIN)


def _service(service: DebugServiceState, state: State) -> t.Iterator[Finding]:
    unit, user = service.unit, service.user
    status = state.values.get("ActiveState", "")
    if not state.source:
        cause = f"{unit} does not exist; expected a debug service of {user}"
        yield Finding(NOT_RUNNING, cause, Remedy(_PROVISION_AGAIN), user, subject=unit)
    elif service.started and not state.failed and status == "inactive":
        command = f"systemctl start {shlex.quote(unit)}"
        cause = f"{unit} is {status}; expected a running debug service"
        yield Finding(NOT_RUNNING, cause, Remedy(f"run {command}", [command]), user, source=state.source, subject=unit)
    elif service.started and state.values.get("UnitFileState") in _NOT_AT_BOOT:
        command = f"systemctl enable {shlex.quote(unit)}"
        cause = (
            f"{unit} is {state.values['UnitFileState']}; expected an enabled unit, which starts again after a reboot"
        )
        yield Finding(NOT_RUNNING, cause, Remedy(f"run {command}", [command]), user, source=state.source, subject=unit)
    if service.running and service.running.outdated:
        remedy = Remedy(f"run systemctl restart {shlex.quote(unit)} when nobody debugs")
        cause = f"{unit} {'; it '.join(service.running.outdated)}"
        since = service.running.process.started
        yield Finding(OUTDATED, cause, remedy, user, source=PROCESS, subject=unit, since=since)


def _wide_unit(unit: str, address: str, source: Source | None) -> Finding:
    remedy = Remedy(f"stop {unit}, then correct {source or 'its unit file'} or {_PROVISION_AGAIN}")
    cause = f"{unit} is configured to listen on {address}; {_EXPECTED}"
    return Finding(WIDE, cause, remedy, source=source, subject=unit)


def _wide_process(debugger: WideDebugger) -> Finding:
    process = f"process {debugger.pid}, {debugger.unit}" if debugger.unit else f"process {debugger.pid}"
    remedy = Remedy(f"stop process {debugger.pid}, and start dlv with --listen=127.0.0.1:PORT or a unix socket")
    cause = f"dlv of {debugger.user} ({process}) listens on {debugger.address}; {_EXPECTED}"
    user, address, started = debugger.user, debugger.address, debugger.started
    return Finding(WIDE, cause, remedy, user, source=PROCESS, subject=address, since=started)
