# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories that other accounts can use."""

from __future__ import annotations

import contextlib
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
