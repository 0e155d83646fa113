# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where modules come from, and how they are verified."""

from __future__ import annotations

import re
import typing as t

from ..._core.redaction import secrets_in
from ..finding import Finding, Remedy, Rule, propose_value
from ..snapshot import Row, Snapshot, once_per_user

NO_FALLBACK = Rule(
    "GD501",
    severity="note",
    title="GOPROXY has no fallback",
    impact="No module can be downloaded while that server is unavailable.",
    why="""\
GOPROXY names a single proxy and is not declared. If a company allows no other source, that is correct: declare it, and
it is not reported.""",
    fix="Declare GOPROXY, with or without a second source behind the proxy.",
    example="GOPROXY is https://proxy.example.com, from /etc/environment:3 (in ssh)",
)
DIRECT_FIRST = Rule(
    "GD502",
    severity="warning",
    title="GOPROXY has direct first",
    impact="Every module is cloned from its repository: that is slow, and fails after the repository is deleted.",
    why="""\
With `direct` before a proxy, go never queries the proxy; with `direct` alone, there is no proxy. Private repositories
do not need it: GOPRIVATE names them. A declared GOPROXY is GD507.""",
    fix="Declare GOPROXY with the proxy first, and GOPRIVATE for modules that the proxy does not have.",
    example="GOPROXY is direct, from /home/alice/.config/go/env:4 (in goenv)",
)
OVER_HTTP = Rule(
    "GD503",
    severity="warning",
    title="GOPROXY uses plain http",
    impact="An attacker in the network can read the downloads, and change those that no checksum covers.",
    why="""\
go.sum and the checksum database detect a changed module, except for the modules in GONOSUMDB and GOPRIVATE. Neither
covers the list of versions. A proxy on this host (localhost, 127.0.0.0/8, ::1) is not reported. A declared value is
reported too: the declaration selects the source of modules, and this removes a protection of all users.""",
    fix="Serve the proxy over https; `trust_ca_bundle` makes the host trust a private certificate authority.",
    example="GOPROXY has http://proxy.example.com, from /etc/gopherops/users/alice.sh:7; expected https (in ssh)",
)
NO_CHECKSUMS = Rule(
    "GD504",
    severity="warning",
    title="The checksum database is disabled for all modules",
    impact="Go accepts a module that is not yet in go.sum without verification.",
    why="""\
GOSUMDB is off, or a pattern in GONOSUMDB or GOPRIVATE matches every path. go.sum still protects known versions; each
new version and each toolchain is not verified. A declared value is reported too: a host without access to the database
can use a GOPROXY that mirrors it, or leave the setting alone and rely on go.sum.""",
    fix="Delete the setting. Name private modules, and only these, in GOPRIVATE.",
    example="GOSUMDB is off, from /etc/environment:4; expected a checksum database (in ssh)",
)
INSECURE = Rule(
    "GD505",
    severity="warning",
    title="GOINSECURE disables the verification of servers",
    impact="Code from these paths may come over http, or from a server whose identity was not verified.",
    why="""\
For the paths in GOINSECURE go does not verify certificates and does not require https. The usual reason is a private
certificate authority, which the host can trust instead. A declared value is reported too.""",
    fix="Make the host trust the private certificate authority (`trust_ca_bundle`) and delete the setting.",
    example="GOINSECURE is git.example.com/*, from /home/bob/.profile:11; expected no value (in login)",
)
PASSWORD_READABLE = Rule(
    "GD506",
    severity="warning",
    title="A password in GOPROXY is readable for all users",
    impact="Every user of the host can use the proxy with this user's credentials.",
    why="""\
GOPROXY contains a user and a password, and other users can read the file that sets it. The files that the collection
renders are readable for their user alone.""",
    fix="Remove it from that file and declare it for the user, or write it to the user's `~/.netrc` (mode 0600).",
    example="GOPROXY has a password, and all users can read /etc/environment (in ssh)",
)
DECLARED_DIRECT_FIRST = Rule(
    "GD507",
    severity="note",
    title="The declared GOPROXY has direct first",
    impact="Every module is cloned from its repository: that is slow, and fails after the repository is deleted.",
    why="""\
As GD502, for a GOPROXY that the play declares: go never queries a proxy behind `direct`. It is a note, because the
declaration is on purpose.""",
    fix="Declare the proxy first and `direct` last, or leave GOPROXY out; GOPRIVATE names modules that no proxy has.",
    example="GOPROXY is direct,https://goproxy.example.com, as declared; expected a proxy first (in login, ssh)",
)

