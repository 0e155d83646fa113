# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The maintainer's command: what goes into the manifest, and what is rejected."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest

from dev import release
from dev.checkout import Failure
from dev.release import MANIFEST, add, agreed, h1, merged, parse, render

VERSION = "1.98.0"
PLATFORMS = ["linux-amd64", "linux-arm64"]
SUMS = {f"go{VERSION}.linux-amd64.tar.gz": "ab" * 32, f"go{VERSION}.linux-arm64.tar.gz": "cd" * 32}
H1 = "h1:" + "A" * 43 + "="


def as_json(sums: dict[str, str]) -> bytes:
    files = [{"filename": name, "sha256": digest, "kind": "archive"} for name, digest in sums.items()]
    return json.dumps([{"version": "go1.97.0", "files": []}, {"version": f"go{VERSION}", "files": files}]).encode()


def as_list(sums: dict[str, str]) -> bytes:
    return "".join(f"{digest}  {name}\n" for name, digest in sums.items()).encode()


@pytest.fixture
def sources(server: t.Any) -> list[str]:
    """Two sources of a local server: Go's own form, and a file for each archive."""
    server.routes["/dl/?mode=json"] = as_json(SUMS)
    server.routes.update({f"/go/{name}.sha256": digest.encode() for name, digest in SUMS.items()})
    return [f"{server.url}/dl/?mode=json", server.url + "/go/{file}.sha256"]


def test_the_manifest_has_the_form_that_is_written() -> None:
    text = MANIFEST.read_text()
    assert render(text, parse(text)) == text


def test_two_sources_that_agree(sources: list[str]) -> None:
    assert agreed(VERSION, sources, PLATFORMS) == {"linux-amd64": "ab" * 32, "linux-arm64": "cd" * 32}


def test_a_file_with_sums_is_a_source(sources: list[str], tmp_path: pathlib.Path) -> None:
    (tmp_path / "sums").write_bytes(as_list(SUMS))
    assert len(agreed(VERSION, [sources[0], str(tmp_path / "sums")], PLATFORMS)) == 2


def test_a_source_that_is_too_large_is_not_read(
    sources: list[str], server: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "LARGEST", 100)
    with pytest.raises(Failure, match="has more than 100 bytes"):
        agreed(VERSION, sources, PLATFORMS)


def test_versions_of_one_source_alone_are_left_out(sources: list[str], server: t.Any) -> None:
    del server.routes[f"/go/go{VERSION}.linux-arm64.tar.gz.sha256"]
    assert list(agreed(VERSION, sources, PLATFORMS)) == ["linux-amd64"]


@pytest.mark.parametrize(
    ("route", "response", "message"),
    [
        ("/dl/?mode=json", as_json(dict.fromkeys(SUMS, "ef" * 32)), "nothing is written"),
        ("/dl/?mode=json", as_json({}), "no archive of Go 1.98.0 in common"),
        ("/dl/?mode=json", b"[1]", "not a list of releases"),
        ("/dl/?mode=json", b"<html>", "no archive"),
        (f"/go/go{VERSION}.linux-amd64.tar.gz.sha256", b"<html>", "64 hex digits"),
    ],
)
def test_sources_that_differ_or_have_no_data(
    sources: list[str], server: t.Any, route: str, response: bytes, message: str
) -> None:
    server.routes[route] = response
    with pytest.raises(Failure, match=message):
        agreed(VERSION, sources, PLATFORMS)


def test_one_source_is_not_two(sources: list[str]) -> None:
    with pytest.raises(Failure, match="two must agree"):
        agreed(VERSION, [sources[0], sources[0]], PLATFORMS)


@pytest.mark.parametrize(
    ("old", "new", "both"),
    [
        (("-", "-"), ("a", "b"), ("a", "b")),
        (("a", "-"), ("a", "b"), ("a", "b")),
        (("a", "b"), ("-", "-"), ("a", "b")),
    ],
)
def test_known_digests_are_kept(old: tuple[str, str], new: tuple[str, str], both: tuple[str, str]) -> None:
    assert merged(old, new, "Go") == both


