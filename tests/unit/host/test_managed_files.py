# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owner and mode of managed files: the collection's own are set right, others' are left alone."""

from __future__ import annotations

import getpass
import os
import re
import stat

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host import managed_files
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.managed_files import (
    ManagedFile,
    block_in,
    plan_each,
    plan_edits,
    users_file,
    whole_file,
    write_all,
    write_each,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.skipped_files import SkippedFile

from tests.support.mounts import mounted

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("wrong", [0o600, 0o666, 0o4755])
def test_the_mode_of_a_whole_file_is_set_right_and_shown(tmp_path, wrong):
    file = whole_file(str(tmp_path / "f"), "x\n", mode=0o644)
    write_all(plan_edits([file]))
    assert plan_edits([file]) == []
    (tmp_path / "f").chmod(wrong)
    edits = plan_edits([file])
    before, after = edits[0].shown
    assert f"mode {wrong:04o})" in before.splitlines()[0] and "mode 0644)" in after.splitlines()[0]
    assert before.splitlines()[1:] == after.splitlines()[1:]
    write_all(edits)
    assert mode_of(tmp_path / "f") == 0o644
    assert plan_edits([file]) == []


@needs_root
def test_the_owner_of_a_whole_file_is_set_right(tmp_path):
    file = whole_file(str(tmp_path / "f"), "x\n")
    write_all(plan_edits([file]))
    os.chown(tmp_path / "f", 65534, 65534)
    edits = plan_edits([file])
    assert "owner 65534:65534" in edits[0].shown[0] and "owner 0:0" in edits[0].shown[1]
    write_all(edits)
    assert ((tmp_path / "f").stat().st_uid, plan_edits([file])) == (0, [])


def test_a_file_of_somebody_elses_keeps_its_own(tmp_path):
    file = block_in(str(tmp_path / "f"), "x\n", first=True)
    write_all(plan_edits([file]))
    (tmp_path / "f").chmod(0o666)
    assert plan_edits([file]) == []


def test_what_there_shall_not_be_has_no_rights(tmp_path):
    assert plan_edits([whole_file(str(tmp_path / "f"), None)]) == []
    (tmp_path / "f").write_text("x")
    assert plan_edits([whole_file(str(tmp_path / "f"), None, mode=0o600)])[0].rights is None


@needs_root
def test_a_directory_of_the_collection_belongs_to_root(tmp_path):
    directory = tmp_path / "own"
    directory.mkdir(mode=0o755)
    assert managed_files.compare_directory_rights(str(directory)) is None
    assert managed_files.compare_directory_rights(str(tmp_path / "none")) is None
    directory.chmod(0o777)
    now, expected = managed_files.compare_directory_rights(str(directory)) or ("", "")
    assert (str(now), str(expected)) == ("owner 0:0, mode 0777", "owner 0:0, mode 0755")
    managed_files.repair_directory_rights(str(directory))
    assert (mode_of(directory), managed_files.compare_directory_rights(str(directory))) == (0o755, None)


@needs_root
def test_a_read_only_file_system_is_named_with_its_remedy(tmp_path):
    """Like the home directory on a file system that the kernel has made read-only after an error."""
    with mounted(tmp_path, "-t", "tmpfs", "-o", "ro", "none"), pytest.raises(DevserverError) as raised:
        plan_edits([whole_file(str(tmp_path / "new/f"), "x")])
    assert f"{tmp_path} is on a file system that is mounted read-only" in str(raised.value)
    assert "To fix this: mount the file system that 'findmnt -T" in str(raised.value)


@pytest.mark.parametrize("of_user", [True, False])
def test_what_is_in_the_place_of_a_directory_is_to_be_moved_away(tmp_path, of_user):
    obstacle = tmp_path / "environment.d"
    obstacle.touch()
    owner = find_account(getpass.getuser())._replace(home=str(tmp_path)) if of_user else None
    file = ManagedFile(str(obstacle / "go.conf"), lambda _now: "A=1\n", owner=owner)
    rights = f" with the rights of {owner.name} (runuser" if owner else ", and provision"
    with pytest.raises(DevserverError, match=re.escape(f"To fix this: move {obstacle} away{rights}")):
        plan_edits([file])


@needs_root
@pytest.mark.parametrize("text", ["new\n", None])
@pytest.mark.parametrize("place", ["of the collection", "of the user", "of root"])
def test_a_file_of_the_collection_is_replaced_although_its_user_has_made_it_large(tmp_path, text, place):
    file, nobody = tmp_path / "nobody.sh", find_account("nobody")
    with file.open("wb") as opened:
        opened.truncate(16 << 20)
    if place != "of root":
        os.chown(file, nobody.uid, nobody.gid)
    managed = whole_file(str(file), text, mode=0o400, owner=nobody)
    if place == "of the user":
        for directory in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
            directory.chmod(0o755)
        managed = managed._replace(as_owner=True)
    skipped: list[SkippedFile] = []
    write_each(plan_each([managed], skipped), skipped)
    if place != "of the collection":
        assert [(entry.user, file.stat().st_size) for entry in skipped] == [("nobody", 16 << 20)]
    else:
        assert skipped == [] and (file.read_text().endswith("new\n") if text else not file.exists())


def test_a_link_out_of_a_workspace_is_not_followed(tmp_path):
    (tmp_path / "shop").mkdir()
    link, inside = tmp_path / "shop/x", tmp_path / "shop/y"
    link.symlink_to("../profile")
    inside.symlink_to("z")
    user = find_account(getpass.getuser())
    files = [users_file(str(path), lambda _now: "text", user, within=str(tmp_path / "shop")) for path in (link, inside)]
    write_all(plan_each(files, skipped := []))
    assert [entry.file for entry in skipped] == [str(link)] and "is a link out of the workspace" in skipped[0].reason
    assert not (tmp_path / "profile").exists() and (tmp_path / "shop/z").read_text() == "text"
