# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where modules come from, and what vouches for them."""

from __future__ import annotations

import os
import pathlib
import re
import stat
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.redaction import credentials
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.finding import Finding, Remedy, Rule
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.snapshot import Row, Snapshot, once_per_user

NO_FALLBACK = Rule(
    "GD501",
    "note",
    "GOPROXY has no fallback",
    "No module can be fetched while that one server does not answer.",
    why="""\
GOPROXY names a single proxy and the declaration says nothing about it. Where a company lets nothing else through,
that is right: declare it, and it is no finding.""",
    mend="Declare GOPROXY, with or without a second source behind the proxy.",
    example="GOPROXY is https://proxy.example.com, from /etc/environment:3 (in ssh)",
)
DIRECT_FIRST = Rule(
    "GD502",
    "warning",
    "GOPROXY has direct first",
    "Every module is cloned from where it lies: slow, and gone when its repository is.",
    why="""\
`direct` before a proxy means that the proxy is never asked; `direct` alone means that there is none. Private
repositories do not need that: GOPRIVATE names them. A declared GOPROXY is no finding.""",
    mend="Declare GOPROXY with the proxy first, and GOPRIVATE for what the proxy does not have.",
    example="GOPROXY is direct, from /home/alice/.config/go/env:4 (in goenv)",
)
OVER_HTTP = Rule(
    "GD503",
    "warning",
    "GOPROXY is asked over plain http",
    "Whoever is on the way can read what is fetched, and change what no checksum covers yet.",
    why="""\
go.sum and the checksum database catch a changed module, but not for those that GONOSUMDB and GOPRIVATE take out,
and the list of versions is covered by neither. A proxy on this host itself (localhost, 127.0.0.0/8, ::1) is no
finding. It is told even where it is declared: the declaration decides where modules come from, and this takes
everyone's protection.""",
    mend="Serve the proxy over https; `trust_ca_bundle` makes a private authority known to the host.",
    example="GOPROXY asks http://proxy.example.com, from /etc/gopherops/users/alice.sh:7 (in login, bash, ssh)",
)
NO_CHECKSUMS = Rule(
    "GD504",
    "warning",
    "The checksum database is off for all modules",
    "A module that go.sum does not hold yet is taken as it comes, whoever changed it.",
    why="""\
GOSUMDB=off, or a GONOSUMDB or GOPRIVATE that every path matches. go.sum still holds what it holds; each new version
and each toolchain comes in unverified. It is told even where it is declared: a host without a way to the database
can take its answers from a GOPROXY that carries them, or leave the setting alone and rely on go.sum.""",
    mend="Delete the setting; name private modules, and only these, in GOPRIVATE.",
    example="GOSUMDB is off, from /etc/environment:4 (in ssh)",
)
INSECURE = Rule(
    "GD505",
    "warning",
    "GOINSECURE lets modules come unverified",
    "Code from these paths may be fetched over http or from a server that nobody has identified.",
    why="""\
For the paths in GOINSECURE go neither verifies certificates nor asks for https. The usual reason is a private
authority, for which there is a better way. It is told even where it is declared.""",
    mend="Make the private authority known to the host (`trust_ca_bundle`) and delete the setting.",
    example="GOINSECURE is git.example.com/*, from /home/bob/.profile:11 (in login)",
)
PASSWORD_READABLE = Rule(
    "GD506",
    "warning",
    "A password in GOPROXY can be read by everybody",
    "Every user of the host can use the proxy in this user's name.",
    why="""\
GOPROXY holds a user and a password, and the file that sets it is readable for others. What the collection renders
is readable for its user alone.""",
    mend="Take it out of that file and declare it for the user, or put it into the user's `~/.netrc` (mode 0600).",
    example="GOPROXY has a password, and everybody can read /etc/environment (in ssh)",
)
RULES = (NO_FALLBACK, DIRECT_FIRST, OVER_HTTP, NO_CHECKSUMS, INSECURE, PASSWORD_READABLE)

