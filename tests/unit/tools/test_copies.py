# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The copies that root makes of files of the build's user."""

from __future__ import annotations

import os
import pathlib

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import open_nonblocking
from ansible_collections.gopherops.devserver.plugins.module_utils._tools import build


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (3 << 20) + 1])
def test_a_binary_is_copied_completely(tmp_path: pathlib.Path, size: int) -> None:
    (tmp_path / "source").write_bytes(os.urandom(size))
    with (tmp_path / "source").open("rb") as source:
        build.copy_binary(source, str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "source").read_bytes()
    assert (tmp_path / "copy").stat().st_mode & 0o7777 == 0o755


def test_a_sparse_file_of_the_user_does_not_fill_the_disk(tmp_path: pathlib.Path) -> None:
    with (tmp_path / "source").open("wb") as file:
        file.truncate((1 << 30) + 1)
    with (tmp_path / "source").open("rb") as source, pytest.raises(DevserverError, match="at most 1073741824 bytes"):
        build.copy_binary(source, str(tmp_path / "copy"))
    assert (tmp_path / "copy").stat().st_size == 0


def test_a_pipe_is_rejected(tmp_path: pathlib.Path) -> None:
    os.mkfifo(tmp_path / "source")
    descriptor = open_nonblocking(str(tmp_path / "source"), os.O_RDONLY)
    with os.fdopen(descriptor, "rb") as source, pytest.raises(DevserverError, match="not a regular file"):
        build.copy_binary(source, str(tmp_path / "copy"))
