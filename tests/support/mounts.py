# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""File systems that a test mounts, where the machine allows that."""

from __future__ import annotations

import contextlib
import pathlib
import subprocess
import typing as t

import pytest


@contextlib.contextmanager
def mounted(place: pathlib.Path, *arguments: str | pathlib.Path) -> t.Iterator[None]:
    """Mount a file system with the arguments of mount(8) at ``place``, or skip the test."""
    completed = subprocess.run(["mount", *arguments, place], capture_output=True, text=True, check=False)
    if completed.returncode:
        pytest.skip(f"no filesystem can be mounted here: {completed.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)
