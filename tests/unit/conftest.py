# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""This machine's own Go, and one that does the same without compiling the standard library for each test anew."""

from __future__ import annotations

import fcntl
import gc
import itertools
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile
import typing as t

import hypothesis
import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._host import records
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.known_good import PACKAGES, SETS

from tests.support.controller import start_playbooks
from tests.support.playbooks import Playbooks

# Where the processes of a run find the build caches that they share.
CACHES = "DEVSERVER_TEST_CACHES"
# What is kept of them for the next run.
KEPT = pathlib.Path(__file__).parents[2] / ".cache/test-builds"
# The fixtures that give a real Go to build with; all others of this kind use them.
BUILDERS = {"goroot", "older_goroot", "tool_of"}
# The product builds with an empty cache and ignores the environment: only the go that it runs can name another. A
# cache is one account's own. What is built is the same, as go takes from a cache what has come of the same inputs.
QUICK = """#!/bin/sh
cache={caches}/$(id -u)
[ ! -w "$cache" ] || export GOCACHE="$cache"
exec {go} "$@"
"""


_numbers = itertools.count()


def pytest_configure(config: pytest.Config) -> None:
    """Set no limits of time for examples; make the caches' directory in the process that starts all others."""
    hypothesis.settings.register_profile("no deadline", deadline=None)
    hypothesis.settings.load_profile("no deadline")
    if hasattr(config, "workerinput"):
        return
    directory = pathlib.Path(tempfile.mkdtemp(prefix="go-caches-"))
    directory.chmod(0o755)
    os.environ[CACHES] = str(directory)
    # What go has started to count itself may still write there.
    config.add_cleanup(lambda: shutil.rmtree(directory, ignore_errors=True))
    # Runs before the removal.
    config.add_cleanup(lambda: keep(directory / KEPT.name))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that compile real Go programs, by the fixtures that they use."""
    for item in items:
        if BUILDERS.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.builds)


def pytest_collection_finish() -> None:
    """Leave what the collection has made out of garbage collections: each forked process would copy all of it."""
    gc.freeze()


def accounts() -> list[pwd.struct_passwd]:
    """Return the accounts that build tools here: this process's own, and the one that root builds as."""
    uids = [os.geteuid(), *([pwd.getpwnam("nobody").pw_uid] if os.geteuid() == 0 else [])]
    return [pwd.getpwuid(uid) for uid in uids]


def builds() -> pathlib.Path:
    """Return the directory of what is kept for the next run: a build cache for each account, and tools.

    It is a copy: the account that builds cannot enter every checkout.
    """
    return once(KEPT.name, restore)


def restore(directory: pathlib.Path) -> None:
    if KEPT.is_dir():
        subprocess.run(["cp", "-a", f"{KEPT}/.", directory], check=True)
    for account in accounts():
        cache = directory / str(account.pw_uid)
        if not cache.is_dir():
            cache.mkdir(mode=0o700)
            os.chown(cache, account.pw_uid, account.pw_gid)


def keep(directory: pathlib.Path) -> None:
    """Replace what was kept, unless nothing was built."""
    if not directory.is_dir():
        return
    KEPT.parent.mkdir(exist_ok=True)
    new = pathlib.Path(tempfile.mkdtemp(prefix=f"{KEPT.name}-", dir=KEPT.parent))
    # Beside what is kept: an interrupted run must not leave it in there.
    previous = new.with_suffix(".previous")
    try:
        subprocess.run(["cp", "-a", f"{directory}/.", new], check=True)
        if KEPT.is_dir():
            KEPT.rename(previous)
        new.rename(KEPT)
    finally:
        shutil.rmtree(previous, ignore_errors=True)
        shutil.rmtree(new, ignore_errors=True)


