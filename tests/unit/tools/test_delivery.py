# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One build for a fleet: real plays over several "hosts", which are directories of this machine, and the cache."""

from __future__ import annotations

import hashlib
import os
import pathlib
import shutil
import subprocess
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.cache import ToolCache, default_directory

from tests.support.controller import Controller
from tests.support.playbooks import Playbooks

HELLO = {"package": "example.com/hello", "version": "v1.0.0"}
SECOND = {"package": "example.com/tool/v2", "version": "v2.3.4"}


class Fleet(Controller):
    """A controller that installs tools on its hosts, with a go that counts what it builds."""

    def __init__(self, directory: pathlib.Path, playbooks: Playbooks, goroot: str, proxy: str) -> None:
        super().__init__(directory, playbooks)
        self.proxy = proxy
        self._builds = self.log("builds")
        self.script("go/bin/go", f'[ "$1" != install ] || echo >>{self._builds}\nexec {goroot}/bin/go "$@"')

    @property
    def builds(self) -> int:
        return len(self._builds.read_text().splitlines())

    def play(
        self, hosts: str, *tools: t.Mapping[str, t.Any], check: bool = False, **options: t.Any
    ) -> dict[str, t.Any]:
        """Return the result of the module on each host."""
        root = f"{self.directory}/{{{{ inventory_hostname }}}}"
        places = {"root": f"{root}/tools", "bin_dir": f"{root}/bin", "goroot": str(self.directory / "go")}
        shared = {"goproxy": self.proxy, "cache_dir": str(self.cache), "record": False}
        arguments = {**shared, "tools": tools, **places, **options}
        return self.play_task(hosts, {"gopherops.devserver.go_tool": arguments}, check=check)

    def binary(self, tool_host: str, name: str = "hello") -> pathlib.Path:
        return (self.directory / tool_host / "bin" / name).resolve()

    def cached(self) -> list[pathlib.Path]:
        return [path for path in self.cache.glob("*/*") if path.name != ".lock"]


@pytest.fixture
def fleet(quick_goroot: str, proxy: str, tool_host: t.Any, playbooks: Playbooks) -> Fleet:
    """A fleet of hosts without any tool; the last argument only provides its public directory."""
    return Fleet(tool_host.root.parent, playbooks, quick_goroot, proxy)


def sources(results: t.Mapping[str, t.Any]) -> list[str]:
    return sorted(tool["source"] for result in results.values() for tool in result["tools"])


def test_one_builds_and_the_others_get_copies(fleet: Fleet) -> None:
    planned = fleet.play("a,b,c", HELLO, SECOND, check=True)
    assert {tool["status"] for result in planned.values() for tool in result["tools"]} == {"would_install"}
    assert (fleet.builds, fleet.calls, fleet.cache.exists()) == (0, 3, False)
    completed = fleet.play("a,b,c", HELLO, SECOND)
    assert sources(completed) == ["built"] * 2 + ["copied"] * 4
    assert fleet.builds == 2
    assert [completed[name]["diff"] for name in "abc"] == [planned[name]["diff"] for name in "abc"]
    assert all("shared" not in result and "missing" not in result for result in completed.values())
    assert len({fleet.binary(name).read_bytes() for name in "abc"}) == 1
    for path in fleet.cached():
        assert path.name == hashlib.sha256(path.read_bytes()).hexdigest()
    assert {path.stat().st_mode & 0o777 for path in [fleet.cache, *fleet.cache.iterdir()]} == {0o700}
    before = fleet.calls
    again = fleet.play("a,b,c", HELLO, SECOND, goproxy="off")
    assert [result["changed"] for result in again.values()] == [False] * 3
    assert (fleet.builds, fleet.calls - before) == (2, 3)
    later = fleet.play("d", HELLO, SECOND, goproxy="off")
    assert sources(later) == ["copied"] * 2
    assert subprocess.run([fleet.binary("d")], check=True, capture_output=True, text=True).stderr == "hello\n"
    assert fleet.leftovers() == []


@pytest.mark.parametrize(
    ("tool", "options"), [(HELLO, {"delivery": "build"}), (dict(HELLO, cgo=True), {})], ids=["build", "cgo"]
)
def test_each_host_builds_without_sharing(fleet: Fleet, tool: dict[str, t.Any], options: dict[str, str]) -> None:
    assert sources(fleet.play("a,b", tool, **options)) == ["built"] * 2
    assert fleet.builds == 2
    assert not fleet.cache.exists() or fleet.cached() == []


def test_a_damaged_file_of_the_cache_is_replaced(fleet: Fleet) -> None:
    fleet.play("a", HELLO)
    (cached,) = fleet.cached()
    good = cached.read_bytes()
    os.truncate(cached, 1000)
    assert sources(fleet.play("b", HELLO)) == ["built"]
    assert [path.read_bytes() for path in fleet.cached()] == [good]


