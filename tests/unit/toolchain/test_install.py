# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing and switching: sources in order, nothing partial, a second run that changes nothing."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain import in_use, store
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.install import (
    install_toolchains,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.platform import this_platform
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.request import ToolchainRequest

HERE = this_platform()
Make = t.Callable[..., ToolchainRequest]
# The part of a program by which one that Go has built is recognized.
PROGRAM = b"\x7fELF" + b"\0" * 60 + b"\xff Go buildinf:"
Result = dict[str, t.Any]


def run(request: ToolchainRequest, check: bool = False) -> Result:
    return install_toolchains(request, HERE, check=check)


def snapshot(directory: pathlib.Path) -> dict[str, t.Any]:
    """Return every path below ``directory`` with its mode and its content or target."""
    found: dict[str, t.Any] = {}
    for path in sorted(directory.rglob("*")):
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(directory))] = (path.lstat().st_mode, content)
    return found


def go_version(request: ToolchainRequest, name: str = "go") -> str:
    """Return the output of the command ``name`` for a user with it on PATH."""
    env = {"PATH": f"{request.bin_dir}:/usr/bin:/bin"}
    return subprocess.run([name, "version"], env=env, check=True, capture_output=True, text=True).stdout.strip()


def reported(version: str) -> str:
    return f"go version go{version} {HERE.reported}"


def statuses(result: Result) -> dict[str, str]:
    return {item["version"]: item["status"] for item in result["toolchains"]}


# Sources


def test_a_local_archive(make_request: Make, archives: pathlib.Path, old) -> None:
    request = make_request("1.99.1", archive=archives)
    result = run(request)
    assert result["changed"]
    assert result["toolchains"] == [
        {
            "version": "1.99.1",
            "requested": "1.99.1",
            "path": f"{request.root}/1.99.1",
            "status": "installed",
            "source": "archive",
            "location": str(archives / old.tar_name),
            "digest": f"sha256:{old.sha256}",
            "bytes": len(old.tar),
            "altered": None,
        }
    ]
    assert go_version(request) == go_version(request, "go1.99.1") == reported("1.99.1")


def test_a_modules_zip_in_the_local_directory(make_request: Make, tmp_path: pathlib.Path, old) -> None:
    (tmp_path / old.zip_name).write_bytes(old.zip)
    request = make_request("1.99.1", archive=tmp_path, checksums={"1.99.1": {HERE.archive: old.h1}})
    assert run(request)["toolchains"][0]["digest"] == old.h1
    assert go_version(request) == reported("1.99.1")


