# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The build info in real binaries, with `go version -m` as the oracle, and in files that are damaged."""

from __future__ import annotations

import os
import pathlib
import struct
import subprocess
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.build_info import BuildInfo, read_build_info
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.go_binaries import LINES, build_info, elf
from tests.support.time_limit import time_limit

INFO = BuildInfo(
    "go1.22.12",
    "example.com/x/cmd/y",
    "example.com/x",
    "v1.2.3",
    {"-tags": "a,b", "CGO_ENABLED": "0"},
    "go1.22.12\n\t" + LINES.decode().rstrip("\n").replace("\n", "\n\t"),
)


def patched(position: int, layout: str, *values: int) -> bytes:
    """Return a good file with ``values`` written over it at ``position``."""
    content = bytearray(elf(build_info()))
    struct.pack_into(layout, content, position, *values)
    return bytes(content)


def write(path: pathlib.Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


def read_by_go(go: str, path: str) -> BuildInfo:
    """Return what `go version -m` prints about a binary."""
    output = subprocess.run([go, "version", "-m", path], check=True, capture_output=True, text=True).stdout.splitlines()
    fields = [line.split("\t")[1:] for line in output[1:]]
    go = output[0].rpartition(": ")[2]
    only = {kind: rest for kind, *rest in fields if kind in ("path", "mod")}
    return BuildInfo(
        go,
        only["path"][0],
        only.get("mod", ["", ""])[0],
        only.get("mod", ["", ""])[1],
        {words[1].partition("=")[0]: words[1].partition("=")[2] for words in fields if words[0] == "build"},
        "\n".join([go, *output[1:]]),
    )


def toolchains() -> list[pathlib.Path]:
    cache = pathlib.Path(os.environ.get("GOMODCACHE") or pathlib.Path.home() / "go/pkg/mod")
    return sorted(cache.glob("golang.org/toolchain@*"))


def test_agrees_with_go_on_the_programs_of_every_installed_go(goroot: str) -> None:
    roots = [pathlib.Path(goroot), *toolchains()]
    programs = [path for root in roots for path in [*root.glob("bin/*"), *root.glob("pkg/tool/*/vet")]]
    assert len(programs) >= 2
    for program in programs:
        assert read_build_info(str(program)) == read_by_go(f"{goroot}/bin/go", str(program))


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        (["-trimpath", "-tags=b,a"], {"GOARCH": "amd64", "GOAMD64": "v2"}),
        (["-ldflags=-s -w"], {"GOARCH": "arm64"}),
        (["-buildmode=pie"], {"GOARCH": "amd64"}),
        ([], {"GOARCH": "386"}),
        ([], {"GOARCH": "s390x"}),
    ],
    ids=["tags", "stripped", "pie", "32 bits", "big-endian"],
)
def test_agrees_with_go_on_what_it_builds(
    goroot: str, go_cache: str, tmp_path: pathlib.Path, arguments: list[str], variables: dict[str, str]
) -> None:
    (tmp_path / "go.mod").write_text("module example.com/hello\n\ngo 1.21\n")
    (tmp_path / "main.go").write_text("package main\n\nfunc main() {}\n")
    go, binary = f"{goroot}/bin/go", str(tmp_path / "hello")
    env = dict(os.environ, GOTOOLCHAIN="local", CGO_ENABLED="0", GOOS="linux", GOCACHE=go_cache, **variables)
    subprocess.run([go, "build", *arguments, "-o", binary, "."], cwd=tmp_path, env=env, check=True)
    info = read_build_info(binary)
    assert info == read_by_go(go, binary)
    assert info.module == "example.com/hello"
    assert info.settings["GOARCH"] == variables["GOARCH"]


def test_reads_each_field(tmp_path: pathlib.Path) -> None:
    assert read_build_info(write(tmp_path / "x", elf(build_info()))) == INFO


def test_a_replaced_main_module_has_no_version(tmp_path: pathlib.Path) -> None:
    lines = b"path\texample.com/x\nmod\texample.com/x\tv1.2.3\n=>\t../x\t(devel)\t\ndep\tz\tv1\n=>\ty\tv2\n"
    assert read_build_info(write(tmp_path / "x", elf(build_info(lines=lines)))).version == ""


