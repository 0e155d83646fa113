# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks at the start of a unit, run as systemd runs them."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.hardening import owner_check


@pytest.mark.parametrize(("state", "code"), [("own", 0), ("missing", 1), ("file", 1), ("of another user", 1)])
def test_a_unit_fails_without_a_directory_of_its_user(tmp_path: pathlib.Path, state: str, code: int) -> None:
    directory = tmp_path / "x"
    if state == "file":
        directory.touch()
    elif state != "missing":
        directory.mkdir()
    if state == "of another user":
        if os.geteuid() != 0:
            pytest.skip("only root gives directories to users")
        os.chown(directory, 12345, 12345)
    (command,) = re.findall(r"^ExecStartPre=/bin/sh -c '(.*)'$", owner_check(str(directory)), re.MULTILINE)
    completed = subprocess.run(["/bin/sh", "-c", command], check=False, capture_output=True, text=True)
    assert (completed.returncode, str(directory) in completed.stdout) == (code, code == 1)
