# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Relations between paths by their names alone."""

from __future__ import annotations

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._host.path_names import is_below


@pytest.mark.parametrize(
    ("path", "directory", "below"),
    [
        ("/home/alice/go", "/home/alice", True),
        ("/home/alice/go/bin", "/home/alice/", True),
        ("/home/alice2", "/home/alice", False),
        ("/home/alice", "/home/alice", False),
        ("/home/alice/", "/home/alice", False),
        ("/home", "/home/alice", False),
        ("/go", "/", True),
        ("/", "/", False),
        ("home/alice/go", "/home/alice", False),
    ],
)
def test_a_path_is_below_a_directory_by_whole_names(path: str, directory: str, below: bool) -> None:
    assert is_below(path, directory) is below
