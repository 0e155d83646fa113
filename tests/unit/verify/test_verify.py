# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a verification is judged, and what came of it is shown, named and explained."""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile

import pytest
from ansible.errors import AnsibleError
from ansible_collections.gopherops.devserver.plugins.lookup.folder_texts import texts_below
from ansible_collections.gopherops.devserver.plugins.module_utils._core.addresses import Address
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import Completed
from ansible_collections.gopherops.devserver.plugins.module_utils._verify.plan import (
    MODES,
    Debugging,
    Plan,
    Programs,
    Service,
    judged,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._verify.service import (
    arguments,
    free_address,
    last_words,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._verify.steps import failures, probe_plan, steps_of
from ansible_collections.gopherops.devserver.plugins.module_utils._verify.user_sandbox import Site
from ansible_collections.gopherops.devserver.plugins.module_utils._verify.verify import Outcome, failed_steps, table

SERVICE = Service("./cmd/api", ["-listen", "{address}"], ["/healthz"])
DEBUGGING = Debugging(MODES, ["filled"], "./stock", ["take"], "/readyz", ["readyz"])
PLAN = Plan([("alice", "")], {"go.mod": "module x"}, Programs("/go", "/dlv", "", "", ""), SERVICE, DEBUGGING)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (PLAN._replace(service=SERVICE._replace(host="0.0.0.0")), "host is 0.0.0.0"),
        (PLAN._replace(service=SERVICE._replace(host="localhost")), "an address of the loopback"),
        (PLAN._replace(service=SERVICE._replace(port=65536)), "port is 65536"),
        (PLAN._replace(service=SERVICE._replace(args=["-listen", ":80"])), "no one of args holds {address}"),
        (PLAN._replace(service=SERVICE._replace(package="")), "modes has debug, exec, local, remote"),
        (
            PLAN._replace(service=SERVICE._replace(package=""), debugging=DEBUGGING._replace(modes=["test"])),
            "health has paths",
        ),
        (PLAN._replace(service=SERVICE._replace(health=["healthz"])), "as in /healthz"),
        (PLAN._replace(service=SERVICE._replace(ready=0)), "ready is 0"),
        (PLAN._replace(coverage=101), "coverage is 101"),
        (PLAN._replace(timeout=0), "timeout is 0"),
        (PLAN._replace(sample={}), "there is no workspace and no sample"),
        (PLAN._replace(sample={"../x": ""}), "'../x'"),
        (PLAN._replace(sample={"/etc/x": ""}), "'/etc/x'"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(plan, words):
    with pytest.raises(DevserverError) as refused:
        judged(plan)
    assert words in str(refused.value)


def test_a_good_one_is_not():
    assert judged(PLAN) is PLAN
    assert judged(PLAN._replace(users=[("alice", "/srv/x")], sample={})).users


def test_only_what_is_asked_for_is_done():
    everything = [step.name for step in steps_of(PLAN._replace(drift={"findings": [], "cells": []}))]
    assert everything[0] == "go env" and everything[-1] == "health"
    less = PLAN._replace(service=SERVICE._replace(package="", health=[]), debugging=DEBUGGING._replace(modes=["test"]))
    assert [step.name for step in steps_of(less)] == ["hello world", "build", "test", "gopls", "dlv test"]


@pytest.mark.parametrize(
    ("out", "err", "told"),
    [
        ("--- FAIL: TestTake (0.00s)\nFAIL\nFAIL\texample.com/stock\t0.01s\n", "", "TestTake"),
        (
            "--- FAIL: TestTake (0.00s)\n    --- FAIL: TestTake/too_many (0.00s)\n--- FAIL: TestB (0.00s)\n",
            "",
            "TestTake/too_many, TestB",
        ),
        ("FAIL\texample.com/web [build failed]\n", "# example.com/web\nweb.go:1: x\n", "example.com/web"),
        ("".join(f"--- FAIL: Test{n} (0.00s)\n" for n in range(7)), "", "Test0, Test1, Test2, Test3, Test4 and 2 more"),
        ("panic: test timed out after 9s\nrunning tests:\n\tTestWait (9s)\n\ngoroutine 7\n", "", "TestWait hangs"),
        ("", "go: go.mod file not found\n", "go: go.mod file not found"),
        ("", "", "it ended with 1 and said nothing"),
    ],
)
def test_failures_have_names(out, err, told):
    assert failures(Completed(["go", "test"], 1, out, err)) == told


def test_a_test_that_hangs_is_told():
    assert failures(Completed(["go", "test"], None, "", "")) == "it did not come to an end in time"


def test_the_table_has_all_and_explains_what_failed():
    long = "x" * 150
    outcomes = [
        Outcome("alice", "build", "ok", 1.5, "2 modules"),
        Outcome("bob", "test", "failed", 0.25, long),
        Outcome("bob", "health", "skipped", 0, "it needs build"),
    ]
    lines = table(outcomes)
    assert lines[0] == "user   step    result   seconds  what"
    assert lines[1] == "alice  build   ok       1.50     2 modules"
    assert lines[2].startswith("bob    test    failed   0.25     xxx") and lines[2].endswith("…")
    assert lines[4:] == [f"bob: test: {long}"]
    assert failed_steps(outcomes) == ["bob: test"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_taken_port_is_refused_and_a_free_one_found(host):
    import socket

    service = SERVICE._replace(host=host)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as taken:
        port = taken.getsockname()[1]
        assert free_address(service).port not in (0, port)
        with pytest.raises(DevserverError, match=f":{port} cannot be listened at"):
            free_address(service._replace(port=port))
    assert free_address(service._replace(port=port)) == Address(host, port)


def test_the_last_words_are_the_last_of_a_long_log_as_well(tmp_path):
    log = tmp_path / "service.log"
    log.write_text("listening\n" * 200_000 + "cannot go on\n")
    assert last_words(find_account("root"), str(log)).endswith("/ cannot go on")
    assert last_words(find_account("root"), str(tmp_path / "none")) == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could be led astray")
def test_a_link_in_the_logs_place_leads_to_nothing_that_the_user_may_not_read():
    folder = pathlib.Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        folder.chmod(0o755)
        secret = folder / "secret"
        secret.write_text("only root knows")
        secret.chmod(0o600)
        (folder / "service.log").symlink_to(secret)
        assert last_words(find_account("root"), str(folder / "service.log")) == "only root knows"
        assert last_words(find_account("nobody"), str(folder / "service.log")) == ""
    finally:
        shutil.rmtree(folder)


def test_the_address_is_filled():
    assert arguments(SERVICE, Address("::1", 80)) == ["-listen", "[::1]:80"]


def test_what_is_debugged_has_the_environment_of_all_steps(tmp_path):
    (tmp_path / "main.go").write_text("package main\n\nfunc main() { // breakpoint: filled\n}\n")
    env = {"PATH": "/go/bin", "GOTELEMETRY": "off"}
    site = Site(PLAN, find_account("root"), env, str(tmp_path / "own"), str(tmp_path))
    plan = probe_plan(site, "launch", "debug", ["filled"], args=["-listen", "[::1]:80"])
    assert plan.environment == env
    assert (plan.scratch, plan.package, plan.args) == (site.folder, ".", ["-listen", "[::1]:80"])
    assert [(one.name, one.line) for one in plan.wanted] == [("filled", 3)]


def test_the_sample_is_read_whole():
    folder = pathlib.Path(__file__).parents[3] / "roles/verify/files/service"
    texts = texts_below(folder)
    assert {"go.work", "cmd/api/main.go", "stock/go.mod"} <= set(texts)
    assert texts["go.work"] == (folder / "go.work").read_text()


def test_a_folder_without_texts_is_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(AnsibleError):
            texts_below(folder)
