# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host gets exactly the files of its bundle, from any previous state and after any interruption."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._bundle.archive import open_bundle
from ansible_collections.gopherops.devserver.plugins.module_utils._bundle.place import (
    ExpectedFiles,
    PlacementResult,
    place_bundle,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.platform import Platform, this_platform

from tests.support.mounts import mounted

HERE = this_platform()
OLD = {
    f"toolchains/go1.22.12.{HERE.archive}.tar.gz": b"go" * 99,
    "modules/example.com/x/@v/v1.0.0.zip": b"zip 1",
    "modules/example.com/x/@v/list": b"v1.0.0\n",
    "modules/example.com/gone/@v/v1.0.0.zip": b"gone",
    "extensions/x-1.vsix": b"x 1",
    "tools/x-1/" + "0" * 64: b"only for the cache",
}
NEW = {
    f"toolchains/go1.22.12.{HERE.archive}.tar.gz": b"go" * 99,
    "modules/example.com/x/@v/v1.1.0.zip": b"zip 2",
    "modules/example.com/x/@v/list": b"v1.1.0\n",
    "extensions/x-2.vsix": b"x 2",
}


class Host:
    """A directory as the host; ``place`` copies a bundle there as the action plugin does."""

    def __init__(self, root: pathlib.Path, packed: t.Any) -> None:
        self.root = root
        self._packed = packed

    def place(
        self, files: t.Mapping[str, bytes], *, check: bool = False, report_missing: bool = False, **fields: t.Any
    ) -> PlacementResult:
        bundle = self._packed(files)
        with open_bundle(str(bundle)) as opened:
            text = opened.text
        defaults = {"root": str(self.root), "manifest": text, "platform": HERE, "verify": False}
        expected = ExpectedFiles(**{**defaults, **fields})
        return place_bundle(expected, str(bundle), report_missing=report_missing, check=check)

    def files(self) -> dict[str, bytes]:
        """Return the files of the host without the lock and the manifest."""
        found = {str(path.relative_to(self.root)): path for path in self.root.rglob("*") if path.is_file()}
        return {name: path.read_bytes() for name, path in found.items() if name not in (".lock", "manifest.json")}

    def directories(self) -> set[str]:
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_dir()}


@pytest.fixture
def bundle_host(tmp_path: pathlib.Path, packed: t.Any) -> Host:
    return Host(tmp_path / "lib/go-bundle", packed)


def here(files: t.Mapping[str, bytes]) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if not name.startswith("tools/")}


def test_a_fresh_host_gets_all_but_the_tools(bundle_host: Host) -> None:
    planned = bundle_host.place(OLD, check=True)
    assert not bundle_host.root.parent.exists()
    completed = bundle_host.place(OLD)
    assert bundle_host.files() == here(OLD)
    assert completed.changes.result() == planned.changes.result()
    assert planned.changes.result()["changed"]
    modes = {path.stat().st_mode & 0o777 for path in bundle_host.root.rglob("*") if path.name != ".lock"}
    assert modes == {0o755, 0o644}
    again = bundle_host.place(OLD)
    assert (again.changes.result(), again.missing) == ({"changed": False, "diff": []}, [])


def test_a_query_returns_what_is_missing_and_changes_nothing(bundle_host: Host) -> None:
    assert sorted(bundle_host.place(OLD, report_missing=True).missing) == sorted(here(OLD))
    assert not bundle_host.root.exists()
    bundle_host.place(OLD)
    result = bundle_host.place(NEW, report_missing=True)
    assert sorted(result.missing) == sorted(name for name in NEW if OLD.get(name) != NEW[name])
    assert bundle_host.files() == here(OLD)


def test_a_newer_bundle_removes_files_it_no_longer_has(bundle_host: Host) -> None:
    bundle_host.place(OLD)
    planned = bundle_host.place(NEW, check=True)
    completed = bundle_host.place(NEW)
    assert completed.changes.result() == planned.changes.result()
    assert bundle_host.files() == NEW
    assert "modules/example.com/gone" not in bundle_host.directories()
    assert not bundle_host.place(NEW).changes


def test_a_bundle_with_fewer_files_needs_no_transfer(bundle_host: Host) -> None:
    bundle_host.place(OLD)
    fewer = {name: content for name, content in OLD.items() if not name.startswith("extensions/")}
    assert bundle_host.place(fewer, report_missing=True).missing == []
    assert bundle_host.files() == here(fewer)
    assert "extensions" not in bundle_host.directories()


