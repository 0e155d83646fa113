# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""File systems that a test mounts, where the machine allows that."""

from __future__ import annotations

import contextlib
import ctypes
import os
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


@contextlib.contextmanager
def hanging(place: pathlib.Path, uid: int, *, also_root: bool = False) -> t.Iterator[None]:
    """Mount a FUSE file system of a user whose program does not read its requests, or skip the test.

    Processes that are not the user's alone cannot read it and do not hang, unless it is ``also_root``'s, as NFS is.
    """
    try:
        device = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        pytest.skip(f"no filesystem can be mounted here: {error}")
    options = f"fd={device},rootmode=40000,user_id={uid},group_id={uid}{',allow_other' if also_root else ''}"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"hung", bytes(place), b"fuse", 0, options.encode()):
        pytest.skip(f"no filesystem can be mounted here: {os.strerror(ctypes.get_errno())}")
    try:
        yield
    finally:
        # At once, with its pending requests.
        libc.umount2(bytes(place), 2)
        os.close(device)