def test_a_file_of_the_cache_that_is_another_program_is_not_placed(fleet: Fleet) -> None:
    fleet.play("a", HELLO, SECOND)
    directory = next(fleet.cache.glob("hello-*"))
    other = next(fleet.cache.glob("tool-*/[0-9a-f]*"))
    shutil.rmtree(directory)
    directory.mkdir()
    shutil.copy(other, directory / other.name)
    result = fleet.play("b", HELLO)["b"]
    assert "the copied binary of example.com/hello@v1.0.0 is another one" in result["msg"]
    assert not (fleet.directory / "b/bin").exists()


def test_a_failed_build_fails_on_each_host_and_is_not_cached(fleet: Fleet) -> None:
    results = fleet.play("a,b", HELLO, {"package": "example.com/broken", "version": "v1.0.0"})
    assert ["does not compile" in result["msg"] for result in results.values()] == [True, True]
    assert fleet.cached() == []
    assert not (fleet.directory / "a/bin").exists()


def test_a_cache_that_others_can_write_to_is_rejected(fleet: Fleet) -> None:
    fleet.cache.mkdir()
    fleet.cache.chmod(0o777)
    result = fleet.play("a", HELLO)["a"]
    assert "others can write" in result["msg"]
    assert fleet.builds == 0


@pytest.fixture
def cache(tmp_path: pathlib.Path) -> ToolCache:
    return ToolCache(str(tmp_path / "cache"))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_the_cache_returns_the_stored_files(cache: ToolCache) -> None:
    assert cache.find("x-1") == ""
    with cache.claim("x-1", timeout=0):
        cache.store("x-1", sha256(b"one"), lambda path: pathlib.Path(path).write_bytes(b"one"))
        assert pathlib.Path(cache.find("x-1")).read_bytes() == b"one"
        cache.store("x-1", sha256(b"two"), lambda path: pathlib.Path(path).write_bytes(b"two"))
    assert pathlib.Path(cache.find("x-1")).read_bytes() == b"two"
    assert cache.find("x-2") == ""


def test_the_cache_recovers_from_a_killed_run(cache: ToolCache, tmp_path: pathlib.Path) -> None:
    def anew(path: str) -> None:
        with open(path, "xb") as file:
            file.write(b"one")

    with cache.claim("x-1", timeout=0):
        (tmp_path / "cache/x-1/.incoming").write_bytes(b"half")
        cache.store("x-1", sha256(b"one"), anew)
    assert pathlib.Path(cache.find("x-1")).read_bytes() == b"one"


def test_the_cache_removes_only_its_own_files_of_a_build(cache: ToolCache, tmp_path: pathlib.Path) -> None:
    contents = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("old", "new")}
    build = tmp_path / "cache/tool-v1"
    for name, digest in contents.items():
        with cache.claim("tool-v1", timeout=5):
            (build / "notes").write_text("precious")
            cache.store("tool-v1", digest, lambda path, text=name: pathlib.Path(path).write_text(text))
    assert {path.name for path in build.iterdir()} == {".lock", "notes", contents["new"]}


def test_the_cache_rejects_a_file_with_another_digest(cache: ToolCache, tmp_path: pathlib.Path) -> None:
    with cache.claim("x-1", timeout=0), pytest.raises(DevserverError, match="has another SHA-256"):
        cache.store("x-1", sha256(b"one"), lambda path: pathlib.Path(path).write_bytes(b"two"))
    assert [path.name for path in tmp_path.glob("cache/*/*")] == [".lock"]


def test_a_claim_is_exclusive_and_waiting_for_it_is_bounded(cache: ToolCache) -> None:
    with cache.claim("x-1", timeout=0):
        with cache.claim("x-2", timeout=0):
            pass
        with pytest.raises(DevserverError, match="held the lock"), cache.claim("x-1", timeout=0.2):
            pass
    with cache.claim("x-1", timeout=0):
        pass


def test_a_cache_that_cannot_be_made_raises_an_error_with_its_path(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DevserverError, match="file/cache") as caught:
        ToolCache(str(tmp_path / "file/cache"))
    assert "cache_dir" in caught.value.remedy


@pytest.mark.parametrize("key", ["../x", ".x", "a/b", "", "x\n"])
def test_a_host_cannot_make_the_cache_leave_its_directory(cache: ToolCache, key: str) -> None:
    with pytest.raises(DevserverError, match="not a valid name"):
        cache.find(key)


@pytest.mark.parametrize(
    ("environ", "directory"),
    [
        ({}, "~/.cache/gopherops-devserver/tools"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/gopherops-devserver/tools"),
        ({"XDG_CACHE_HOME": "x"}, "~/.cache/gopherops-devserver/tools"),
    ],
)
def test_the_cache_is_in_the_xdg_directory(environ: dict[str, str], directory: str) -> None:
    assert default_directory(environ) == directory