def test_files_of_others_stay(bundle_host: Host) -> None:
    bundle_host.place(OLD)
    own = bundle_host.root / "extensions/own.vsix"
    own.write_text("mine")
    bundle_host.place(NEW)
    assert bundle_host.files() == {**NEW, "extensions/own.vsix": b"mine"}


def _write(path: pathlib.Path) -> None:
    path.write_bytes(b"x" * path.stat().st_size)


DAMAGES: dict[str, t.Callable[[pathlib.Path], object]] = {
    "removed": lambda path: path.unlink(),
    "same size": _write,
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "mode": lambda path: path.chmod(0o666),
    "link": lambda path: (path.unlink(), path.symlink_to("/etc/passwd")),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_changed_files_are_replaced(bundle_host: Host, damage: str) -> None:
    bundle_host.place(OLD)
    DAMAGES[damage](bundle_host.root / "extensions/x-1.vsix")
    planned = bundle_host.place(OLD, check=True)
    assert planned.missing == ["extensions/x-1.vsix"]
    assert bundle_host.place(OLD).changes.result() == planned.changes.result()
    assert bundle_host.files() == here(OLD)
    assert not (bundle_host.root / "extensions/x-1.vsix").is_symlink()
    assert not bundle_host.place(OLD).changes


def test_verify_finds_a_change_with_the_same_size_and_time(bundle_host: Host) -> None:
    bundle_host.place(OLD)
    path = bundle_host.root / "extensions/x-1.vsix"
    _write(path)
    os.utime(path, (0, 0))
    assert not bundle_host.place(OLD).changes
    assert bundle_host.place(OLD, check=True, verify=True).missing == ["extensions/x-1.vsix"]


def test_a_file_that_was_only_touched_is_not_replaced(bundle_host: Host) -> None:
    bundle_host.place(OLD)
    (bundle_host.root / "extensions/x-1.vsix").touch()
    assert not bundle_host.place(OLD).changes


def test_a_host_of_another_platform_is_rejected(bundle_host: Host) -> None:
    with pytest.raises(DevserverError, match="no Go for linux-riscv64"):
        bundle_host.place(OLD, platform=Platform("riscv64"), check=True)


def test_a_damaged_transfer_is_not_placed(bundle_host: Host, packed: t.Any) -> None:
    bundle_host.place(OLD)
    with open_bundle(str(packed(NEW, "new.tar"))) as bundle:
        expected = ExpectedFiles(str(bundle_host.root), bundle.text, HERE, False)
    other = {name: content[::-1] for name, content in NEW.items()}
    with pytest.raises(DevserverError, match="differs from its manifest"):
        place_bundle(expected, str(packed(other, "other.tar")), report_missing=False, check=False)
    assert bundle_host.files() == here(OLD)
    assert not bundle_host.place(OLD).changes


def test_a_file_that_disappears_after_the_query_is_left_to_the_next_run(bundle_host: Host, packed: t.Any) -> None:
    bundle_host.place(OLD)
    with open_bundle(str(packed(NEW, "new.tar"))) as bundle:
        expected = ExpectedFiles(str(bundle_host.root), bundle.text, HERE, False)
    fewer = dict(list(NEW.items())[:-1])
    for transfer in ("", str(packed(fewer, "fewer.tar"))):
        with pytest.raises(DevserverError, match="To fix this: run again"):
            place_bundle(expected, transfer, report_missing=False, check=False)
        assert bundle_host.files() == here(OLD)
    assert not bundle_host.place(OLD).changes


def test_the_journal_of_large_bundles_is_read(bundle_host: Host) -> None:
    bundle_host.place(OLD)
    surplus = bundle_host.root / "extensions/previous.vsix"
    surplus.touch()
    paths = ["extensions/previous.vsix", *(f"modules/{'x' * 200}{number}" for number in range(50_000))]
    (bundle_host.root / ".journal").write_text(json.dumps(paths))
    assert bundle_host.place(OLD).changes
    assert not surplus.exists()


@pytest.mark.parametrize("content", ["x", "[", '["../../etc/passwd", 5]', '{"a": 1}', '["/etc/passwd"]'])
def test_a_journal_cannot_name_files_outside_the_root(bundle_host: Host, content: str) -> None:
    bundle_host.place(OLD)
    outside = bundle_host.root.parents[1] / "etc"
    outside.mkdir()
    (outside / "passwd").touch()
    (bundle_host.root / ".journal").write_text(content)
    assert bundle_host.place(OLD).changes
    assert (outside / "passwd").exists()
    assert bundle_host.files() == here(OLD)
    assert not bundle_host.place(OLD).changes


@pytest.mark.parametrize("root", ["lib", "/x/../y", "/x/"])
def test_an_invalid_root_is_rejected(bundle_host: Host, root: str) -> None:
    with pytest.raises(DevserverError, match="absolute path"):
        bundle_host.place(OLD, root=root, check=True)


def killed(bundle_host: Host, files: t.Mapping[str, bytes], call: int) -> bool:
    """Place ``files`` in a process that exits at its ``call``-th change of a name; return whether it was killed."""
    process = os.fork()
    if not process:
        left = [call]

        def dying(function: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
            def run(*arguments: t.Any, **options: t.Any) -> t.Any:
                left[0] -= 1
                if left[0] < 0:
                    os._exit(9)
                return function(*arguments, **options)

            return run

        for name in ("replace", "unlink", "rmdir", "utime"):
            setattr(os, name, dying(getattr(os, name)))
        bundle_host.place(files)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 9


def test_a_kill_at_any_moment_is_repaired_by_the_next_run(bundle_host: Host, tmp_path: pathlib.Path) -> None:
    moments = 0
    while True:
        bundle_host.place(OLD)
        if not killed(bundle_host, NEW, moments):
            break
        moments += 1
        for name, content in bundle_host.files().items():
            if name in NEW or name in OLD:
                assert content in (NEW.get(name), OLD.get(name)), (moments, name)
        assert bundle_host.place(NEW, check=True).changes
        bundle_host.place(NEW)
        assert bundle_host.files() == NEW, moments
        assert not bundle_host.place(NEW).changes
    assert moments > 10


def test_after_a_kill_the_previous_bundle_can_be_placed_again(bundle_host: Host) -> None:
    moments = 0
    bundle_host.place(OLD)
    while killed(bundle_host, NEW, moments):
        moments += 1
        bundle_host.place(OLD)
        assert bundle_host.files() == here(OLD), moments
    assert moments > 10


def test_after_a_kill_a_third_bundle_removes_the_second(bundle_host: Host) -> None:
    moments = 0
    while True:
        bundle_host.place(OLD)
        if not killed(bundle_host, NEW, moments):
            break
        moments += 1
        bundle_host.place({})
        assert bundle_host.files() == {}, moments
    assert moments > 10


def test_a_damaged_record_is_replaced(bundle_host: Host) -> None:
    bundle_host.place(OLD)
    path = bundle_host.root / "manifest.json"
    path.write_text(json.dumps({"schema_version": 1}))
    assert bundle_host.place(OLD, check=True).missing == []
    assert bundle_host.place(OLD).changes
    assert not bundle_host.place(OLD).changes


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("name", ["", "mine", ".incoming-mine/x", "modules/mine"])
def test_a_directory_of_others_is_neither_filled_nor_cleaned(bundle_host: Host, name: str, check: bool) -> None:
    path = bundle_host.root / name
    path.parent.mkdir(parents=True)
    path.write_text("gold")
    with pytest.raises(DevserverError, match=r"devserver_bundle_root \(root\) is ") as error:
        bundle_host.place(OLD, check=check)
    assert error.value.details["path"] == str(bundle_host.root)
    assert [path.read_text() for path in bundle_host.root.parent.rglob("*") if path.is_file()] == ["gold"]


def test_a_full_disk_changes_nothing_and_the_next_run_repairs(bundle_host: Host, tmp_path: pathlib.Path) -> None:
    disk = tmp_path / "lib"
    disk.mkdir()
    large = {f"modules/example.com/x/@v/v1.{number}.0.zip": os.urandom(60_000) for number in range(4)}
    with mounted(disk, "-t", "tmpfs", "-o", "mode=755,size=64k", "devserver-test"):
        bundle_host.place(OLD)
        before = {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()}
        for size in range(64, 2000, 64):
            subprocess.run(["mount", "-o", f"remount,size={size}k", disk], check=True)
            try:
                bundle_host.place(large)
                break
            except DevserverError as error:
                assert f"No space left on device: the file system at {disk} has " in error.problem
                assert error.expected == "about 234.4K of free space"
                assert "devserver_bundle_root (root) to a directory on another file system" in error.remedy
            assert {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()} == before
        assert size > 128
        assert bundle_host.files() == large
        assert not bundle_host.place(large).changes
