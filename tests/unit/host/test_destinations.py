# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which paths may be replaced, filled and cleaned."""

from __future__ import annotations

import itertools
import os
import pathlib
import pwd

import hypothesis
import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host import destinations
from hypothesis import strategies as st

HOMES = sorted({user.pw_dir for user in pwd.getpwall() if os.path.isdir(user.pw_dir)})
PARTS = ("bin/go", "VERSION", "pkg/x", "src/x")


@pytest.mark.parametrize("missing", [*itertools.combinations(PARTS, 0), *itertools.combinations(PARTS, 1), PARTS[2:]])
def test_a_go_tree_has_a_go_a_version_and_packages(tmp_path: pathlib.Path, missing: tuple[str, ...]) -> None:
    for name in {*PARTS} - {*missing}:
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).touch()
    (tmp_path / "link").symlink_to("tree")
    assert destinations.is_go_tree(str(tmp_path / "tree")) == (missing in [(), ("pkg/x",), ("src/x",)])
    assert not destinations.is_go_tree(str(tmp_path / "link"))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\x7fELF....\xff Go buildinf:", True),
        (b"\x7fELF....", False),
        (b"#!/bin/sh\n\xff Go buildinf:", False),
        (b"", False),
    ],
)
def test_a_go_program_is_recognised_by_its_build_info(tmp_path: pathlib.Path, content: bytes, expected: bool) -> None:
    (tmp_path / "program").write_bytes(content)
    (tmp_path / "link").symlink_to("program")
    assert destinations.is_go_program(str(tmp_path / "program")) == expected
    assert not destinations.is_go_program(str(tmp_path / "link"))
    assert not destinations.is_go_program(str(tmp_path))


@pytest.mark.parametrize("path", sorted({*HOMES, "/", "/etc", "/usr", "/usr/bin", "/proc"}))
def test_no_home_and_no_directory_of_the_system_is_filled(path: str) -> None:
    with pytest.raises(DevserverError, match=r"x_root \(root\) is ") as error:
        destinations.check_own_directory("x_root (root)", path)
    assert error.value.details["path"] == path
    assert error.value.details["found"]
    assert error.value.remedy.startswith("choose another path for x_root (root)")


@pytest.mark.parametrize("path", [home for home in HOMES if not os.path.islink(home)])
def test_a_home_is_named_with_its_user_and_is_not_to_be_moved(path: str) -> None:
    error = destinations.rejection("x_link (link)", path, "nothing")
    assert error.details["found"].startswith("the home directory of ")
    assert error.remedy == "choose another path for x_link (link)"


@pytest.mark.parametrize("names", [[], ["lost+found"], [".lock", "mine"], [".lock"]])
def test_what_is_empty_or_filled_by_this_collection_is_accepted(tmp_path: pathlib.Path, names: list[str]) -> None:
    (tmp_path / "root").mkdir()
    for name in names:
        (tmp_path / "root" / name).touch()
    (tmp_path / "link").symlink_to("root")
    for path in (tmp_path / "root", tmp_path / "new/er", tmp_path / "link"):
        destinations.check_own_directory("x_root (root)", str(path))


@pytest.mark.parametrize("path", ["x", "", "/x/", "/x/../y", "/x/./y"])
def test_a_path_is_absolute_and_in_its_shortest_form(path: str) -> None:
    with pytest.raises(DevserverError, match=r"x_root \(root\) is"):
        destinations.check_own_directory("x_root (root)", path)


@pytest.mark.parametrize("name", ["file", "file/below", "dangling", "dangling/below"])
def test_what_is_in_the_way_of_a_directory_is_named(tmp_path: pathlib.Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(DevserverError) as error:
        destinations.check_shared_directory("x_bin_dir (bin_dir)", str(tmp_path / name))
    first = tmp_path / name.partition("/")[0]
    assert f"but {first} is a " in str(error.value)
    assert error.value.remedy.endswith(f"or move {first} away first")


NOBODY = 65534
STAFF = 50


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user")
@pytest.mark.parametrize("path", ["place", "place/new", "place/present", "link", "link/new"])
@pytest.mark.parametrize(
    ("owner", "group", "mode", "writer"),
    [
        (NOBODY, 0, 0o755, "place belongs to nobody (mode 0755)"),
        (NOBODY, 0, 0o1777, "place belongs to nobody (mode 1777)"),
        (0, 0, 0o757, "all users can write to place (owner root, mode 0757)"),
        (0, NOBODY, 0o775, "nobody can write to place (owner root, mode 0775)"),
        (0, 0, 0o1777, "all users can write to place (owner root, mode 1777)"),
        (0, STAFF, 0o2775, ""),
        (1, 1, 0o755, ""),
    ],
)
def test_root_writes_to_no_directory_that_another_user_can_replace(
    tmp_path: pathlib.Path, path: str, owner: int, group: int, mode: int, writer: str
) -> None:
    place = tmp_path / "place"
    (place / "present").mkdir(parents=True)
    (tmp_path / "link").symlink_to("place")
    os.chown(place, owner, group)
    place.chmod(mode)
    # Nobody can replace an entry of root in the sticky directory of root.
    if not writer or (mode == 0o1777 and owner == 0 and path == "place/present"):
        destinations.check_shared_directory("x_bin_dir (bin_dir)", str(tmp_path / path))
        return
    for check in (destinations.check_shared_directory, destinations.check_own_directory):
        with pytest.raises(DevserverError) as error:
            check("x_bin_dir (bin_dir)", str(tmp_path / path))
        assert f"x_bin_dir (bin_dir) is {tmp_path / path}, but {writer.replace('place', str(place))}: " in str(
            error.value
        )
        assert "choose another path for x_bin_dir (bin_dir)" in error.value.remedy
        assert not (place / "new").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a link to another user")
def test_root_writes_through_no_link_of_a_user(tmp_path: pathlib.Path) -> None:
    (tmp_path / "place").mkdir()
    (tmp_path / "link").symlink_to("place")
    os.lchown(tmp_path / "link", NOBODY, NOBODY)
    with pytest.raises(DevserverError, match="link belongs to nobody"):
        destinations.check_shared_directory("x_bin_dir (bin_dir)", str(tmp_path / "link"))


CHARACTERS = st.sampled_from(
    ["/", "/", ".", "..", "a", "b", " ", "~", "$x", ":", "\n", "\0", "\x7f", "\\", "'", '"', "%i", "é", "*"]
)
PATHS = st.lists(CHARACTERS, max_size=8).map("".join)


@hypothesis.settings(max_examples=300)
@hypothesis.given(start=st.sampled_from(["", "/", "{tmp}/", "{tmp}/file/", "{tmp}/link/"]), rest=PATHS)
def test_any_path_is_rejected_with_its_option_or_is_one_that_every_file_can_name(
    tmp_path_factory: pytest.TempPathFactory, start: str, rest: str
) -> None:
    root = tmp_path_factory.getbasetemp() / "places"
    if not root.is_dir():
        root.mkdir()
        (root / "file").touch()
        (root / "link").symlink_to("nowhere")
    path = start.format(tmp=root) + rest
    before = sorted(root.rglob("*"))
    for check in (destinations.check_path, destinations.check_shared_directory, destinations.check_own_directory):
        try:
            check("x_dir (dir)", path)
        except DevserverError as error:
            assert str(error).startswith("x_dir (dir) is ") and str(error).isprintable()
        else:
            assert path.startswith("/") and os.path.normpath(path) == path
            assert not {":", "\n", "\0", "\x7f"} & set(path)
    assert sorted(root.rglob("*")) == before
