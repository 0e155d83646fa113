# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpacking: what comes out, and that nothing comes out beside the tree."""

from __future__ import annotations

import gzip
import io
import os
import pathlib
import stat
import subprocess
import tarfile
import threading
import typing as t
import zipfile

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.archive import (
    _Forward,
    unpack_tar,
    unpack_zip,
)

PREFIX = "golang.org/toolchain@v0.0.1-go1.99.1.linux-amd64"


class Box:
    """An archive and the directory it is unpacked to, with something precious beside it."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self.archive = directory / "archive"
        self.tree = directory / "tree"
        self.tree.mkdir()
        (directory / "precious").write_text("gold")

    def tar(self, *members: dict[str, t.Any]) -> None:
        with tarfile.open(self.archive, "w:gz") as archive:
            for fields in members:
                content = fields.pop("content", b"")
                info = tarfile.TarInfo(fields.pop("name"))
                info.size = len(content)
                for field, value in fields.items():
                    setattr(info, field, value)
                archive.addfile(info, io.BytesIO(content))
        unpack_tar(str(self.archive), str(self.tree))

    def zip(self, *names: str, attributes: int = 0) -> None:
        with zipfile.ZipFile(self.archive, "w") as archive:
            for name in names:
                info = zipfile.ZipInfo(name)
                info.external_attr = attributes
                archive.writestr(info, "x")
        unpack_zip(str(self.archive), str(self.tree), PREFIX)

    def untouched(self) -> bool:
        beside = {path.name for path in self.directory.iterdir()} == {"archive", "tree", "precious"}
        return beside and (self.directory / "precious").read_text() == "gold"


@pytest.fixture
def box(tmp_path: pathlib.Path) -> Box:
    return Box(tmp_path)


def modes(tree: pathlib.Path) -> dict[str, int]:
    return {str(path.relative_to(tree)): stat.S_IMODE(path.lstat().st_mode) for path in tree.rglob("*")}


def test_modes_of_an_archive_are_normalised(box: Box) -> None:
    os.umask(0o022)
    box.tar(
        {"name": "go/", "type": tarfile.DIRTYPE, "mode": 0o777},
        {"name": "go/bin/go", "mode": 0o700, "content": b"go"},
        {"name": "go/src", "type": tarfile.DIRTYPE, "mode": 0o700},
        {"name": "go/src/a.go", "mode": 0o666, "uid": 12345},
    )
    assert modes(box.tree) == {"bin": 0o755, "bin/go": 0o755, "src": 0o755, "src/a.go": 0o644}
    assert (box.tree / "bin/go").read_bytes() == b"go"
    assert (box.tree / "src/a.go").stat().st_uid == os.geteuid()


def test_a_module_gets_its_execute_bits_and_go_mod_back(box: Box) -> None:
    os.umask(0o022)
    names = [
        "bin/go",
        "pkg/tool/linux_amd64/vet",
        "lib/wasm/go_js_wasm_exec",
        "src/all.bash",
        "src/a.go",
        "src/_go.mod",
    ]
    box.zip(*(f"{PREFIX}/{name}" for name in names))
    files = {name: mode for name, mode in modes(box.tree).items() if (box.tree / name).is_file()}
    assert files == {
        "bin/go": 0o755,
        "pkg/tool/linux_amd64/vet": 0o755,
        "lib/wasm/go_js_wasm_exec": 0o755,
        "src/all.bash": 0o755,
        "src/a.go": 0o644,
        "src/go.mod": 0o644,
    }


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../precious",
        "go/../../precious",
        "go/a/../../../precious",
        "go/{box}/new",
        "precious",
        "go",
        "goo/x",
        "./go/x",
    ],
)
def test_names_that_lead_out_of_the_tree_are_rejected(box: Box, name: str) -> None:
    name = name.format(box=box.directory)
    with pytest.raises(DevserverError, match="cannot be unpacked") as caught:
        box.tar({"name": name, "content": b"lead"})
    assert caught.value.details["entry"] == name
    assert box.untouched()


@pytest.mark.parametrize(
    "name",
    [
        "/precious",
        "../precious",
        f"{PREFIX}/../../../precious",
        f"{PREFIX}/{{box}}/new",
        f"{PREFIX}x/a",
        "a",
        f"{PREFIX}/{'a' * 256}",
        f"{PREFIX}/{'a/' * 4096}a",
    ],
)
def test_a_modules_names_that_lead_out_are_rejected(box: Box, name: str) -> None:
    with pytest.raises(DevserverError, match="cannot be unpacked"):
        box.zip(name.format(box=box.directory))
    assert box.untouched()


def test_a_link_in_a_module_is_an_ordinary_file(box: Box) -> None:
    box.zip(f"{PREFIX}/link", attributes=(stat.S_IFLNK | 0o777) << 16)
    assert not (box.tree / "link").is_symlink()


SYMLINK, HARDLINK = {"type": tarfile.SYMTYPE}, {"type": tarfile.LNKTYPE}


@pytest.mark.parametrize(
    "members",
    [
        [{"name": "go/a", "linkname": "/etc/passwd", **SYMLINK}],
        [{"name": "go/a", "linkname": "../precious", **SYMLINK}],
        [{"name": "go/a", "linkname": ".", **SYMLINK}],
        # Each of the two stays inside by its own words; together they lead out.
        [{"name": "go/x/b", "linkname": "..", **SYMLINK}, {"name": "go/x/a", "linkname": "b/../precious", **SYMLINK}],
        [{"name": "go/a", "linkname": "..", **SYMLINK}, {"name": "go/a/precious", "content": b"lead"}],
        [{"name": "go/a", "linkname": "..", **SYMLINK}, {"name": "go/a/b", "linkname": "precious", **SYMLINK}],
        [{"name": "go/a", "linkname": "../precious", **HARDLINK}],
        [{"name": "go/a", "linkname": "go/missing", **HARDLINK}],
        [{"name": "go/a", "type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}],
        [{"name": "go/a", "type": tarfile.BLKTYPE}],
        [{"name": "go/a", "type": tarfile.FIFOTYPE}],
        [{"name": "go/a", "mode": 0o4755}],
        [{"name": "go/a", "mode": 0o2755}],
        [{"name": "go/a", "content": b"1"}, {"name": "go/a", "content": b"2"}],
        [{"name": "go/a", "content": b"1"}, {"name": "go/a/b", "content": b"2"}],
        [{"name": "go/a/b", "content": b"1"}, {"name": "go/a", "content": b"2"}],
        [{"name": "go/a", "content": b"1"}, {"name": "go/a", "linkname": "b", **SYMLINK}],
        [{"name": "go/a", "linkname": "", **SYMLINK}],
        [{"name": "go/a", "linkname": "go/b", **HARDLINK}, {"name": "go/b", "linkname": "/etc/passwd", **SYMLINK}],
        [{"name": "go/" + "a" * 256, "content": b"1"}],
        [{"name": "go/" + "a/" * 4096 + "a", "content": b"1"}],
        [{"name": "go/a", "linkname": "b" * 5000, **SYMLINK}],
    ],
)
def test_entries_that_go_does_not_support_are_rejected(box: Box, members: list[dict[str, t.Any]]) -> None:
    with pytest.raises(DevserverError, match="cannot be unpacked"):
        box.tar(*(dict(member) for member in members))
    assert box.untouched()


def test_links_inside_the_tree_are_made(box: Box) -> None:
    box.tar(
        {"name": "go/to", "linkname": "a/file", **SYMLINK},
        {"name": "go/hard", "linkname": "go/a/file", **HARDLINK},
        {"name": "go/a/file", "content": b"1"},
    )
    assert os.readlink(box.tree / "to") == "a/file"
    assert (box.tree / "hard").samefile(box.tree / "a/file")


@pytest.mark.parametrize("cut", [0, 20, -30])
def test_a_broken_archive_is_rejected(box: Box, cut: int) -> None:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        info = tarfile.TarInfo("go/a")
        info.size = 100_000
        archive.addfile(info, io.BytesIO(os.urandom(info.size)))
    box.archive.write_bytes(gzip.compress(whole.getvalue())[:cut])
    with pytest.raises(DevserverError, match="cannot be unpacked"):
        unpack_tar(str(box.archive), str(box.tree))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda packed: packed[: len(packed) // 2], "unexpected end of data|truncated"),
        (lambda packed: packed[:-1], "truncated"),
        (lambda packed: packed[:-8] + b"\0" * 8, "incorrect data check|unexpected end of data"),
        (lambda packed: packed + b"more", "data after its end"),
        (lambda packed: b"no gzip at all" + packed, "incorrect header check|empty file"),
    ],
)
def test_an_incomplete_gzip_is_rejected(box: Box, damage: t.Callable[[bytes], bytes], reason: str) -> None:
    # More than a pipe holds, so that the thread which inflates it waits for a reader.
    box.tar({"name": "go/bulk", "content": os.urandom(3_000_000)})
    box.archive.write_bytes(damage(box.archive.read_bytes()))
    (box.tree / "bulk").unlink()
    with pytest.raises(DevserverError, match=reason):
        unpack_tar(str(box.archive), str(box.tree))


def test_a_rejected_member_ends_the_thread(box: Box) -> None:
    before = threading.active_count()
    with pytest.raises(DevserverError, match="setuid"):
        box.tar({"name": "go/su", "mode": 0o4755}, {"name": "go/bulk", "content": os.urandom(3_000_000)})
    assert threading.active_count() == before


def test_a_missing_archive_raises_an_error_without_hanging(box: Box) -> None:
    with pytest.raises(DevserverError, match="No such file"):
        unpack_tar(str(box.archive), str(box.tree))


@pytest.mark.parametrize("form", ["gnu", "pax"])
def test_a_sparse_file_is_rejected(box: Box, tmp_path: pathlib.Path, form: str) -> None:
    (tmp_path / "go").mkdir()
    with (tmp_path / "go/holes").open("wb") as file:
        file.truncate(1 << 20)
    subprocess.run(["tar", "-czSf", box.archive, f"--format={form}", "-C", tmp_path, "go"], check=True)
    with pytest.raises(DevserverError, match="neither a file, a directory nor a link") as caught:
        unpack_tar(str(box.archive), str(box.tree))
    assert caught.value.details["entry"] == "go/holes"


def test_a_stream_seeks_forward_only() -> None:
    stream = _Forward(io.BytesIO(b"0123456789"))
    stream.seek(4)
    assert (stream.tell(), stream.read(2)) == (4, b"45")
    with pytest.raises(io.UnsupportedOperation, match="byte 6 to 5"):
        stream.seek(5)
    stream.seek(20)
    assert stream.tell() == 10
