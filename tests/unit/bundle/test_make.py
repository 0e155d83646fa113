# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle is made whole or not at all, from the same inputs the same bytes, and made once."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import time
import typing as t

import pytest
import yaml
from ansible_collections.gopherops.devserver.plugins.modules import go_bundle

from tests.support.mounts import mounted

COLLECTION = pathlib.Path(go_bundle.__file__).parents[2]
TOOL = {"package": "example.com/tool", "version": "v1.0.0"}


def manifest(site: t.Any) -> t.Any:
    return json.loads(site.members()["manifest.json"])


def snapshot(directory: pathlib.Path) -> dict[str, tuple[int, bytes]]:
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in directory.rglob("*") if path.is_file()}


def test_a_manifest_lists_all_files_of_the_bundle(supplied: t.Any) -> None:
    members = supplied.members()
    assert next(iter(members)) == "manifest.json"
    listed = {file["path"]: (file["size"], file["sha256"]) for file in manifest(supplied)["files"]}
    actual = {name: (len(content), hashlib.sha256(content).hexdigest()) for name, content in members.items()}
    actual.pop("manifest.json")
    assert listed == actual
    kinds = sorted(name.split("/")[0] for name in actual)
    assert kinds == ["modules"] * 8 + ["toolchains", "tools"]
    assert members["modules/example.com/!deep/@v/list"] == b"v0.1.0\n"


def test_check_mode_reports_the_same_and_changes_nothing(site: t.Any) -> None:
    planned = site.make(check=True, goproxy="off")
    assert (planned["changed"], planned["manifest_sha256"], planned["contents"]) == (True, None, {})
    assert (site.file.exists(), list(site.work.iterdir())) == (False, [])
    completed = site.make()
    assert (completed["changed"], completed["diff"]) == (True, planned["diff"])
    assert completed["manifest_sha256"] == hashlib.sha256(site.members()["manifest.json"]).hexdigest()
    assert list(site.work.iterdir()) == []


def test_the_same_inputs_give_the_same_bundle_which_is_made_once(sites_with_one_go: t.Any) -> None:
    """No path of either site may be in the bundle."""
    site, other, cache = sites_with_one_go
    assert site.make()["changed"]
    before = site.file.read_bytes()
    shutil.rmtree(site.proxy)
    shutil.rmtree(site.directory / "archives")
    again = site.make()
    assert (again.get("changed"), again.get("diff")) == (False, []), again
    assert again["contents"]["tool"]["files"] == 1
    # What the other site gets from the cache was compiled in other directories too.
    cache()
    assert other.make()["changed"]
    assert other.file.read_bytes() == before
    assert list(other.work.iterdir()) == []


