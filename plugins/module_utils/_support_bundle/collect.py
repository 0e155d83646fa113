# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collects what says why Go tools, language servers and debuggers of a host do not work. Changes nothing on it."""

from __future__ import annotations

import contextlib
import functools
import glob
import json
import os
import pwd
import re
import shutil
import time
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.redaction import secret_values
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.go_command import without_traces
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, acting_as, find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import (
    SYSTEM_PATH,
    Completed,
    run,
    session_environment,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import open_at_once
from ansible_collections.gopherops.devserver.plugins.module_utils._host.procfs import path_of, read_process
from ansible_collections.gopherops.devserver.plugins.module_utils._host.tempdirs import user_directory
from ansible_collections.gopherops.devserver.plugins.module_utils._host.trusted_paths import shared_directory
from ansible_collections.gopherops.devserver.plugins.module_utils._support_bundle.archive import Item
from ansible_collections.gopherops.devserver.plugins.module_utils._support_bundle.goroutines import Asked, goroutines
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.environment_files import assignments_in
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.systemctl import main_processes

# What the collection renders for its own units.
_ENVIRONMENTS = ("/etc/gopherops/units/*.env", "/etc/gopherops/debug/*.env", "/etc/gopherops/language_server/*.env")
_PREFIX = "gopherops-bundle-"
# Of the dumps that systemd-coredump keeps, the latest.
_MOST_CORES = 3
# Bytes of a core dump that is taken out, and of a block of the shell's ulimit.
_LARGEST_CORE = 4 << 30
_BLOCK = 512
# Any user can write journal entries with a COREDUMP_FILENAME of any file. Only systemd-coredump's own processes run in
# this slice, which the journal records by itself.
_FROM_SYSTEMD = ("_SYSTEMD_SLICE=system-systemd\\x2dcoredump.slice",)
# Bytes: the time alone has as many. An entry begins where a line is not indented.
_SHORTEST_ENTRY = 32
_ENTRY = re.compile(r"\n(?=\S)")
_BACKTRACE = "bt\ngoroutines -t\nexit\n"


class Core(t.NamedTuple):
    """A core dump in the file ``core``, or one that systemd-coredump keeps of process ``pid`` of user ``uid``."""

    core: str
    program: str
    pid: int = 0
    uid: int = 0


class Wanted(t.NamedTuple):
    """What to collect; patterns are the shell's.

    ``running`` are units and process numbers whose goroutines are dumped. The journal is read from ``since`` on.
    ``timeout`` are seconds for one command.
    """

    goroot: str
    gopls: str
    dlv: str
    units: t.Sequence[str]
    binaries: t.Sequence[str]
    logs: t.Sequence[str]
    since: str
    running: t.Sequence[str] = ()
    cores: t.Sequence[Core] = ()
    coredumps: bool = True
    drift: t.Mapping[str, t.Any] | None = None
    drift_problem: str = ""
    timeout: float = 60.0
    hold: float = 10.0
    largest: int = 1 << 20
    scratch: str = "/tmp"


def collect(wanted: Wanted) -> list[Item]:
    """Return all items, each with what it holds or why it could not be got."""
    return [
        *_versions(wanted),
        *(_build_info(wanted, path) for pattern in wanted.binaries for path in _found(pattern)),
        _drift(wanted),
        *_of_units(wanted),
        *(_log(wanted, path) for pattern in wanted.logs for path in _found(pattern)),
        *(_goroutines(wanted, name) for name in wanted.running),
        *(_core(wanted, core) for core in [*wanted.cores, *_kept_cores(wanted)]),
    ]


def known_secrets(wanted: Wanted) -> set[str]:
    """Return the values that no text may hold: those of the rendered environments, and of the processes looked at."""
    variables: list[t.Mapping[str, str]] = []
    for pattern in _ENVIRONMENTS:
        for path in _found(pattern):
            with contextlib.suppress(DevserverError):
                variables += [{one.name: one.value} for one in assignments_in(path)]
    variables += [found.environment for found in map(read_process, _processes(wanted)) if found]
    # In the report a value does not stand beside its name.
    cells = (wanted.drift or {}).get("cells", [])
    variables += [{cell["variable"]: str(cell[side])} for cell in cells for side in ("expected", "actual")]
    return {value for one in variables for value in secret_values(one)}


def _item(name: str, make: t.Callable[[], str], *, tail: bool = False) -> Item:
    try:
        return Item(name, make(), tail=tail)
    except (DevserverError, OSError) as error:
        return Item(name, problem=str(error))


def _said(wanted: Wanted, *argv: str) -> str:
    done = _run(wanted, *argv)
    if not done.ok:
        raise DevserverError(f"{' '.join(argv)} failed: {done.complaint}")
    return done.stdout


def _run(wanted: Wanted, *argv: str, pass_fds: t.Sequence[int] = ()) -> Completed:
    # The root's own settings of Go are nobody's concern here.
    env = {"PATH": f"{wanted.goroot}/bin:{SYSTEM_PATH}", "LC_ALL": "C.UTF-8", "GOENV": "off", "GOTOOLCHAIN": "local"}
    env.update(HOME="/nonexistent", XDG_CONFIG_HOME="/dev/null")
    return run(argv, env=env, timeout=wanted.timeout, pass_fds=pass_fds)


def _versions(wanted: Wanted) -> list[Item]:
    go = os.path.join(wanted.goroot, "bin/go")
    asked = {
        "go": [go, "version"],
        "go-env": [go, "env"],
        "gopls": [wanted.gopls, "version"],
        "dlv": [wanted.dlv, "version"],
        "kernel": ["uname", "-a"],
        "systemd": ["systemctl", "--version"],
        "distribution": ["cat", "/etc/os-release"],
        "memory": ["cat", "/proc/meminfo"],
    }
    return [_item(f"versions/{name}.txt", functools.partial(_said, wanted, *argv)) for name, argv in asked.items()]


def _build_info(wanted: Wanted, path: str) -> Item:
    go = os.path.join(wanted.goroot, "bin/go")
    return _item(f"build-info/{_flat(path)}.txt", lambda: _said(wanted, go, "version", "-m", path))


def _drift(wanted: Wanted) -> Item:
    if wanted.drift is None:
        return Item("drift.json", problem=wanted.drift_problem or "it was not asked for")
    return Item("drift.json", json.dumps(wanted.drift, indent=2, sort_keys=True) + "\n")


def _units(wanted: Wanted) -> list[str]:
    if not wanted.units:
        return []
    listed = ["systemctl", "list-units", "--all", "--plain", "--no-legend", "--full", "--", *wanted.units]
    return [line.split()[0] for line in _said(wanted, *listed).splitlines() if line.strip()]


def _of_units(wanted: Wanted) -> list[Item]:
    try:
        units = _units(wanted)
    except DevserverError as error:
        return [Item("units/list.txt", problem=str(error))]
    return [item for unit in units for item in _of_unit(wanted, unit)]


def _processes(wanted: Wanted) -> list[int]:
    """Return the processes that are looked at, as far as there is a systemd to tell them."""
    names, pids = list(wanted.running), []
    with contextlib.suppress(DevserverError):
        names += _units(wanted)
    for name in names:
        with contextlib.suppress(DevserverError):
            pids.append(_pid(name))
    return [pid for pid in pids if pid]


def _of_unit(wanted: Wanted, unit: str) -> list[Item]:
    # Of a unit that does not run, `status` says so by its exit code too.
    return [
        _item(f"units/{unit}.status.txt", lambda: _run(wanted, "systemctl", "status", "-l", "-n0", "--", unit).stdout),
        _item(f"units/{unit}.show.txt", lambda: _said(wanted, "systemctl", "show", "--", unit)),
        _item(f"units/{unit}.file.txt", lambda: _said(wanted, "systemctl", "cat", "--", unit)),
        _item(f"journal/{unit}.txt", lambda: _journal(wanted, unit), tail=True),
    ]


def _journal(wanted: Wanted, unit: str) -> str:
    # The latest come first, or of a large journal only the beginning would be read; of several versions of journalctl
    # --since with --lines alone gives the first lines.
    argv = ["journalctl", "--quiet", "--no-pager", "--output=short-iso-precise", "--reverse"]
    argv += [f"--since={wanted.since}", f"--lines={wanted.largest // _SHORTEST_ENTRY + 1}", f"--unit={unit}"]
    return _in_order(_said(wanted, *argv))


def _in_order(text: str) -> str:
    """Return the entries of a journal that came in reverse, from the first to the last, without half a one."""
    # The further lines of an entry are indented.
    entries = _ENTRY.split(text)
    whole = entries if text.endswith("\n") else entries[:-1]
    return "".join(f"{entry.rstrip()}\n" for entry in reversed(whole) if entry.strip())


def _log(wanted: Wanted, path: str) -> Item:
    return _item(f"logs/{_flat(path)}", lambda: _end_of(path, wanted.largest), tail=True)


def _end_of(path: str, most: int) -> str:
    """Return the last whole lines of a file, as many as ``most`` bytes hold."""
    with open(path, "rb", opener=open_at_once) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - most))
        text = file.read(most).decode("utf-8", "replace")
    # Half a line could hold half a secret, which nothing would know.
    return text if size <= most else text.partition("\n")[2]


