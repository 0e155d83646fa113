# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One directory in the place of another: with an exchange of names, and where there is none."""

from __future__ import annotations

import os
import pathlib

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain import exchange as module
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.exchange import exchange_directories


@pytest.fixture(params=["exchange", "two renames"])
def exchange(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param == "two renames":
        monkeypatch.setattr(module, "_exchanged", lambda _one, _other: False)
        return False
    return True


@pytest.fixture
def new(tmp_path: pathlib.Path) -> pathlib.Path:
    directory = tmp_path / "stage" / "new"
    directory.mkdir(parents=True)
    (directory / "name").write_text("new")
    return directory


@pytest.mark.usefixtures("exchange")
def test_a_directory_moves_to_an_empty_place(new: pathlib.Path, tmp_path: pathlib.Path) -> None:
    exchange_directories(str(new), str(tmp_path / "place"))
    assert (tmp_path / "place/name").read_text() == "new"
    assert list(new.parent.iterdir()) == []


@pytest.mark.parametrize("kind", ["directory", "file", "link"])
def test_existing_directories_are_kept(new: pathlib.Path, tmp_path: pathlib.Path, exchange: bool, kind: str) -> None:
    place = tmp_path / "place"
    if kind == "directory":
        (place / "old").mkdir(parents=True)
    elif kind == "file":
        place.write_text("old")
    else:
        place.symlink_to("nowhere")
    exchange_directories(str(new), str(place))
    assert (place / "name").read_text() == "new"
    old = new if exchange else new.with_name("new.old")
    assert (old.is_dir(), old.is_symlink()) == (kind == "directory", kind == "link")


def test_a_failure_leaves_the_previous_directory(tmp_path: pathlib.Path, exchange: bool) -> None:
    (tmp_path / "place").mkdir()
    with pytest.raises(OSError, match="No such file"):
        exchange_directories(str(tmp_path / "new"), str(tmp_path / "place"))
    assert os.listdir(tmp_path) == ["place"]
