# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that git and go read for a workspace is inspected: above its real path, and where its files lead."""

from __future__ import annotations

import os
import pathlib

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host import trusted_paths
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.workspace_writers import (
    find_workspace_writer,
    reject_embedded_repository,
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
MALLORY = 54329
ROOT = find_account("root")


@pytest.fixture
def shop(tmp_path: pathlib.Path) -> pathlib.Path:
    """Return a workspace ``own/shop`` beside the directory ``others``."""
    shop = tmp_path / "own/shop"
    shop.mkdir(parents=True)
    (tmp_path / "others").mkdir()
    (shop / "go.mod").write_text("module example.com/shop\n\ngo 1.21\n")
    assert find_workspace_writer(str(shop), ROOT) == ""
    return shop


def give(path: pathlib.Path, text: str) -> str:
    """Write a file of another user; return what is reported."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.chown(path, MALLORY, -1)
    return f"{path} belongs to uid {MALLORY}"


@pytest.mark.parametrize("name", ["go.work", "go.mod", ".git"])
@pytest.mark.parametrize("is_package", [False, True])
def test_files_above_a_link_and_above_its_target_count(tmp_path: pathlib.Path, name: str, is_package: bool) -> None:
    (tmp_path / "real/shop/api").mkdir(parents=True)
    (tmp_path / "home").mkdir()
    link = tmp_path / "home/shop"
    link.symlink_to(tmp_path / "real/shop")
    package = f"{link}/api" if is_package else ""
    assert find_workspace_writer(str(link), ROOT, package) == ""
    for directory in ("real", "home"):
        problem = give(tmp_path / directory / name, "go 1.21\n")
        assert find_workspace_writer(str(link), ROOT, package).startswith(problem)
        (tmp_path / directory / name).unlink()


@pytest.mark.parametrize("name", ["bare/hooks", "sub", "out"])
def test_a_link_into_a_repository_without_a_git_directory_is_rejected(tmp_path: pathlib.Path, name: str) -> None:
    bare = tmp_path / "shop/bare"
    (bare / "hooks").mkdir(parents=True)
    (bare / "HEAD").write_text("ref: refs/heads/main\n")
    (tmp_path / "shop/.git").mkdir()
    (tmp_path / "shop/sub").symlink_to("bare/hooks")
    (tmp_path / "shop/out").symlink_to("sub")
    reject_embedded_repository(str(tmp_path / "shop"))
    with pytest.raises(DevserverError, match=f"git would take {bare} for a repository"):
        reject_embedded_repository(str(tmp_path / "shop" / name))


@pytest.mark.parametrize("line", ["replace example.com/x => {0}", "replace example.com/x v1.0.0 => ../../others"])
@pytest.mark.parametrize("place", ["shop/go.mod", "go.work"])
def test_the_packages_of_a_named_module_count(
    shop: pathlib.Path, tmp_path: pathlib.Path, line: str, place: str
) -> None:
    others = tmp_path / "others"
    (others / "go.mod").write_text("module example.com/x\n")
    problem = give(others / "pkg/evil.go", "package pkg\n")
    text = line.replace("../../", "../" if place == "go.work" else "../../").format(others)
    (shop.parent / place).write_text(f"module example.com/shop\n{text}\n")
    assert find_workspace_writer(str(shop), ROOT).startswith(problem)


def test_only_the_nearest_module_above_counts(shop: pathlib.Path) -> None:
    (shop.parent / "go.mod").write_text("module example.com/mono\n")
    problem = give(shop.parent / "lib/evil.go", "package lib\n")
    assert find_workspace_writer(str(shop), ROOT) == ""
    (shop / "go.mod").unlink()
    assert find_workspace_writer(str(shop), ROOT).startswith(problem)


@pytest.mark.parametrize("link", ["linked", ".git/hooks", "internal/linked"])
def test_what_is_below_a_linked_directory_counts(shop: pathlib.Path, tmp_path: pathlib.Path, link: str) -> None:
    give(tmp_path / "others/a/b/evil.go", "package b\n")
    (tmp_path / "between").mkdir()
    (tmp_path / "between/next").symlink_to("../others/a")
    (tmp_path / "between/back").symlink_to(shop)
    (shop / link).parent.mkdir(exist_ok=True)
    (shop / link).symlink_to(tmp_path / "between")
    assert f"b/evil.go belongs to uid {MALLORY}" in find_workspace_writer(str(shop), ROOT)


def test_the_number_of_linked_directories_is_limited(
    shop: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trusted_paths, "_MOST_TREES", 5)
    for number in range(8):
        (shop / f"d{number}").mkdir()
        (shop / f"inside{number}").symlink_to(f"d{number}")
    assert find_workspace_writer(str(shop), ROOT) == ""
    for number in range(5):
        (tmp_path / f"others/{number}").mkdir()
        (shop / f"outside{number}").symlink_to(tmp_path / f"others/{number}")
    with pytest.raises(DevserverError, match="lead to too many directories"):
        find_workspace_writer(str(shop), ROOT)