def _goroutines(wanted: Wanted, name: str) -> Item:
    def dump() -> str:
        pid = _pid(name)
        if not pid:
            raise DevserverError(f"{name} has no process")
        account = _owner(path_of(pid))
        with user_directory(account, wanted.scratch, _PREFIX) as folder:
            env = dict(session_environment(account), PATH=f"{wanted.goroot}/bin:{SYSTEM_PATH}")
            return goroutines(pid, Asked(wanted.dlv, account, env, folder, wanted.hold))

    return _item(f"goroutines/{_flat(name)}.txt", dump)


def _core(wanted: Wanted, core: Core) -> Item:
    def backtrace() -> str:
        # Who may read the core owns what dlv makes of it: nothing runs as root that a user has written.
        account = _owner_of(core.uid) if core.pid else _owner(core.core)
        with user_directory(account, wanted.scratch, _PREFIX) as folder:
            path = _taken_out(wanted, core, account, folder) if core.pid else core.core
            script = os.path.join(folder, "script")
            with acting_as(account), open(script, "w", encoding="utf-8") as file:
                file.write(_BACKTRACE)
            env = dict(without_traces(session_environment(account)), XDG_CONFIG_HOME=os.path.join(folder, "config"))
            argv = [wanted.dlv, "core", core.program, path, f"--init={script}"]
            argv += ["--allow-non-terminal-interactive=true"]
            done = run(argv, env=env, account=account, timeout=wanted.timeout)
            if not done.ok:
                raise DevserverError(f"dlv core {core.program} {path} failed: {done.complaint}")
            return done.stdout

    return _item(f"cores/{_flat(core.core) if core.core else core.pid}.txt", backtrace)


