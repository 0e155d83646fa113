# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directories that Go writes to."""

from __future__ import annotations

import dataclasses
import os
import shlex
import stat
import typing as t

from ..._core.provenance import Source
from ..._environment.caches import ForeignEntries
from ..._environment.declaration import DIRECTORY_VARIABLES
from ..._host.accounts import Account
from ..._host.ownership import describe_ownership_repair
from ..._shells.scripts import SH_HIDE
from ..cells import Cell, in_order
from ..finding import Finding, Remedy, Rule, as_user, propose_value
from ..records.directories import DirectoryState, Disk, GoDirectory
from ..snapshot import PROVISION_AGAIN, Row, Snapshot, of_cell, once_per_user

DIRECTORY = Rule(
    "GD301",
    severity="error",
    title="A directory of Go is missing or belongs to another user",
    impact="Downloads, builds or installs fail.",
    why="""\
GOPATH, GOMODCACHE, GOBIN and GOCACHE of each user are examined, except on network file systems. A directory of root
usually results from `sudo go …`. A missing one was deleted, or its volume is not mounted.""",
    fix="""\
Provision the host again: that creates a missing directory, and gives the user the files that root has left in the home
directory, without following links. Do not run `chown -R` there as root: the user can replace a directory by a link
while it runs.""",
    example="GOMODCACHE=/home/alice/go/pkg/mod belongs to root; expected alice",
)
GOBIN_UNREACHABLE = Rule(
    "GD302",
    severity="warning",
    title="GOBIN is not on PATH",
    impact="The shell does not find the programs of go install, or runs older copies of them.",
    why="""\
PATH is as declared, but does not contain the directory of `go install` (GOBIN, else GOPATH/bin): the declaration itself
omits it. If PATH or GOBIN differs from the declaration, GD103 or GD101 reports that instead.""",
    fix="Add `{GOBIN}` to `devserver_path`.",
    example="GOBIN=/home/alice/go/bin is not in PATH=/usr/local/go/bin:/usr/bin (in login, bash)",
)
UNWRITABLE = Rule(
    "GD303",
    severity="error",
    title="A directory of Go is not writable for its user",
    impact="Downloads, builds or installs fail.",
    why="""\
The directory belongs to the user, but its mode, an access list or a read-only mount denies writing. Or a directory
within it, to which go writes, belongs to somebody else: in GOCACHE one of its 256 parts, in GOMODCACHE the lock or the
directory of a module, in GOPATH `pkg`, and a program in GOBIN. The usual reason is `go` or an installer as root with
the user's HOME; go then reports "permission denied", or that a package "is not in std".""",
    fix="""\
Run `chmod u+rwx` as the user, as in the finding's `safe_commands`. The command for what belongs to somebody else
renames all of it as the user, to hidden names, and go creates it again. On a read-only mount, remount the file system
writable. There is no safe command for a directory behind a link.""",
    example="GOCACHE=/home/alice/.cache/go-build has mode 0555; expected a directory that alice can write to",
)
NOT_ABSOLUTE = Rule(
    "GD304",
    severity="error",
    title="A directory of Go is not an absolute path",
    impact="Go rejects the build, or creates the directory again in every directory in which it runs.",
    why="""\
The value is a relative path, `off`, or has a `~` that no shell has expanded, because it was quoted or is in a file that
no shell reads. `go env -w` accepts such values without a message. This finding replaces GD101.""",
    fix="Write an absolute path; in the play, use `{home}`.",
    example="GOCACHE is ~/.cache/go, from /etc/environment:4; expected an absolute path",
)
NETWORK_FILE_SYSTEM = Rule(
    "GD305",
    severity="warning",
    title="A directory of Go is on a network file system",
    impact="Builds are slow, and go's file locks may not work.",
    why="""\
A build opens thousands of small files, and go protects its caches with file locks and renames. The type of the file
system is that of the mount in /proc/self/mountinfo. Nothing else is read from such a directory, because its server may
not respond: GD301, GD303, GD306 and GD307 do not apply to it.""",
    fix="Declare GOCACHE and GOMODCACHE on a local disk, for example `/var/cache/go/{user}/build`.",
    example="GOCACHE=/home/alice/.cache/go-build is on nfs4, mounted at /home; expected a local file system",
)
NEARLY_FULL = Rule(
    "GD306",
    severity="warning",
    title="The disk of a directory of Go is nearly full",
    impact="The next download or build fails with 'no space left on device', and may leave incomplete files.",
    why="""\
Less than 1 GiB, or less than 2 % of the inodes, are free for users on the file system of the directory. A network file
system is not queried: it may not respond.""",
    fix="""\
Run `go clean -cache` or, for the module cache, `go clean -modcache` as the user (the only cost is a slower next build
with downloads), or enlarge the disk.""",
    example="GOCACHE=/home/alice/.cache/go-build has 212 MiB left; expected at least 1 GiB and 2 % of the inodes",
)
WORLD_WRITABLE = Rule(
    "GD307",
    severity="warning",
    title="A directory of Go is writable for other users",
    impact="Another user of the host can plant code that this user builds or runs.",
    why="""\
Go trusts the files in its caches and runs the programs in GOBIN. With the sticky bit others cannot replace a program,
but they can add one that is missing, or a file of a cache. Others can write by the mode, by a group with other members,
by an access control list, or because a directory or link on the way belongs to them.""",
    fix="""\
Run `chmod go-w` as the user, as in the finding's `safe_commands`. There is no such command for a directory behind a
link: it may belong to another user. For a group run `chmod g-w`, and for an access control list `setfacl -b`.""",
    example="GOBIN=/home/alice/go/bin has mode 0777; expected no write permission for others",
)
NO_EXECUTION = Rule(
    "GD308",
    severity="error",
    title="A directory of Go is on a file system without execution",
    impact="go run and go test fail with 'permission denied', or installed tools do not start.",
    why="""\
`go run` and `go test` build in GOTMPDIR (else the declared TMPDIR, else /tmp) and run the result there. `go install`
writes to GOBIN. The file system of one of these is mounted with `noexec`, as hardening guides recommend for /tmp.""",
    fix="""\
Declare GOTMPDIR on a file system that allows execution, such as `{home}/.cache/go-tmp`, or mount without noexec.""",
    example="GOTMPDIR=/tmp is on the file system at /tmp, which is mounted with noexec",
)

