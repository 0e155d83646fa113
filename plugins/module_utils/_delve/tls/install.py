# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applies the declared TLS server of the debug services, and removes the parts that are no longer declared."""

from __future__ import annotations

import glob
import os
import typing as t

from ..._core.errors import DevserverError
from ..._host.accounts import find_account, find_known_account, reject_number, user_exists
from ..._host.command import SYSTEM_PATH, run
from ..._host.files import Changes, read_text
from ..._host.managed_files import FileEdit, ManagedFile, named_files, plan_edits, write_all
from ..._host.removal import remove_empty_directories
from ..._systemd import back_off, reload_journal, systemctl
from ..._systemd.systemctl import UNIT_DIR, manager_runs
from .endpoints import TlsEndpoint
from .keys import add_redacted_change
from .server import (
    CONFIGURATION,
    DIRECTORY,
    FILES,
    RELAYS,
    SERVER,
    STUNNEL,
    USER,
    ServerFile,
    TlsMaterial,
    join_sections,
    server_files,
    server_units,
    split_sections,
)

_TIMEOUT = 60
_NO_HOME = "/nonexistent"
# The properties of a unit that runs now and starts at each boot.
_STARTED = {"ActiveState": "active", "UnitFileState": "enabled"}
# A running server reloads these files. All other changes, such as a revocation, restart it and end its connections.
_RELOADED = ("ca.crt", "server.crt", "server.key")


class HostPaths(t.NamedTuple):
    """The paths of the TLS server on the host; with ``managed`` systemd runs the host and can start units.

    ``user`` is the user of the server, ``stunnel`` is its program.
    """

    directory: str = DIRECTORY
    units: str = UNIT_DIR
    user: str = USER
    stunnel: str = STUNNEL
    managed: bool = False
    pending: str = f"{reload_journal.DIRECTORY}/gopherops-debug-tls.pending"


def host_paths() -> HostPaths:
    return HostPaths(managed=manager_runs())


def apply_tls_server(
    endpoints: t.Sequence[TlsEndpoint],
    material: TlsMaterial,
    minimum: str,
    paths: HostPaths,
    is_removed: t.Callable[[str], bool],
    *,
    check: bool,
) -> Changes:
    """Write the files and units for ``endpoints``, and start the units. Other endpoints stay unless ``is_removed``.

    ``is_removed`` gets the name of an endpoint. Without any endpoint, everything is removed.
    Raises DevserverError for missing certificates (except in check mode), for missing users, and for errors of systemd
    or the filesystem.
    """
    for endpoint in endpoints:
        reject_number(endpoint.user)
        find_account(endpoint.user)
    if endpoints and not check:
        _reject_missing_material(material)
    changes = Changes()
    declared = [endpoint.name for endpoint in endpoints]
    kept = [name for name in _installed_endpoints(paths) if name not in declared and not is_removed(name)]
    expected = _with_kept(dict(server_files(endpoints, material, minimum, paths.directory)), kept, paths)
    units = {
        os.path.join(paths.units, name): ServerFile(text)
        for name, text in server_units(endpoints, paths.directory, kept=bool(kept)).items()
    }
    expected.update(units)
    removed = [path for path in _installed_files(paths) if path not in {*expected, *_kept_files(kept, paths)}]
    if endpoints:
        _check_host(paths, changes, check)
    edits = plan_edits(_managed_files(expected, removed, paths))
    for edit in edits:
        add_redacted_change(changes, edit)
    changed_names = [os.path.basename(edit.file.path) for edit in edits]
    owed = sorted(reload_journal.read_pending(paths.pending)) if paths.managed else []
    if owed:
        changes.add("changes of an earlier run", f"not loaded: {', '.join(owed)}\n", "loaded\n")
    if not check:
        if paths.managed:
            reload_journal.record_pending(paths.pending, [*changed_names, *owed] if changed_names else [])
            _stop_units([os.path.basename(path) for path in removed if path.startswith(paths.units)])
        _write_files(edits, expected, removed, paths)
    if paths.managed:
        _start_units(list(map(os.path.basename, units)), [*changed_names, *owed], paths.user, changes, check)
        if not check:
            reload_journal.clear_pending(paths.pending)
    return changes


def _check_host(paths: HostPaths, changes: Changes, check: bool) -> None:
    if not user_exists(paths.user):
        changes.add(f"user {paths.user}", "", "present\n")
    if os.access(paths.stunnel, os.X_OK):
        return
    if not check:
        raise DevserverError(
            f"{paths.stunnel} is missing",
            expected="the distribution's stunnel",
            remedy="install the package stunnel4 or stunnel, set debugger_tls_package to its name, or remove tls from"
            " debugger_services",
            missing_program=paths.stunnel,
        )
    changes.add(paths.stunnel, "", "the distribution's package\n")


def _reject_missing_material(material: TlsMaterial) -> None:
    missing = [name for name, text in material._asdict().items() if not text.strip()]
    if missing:
        raise DevserverError(
            "the TLS server has no {}".format(", ".join(missing)),
            expected="PEM texts from the controller",
            remedy="run the whole role debugger, which creates them",
        )


def _installed_files(paths: HostPaths) -> list[str]:
    """Return the files and units that earlier runs have written."""
    units = glob.glob(os.path.join(glob.escape(paths.units), RELAYS))
    server = os.path.join(paths.units, SERVER)
    files = [os.path.join(paths.directory, name) for name in FILES]
    return sorted(path for path in (*units, server, *files) if os.path.isfile(path))


def _installed_endpoints(paths: HostPaths) -> list[str]:
    """Return the names of the endpoints that earlier runs have installed."""
    return list(named_files(os.path.join(paths.units, f"{RELAYS}.socket")))