def test_only_the_needed_sections_are_read(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path / "x", elf(build_info()))
    os.truncate(path, 1 << 40)
    assert read_build_info(path) == INFO


def test_each_section_costs_the_length_of_the_searched_name(tmp_path: pathlib.Path) -> None:
    count, names = 65535, 4 * 1024 * 1024
    header = b"\x7fELF\2\1\1" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 0, 64 + names, 0, 64, 0, 0, 64, count, 0)
    first = struct.pack("<2I4Q", 0, 3, 0, 0, 64, names) + bytes(24)
    rest = (struct.pack("<2I4Q", 1, 1, 0, 0, 0, 0) + bytes(24)) * (count - 1)
    path = write(tmp_path / "x", header + b"a" * names + first + rest)
    with time_limit(4), pytest.raises(DevserverError, match="no section"):
        read_build_info(path)


def cut(content: bytes) -> bytes:
    return content[:-1]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "truncated"),
        (b"#!/bin/sh\nexec gopls\n", "not an ELF file"),
        (b"\x7fELF\2\1\1" + bytes(100), "section table is broken"),
        (cut(elf(build_info())), "truncated"),
        (elf(build_info())[:100], "truncated"),
        (patched(40, "<Q", 1 << 63), "section table is broken"),
        (patched(58, "<HH", 65535, 65535), "section table is broken"),
        (patched(58, "<H", 39), "section table is broken"),
        (patched(62, "<H", 3), "section table is broken"),
        (patched(64 + 64 + 4, "<IQQQQ", 8, 0, 0, 0, 1 << 50), "section table is broken"),
        (patched(64 + 128 + 32, "<Q", 1 << 50), "truncated"),
        (elf(build_info()).replace(b".go.buildinfo", b".go.othersort"), "no section"),
        (elf(build_info(flags=0)), "Go 1.17 or earlier"),
        (elf(build_info(lines=b"")), "without modules"),
        (elf(build_info(go=b"")), "without modules"),
        (elf(cut(build_info())), "incomplete"),
        (elf(build_info()[:32] + b"\xff" * 20), "incomplete"),
        (elf(build_info()[:20]), "no header"),
        (elf(bytes(64)), "no header"),
    ],
)
def test_an_unreadable_binary_raises_one_error(tmp_path: pathlib.Path, content: bytes, reason: str) -> None:
    path = write(tmp_path / "x", content)
    with pytest.raises(DevserverError, match=reason) as caught:
        read_build_info(path)
    assert path in str(caught.value)


def missing(path: pathlib.Path) -> None:
    """Leave nothing there."""


@pytest.mark.parametrize(
    ("make", "why"),
    [(missing, "No such file"), (pathlib.Path.mkdir, "directory|regular"), (os.mkfifo, "regular file")],
)
def test_a_binary_that_is_not_a_file_raises_one_error(
    tmp_path: pathlib.Path, make: t.Callable[[pathlib.Path], None], why: str
) -> None:
    make(tmp_path / "x")
    with pytest.raises(DevserverError, match=why):
        read_build_info(str(tmp_path / "x"))


patches = st.lists(st.tuples(st.integers(0, len(elf(build_info())) - 1), st.integers(0, 255)), max_size=12)


@settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changed=patches, length=st.none() | st.integers(0, len(elf(build_info()))))
def test_a_damaged_file_raises_at_most_an_error(
    tmp_path: pathlib.Path, changed: list[tuple[int, int]], length: int | None
) -> None:
    content = bytearray(elf(build_info()))
    for position, value in changed:
        content[position] = value
    try:
        read_build_info(write(tmp_path / "x", bytes(content[:length])))
    except DevserverError as error:
        assert str(tmp_path) in str(error)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=400), bits=st.sampled_from([1, 2]), order=st.sampled_from([1, 2]))
def test_garbage_after_the_elf_magic_raises_an_error(
    tmp_path: pathlib.Path, content: bytes, bits: int, order: int
) -> None:
    with pytest.raises(DevserverError):
        read_build_info(write(tmp_path / "x", b"\x7fELF" + bytes([bits, order, 1]) + bytes(9) + content))
