# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files read from a bundle match its manifest, also if the bundle was damaged."""

from __future__ import annotations

import io
import pathlib
import subprocess
import tarfile
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._bundle.archive import (
    MANIFEST,
    open_bundle,
    open_transfer,
    write_bundle,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._bundle.manifest import Entry, Manifest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import LARGEST, read_text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FILES = {
    "modules/example.com/x/@v/v1.0.0.zip": bytes(range(256)) * 5,
    "extensions/x.vsix": b"x" * 600,
    "modules/" + "long/" * 40 + "x": b"",
}


def contents(path: pathlib.Path, directory: pathlib.Path) -> dict[str, bytes]:
    """Return the content of all files in a bundle."""
    directory.mkdir()
    found = {}
    with open_bundle(str(path)) as bundle:
        for number, entry in enumerate(bundle.manifest.files):
            bundle.files.verify(entry)
            bundle.files.extract(entry, str(directory / str(number)))
            found[entry.path] = (directory / str(number)).read_bytes()
    return found


def test_a_bundle_returns_the_written_files(packed: t.Any, tmp_path: pathlib.Path) -> None:
    path = packed(FILES)
    assert contents(path, tmp_path / "out") == FILES
    with open_bundle(str(path)) as bundle:
        assert bundle.signature == ""


def test_the_same_content_gives_the_same_bytes_in_any_order(packed: t.Any) -> None:
    one = packed(FILES, "one.tar").read_bytes()
    assert one == packed(dict(reversed(FILES.items())), "two.tar").read_bytes()


@pytest.fixture(scope="module")
def counter() -> t.Iterator[int]:
    return iter(range(1_000_000))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_flipped_bit_is_found_or_has_no_effect(
    packed: t.Any, tmp_path: pathlib.Path, counter: t.Iterator[int], data: st.DataObject
) -> None:
    good = packed(FILES).read_bytes()
    place = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[place] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path / "bad.tar"
    path.write_bytes(bad)
    try:
        found = contents(path, tmp_path / f"out{next(counter)}")
    except DevserverError:
        return
    # Only the signature protects the manifest's own text; no content may differ from its entry.
    with open_bundle(str(path)) as bundle:
        listed = {entry.path: entry.size for entry in bundle.manifest.files}
    assert {name: len(content) for name, content in found.items()} == listed
    assert set(found.values()) == set(FILES.values())


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_truncated_bundle_is_rejected(
    packed: t.Any, tmp_path: pathlib.Path, counter: t.Iterator[int], data: st.DataObject
) -> None:
    good = packed(FILES).read_bytes()
    path = tmp_path / "bad.tar"
    # The end of a tar consists of zeros, which are not needed.
    path.write_bytes(good[: data.draw(st.integers(0, len(good.rstrip(b"\0")) - 1))])
    with pytest.raises(DevserverError):
        contents(path, tmp_path / f"out{next(counter)}")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE])
def test_a_member_that_is_not_a_file_is_rejected(packed: t.Any, tmp_path: pathlib.Path, kind: bytes) -> None:
    name = "extensions/x.vsix"
    path = tmp_path / "bad.tar"
    with tarfile.open(packed(FILES)) as good, tarfile.open(path, "w") as bad:
        for member in good:
            content = t.cast("t.IO[bytes]", good.extractfile(member)).read()
            if member.name == name:
                member.type, member.linkname, member.size, content = kind, "/etc/passwd", 0, b""
            bad.addfile(member, io.BytesIO(content))
    with pytest.raises(DevserverError, match=name):
        contents(path, tmp_path / "out")


@pytest.mark.parametrize("first", [True, False])
def test_only_the_listed_content_of_members_with_one_name_is_unpacked(
    packed: t.Any, tmp_path: pathlib.Path, first: bool
) -> None:
    name, other = "extensions/x.vsix", b"y" * 600
    path = tmp_path / "bad.tar"
    with tarfile.open(packed(FILES)) as good, tarfile.open(path, "w") as bad:
        for member in good:
            content = t.cast("t.IO[bytes]", good.extractfile(member)).read()
            for body in ([content, other] if first else [other, content]) if member.name == name else [content]:
                bad.addfile(member, io.BytesIO(body))
    try:
        assert contents(path, tmp_path / "out") == FILES
    except DevserverError as error:
        assert name in str(error)