@pytest.mark.parametrize("source", ["mirror", "official"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_an_http_server_with_archives(make_request: Make, server, old, source: str, slash: str) -> None:
    server.routes[f"/dl/{old.tar_name}"] = old.tar
    result = run(make_request("1.99.1", **{source: f"{server.url}/dl{slash}"}))
    assert result["toolchains"][0]["source"] == source
    assert result["toolchains"][0]["location"] == f"{server.url}/dl/{old.tar_name}"


def test_a_module_proxy(make_request: Make, tls_server, old) -> None:
    tls_server.routes[old.zip_path] = old.zip
    request = make_request("1.99.1", goproxy=tls_server.url, checksums={"1.99.1": {HERE.archive: old.h1}})
    assert run(request)["toolchains"][0]["source"] == "goproxy"
    assert go_version(request) == reported("1.99.1")


def test_both_distributions_give_the_same_tree(make_request: Make, server, archives: pathlib.Path, old) -> None:
    server.routes[old.zip_path] = old.zip
    request = make_request("1.99.1", archive=archives)
    run(request)
    from_archive = snapshot(pathlib.Path(request.root, "1.99.1"))
    other = make_request(
        "1.99.1",
        root=request.root + "2",
        goproxy=server.url,
        order=["goproxy"],
        checksums={"1.99.1": {HERE.archive: old.h1}},
    )
    run(other)
    assert snapshot(pathlib.Path(other.root, "1.99.1")) == from_archive
    assert from_archive["src/go.mod"][1] == b"module std\n"


@pytest.mark.parametrize("order", [["mirror", "official"], ["official", "mirror"]])
def test_the_first_source_with_the_file_serves_it(make_request: Make, server, old, order: list[str]) -> None:
    server.routes = {f"/{source}/{old.tar_name}": old.tar for source in order}
    request = make_request("1.99.1", order=order, **{source: f"{server.url}/{source}" for source in order})
    assert run(request)["toolchains"][0]["source"] == order[0]
    assert server.paths == [f"/{order[0]}/{old.tar_name}"]


def test_the_next_source_is_tried_if_one_is_unreachable(
    make_request: Make, server, tmp_path: pathlib.Path, old
) -> None:
    server.routes[f"/b/{old.tar_name}"] = old.tar
    request = make_request("1.99.1", archive=tmp_path, mirror=server.url + "/a", official=server.url + "/b")
    assert run(request)["toolchains"][0]["source"] == "official"
    assert server.paths == [f"/a/{old.tar_name}", f"/b/{old.tar_name}"]


def test_every_reason_is_in_the_error_if_no_source_serves(
    make_request: Make, server, tmp_path: pathlib.Path, old
) -> None:
    request = make_request("1.99.1", archive=tmp_path, mirror=server.url)
    with pytest.raises(DevserverError) as caught:
        run(request)
    assert f"archive ({tmp_path}/{old.tar_name}): no such file" in str(caught.value)
    assert f"mirror ({server.url}/{old.tar_name}): HTTP 404" in str(caught.value)
    assert "devserver_toolchain_archive_dir" in str(caught.value)


@pytest.mark.parametrize("source", ["archive", "mirror", "goproxy"])
def test_a_wrong_digest_is_an_error(
    make_request: Make, server, tmp_path: pathlib.Path, archives: pathlib.Path, old, new, source: str
) -> None:
    evil = tmp_path / "evil"
    evil.mkdir()
    (evil / old.tar_name).write_bytes(new.tar)
    server.routes[f"/{old.tar_name}"] = new.tar
    server.routes[f"/good/{old.tar_name}"] = old.tar
    server.routes[old.zip_path] = new.zip
    pin = old.h1 if source == "goproxy" else old.sha256
    request = make_request(
        "1.99.1",
        order=[source, "official"],
        official=server.url + "/good",
        checksums={"1.99.1": {HERE.archive: pin}},
        **{source: evil if source == "archive" else server.url},
    )
    with pytest.raises(DevserverError, match=f"from {source} .*wrong digest") as caught:
        run(request)
    details = caught.value.details
    assert details["expected_digest"] == (pin if source == "goproxy" else f"sha256:{pin}")
    assert details["actual_digest"] == (new.h1 if source == "goproxy" else f"sha256:{new.sha256}")
    assert f"/good/{old.tar_name}" not in server.paths
    assert not os.path.lexists(request.link)
    assert not os.path.exists(request.root)


def test_a_page_in_place_of_a_module_is_a_wrong_digest(make_request: Make, server, old) -> None:
    server.routes[old.zip_path] = b"<html>please log in</html>"
    request = make_request("1.99.1", goproxy=server.url, checksums={"1.99.1": {HERE.archive: old.h1}})
    with pytest.raises(DevserverError, match="wrong digest: it is not a readable zip"):
        run(request)


@pytest.mark.parametrize(
    ("pin", "source"),
    [("sha256", "goproxy"), ("h1", "mirror"), ("h1", "official")],
)
def test_a_source_without_a_digest_of_its_kind_is_not_tried(
    make_request: Make, server, old, pin: str, source: str
) -> None:
    request = make_request("1.99.1", checksums={"1.99.1": {HERE.archive: getattr(old, pin)}}, **{source: server.url})
    with pytest.raises(DevserverError, match=f"no source can deliver .*{source} has no (h1|SHA-256)"):
        run(request)
    assert server.requests == []


@pytest.mark.parametrize(
    ("source", "base"),
    [
        ("mirror", "ftp://host/x"),
        ("mirror", "file:///tmp"),
        ("mirror", "host/x"),
        ("mirror", "https://"),
        ("goproxy", "https://[bad"),
        ("goproxy", "https://host:port/"),
        ("official", "https://host/?token=x"),
        ("archive", "relative"),
        ("mirror", "http://me:s3cret@host/"),
    ],
)
def test_an_invalid_location_is_rejected(make_request: Make, source: str, base: str) -> None:
    with pytest.raises(DevserverError, match=rf"toolchain_{source}.* is") as caught:
        run(make_request("1.99.1", **{source: base}))
    assert "s3cret" not in str(caught.value)


def test_credentials_are_in_no_result_error_or_record(make_request: Make, tls_server, old) -> None:
    tls_server.routes[f"/{old.tar_name}"] = old.tar
    request = make_request("1.99.1", mirror=tls_server.url.replace("//", "//me:s3cret@"))
    result = run(request)
    assert result["toolchains"][0]["location"] == f"{tls_server.url}/{old.tar_name}".replace("//", "//***@", 1)
    record = pathlib.Path(request.root, "1.99.1.json").read_text()
    assert "s3cret" not in json.dumps(result) + record
    for routes in ({}, {f"/{old.tar_name}": b"x"}):
        tls_server.routes = routes
        with pytest.raises(DevserverError) as caught:
            run(make_request("1.99.1", root=request.root + "2", mirror=request.bases["mirror"]))
        assert "s3cret" not in str(caught.value) + json.dumps(caught.value.details)


# Versions and places


def test_a_minor_version_is_resolved_and_reported(make_request: Make, archives: pathlib.Path) -> None:
    result = run(make_request("1.99", archive=archives))
    assert (result["toolchains"][0]["version"], result["toolchains"][0]["requested"]) == ("1.99.12", "1.99")
    assert result["default"]["version"] == "1.99.12"


def test_a_patch_is_never_taken_for_a_longer_one(make_request: Make, archives: pathlib.Path) -> None:
    run(make_request("1.99.12", archive=archives))
    request = make_request("1.99.1", archive=archives)
    result = run(request)
    assert statuses(result) == {"1.99.1": "installed"}
    assert go_version(request) == reported("1.99.1")
    assert go_version(request, "go1.99.12") == reported("1.99.12")


@pytest.mark.parametrize(
    ("versions", "given", "message"),
    [
        ([], {}, r"devserver_go_versions \(versions\) is empty"),
        (["go1.99.1"], {}, "drop the prefix"),
        (["1.99.1", "1.99.3"], {}, "no checksum is known for Go 1.99.3"),
        (["1.99.1"], {"default": "1.99.12"}, r"devserver_go_default \(default\) is 1.99.12"),
        (["1.99.1"], {"root": "lib/go"}, r"devserver_toolchain_root \(root\) is 'lib/go'"),
        (["1.99.1"], {"link": "/tmp/x/../y"}, r"devserver_goroot \(link\) is"),
        (["1.99.1"], {"root": "/opt/go", "link": "/opt/go"}, "root.* is /opt/go, inside"),
        (["1.99.1"], {"root": "/opt/go/versions", "link": "/opt/go"}, "root.* is /opt/go/versions, inside"),
        (["1.99.1"], {"bin_dir": "/opt/go/bin", "link": "/opt/go"}, "bin_dir.* is /opt/go/bin, inside"),
        (["1.99.1"], {"root": "/opt/go", "bin_dir": "/opt/go/1.99.1/bin"}, "bin_dir .* the tree of Go 1.99.1"),
        (["1.99.1"], {"root": "/opt/go", "bin_dir": "/opt/go/1.98.0"}, "bin_dir .* the tree of Go 1.98.0"),
        (["1.99.1"], {"root": "/opt/go", "link": "/opt/go/1.99.1"}, "devserver_goroot .* the tree of Go 1.99.1"),
        (
            ["1.99.1"],
            {"root": "/opt/go", "link": "/opt/go/1.99.1/current"},
            "devserver_goroot .* the tree of Go 1.99.1",
        ),
        (["1.99.1"], {"timeout": 0}, r"timeout \(timeout\) is 0.*above 0"),
        (["1.99.1"], {"timeout": -1}, r"timeout \(timeout\) is -1.*above 0"),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_an_invalid_request_writes_nothing(
    make_request: Make,
    archives: pathlib.Path,
    tmp_path: pathlib.Path,
    versions: t.Any,
    given: t.Any,
    message: str,
    check: bool,
) -> None:
    with pytest.raises(DevserverError, match=message):
        run(make_request(*versions, archive=archives, **given), check)
    assert not (tmp_path / "host").exists()


def test_a_directory_that_is_a_link_into_a_tree_is_rejected(
    make_request: Make, archives: pathlib.Path, tmp_path
) -> None:
    request = make_request("1.99.1", archive=archives)
    run(request)
    (tmp_path / "mine").symlink_to(f"{request.root}/1.99.1/bin")
    for place in ({"bin_dir": f"{tmp_path}/mine"}, {"link": f"{tmp_path}/mine/current"}):
        with pytest.raises(DevserverError, match=r"the tree of Go 1\.99\.1"):
            run(dataclasses.replace(request, **place))


def test_links_beside_the_trees_are_ignored(make_request: Make, archives: pathlib.Path) -> None:
    root = make_request("1.99.1").root
    request = make_request("1.99.1", archive=archives, link=f"{root}/current", bin_dir=f"{root}/bin")
    run(request)
    assert not run(request)["changed"]
    assert go_version(request) == reported("1.99.1")


# Second run, switching, check mode


def test_a_second_run_changes_nothing(make_request: Make, archives: pathlib.Path, tmp_path: pathlib.Path) -> None:
    request = make_request("1.99.12", "1.99.1", archive=archives)
    first = run(request)
    before = snapshot(tmp_path)
    second = run(request)
    assert (second["changed"], second["diff"]) == (False, [])
    assert statuses(second) == {"1.99.12": "present", "1.99.1": "present"}
    assert second["toolchains"][0]["digest"] == first["toolchains"][0]["digest"]
    assert snapshot(tmp_path) == before


def test_a_second_run_needs_no_source(make_request: Make, archives: pathlib.Path) -> None:
    run(make_request("1.99.1", archive=archives))
    assert not run(make_request("1.99.1"))["changed"]


def test_switching_the_default_replaces_one_link(make_request: Make, archives: pathlib.Path) -> None:
    versions = ["1.99.12", "1.99.1"]
    run(make_request(*versions, archive=archives))
    request = make_request(*versions, default="1.99.1")
    result = run(request)
    assert [change["before_header"] for change in result["diff"]] == [request.link]
    assert go_version(request) == reported("1.99.1")
    assert go_version(request, "go1.99.12") == reported("1.99.12")


def test_a_version_that_is_not_declared_stays(make_request: Make, archives: pathlib.Path) -> None:
    run(make_request("1.99.1", archive=archives))
    request = make_request("1.99.12", archive=archives)
    assert run(request)["removed"] == []
    assert go_version(request, "go1.99.1") == reported("1.99.1")


def test_exclusive_removes_what_is_not_declared_and_nothing_else(make_request: Make, archives: pathlib.Path) -> None:
    run(make_request("1.99.1", "1.99.12", archive=archives))
    request = make_request("1.99.12", exclusive=True)
    by_hand = pathlib.Path(request.root, "1.98.0")
    by_hand.mkdir()
    planned = run(request, check=True)
    assert go_version(request, "go1.99.1") == reported("1.99.1")
    completed = run(request)
    assert (completed["removed"], completed["diff"]) == (["1.99.1"], planned["diff"])
    removed = [change["before_header"] for change in completed["diff"] if not change["after"]]
    assert removed == [f"{request.bin_dir}/go1.99.1", f"{request.root}/1.99.1"]
    assert sorted(os.listdir(request.bin_dir)) == ["go", "go1.99.12", "gofmt"]
    assert not any(name.startswith("1.99.1.") or name == "1.99.1" for name in os.listdir(request.root))
    assert by_hand.is_dir()
    assert go_version(request) == reported("1.99.12")
    assert not run(request)["changed"]


def test_only_absent_versions_are_removed(make_request: Make, archives: pathlib.Path) -> None:
    run(make_request("1.99.1", "1.99.12", archive=archives))
    assert run(make_request("1.99.12", absent=["1.99.12", "1.98.0"]))["removed"] == []
    request = make_request("1.99.12", absent=["1.99.1"])
    planned, completed = run(request, check=True), run(request)
    assert (completed["removed"], completed["diff"]) == (["1.99.1"], planned["diff"])
    assert sorted(os.listdir(request.bin_dir)) == ["go", "go1.99.12", "gofmt"]
    assert not run(request)["changed"]


def test_exclusive_leaves_a_link_of_another_in_place(make_request: Make, archives: pathlib.Path) -> None:
    run(make_request("1.99.1", archive=archives))
    request = make_request("1.99.12", archive=archives, exclusive=True)
    foreign = pathlib.Path(request.bin_dir, "go1.99.1")
    foreign.unlink()
    foreign.symlink_to("/elsewhere")
    run(request)
    assert os.readlink(foreign) == "/elsewhere"


@pytest.fixture
def obsolete(make_request: Make, archives: pathlib.Path) -> t.Callable[[str], subprocess.Popen[bytes]]:
    """Install both versions, and run a program in the older one's tree for so many seconds."""
    request = make_request("1.99.12", "1.99.1", archive=archives)
    run(request)
    program = shutil.copy(shutil.which("sleep") or "sleep", f"{request.root}/1.99.1/bin/sleep")
    return lambda seconds: subprocess.Popen([program, seconds])


def test_exclusive_keeps_what_is_in_use_until_it_is_not(
    make_request: Make, obsolete: t.Callable[[str], subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_use, "TIMEOUT", 0.3)
    request = make_request("1.99.12", exclusive=True)
    tree, link = f"{request.root}/1.99.1", f"{request.bin_dir}/go1.99.1"
    user = obsolete("600")
    try:
        planned, completed = run(request, check=True), run(request)
        again = run(request)
        version = go_version(dataclasses.replace(request, bin_dir=f"{tree}/bin"))
    finally:
        user.kill()
        user.wait()
    for result in (planned, completed, again):
        assert (result["removed"], result["in_use"]) == ([], ["1.99.1"])
        assert [tree in warning and str(user.pid) in warning for warning in result["warnings"]] == [True]
    assert [change["before_header"] for change in completed["diff"]] == [link]
    assert (planned["diff"], again["diff"], again["changed"]) == (completed["diff"], [], False)
    assert version == reported("1.99.1")
    planned, later = run(request, check=True), run(request)
    assert (later["removed"], later["in_use"], later["warnings"]) == (["1.99.1"], [], [])
    assert [change["before_header"] for change in later["diff"]] == [tree]
    assert (planned["diff"], planned["removed"]) == (later["diff"], later["removed"])
    assert not os.path.lexists(tree)


def test_exclusive_waits_for_processes_that_exit_soon(
    make_request: Make, obsolete: t.Callable[[str], subprocess.Popen[bytes]]
) -> None:
    request = make_request("1.99.12", exclusive=True)
    with obsolete("0.5"):
        # Its parent does not wait for it: what has ended counts as gone nevertheless.
        completed = run(request)
    assert (completed["removed"], completed["in_use"], completed["warnings"]) == (["1.99.1"], [], [])
    assert not os.path.lexists(f"{request.root}/1.99.1")


def test_a_version_in_use_that_is_declared_again_gets_its_link_back(
    make_request: Make, obsolete: t.Callable[[str], subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_use, "TIMEOUT", 0.0)
    request = make_request("1.99.12", "1.99.1")
    with obsolete("600") as user:
        run(make_request("1.99.12", exclusive=True))
        result = run(request)
        user.kill()
    assert statuses(result) == {"1.99.12": "present", "1.99.1": "present"}
    assert go_version(request, "go1.99.1") == reported("1.99.1")


def test_check_mode_reports_the_same_and_writes_nothing(
    make_request: Make, server, old, new, tmp_path: pathlib.Path
) -> None:
    server.routes = {f"/{item.tar_name}": item.tar for item in (old, new)}
    request = make_request("1.99.12", "1.99.1", mirror=server.url)
    planned = run(request, check=True)
    assert not (tmp_path / "host").exists()
    assert server.requests == []
    assert statuses(planned) == {"1.99.12": "would_install", "1.99.1": "would_install"}
    completed = run(request)
    assert (planned["changed"], planned["diff"]) == (completed["changed"], completed["diff"])
    assert not run(request, check=True)["changed"]


# What is there already


def test_go_in_the_place_of_a_link_is_moved_aside(make_request: Make, archives: pathlib.Path) -> None:
    expected = make_request("1.99.1", archive=archives)
    tree, program = pathlib.Path(expected.link), pathlib.Path(expected.bin_dir, "go")
    for name in ("bin/go", "VERSION", "src/fmt/print.go"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("mine")
    program.parent.mkdir()
    program.write_bytes(PROGRAM)
    planned = run(expected, check=True)
    assert [item["path"] for item in planned["moved_aside"]] == [expected.link, f"{expected.bin_dir}/go"]
    assert (tree / "bin/go").read_text() == "mine"
    aside = {item["path"]: pathlib.Path(item["to"]) for item in run(expected)["moved_aside"]}
    assert aside[expected.link].name.startswith("go.replaced-2")
    assert (aside[expected.link] / "bin/go").read_text() == "mine"
    assert aside[str(program)].read_bytes() == PROGRAM
    assert go_version(expected) == reported("1.99.1")
    assert run(expected)["moved_aside"] == []


# What is no Go, by the names of its files; an empty name is the path itself.
FOREIGN = {
    "a home directory": [".profile", "go/bin/gopls"],
    "a GOPATH": ["bin/go", "pkg/mod/x", "src/x/main.go"],
    "a directory with a VERSION": ["VERSION", "bin/x", "src/x"],
    "an empty directory": [],
    "a file": [""],
}


def make_foreign(path: pathlib.Path, kind: str) -> None:
    if kind != "a file":
        path.mkdir(parents=True)
    for name in FOREIGN[kind]:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text("precious")


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize(
    ("place", "option"),
    [
        ("go", "devserver_goroot (link)"),
        ("bin/go", "devserver_bin_dir (bin_dir)"),
        ("bin/gofmt", "devserver_bin_dir (bin_dir)"),
        ("bin/go1.99.1", "devserver_bin_dir (bin_dir)"),
    ],
)
def test_nothing_but_go_leaves_the_place_of_a_link(
    make_request: Make, archives: pathlib.Path, tmp_path: pathlib.Path, place: str, option: str, kind: str, check: bool
) -> None:
    path = tmp_path / "host" / place
    path.parent.mkdir(parents=True)
    make_foreign(path, kind)
    before = snapshot(tmp_path)
    with pytest.raises(DevserverError) as error:
        run(make_request("1.99.1", archive=archives), check)
    assert (error.value.details["option"], error.value.details["path"]) == (option, str(path))
    assert error.value.details["found"] in str(error.value)
    assert "nothing, a link, or a " in error.value.expected
    assert error.value.remedy == f"choose another path for {option}, or move {path} away first"
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("kind", [kind for kind in FOREIGN if kind != "an empty directory"])
@pytest.mark.parametrize(("name", "expected"), [("lib/go", "this collection fills"), ("lib/go/1.99.1", "a Go tree")])
def test_a_root_with_other_content_is_left_as_it_is(
    make_request: Make, archives: pathlib.Path, tmp_path: pathlib.Path, name: str, expected: str, kind: str, check: bool
) -> None:
    path = tmp_path / "host" / name
    path.parent.mkdir(parents=True)
    if name != "lib/go":
        (tmp_path / "host/lib/go/.lock").touch()
    make_foreign(path, kind)
    before = snapshot(tmp_path)
    with pytest.raises(DevserverError) as error:
        run(make_request("1.99.1", archive=archives), check)
    assert error.value.details["option"] == "devserver_toolchain_root (root)"
    assert kind == "a file" or expected in error.value.expected
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("name", ["go", "gofmt", "go1.99.1"])
def test_the_trees_link_in_a_programs_place_is_rejected(make_request: Make, archives: pathlib.Path, name: str) -> None:
    request = make_request("1.99.1", archive=archives)
    with pytest.raises(DevserverError, match="the path of a program's link"):
        run(dataclasses.replace(request, link=f"{request.bin_dir}/{name}"))
    assert not os.path.lexists(request.root)


def test_a_foreign_link_is_replaced_and_its_target_stays(make_request: Make, archives: pathlib.Path, tmp_path) -> None:
    request = make_request("1.99.1", archive=archives)
    (tmp_path / "other").mkdir()
    os.makedirs(os.path.dirname(request.link))
    os.symlink(tmp_path / "other", request.link)
    result = run(request)
    change = next(change for change in result["diff"] if change["after_header"] == request.link)
    assert change["before"] == f"link to {tmp_path}/other\n"
    assert (tmp_path / "other").is_dir()
    aside = result["moved_aside"][0]["to"]
    assert (result["moved_aside"][0]["path"], os.readlink(aside)) == (request.link, f"{tmp_path}/other")
    assert [warning for warning in result["warnings"] if aside in warning]
    again = run(request)
    assert (again["changed"], again["moved_aside"], again["warnings"]) == (False, [], [])


def test_a_link_that_leads_to_nothing_is_replaced(make_request: Make, archives: pathlib.Path, tmp_path) -> None:
    request = make_request("1.99.1", archive=archives)
    os.makedirs(request.bin_dir)
    os.symlink(tmp_path / "gone/bin/go", f"{request.bin_dir}/go")
    result = run(request)
    assert (result["moved_aside"], result["warnings"]) == ([], [])
    assert os.readlink(f"{request.bin_dir}/go") == f"{request.link}/bin/go"


def test_links_of_earlier_runs_to_other_places_are_not_moved_aside(
    make_request: Make, archives: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    first = make_request("1.99.1", archive=archives)
    run(first)
    second = dataclasses.replace(
        first,
        root=str(tmp_path / "elsewhere/roots"),
        link=str(tmp_path / "elsewhere/go"),
        earlier_roots=[first.root],
        earlier_links=[first.link],
    )
    result = run(second)
    assert (result["changed"], result["moved_aside"], go_version(second)) == (True, [], reported("1.99.1"))


def broken_trees() -> dict[str, t.Callable[[pathlib.Path], None]]:
    def half(tree: pathlib.Path) -> None:
        (tree / "src/fmt/print.go").unlink()
        (tree.parent / "1.99.1.json").unlink()

    def other_version(tree: pathlib.Path) -> None:
        (tree / "VERSION").write_text("go1.99.12\n")

    def other_go(tree: pathlib.Path) -> None:
        (tree / "bin/go").write_text(f"#!/bin/sh\necho go version go1.99.12 {HERE.reported}\n")

    def no_go(tree: pathlib.Path) -> None:
        (tree / "bin/go").unlink()

    def dead_go(tree: pathlib.Path) -> None:
        (tree / "bin/go").write_bytes(b"\x7fELF")

    def file(tree: pathlib.Path) -> None:
        os.rename(tree, tree.parent / "elsewhere")
        tree.write_text("")

    def link(tree: pathlib.Path) -> None:
        os.rename(tree, tree.parent / "elsewhere")
        tree.symlink_to("elsewhere")

    def record(tree: pathlib.Path) -> None:
        (tree.parent / "1.99.1.json").write_text('{"version": "1.99.1"')

    def other_record(tree: pathlib.Path) -> None:
        path = tree.parent / "1.99.1.json"
        path.write_text(path.read_text().replace("1.99.1", "1.99.12"))

    damages = (half, other_version, other_go, no_go, dead_go, file, link, record, other_record)
    return {damage.__name__: damage for damage in damages}


@pytest.mark.parametrize("damage", broken_trees().values(), ids=broken_trees())
def test_an_incomplete_tree_is_replaced(
    make_request: Make, archives: pathlib.Path, damage: t.Callable[[pathlib.Path], None]
) -> None:
    request = make_request("1.99.1", archive=archives)
    run(request)
    tree = pathlib.Path(request.root, "1.99.1")
    whole = snapshot(tree)
    damage(tree)
    assert statuses(run(request, check=True)) == {"1.99.1": "would_install"}
    assert statuses(run(request)) == {"1.99.1": "installed"}
    assert snapshot(tree) == whole
    assert not tree.is_symlink()
    assert not run(request)["changed"]


EDITS: dict[str, tuple[t.Callable[[pathlib.Path], object], str, str]] = {
    "content": (
        lambda tree: (tree / "src/fmt/print.go").write_text("package fmt // mine\n"),
        "changed",
        "src/fmt/print.go",
    ),
    "mode": (lambda tree: (tree / "src/fmt/print.go").chmod(0o666), "changed", "src/fmt/print.go"),
    "file": (lambda tree: (tree / "src/fmt/mine.go").write_text(""), "added", "src/fmt/mine.go"),
    "link": (lambda tree: (tree / "src/mine").symlink_to("fmt"), "added", "src/mine"),
    "pipe": (lambda tree: os.mkfifo(tree / "src/pipe"), "added", "src/pipe"),
    "loss": (lambda tree: (tree / "bin/gofmt").unlink(), "missing", "bin/gofmt"),
    "program that a group writes": (lambda tree: (tree / "bin/go").chmod(0o775), "changed", "bin/go"),
    "directory that a group writes": (lambda tree: (tree / "src").chmod(0o775), "changed", "src"),
    "directory that all write": (lambda tree: (tree / "src/fmt").chmod(0o1757), "changed", "src/fmt"),
    "tree that all write": (lambda tree: tree.chmod(0o777), "changed", "."),
    "another's program": (lambda tree: os.chown(tree / "bin/go", 1000, 1000), "changed", "bin/go"),
    "another's directory": (lambda tree: os.chown(tree / "src", 1000, -1), "changed", "src"),
    "another's file that was added": (
        lambda tree: ((tree / "mine").touch(), os.chown(tree / "mine", 1000, -1)),
        "added",
        "mine",
    ),
    "list": (lambda tree: (tree.parent / "1.99.1.files").write_text("x"), "changed", "../1.99.1.files"),
    "no list": (lambda tree: (tree.parent / "1.99.1.files").unlink(), "missing", "../1.99.1.files"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_tree_is_named_and_repaired_on_request(make_request: Make, archives: pathlib.Path, edit: str) -> None:
    damage, kind, name = EDITS[edit]
    if "another" in edit and os.geteuid() != 0:
        pytest.skip("only root can give files away")
    request = make_request("1.99.1", archive=archives, verify=True)
    run(request)
    assert not run(request)["changed"]
    tree = pathlib.Path(request.root, "1.99.1")
    whole = snapshot(tree.parent)
    damage(tree)
    installed = store.ToolchainStore(request.root)
    (record,) = installed.records()
    assert installed.differences(record, quick=True) == installed.differences(record)
    assert not run(make_request("1.99.1"))["changed"]
    planned = run(request, check=True)
    repaired = run(request)
    nothing: dict[str, t.Any] = {"count": 1, "changed": [], "added": [], "missing": []}
    assert repaired["toolchains"][0]["altered"] == {**nothing, kind: [name]}
    assert (planned["diff"], planned["toolchains"][0]["altered"]) == (
        repaired["diff"],
        repaired["toolchains"][0]["altered"],
    )
    assert f"{kind} {name}\n" in repaired["diff"][0]["before"]
    assert snapshot(tree.parent) == whole


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_of_root_and_the_stores_owner_are_unchanged(make_request: Make, archives: pathlib.Path) -> None:
    request = make_request("1.99.1", archive=archives, verify=True)
    run(request)
    system_account = 999
    os.chown(request.root, system_account, -1)
    os.chown(f"{request.root}/1.99.1/src", system_account, -1)
    assert not run(request)["changed"]


def test_many_edited_files_are_counted_and_some_are_listed(make_request: Make, archives: pathlib.Path) -> None:
    request = make_request("1.99.1", archive=archives, verify=True)
    run(request)
    for number in range(30):
        pathlib.Path(request.root, f"1.99.1/src/{number:02}.go").write_text("")
    result = run(request, check=True)
    altered = result["toolchains"][0]["altered"]
    assert (altered["count"], altered["added"]) == (30, [f"src/{number:02}.go" for number in range(20)])
    assert result["diff"][0]["before"].endswith("30 in all\n")


# Failures


def test_nothing_is_switched_unless_all_was_fetched(make_request: Make, archives: pathlib.Path, new) -> None:
    run(make_request("1.99.1", archive=archives))
    request = make_request("1.99.12", "1.99.1", archive=archives)
    before = snapshot(pathlib.Path(request.link).parent)
    (archives / new.tar_name).unlink()
    with pytest.raises(DevserverError, match=r"no source serves Go 1\.99\.12"):
        run(request)
    assert snapshot(pathlib.Path(request.link).parent) == before


def test_a_go_that_is_another_version_is_not_installed(make_request: Make, archives: pathlib.Path, old, new) -> None:
    (archives / old.tar_name).write_bytes(new.tar)
    request = make_request("1.99.1", archive=archives, checksums={"1.99.1": {HERE.archive: new.sha256}})
    with pytest.raises(DevserverError, match=r"is not Go 1.99.1 for this host: its VERSION file names go1.99.12"):
        run(request)
    assert not os.path.exists(request.root)


def test_an_unsafe_archive_leaves_nothing(make_request: Make, archives: pathlib.Path, old) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("go/../../../escaped"))
    (archives / old.tar_name).write_bytes(packed.getvalue())
    digest = hashlib.sha256(packed.getvalue()).hexdigest()
    request = make_request("1.99.1", archive=archives, checksums={"1.99.1": {HERE.archive: digest}})
    with pytest.raises(DevserverError, match="leads out of the tree"):
        run(request)
    assert not os.path.exists(request.root)


def test_a_destination_that_cannot_be_written_is_named(make_request: Make, archives: pathlib.Path, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    request = make_request("1.99.1", archive=archives, root=str(tmp_path / "file/go"))
    with pytest.raises(DevserverError, match=f"but {tmp_path}/file is a file of 0 bytes"):
        run(request)


@pytest.mark.skipif(not os.path.isdir("/sys/kernel"), reason="no filesystem that is read-only even for root")
def test_a_read_only_filesystem_is_named(make_request: Make, archives: pathlib.Path) -> None:
    with pytest.raises(DevserverError, match=r"cannot use /sys/kernel/go.*devserver_toolchain_root"):
        run(make_request("1.99.1", archive=archives, root="/sys/kernel/go"))


# Several runs, and runs that are killed

RUN = """
import json, sys
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain import archive, install, store, exchange
request = install.ToolchainRequest(**json.load(sys.stdin))
{}
print(json.dumps(install.install_toolchains(request, install.Platform({!r}), check=False)))
"""


def start(request: ToolchainRequest, hook: str = "") -> subprocess.Popen[str]:
    """Run ``request`` in a process of its own, after ``hook``, and give it its input."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUN.format(hook, HERE.goarch)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    process.stdin.write(json.dumps(request.__dict__))
    process.stdin.close()
    process.stdin = None
    return process


ARRIVED = """
import os
locked = store.locked_directory
def arrive(*args, **more):
    open("{}/%d" % os.getpid(), "w").close()
    return locked(*args, **more)
store.locked_directory = arrive
"""


def test_several_runs_at_once_install_once(make_request: Make, server, old, tmp_path: pathlib.Path) -> None:
    arrived = tmp_path / "arrived"
    arrived.mkdir()

    def respond(handler: http.server.BaseHTTPRequestHandler) -> None:
        # All runs have planned and wait for the lock before the first one continues.
        while len(list(arrived.iterdir())) < 3:
            time.sleep(0.01)
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(old.tar)

    server.routes[f"/{old.tar_name}"] = respond
    request = make_request("1.99.1", mirror=server.url, timeout=60)
    runs = [start(request, ARRIVED.format(arrived)) for _run in range(3)]
    results = [json.loads(run.communicate(timeout=60)[0]) for run in runs]
    assert sorted(result["toolchains"][0]["status"] for result in results) == ["installed", "present", "present"]
    assert sorted(result["changed"] for result in results) == [False, False, True]
    assert len(server.requests) == 1


def test_a_lock_that_is_held_too_long_is_named(
    make_request: Make, archives: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LOCK_TIMEOUT", 0.3)
    request = make_request("1.99.1", archive=archives)
    with (
        store.ToolchainStore(request.root).locked(),
        pytest.raises(DevserverError, match=r"another run has held .*\.lock"),
    ):
        run(request)
    assert statuses(run(request)) == {"1.99.1": "installed"}


KILLED_AT = {
    "fetching": "install.obtain = die",
    "unpacking": "archive._Tree.file = die_at_third",
    "checking": "install.find_fault = die",
    "the old record": "store.os.unlink = die_after_unlink",
    "the new tree": "store.exchange_directories = die",
    "the new tree, half-way": "exchange._exchanged, exchange.os.rename = lambda *_names: False, die_at_rename(2)",
    "the list": "store.sync_directory = die",
    "the record": "store.os.replace = die_at_json",
    "the links": "install.symlinks.Link.make = die",
    "one link": "install.symlinks._point = die",
    "a tree that is no longer declared": "install.ToolchainStore.discard = die",
    "its record": "store.os.unlink = die_before_unlink",
}
DIE = """
import os, signal
def die(*_args, **_more):
    os.kill(os.getpid(), signal.SIGKILL)
whole_file, count, rename, unlink = archive._Tree.file, [0], os.rename, os.unlink
def die_at_third(self, *args, **more):
    whole_file(self, *args, **more)
    count[0] += 1
    count[0] < 3 or die()
def die_after_unlink(path):
    unlink(path)
    path.endswith(".json") and die()
def die_before_unlink(path, **more):
    die() if path.endswith("1.99.1.json") else unlink(path, **more)
def die_at_json(old, new):
    die() if new.endswith(".json") else os.rename(old, new)
def die_at_rename(number):
    def step(*args):
        count[0] += 1
        die() if count[0] == number else rename(*args)
    return step
"""


@pytest.mark.parametrize("point", KILLED_AT)
def test_a_kill_leaves_the_old_or_the_new_and_the_next_run_repairs(
    make_request: Make, archives: pathlib.Path, point: str
) -> None:
    request = make_request("1.99.12", archive=archives, exclusive=True)
    run(make_request("1.99.1", archive=archives))
    # A foreign tree with a record, so that every step of a replacement is taken.
    foreign = pathlib.Path(request.root, "1.99.12")
    foreign.mkdir()
    (foreign / "VERSION").write_text("go1.99.11\n")
    for suffix in ("json", "files"):
        pathlib.Path(request.root, f"1.99.12.{suffix}").write_text("{}")
    killed = start(request, DIE + KILLED_AT[point])
    assert killed.wait(60) == -signal.SIGKILL
    assert go_version(request) in (reported("1.99.1"), reported("1.99.12"))
    planned = run(request, check=True)
    assert planned["changed"]
    repaired = run(request)
    assert repaired["diff"] == planned["diff"]
    assert go_version(request) == reported("1.99.12")
    assert sorted(os.listdir(request.root)) == [".lock", "1.99.12", "1.99.12.files", "1.99.12.json"]
    assert not run(request)["changed"]


def test_a_link_that_a_killed_run_left_is_removed(make_request: Make, archives: pathlib.Path) -> None:
    request = make_request("1.99.1", archive=archives)
    run(request)
    left = pathlib.Path(request.bin_dir, ".go1.99.1.unfinished-4711")
    left.symlink_to("x")
    others = [pathlib.Path(request.bin_dir, name) for name in (".gopls.unfinished-4711", ".go.bak")]
    for other in others:
        other.symlink_to("x")
    planned = run(request, check=True)
    assert [change["before_header"] for change in planned["diff"]] == [str(left)]
    assert run(request)["diff"] == planned["diff"]
    assert not left.is_symlink()
    assert all(other.is_symlink() for other in others)


def test_a_kill_while_the_server_stalls_leaves_no_process_that_writes(make_request: Make, server, old) -> None:
    server.routes[f"/{old.tar_name}"] = lambda handler: time.sleep(2)
    request = make_request("1.99.1", mirror=server.url)
    process = start(request)
    while not server.requests:
        time.sleep(0.01)
    process.kill()
    process.wait()
    server.routes[f"/{old.tar_name}"] = old.tar
    assert statuses(run(request)) == {"1.99.1": "installed"}
    assert store.ToolchainStore(request.root).leftovers() == []
