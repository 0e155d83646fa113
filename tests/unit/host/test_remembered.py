# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of results that stay for the time of one report."""

from __future__ import annotations

import concurrent.futures
import time

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._host.remembered import remembered, remembering

CALLS: list[str] = []


@remembered
def read(name: str) -> str:
    time.sleep(0.05)
    CALLS.append(name)
    if name == "broken":
        raise OSError(name)
    return name.upper()


@pytest.fixture(autouse=True)
def no_calls() -> None:
    CALLS.clear()


def test_threads_share_one_call() -> None:
    with remembering(), concurrent.futures.ThreadPoolExecutor() as pool:
        assert list(pool.map(read, ["a", "a", "b", "a"])) == ["A", "A", "B", "A"]
    assert sorted(CALLS) == ["a", "b"]


def test_errors_are_shared_too() -> None:
    with remembering():
        for _attempt in range(2):
            with pytest.raises(OSError, match="broken"):
                read("broken")
    assert CALLS == ["broken"]


def test_nothing_stays_after_the_block() -> None:
    with remembering():
        read("a")
    with remembering():
        read("a")
    read("a")
    assert CALLS == ["a", "a", "a"]
