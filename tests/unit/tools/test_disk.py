# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that is too small for a tool, at any moment of its installation."""

from __future__ import annotations

import subprocess
import typing as t

import pytest

from tests.support.mounts import mounted

HELLO = {"package": "example.com/hello", "version": "v1.0.0"}
Host = t.Any  # conftest's; tests do not import from it


@pytest.fixture
def small_disk(tool_host: Host) -> t.Iterator[t.Callable[[str], None]]:
    """Resize the file system of the tools."""
    tool_host.root.mkdir()
    with mounted(tool_host.root, "-t", "tmpfs", "-o", "mode=755,size=8k", "devserver-test"):
        yield lambda size: subprocess.run(["mount", "-o", f"remount,size={size}", tool_host.root], check=True)


def test_a_full_disk_changes_nothing_and_the_next_run_repairs(tool_host: Host, small_disk: t.Any) -> None:
    by_go = set()
    # Too small for the output of go, then for its copy, which is beside it.
    for size in range(1000, 20_000, 1000):
        small_disk(f"{size}k")
        result = tool_host.run(HELLO)
        if not result.get("failed"):
            break
        by_go.add("go reports" in result["msg"])
        assert f"the file system at {tool_host.root} has " in result["msg"], result["msg"]
        assert "free about 1 GB" in result["msg"] or "about 1G of free space" in result["msg"]
        assert (tool_host.files(), tool_host.leftovers()) == ([], [])
    assert by_go == {True, False}
    assert not tool_host.run(HELLO)["changed"]