@pytest.fixture(scope="session")
def goroot() -> str:
    """The tree of this machine's own Go, which any user can read."""
    go = shutil.which("go")
    if not go:
        pytest.skip("no go command on PATH")
    env = dict(os.environ, GOTOOLCHAIN="local")
    done = subprocess.run([go, "env", "GOROOT"], cwd="/", env=env, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def once(name: str, make: t.Callable[[pathlib.Path], object]) -> pathlib.Path:
    """Return the directory ``name``, which all processes of a run share, and which the first caller fills."""
    directory = pathlib.Path(os.environ[CACHES]) / name
    with open(f"{directory}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not directory.exists():
            # So that what was not made whole is not there for the next one.
            unfinished = pathlib.Path(f"{directory}.unfinished")
            unfinished.mkdir(exist_ok=True)
            make(unfinished)
            unfinished.rename(directory)
    return directory


@pytest.fixture(autouse=True)
def _own_records(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the records of what a run has made out of this machine's /etc."""
    monkeypatch.setattr(records, "DIRECTORY", f"{tmp_path_factory.getbasetemp()}/gopherops/{next(_numbers)}")


@pytest.fixture(scope="session")
def shared_directory() -> t.Callable[[str], pathlib.Path]:
    """Return the directory of that name that all processes of a run share, empty at first."""
    return lambda name: once(name, lambda _directory: None)


@pytest.fixture(scope="session")
def playbooks(
    tmp_path_factory: pytest.TempPathFactory, shared_directory: t.Callable[[str], pathlib.Path]
) -> t.Iterator[Playbooks]:
    """What runs the plays of controllers."""
    actions = ["go_bundle_unpack", "go_tool"]
    runner = start_playbooks(tmp_path_factory.mktemp("ansible"), shared_directory("code"), actions)
    yield runner
    runner.close()


@pytest.fixture(scope="session")
def go_cache() -> str:
    """This account's build cache, which all processes of a run share and the next run finds again."""
    return str(builds() / str(os.geteuid()))


@pytest.fixture(scope="session")
def quick_go() -> t.Callable[[str], str]:
    """Return, for the tree of a Go, one whose go is that one with a build cache that all tests of a run share."""

    def make(goroot: str) -> str:
        return str(once("go" + goroot.replace("/", "-"), lambda tree: write_quick_go(tree, goroot)))

    return make


def write_quick_go(tree: pathlib.Path, goroot: str) -> None:
    go = tree / "bin/go"
    go.parent.mkdir()
    go.write_text(QUICK.format(caches=builds(), go=f"{goroot}/bin/go"))
    go.chmod(0o755)


@pytest.fixture(scope="session")
def quick_goroot(goroot: str, quick_go: t.Callable[[str], str]) -> str:
    """The tree of a Go that has compiled what most builds here need: the runtime, for the account that builds."""
    tree = pathlib.Path(quick_go(goroot))
    once("warm", lambda _directory: warm_up(tree))
    return str(tree)


@pytest.fixture(scope="session")
def tool_of() -> t.Callable[..., str]:
    """Return the path of a tool known by name, built once in the given environment of a Go."""

    def build(name: str, line: str, env: t.Mapping[str, str]) -> str:
        package = f"{PACKAGES[name]}@{SETS[line][name]}"
        version = subprocess.run(
            ["go", "env", "GOVERSION"], cwd="/", env=env, check=True, capture_output=True, text=True
        )

        def install(directory: pathlib.Path) -> None:
            argv = ["go", "install", package]
            subprocess.run(argv, cwd="/", env=dict(env, GOBIN=str(directory)), check=True, capture_output=True)

        return str(once(f"{builds().name}/{name}-{SETS[line][name]}-{version.stdout.strip()}", install) / name)

    return build


def warm_up(tree: pathlib.Path) -> None:
    account = accounts()[-1]
    env = {"PATH": os.environ["PATH"], "HOME": str(builds() / str(account.pw_uid)), "GOTOOLCHAIN": "local"}
    subprocess.run(
        [tree / "bin/go", "build", "-trimpath", "runtime"],
        cwd="/",
        env=dict(env, GOENV="off", CGO_ENABLED="0"),
        user=account.pw_uid if os.geteuid() == 0 else None,
        group=account.pw_gid if os.geteuid() == 0 else None,
        check=True,
    )
