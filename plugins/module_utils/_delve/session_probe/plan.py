# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a probe is asked to do: the options, judged before anything is started."""

from __future__ import annotations

import collections
import os
import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.addresses import Address, parse_address
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.sources import (
    Place,
    markers_below,
    markers_in,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, acting_as

MODES = {"launch": ("debug", "exec", "test"), "attach": ("local", "remote")}


class Wanted(t.NamedTuple):
    """A breakpoint, and what has to hold where it stops.

    ``variables`` are values as dlv prints them, by expression; ``stack`` are functions, innermost first, between which
    others may stand.
    """

    name: str
    file: str
    line: int
    variables: t.Mapping[str, str] = {}
    stack: t.Sequence[str] = ()


class Tls(t.NamedTuple):
    """Files of the mutual TLS in front of a headless dlv, and the name that its certificate must carry."""

    ca: str
    certificate: str
    key: str
    server_name: str


class Plan(t.NamedTuple):
    """One probe; ``timeout`` is seconds for one run, ``substitute_path`` pairs of an editor's and a binary's path."""

    dlv: str
    account: Account
    environment: dict[str, str]
    request: str
    mode: str
    wanted: t.Sequence[Wanted]
    workspace: str = "/"
    package: str = "."
    program: str = ""
    args: t.Sequence[str] = ()
    build_flags: t.Sequence[str] = ()
    pid: int = 0
    address: Address = Address()
    tls: Tls | None = None
    substitute_path: t.Sequence[tuple[str, str]] = ()
    trigger: str = ""
    runs: int = 3
    hit_rate: float = 1.0
    timeout: float = 60.0
    scratch: str = "/tmp"

    @property
    def remote(self) -> bool:
        return self.mode == "remote"

    @property
    def builds(self) -> bool:
        return self.mode in ("debug", "test")


def judged(plan: Plan) -> Plan:
    """Return ``plan``; raise DevserverError for one that cannot be carried out as it is."""
    for wrong, what, expected in (
        (plan.mode not in MODES[plan.request], f"mode {plan.mode} is none of {plan.request}", _modes(plan.request)),
        (plan.mode == "exec" and not plan.program, "mode exec has no program", "the path of a binary in program"),
        (plan.mode == "local" and not plan.pid, "mode local has no process", "its number in pid, or its unit in unit"),
        (plan.remote and plan.address == Address(), "mode remote has no address", "where dlv listens"),
        (plan.builds and not os.path.isabs(plan.workspace), f"mode {plan.mode} has no workspace", "its folder"),
        (plan.tls is not None and bool(plan.address.path), "a unix socket has no TLS", "a host and a port"),
        (plan.runs < 1, f"runs is {plan.runs}", "1 or more"),
        (not 0 <= plan.hit_rate <= 1, f"hit_rate is {plan.hit_rate}", "a share from 0 to 1"),
        (plan.timeout <= 0, f"timeout is {plan.timeout}", "seconds, more than none"),
        (not re.match(r"(https?://|$)", plan.trigger), f"trigger is {plan.trigger!r}", "a URL of http or https"),
        (not plan.wanted, "there is no breakpoint to stop at", "breakpoints, or markers '// breakpoint: name'"),
    ):
        if wrong:
            raise DevserverError(
                f"the debugger cannot be probed: {what}", expected=expected, remedy="correct the options"
            )
    _refuse_twice_the_same(plan.wanted)
    return plan


def _modes(request: str) -> str:
    return " or ".join(MODES[request])


def _refuse_twice_the_same(wanted: t.Sequence[Wanted]) -> None:
    for place, number in collections.Counter((item.file, item.line) for item in wanted).items():
        if number > 1:
            raise DevserverError(
                f"{place[0]}:{place[1]} is listed {number} times", remedy="list each breakpoint once", file=place[0]
            )


def address_from(text: str, *, tls: bool) -> Address:
    """Return the address that ``text`` names: ``unix:/path``, ``/path``, ``host:port`` or ``[::1]:port``.

    Raises DevserverError for anything else, and for one without ``tls`` that is not of this host: dlv asks nobody for
    a name, and whoever listens in between could do everything that the debuggee may.
    """
    address = parse_address(text)
    if address is None or not (address.path or (address.host and 0 < address.port < 65536)):
        raise DevserverError(
            f"{text!r} is no address of a debugger",
            expected="unix:/path, host:port or [::1]:port",
            remedy="correct the option address",
        )
    if not tls and not address.is_local:
        raise DevserverError(
            f"{text} is not on this host's loopback, and there is no tls",
            expected="mutual TLS to any other address, because dlv itself has neither encryption nor a password",
            remedy="give ca, certificate and key in tls, or run the probe on the host of the debugger",
        )
    return address


def wanted_from(
    entries: t.Sequence[t.Mapping[str, t.Any]], *, account: Account, workspace: str, package: str, tests: bool
) -> list[Wanted]:
    """Return the breakpoints of ``entries``, each a marker's name or a file and a line, with what has to hold there.

    Without entries, they are all markers in the folder of ``package``, in test files only for ``tests``.
    """
    with acting_as(account):
        if not entries:
            return _all_markers(os.path.normpath(os.path.join(workspace, package)), tests=tests)
        known = markers_below(workspace) if any(not entry.get("file") for entry in entries) else {}
    return [_wanted(entry, workspace, known) for entry in entries]


def _all_markers(folder: str, *, tests: bool) -> list[Wanted]:
    try:
        return [Wanted(name, *place) for name, place in markers_in(folder, tests=tests).items()]
    except OSError as error:
        raise DevserverError(
            f"the sources in {folder} cannot be read: {error.strerror}",
            expected="the folder of the package below the workspace",
            remedy="correct workspace and package, or list breakpoints with file and line",
        ) from error


def _wanted(entry: t.Mapping[str, t.Any], workspace: str, known: t.Mapping[str, t.Sequence[Place]]) -> Wanted:
    variables = {name: str(value) for name, value in (entry.get("variables") or {}).items()}
    stack = list(entry.get("stack") or [])
    if entry.get("file"):
        if not entry.get("line") or entry["line"] < 1:
            raise DevserverError(f"the breakpoint in {entry['file']} has no line", remedy="add the key line, from 1 on")
        file = os.path.normpath(os.path.join(workspace, entry["file"]))
        name = entry.get("name") or f"{os.path.basename(file)}:{entry['line']}"
        return Wanted(name, file, entry["line"], variables, stack)
    return Wanted(entry["name"], *_marked(entry.get("name") or "", workspace, known), variables, stack)


def _marked(name: str, workspace: str, known: t.Mapping[str, t.Sequence[Place]]) -> Place:
    places = known.get(name, [])
    if len(places) != 1:
        found = ", ".join(f"{place.file}:{place.line}" for place in places) or "nowhere"
        raise DevserverError(
            f"the marker '// breakpoint: {name}' is {found} in the Go files below {workspace}",
            expected="exactly one; markers there: {}".format(", ".join(sorted(known)) or "none"),
            remedy="correct the name, or give file and line",
            marker=name,
        )
    return places[0]