@pytest.mark.parametrize("new", [("x", "b"), ("a", "x")])
def test_a_digest_that_changed_is_rejected(new: tuple[str, str]) -> None:
    with pytest.raises(Failure, match="a release never changes"):
        merged(("a", "b"), new, "Go")


@pytest.fixture
def manifest(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A copy of the manifest, with a checksum database that knows the module for amd64."""
    monkeypatch.setattr(release, "h1", lambda _version, platform: H1 if platform == "linux-amd64" else "-")
    path = tmp_path / "manifest.py"
    path.write_text(MANIFEST.read_text())
    return path


def test_a_release_becomes_one_line_for_each_platform(sources: list[str], manifest: pathlib.Path) -> None:
    before = manifest.read_text().splitlines()
    add(VERSION, sources, manifest)
    after = manifest.read_text()
    added = [line for line in after.splitlines() if line not in before]
    assert added == [f"{VERSION} {'ab' * 32} {H1}", f"{VERSION} {'cd' * 32} -"]
    assert len(after.splitlines()) == len(before) + 2
    add(VERSION, sources, manifest)
    assert manifest.read_text() == after


def test_the_checksum_database_alone(manifest: pathlib.Path) -> None:
    add(VERSION, [], manifest)
    assert parse(manifest.read_text())["linux-amd64"][VERSION] == ("-", H1)


def test_where_sources_differ_nothing_is_written(sources: list[str], server: t.Any, manifest: pathlib.Path) -> None:
    before = manifest.read_text()
    server.routes["/dl/?mode=json"] = as_json(dict.fromkeys(SUMS, "ef" * 32))
    with pytest.raises(Failure):
        add(VERSION, sources, manifest)
    assert manifest.read_text() == before


@pytest.mark.parametrize("version", ["", "1.22", "go1.22.12", "1.23rc1"])
def test_only_a_release_can_be_added(version: str, manifest: pathlib.Path) -> None:
    with pytest.raises(Failure, match="name a release"):
        add(version, [], manifest)


class Go:
    """A replacement for go on PATH that records its arguments and environment."""

    def __init__(self, directory: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        monkeypatch.setenv("PATH", str(directory), prepend=":")
        monkeypatch.setenv("GONOSUMDB", "golang.org/*")
        monkeypatch.setenv("GOFLAGS", "-insecure")

    def outputs(self, download: str, code: int = 0, sumdb: str = "sum.example.org") -> None:
        script = f"""#!/bin/sh
[ "$1" = env ] && printf 'https://proxy.example\\n{sumdb}\\n' && exit
echo "$* $GOPROXY $GOSUMDB $GOENV $GONOSUMDB $GOFLAGS" >{self.directory}/query
echo '{download}'
exit {code}
"""
        (self.directory / "go").write_text(script)
        (self.directory / "go").chmod(0o755)


@pytest.fixture
def go(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Go:
    return Go(tmp_path, monkeypatch)


def test_the_database_is_queried_despite_exceptions_in_the_environment(go: Go) -> None:
    go.outputs(json.dumps({"Sum": H1}))
    assert h1(VERSION, "linux-armv6l") == H1
    module = f"golang.org/toolchain@v0.0.1-go{VERSION}.linux-arm"
    query = f"mod download -json {module} https://proxy.example sum.example.org off  -modcacherw\n"
    assert (go.directory / "query").read_text() == query


@pytest.mark.parametrize("reason", ["not found: 404 Not Found", "reading https://proxy.example/x.mod: 403 Forbidden"])
def test_a_module_that_the_proxy_does_not_deliver_has_none(go: Go, reason: str) -> None:
    go.outputs(json.dumps({"Error": reason}), code=1)
    assert h1(VERSION, "linux-amd64") == "-"


@pytest.mark.parametrize(
    ("download", "sumdb", "message"),
    [('{"Error": "SECURITY ERROR"}', "sum.example.org", "SECURITY ERROR"), ("", "off", "GOSUMDB is 'off'")],
)
def test_a_bundle_without_an_allowed_signer_is_rejected(go: Go, download: str, sumdb: str, message: str) -> None:
    go.outputs(download, code=1, sumdb=sumdb)
    with pytest.raises(Failure, match=message):
        h1(VERSION, "linux-amd64")
