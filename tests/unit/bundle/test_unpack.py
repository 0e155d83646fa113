# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real plays with the action plugin, over "hosts" that are directories of this machine."""

from __future__ import annotations

import concurrent.futures
import contextlib
import glob
import hashlib
import os
import pathlib
import subprocess
import time
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._bundle.archive import open_bundle
from ansible_collections.gopherops.devserver.plugins.module_utils._bundle.go_bundle_unpack import (
    ARGUMENT_SPEC,
    converge,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._bundle.signature import sign_manifest
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.platform import this_platform
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.cache import ToolCache

from tests.support.controller import Controller
from tests.support.playbooks import Playbooks

TOOL = b"a binary" * 100
KEY = "x-v1.0.0-go1.22.12-linux-amd64-0011223344556677"
FILES = {
    f"toolchains/go1.22.12.{this_platform().archive}.tar.gz": b"go" * 99,
    "modules/example.com/x/@v/v1.0.0.zip": b"zip",
    "extensions/x-1.vsix": b"vsix",
    f"tools/{KEY}/{hashlib.sha256(TOOL).hexdigest()}": TOOL,
}


class BundleController(Controller):
    """A controller that unpacks a bundle on its hosts."""

    def play(self, hosts: str, file: pathlib.Path | str, *, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        """Return the result of the module on each host."""
        root = f"{self.directory}/{{{{ inventory_hostname }}}}/bundle"
        paths = {"file": str(file), "root": root, "tools_cache_dir": str(self.cache)}
        arguments = {**paths, "record": False, **options}
        return self.play_task(hosts, {"gopherops.devserver.go_bundle_unpack": arguments}, check=check)

    def placed(self, host: str) -> dict[str, bytes]:
        root = self.directory / host / "bundle"
        files = {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}
        return {name: path.read_bytes() for name, path in files.items() if name != ".lock"}


@pytest.fixture
def controller(tmp_path: pathlib.Path, playbooks: Playbooks) -> BundleController:
    (tmp_path / "controller").mkdir()
    return BundleController(tmp_path / "controller", playbooks)


def test_hosts_get_the_files_and_the_cache_gets_the_tools(controller: BundleController, packed: t.Any) -> None:
    bundle = packed(FILES)
    planned = controller.play("a,b", bundle, check=True)
    assert [controller.placed("a"), controller.cache.exists(), controller.calls] == [{}, False, 4]
    completed = controller.play("a,b", bundle)
    assert controller.calls == 4 + 6
    assert [completed[name]["diff"] for name in "ab"] == [planned[name]["diff"] for name in "ab"]
    assert [completed[name]["changed"] for name in "ab"] == [planned[name]["changed"] for name in "ab"] == [True, True]
    with open_bundle(str(bundle)) as opened:
        expected = {name: content for name, content in FILES.items() if not name.startswith("tools/")}
        expected["manifest.json"] = opened.text.encode()
        assert completed["a"]["manifest_sha256"] == opened.sha256
    assert controller.placed("a") == controller.placed("b") == expected
    assert (controller.cache / KEY / hashlib.sha256(TOOL).hexdigest()).read_bytes() == TOOL
    assert [KEY] in [result["cached"] for result in completed.values()]
    assert controller.leftovers() == []


def test_a_complete_host_costs_one_call_and_no_transfer(controller: BundleController, packed: t.Any) -> None:
    bundle = packed(FILES)
    controller.play("a", bundle)
    before = controller.calls
    result = controller.play("a", bundle)["a"]
    assert (result["changed"], result["cached"], controller.calls - before) == (False, [], 1)
    assert "invocation" not in result


def test_an_empty_file_changes_nothing_without_a_call_of_the_module(controller: BundleController) -> None:
    result = controller.play("a", "")["a"]
    assert (result["changed"], controller.calls, controller.placed("a")) == (False, 0, {})
    defaults = {name: option.get("default") for name, option in ARGUMENT_SPEC.items()}
    assert converge(defaults, check=False).result == {"changed": False}


def test_a_removal_needs_no_bundle_and_removes_only_what_a_bundle_has_filled(
    controller: BundleController, packed: t.Any
) -> None:
    controller.play("a", packed(FILES))
    root = controller.directory / "a/bundle"
    planned = controller.play("a", "", check=True, state="absent")["a"]
    assert (planned["changed"], root.exists()) == (True, True)
    assert controller.play("a", "/nonexistent", state="absent")["a"]["diff"] == planned["diff"]
    assert not root.exists()
    root.mkdir()
    (root / "mine").touch()
    assert not controller.play("a", "", state="absent")["a"]["changed"]
    assert (root / "mine").exists()


def test_a_damaged_or_other_tool_in_the_cache_is_replaced(controller: BundleController, packed: t.Any) -> None:
    bundle = packed(FILES)
    controller.play("a", bundle)
    directory = controller.cache / KEY
    (path,) = directory.glob("[0-9a-f]*")
    path.write_bytes(b"damaged")
    assert controller.play("a", bundle)["a"]["cached"] == [KEY]
    path.rename(directory / hashlib.sha256(b"other").hexdigest()).write_bytes(b"other")
    assert controller.play("a", bundle)["a"]["cached"] == [KEY]
    assert [found.read_bytes() for found in directory.glob("[0-9a-f]*")] == [TOOL]


def waiting_for(path: pathlib.Path) -> bool:
    """Return whether another process has the file open."""
    # Unlike pathlib's glob, this one skips processes that exit meanwhile.
    for link in map(pathlib.Path, glob.iglob("/proc/[0-9]*/fd/*")):
        # The process has exited, or may not be inspected.
        with contextlib.suppress(OSError):
            if link.parts[2] != str(os.getpid()) and os.readlink(link) == str(path):
                return True
    return False


def test_a_tool_that_another_run_cached_is_not_cached_again(controller: BundleController, packed: t.Any) -> None:
    bundle = packed(FILES)
    cache = ToolCache(str(controller.cache))
    digest = hashlib.sha256(TOOL).hexdigest()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        with cache.claim(KEY, timeout=0):
            play = pool.submit(controller.play, "a", bundle)
            while not waiting_for(controller.cache / KEY / ".lock"):
                assert not play.done(), play.result()
                time.sleep(0.1)
            cache.store(KEY, digest, lambda path: pathlib.Path(path).write_bytes(TOOL))
            stored = (controller.cache / KEY / digest).stat().st_ino
        assert play.result()["a"]["cached"] == []
    assert (controller.cache / KEY / digest).stat().st_ino == stored


def flipped(bundle: pathlib.Path, content: bytes) -> None:
    data = bundle.read_bytes()
    place = data.index(content)
    bundle.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])


