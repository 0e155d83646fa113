# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of the files that logins, sudo and cron read: the host restores them unless a new connection confirms them.

They begin only after a new connection has worked, because one that failed before could confirm nothing. The timer runs
on the host, so that a controller that no longer gets in, or was killed, does not matter.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import sys
import typing as t

from .._core.errors import DevserverError
from .._core.managed_header import managed_header
from .._core.result import Outcome
from .._host import rollback
from .._host.accounts import Account, find_known_account
from .._host.command import SYSTEM_PATH, run
from .._host.files import Changes, write_text
from .._host.lock import locked
from .._host.managed_files import FileEdit
from .._host.process_tree import start_daemon
from .._host.program import source_of
from .._systemd.systemctl import manager_runs
from . import rendered

# In memory: a run after a reboot has made a new connection itself.
DIRECTORY = "/run/gopherops"
RECORD = os.path.join(DIRECTORY, "access.json")
PROGRAM = os.path.join(DIRECTORY, "roll_back.py")
# Seconds to wait for another run that writes, and for the manager to start the timer.
_LOCK_TIMEOUT = 120
_START_TIMEOUT = 20
# Characters of a user's script that the record takes. Its user can write any text.
_LARGEST_SCRIPT = 64 << 10

# The options of a module whose action plugin proves the access.
ARGUMENT_SPEC: dict[str, t.Any] = {
    "rollback_after": {"type": "int", "default": 60},
    # The fields of AccessRequest. Without it no access is proven.
    "_access": {"type": "dict"},
}


class AccessRequest(t.NamedTuple):
    """What the action plugin requests: to prepare a rollback, or to end one by confirming or restoring the files.

    ``probe`` requests nothing but a response, which proves that a connection works; ``proven`` means that one did.
    """

    prepare: bool = False
    probe: bool = False
    proven: bool = False
    confirm: str = ""
    roll_back: str = ""


class ConnectionUnproven(Exception):
    """The run would change files of the host, and no new connection has been made yet; nothing is written."""


class AccessGuard:
    """What restores the files of one run; ``identifier`` is empty as long as the run has not changed any.

    With 0 ``seconds`` nothing is restored. ``proven`` means that a new connection has just worked. ``kept`` are the
    files of users that the run changes and a restoration leaves.
    """

    def __init__(self, seconds: int, *, proven: bool = False) -> None:
        self._seconds = seconds
        self._proven = proven
        self.identifier = ""
        self.kept: list[str] = []

    @contextlib.contextmanager
    def changing(self, edits: t.Sequence[FileEdit], reload: t.Sequence[str] = ()) -> t.Iterator[None]:
        """Make the host restore the host's own files of ``edits``, which are written inside of this block.

        ``reload`` is the command that makes a service read the restored files. Raises ConnectionUnproven before that if
        no new connection has been proven to work.
        """
        # Those that users own are restored last.
        of_host = sorted(filter(_is_of_host, edits), key=lambda edit: not _is_script(edit))
        states = list(map(_state_of, of_host))
        if not states or not self._seconds:
            yield
            return
        if not self._proven:
            raise ConnectionUnproven
        self.kept = [edit.file.path for edit in edits if not _is_of_host(edit)]
        self.identifier = secrets.token_hex(8)
        rollback.write_record(RECORD, self.identifier, states, reload)
        try:
            _start_timer(self.identifier, self._seconds)
            yield
        except BaseException:
            rollback.restore(RECORD)
            raise


@contextlib.contextmanager
def guarded(seconds: int, *, proven: bool = False) -> t.Iterator[AccessGuard]:
    """Exclude other runs, and restore what an earlier one changed and nobody confirmed."""
    if not seconds or os.geteuid() != 0:
        yield AccessGuard(0)
        return
    os.makedirs(DIRECTORY, mode=0o700, exist_ok=True)
    with locked(rollback.lock_of(RECORD), timeout=_LOCK_TIMEOUT):
        rollback.restore(RECORD)
        yield AccessGuard(seconds, proven=proven)


