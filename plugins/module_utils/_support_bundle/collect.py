# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collects diagnostic data of the Go tools, language servers and debuggers of a host, and changes nothing on it."""

from __future__ import annotations

import contextlib
import functools
import glob
import itertools
import json
import os
import pwd
import re
import shutil
import time
import typing as t

from .._core.errors import DevserverError, describe_error
from .._core.redaction import presentable, secret_values
from .._core.sizes import format_size
from .._environment.go_command import without_traces
from .._host.accounts import Account, find_account, name_of
from .._host.command import SYSTEM_PATH, Completed, run, session_environment
from .._host.files import open_nonblocking
from .._host.procfs import path_of, read_process
from .._host.tempdirs import user_directory
from .._host.trusted_paths import shared_directory
from .._host.user_access import acting_as, call_as, call_in_time, limited
from .._systemd.environment_files import assignments_in
from .._systemd.systemctl import main_processes, properties_of
from .._tools.build_info import read_build_info
from .archive import BundleItem, KnownSecrets
from .goroutines import DlvOptions, dump_goroutines

# The environment files of the collection's units.
_ENVIRONMENTS = ("/etc/gopherops/units/*.env", "/etc/gopherops/debug/*.env", "/etc/gopherops/language_server/*.env")
_PREFIX = "gopherops-bundle-"
# The number of the latest core dumps of systemd-coredump that are analysed.
_MAXIMUM_CORES = 3
# The number of the latest crash logs of each user.
_MAXIMUM_LOGS = 3
# The maximum size in bytes of an extracted core dump, and the size of a block of the shell's ulimit.
_MAXIMUM_CORE_SIZE = 4 << 30
_BLOCK = 512
# Any user can write journal entries with a COREDUMP_FILENAME of any file. Only systemd-coredump's own processes run in
# this slice, which the journal records by itself.
_SYSTEMD_MATCH = ("_SYSTEMD_SLICE=system-systemd\\x2dcoredump.slice",)
# The minimum size in bytes, that of the time. The first line of an entry is not indented.
_MINIMUM_ENTRY_SIZE = 32
_ENTRY_START = re.compile(r"\n(?=\S)")
_NO_SECRETS = KnownSecrets()
_BACKTRACE = "bt\ngoroutines -t\nexit\n"


class Core(t.NamedTuple):
    """A core dump in the file ``core``, or one of process ``pid`` and user ``uid`` that systemd-coredump keeps."""

    core: str
    program: str
    pid: int = 0
    uid: int = 0


class BundlePlan(t.NamedTuple):
    """The data to collect, with the names of the module's options; patterns are shell patterns.

    ``goroutines`` are units and process ids whose goroutines are dumped. ``since`` is the start of the journal's part.
    ``timeout`` is the time limit of one command in seconds.
    """

    goroot: str
    gopls: str
    dlv: str
    units: t.Sequence[str]
    binaries: t.Sequence[str]
    logs: t.Sequence[str]
    since: str
    goroutines: t.Sequence[str] = ()
    cores: t.Sequence[Core] = ()
    coredumps: bool = True
    drift: t.Mapping[str, t.Any] | None = None
    drift_problem: str = ""
    timeout: float = 60.0
    hold: float = 10.0
    max_file: int = 1 << 20
    temporary_directory: str = "/tmp"


def collect(plan: BundlePlan, secrets: KnownSecrets = _NO_SECRETS) -> list[BundleItem]:
    """Return all items, each with its text or the problem that prevented its collection.

    The archive masks ``secrets`` in each item, but for the entries of single users in the drift report.
    """
    return [
        *_collect_versions(plan),
        *(_collect_build_info(path) for pattern in plan.binaries for path in _expand_pattern(pattern)),
        _drift_item(plan, secrets),
        *_collect_units(plan),
        *(_collect_log(plan, path) for pattern in plan.logs for path in _find_logs(pattern)),
        *(_collect_goroutines(plan, name) for name in plan.goroutines),
        *(_collect_backtrace(plan, core) for core in [*plan.cores, *_find_kept_cores(plan)]),
    ]


