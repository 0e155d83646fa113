# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a host once: everything that the rules evaluate."""

from __future__ import annotations

import dataclasses
import os
import time
import typing as t

from ..._environment.contexts import KINDS, pam
from ..._environment.contexts.base import ContextKind
from ..._environment.declaration import Declaration, UserEnvironment
from ..._host.files import read_text
from ..._host.mounts import Mount, mounts
from ..._host.user_access import UserTimedOut, limited
from ..._toolchain.platform import this_platform
from ..._toolchain.releases import resolve_minor
from ..._tools.plan import ToolPaths
from ..records.observation import Observation, failed
from ..snapshot import Snapshot
from . import debug_services, editor_settings, language_servers
from .build_paths import missing_paths_of
from .cells import cells
from .directories import directories_of, program_directories_of
from .go_files import settings_files_of, texts_at_fault
from .managed_files import managed_files_of
from .observations import observe, unreadable
from .paths import real_paths_of, world_readable_files
from .processes import extension_hosts, manager_started
from .requirements import altered_toolchains, unmet_requirements
from .ssh_denials import forced_keys
from .sudoers import secure_path
from .tools import fetched_toolchains, pinned_tools, tool_copies, undeclared_tools
from .unresponsive import unresponsive_users

_Evaluated = t.TypeVar("_Evaluated")
_Read = t.Callable[[Declaration, t.Sequence[Observation]], _Evaluated]


@dataclasses.dataclass(frozen=True)
class Options:
    """What the report compares besides the declaration; the names are those of the module's options."""

    go_version: str = ""
    go_minimum: str = ""
    tools: t.Sequence[t.Mapping[str, t.Any]] = ()
    tools_root: str = "/usr/local/lib/go-tools"
    tools_bin_dir: str = "/usr/local/bin"
    tools_user_bin_dir: str = "go/bin"
    tools_goroot: str | None = None
    gopls: str | None = None
    gopls_workarounds: t.Sequence[t.Mapping[str, t.Any]] = ()
    crash_days: float = 7
    debug_services: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    debug_services_stopped: t.Sequence[str] = ()
    tls_renew_before: str = "+30d"
    timeout: float = 10


def collect(
    declaration: Declaration,
    options: Options,
    evaluate: t.Callable[[Snapshot], _Evaluated],
    kinds: t.Sequence[ContextKind] = KINDS,
) -> tuple[Snapshot, _Evaluated]:
    """Return the snapshot of this host, with what processes have in the contexts of ``kinds``, and its evaluation.

    Raises DevserverError for invalid options, before it probes any process.
    """
    return _Collection(declaration, options, kinds).read(evaluate)


def evaluate_limited(
    declaration: Declaration,
    options: Options,
    evaluate: t.Callable[[Snapshot], _Evaluated],
    kinds: t.Sequence[ContextKind] = KINDS,
) -> _Evaluated:
    """Return the evaluation alone, which JSON can hold: a user whose files hang from any time on is left out of it."""
    collection = _Collection(declaration, options, kinds)
    while True:
        try:
            return limited(lambda: collection.read(evaluate)[1])
        except UserTimedOut as error:
            collection.leave_out(error)


class _Collection:
    """Reads the host, without the users whose files do not respond."""

    def __init__(self, declaration: Declaration, options: Options, kinds: t.Sequence[ContextKind]) -> None:
        self._options, self._kinds = options, kinds
        self._declaration = declaration
        self._unread: list[Observation] = []
        self._leave_out(unresponsive_users(declaration.users, options.timeout))
        self._requirements = unmet_requirements(self._declaration, options.go_minimum)
        # Users whose workspaces have exceeded the time limit are unresponsive from then on.
        with_workspaces = [user for user in self._declaration.users if user.workspaces]
        self._leave_out(unresponsive_users(with_workspaces, options.timeout))

    def leave_out(self, error: UserTimedOut) -> None:
        """Leave out the users of the error; raise it if there are none."""
        users = [user for user in self._declaration.users if user.account.uid == error.uid]
        if not users:
            raise error
        self._leave_out([(user, error.problem) for user in users])

    def _leave_out(self, users: t.Sequence[tuple[UserEnvironment, str]]) -> None:
        self._unread += [unreadable(*entry) for entry in users]
        names = [user.account.name for user, _problem in users]
        left = [user for user in self._declaration.users if user.account.name not in names]
        self._declaration = dataclasses.replace(self._declaration, users=left)

    def read(self, evaluate: t.Callable[[Snapshot], _Evaluated]) -> tuple[Snapshot, _Evaluated]:
        declaration, options = self._declaration, self._options
        gopls = language_servers.pinned(options.gopls or f"{options.tools_bin_dir}/gopls", options.gopls_workarounds)
        go_version = resolve_minor(options.go_version, this_platform().archive)
        version = _installed(declaration.goroot)
        services = debug_services.DeclaredServices(options.debug_services, options.debug_services_stopped, version)
        debuggers = debug_services.collect(options.tls_renew_before, services)
        host, mounted = _read_host(declaration, options), mounts()

        def read(of: Declaration, observations: t.Sequence[Observation]) -> tuple[Snapshot, _Evaluated]:
            files = editor_settings.files_of(of.users, observations)
            snapshot = dataclasses.replace(
                host,
                declaration=of,
                observations=observations,
                cells=cells(of, observations, go_version),
                editor_files=files,
                extension_hosts=extension_hosts(user.account for user in of.users),
                language_servers=language_servers.collect(of.users, files, gopls, options.crash_days),
                debuggers=debuggers,
                requirements=self._requirements,
                forced_keys=forced_keys((user.account for user in of.users), options.timeout),
                goroot_version=version,
                taken_at=time.time(),
            )
            snapshot = with_details(snapshot, mounted)
            return snapshot, evaluate(snapshot)

        names = [tool.name for tool in host.tools]
        observations = observe(declaration, names, timeout=options.timeout, kinds=self._kinds)
        return isolated(declaration, [*observations, *self._unread], read)


