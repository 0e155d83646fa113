# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directories that Go writes to."""

from __future__ import annotations

import os
import pwd
import stat
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Source
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.cells import Cell, in_order
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.finding import Finding, Remedy, Rule, as_user
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.snapshot import (
    CONVERGE,
    Row,
    Snapshot,
    once_per_user,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    DIRECTORY_VARIABLES,
    UserEnvironment,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, acting_as
from ansible_collections.gopherops.devserver.plugins.module_utils._host.mounts import NETWORK, Mount, mount_of, mounts
from ansible_collections.gopherops.devserver.plugins.module_utils._host.ownership import giving_back, repairable

DIRECTORY = Rule(
    "GD301",
    "error",
    "A directory of Go is missing or belongs to somebody else",
    "Downloads, builds or installs fail.",
    why="""\
GOPATH, GOMODCACHE, GOBIN and GOCACHE of each user are looked at, but for those on a network file system. One that
belongs to root is mostly left by a `sudo go …`; one that is missing was deleted, or its volume is not mounted.""",
    mend="""\
Provision again: that makes a missing directory, and gives the user what root has left in the home, without following a
link. Do not run `chown -R` there as root: the user can put a link in the place of a directory while it runs.""",
    example="GOMODCACHE=/home/alice/go/pkg/mod belongs to root instead of alice",
)
GOBIN_UNREACHABLE = Rule(
    "GD302",
    "warning",
    "GOBIN is not on PATH",
    "What go install builds is not found, or an older copy elsewhere runs.",
    why="""\
PATH is as declared, and the folder into which `go install` puts programs (GOBIN, else GOPATH/bin) is not in it: the
declaration itself leaves it out. Where PATH or GOBIN differs from the declaration, GD103 or GD101 tells it.""",
    mend="Add `{GOBIN}` to `environment_path`.",
    example="GOBIN=/home/alice/go/bin is not in PATH=/usr/local/go/bin:/usr/bin (in login, bash)",
)
UNWRITABLE = Rule(
    "GD303",
    "error",
    "A directory of Go is not writable for its user",
    "Downloads, builds or installs fail.",
    why="""\
The directory belongs to the user, but its mode, an access list or a read-only mount keeps the user from writing.""",
    mend="""\
Give back the right to write: `chmod u+rwx`; where the mount is read-only, mend that. Where a link leads to the
directory there is no safe command.""",
    example="alice cannot write to GOCACHE=/home/alice/.cache/go-build (mode 0555)",
)
NOT_ABSOLUTE = Rule(
    "GD304",
    "error",
    "A directory of Go is no absolute path",
    "Go refuses to build, or makes the directory anew in every folder it is run in.",
    why="""\
A relative path, `off`, or a `~` that no shell has expanded (it was quoted, or stands in a file that no shell
reads). `go env -w` takes such values without a word. This finding stands in the place of GD101.""",
    mend="Write the whole path, or `{home}` in the play.",
    example="GOCACHE is ~/.cache/go, from /etc/environment:4",
)
NETWORK_FILE_SYSTEM = Rule(
    "GD305",
    "warning",
    "A directory of Go lies on a network file system",
    "Builds are slow, and go's locks may not hold.",
    why="""\
A build asks for thousands of small files, and go guards its caches by file locks and renames. The type of the file
system is what /proc/self/mountinfo says of the directory's mount. Nothing else is asked of such a directory, so
that GD301, GD303, GD306 and GD307 are silent about it: its server may not answer.""",
    mend="Declare GOCACHE and GOMODCACHE on a local disk, for instance `/var/cache/go/{user}/build`.",
    example="GOCACHE=/home/alice/.cache/go-build lies on nfs4, mounted at /home",
)
NEARLY_FULL = Rule(
    "GD306",
    "warning",
    "The disk of a directory of Go is nearly full",
    "The next download or build fails with 'no space left on device', some only half written.",
    why="""\
Less than 1 GiB, or less than 2 % of the inodes, are left for users on the file system of the directory. A network
file system is not asked: it may not answer.""",
    mend="Run `go clean -cache` as the user (it costs the next build time and nothing else), or make the disk larger.",
    example="GOCACHE=/home/alice/.cache/go-build has 212 MiB left",
)
WORLD_WRITABLE = Rule(
    "GD307",
    "warning",
    "A directory of Go is writable for everybody",
    "Any user of the host can plant code that this user builds or runs.",
    why="""\
Go trusts what lies in its caches and runs what lies in GOBIN. A directory with the sticky bit, such as /tmp, is
shared on purpose and is left out.""",
    mend="""\
Take that right away: `chmod o-w`, as the finding's `safe_commands` do. Where a link leads to the directory there is
no such command: it may be another's.""",
    example="GOBIN=/home/alice/go/bin has mode 0777",
)
NO_EXECUTION = Rule(
    "GD308",
    "error",
    "A directory of Go forbids the execution of programs",
    "go run and go test fail with 'permission denied', or installed tools do not start.",
    why="""\
`go run` and `go test` build into GOTMPDIR, else the declared TMPDIR, else /tmp, and execute the result there;
`go install` fills GOBIN. The file system of one of these is mounted with `noexec`, which hardening guides advise for
/tmp.""",
    mend="Declare GOTMPDIR in a place where programs may run, such as `{home}/.cache/go-tmp`, or mount without noexec.",
    example="GOTMPDIR=/tmp lies on a file system that is mounted with noexec at /tmp",
)
RULES = (
    DIRECTORY,
    GOBIN_UNREACHABLE,
    UNWRITABLE,
    NOT_ABSOLUTE,
    NETWORK_FILE_SYSTEM,
    NEARLY_FULL,
    WORLD_WRITABLE,
    NO_EXECUTION,
)

_FREE_BYTES = 1 << 30
_FREE_INODES = 0.02
# A link may lead anywhere: what is safe for a cache is not for /usr.
_OF_A_LINK = Remedy("replace the link, or declare another directory")


class _Directory(t.NamedTuple):
    """A directory of a user's and the variable that names it."""

    account: Account
    variable: str
    path: str

    def __str__(self) -> str:
        return f"{self.variable}={self.path}"

    def finding(self, rule: Rule, cause: str, remedy: Remedy) -> Finding:
        return Finding(rule, cause, remedy, self.account.name, "", self.variable, Source("file", self.path))


def not_absolute(cell: Cell) -> bool:
    """Return whether a directory has a value that go cannot use from everywhere."""
    return cell.variable in DIRECTORY_VARIABLES and bool(cell.actual) and not (cell.actual or "").startswith("/")


def findings(snapshot: Snapshot) -> t.Iterator[Finding]:
    mounted = mounts()
    for user in snapshot.housed:
        for variable, path in user.directories.items():
            directory = _Directory(user.account, variable, path)
            yield from () if _remote(_mount(path, mounted)) else _state(directory)
        yield from _places(user, mounted)
    for cell in filter(not_absolute, snapshot.cells):
        cause = f"{cell.variable} is {cell.actual}, from {cell.source}"
        remedy = Remedy(snapshot.mend(cell))
        place = (cell.user, cell.context, cell.variable)
        yield Finding(NOT_ABSOLUTE, cause, remedy, *place, cell.source, cell.workspace)
    yield from once_per_user(found for row in snapshot.rows for found in _unreachable(row))


def _mount(path: str, mounted: t.Sequence[Mount]) -> Mount | None:
    """Return what ``path`` lies on; on a network not even its links are read, as that may never come to an end."""
    plain = mount_of(path, mounted)
    return plain if _remote(plain) else mount_of(os.path.realpath(path), mounted)


def _remote(mount: Mount | None) -> bool:
    return mount is not None and mount.kind in NETWORK


def _state(directory: _Directory) -> t.Iterator[Finding]:
    """Judge owner and rights; who cannot even look at it cannot use it either."""
    try:
        with acting_as(directory.account):
            status = os.stat(directory.path)
            # access(2) asks for the real user, whom acting_as leaves alone.
            writable = os.access(directory.path, os.W_OK | os.X_OK, effective_ids=True)
    except OSError as error:
        yield directory.finding(DIRECTORY, f"{directory}: {error.strerror}", Remedy(CONVERGE))
        return
    mode = f"{stat.S_IMODE(status.st_mode):04o}"
    if status.st_uid != directory.account.uid:
        yield _somebody_elses(directory, status.st_uid)
    elif not writable:
        cause = f"{directory.account.name} cannot write to {directory} (mode {mode})"
        yield directory.finding(UNWRITABLE, cause, _chmod("u+rwx", directory))
    if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
        yield directory.finding(WORLD_WRITABLE, f"{directory} has mode {mode}", _chmod("o-w", directory))


def _chmod(change: str, directory: _Directory) -> Remedy:
    if os.path.realpath(directory.path) != directory.path:
        return _OF_A_LINK
    command = as_user(directory.account, "chmod", change, directory.path)
    return Remedy(f"run {command}", [command])


def _somebody_elses(directory: _Directory, owner: int) -> Finding:
    place = os.path.realpath(directory.path)
    leads = "" if place == directory.path else f", by a link, to {place}, which"
    cause = f"{directory}{leads} belongs to {_name(owner)} instead of {directory.account.name}"
    if leads:
        return directory.finding(DIRECTORY, cause, _OF_A_LINK)
    return directory.finding(DIRECTORY, cause, Remedy(_way_back(directory)))


def _way_back(directory: _Directory) -> str:
    """Return in words how the user gets the directory; no command, as chown -R follows what the user plants there."""
    if repairable(directory.path, directory.account):
        return CONVERGE
    return f"{giving_back(directory.path, directory.account)}; or declare another directory"


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _places(user: UserEnvironment, mounted: t.Sequence[Mount]) -> t.Iterator[Finding]:
    """Judge the file systems; what is true of GOPATH is not told again for what lies in it on the same one."""
    told = set()
    for variable, path in user.directories.items():
        directory = _Directory(user.account, variable, path)
        mount = _mount(path, mounted)
        if mount and mount not in told:
            told.add(mount)
            yield from _file_system(directory, mount)
    temporary = user.variables.get("GOTMPDIR") or user.variables.get("TMPDIR") or "/tmp"
    programs = {"GOBIN": user.directories.get("GOBIN", ""), "GOTMPDIR": temporary}
    for variable, path in programs.items():
        mount = _mount(path, mounted) if path else None
        if mount and "noexec" in mount.options:
            cause = f"{variable}={path} lies on a file system that is mounted with noexec at {mount.point}"
            remedy = Remedy(
                f"declare another {variable}", variables={"environment_variables": {variable: _place(variable)}}
            )
            yield _Directory(user.account, variable, path).finding(NO_EXECUTION, cause, remedy)


def _place(variable: str) -> str:
    return "{home}/.cache/go-tmp" if variable == "GOTMPDIR" else "{home}/go/bin"


def _file_system(directory: _Directory, mount: Mount) -> t.Iterator[Finding]:
    if _remote(mount):
        cause = f"{directory} lies on {mount.kind}, mounted at {mount.point}"
        yield directory.finding(NETWORK_FILE_SYSTEM, cause, Remedy("declare a directory on a local disk"))
        return
    try:
        shortage = _shortage(os.statvfs(mount.point))
    except OSError:
        return  # A directory that is not there is told already.
    if shortage:
        remedy = Remedy("make room: 'go clean -cache' as the user costs the next build time and nothing else")
        yield directory.finding(NEARLY_FULL, f"{directory} has {shortage} left", remedy)


def _shortage(disk: os.statvfs_result) -> str:
    """Return in words what is nearly used up for users, if anything."""
    free = disk.f_bavail * disk.f_frsize
    if free < _FREE_BYTES:
        return f"{free >> 20} MiB"
    # Some file systems have no fixed number of inodes and say 0.
    scarce = disk.f_files and disk.f_favail < disk.f_files * _FREE_INODES
    return f"{disk.f_favail} of {disk.f_files} inodes" if scarce else ""


def _unreachable(row: Row) -> t.Iterator[Finding]:
    gopath = row.in_force("GOPATH").split(":")[0]
    own = row.cells.get("GOBIN")
    # Where GOBIN is declared and another, or none, that is the finding.
    gobin = row.in_force("GOBIN") or (gopath and os.path.join(gopath, "bin") if not own or not own.expected else "")
    path = row.cells.get("PATH")
    if gobin and path and path.status == "ok" and not in_order([gobin], (path.actual or "").split(":")):
        cause = f"GOBIN={gobin} is not in PATH={path.actual}"
        yield row.finding(GOBIN_UNREACHABLE, cause, Remedy("add {GOBIN} to environment_path"), "GOBIN", path.source)