_LOCAL = re.compile(r"http://([^/@]*@)?(localhost|127\.[\d.]+|\[::1\])(:\d+)?(/|\Z)")
# Patterns of path.Match: these match the first element of every module path.
_EVERYTHING = ("*", "**", "*/*", "*.*")


def findings(snapshot: Snapshot) -> t.Iterator[Finding]:
    yield from once_per_user(found for row in snapshot.rows for found in (*_proxy(row), *_checksums(row)))


def _proxy(row: Row) -> t.Iterator[Finding]:
    sources = _split(row.in_force("GOPROXY"))
    plain = [source for source in sources if source.startswith("http://") and not _LOCAL.match(source)]
    if plain:
        cause = f"GOPROXY asks {plain[0]}, from {row.source('GOPROXY')}"
        yield row.finding(OVER_HTTP, cause, Remedy("serve the proxy over https"), "GOPROXY")
    yield from _readable(row)
    if row.undeclared("GOPROXY"):
        yield from _order(row, sources)


def _order(row: Row, sources: t.Sequence[str]) -> t.Iterator[Finding]:
    cause = f"GOPROXY is {row.undeclared('GOPROXY')}, from {row.source('GOPROXY')}"
    proxies = [source for source in sources if source != "direct"]
    if proxies:
        remedy = _declare("GOPROXY", ",".join([*proxies, "direct"]))
    else:
        remedy = Remedy("delete the line: Go's own default asks a proxy first")
    if sources[:1] == ["direct"]:
        yield row.finding(DIRECT_FIRST, cause, remedy, "GOPROXY")
    elif len(sources) == 1 and sources[0] != "off":
        yield row.finding(NO_FALLBACK, cause, remedy, "GOPROXY")


def _readable(row: Row) -> t.Iterator[Finding]:
    value, source = row.in_force("GOPROXY"), row.source("GOPROXY")
    if credentials(value) and source and source.file and _for_everybody(source.file):
        cause = f"GOPROXY has a password, and everybody can read {source.file}"
        yield row.finding(PASSWORD_READABLE, cause, Remedy("declare it for the user, or use ~/.netrc"), "GOPROXY")


def _for_everybody(path: str) -> bool:
    """Return whether everybody may read a file and pass through all the folders above it, links followed."""
    place = pathlib.PurePath(os.path.realpath(path))
    try:
        open_ways = all(os.stat(folder).st_mode & stat.S_IXOTH for folder in place.parents)
        return open_ways and bool(os.stat(place).st_mode & stat.S_IROTH)
    except OSError:
        return False


def _checksums(row: Row) -> t.Iterator[Finding]:
    for variable in ("GOSUMDB", "GONOSUMDB", "GOPRIVATE"):
        # Where GONOSUMDB is not set, go answers with GOPRIVATE.
        value = row.in_force(variable)
        if variable == "GONOSUMDB" and value == row.in_force("GOPRIVATE"):
            continue
        everything = [pattern for pattern in _split(value) if pattern in _EVERYTHING]
        if value == "off" if variable == "GOSUMDB" else everything:
            cause = f"{variable} is {value}, from {row.source(variable)}"
            yield row.finding(
                NO_CHECKSUMS, cause, Remedy(f"delete {variable}, or name private modules alone"), variable
            )
    if row.in_force("GOINSECURE"):
        cause = f"GOINSECURE is {row.in_force('GOINSECURE')}, from {row.source('GOINSECURE')}"
        remedy = Remedy("give the host the private authority by trust_ca_bundle, and delete GOINSECURE")
        yield row.finding(INSECURE, cause, remedy, "GOINSECURE")


def _declare(variable: str, value: str) -> Remedy:
    return Remedy(f"declare {variable}", variables={"environment_variables": {variable: value}})


def _split(value: str) -> list[str]:
    return [part.strip() for part in re.split("[,|]", value) if part.strip()]
