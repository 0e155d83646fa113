# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths and programs that nobody but root can change."""

from __future__ import annotations

import grp
import os
import pathlib
import pwd
import struct

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import TimedOut
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.remembered import remembering
from ansible_collections.gopherops.devserver.plugins.module_utils._host.trusted_paths import (
    find_other_writer,
    find_other_writer_below,
    find_user_writer,
    only_root_can_change,
    shared_directory,
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of root's")
OTHER = 65534


@pytest.fixture
def program(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "tree/bin/go"
    path.parent.mkdir(parents=True)
    path.touch(0o755)
    return path


def test_a_program_of_roots_in_directories_of_roots(program: pathlib.Path) -> None:
    assert only_root_can_change(str(program))
    assert only_root_can_change(f"{program.parent}/../bin//./go")


@pytest.mark.parametrize("place", ["", "..", "../.."])
@pytest.mark.parametrize("is_owner", [True, False])
def test_one_that_somebody_else_can_replace(program: pathlib.Path, place: str, is_owner: bool) -> None:
    path = pathlib.Path(os.path.normpath(program / place))
    if is_owner:
        os.chown(path, OTHER, 0)
    else:
        path.chmod(0o775)
    assert not only_root_can_change(str(program))


def test_a_sticky_directory_keeps_what_is_roots(program: pathlib.Path) -> None:
    program.parent.chmod(0o1777)
    assert only_root_can_change(str(program))
    os.chown(program, OTHER, 0)
    assert not only_root_can_change(str(program))


@pytest.mark.parametrize("target", ["{0}", "../tree/bin/go", "{0}/../go", "other"])
def test_links_are_followed_by_the_same_measure(program: pathlib.Path, tmp_path: pathlib.Path, target: str) -> None:
    (tmp_path / "links").mkdir()
    link, other = tmp_path / "links/go", tmp_path / "links/other"
    link.symlink_to(target.format(program))
    other.symlink_to(program)
    assert only_root_can_change(str(link)) == (not target.endswith("/../go"))
    os.lchown(link, OTHER, 0)
    assert not only_root_can_change(str(link))
    os.lchown(link, 0, 0)
    os.chown(program.parent, OTHER, 0)
    assert not only_root_can_change(str(link))


def test_what_is_no_program_is_not_trusted(program: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in ("", "go", str(tmp_path), f"{tmp_path}/loop", f"{tmp_path}/gone"):
        assert not only_root_can_change(path)


@pytest.mark.parametrize(
    ("mode", "mine", "shared"), [(0o755, True, False), (0o755, False, True), (0o777, True, True), (0o1777, True, False)]
)
def test_a_directory_in_which_another_user_can_swap_things(
    tmp_path: pathlib.Path, mode: int, mine: bool, shared: bool
) -> None:
    (tmp_path / "d/below").mkdir(parents=True)
    (tmp_path / "link").symlink_to("d/below")
    (tmp_path / "d").chmod(mode)
    if not mine:
        os.chown(tmp_path / "d", OTHER, 0)
    expected = str(tmp_path / "d") if shared else ""
    for path in ("d", "d/below", "d/below/missing", "link"):
        assert shared_directory(str(tmp_path / path)) == expected


def test_the_owner_of_a_link_can_make_it_anew(tmp_path: pathlib.Path) -> None:
    (tmp_path / "link").symlink_to("/usr")
    os.chown(tmp_path / "link", OTHER, 0, follow_symlinks=False)
    assert shared_directory(str(tmp_path / "link/lib")) == str(tmp_path / "link")


def test_links_in_a_circle_end(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert shared_directory(str(tmp_path / "a/x")) == ""


def test_the_parent_of_a_link_is_that_of_its_target(tmp_path: pathlib.Path) -> None:
    (tmp_path / "home/d").mkdir(parents=True)
    os.chown(tmp_path / "home", OTHER, 0)
    (tmp_path / "link").symlink_to("home/d")
    assert shared_directory(f"{tmp_path}/link/../x") == str(tmp_path / "home")


def test_a_file_of_another_user_is_no_shared_directory(program: pathlib.Path) -> None:
    os.chown(program, OTHER, 0)
    program.chmod(0o666)
    assert shared_directory(str(program)) == ""


def test_all_entries_of_a_directory_are_inspected_or_none_is_trusted(tmp_path: pathlib.Path) -> None:
    for number in range(21_000):
        os.close(os.open(tmp_path / str(number), os.O_CREAT))
    # The last one that is listed.
    last = list(os.scandir(tmp_path))[-1].path
    os.chown(last, OTHER, 0)
    root = find_account("root")
    assert find_other_writer_below([str(tmp_path)], root, 30) == f"{last} belongs to nobody (mode 0755)"
    with pytest.raises(TimedOut, match="more entries than can be checked within 0 s"):
        find_other_writer_below([str(tmp_path)], root, 0)


def test_the_owner_of_a_sticky_directory_can_replace_what_is_in_it(program: pathlib.Path) -> None:
    program.parent.chmod(0o1777)
    assert find_other_writer(str(program), find_account("root")) == ""
    os.chown(program.parent, OTHER, 0)
    assert "bin belongs to nobody (mode 1777)" in find_other_writer(str(program), find_account("root"))


def set_acl(path: pathlib.Path, *named: tuple[int, int], group_rights: int = 5) -> None:
    """Set an access control list in which the entries ``named``, a tag and an ID, may write."""
    none = 2**32 - 1
    entries = [(0x01, 7, none), *((tag, 7, number) for tag, number in named)]
    entries += [(0x04, group_rights, none), (0x10, 7, none), (0x20, 5, none)]
    # The kernel expects groups behind the owning group.
    entries.sort(key=lambda entry: entry[0])
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    os.setxattr(path, "system.posix_acl_access", acl)


def test_an_access_control_list_shows_only_others(tmp_path: pathlib.Path) -> None:
    place, daemon = tmp_path / "d", find_account("daemon")
    place.mkdir()
    os.chown(place, daemon.uid, OTHER)
    set_acl(place, (0x02, 0), (0x02, daemon.uid))
    assert find_other_writer(str(place), daemon) == ""
    set_acl(place, (0x02, daemon.uid), (0x02, 4242), (0x08, OTHER))
    writers = find_other_writer(str(place), daemon)
    assert writers.startswith("uid 4242, ")
    assert f"nobody, sync can write to {place} (" in writers
    set_acl(place, (0x02, daemon.uid), group_rights=7)
    assert f"nobody, sync can write to {place} (" in find_other_writer(str(place), daemon)


@pytest.mark.parametrize("group", [0, find_account("daemon").gid, 4242])
def test_a_group_in_an_access_control_list_without_others_is_no_other_writer(
    tmp_path: pathlib.Path, group: int
) -> None:
    """As such a group of the mode is none: the user's own private group, root's, or one without members."""
    place, daemon = tmp_path / "d", find_account("daemon")
    place.mkdir()
    os.chown(place, daemon.uid, daemon.gid)
    set_acl(place, (0x08, group))
    assert find_other_writer(str(place), daemon) == ""


def test_the_users_of_a_group_are_read_once(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, read = [], pwd.getpwall
    monkeypatch.setattr(pwd, "getpwall", lambda: calls.append("") or read())
    tmp_path.chmod(0o770)
    with remembering():
        assert {find_other_writer(str(tmp_path), find_account("root")) for _time in range(3)} == {""}
    assert len(calls) == 1


@pytest.mark.parametrize(("name", "is_writer"), [("nobody", True), ("gone", True), ("root", False), ("daemon", False)])
def test_a_user_of_a_group_needs_no_entry_in_the_list_of_all_users(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, name: str, is_writer: bool
) -> None:
    """As of a directory service that does not enumerate, or does not respond."""
    daemon = find_account("daemon")
    monkeypatch.setattr(pwd, "getpwall", list)
    monkeypatch.setattr(grp, "getgrgid", lambda gid: grp.struct_group(("team", "x", gid, [name])))
    os.chown(tmp_path, daemon.uid, 4242)
    tmp_path.chmod(0o770)
    assert (f"{name} can write to {tmp_path}" in find_other_writer(str(tmp_path), daemon)) == is_writer
    assert (f"{name} can write to {tmp_path}" in find_user_writer(str(tmp_path))) == (name in ("nobody", "gone"))