@pytest.mark.parametrize("damage", ["truncated", "flipped", "no tar"])
def test_a_damaged_bundle_is_made_again(supplied: t.Any, damage: str) -> None:
    good = supplied.file.read_bytes()
    place = good.index(b"\x1f\x8b")  # The gzip of the toolchain.
    flipped = good[:place] + b"\0" + good[place + 1 :]
    supplied.file.write_bytes({"truncated": good[: len(good) // 2], "no tar": b"x", "flipped": flipped}[damage])
    assert supplied.make(check=True)["diff"][0]["before"] == "not a complete bundle\n"
    assert supplied.make(tools=[], workspaces=[])["changed"]
    assert "manifest.json" in supplied.members()


def test_a_workspace_is_only_read(site: t.Any) -> None:
    before = snapshot(site.workspace)
    assert site.make(tools=[])["changed"]
    assert snapshot(site.workspace) == before


@pytest.mark.parametrize("file", ["go.mod", "go.sum"])
def test_a_workspaces_files_are_an_input(supplied: t.Any, file: str) -> None:
    path = supplied.workspace / file
    path.write_text(path.read_text() + "\n")
    assert supplied.make(check=True)["changed"]


def test_a_workspace_of_several_modules(site: t.Any) -> None:
    """go.work in a separate directory, a module beside it that another replaces: all are found and unchanged."""
    site.write_workspace({"../lib/go.mod": "module example.com/lib\n\ngo 1.21\n", "../lib/lib.go": "package lib\n"})
    mod = site.workspace / "go.mod"
    mod.write_text(
        mod.read_text() + "require example.com/lib v0.0.0\n\nreplace (\n\texample.com/lib => ../lib // here\n)\n"
    )
    site.write_workspace({"../all/go.work": 'go 1.21\n\nuse "../shop"\n'})
    result = site.make(workspaces=[str(site.directory / "src/all")], tools=[])
    assert result.get("changed"), result
    files = manifest(site)["inputs"]["workspaces"][0]["files"]
    assert sorted(files) == ["../lib/go.mod", "../shop/go.mod", "../shop/go.sum", "go.work"]
    assert "modules/example.com/dep/@v/v1.2.0.zip" in site.members()
    assert not (site.directory / "src/all/go.work.sum").exists()


def test_modules_of_a_bundle_build_the_workspace(supplied: t.Any, tmp_path: pathlib.Path) -> None:
    for name, content in supplied.members().items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    proxy = (tmp_path / "modules").as_uri()
    env = dict(
        os.environ, GOPROXY=proxy, GOMODCACHE=str(tmp_path / "cache"), GOFLAGS="-modcacherw", GOSUMDB="x.invalid"
    )
    argv = ["go", "run", "."]
    completed = subprocess.run(argv, cwd=supplied.workspace, env=env, capture_output=True, text=True, check=False)
    assert (completed.returncode, completed.stderr) == (0, completed.stderr)
    assert completed.stderr.endswith("deep\n")


def test_a_tool_for_another_platform_is_cross_compiled(site: t.Any) -> None:
    result = site.make(platforms=["linux-s390x"], workspaces=[])
    assert result.get("changed"), result
    (tool,) = (content for name, content in site.members().items() if name.startswith("tools/"))
    assert (tool[:5], int.from_bytes(tool[18:20], "big")) == (b"\x7fELF\x02", 22)  # EM_S390
    (entry,) = (file for file in manifest(site)["files"] if file["kind"] == "tool")
    assert "-linux-s390x-" in entry["path"]
    assert entry["platform"] == "linux-s390x"


def test_a_tool_declared_for_several_users_is_built_once(site: t.Any) -> None:
    tools = [dict(TOOL, users=["alice"]), dict(TOOL, users=["bob"])]
    assert site.make(tools=tools, workspaces=[])["contents"]["tool"]["files"] == 1


BAD: dict[str, tuple[dict[str, t.Any], str]] = {
    "cgo": ({"tools": [dict(TOOL, cgo=True)]}, "cgo"),
    "a Go that is not in the bundle": ({"tools": [dict(TOOL, goroot="/opt/go")]}, "/opt/go"),
    "no version": ({"versions": []}, "devserver_go_versions (versions) is empty"),
    "unknown platform": ({"platforms": ["plan9-amd64"]}, "plan9-amd64"),
    "no workspace": ({"workspaces": ["/usr/bin"]}, "/usr/bin"),
    "no extension": ({"extensions": ["/etc/passwd"]}, "/etc/passwd"),
    "no key": ({"signing_key": "/nowhere"}, "/nowhere"),
    "no directory": ({"file": "/nowhere/x.tar"}, "/nowhere/x.tar"),
    "no source": ({"sources": ["mirror"], "tools": []}, "mirror has no location"),
}


@pytest.mark.parametrize("check", [True, False], ids=["check", "run"])
@pytest.mark.parametrize("case", BAD)
def test_invalid_contents_are_rejected_at_once(supplied: t.Any, case: str, check: bool) -> None:
    options, word = BAD[case]
    before = supplied.file.read_bytes()
    result = supplied.make(check=check, goproxy="off", **options)
    assert result.get("failed") and word in result["msg"], result
    assert supplied.file.read_bytes() == before


def test_a_module_that_differs_from_go_sum_is_rejected(supplied: t.Any) -> None:
    before = supplied.file.read_bytes()
    path = supplied.workspace / "go.sum"
    first, *rest = path.read_text().splitlines(keepends=True)
    path.write_text(f"{first.partition('h1:')[0]}h1:{'A' * 43}=\n" + "".join(rest))
    result = supplied.make()
    assert result.get("failed"), result
    assert "does not verify" in result["msg"]
    assert (supplied.file.read_bytes(), list(supplied.work.iterdir())) == (before, [])


def test_a_tool_that_does_not_build_leaves_the_previous_bundle(supplied: t.Any) -> None:
    before = supplied.file.read_bytes()
    result = supplied.make(tools=[{"package": "example.com/broken", "version": "v1.0.0"}])
    assert "does not compile" in result["msg"]
    assert (supplied.file.read_bytes(), list(supplied.work.iterdir())) == (before, [])


def test_a_killed_run_leaves_the_previous_bundle_and_no_process(supplied: t.Any, site_with_plain_go: t.Any) -> None:
    before = supplied.file.read_bytes()
    site = site_with_plain_go
    site.file.write_bytes(before)
    process = site.start(tools=[dict(TOOL, version="v1.1.0")])
    while not list(site.work.glob("*/*/cache/*/*")):  # go compiles.
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert site.file.read_bytes() == before
    (left,) = site.work.iterdir()
    deadline = time.monotonic() + 30
    while str(left) in subprocess.run(["ps", "-eo", "args"], check=True, capture_output=True, text=True).stdout:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert site.make(tools=[], workspaces=[])["changed"]
    assert list(site.work.iterdir()) == []


def test_leftovers_of_a_killed_run_are_removed_unless_in_use(site: t.Any) -> None:
    dead, used = site.work / "go-bundle-making-dead", site.work / "go-bundle-making-used"
    for directory in (dead, used):
        directory.mkdir()
        (directory / "lock").touch()
    with subprocess.Popen(["flock", used / "lock", "sh", "-c", "echo; read x"], stdin=-1, stdout=-1) as other:
        assert other.stdout and other.stdout.readline()
        assert site.make(tools=[], workspaces=[])["changed"]
        assert list(site.work.iterdir()) == [used]
        other.communicate(b"\n")


def test_an_unfinished_bundle_of_a_killed_run_is_removed(supplied: t.Any) -> None:
    before = supplied.file.read_bytes()
    rest = supplied.directory / ".bundle.tar.writing-killed"
    rest.mkdir()
    (rest / "lock").touch()
    (rest / ".bundle.tar.x").write_text("half of it")
    planned = supplied.make(check=True, goproxy="off")
    assert [one["before_header"] for one in planned["diff"]] == [str(rest)]
    assert rest.exists()
    completed = supplied.make(goproxy="off")
    assert (completed["changed"], completed["diff"], rest.exists()) == (True, planned["diff"], False)
    assert (completed["manifest_sha256"], completed["contents"]) == (planned["manifest_sha256"], planned["contents"])
    assert supplied.file.read_bytes() == before
    assert not supplied.make(goproxy="off")["changed"]


@pytest.mark.parametrize("check", [True, False], ids=["check", "run"])
def test_a_key_that_cannot_sign_is_rejected_before_any_download(
    site: t.Any, tmp_path: pathlib.Path, check: bool
) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", key], check=True)
    shutil.rmtree(site.directory / "archives")
    result = site.make(check=check, signing_key=str(key))
    assert f"cannot be signed by {key}" in result["msg"]


def test_the_role_passes_every_option() -> None:
    (task,) = yaml.safe_load((COLLECTION / "roles/bundle/tasks/make.yml").read_text())
    assert sorted(task["gopherops.devserver.go_bundle"]) == sorted(go_bundle.ARGUMENT_SPEC)


def test_an_unsigned_bundle_is_made_again_before_it_is_signed(supplied: t.Any, tmp_path: pathlib.Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    options = {"signing_key": str(key)}
    before = supplied.file.read_bytes()
    planned = supplied.make(check=True, **options)
    assert planned["changed"]
    assert "failed" in supplied.make(goproxy="off", **options)
    assert supplied.file.read_bytes() == before
    unsigned = supplied.members()
    completed = supplied.make(**options)
    assert (completed.get("changed"), completed.get("diff")) == (True, planned["diff"]), completed
    signed = supplied.members()
    assert list(signed)[:2] == ["manifest.json", "manifest.json.sig"]
    signed.pop("manifest.json.sig")
    assert signed == unsigned
    assert not supplied.make(goproxy="off", **options)["changed"]
    assert not supplied.make(goproxy="off")["changed"]


def test_a_full_work_directory_is_named_and_the_next_run_makes_the_bundle(site: t.Any) -> None:
    with mounted(site.work, "-t", "tmpfs", "-o", "mode=755,size=8k", "devserver-test"):
        only_archives = {"tools": [], "workspaces": [], "file": str(site.work / "bundle.tar")}
        for options in ({}, only_archives):
            result = site.make(**options)
            assert f"the file system at {site.work} has " in result["msg"], result["msg"]
            assert "2G of free space" in result["msg"] or "free about 1 GB" in result["msg"]
            assert os.listdir(site.work) == []
            assert not site.file.exists()
    assert site.make()["changed"]
