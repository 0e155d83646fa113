# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts of the host."""

from __future__ import annotations

import os

from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import (
    Account,
    find_account,
    groups_of,
)


def test_an_account_whose_name_another_one_has_by_now_has_its_own_group_alone() -> None:
    """For example to remove the files of a user who was renamed before a new user got the name."""
    present = find_account("root")
    assert groups_of(present) == os.getgrouplist("root", present.gid)
    assert groups_of(Account("root", 54321, 54322, "/h", "/bin/sh")) == [54322]
    assert groups_of(Account("nobody-has-this-name", 54321, 54322, "/h", "/bin/sh")) == [54322]