def known_secrets(plan: BundlePlan) -> KnownSecrets:
    """Return the secrets of the rendered environments, of the inspected processes and of the drift report."""
    everywhere: set[str] = set()
    for pattern in _ENVIRONMENTS:
        for path in _expand_pattern(pattern):
            with contextlib.suppress(DevserverError):
                for assignment in assignments_in(path):
                    everywhere |= secret_values({assignment.name: assignment.value})
    of_users: dict[str, set[str]] = {}
    for pid in _find_processes(plan):
        with contextlib.suppress(DevserverError):
            uid, environment = call_in_time(functools.partial(_owner_and_environment, pid), path_of(pid))
            of_users.setdefault(name_of(uid), set()).update(secret_values(environment))
    # The report does not contain a value next to its name.
    for cell in (plan.drift or {}).get("cells", []):
        everywhere |= secret_values({cell["variable"]: str(cell["expected"])})
        of_users.setdefault(cell["user"], set()).update(secret_values({cell["variable"]: str(cell["actual"])}))
    return KnownSecrets(everywhere | of_users.pop("root", set()), of_users)


def _owner_and_environment(pid: int) -> tuple[int, dict[str, str]]:
    process = read_process(pid)
    return (process.uid, dict(process.environment)) if process else (0, {})


def _collect_item(name: str, collect_text: t.Callable[[], str], *, tail: bool = False, user: str = "") -> BundleItem:
    try:
        return BundleItem(name, collect_text(), tail=tail, user=user)
    except Exception as error:
        # Logs and responses of users' processes are hostile input: they must not suppress the other items.
        return BundleItem(name, problem=describe_error(error), user=user)


def _output_of(plan: BundlePlan, *argv: str) -> str:
    completed = _run_command(plan, *argv)
    if not completed.ok:
        command = " ".join(argv)
        raise completed.error(f"{command} failed", remedy=f"run '{command}' as root, and fix the error that it prints")
    return completed.stdout


def _run_command(plan: BundlePlan, *argv: str, pass_fds: t.Sequence[int] = ()) -> Completed:
    # The Go settings of root do not matter here.
    env = {"PATH": f"{plan.goroot}/bin:{SYSTEM_PATH}", "LC_ALL": "C.UTF-8", "GOENV": "off", "GOTOOLCHAIN": "local"}
    env.update(HOME="/nonexistent", XDG_CONFIG_HOME="/dev/null")
    return run(argv, env=env, timeout=plan.timeout, pass_fds=pass_fds)


def _collect_versions(plan: BundlePlan) -> list[BundleItem]:
    go = os.path.join(plan.goroot, "bin/go")
    commands = {
        "go": [go, "version"],
        "go-env": [go, "env"],
        "gopls": [plan.gopls, "version"],
        "dlv": [plan.dlv, "version"],
        "kernel": ["uname", "-a"],
        "systemd": ["systemctl", "--version"],
        "distribution": ["cat", "/etc/os-release"],
        "memory": ["cat", "/proc/meminfo"],
    }
    return [
        _collect_item(f"versions/{name}.txt", functools.partial(_output_of, plan, *argv))
        for name, argv in commands.items()
    ]


def _collect_build_info(path: str) -> BundleItem:
    # Users can write some of these binaries: root runs no program on them.
    read = functools.partial(call_in_time, lambda: f"{path}: {_read_build_info(path)}\n", path)
    return _collect_item(f"build-info/{_flat_name(path)}.txt", read)


def _read_build_info(path: str) -> str:
    """Read the build info of a binary, with the rights of the user who can replace it or its directory."""
    places = filter(None, [shared_directory(path), path]) if os.geteuid() == 0 else ()
    # A directory of root that others can write to has entries of the users who made them.
    uid = next(filter(None, (os.lstat(place).st_uid for place in places)), 0)
    return call_as(_find_account_of(uid), lambda: read_build_info(path).text) if uid else read_build_info(path).text


def _drift_item(plan: BundlePlan, secrets: KnownSecrets) -> BundleItem:
    if plan.drift is None:
        return BundleItem("drift.json", problem=plan.drift_problem or "the report was not requested")
    drift = {
        name: [_mask_entry(entry, secrets) for entry in value] if isinstance(value, list) else value
        for name, value in plan.drift.items()
    }
    return BundleItem("drift.json", json.dumps(drift, indent=2, sort_keys=True) + "\n")