def converge_proven(
    params: t.Mapping[str, t.Any], converge: t.Callable[[AccessGuard], Outcome], *, check: bool
) -> Outcome:
    """Return the outcome of ``converge``, which changes files inside of ``AccessGuard.changing``, or of a request."""
    request = AccessRequest(**params.get("_access") or {})
    if request.probe or request.confirm or request.roll_back:
        if request.confirm:
            confirm(request.confirm)
        if request.roll_back:
            roll_back(request.roll_back)
        return Outcome({"changed": False})
    if params["rollback_after"] < 0:
        raise DevserverError(
            f"rollback_after is {params['rollback_after']}",
            expected="a number of seconds, or 0 for no proof",
            remedy="omit rollback_after, which means 60",
        )
    try:
        with guarded(params["rollback_after"] if request.prepare and not check else 0, proven=request.proven) as guard:
            outcome = converge(guard)
    except ConnectionUnproven:
        return Outcome({"changed": False, "unproven": True})
    if guard.identifier:
        changed = {part["after_header"] for part in outcome.result["diff"]}
        kept = [path for path in guard.kept if path in changed]
        outcome.result.update(unconfirmed=guard.identifier, kept=kept)
    if check and is_unconfirmed():
        unconfirmed = Changes()
        unconfirmed.add(RECORD, "files of an earlier run that no new connection has confirmed\n", "")
        outcome.result.update(changed=True, diff=[*outcome.result["diff"], *unconfirmed.result()["diff"]])
    return outcome


def is_unconfirmed() -> bool:
    """Return whether an earlier run changed files that nobody has confirmed yet."""
    return os.path.exists(RECORD)


def confirm(identifier: str) -> None:
    """Keep the files of a run. Raises DevserverError if they have been restored."""
    with locked(rollback.lock_of(RECORD), timeout=_LOCK_TIMEOUT):
        if rollback.read_identifier(RECORD) != identifier:
            raise DevserverError(
                "the previous files were restored before a new connection confirmed the new ones",
                remedy="run again; if connections take that long, raise rollback_after",
            )
        rollback.forget(RECORD)


def roll_back(identifier: str) -> None:
    """Restore the files of a run, unless the timer already has."""
    with locked(rollback.lock_of(RECORD), timeout=_LOCK_TIMEOUT):
        if rollback.read_identifier(RECORD) == identifier:
            rollback.restore(RECORD)


def _is_of_host(edit: FileEdit) -> bool:
    """Return whether the collection, and no user, determines the previous text: in a crontab its user does."""
    return edit.file.actor is None and (edit.file.whole or not edit.file.user)


def _is_script(edit: FileEdit) -> bool:
    return os.path.dirname(edit.file.path) == rendered.USERS


def _state_of(edit: FileEdit) -> rollback.PreviousFile:
    path, before = os.path.realpath(edit.file.path), edit.before
    if _is_script(edit):
        return _state_of_script(path, before or "", find_known_account(edit.file.user))
    if before is None:
        return rollback.PreviousFile(path, None, 0, 0, 0, edit.after)
    status = os.stat(path)
    return rollback.PreviousFile(path, before, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, edit.after)


def _state_of_script(path: str, text: str, user: Account | None) -> rollback.PreviousFile:
    """Return the previous state of a user's script: no file if another account may have written the text."""
    is_own = text.startswith(managed_header("go_env")) and len(text) <= _LARGEST_SCRIPT
    if user and is_own and {account.uid for account in rendered.recorded_accounts(user.name)} == {user.uid}:
        return rollback.PreviousFile(path, text, rendered.MODE, user.uid, user.gid, None, of_user=True)
    return rollback.PreviousFile(path, None, 0, 0, 0, None, of_user=True)


def _start_timer(identifier: str, seconds: int) -> None:
    """Start the timer as a unit of its own, which the end of the session that runs the module does not end."""
    write_text(PROGRAM, source_of(rollback), mode=0o600, uid=0, gid=0)
    argv = [sys.executable, PROGRAM, RECORD, identifier, str(seconds)]
    unit = ["systemd-run", "--quiet", "--collect", f"--unit=gopherops-rollback-{identifier}", *argv]
    if not (manager_runs() and run(unit, env={"PATH": SYSTEM_PATH}, timeout=_START_TIMEOUT).ok):
        start_daemon(argv)