@pytest.mark.parametrize("check", [True, False], ids=["check", "run"])
@pytest.mark.parametrize("content", [b"go" * 99, TOOL], ids=["toolchain", "tool"])
def test_a_flipped_bit_changes_nothing_anywhere(
    controller: BundleController, packed: t.Any, content: bytes, check: bool
) -> None:
    bundle = packed(FILES)
    flipped(bundle, content)
    result = controller.play("a", bundle, check=check)["a"]
    assert "differs from its manifest" in result["msg"]
    assert controller.placed("a") == {}
    kept = [path for path in controller.cache.rglob("*") if path.name != ".lock" and path.is_file()]
    assert not kept or content != TOOL


@pytest.fixture
def key(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    (tmp_path / "allowed").write_text("builds@x " + path.with_suffix(".pub").read_text())
    return path


def test_a_bundle_with_a_valid_signature_is_placed(
    controller: BundleController, packed: t.Any, key: pathlib.Path
) -> None:
    with open_bundle(str(packed(FILES))) as opened:
        text, sha256 = opened.text, opened.sha256
    signed = packed(FILES, signature=sign_manifest(text, str(key)))
    options = {"sha256": sha256.upper(), "allowed_signers": str(key.parent / "allowed")}
    assert controller.play("a", signed, **options)["a"]["signer"] == "builds@x"


BAD: dict[str, tuple[dict[str, str], str]] = {
    "another digest": ({"sha256": "0" * 64}, "is another bundle"),
    "not signed": ({"allowed_signers": "{directory}/allowed"}, "signature of the bundle is invalid"),
    "no signers": ({"allowed_signers": "{directory}/none"}, "allowed_signers (allowed_signers) is '{directory}/none'"),
    "a relative path": ({"file": "bundle.tar"}, "absolute path"),
    "no file": ({"file": "/nowhere.tar"}, "/nowhere.tar"),
    "a directory": ({"file": "{directory}"}, "{directory}"),
    "no bundle": ({"file": "{directory}/allowed"}, "{directory}/allowed"),
    "a relative root": ({"root": "x"}, "absolute path"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_rejected_bundle_changes_nothing(
    controller: BundleController, packed: t.Any, key: pathlib.Path, case: str
) -> None:
    overrides, word = BAD[case]
    options = {name: value.format(directory=key.parent) for name, value in overrides.items()}
    file = pathlib.Path(options.pop("file", packed(FILES)))
    result = controller.play("a", file, **options)["a"]
    assert word.format(directory=key.parent) in result["msg"], result
    assert "Traceback" not in str(result)
    assert (controller.placed("a"), controller.cache.exists()) == ({}, False)
