# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real processes that were started before dlv or their environment changed."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import time
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._delve import running, units
from ansible_collections.gopherops.devserver.plugins.module_utils._environment import rendered
from ansible_collections.gopherops.devserver.plugins.module_utils._host import user_access

from tests.support.time_limit import time_limit

Outdated = t.Callable[[], list[str]]


@pytest.fixture
def dlv(tmp_path: pathlib.Path) -> pathlib.Path:
    """A link to a program called dlv, in the directory of its version, beside another version."""
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        shutil.copy("/bin/sleep", tmp_path / version / "dlv")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "v1/dlv")
    return link


@pytest.fixture
def environments(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The directory of the environment files: that of the user, and that of the service."""
    monkeypatch.setattr(rendered, "UNITS", str(tmp_path / "users"))
    monkeypatch.setattr(units, "ENVIRONMENT_DIR", str(tmp_path / "services"))
    for name, text in {"users/alice.env": "GOFLAGS=-mod=mod\nPORT=1\n", "services/api.env": 'PORT="2 3"\n'}.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    return tmp_path


def read(pid: int, dlv: pathlib.Path) -> list[str]:
    service = running.read_running("api", "alice", pid, str(dlv), "go1.22.12")
    assert service is not None
    return service.outdated


@pytest.fixture
def outdated(dlv: pathlib.Path, environments: pathlib.Path) -> t.Iterator[Outdated]:
    """Start the service with what its files contain, and return what a restart would give it later."""
    environment = {"GOFLAGS": "-mod=mod", "PORT": "2 3", "HOME": "/"}
    with subprocess.Popen([os.path.realpath(dlv), "60"], env=environment) as process:
        yield lambda: read(process.pid, dlv)
        process.kill()


def test_a_service_with_the_current_files_is_not_outdated(outdated: Outdated) -> None:
    assert outdated() == []


def test_another_dlv_is_found(outdated: Outdated, dlv: pathlib.Path, tmp_path: pathlib.Path) -> None:
    dlv.unlink()
    dlv.symlink_to(tmp_path / "v2/dlv")
    assert outdated() == [f"runs {tmp_path}/v1/dlv; expected {tmp_path}/v2/dlv"]


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("users/alice.env", "GOFLAGS=-mod=vendor\n", ["GOFLAGS"]),
        ("users/alice.env", "GOFLAGS=-mod=mod\nGOPROXY=off\n", ["GOPROXY"]),
        ("services/api.env", "PORT=4\n", ["PORT"]),
        # The service's file has precedence.
        ("users/alice.env", "GOFLAGS=-mod=mod\nPORT=5\n", []),
    ],
)
def test_another_environment_is_found(
    outdated: Outdated, environments: pathlib.Path, file: str, text: str, expected: list[str]
) -> None:
    (environments / file).write_text(text)
    assert outdated() == [f"has outdated values of {name}" for name in expected]


@pytest.mark.parametrize(("age", "expected"), [(60, []), (-60, ["has outdated values of GOFLAGS"])])
def test_a_removed_variable_is_found_in_a_process_that_is_older_than_the_files(
    outdated: Outdated, environments: pathlib.Path, age: int, expected: list[str]
) -> None:
    (environments / "users/alice.env").write_text("PORT=1\n")
    for name in ("users/alice.env", "services/api.env"):
        os.utime(environments / name, (time.time() - age,) * 2)
    assert outdated() == expected


def test_a_program_that_is_not_dlv_yet_is_not_outdated(dlv: pathlib.Path) -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as build:
        assert read(build.pid, dlv) == []
        build.kill()
    assert running.read_running("api", "alice", 0, str(dlv), "") is None


def test_a_debuggee_that_does_not_respond_costs_its_user_the_time_limit_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("LIMIT", 1.0), ("_UNRESPONSIVE", {}), ("_SPENT", {})):
        monkeypatch.setattr(user_access, name, value)
    monkeypatch.setattr(running, "read_build_info", lambda _path: time.sleep(60))
    with time_limit(10):
        assert [running.go_of("/x", os.geteuid()) for _call in range(5)] == [""] * 5