def _mask_entry(entry: t.Any, secrets: KnownSecrets) -> t.Any:
    """Return a cell or finding without the secrets of its users."""
    if not isinstance(entry, dict):
        return entry
    hidden = secrets.of(str(entry.get("user") or ""), *map(str, entry.get("users") or ()))
    return {name: presentable(value, hidden) for name, value in entry.items()}


def _list_units(plan: BundlePlan) -> list[str]:
    if not plan.units:
        return []
    listed = ["systemctl", "list-units", "--all", "--plain", "--no-legend", "--full", "--", *plan.units]
    return [line.split()[0] for line in _output_of(plan, *listed).splitlines() if line.strip()]


def _collect_units(plan: BundlePlan) -> list[BundleItem]:
    try:
        units = _list_units(plan)
    except DevserverError as error:
        return [BundleItem("units/list.txt", problem=str(error))]
    properties: dict[str, dict[str, str]] = {}
    with contextlib.suppress(DevserverError):
        properties = properties_of(units, ("User",))
    return [item for unit in units for item in _collect_unit(plan, unit, properties.get(unit, {}).get("User", ""))]


def _find_processes(plan: BundlePlan) -> list[int]:
    """Return the inspected processes; those of units only if systemd runs the host."""
    names, pids = list(plan.goroutines), []
    with contextlib.suppress(DevserverError):
        names += _list_units(plan)
    for name in names:
        with contextlib.suppress(DevserverError):
            pids.append(_find_process(name))
    return [pid for pid in pids if pid]


def _collect_unit(plan: BundlePlan, unit: str, user: str) -> list[BundleItem]:
    # The exit code of `status` is not 0 for a unit that does not run.
    return [
        _collect_item(
            f"units/{unit}.status.txt",
            lambda: _run_command(plan, "systemctl", "status", "-l", "-n0", "--", unit).stdout,
            user=user,
        ),
        _collect_item(f"units/{unit}.show.txt", lambda: _output_of(plan, "systemctl", "show", "--", unit), user=user),
        _collect_item(f"units/{unit}.file.txt", lambda: _output_of(plan, "systemctl", "cat", "--", unit), user=user),
        _collect_item(f"journal/{unit}.txt", lambda: _read_journal(plan, unit), tail=True, user=user),
    ]


def _read_journal(plan: BundlePlan, unit: str) -> str:
    # In reverse, because the output is limited and the latest entries matter. Several versions of journalctl print the
    # first lines for --since with --lines.
    argv = ["journalctl", "--quiet", "--no-pager", "--output=short-iso-precise", "--reverse"]
    argv += [f"--since={plan.since}", f"--lines={plan.max_file // _MINIMUM_ENTRY_SIZE + 1}", f"--unit={unit}"]
    return _reverse_entries(_output_of(plan, *argv))


def _reverse_entries(text: str) -> str:
    """Return the entries of a reversed journal in chronological order, without an incomplete entry."""
    # The following lines of an entry are indented.
    entries = _ENTRY_START.split(text)
    complete = entries if text.endswith("\n") else entries[:-1]
    return "".join(f"{entry.rstrip()}\n" for entry in reversed(complete) if entry.strip())


def _find_logs(pattern: str) -> list[str]:
    """Return the files that a pattern matches; if it matches directories, the last ones of each by name.

    Crash logs have dates as names. Those of one user must not use up the size of the archive.
    """
    files = _expand_pattern(pattern)
    if not glob.has_magic(os.path.dirname(pattern)):
        return files
    by_directory = itertools.groupby(files, os.path.dirname)
    return [path for _directory, paths in by_directory for path in list(paths)[-_MAXIMUM_LOGS:]]


def _collect_log(plan: BundlePlan, path: str) -> BundleItem:
    read = functools.partial(call_in_time, lambda: _read_tail(path, plan.max_file), path)
    return _collect_item(f"logs/{_flat_name(path)}", read, tail=True, user=_owner_of(path))


def _read_tail(path: str, limit: int) -> str:
    """Return the last complete lines of a file, at most ``limit`` bytes."""
    with open(path, "rb", opener=open_nonblocking) as file:
        _reject_users_link(path, file)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - limit))
        text = file.read(limit).decode("utf-8", "replace")
    # An incomplete line could contain a part of a secret, which would not match.
    return text if size <= limit else text.partition("\n")[2]


