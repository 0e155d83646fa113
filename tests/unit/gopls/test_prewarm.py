# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Analysis ahead of time: every package of real workspaces by a real gopls, whose cache then holds the answers."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls import prewarm

SERVICE = pathlib.Path(__file__).parents[2] / "fixtures/service"


@pytest.fixture
def workspace(tmp_path: pathlib.Path) -> pathlib.Path:
    """The sample service in a folder with a hard name."""
    folder = tmp_path / "föhn's #1 ?"
    shutil.copytree(SERVICE, folder)
    return folder


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A cache for tests that do not look at what is added to one: the analysis of Go's own packages takes long."""
    return tmp_path_factory.mktemp("gopls-cache")


@pytest.fixture
def run(tmp_path: pathlib.Path, gopls: str, go_environment: dict[str, str]) -> t.Callable[..., t.Any]:
    """Run the program as the unit does; gopls's cache is the folder ``cache`` if nothing else is said."""

    def start(
        *folders: object, settings: t.Any = None, cache: pathlib.Path = tmp_path / "cache"
    ) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "settings.json"
        file.write_text(json.dumps(settings or {}))
        argv = [sys.executable, "-I", prewarm.__file__, gopls, str(file), *map(str, folders)]
        env = dict(go_environment, GOPLSCACHE=str(cache))
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=120)

    return start


def entries(folder: pathlib.Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_every_package_is_analysed_and_a_second_time_adds_nothing(run, workspace, tmp_path):
    done = run(workspace)
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 of 3 packages" in done.stdout
    first = entries(tmp_path / "cache")
    assert len(first) > 100
    assert run(workspace).returncode == 0
    # What is added are only notes of when the cache was tidied.
    assert len(entries(tmp_path / "cache") - first) < len(first) / 20


def test_other_settings_are_another_analysis(run, workspace, shared):
    run(workspace, cache=shared)
    first = entries(shared)
    assert run(workspace, settings={"staticcheck": True}, cache=shared).returncode == 0
    assert len(entries(shared) - first) > 20


def test_a_broken_package_holds_up_nobody(run, workspace, shared):
    (workspace / "stock/broken.go").write_text("package stock\n\nfunc broken( {\n")
    done = run(workspace, cache=shared)
    assert (done.returncode, "3 of 3 packages" in done.stdout) == (0, True), done


def test_a_workspace_that_is_not_there_yet_is_left_out(run, workspace, tmp_path, shared):
    done = run(tmp_path / "nothing", workspace, cache=shared)
    assert done.returncode == 0
    assert "nothing: not there, left out" in done.stdout
    assert "3 of 3 packages" in done.stdout


def test_a_folder_without_modules_has_nothing_to_analyse(run, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "0 of 0 packages" in run(tmp_path / "empty").stdout


@pytest.mark.parametrize("script", ["exit 3", "cat >/dev/null", "echo garbage"])
def test_a_gopls_that_does_not_serve_fails_the_unit(tmp_path, workspace, go_environment, script, monkeypatch):
    for name in ("_PATIENCE", "_FAREWELL"):
        monkeypatch.setattr(prewarm, name, 1)
    for name in ("PATH", "GOTOOLCHAIN", "GOFLAGS", "GOWORK"):
        monkeypatch.setenv(name, go_environment[name])
    program = tmp_path / "gopls"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    (tmp_path / "settings.json").write_text("{}")
    assert prewarm.main([str(program), str(tmp_path / "settings.json"), str(workspace)]) == 1


def test_modules_are_found_below_a_workspace_but_not_where_go_does_not_look(tmp_path):
    for name in ("a", "a/b", "vendor/x", "testdata/y", ".hidden", "_x", "node_modules/z", "plain"):
        (tmp_path / name).mkdir(parents=True)
        if name != "plain":
            (tmp_path / name / "go.mod").write_text("module m\n")
    assert prewarm.modules(str(tmp_path)) == [str(tmp_path / "a"), str(tmp_path / "a/b")]