_FREE_BYTES = 1 << 30
_FREE_INODES = 0.02
# A link may lead anywhere: a command that is safe for a cache is not safe for /usr.
_OF_A_LINK = Remedy("replace the link, or declare another directory")
_CLEAN = {
    "GOPATH": "run 'go clean -cache -modcache' as the user",
    "GOMODCACHE": "run 'go clean -modcache' as the user",
    "GOBIN": "remove programs that are not needed",
    "GOCACHE": "run 'go clean -cache' as the user",
}
_PROPOSED = {"GOTMPDIR": "{home}/.cache/go-tmp", "GOBIN": "{home}/go/bin"}


def not_absolute(cell: Cell) -> bool:
    """Return whether a directory has a value that go can use only from some directories."""
    return cell.variable in DIRECTORY_VARIABLES and bool(cell.actual) and not (cell.actual or "").startswith("/")


def evaluate(snapshot: Snapshot) -> t.Iterator[Finding]:
    reported = set()
    for directory in snapshot.directories:
        if not directory.remote:
            yield from _state(directory)
        # One finding for each user and file system is enough: GOPATH usually contains the others.
        if directory.mount and (directory.account, directory.mount) not in reported:
            reported.add((directory.account, directory.mount))
            yield from _file_system(directory)
    yield from filter(None, map(_no_execution, snapshot.program_directories))
    for cell in filter(not_absolute, snapshot.cells):
        cause = f"{cell.state}; expected an absolute path"
        yield of_cell(NOT_ABSOLUTE, cause, Remedy(snapshot.fix(cell)), cell, cell.source)
    yield from once_per_user(finding for row in snapshot.rows for finding in _unreachable(row))


def _finding(rule: Rule, cause: str, remedy: Remedy, directory: GoDirectory) -> Finding:
    source = Source("file", directory.path)
    return Finding(rule, cause, remedy, directory.account.name, variable=directory.variable, source=source)


def _state(directory: GoDirectory) -> t.Iterator[Finding]:
    """Evaluate owner and mode. A user who cannot look at the directory cannot use it either."""
    state = directory.state
    if state is None:
        yield _finding(
            DIRECTORY, f"{directory}: {directory.error}", Remedy(directory.repair or PROVISION_AGAIN), directory
        )
        return
    mode = f"{stat.S_IMODE(state.mode):04o}"
    if state.uid != directory.account.uid:
        yield _foreign(directory, state)
    elif not state.writable:
        yield _unwritable(directory, mode)
    elif directory.foreign:
        yield _foreign_within(directory, directory.foreign)
    if state.mode & stat.S_IWOTH:
        cause = f"{directory} has mode {mode}; expected no write permission for others"
        yield _finding(WORLD_WRITABLE, cause, _chmod("go-w", directory), directory)
    elif state.uid == directory.account.uid and state.other_writer:
        cause = f"{directory}: {state.other_writer}; expected that only {directory.account.name} and root can change it"
        remedy = "take the right to write from others: chmod g-w, setfacl -b, or chown of what belongs to another user"
        yield _finding(WORLD_WRITABLE, cause, Remedy(remedy), directory)


