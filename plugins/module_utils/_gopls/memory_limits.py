# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory each user's language server may have, and whether the host has as much."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.sizes import MIB, shown, size

# Bytes. Below the first a module of some size is not analysed at all, above the second one more does not help.
_LEAST, _MOST = 512 * MIB, 4096 * MIB
# Of the memory that the host has, all language servers together get this part where nothing is declared.
_SHARE = 0.5
# What gopls needs to answer at all, without any module: about 30 MiB, and its go commands.
_SMALLEST = 128 * MIB


class Limits(t.NamedTuple):
    """Bytes: ``cap`` ends the daemon, ``high`` slows it down (cgroup v2 only), ``heap`` is Go's own soft limit.

    ``session`` is the cap of all that a user's sessions run; 0 means none.
    """

    cap: int
    high: int
    heap: int
    session: int = 0


def limits_for(
    users: int, host: int, *, memory: str, session: str, heap_percent: int, force: bool, prewarm: bool
) -> Limits:
    """Return what each of ``users`` gets on a host with so many bytes.

    Raises DevserverError for what is no amount or far too little, and, unless ``force``, where the caps of all users
    together, and that of one prewarm, are more than the host has.
    """
    if not 10 <= heap_percent <= 100:
        raise DevserverError(
            f"heap_percent: {heap_percent} will not do", expected="10 to 100", remedy="80 to 90 serve best"
        )
    all_sessions = size(session, "session_memory") if session else 0
    cap = size(memory, "memory") if memory else _default(users, host - users * all_sessions, prewarm=prewarm)
    if not memory and users and not force and cap < _SMALLEST:
        raise _too_small(users, host, all_sessions)
    if not memory:
        cap = max(cap, _SMALLEST)
    for option, amount in (("memory", cap), ("session_memory", all_sessions)):
        if 0 < amount < _SMALLEST or (option == "memory" and not amount):
            raise DevserverError(
                f"{option}: {shown(amount)} is too little to work with",
                expected=f"at least {shown(_SMALLEST)}",
                remedy=f"give {option} more",
            )
    total = users * (cap + all_sessions) + (cap if prewarm else 0)
    if total > host and not force:
        raise _too_much(users, host, cap, all_sessions, prewarm, total)
    # A multiple of a page; MemoryHigh lies between, where throttling still lets the collector of garbage catch up.
    return Limits(cap, _pages(cap * 95 // 100), _pages(cap * heap_percent // 100), all_sessions)


def _default(users: int, left: int, *, prewarm: bool) -> int:
    """Return what each of ``users`` gets of the bytes ``left``: never so much that all of them have not enough."""
    if not users:
        return _LEAST
    share = max(_LEAST, int(left * _SHARE) // users)
    return _pages(max(0, min(_MOST, share, left // (users + (1 if prewarm else 0)))))


def _too_small(users: int, host: int, session: int) -> DevserverError:
    besides = f", besides {shown(session)} for the rest of each session" if session else ""
    return DevserverError(
        f"this host has {shown(host)}, which is too little for the language servers of {users} users{besides}",
        expected=f"at least {shown(_SMALLEST)} for each, and as much for one prewarm at a time",
        remedy="list fewer users, or set language_server_force to overcommit",
        available=host,
    )


def _pages(amount: int) -> int:
    return amount // MIB * MIB


def _too_much(users: int, host: int, cap: int, session: int, prewarm: bool, total: int) -> DevserverError:
    parts = f"{users} x {shown(cap)}"
    if session:
        parts += f", {users} x {shown(session)} for the rest of the sessions"
    if prewarm:
        parts += f" and {shown(cap)} for one prewarm at a time"
    fits = max(0, host // (users + (1 if prewarm else 0)) - session)
    return DevserverError(
        f"the language servers' memory limits make {shown(total)} together ({parts}), and this host has {shown(host)}",
        expected="no more than the host has, because all users may work at once",
        remedy=f"set language_server_memory to {shown(_pages(fits))} or less, or language_server_force to overcommit",
        needed=total,
        available=host,
    )


def host_memory(root: str = "/") -> int:
    """Return the bytes that this host has: its RAM, or what the container that it is may have of that."""
    with open(f"{root}proc/meminfo", encoding="ascii") as file:
        found = re.search(r"^MemTotal:\s*(\d+) kB", file.read(), re.MULTILINE)
    total = int(found.group(1)) * 1024 if found else 0
    return min([total, *_container_limits(root)])


def _container_limits(root: str) -> list[int]:
    """Return the limits on the cgroup of the first process and on all above it: not on this session, which has one."""
    limits = []
    for line in (_text(f"{root}proc/1/cgroup") or "").splitlines():
        _number, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        folder, name = ("memory", "memory.limit_in_bytes") if controllers else ("", "memory.max")
        parts = path.strip("/").split("/")
        for count in range(len(parts) + 1):
            place = "/".join([f"{root}sys/fs/cgroup", folder, *parts[:count], name])
            limits += [int(text) for text in [_text(place)] if text and text.strip().isdigit()]
    return limits


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None
