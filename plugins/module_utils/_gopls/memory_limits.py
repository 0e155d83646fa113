# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calculates the memory limits of each user's gopls, and checks that the host has as much memory."""

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


class Limits(t.NamedTuple):
    """Bytes: at ``cap`` the daemon is killed, at ``high`` throttled (cgroup v2 only); ``heap`` is Go's own soft limit.

    ``session`` is the cap on all processes in a user's sessions; 0 means none.
    """

    cap: int
    high: int
    heap: int
    session: int = 0


def calculate_limits(
    users: int, host: int, *, memory: str, session: str, heap_percent: int, force: bool, prewarm: bool
) -> Limits:
    """Return the limits of each of ``users`` on a host with ``host`` bytes of memory.

    Raises DevserverError for an invalid or far too small amount and, unless ``force``, if the caps of all users and of
    one prewarm exceed the host's memory.
    """
    if not 10 <= heap_percent <= 100:
        raise DevserverError(
            f"heap_percent must be between 10 and 100, got {heap_percent}",
            remedy="set language_server_heap_percent; 80 to 90 is recommended",
        )
    all_sessions = parse_size(session, "session_memory") if session else 0
    cap = parse_size(memory, "memory") if memory else _default_cap(users, host - users * all_sessions, prewarm=prewarm)
    if not memory and users and not force and cap < _MINIMUM:
        raise _host_too_small_error(users, host, all_sessions)
    if not memory:
        cap = max(cap, _MINIMUM)
    for option, amount in (("memory", cap), ("session_memory", all_sessions)):
        if 0 < amount < _MINIMUM or (option == "memory" and not amount):
            raise DevserverError(
                f"{option} must be at least {format_size(_MINIMUM)}, got {format_size(amount)}",
                remedy=f"increase language_server_{option}",
            )
    total = users * (cap + all_sessions) + (cap if prewarm else 0)
    if total > host and not force:
        raise _overcommitted_error(users, host, cap, all_sessions, prewarm, total)
    # Multiples of a page. MemoryHigh is between the two, where throttling lets the garbage collector catch up.
    return Limits(cap, _round_down(cap * 95 // 100), _round_down(cap * heap_percent // 100), all_sessions)


def _default_cap(users: int, available: int, *, prewarm: bool) -> int:
    """Return an equal share of the ``available`` bytes, such that the caps of all users fit."""
    if not users:
        return _DEFAULT_MIN
    share = max(_DEFAULT_MIN, int(available * _SHARE) // users)
    return _round_down(max(0, min(_DEFAULT_MAX, share, available // (users + (1 if prewarm else 0)))))


def _host_too_small_error(users: int, host: int, session: int) -> DevserverError:
    besides = f" in addition to {format_size(session)} for the rest of each session" if session else ""
    return DevserverError(
        f"this host has {format_size(host)} of memory, too little for the gopls daemons of {users} users{besides}",
        expected=f"at least {format_size(_MINIMUM)} for each user, and as much for one prewarm at a time",
        remedy="set language_server_force: true to overcommit, or language_server_enabled: false; or set state: absent"
        " for some of devserver_users, which removes their rendered environment too",
        available=host,
    )


def _round_down(amount: int) -> int:
    return amount // MIB * MIB


def _overcommitted_error(users: int, host: int, cap: int, session: int, prewarm: bool, total: int) -> DevserverError:
    parts = f"{users} x {format_size(cap)}"
    if session:
        parts += f", {users} x {format_size(session)} for the rest of the sessions"
    if prewarm:
        parts += f" and {format_size(cap)} for one prewarm at a time"
    fits = max(0, host // (users + (1 if prewarm else 0)) - session)
    return DevserverError(
        f"the memory limits of all gopls daemons add up to {format_size(total)} ({parts}),"
        f" and this host has {format_size(host)}",
        expected="no more than the host has, because all users can work at once",
        remedy=f"set language_server_memory to {format_size(_round_down(fits))} or less,"
        " or set language_server_force: true",
        needed=total,
        available=host,
    )