def _kept_cores(wanted: Wanted) -> list[Core]:
    """Return the latest core dumps of the wanted binaries that systemd-coredump keeps."""
    if not wanted.coredumps or not shutil.which("coredumpctl", path=SYSTEM_PATH):
        return []
    programs = {_resolved(path) for pattern in wanted.binaries for path in _found(pattern)}
    try:
        listed = json.loads(_run(wanted, "coredumpctl", "list", "--json=short", "--no-pager", *_FROM_SYSTEMD).stdout)
        kept = [Core("", one["exe"], int(one["pid"]), int(one["uid"])) for one in listed]
        found = [core for core in kept if _resolved(core.program) in programs]
    except (ValueError, KeyError, TypeError):
        return []
    return found[-_MOST_CORES:]


def _resolved(program: str) -> str:
    """Return where a path leads. The kernel names the executable of a core dump by that, and ours are links.

    Not by links that a user can make: one from /var/lib/dlv to sshd would count the core dumps of sshd as ours, with
    all that it has read as root.
    """
    return program if shared_directory(os.path.dirname(program)) else os.path.realpath(program)


def _taken_out(wanted: Wanted, core: Core, account: Account, folder: str) -> str:
    """Return the file into which a kept core dump has been written for its owner.

    The directory is the owner's: root writes through a descriptor that was opened with the owner's rights, never by
    a path.
    """
    path = os.path.join(folder, "core")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with acting_as(account):
        descriptor = os.open(path, flags, 0o600)
    with os.fdopen(descriptor, "wb"):
        script = f'ulimit -f {_LARGEST_CORE // _BLOCK}; exec "$@" >/proc/self/fd/{descriptor}'
        argv = ["/bin/sh", "-c", script, "sh", "coredumpctl", "dump", *_FROM_SYSTEMD]
        # One process number may have several core dumps, of several users.
        argv += [f"COREDUMP_PID={core.pid}", f"COREDUMP_UID={core.uid}", f"COREDUMP_EXE={core.program}"]
        done = _run(wanted, *argv, pass_fds=[descriptor])
    if not done.ok:
        raise DevserverError(f"coredumpctl dump {core.pid} failed: {done.complaint}")
    return path


def _owner(path: str) -> Account:
    try:
        return _owner_of(os.stat(path).st_uid)
    except OSError as error:
        raise DevserverError(f"{path} cannot be looked at: {error.strerror}") from error


def _owner_of(uid: int) -> Account:
    try:
        return find_account(pwd.getpwuid(uid).pw_name)
    except KeyError:
        raise DevserverError(f"user number {uid} is not known on this host") from None


def _pid(name: str) -> int:
    """Return the process of that number, or the main process of the unit; 0 where there is none."""
    if name.isdigit():
        return int(name) if os.path.exists(path_of(name)) else 0
    return main_processes([name])[0]


def _found(pattern: str) -> list[str]:
    """Return the files of a pattern; what is no pattern is one, there or not, so that its absence is told."""
    if not glob.has_magic(pattern):
        return [pattern]
    return sorted(path for path in glob.glob(pattern) if os.path.isfile(path))


def _flat(path: str) -> str:
    return path.strip("/").replace("/", "_")


def folder_name(host: str, now: float) -> str:
    """Return what the folder in the archive is called, by the host and the time."""
    plain = "".join(char if char.isalnum() or char in "-._" else "_" for char in host) or "host"
    return f"support-bundle-{plain}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}"
