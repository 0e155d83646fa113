# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action plugins have in common."""

from __future__ import annotations

import contextlib
import gc
import weakref

from ansible_collections.gopherops.devserver.plugins.plugin_utils.actions import uncollected


class _Cycle:
    """An object that only the garbage collector can free."""

    def __init__(self) -> None:
        self.itself = self


def test_the_garbage_collector_rests_until_a_module_ends_or_fails() -> None:
    assert gc.isenabled()
    with contextlib.suppress(OSError), uncollected():
        assert not gc.isenabled()
        left_over = weakref.ref(_Cycle())
        raise OSError
    assert gc.isenabled()
    gc.collect()
    assert left_over()


def test_a_garbage_collector_that_is_off_stays_off() -> None:
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