def _read_host(declaration: Declaration, options: Options) -> Snapshot:
    """Return a snapshot without the contexts of users."""
    goroot = options.tools_goroot or declaration.goroot
    places = ToolPaths(options.tools_root, options.tools_bin_dir, options.tools_user_bin_dir)
    return Snapshot(
        declaration,
        observations=[],
        cells=[],
        tools=pinned_tools(options.tools, goroot=goroot, places=places),
        host_path=pam.host_path(),
        secure_path=secure_path(),
        bin_dir=options.tools_bin_dir,
        altered_toolchains=altered_toolchains(declaration.goroot),
    )


def isolated(
    declaration: Declaration,
    observations: t.Sequence[Observation],
    read: _Read[_Evaluated],
) -> _Evaluated:
    """Return the result of ``read``; a context whose values cause an unexpected error in it counts as not probed.

    So do all contexts of a user whose files cause one, and the user is left out.
    """
    try:
        return read(declaration, observations)
    except Exception as error:
        unexpected = error
    users, checked = [], [other for other in observations if other.user not in declaration.users]
    for user in declaration.users:
        alone = dataclasses.replace(declaration, users=[user])
        contexts = [_checked(alone, observation, read) for observation in observations if observation.user is user]
        error_of_user = _find_error(alone, contexts, read)
        users += [] if error_of_user else [user]
        checked += [failed(context, error_of_user) for context in contexts] if error_of_user else contexts
    if len(users) == len(declaration.users) and {*map(id, checked)} == {*map(id, observations)}:
        raise unexpected  # No user is the cause.
    return read(dataclasses.replace(declaration, users=users), checked)


def _checked(alone: Declaration, observation: Observation, read: _Read[t.Any]) -> Observation:
    error = _find_error(alone, [observation], read)
    return failed(observation, error) if error else observation


def _find_error(alone: Declaration, observations: t.Sequence[Observation], read: _Read[t.Any]) -> Exception | None:
    try:
        read(alone, observations)
    except Exception as error:
        return error
    return None


def with_details(snapshot: Snapshot, mounted: t.Sequence[Mount]) -> Snapshot:
    """Return the snapshot with the files and directories that its observations and cells lead to."""
    stale = {observation.user.account for observation in snapshot.observations if observation.stale}
    users = snapshot.users_with_home
    snapshot = dataclasses.replace(snapshot, settings_files=settings_files_of(snapshot))
    return dataclasses.replace(
        snapshot,
        directories=directories_of(users, mounted),
        program_directories=list(program_directories_of(users, mounted)),
        managed_files=managed_files_of(snapshot.declaration, snapshot.cells),
        managers={account.name: manager_started(account) for account in stale},
        tool_copies=list(tool_copies(snapshot.declaration.users, snapshot.tools)),
        undeclared_tools=list(undeclared_tools(snapshot.declaration.users, snapshot.tools)),
        missing_extensions=list(editor_settings.missing_extensions(users)),
        fetched_toolchains=list(fetched_toolchains(snapshot.declaration.users)),
        missing_paths=missing_paths_of(snapshot),
        texts=texts_at_fault(snapshot),
        real_paths=real_paths_of(snapshot),
        world_readable=world_readable_files(snapshot),
    )


def _installed(goroot: str) -> str:
    """Return the version in GOROOT's VERSION file (first line ``go1.22.12``), empty without one."""
    first = (read_text(os.path.join(goroot, "VERSION")) or "").split("\n")[0].strip()
    return first[2:] if first.startswith("go") else ""