def _unwritable(directory: GoDirectory, mode: str) -> Finding:
    expected = f"expected a directory that {directory.account.name} can write to"
    if directory.mount and "ro" in directory.mount.options:
        point = directory.mount.point
        remedy = Remedy(
            f"mount {point} writable (mount -o remount,rw {shlex.quote(point)}), or declare a directory there"
        )
        return _finding(UNWRITABLE, f"{directory} is on {point}, which is read-only; {expected}", remedy, directory)
    return _finding(UNWRITABLE, f"{directory} has mode {mode}; {expected}", _chmod("u+rwx", directory), directory)


def _chmod(change: str, directory: GoDirectory) -> Remedy:
    if directory.real_path != directory.path:
        return _OF_A_LINK
    command = as_user(directory.account, "chmod", change, directory.path)
    return Remedy(f"run: {command}", [command])


def _foreign(directory: GoDirectory, state: DirectoryState) -> Finding:
    account = directory.account
    linked = directory.real_path != directory.path
    target = f", a link to {directory.real_path}," if linked else ""
    cause = f"{directory}{target} belongs to {state.owner}; expected {account.name}"
    return _finding(DIRECTORY, cause, _OF_A_LINK if linked else Remedy(_way_back(directory, state, account)), directory)


def _foreign_within(directory: GoDirectory, foreign: ForeignEntries) -> Finding:
    """Return the finding about entries of others, which the owner of the directory can rename and go makes again."""
    count = f", the first of {foreign.number}" if foreign.number > 1 else ""
    cause = f"{foreign.path} in {directory} belongs to {foreign.owner}{count}; expected {directory.account.name}"
    kinds = ["-type", "f"] if directory.variable == "GOBIN" else ["!", "-writable"]
    chosen = ["-mindepth", "1", "-maxdepth", "1", "!", "-user", directory.account.name, "!", "-name", ".*", *kinds]
    hide = ["-exec", "/bin/sh", "-c", SH_HIDE, "sh", "{}", "+"]
    command = as_user(directory.account, "find", *foreign.parents, *chosen, *hide)
    renamed = foreign.path if foreign.number == 1 else f"what belongs to others in {directory}"
    remedy = Remedy(f"rename {renamed} as its user; go creates it again", [command])
    finding = _finding(UNWRITABLE, cause, remedy, directory)
    return dataclasses.replace(finding, source=Source("file", foreign.path))


def _way_back(directory: GoDirectory, state: DirectoryState, account: Account) -> str:
    """Return the action that gives the directory to the user; not chown -R, which follows links that a user plants."""
    if state.repairable:
        return PROVISION_AGAIN
    return f"{describe_ownership_repair(directory.path, account)}; or declare another directory"


def _no_execution(directory: GoDirectory) -> Finding | None:
    if directory.mount is None or "noexec" not in directory.mount.options:
        return None
    name = directory.variable
    cause = f"{directory} is on the file system at {directory.mount.point}, which is mounted with noexec"
    return _finding(NO_EXECUTION, cause, propose_value(f"declare another {name}", name, _PROPOSED[name]), directory)


def _file_system(directory: GoDirectory) -> t.Iterator[Finding]:
    if directory.mount and directory.remote:
        mount = f"{directory.mount.kind}, mounted at {directory.mount.point}"
        cause = f"{directory} is on {mount}; expected a local file system"
        remedy = Remedy("declare a directory on a local disk")
        yield _finding(NETWORK_FILE_SYSTEM, cause, remedy, directory)
    shortage = _shortage(directory.disk) if directory.disk else ""
    if shortage:
        remedy = Remedy(f"{_CLEAN[directory.variable]}, or enlarge the disk")
        cause = f"{directory} has {shortage} left; expected at least 1 GiB and 2 % of the inodes"
        yield _finding(NEARLY_FULL, cause, remedy, directory)


def _shortage(disk: Disk) -> str:
    """Return the free space or inodes if they are nearly used up, else nothing."""
    if disk.free_bytes < _FREE_BYTES:
        return f"{disk.free_bytes >> 20} MiB"
    scarce = disk.inodes and disk.free_inodes < disk.inodes * _FREE_INODES
    return f"{disk.free_inodes} of {disk.inodes} inodes" if scarce else ""


def _unreachable(row: Row) -> t.Iterator[Finding]:
    gopath = row.in_force("GOPATH").split(":")[0]
    gobin_cell = row.cells.get("GOBIN")
    # A declared GOBIN that is not in force is a finding of its own.
    gobin = row.in_force("GOBIN") or (
        gopath and os.path.join(gopath, "bin") if not gobin_cell or not gobin_cell.expected else ""
    )
    path = row.cells.get("PATH")
    if gobin and path and path.status == "ok" and not in_order([gobin], (path.actual or "").split(":")):
        cause = f"GOBIN={gobin} is not in PATH={path.actual}"
        yield row.finding(GOBIN_UNREACHABLE, cause, Remedy("add {GOBIN} to devserver_path"), "GOBIN", path.source)
