# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of a workspace are there before its user builds, and what prevents that is reported with its line."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import typing as t

import pytest

from tests.support.module_proxy import publish_module

from .conftest import Developer

USES = 'package main\n\nimport "example.com/lib"\n\nfunc main() { lib.Hello() }\n'
REQUIRES = "module example.com/shop\n\ngo 1.21\n\nrequire example.com/lib v1.0.0\n"
LIBRARY = {"lib.go": "package lib\n\nfunc Hello() {}\n"}


@pytest.fixture
def shop(developer: Developer) -> Developer:
    """A developer with a program that needs a module of a proxy."""
    (developer.directory / "proxy").mkdir()
    publish(developer, "v1.0.0")
    developer.shop.mkdir()
    developer.own(developer.shop)
    developer.git("init", "--quiet", at=developer.shop)
    write(developer, {"go.mod": REQUIRES, "main.go": USES})
    go(developer, "mod", "tidy")
    developer.commit({}, at=developer.shop)
    # The test compares what the product downloads.
    shutil.rmtree(cached(developer).parent)
    return developer


def publish(developer: Developer, version: str, text: str = LIBRARY["lib.go"]) -> None:
    proxy = developer.directory / "proxy"
    publish_module(
        proxy, "example.com/lib", version, go_mod="module example.com/lib\n\ngo 1.21\n", files={"lib.go": text}
    )


def write(developer: Developer, files: t.Mapping[str, str]) -> None:
    for name, text in files.items():
        (developer.shop / name).parent.mkdir(parents=True, exist_ok=True)
        (developer.shop / name).write_text(text)
    developer.own(developer.shop)


def go(developer: Developer, *words: str) -> str:
    env = {"PATH": os.environ["PATH"], "HOME": str(developer.home), **developer.variables, "GOFLAGS": "-modcacherw"}
    argv = [f"{developer.params['goroot']}/bin/go", *words]
    account = developer.account
    user = {"user": account.uid, "group": account.gid} if os.geteuid() == 0 else {}
    return subprocess.run(argv, cwd=developer.shop, env=env, check=True, capture_output=True, text=True, **user).stdout


def cached(developer: Developer) -> pathlib.Path:
    return developer.home / "go/pkg/mod/example.com/lib@v1.0.0"


def hide_proxy(developer: Developer) -> None:
    (developer.directory / "proxy").rename(developer.directory / "hidden")


def status(developer: Developer) -> str:
    return developer.git("status", "--porcelain", at=developer.shop)


def test_modules_are_downloaded_once(shop: Developer) -> None:
    assert shop.converge(check=True, modules=["."]).result["changed"] and not cached(shop).exists()
    outcome = shop.converge(modules=["."])
    assert outcome.result["changed"] and outcome.failure is None and cached(shop).is_dir()
    assert status(shop) == ""
    hide_proxy(shop)
    again = shop.converge(modules=["."])
    assert not again.result["changed"] and again.failure is None
    (shop.shop / "go.mod").write_text(REQUIRES.replace("v1.0.0", "v1.0.1"))
    assert shop.converge(check=True, modules=["."]).result["changed"]


def test_a_failed_download_is_repeated(shop: Developer) -> None:
    hide_proxy(shop)
    outcome = shop.converge(modules=["."])
    assert outcome.failure and "its modules cannot be downloaded" in str(outcome.failure)
    (shop.directory / "hidden").rename(shop.directory / "proxy")
    assert shop.converge(modules=["."]).failure is None


def test_go_work_is_made_and_extended(shop: Developer) -> None:
    module = "module example.com/{}\n\ngo 1.21\n"
    write(shop, {f"{name}/go.mod": module.format(name) for name in ("a", "b")})
    (shop.shop / "go.mod").unlink()
    (shop.shop / "go.sum").unlink()
    assert shop.converge(modules=["a"]).failure is None
    (shop.shop / "go.work").write_text((shop.shop / "go.work").read_text() + "\n// mine\n")
    outcome = shop.converge(modules=["a", "./b/"])
    assert outcome.result["changed"] and outcome.failure is None
    text = (shop.shop / "go.work").read_text()
    assert "./a" in text and "./b" in text and "// mine" in text
    assert (shop.shop / "go.work").stat().st_uid == shop.account.uid
    assert not shop.converge(modules=["a", "b"]).result["changed"]


