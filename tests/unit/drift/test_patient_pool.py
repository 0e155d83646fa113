# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pool for probes: bounded for calls that work, and open for others beside calls that wait."""

from __future__ import annotations

import threading
import time

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.patient_pool import PatientPool


@pytest.mark.parametrize("places", [1, 2])
def test_no_more_calls_run_at_once_than_there_are_places(places: int) -> None:
    lock, running, most = threading.Lock(), [0], [0]

    def work() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.01)
        with lock:
            running[0] -= 1

    with PatientPool(places, 60) as pool:
        for future in [pool.submit(work) for _call in range(20)]:
            future.result()
    assert most == [places]


def test_calls_that_wait_do_not_keep_others_from_running() -> None:
    """Two calls that hang, in two places, until a later call ends them: without more room this waits for ever."""
    end, outcomes = threading.Event(), []
    with PatientPool(2, 0.05) as pool:
        hanging = [pool.submit(end.wait, 30) for _call in range(2)]
        outcomes += [pool.submit(lambda number=number: number).result(timeout=20) for number in range(5)]
        end.set()
        assert all(future.result() for future in hanging)
    assert outcomes == list(range(5))


def test_results_keep_their_order_and_errors_their_type() -> None:
    with PatientPool(3, 60) as pool:
        assert list(pool.map(lambda number: number * 2, range(10))) == [number * 2 for number in range(10)]
        with pytest.raises(ZeroDivisionError):
            pool.submit(lambda: 1 // 0).result()
