# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the TLS server in front of the debuggers to what is declared, and takes away what is declared no more."""

from __future__ import annotations

import glob
import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.endpoints import Door
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.keys import add_to
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.server import (
    FILES,
    FOLDER,
    RELAYS,
    SERVER,
    STUNNEL,
    USER,
    Material,
    Wanted,
    files_of,
    units_of,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import exists, find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import SYSTEM_PATH, run
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import Changes
from ansible_collections.gopherops.devserver.plugins.module_utils._host.managed_files import (
    FileEdit,
    ManagedFile,
    edits_of,
    write_all,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd import reload_journal, systemctl
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.systemctl import UNITS, manager_runs

_SECONDS = 60
# Of a unit that is started, now and at each boot.
_RUNS = {"ActiveState": "active", "UnitFileState": "enabled"}
# A change of these is read again by a running server; any other, also of who is revoked, ends its connections.
_READ_AGAIN = ("ca.crt", "server.crt", "server.key")


class Places(t.NamedTuple):
    """Where things lie on the host, and whether systemd runs it, so that units can be told to start.

    ``user`` is who the server runs as, ``stunnel`` its program.
    """

    folder: str = FOLDER
    units: str = UNITS
    user: str = USER
    stunnel: str = STUNNEL
    managed: bool = False
    pending: str = f"{reload_journal.FOLDER}/gopherops-debug-tls.pending"


def places_of_host() -> Places:
    return Places(managed=manager_runs())


def install(doors: t.Sequence[Door], material: Material, minimum: str, places: Places, *, check: bool) -> Changes:
    """Make the host's files, units and running services what ``doors`` say; with none, leave nothing of them.

    Raises DevserverError for certificates that are not made yet (in check mode they need not be), for users that do not
    exist, and for what systemd or the filesystem refuses.
    """
    for door in doors:
        find_account(door.user)
    if doors and not check:
        _refuse_missing(material)
    changes = Changes()
    wanted = dict(files_of(doors, material, minimum, places.folder))
    units = {os.path.join(places.units, name): Wanted(text) for name, text in units_of(doors, places.folder).items()}
    wanted.update(units)
    stale = [path for path in _present(places) if path not in wanted]
    if doors:
        _judge_host(places, changes, check)
    edits = edits_of(_files(wanted, stale, places))
    for edit in edits:
        add_to(changes, edit)
    touched = [os.path.basename(edit.file.path) for edit in edits]
    owed = sorted(reload_journal.owed(places.pending)) if places.managed else []
    if owed:
        changes.add("what an earlier run has written", f"still to be read: {', '.join(owed)}\n", "read\n")
    if not check:
        if places.managed:
            reload_journal.note(places.pending, [*touched, *owed] if touched else [])
            _end([os.path.basename(path) for path in stale if path.startswith(places.units)])
        _write(edits, wanted, stale, places)
    if places.managed:
        _bring_up(list(map(os.path.basename, units)), [*touched, *owed], changes, check)
        if not check:
            reload_journal.settle(places.pending)
    return changes


def _judge_host(places: Places, changes: Changes, check: bool) -> None:
    if not exists(places.user):
        changes.add(f"user {places.user}", "", "present\n")
    if not os.access(places.stunnel, os.X_OK):
        _without_stunnel(places, changes, check)


def _without_stunnel(places: Places, changes: Changes, check: bool) -> None:
    if not check:
        raise DevserverError(
            f"{places.stunnel} is missing",
            expected="the distribution's stunnel",
            remedy="install the package, which is called stunnel4 or stunnel",
        )
    changes.add(places.stunnel, "", "the distribution's package\n")


def _refuse_missing(material: Material) -> None:
    missing = [name for name, text in material._asdict().items() if not text.strip()]
    if missing:
        raise DevserverError(
            "the TLS server lacks its {}".format(", ".join(missing)),
            expected="PEM texts that were made on the controller before",
            remedy="run the role debugger without tags that leave out its certificates",
        )


def _present(places: Places) -> list[str]:
    """Return what earlier runs have left, whatever was declared then."""
    units = glob.glob(os.path.join(glob.escape(places.units), RELAYS))
    server = os.path.join(places.units, SERVER)
    files = [os.path.join(places.folder, name) for name in FILES]
    return sorted(path for path in (*units, server, *files) if os.path.isfile(path))


def _files(wanted: t.Mapping[str, Wanted], stale: t.Iterable[str], places: Places) -> list[ManagedFile]:
    gone = [ManagedFile(path, lambda _now: None) for path in stale]
    return [*(_file(path, file, places) for path, file in wanted.items()), *gone]


def _file(path: str, wanted: Wanted, places: Places) -> ManagedFile:
    text = wanted.text.rstrip("\n") + "\n" if wanted.text else "still to be made on the controller\n"
    if not wanted.secret:
        return ManagedFile(path, lambda _now: text)
    owner = find_account(places.user) if exists(places.user) else None
    return ManagedFile(path, lambda _now: text, mode=0o600, owner=owner)


def _write(edits: t.Sequence[FileEdit], wanted: t.Mapping[str, Wanted], stale: t.Iterable[str], places: Places) -> None:
    if wanted and not exists(places.user):
        _make_user(places.user)
        # Now there is somebody to give the key to.
        edits = edits_of(_files(wanted, stale, places))
    write_all(edits)


def _make_user(name: str) -> None:
    argv = ["useradd", "--system", "--user-group", "--home-dir", "/nonexistent", "--no-create-home"]
    done = run([*argv, "--shell", "/usr/sbin/nologin", name], env={"PATH": SYSTEM_PATH}, timeout=_SECONDS)
    if not done.ok:
        raise DevserverError(
            f"cannot create the user {name}: {done.complaint}",
            remedy=f"create {name} as a system user without a home, then run again",
        )


def _end(units: t.Sequence[str]) -> None:
    if units:
        systemctl.tell("disable", "--quiet", "--now", *units)


def _bring_up(units: t.Sequence[str], touched: t.Iterable[str], changes: Changes, check: bool) -> None:
    """Enable and start what is to run, restart what has changed; note in ``changes`` what did not run as it should."""
    names = {*touched}
    states = systemctl.properties_of([unit for unit in units if not _activated(unit)], tuple(_RUNS))
    idle = [unit for unit, state in states.items() if state != _RUNS]
    for unit in idle:
        changes.add(f"state of {unit}", "not enabled or not running\n", "enabled and running\n")
    if check:
        return
    if any(name.startswith("debug-tls") for name in names):
        systemctl.tell("daemon-reload")
    if idle:
        systemctl.tell("enable", "--quiet", "--now", *idle)
    for verb, chosen in _again(units, names, idle).items():
        if chosen:
            systemctl.tell(verb, *chosen)


def _again(units: t.Sequence[str], names: t.Collection[str], idle: t.Collection[str]) -> dict[str, list[str]]:
    """Return the units that have to be told of a change, by how; the ``idle`` ones have started with it."""
    changed = [unit for unit in units if unit in names and unit not in idle and unit != SERVER]
    # A socket whose service runs cannot be restarted.
    serving = [unit.replace(".socket", ".service") for unit in changed if unit.endswith(".socket")]
    again = {"stop": serving, "try-restart": changed, "restart": [], "reload": []}
    if SERVER in units and SERVER not in idle:
        news = {name for name in names if name in (SERVER, "stunnel.conf", "crl.pem", *_READ_AGAIN)}
        if news:
            again["reload" if news <= {*_READ_AGAIN} else "restart"] = [SERVER]
    return again


def _activated(unit: str) -> bool:
    """Return whether the unit runs only while somebody is connected."""
    return unit.endswith(".service") and unit != SERVER
