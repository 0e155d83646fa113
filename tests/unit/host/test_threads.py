# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rights of the process change in the main thread only, and beside no other thread."""

from __future__ import annotations

import concurrent.futures
import getpass
import threading

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.user_access import acting_as


def act() -> None:
    with acting_as(find_account(getpass.getuser())):
        pass


def test_the_main_thread_may_act_as_a_user() -> None:
    act()


def test_another_thread_may_not() -> None:
    with concurrent.futures.ThreadPoolExecutor() as pool, pytest.raises(RuntimeError, match="acting as"):
        pool.submit(act).result()


@pytest.mark.parametrize("daemon", [True, False])
def test_only_daemon_threads_may_run_beside_it(daemon: bool) -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="worker", daemon=daemon)
    thread.start()
    try:
        if daemon:
            act()
        else:
            with pytest.raises(RuntimeError, match="worker"):
                act()
    finally:
        end.set()
        thread.join()
