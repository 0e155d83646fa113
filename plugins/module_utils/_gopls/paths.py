# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the files, sockets and units of the gopls daemons are, and what they are called.

| what | written by |
|---|---|
| units of systemd | units.py |
| scripts, log rotation, tmpfiles.d | host_files.py |
| which file each user gets, and which are removed | expected_files.py |
"""

from __future__ import annotations

from .._core.managed_header import managed_header
from .._environment.rendered import unit_environment_file
from .._host.managed_files import named_files
from .._systemd import systemctl

HEADER = managed_header("gopls_service")

SETTINGS = "/etc/gopherops/language_server/settings.json"
# What the last run wrote into editors, so that the next run can remove what is no longer declared.
APPLIED = "/etc/gopherops/language_server/applied.json"
PREWARM = "/usr/local/lib/gopherops/gopls-prewarm"
CRASH = "/usr/local/lib/gopherops/gopls-crash"
TMPFILES = "/etc/tmpfiles.d/gopherops-gopls.conf"
LOGROTATE = "/etc/logrotate.d/gopherops-gopls"
CACHE_DIR = "/var/cache/gopls"
LOG_DIR = "/var/log/gopls"
SOCKET_DIR = "/run/gopls"


def socket_of(user: str) -> str:
    """Return the socket that the editors of ``user`` connect to."""
    return f"{SOCKET_DIR}/{user}/gopls.sock"


def daemon_directory(user: str) -> str:
    """Return the directory of the daemon's own socket; it alone belongs to ``user``, while the daemon runs."""
    return f"{SOCKET_DIR}/{user}/daemon"


def previous_directory(user: str) -> str:
    """Return where the directory of sockets is moved that ``user`` owned; no user has such a name."""
    return f"{SOCKET_DIR}/{user}+previous"


def cache_directory(user: str) -> str:
    """Return the cache of the user's gopls."""
    return f"{CACHE_DIR}/{user}"


def crash_directory(user: str) -> str:
    """Return the directory in which the user's daemon keeps its last output before it failed."""
    return f"{LOG_DIR}/crashes/{user}"


def profiles_of(user: str) -> str:
    """Return the socket of the debug and profiling pages of the user's daemon."""
    return f"{SOCKET_DIR}/{user}/pprof.sock"


def environment_file(user: str) -> str:
    """Return the file of the variables that only gopls gets; others come from the environment file of all units."""
    return f"/etc/gopherops/language_server/{user}.env"


def environment_files(user: str) -> tuple[str, str]:
    """Return the files that a daemon takes its variables from; the second one has precedence."""
    return unit_environment_file(user), environment_file(user)


def known_users() -> list[str]:
    """Return the users who got a daemon in an earlier run."""
    return list(named_files(environment_file("*")))


def prewarm_file(user: str) -> str:
    """Return the drop-in with the prewarm command of ``user``."""
    return f"{systemctl.UNIT_DIR}/gopls-prewarm@{user}.service.d/50-gopherops.conf"


def session_slice(uid: int | str) -> str:
    """Return the unit of all processes in the sessions of one user, which systemd itself makes."""
    return f"user-{uid}.slice"


def session_file(uid: int | str) -> str:
    """Return the drop-in with the limits on all processes in the sessions of one user."""
    return f"{systemctl.UNIT_DIR}/{session_slice(uid)}.d/50-gopherops-session.conf"


def daemon_unit(user: str) -> str:
    """Return the unit of the user's gopls."""
    return f"gopls@{user}.service"


def socket_unit(user: str) -> str:
    """Return the unit of the socket that editors connect to."""
    return f"gopls-proxy@{user}.socket"


def pprof_socket(user: str) -> str:
    """Return the unit of the socket of the user's profiles."""
    return f"gopls-pprof@{user}.socket"


def prewarm_timer(user: str) -> str:
    """Return the timer of the user's prewarm."""
    return f"gopls-prewarm@{user}.timer"


def prewarm_unit(user: str) -> str:
    """Return the unit of the user's prewarm."""
    return f"gopls-prewarm@{user}.service"


def pprof_proxy(user: str) -> str:
    """Return the unit that connects the socket of the user's profiles with the daemon."""
    return f"gopls-pprof@{user}.service"


def units_of(user: str) -> list[str]:
    """Return all units of one user, in the order in which they are stopped."""
    proxies = [f"gopls-proxy@{user}.service", pprof_proxy(user)]
    return [socket_unit(user), pprof_socket(user), *proxies, prewarm_timer(user), prewarm_unit(user), daemon_unit(user)]