_LOCAL = re.compile(r"http://([^/@]*@)?(localhost|127\.[\d.]+|\[::1\])(:\d+)?(/|\Z)")
# Patterns of path.Match: these match the first element of every module path.
_EVERYTHING = ("*", "**", "*/*", "*.*")


def evaluate(snapshot: Snapshot) -> t.Iterator[Finding]:
    readable = snapshot.world_readable
    yield from once_per_user(finding for row in snapshot.rows for finding in (*_proxy(row, readable), *_checksums(row)))


def _proxy(row: Row, readable: t.Container[str]) -> t.Iterator[Finding]:
    value, source = row.in_force("GOPROXY"), row.source("GOPROXY")
    entries = _split(value)
    plain = [entry for entry in entries if entry.startswith("http://") and not _LOCAL.match(entry)]
    if plain:
        cause = f"GOPROXY has {plain[0]}, from {source}; expected https"
        yield row.finding(OVER_HTTP, cause, Remedy("serve the proxy over https"), "GOPROXY")
    if secrets_in(value) and source and source.file in readable:
        cause = f"GOPROXY has a password, and all users can read {source.file}"
        remedy = Remedy("declare it for the user, or write it to ~/.netrc")
        yield row.finding(PASSWORD_READABLE, cause, remedy, "GOPROXY")
    if row.undeclared("GOPROXY"):
        yield from _order(row, entries)
    elif entries[:1] == ["direct"]:
        cause = f"GOPROXY is {value}, as declared; expected a proxy first"
        remedy = Remedy("declare the proxy first and direct last, or leave GOPROXY out")
        yield row.finding(DECLARED_DIRECT_FIRST, cause, remedy, "GOPROXY")


def _order(row: Row, entries: t.Sequence[str]) -> t.Iterator[Finding]:
    cause = row.cells["GOPROXY"].state
    proxies = [entry for entry in entries if entry != "direct"]
    if proxies:
        remedy = propose_value("declare GOPROXY", "GOPROXY", ",".join([*proxies, "direct"]))
    else:
        remedy = Remedy("delete the line: Go's own default queries a proxy first")
    if entries[:1] == ["direct"]:
        yield row.finding(DIRECT_FIRST, cause, remedy, "GOPROXY")
    elif len(entries) == 1 and entries[0] != "off":
        yield row.finding(NO_FALLBACK, cause, remedy, "GOPROXY")


def _checksums(row: Row) -> t.Iterator[Finding]:
    for variable in ("GOSUMDB", "GONOSUMDB", "GOPRIVATE"):
        # GONOSUMDB has the value of GOPRIVATE if it is not set.
        value = row.in_force(variable)
        if variable == "GONOSUMDB" and value == row.in_force("GOPRIVATE"):
            continue
        everything = [pattern for pattern in _split(value) if pattern in _EVERYTHING]
        if value == "off" if variable == "GOSUMDB" else everything:
            expected = "a checksum database" if variable == "GOSUMDB" else "private modules only"
            remedy = Remedy(f"delete {variable}, or name only private modules")
            yield row.unexpected(NO_CHECKSUMS, variable, expected, remedy)
    if row.in_force("GOINSECURE"):
        remedy = Remedy("trust the private certificate authority on the host (trust_ca_bundle), and delete GOINSECURE")
        yield row.unexpected(INSECURE, "GOINSECURE", "no value", remedy)


def _split(value: str) -> list[str]:
    return [part.strip() for part in re.split("[,|]", value) if part.strip()]
