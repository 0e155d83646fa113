# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as a process with a real Go: passing steps, failures, and that nothing is left."""

from __future__ import annotations

import json
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import sys
import time

import pytest
from ansible_collections.gopherops.devserver.plugins.lookup.directory_texts import texts_below
from ansible_collections.gopherops.devserver.plugins.module_utils._core import errors
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.systemctl import manager_runs

COLLECTIONS = pathlib.Path(errors.__file__).parents[6]
SERVICE = pathlib.Path(__file__).parents[3] / "roles/verify/files/service"
ME = pwd.getpwuid(os.geteuid()).pw_name
FAULT = 'err := errors.Join(errors.New("no configuration"), ctx.Err())'
RUN = """
import sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = sys.argv[1].encode()
basic._ANSIBLE_PROFILE = "legacy"
from ansible_collections.gopherops.devserver.plugins.modules.go_verify import main
main()
"""


def close_output(process):
    process.stdout.close()


def wait_until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def all_commands():
    return subprocess.run(["ps", "-eo", "args", "ww"], check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="session")
def goroot():
    env = dict(os.environ, GOTOOLCHAIN="go1.22.12")
    completed = subprocess.run(["go", "env", "GOROOT"], cwd="/", env=env, check=True, capture_output=True, text=True)
    return completed.stdout.strip()


@pytest.fixture
def verify(goroot, tmp_path):
    """Run the module without debugging; return each step's result, and the module's. Nothing may be left."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    def run(workspace="", **options):
        params = {"users": [{"name": ME, "workspace": str(workspace)}], "sample": texts_below(SERVICE), "modes": []}
        params |= {"goroot": goroot, "socket": str(tmp_path / "none.sock"), "temporary_directory": str(scratch)}
        argv = [sys.executable, "-c", RUN, json.dumps({"ANSIBLE_MODULE_ARGS": {**params, **options}})]
        path = f"{goroot}/bin:{os.environ['PATH']}"
        env = dict(os.environ, PYTHONPATH=str(COLLECTIONS), GOTOOLCHAIN="local", PATH=path)
        completed = subprocess.run(argv, env=env, check=False, capture_output=True, text=True)
        assert completed.stdout and not completed.stderr, completed.stderr
        assert not list(scratch.iterdir())
        result = json.loads(completed.stdout)
        remedies = [step["what"].partition("To fix this: ")[2] for step in result["steps"]]
        assert not [remedy for remedy in remedies if str(scratch) in remedy]
        return {step["step"]: (step["result"], step["what"]) for step in result["steps"]}, result

    return run


def test_the_sample_passes_and_only_the_missing_gopls_fails(verify):
    steps, result = verify()
    assert result["failed"] and result["failed_steps"] == [f"{ME}: gopls"]
    assert "none.sock" in steps.pop("gopls")[1]
    assert {outcome for outcome, _what in steps.values()} == {"ok"}
    assert steps["hello world"][1].startswith("go1.22.12 ")
    assert steps["test"][1].endswith("% of statements covered")


@pytest.mark.skipif(manager_runs(), reason="systemd runs here, so users have daemons")
def test_without_systemd_the_wrapper_beside_dlv_is_started(verify, tmp_path):
    shared = tmp_path / "bin" / "gopls-shared"
    shared.parent.mkdir()
    shared.write_text("#!/bin/sh\necho this is no language server >&2\n")
    shared.chmod(0o755)
    assert "this is no language server" in verify(dlv=str(shared.parent / "dlv"))[0]["gopls"][1]


def test_low_coverage_and_few_cache_hits_are_reported(verify):
    steps, result = verify(coverage=95, min_cache_hit_rate=1)
    assert "95 % or more" in steps["test"][1]
    # The packages of the sample are in a new directory, so the cache contains their dependencies only.
    (gate,) = result["failed_gates"]
    assert re.fullmatch(rf"{ME}: build: min_cache_hit_rate: measured 0\.9\d\d, limit 1.000", gate)
    assert gate in result["msg"]
    assert "'go env GOCACHE GOFLAGS'" in steps["build"][1]
    assert steps["health"][0] == "ok"


@pytest.fixture
def workspace(tmp_path):
    return shutil.copytree(SERVICE, tmp_path / "service")


def test_a_program_that_does_not_build_is_not_run(verify, workspace):
    (workspace / "cmd/api/main.go").write_text("package main\nfunc main() { oops() }\n")
    steps, _result = verify(workspace)
    assert "main.go:2:15: undefined: oops" in steps["build"][1]
    assert "example.com/service/cmd/api" in steps["test"][1]
    assert steps["health"] == ("skipped", "needs build")


def test_a_service_that_exits_is_reported_with_its_output(verify, workspace):
    source = workspace / "cmd/api/main.go"
    source.write_text(source.read_text().replace("err := run(ctx, os.Args[1:], os.Stdout)", FAULT))
    steps, _result = verify(workspace)
    assert steps["health"][0] == "failed"
    assert "exited with 1: api: no configuration" in steps["health"][1]


def test_a_service_that_does_not_become_ready_is_reported(verify):
    steps, _result = verify(health=["/nowhere"], ready=2)
    assert "/nowhere returned status 404" in steps["health"][1]


def test_a_workspace_outside_of_a_module_is_reported(verify, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "is not in a module" in verify(empty, package="", health=[])[0]["build"][1]


@pytest.mark.parametrize("end", [subprocess.Popen.terminate, close_output], ids=["terminated", "connection closed"])
def test_nothing_is_left_of_a_run_that_is_ended(tmp_path, end):
    go = tmp_path / "go/bin/go"
    go.parent.mkdir(parents=True)
    go.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\nsetsid sleep 6435 &\nsleep 6435\n")
    go.chmod(0o755)
    params = {"users": [{"name": ME}], "sample": texts_below(SERVICE), "goroot": str(tmp_path / "go")}
    params["temporary_directory"] = str(tmp_path)
    argv = [sys.executable, "-c", RUN, json.dumps({"ANSIBLE_MODULE_ARGS": params})]
    env = {"PYTHONPATH": str(COLLECTIONS), "PATH": f"{go.parent}:/usr/bin:/bin", "HOME": str(tmp_path)}
    process = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE)
    wait_until((tmp_path / "started").exists)
    end(process)
    process.wait(timeout=20)
    wait_until(lambda: "sleep 6435" not in all_commands() and str(tmp_path) not in all_commands())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["go", "started"]
