# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calculates the memory limits of each user's gopls, and checks that they and all debug services fit the host."""

from __future__ import annotations

import typing as t

from .._core.errors import DevserverError
from .._core.sizes import MIB, format_size, parse_size

# Bytes. With less, gopls cannot analyse a module of some size; more than the maximum does not help.
_DEFAULT_MIN, _DEFAULT_MAX = 512 * MIB, 4096 * MIB
# The part of the host's memory that all daemons together get by default.
_SHARE = 0.5
# What gopls needs to respond at all, without any module: about 30 MiB, and its go commands.
_MINIMUM = 128 * MIB


class _Demand(t.NamedTuple):
    """What must fit a ``host``, in bytes: ``session`` for each of ``users``, and ``debug`` for all debug services.

    ``caps`` is the number of caps: one for each user, and one for a prewarm.
    """

    host: int
    users: int
    caps: int
    session: int
    debug: int

    @property
    def others(self) -> int:
        """What is not for gopls."""
        return self.users * self.session + self.debug

    def parts_of_others(self) -> list[str]:
        session = [f"{self.users} x {format_size(self.session)} for the rest of the sessions"] if self.session else []
        return session + ([f"{format_size(self.debug)} for the debug services"] if self.debug else [])


class Limits(t.NamedTuple):
    """Bytes: at ``cap`` the daemon is killed, at ``high`` throttled (cgroup v2 only); ``heap`` is Go's own soft limit.

    ``session`` is the cap on all processes in a user's sessions; 0 means none.
    """

    cap: int
    high: int
    heap: int
    session: int = 0


def calculate_limits(
    users: int, host: int, *, memory: str, session: str, heap_percent: int, force: bool, prewarm: bool, debug: int = 0
) -> Limits:
    """Return the limits of each of ``users`` on a host with ``host`` bytes of memory.

    ``debug`` is the sum of the limits of all debug services. Raises DevserverError for an invalid or far too small
    amount and, unless ``force``, if the limits of all users, of one prewarm and of the debug services exceed the host's
    memory.
    """
    if not 10 <= heap_percent <= 100:
        raise DevserverError(
            f"heap_percent must be between 10 and 100, got {heap_percent}",
            remedy="set language_server_heap_percent; 80 to 90 is recommended",
        )
    all_sessions = parse_size(session, "session_memory") if session else 0
    demand = _Demand(host, users, users + (1 if prewarm else 0), all_sessions, debug)
    cap = parse_size(memory, "memory") if memory else _default_cap(demand)
    if not memory and users and not force and cap < _MINIMUM:
        raise _host_too_small_error(demand)
    if not memory:
        cap = max(cap, _MINIMUM)
    for option, amount in (("memory", cap), ("session_memory", all_sessions)):
        if 0 < amount < _MINIMUM or (option == "memory" and not amount):
            raise DevserverError(
                f"{option} must be at least {format_size(_MINIMUM)}, got {format_size(amount)}",
                remedy=f"increase language_server_{option}",
            )
    if demand.caps * cap + demand.others > host and not force:
        raise _overcommitted_error(demand, cap)
    # Multiples of a page. MemoryHigh is between the two, where throttling lets the garbage collector catch up.
    return Limits(cap, _round_down(cap * 95 // 100), _round_down(cap * heap_percent // 100), all_sessions)


def _default_cap(demand: _Demand) -> int:
    """Return an equal share of the host's memory, such that the caps of all users fit.

    Debug services reduce it only where it does not fit, because each change of it restarts all daemons.
    """
    if not demand.users:
        return _DEFAULT_MIN
    share = int((demand.host - demand.users * demand.session) * _SHARE) // demand.users
    available = max(0, demand.host - demand.others)
    return _round_down(min(_DEFAULT_MAX, max(_DEFAULT_MIN, share), available // demand.caps))


def _host_too_small_error(demand: _Demand) -> DevserverError:
    besides = "".join(f", in addition to {part}" for part in demand.parts_of_others())
    lower = "reduce debugger_services_memory; or " if demand.debug else ""
    return DevserverError(
        f"this host has {format_size(demand.host)} of memory, too little for the gopls daemons of {demand.users} users"
        f"{besides}",
        expected=f"at least {format_size(_MINIMUM)} for each user, and as much for one prewarm at a time",
        remedy=f"{lower}set language_server_force: true to overcommit, or language_server_enabled: false; or set"
        " state: absent for some of devserver_users, which removes their rendered environment too",
        available=demand.host,
    )


def _round_down(amount: int) -> int:
    return amount // MIB * MIB


def _overcommitted_error(demand: _Demand, cap: int) -> DevserverError:
    total = demand.caps * cap + demand.others
    daemons = [f"{demand.users} x {format_size(cap)} for gopls"] if demand.users else []
    prewarm = [f"{format_size(cap)} for one prewarm at a time"] if demand.caps > demand.users else []
    fits = (demand.host - demand.others) // demand.caps if demand.caps else 0
    lower = f"set language_server_memory to {format_size(_round_down(fits))} or less"
    parts = ", ".join([*daemons, *prewarm, *demand.parts_of_others()])
    return DevserverError(
        f"the memory limits of all gopls daemons and debug services add up to {format_size(total)} ({parts}),"
        f" and this host has {format_size(demand.host)}",
        expected="no more than the host has, because all users can work at once",
        remedy=f"{lower if fits >= _MINIMUM else 'reduce debugger_services_memory or language_server_session_memory'},"
        " or set language_server_force: true",
        needed=total,
        available=demand.host,
    )
