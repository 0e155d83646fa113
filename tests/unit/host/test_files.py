# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the errors of files recommend."""

from __future__ import annotations

import os
import pathlib

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import read_text
from ansible_collections.gopherops.devserver.plugins.module_utils._host.user_access import acting_as

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
SECRET = "/etc/shadow"


def error_of_another_user() -> str:
    """Return the error of a process that never was root's, as of a play without become."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            read_text(SECRET)
        except DevserverError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as output:
        text = output.read()
    os.waitpid(pid, 0)
    return text


@needs_root
def test_a_play_without_become_gets_that_as_its_remedy() -> None:
    assert f"cannot read {SECRET}: Permission denied. To fix this: run the play as root: become: true" in (
        error_of_another_user()
    )


@needs_root
def test_root_acting_as_a_user_recommends_a_repair_of_the_file() -> None:
    with acting_as(find_account("nobody")), pytest.raises(DevserverError, match=r"correct the owner or mode"):
        read_text(SECRET)


def test_a_directory_in_the_place_of_a_file_is_to_be_moved(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DevserverError, match=r"is not a regular file of .* rename or remove it"):
        read_text(str(tmp_path))
