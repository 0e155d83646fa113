# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory limits of the gopls daemons: the default, and what is too much or too little."""

from __future__ import annotations

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.sizes import MIB
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.memory_limits import (
    Limits,
    calculate_limits,
)

GIB = 1024 * MIB


def limits(
    users: int, host: int, memory: str = "", session: str = "", percent: int = 85, debug: int = 0, **flags: bool
) -> Limits:
    flags = {"force": False, "prewarm": False, **flags}
    return calculate_limits(users, host, memory=memory, session=session, heap_percent=percent, debug=debug, **flags)


@pytest.mark.parametrize(
    ("users", "host", "cap"),
    [
        (1, 16 * GIB, 4 * GIB),
        (4, 16 * GIB, 2 * GIB),
        (8, 8 * GIB, 512 * MIB),
        (20, 8 * GIB, 409 * MIB),
        (1, 64 * GIB, 4 * GIB),
        (0, GIB, 512 * MIB),
    ],
)
def test_half_of_the_memory_is_divided_among_the_users(users: int, host: int, cap: int) -> None:
    assert limits(users, host).cap == cap


@pytest.mark.parametrize("prewarm", [False, True])
@pytest.mark.parametrize("session", ["", "256M"])
def test_the_default_fits_every_host_with_enough_for_the_minimum(session: str, prewarm: bool) -> None:
    least, reserved = 128 * MIB, 256 * MIB if session else 0
    for users in (1, 2, 3, 5, 10, 17, 50, 200):
        for host in (GIB // 2, 97 * GIB // 100, GIB, 19 * GIB // 10, 38 * GIB // 10, 8 * GIB, 24 * GIB, 100 * GIB):
            needed = users * (least + reserved) + (least if prewarm else 0)
            if needed <= host:
                cap = limits(users, host, session=session, prewarm=prewarm).cap
                assert cap >= least
                assert users * (cap + reserved) + (cap if prewarm else 0) <= host
                continue
            with pytest.raises(DevserverError, match=rf"too little for the gopls daemons of {users} users") as caught:
                limits(users, host, session=session, prewarm=prewarm)
            assert "language_server_force: true" in str(caught.value)
            assert limits(users, host, session=session, prewarm=prewarm, force=True).cap == least


def test_heap_limit_is_below_memory_high_and_that_below_the_cap() -> None:
    calculated = limits(2, 16 * GIB, "2G")
    assert calculated.heap < calculated.high < calculated.cap == 2 * GIB
    assert calculated.heap == 1740 * MIB


@pytest.mark.parametrize(
    ("users", "memory", "session", "prewarm", "fits"),
    [
        (4, "2G", "", False, True),
        (4, "2G", "", True, False),
        (5, "2G", "", False, False),
        (2, "1G", "3G", False, True),
        (2, "1G", "4G", False, False),
    ],
)
def test_more_than_the_host_has_is_rejected_unless_forced(
    users: int, memory: str, session: str, prewarm: bool, fits: bool
) -> None:
    if fits:
        assert limits(users, 8 * GIB, memory, session, prewarm=prewarm)
        return
    with pytest.raises(DevserverError, match="this host has 8G") as raised:
        limits(users, 8 * GIB, memory, session, prewarm=prewarm)
    assert raised.value.details["needed"] > raised.value.details["available"] == 8 * GIB
    assert limits(users, 8 * GIB, memory, session, prewarm=prewarm, force=True)


@pytest.mark.parametrize(
    ("users", "memory", "debug", "prewarm"),
    [(2, "2G", 4 * GIB, False), (2, "2G", 2 * GIB, True), (0, "", 8 * GIB, False)],
)
def test_debug_services_count_in_the_sum(users: int, memory: str, debug: int, prewarm: bool) -> None:
    assert limits(users, 8 * GIB, memory, debug=debug, prewarm=prewarm)
    with pytest.raises(DevserverError, match=rf"{(debug + MIB) // MIB // 1024}G for the debug services") as raised:
        limits(users, 8 * GIB, memory, debug=debug + MIB, prewarm=prewarm)
    assert raised.value.details["needed"] == 8 * GIB + MIB
    assert limits(users, 8 * GIB, memory, debug=debug + MIB, prewarm=prewarm, force=True)


@pytest.mark.parametrize(("debug", "cap"), [(8 * GIB, 2 * GIB), (12 * GIB, GIB), (15 * GIB, 256 * MIB)])
def test_debug_services_reduce_the_default_only_where_it_would_not_fit(debug: int, cap: int) -> None:
    assert limits(4, 16 * GIB, debug=debug).cap == cap


def test_debug_services_that_leave_too_little_for_gopls_are_named() -> None:
    with pytest.raises(DevserverError, match=r"in addition to 15\.8G for the debug services") as raised:
        limits(4, 16 * GIB, debug=16 * GIB - 256 * MIB)
    assert "reduce debugger_services_memory" in str(raised.value)


def test_the_remedy_proposes_a_limit_that_fits() -> None:
    with pytest.raises(DevserverError, match=r"set language_server_memory to 1\.6G or less"):
        limits(5, 8 * GIB, "2G")
    assert limits(5, 8 * GIB, "1.6G")


@pytest.mark.parametrize(
    ("memory", "session", "percent"), [("64M", "", 85), ("2G", "1M", 85), ("0", "", 85), ("2G", "", 5)]
)
def test_values_below_the_minimum_are_rejected(memory: str, session: str, percent: int) -> None:
    with pytest.raises(DevserverError):
        limits(1, 8 * GIB, memory, session, percent)