def test_a_tracked_go_work_is_never_edited(shop: Developer) -> None:
    write(shop, {"a/go.mod": "module example.com/a\n\ngo 1.21\n", "go.work": "go 1.21\n\nuse .\n"})
    shop.commit({}, at=shop.shop)
    outcome = shop.converge(modules=[".", "a"])
    assert "go.work does not use a" in outcome.warnings[0] and status(shop) == "" and cached(shop).is_dir()


def test_a_wrong_checksum_is_reported_with_its_line_and_repaired_on_request(shop: Developer) -> None:
    good = (shop.shop / "go.sum").read_text()
    digest = good.splitlines()[0].split()[-1]
    bad = good.replace(digest, "h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
    shop.commit({"go.sum": bad}, at=shop.shop)
    outcome = shop.converge(modules=["."])
    assert f"{shop.shop}/go.sum:1: the checksum of example.com/lib@v1.0.0" in str(outcome.failure)
    assert digest in str(outcome.failure) and "repair_checksums: true" in str(outcome.failure)
    assert status(shop) == ""
    repaired = shop.converge(modules=["."], repair_checksums=True)
    assert repaired.failure is None and (shop.shop / "go.sum").read_text() == good
    assert f"{shop.shop}/go.sum" in [part["after_header"] for part in repaired.result["diff"]]


def test_an_incomplete_go_sum_stays_as_it_is(shop: Developer) -> None:
    (shop.shop / "go.sum").unlink()
    shop.commit({}, at=shop.shop)
    outcome = shop.converge(modules=["."])
    assert status(shop) == "" and "go.sum is incomplete" in outcome.warnings[0] and "go mod tidy" in outcome.warnings[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (REQUIRES + "\nreplace example.com/lib => ../gone\n", ["go.mod:7: ../gone has no go.mod"]),
        (REQUIRES.replace("go 1.21", "go 1.99"), ["go.mod:3: go 1.99", "To fix this"]),
    ],
)
def test_a_line_that_go_cannot_follow_is_reported_before_a_download(
    shop: Developer, text: str, words: t.Sequence[str]
) -> None:
    write(shop, {"go.mod": text})
    outcome = shop.converge(modules=["."])
    assert all(word in outcome.warnings[0] for word in words)
    assert not cached(shop).exists() and outcome.failure is None


def test_a_vendor_directory_is_compared_and_nothing_is_downloaded(shop: Developer) -> None:
    go(shop, "mod", "vendor")
    shutil.rmtree(cached(shop).parent)
    shutil.rmtree(shop.home / "go/pkg/mod/cache")
    assert not shop.converge(modules=["."]).warnings
    write(shop, {"go.mod": REQUIRES.replace("v1.0.0", "v1.0.1")})
    outcome = shop.converge(modules=["."])
    assert "vendor does not match go.mod" in outcome.warnings[0] and "'go mod vendor'" in outcome.warnings[0]
    assert not cached(shop).exists()


def test_packages_are_built_in_advance(shop: Developer) -> None:
    # A package without imports needs nothing of the standard library.
    write(shop, {"lib/lib.go": LIBRARY["lib.go"]})
    assert go(shop, "list", "-f", "{{.Stale}}", "./lib").strip() == "true"
    outcome = shop.converge(warm_up=["./lib"])
    assert outcome.failure is None and not outcome.warnings and "go.sum" not in status(shop)
    assert go(shop, "list", "-f", "{{.Stale}}", "./lib").strip() == "false"
    write(shop, {"lib/lib.go": "package lib\n\nvar x = y\n", "go.mod": REQUIRES + "// changed\n"})
    wrong = shop.converge(warm_up=["./lib"])
    assert "'go build' in advance failed" in wrong.warnings[0] and wrong.failure is None


def test_a_version_that_is_not_installed_is_an_error(shop: Developer) -> None:
    outcome = shop.converge(go="1.21.13")
    assert "1.21.13/bin/go is not installed" in str(outcome.failure) and "devserver_go_versions" in str(outcome.failure)
    assert shop.converge(go="1.21.13", check=True).failure is None


def test_a_directory_without_modules_is_left_alone(developer: Developer) -> None:
    developer.shop.mkdir()
    outcome = developer.converge(warm_up=["./..."])
    assert not outcome.result["changed"] and outcome.failure is None
