# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The removal of all toolchains: what was there before the first run comes back."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import Changes
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain import go_toolchain, in_use
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.install import install_toolchains
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.platform import this_platform
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.removal import remove_toolchains
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.request import ToolchainRequest

Make = t.Callable[..., ToolchainRequest]


def remove(request: ToolchainRequest, *, check: bool = False) -> tuple[list[str], list[str]]:
    """Return the changed paths, and the trees that stay."""
    changes = Changes()
    places = {"root": [request.root], "link": [request.link], "bin_dir": [request.bin_dir]}
    stay = remove_toolchains(places, changes, check=check)
    return [part["after_header"] for part in changes.result()["diff"]], list(stay)


def tree(directory: pathlib.Path) -> dict[str, str]:
    paths = sorted(directory.rglob("*"))
    return {
        str(path.relative_to(directory)): os.readlink(path) if path.is_symlink() else str(path.lstat().st_mode)
        for path in paths
    }


def test_a_go_that_was_moved_aside_comes_back(
    make_request: Make, archives: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    request = make_request("1.99.1", "1.99.12", archive=archives)
    bin_dir, link = pathlib.Path(request.bin_dir), pathlib.Path(request.link)
    for directory in (bin_dir, pathlib.Path(request.root).parent):
        directory.mkdir(parents=True, exist_ok=True)
    for name in ("bin/go", "VERSION", "src/x.go"):
        (link / name).parent.mkdir(parents=True, exist_ok=True)
        (link / name).write_text("mine")
    (bin_dir / "gofmt").write_bytes(b"\x7fELF" + b"\0" * 60 + b"\xff Go buildinf:")
    (bin_dir / "own").symlink_to("/elsewhere")
    before = tree(tmp_path)
    install_toolchains(request, this_platform(), check=False)
    # Another one that somebody has put there since does not hide the first one.
    pathlib.Path(f"{link}.replaced-29990101T000000Z").mkdir()
    announced = remove(request, check=True)
    assert remove(request) == announced
    pathlib.Path(f"{link}.replaced-29990101T000000Z").rmdir()
    assert tree(tmp_path) == before
    assert remove(request) == ([], [])


@pytest.mark.parametrize("kind", ["tree", "link"])
def test_links_to_a_go_that_somebody_has_unpacked_stay_and_come_back(
    make_request: Make, archives: pathlib.Path, tmp_path: pathlib.Path, kind: str
) -> None:
    request = make_request("1.99.1", archive=archives)
    bin_dir, link = pathlib.Path(request.bin_dir), pathlib.Path(request.link)
    unpacked = link if kind == "tree" else link.with_name("go1.19.13")
    for name in ("bin/go", "VERSION", "src/x.go"):
        (unpacked / name).parent.mkdir(parents=True, exist_ok=True)
        (unpacked / name).write_text("mine")
    if kind == "link":
        link.symlink_to("go1.19.13")
    for directory in (bin_dir, pathlib.Path(request.root).parent):
        directory.mkdir(parents=True, exist_ok=True)
    (bin_dir / "go").symlink_to(link / "bin/go")
    (tmp_path / "gofmt-1.19").write_text("mine")
    (bin_dir / "gofmt").symlink_to(tmp_path / "gofmt-1.19")
    before = tree(tmp_path)
    assert remove(request) == ([], [])
    assert tree(tmp_path) == before
    install_toolchains(request, this_platform(), check=False)
    assert not install_toolchains(request, this_platform(), check=False)["changed"]
    announced = remove(request, check=True)
    assert remove(request) == announced
    assert tree(tmp_path) == before


def test_links_to_a_missing_link_are_those_of_the_collection_beside_its_toolchains(
    make_request: Make, archives: pathlib.Path
) -> None:
    request = make_request("1.99.1", archive=archives)
    install_toolchains(request, this_platform(), check=False)
    os.unlink(request.link)
    remove(request)
    assert os.listdir(request.bin_dir) == []


def test_links_of_others_into_the_trees_stay(make_request: Make, archives: pathlib.Path) -> None:
    request = make_request("1.99.1", archive=archives)
    install_toolchains(request, this_platform(), check=False)
    targets = {
        "gotip": "gotip",
        "my-go": "1.99.1/bin/go",
        "my1.99.1": "1.99.1/bin/go",
        ".go1.99.1.unfinished-12": "1.99.1/bin/go",
    }
    for name, target in targets.items():
        os.symlink(os.path.join(request.root, target), os.path.join(request.bin_dir, name))
    remove(request)
    assert sorted(os.listdir(request.bin_dir)) == ["gotip", "my-go", "my1.99.1"]


def test_trees_of_killed_runs_leave_and_those_of_others_stay(make_request: Make, archives: pathlib.Path) -> None:
    request = make_request("1.99.1", archive=archives)
    install_toolchains(request, this_platform(), check=False)
    root = pathlib.Path(request.root)
    (root / "1.99.1.json").unlink()
    (root / ".installing-1").mkdir()
    (root / "mine").mkdir()
    remove(request)
    assert sorted(os.listdir(root)) == [".lock", "mine"]
    (root / "mine").rmdir()
    remove(request)
    assert not root.exists()


def test_a_tree_in_use_stays_until_it_is_not(
    make_request: Make, archives: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_use, "TIMEOUT", 0.3)
    request = make_request("1.99.1", "1.99.12", archive=archives)
    install_toolchains(request, this_platform(), check=False)
    program = shutil.copy(shutil.which("sleep") or "sleep", f"{request.root}/1.99.1/bin/sleep")
    with subprocess.Popen([program, "600"]) as process:
        changed, stay = remove(request)
        process.kill()
    assert (stay, f"{request.root}/1.99.12" in changed) == ([f"{request.root}/1.99.1"], True)
    assert remove(request)[1] == []
    assert not os.path.exists(request.root)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has records")
def test_the_places_of_earlier_runs_are_recorded(make_request: Make, archives: pathlib.Path) -> None:
    request = make_request("1.99.1", archive=archives)
    defaults = {name: option.get("default") for name, option in go_toolchain.ARGUMENT_SPEC.items()}
    places = {"root": request.root, "link": request.link, "bin_dir": request.bin_dir}
    options = {**defaults, **places, "versions": ["1.99.1"], "archive_dir": str(archives), "sources": ["archive"]}
    options["checksums"] = request.checksums
    assert go_toolchain.converge(options, check=False).result["changed"]
    assert not go_toolchain.converge(options, check=False).result["changed"]
    # The declaration is gone.
    absent = {**defaults, "versions": [], "state": "absent", "link": f"{request.link}.other"}
    assert go_toolchain.converge(absent, check=True).result["changed"]
    assert go_toolchain.converge(absent, check=False).result["changed"]
    assert [os.path.lexists(places["root"]), os.path.lexists(places["link"])] == [False, False]
    assert not go_toolchain.converge(absent, check=False).result["changed"]