def test_unlisted_members_are_not_unpacked(packed: t.Any, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "bad.tar"
    with tarfile.open(packed(FILES)) as good, tarfile.open(path, "w") as bad:
        for member in good:
            bad.addfile(member, t.cast("t.IO[bytes]", good.extractfile(member)))
        for name in ("/etc/passwd", "../../x", "a/" * 5000 + "x"):
            bad.addfile(tarfile.TarInfo(name))
    assert contents(path, tmp_path / "out") == FILES


def test_a_member_of_another_size_is_not_read(packed: t.Any, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "bad.tar"
    with tarfile.open(packed(FILES)) as good, tarfile.open(path, "w") as bad:
        for member in good:
            content = t.cast("t.IO[bytes]", good.extractfile(member)).read()
            if member.name == "extensions/x.vsix":
                content += b"x"
                member.size += 1
            bad.addfile(member, io.BytesIO(content))
    with pytest.raises(DevserverError, match=r"extensions/x\.vsix.* no such file of this size"):
        contents(path, tmp_path / "out")


@pytest.mark.parametrize("form", ["gnu", "pax"])
@pytest.mark.parametrize("transfer", [False, True], ids=["bundle", "transfer"])
def test_a_sparse_member_is_rejected_before_it_is_written(tmp_path: pathlib.Path, form: str, transfer: bool) -> None:
    name, size = "extensions/x.vsix", 64 << 20
    sparse = Entry(name, size, "0" * 64, "extension", "a sparse file", "")
    (tmp_path / "extensions").mkdir()
    with (tmp_path / name).open("wb") as file:
        file.truncate(size)
    (tmp_path / MANIFEST).write_text(Manifest({}, [sparse]).text())
    path = tmp_path / "bad.tar"
    members = [name] if transfer else [MANIFEST, name]
    subprocess.run(["tar", "-cSf", path, f"--format={form}", "-C", tmp_path, *members], check=True)
    assert path.stat().st_size < 1 << 16
    with pytest.raises(DevserverError, match=f"{name}.* no such file of this size"):
        if transfer:
            with open_transfer(str(path)) as files:
                files.extract(sparse, str(tmp_path / "out"))
        else:
            contents(path, tmp_path / "directory")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("form", ["gnu", "pax"])
def test_a_sparse_manifest_is_rejected(tmp_path: pathlib.Path, form: str) -> None:
    with (tmp_path / MANIFEST).open("wb") as file:
        file.write(Manifest({}, []).text().encode())
        file.seek(1 << 20)
        file.write(b"\n")
    path = tmp_path / "bad.tar"
    subprocess.run(["tar", "-cSf", path, f"--format={form}", "-C", tmp_path, MANIFEST], check=True)
    with pytest.raises(DevserverError, match=f"its first member is not {MANIFEST}"), open_bundle(str(path)):
        pass


@pytest.mark.parametrize("content", [b"", b"x" * 2000, b"\0" * 10240], ids=["empty", "text", "zeros"])
def test_a_file_that_is_not_a_bundle_is_named(tmp_path: pathlib.Path, content: bytes) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(content)
    with pytest.raises(DevserverError, match=str(path)):
        contents(path, tmp_path / "out")


def test_a_manifest_too_large_for_hosts_is_rejected(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "bundle.tar"
    (tmp_path / "manifest").write_text("x" * LARGEST)
    assert read_text(str(tmp_path / "manifest")) == "x" * LARGEST
    with pytest.raises(DevserverError, match="fewer workspaces"):
        write_bundle(str(path), "x" * (LARGEST + 1), "", {})
    assert not path.exists()


def test_files_of_a_killed_run_are_removed_by_the_next(packed: t.Any, tmp_path: pathlib.Path) -> None:
    rest = tmp_path / ".bundle.tar.writing-killed"
    rest.mkdir()
    (rest / "lock").touch()
    (rest / "content").write_text("x" * 1000)
    path = packed(FILES)
    assert not rest.exists()
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []
    assert (path.stat().st_mode & 0o7777) == 0o644


def test_a_failed_write_keeps_the_previous_bundle(packed: t.Any, tmp_path: pathlib.Path) -> None:
    path = packed(FILES)
    before = (path.read_bytes(), sorted(tmp_path.iterdir()))
    with pytest.raises(FileNotFoundError):
        write_bundle(str(path), "{}", "", {"modules/x": str(tmp_path / "nowhere")})
    assert (path.read_bytes(), sorted(tmp_path.iterdir())) == before
