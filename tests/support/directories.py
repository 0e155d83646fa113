# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories that other accounts can use."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import tempfile
import typing as t


@contextlib.contextmanager
def public_directory() -> t.Iterator[pathlib.Path]:
    """Yield a temporary directory that other accounts can enter, which pytest's own are not."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="devserver-test-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def nest(top: pathlib.Path, levels: int) -> None:
    """Create a directory in ``top``, one in it, and so on."""
    place = os.open(top, os.O_RDONLY)
    for _level in range(levels):
        os.mkdir("d", dir_fd=place)
        below = os.open("d", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = below
    os.close(place)
