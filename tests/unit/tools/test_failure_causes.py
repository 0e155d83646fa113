# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The remedy for a failed build names the option or path to change."""

from __future__ import annotations

import pathlib
import re
import socket

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import Completed
from ansible_collections.gopherops.devserver.plugins.module_utils._tools import build
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.build import Builder, find_go
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.build_directory import open_build_directory
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.pins import Tool


@pytest.mark.parametrize(
    ("returncode", "stderr", "remedy"),
    [
        (None, "", "raise devserver_tools_timeout (build_timeout)"),
        (1, "write x.a: no space left on device", "free about 1 GB for each build in {parent}"),
        (1, "x requires go >= 1.999", "a newer Go"),
        (1, "something {else}", "by hand"),
    ],
    ids=["time", "disk", "newer Go", "unknown"],
)
def test_the_remedy_names_the_option_or_path(
    tmp_path: pathlib.Path, returncode: int | None, stderr: str, remedy: str
) -> None:
    top = tmp_path / "top"
    top.mkdir()
    with open_build_directory(str(top), None, -1) as directory:
        builder = Builder(directory, "", 5, "devserver_tools_timeout (build_timeout)")
        assert remedy.format(parent=tmp_path) in builder.explain(Completed([], returncode, "", stderr), stderr)[1]


def test_a_silent_module_proxy_is_named(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, goroot: str) -> None:
    monkeypatch.setattr(build, "_SILENCE", 1.0)
    # The kernel accepts connections to it, and nothing responds.
    with socket.create_server(("127.0.0.1", 0)) as silent, open(tmp_path / "lock", "w") as lock:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        (tmp_path / "top").mkdir()
        with open_build_directory(str(tmp_path / "top"), None, lock.fileno()) as directory:
            builder = Builder(directory, f"http://{address}", 60)
            with pytest.raises(DevserverError) as raised:
                tool = Tool("example.com/hello", "v1.0.0", "hello", goroot)
                builder.build(tool, find_go(goroot), str(tmp_path / "x"))
    message = str(raised.value)
    assert re.search(rf"nothing arrived for 1 seconds from {address} \(GOPROXY is http://{address}\)", message)
