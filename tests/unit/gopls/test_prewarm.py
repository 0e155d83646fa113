# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The prewarm analyses every package of real workspaces by a real gopls, and fills its cache."""

from __future__ import annotations

import getpass
import json
import pathlib
import shutil
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls import paths, prewarm
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.prewarm_report import read_report
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account

SERVICE = pathlib.Path(__file__).parents[2] / "fixtures/service"


@pytest.fixture
def workspace(tmp_path: pathlib.Path) -> pathlib.Path:
    """The sample service in a directory whose name has special characters."""
    directory = tmp_path / "föhn's #1 ?"
    shutil.copytree(SERVICE, directory)
    return directory


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A cache for tests that do not check its contents; the analysis of the standard library takes long."""
    return tmp_path_factory.mktemp("gopls-cache")


@pytest.fixture
def run(tmp_path: pathlib.Path, gopls: str, go_environment: dict[str, str]) -> t.Callable[..., t.Any]:
    """Run the program as the unit does; gopls's cache is the directory ``cache`` by default."""

    def start(
        *workspaces: object, settings: t.Any = None, cache: pathlib.Path = tmp_path / "cache"
    ) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "settings.json"
        file.write_text(json.dumps(settings or {}))
        argv = [sys.executable, "-I", prewarm.__file__, gopls, str(file), *map(str, workspaces)]
        env = dict(go_environment, GOPLSCACHE=str(cache))
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=120)

    return start


def entries(directory: pathlib.Path) -> set[str]:
    return {path.name for path in directory.rglob("*") if path.is_file()}


def test_every_package_is_analysed_and_a_second_run_adds_nothing(run, workspace, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "CACHE_DIR", str(tmp_path))
    completed = run(workspace)
    assert (completed.returncode, completed.stderr) == (0, "")
    assert "3 of 3 packages" in completed.stdout
    account = find_account(getpass.getuser())._replace(name="cache")
    cold = read_report(account)
    assert cold["with_dependencies"] > 100 and cold["from_cache"] < cold["with_dependencies"] * 0.1
    first = entries(tmp_path / "cache")
    assert len(first) > 100
    assert run(workspace).returncode == 0
    warm = read_report(account)
    assert (warm["analysed"], warm["packages"]) == (3, 3)
    assert warm["from_cache"] >= warm["with_dependencies"] * 0.85
    # Only records of the last cleanup of the cache are added.
    assert len(entries(tmp_path / "cache") - first) < len(first) / 20


def test_other_settings_cause_another_analysis(run, workspace, shared):
    run(workspace, cache=shared)
    first = entries(shared)
    assert run(workspace, settings={"staticcheck": True}, cache=shared).returncode == 0
    assert len(entries(shared) - first) > 20


def test_a_broken_package_does_not_block_the_others(run, workspace, shared):
    (workspace / "stock/broken.go").write_text("package stock\n\nfunc broken( {\n")
    completed = run(workspace, cache=shared)
    assert (completed.returncode, "3 of 3 packages" in completed.stdout) == (0, True), completed


def test_a_missing_workspace_is_skipped(run, workspace, tmp_path, shared):
    completed = run(tmp_path / "nothing", workspace, cache=shared)
    assert completed.returncode == 0
    assert "nothing: does not exist, skipped" in completed.stdout
    assert "3 of 3 packages" in completed.stdout


def test_a_directory_without_modules_has_no_packages(run, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "0 of 0 packages" in run(tmp_path / "empty").stdout


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("script", ["exit 3", "cat >/dev/null", "echo garbage", r"printf 'Content-Length: 9\r\n\r\n{'"])
def test_a_gopls_that_does_not_serve_fails_the_unit(tmp_path, workspace, go_environment, script, monkeypatch):
    for name in ("_TIMEOUT", "_EXIT_TIMEOUT"):
        monkeypatch.setattr(prewarm, name, 1)
    monkeypatch.setenv("GOPLSCACHE", str(tmp_path))
    for name in ("PATH", "GOTOOLCHAIN", "GOFLAGS", "GOWORK"):
        monkeypatch.setenv(name, go_environment[name])
    program = tmp_path / "gopls"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    (tmp_path / "settings.json").write_text("{}")
    assert prewarm.main([str(program), str(tmp_path / "settings.json"), str(workspace)]) == 1


@pytest.mark.parametrize(
    "text",
    ["", "[" * 500, "{", "[1]", '{"analysed": 3}', json.dumps(dict.fromkeys(prewarm.Counts._fields, "3")), "x" * 501]
    + [json.dumps(dict.fromkeys(prewarm.Counts._fields, count)) for count in (-1, True, 1e3, 10**100)],
)
def test_a_report_that_the_user_has_changed_is_ignored(tmp_path, monkeypatch, text):
    monkeypatch.setattr(paths, "CACHE_DIR", str(tmp_path))
    account = find_account(getpass.getuser())._replace(name="cache")
    (tmp_path / "cache").mkdir()
    report = tmp_path / "cache" / prewarm.REPORT
    report.write_text(json.dumps(dict.fromkeys(prewarm.Counts._fields, 1)))
    assert read_report(account) == dict.fromkeys(prewarm.Counts._fields, 1)
    report.write_text(text)
    assert read_report(account) is None


def test_modules_are_found_except_in_directories_that_go_ignores(tmp_path):
    for name in ("a", "a/b", "vendor/x", "testdata/y", ".hidden", "_x", "node_modules/z", "plain"):
        (tmp_path / name).mkdir(parents=True)
        if name != "plain":
            (tmp_path / name / "go.mod").write_text("module m\n")
    assert prewarm.find_modules(str(tmp_path)) == [str(tmp_path / "a"), str(tmp_path / "a/b")]