def _reject_users_link(path: str, file: t.IO[bytes]) -> None:
    """Reject an open file if another user could have led root to it by a link, for example to a file of secrets."""
    place = shared_directory(path) if os.geteuid() == 0 else ""
    # Links are looked for after the file was opened, so that no user can replace it in between.
    if place and os.readlink(f"/proc/self/fd/{file.fileno()}") != os.path.abspath(path):
        raise DevserverError(
            f"{path} leads through a link, and other users than root can change {place}",
            remedy="name the file itself in logs, or let root alone change that place",
            path=path,
        )


def _collect_goroutines(plan: BundlePlan, name: str) -> BundleItem:
    def dump() -> str:
        pid = _find_process(name)
        if not pid:
            raise DevserverError(f"{name} has no process", remedy=f"start it, or remove {name} from goroutines")
        account = _find_owner(path_of(pid))
        with user_directory(account, plan.temporary_directory, _PREFIX) as directory:
            env = dict(session_environment(account), PATH=f"{plan.goroot}/bin:{SYSTEM_PATH}")
            return dump_goroutines(pid, DlvOptions(plan.dlv, account, env, directory, plan.hold))

    read = functools.partial(limited, dump)
    return _collect_item(f"goroutines/{_flat_name(name)}.txt", read, user=_owner_of_process(name))


def _collect_backtrace(plan: BundlePlan, core: Core) -> BundleItem:
    def backtrace() -> str:
        # dlv runs as the owner of the core dump: root never processes a file that a user has written.
        account = _find_account_of(core.uid) if core.pid else _find_owner_of_core(core.core)
        with user_directory(account, plan.temporary_directory, _PREFIX) as directory:
            path = _extract_core(plan, core, account, directory) if core.pid else core.core
            script = os.path.join(directory, "script")
            with acting_as(account), open(script, "x", encoding="utf-8") as file:
                file.write(_BACKTRACE)
            env = dict(without_traces(session_environment(account)), XDG_CONFIG_HOME=os.path.join(directory, "config"))
            argv = [plan.dlv, "core", core.program, path, f"--init={script}"]
            argv += ["--allow-non-terminal-interactive=true"]
            completed = run(argv, env=env, account=account, timeout=plan.timeout)
            if not completed.ok:
                raise completed.error(
                    f"dlv core {core.program} {path} failed",
                    remedy=f"check that {core.program} has not been rebuilt since the crash, and that {plan.dlv}"
                    " supports its Go version",
                )
            return completed.stdout

    name = f"cores/{_flat_name(core.core) if core.core else core.pid}.txt"
    user = name_of(core.uid) if core.pid else _owner_of(core.core)
    return _collect_item(name, functools.partial(limited, backtrace), user=user)


def _find_kept_cores(plan: BundlePlan) -> list[Core]:
    """Return the latest core dumps of the plan's binaries that systemd-coredump keeps."""
    if not plan.coredumps or not shutil.which("coredumpctl", path=SYSTEM_PATH):
        return []
    programs = {_resolve_program(path) for pattern in plan.binaries for path in _expand_pattern(pattern)}
    try:
        listed = json.loads(
            _run_command(plan, "coredumpctl", "list", "--json=short", "--no-pager", *_SYSTEMD_MATCH).stdout
        )
        kept = [Core("", entry["exe"], int(entry["pid"]), int(entry["uid"])) for entry in listed]
        cores = [core for core in kept if _resolve_program(core.program) in programs]
    except (ValueError, KeyError, TypeError):
        return []
    return cores[-_MAXIMUM_CORES:]


def _resolve_program(program: str) -> str:
    """Return the resolved path of a program. Core dumps contain resolved paths, and our programs are symbolic links.

    Links that a user can create are not resolved. Otherwise a link from /var/lib/dlv to sshd would add core dumps of
    sshd to the archive, with data that it has read as root.
    """
    return program if shared_directory(os.path.dirname(program)) else os.path.realpath(program)


