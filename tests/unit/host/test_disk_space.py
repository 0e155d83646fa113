# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A full file system is named with what is free and what is needed."""

from __future__ import annotations

import errno
import os
import pathlib

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._host.disk_space import full_disk_error

from tests.support.mounts import mounted

MIB = 1 << 20


@pytest.mark.parametrize(
    ("options", "free"), [("size=8m,nr_inodes=0", "8M free"), ("size=8m,nr_inodes=1", "8M and 0 inodes free")]
)
def test_the_file_system_and_its_free_space_are_named(tmp_path: pathlib.Path, options: str, free: str) -> None:
    with mounted(tmp_path, "-t", "tmpfs", "-o", options, "devserver-test"):
        error = full_disk_error(
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "do it", [f"{tmp_path}/not/yet"], 10 * MIB, "move it"
        )
    assert error is not None
    assert error.problem == f"cannot do it: No space left on device: the file system at {tmp_path} has {free}"
    assert error.expected == "about 10M of free space"
    assert error.remedy == f"free 2M at {tmp_path}, or move it; then run again"


def test_the_fullest_of_several_is_named(tmp_path: pathlib.Path) -> None:
    with mounted(tmp_path, "-t", "tmpfs", "-o", "size=1m", "devserver-test"):
        error = full_disk_error(OSError(errno.EDQUOT, "quota"), "do it", ["/", str(tmp_path)], MIB, "move it")
    assert error is not None and f"the file system at {tmp_path} has 1M" in error.problem


def test_other_errors_have_another_cause() -> None:
    assert full_disk_error(OSError(errno.EACCES, "denied"), "do it", ["/"], 1, "move it") is None
