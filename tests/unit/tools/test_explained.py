# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a build that failed says to do names what its user can set, and where."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import Completed
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.build import Builder
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.workshop import open_workshop


@pytest.mark.parametrize(
    ("returncode", "said", "remedy"),
    [
        (None, "", "raise devserver_tools_timeout (build_timeout)"),
        (1, "write x.a: no space left on device", "make room in {parent},"),
        (1, "x requires go >= 1.999", "a newer Go"),
        (1, "something {else}", "by hand"),
    ],
    ids=["time", "disk", "newer Go", "unknown"],
)
def test_the_remedy_names_what_the_user_set(
    tmp_path: pathlib.Path, returncode: int | None, said: str, remedy: str
) -> None:
    top = tmp_path / "top"
    top.mkdir()
    with open_workshop(str(top), None, -1) as workshop:
        builder = Builder(workshop, "", 5, "devserver_tools_timeout (build_timeout)")
        assert remedy.format(parent=tmp_path) in builder.explained(Completed([], returncode, "", said), said)[1]