def _extract_core(plan: BundlePlan, core: Core, account: Account, directory: str) -> str:
    """Write a kept core dump to a file of its owner, and return the path.

    The directory belongs to the owner. Therefore root writes to a descriptor that was opened with the owner's
    rights, never to the path. The user chooses the size, and root has no quota: half of the free space remains.
    """
    path = os.path.join(directory, "core")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with acting_as(account):
        descriptor = os.open(path, flags, 0o600)
    with os.fdopen(descriptor, "wb"):
        free = os.statvfs(descriptor)
        largest = min(_MAXIMUM_CORE_SIZE, free.f_bavail * free.f_frsize // 2)
        script = f'ulimit -f {largest // _BLOCK}; exec "$@" >/proc/self/fd/{descriptor}'
        argv = ["/bin/sh", "-c", script, "sh", "coredumpctl", "dump", *_SYSTEMD_MATCH]
        # Several users may have core dumps with the same process id.
        argv += [f"COREDUMP_PID={core.pid}", f"COREDUMP_UID={core.uid}", f"COREDUMP_EXE={core.program}"]
        completed = _run_command(plan, *argv, pass_fds=[descriptor])
    if not completed.ok:
        raise completed.error(
            f"coredumpctl dump {core.pid} failed",
            remedy=f"check with 'coredumpctl info {core.pid}' that the core dump is present and not larger than"
            f" {format_size(_MAXIMUM_CORE_SIZE)}, and with 'df' that {plan.temporary_directory} has twice that space",
        )
    return path


def _find_owner_of_core(path: str) -> Account:
    account = _find_owner(path)
    place = shared_directory(path) if account.uid == 0 else ""
    if place:
        raise DevserverError(
            f"root does not analyse {path}: other users than root can replace it in {place}",
            remedy="copy the core dump to a directory that root alone can change, and correct cores",
            path=path,
        )
    return account


def _find_owner(path: str) -> Account:
    try:
        return _find_account_of(call_in_time(lambda: os.stat(path).st_uid, path))
    except OSError as error:
        raise DevserverError(
            f"cannot read {path}: {error.strerror}",
            remedy=f"check with 'ls -ld {path}' that it still exists, and correct goroutines or cores",
        ) from error


def _find_account_of(uid: int) -> Account:
    try:
        return find_account(pwd.getpwuid(uid).pw_name)
    except KeyError:
        raise DevserverError(
            f"this host has no user with uid {uid}",
            remedy="create that user, or give the file or the process to a user of this host",
        ) from None


def _owner_of(path: str) -> str:
    """Return the name of the user who owns a file; empty if there is none, or if it does not respond."""
    try:
        return name_of(call_in_time(lambda: os.stat(path).st_uid, path))
    except (DevserverError, OSError):
        return ""


def _owner_of_process(name: str) -> str:
    with contextlib.suppress(DevserverError):
        return _owner_of(path_of(_find_process(name)))
    return ""


def _find_process(name: str) -> int:
    """Return the process with that id, or the main process of the unit; 0 without one."""
    if name.isdigit():
        return int(name) if os.path.exists(path_of(name)) else 0
    return main_processes([name])[0]


def _expand_pattern(pattern: str) -> list[str]:
    """Return the files that match a pattern. A plain path is returned even if missing: the manifest reports it."""
    if not glob.has_magic(pattern):
        return [pattern]
    paths = sorted(_matches(pattern))
    try:
        return call_in_time(lambda: list(filter(os.path.isfile, paths)), pattern)
    except DevserverError:
        return list(filter(_may_be_file, paths))


def _matches(pattern: str) -> list[str]:
    """Return what may match a pattern: one directory after the other, because those of a user may hang."""
    directory, name = os.path.split(pattern)
    paths: list[str] = []
    for place in _matches(directory) if glob.has_magic(directory) else [directory]:
        entries = os.path.join(glob.escape(place), name)
        try:
            paths += call_in_time(functools.partial(glob.glob, entries), place)
        except DevserverError:
            paths.append(place)  # The manifest reports it.
    return paths


def _may_be_file(path: str) -> bool:
    """Return whether a path is a file, or does not respond, which the manifest reports."""
    try:
        return call_in_time(lambda: os.path.isfile(path), path)
    except DevserverError:
        return True


def _flat_name(path: str) -> str:
    return path.strip("/").replace("/", "_")


def archive_directory(host: str, now: float) -> str:
    """Return the name of the directory in the archive, from the host and the time."""
    plain = "".join(char if char.isalnum() or char in "-._" else "_" for char in host) or "host"
    return f"support-bundle-{plain}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}"
