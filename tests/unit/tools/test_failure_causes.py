# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The remedy for a failed build names the option or path to change."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import Completed
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.build import Builder
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.build_directory import open_build_directory


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
