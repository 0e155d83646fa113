# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Go's directory hash, against values that the go command itself gave."""

from __future__ import annotations

import pathlib
import zipfile

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain import dirhash
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.dirhash import h1_of_zip

# `go mod download -json example.com/m@v1.0.0` of a module with exactly these files outputs SUM.
FILES = {
    "go.mod": b"module example.com/m\n\ngo 1.21\n",
    "m.go": b"package m\n",
    "sub/\u00c4.txt": "h\u00e9\n".encode(),
    "A.txt": b"",
    "sub-x/y.txt": b"y\n",
}
SUM = "h1:8ikah1GUlBCJTkqx0AR6gF99th684Sg+GfmxLa9qvbo="


def pack(path: pathlib.Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> str:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr("example.com/m@v1.0.0/" + name, content)
    return str(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
@pytest.mark.parametrize("order", [list(FILES), sorted(FILES), sorted(FILES, reverse=True)])
def test_equals_gos_hash_in_any_order_and_compression(
    tmp_path: pathlib.Path, order: list[str], compression: int
) -> None:
    path = pack(tmp_path / "m.zip", {name: FILES[name] for name in order}, compression)
    assert h1_of_zip(path) == SUM


@pytest.mark.parametrize(
    "change",
    [{"m.go": b"package n\n"}, {"more": b""}, {"m.go\u0020": b""}],
    ids=["content", "file", "name"],
)
def test_any_change_changes_the_hash(tmp_path: pathlib.Path, change: dict[str, bytes]) -> None:
    assert h1_of_zip(pack(tmp_path / "m.zip", {**FILES, **change})) != SUM


def test_a_name_with_a_line_break_is_rejected(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="line break"):
        h1_of_zip(pack(tmp_path / "m.zip", {"a\nb": b""}))


def test_a_duplicate_name_is_rejected(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "m.zip"
    with zipfile.ZipFile(path, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a", "1")
        archive.writestr("a", "2")
    with pytest.raises(ValueError, match="twice"):
        h1_of_zip(str(path))


@pytest.mark.parametrize("cut", [0, 10, -1])
def test_an_incomplete_zip_is_rejected(tmp_path: pathlib.Path, cut: int) -> None:
    path = tmp_path / "m.zip"
    path.write_bytes(pathlib.Path(pack(path, FILES)).read_bytes()[:cut])
    with pytest.raises(ValueError, match="not a readable zip"):
        h1_of_zip(str(path))


def test_damage_inside_is_found(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "m.zip"
    content = pathlib.Path(pack(path, {"a": b"x" * 1000}, zipfile.ZIP_STORED)).read_bytes()
    path.write_bytes(content.replace(b"xxx", b"xyx", 1))
    with pytest.raises(ValueError, match="not a readable zip"):
        h1_of_zip(str(path))


def test_a_zip_of_too_many_bytes_is_not_inflated(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pack(tmp_path / "m.zip", {"zeros": b"\0" * 600, "more": b"\0" * 401})
    monkeypatch.setattr(dirhash, "LARGEST", 1001)
    assert h1_of_zip(path)
    monkeypatch.setattr(dirhash, "LARGEST", 1000)
    with pytest.raises(ValueError, match="more than 1000 bytes"):
        h1_of_zip(path)