def _with_kept(expected: dict[str, ServerFile], kept: t.Collection[str], paths: HostPaths) -> dict[str, ServerFile]:
    """Return the ``expected`` files with the sections of ``kept`` endpoints in the configuration."""
    path = os.path.join(paths.directory, CONFIGURATION)
    if not (expected or kept):
        return expected
    installed_head, installed = split_sections(read_text(path) or "")
    head, declared = split_sections(expected[path].text) if path in expected else (installed_head, {})
    sections = {**{name: installed[name] for name in kept if name in installed}, **declared}
    return {**expected, path: ServerFile(join_sections(head, sections))}


def _kept_files(kept: t.Sequence[str], paths: HostPaths) -> list[str]:
    """Return the files that ``kept`` endpoints need."""
    relays = [f"{RELAYS.replace('*', name)}.{kind}" for name in kept for kind in ("socket", "service")]
    files = [os.path.join(paths.directory, name) for name in FILES]
    return [*(os.path.join(paths.units, name) for name in relays), *(files if kept else [])]


def _managed_files(
    expected: t.Mapping[str, ServerFile], removed: t.Iterable[str], paths: HostPaths
) -> list[ManagedFile]:
    removals = [ManagedFile(path, lambda _now: None) for path in removed]
    return [*(_managed_file(path, file, paths) for path, file in expected.items()), *removals]


def _managed_file(path: str, file: ServerFile, paths: HostPaths) -> ManagedFile:
    text = file.text.rstrip("\n") + "\n" if file.text else "not created on the controller yet\n"
    if not file.secret:
        return ManagedFile(path, lambda _now: text)
    owner = find_account(paths.user) if user_exists(paths.user) else None
    return ManagedFile(path, lambda _now: text, mode=0o600, owner=owner)


def _write_files(
    edits: t.Sequence[FileEdit], expected: t.Mapping[str, ServerFile], removed: t.Iterable[str], paths: HostPaths
) -> None:
    if expected and not user_exists(paths.user):
        _create_user(paths.user)
        # The owner of the key exists now.
        edits = plan_edits(_managed_files(expected, removed, paths))
    write_all(edits)


def _create_user(name: str) -> None:
    argv = ["useradd", "--system", "--user-group", "--home-dir", _NO_HOME, "--no-create-home"]
    completed = run([*argv, "--shell", "/usr/sbin/nologin", name], env={"PATH": SYSTEM_PATH}, timeout=_TIMEOUT)
    if not completed.ok:
        raise DevserverError(
            f"cannot create the user {name}: {completed.complaint}",
            remedy=f"create {name} as a system user without a home directory, and run the play again",
        )


def remove_server_account(paths: HostPaths, changes: Changes, *, check: bool) -> None:
    """Remove the user of the server and the directory of its files, after the server itself was removed."""
    account = find_known_account(paths.user)
    # An account of this name with a home was not created here.
    if account and account.home == _NO_HOME:
        changes.add(f"user {paths.user}", "present\n", "")
        if not check:
            completed = run(["userdel", paths.user], env={"PATH": SYSTEM_PATH}, timeout=_TIMEOUT)
            if not completed.ok:
                problem = f"cannot remove the user {paths.user}: {completed.complaint}"
                raise DevserverError(problem, remedy="end its processes, and run the play again")
    if not check:
        parent = os.path.dirname(paths.directory)
        remove_empty_directories([paths.directory, parent, os.path.dirname(parent)])


def _stop_units(units: t.Sequence[str]) -> None:
    if units:
        systemctl.run_verb("disable", "--quiet", "--now", *units)
        back_off.forget_failures(units)


def _start_units(
    units: t.Sequence[str], changed_names: t.Iterable[str], user: str, changes: Changes, check: bool
) -> None:
    """Enable and start ``units``, and restart the changed ones; add the units that did not run to ``changes``.

    ``user`` is the user of the server.
    """
    names = {*changed_names}
    states = systemctl.properties_of([unit for unit in units if not _is_relay_service(unit)], tuple(_STARTED))
    idle = [unit for unit, state in states.items() if state != _STARTED]
    for unit in idle:
        changes.add(f"state of {unit}", "not enabled or not running\n", "enabled and running\n")
    if check:
        return
    if any(name.startswith("debug-tls") for name in names):
        systemctl.run_verb("daemon-reload")
    verbs = _restart_verbs(units, names, idle)
    if SERVER in (*idle, *verbs["restart"]):
        back_off.prepare_start({SERVER: find_account(user)})
    if idle:
        systemctl.run_verb("enable", "--quiet", "--now", *idle)
    for verb, affected in verbs.items():
        if affected:
            systemctl.run_verb(verb, *affected)


def _restart_verbs(units: t.Sequence[str], names: t.Collection[str], idle: t.Collection[str]) -> dict[str, list[str]]:
    """Return the units to restart or reload, by systemctl verb. The ``idle`` units have just started."""
    changed = [unit for unit in units if unit in names and unit not in idle and unit != SERVER]
    # systemd cannot restart a socket while its service runs.
    relays = [unit.replace(".socket", ".service") for unit in changed if unit.endswith(".socket")]
    verbs = {"stop": relays, "try-restart": changed, "restart": [], "reload": []}
    if SERVER in units and SERVER not in idle:
        server_changes = {name for name in names if name in (SERVER, "stunnel.conf", "crl.pem", *_RELOADED)}
        if server_changes:
            verbs["reload" if server_changes <= {*_RELOADED} else "restart"] = [SERVER]
    return verbs


def _is_relay_service(unit: str) -> bool:
    """Return whether the unit is a relay, which runs only while a client is connected."""
    return unit.endswith(".service") and unit != SERVER
