# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a verification are validated, and its results are shown, named and explained."""

from __future__ import annotations

import contextlib
import math
import os
import pathlib
import pwd
import re
import resource
import subprocess
import sys
import time
import typing as t

import pytest
from ansible.errors import AnsibleError
from ansible_collections.gopherops.devserver.plugins.lookup.directory_texts import texts_below
from ansible_collections.gopherops.devserver.plugins.module_utils._core.addresses import Address
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host import user_access
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import Completed
from ansible_collections.gopherops.devserver.plugins.module_utils._verify import verify as verifying
from ansible_collections.gopherops.devserver.plugins.module_utils._verify.gates import MeasurementGate, check_gates
from ansible_collections.gopherops.devserver.plugins.module_utils._verify.plan import (
    MODES,
    VerificationPlan,
    validate_plan,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._verify.service import (
    _start,
    fill_address,
    find_free_address,
    read_log_end,
    run_service,
    with_free_address,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._verify.steps import (
    Step,
    check_drift,
    check_gopls,
    debug_tests,
    describe_test_failures,
    plan_probe,
    select_steps,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._verify.user_sandbox import UserSandbox, write_files
from ansible_collections.gopherops.devserver.plugins.module_utils._verify.verify import (
    StepResult,
    _run_steps,
    _verify_user,
    explain_failure,
    list_failed_gates,
    list_failed_steps,
    render_table,
    verify,
)

from tests.support.directories import public_directory
from tests.support.time_limit import time_limit

SERVICE = pathlib.Path(__file__).parents[3] / "roles/verify/files/service"
PLAN = VerificationPlan(
    users=[("alice", "")],
    sample={"go.mod": "module x"},
    goroot="/go",
    dlv="/dlv",
    socket="",
    unit="",
    gopls="",
    package="./cmd/api",
    args=["-listen", "{address}"],
    health=["/healthz"],
    modes=MODES,
    breakpoints=["filled"],
    test_package="./stock",
    test_breakpoints=["take"],
    trigger="/readyz",
    served_breakpoints=["readyz"],
)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (PLAN._replace(host="0.0.0.0"), "host must be a loopback address, got 0.0.0.0"),
        (PLAN._replace(host="localhost"), "loopback address, got localhost"),
        (PLAN._replace(port=65536), "port must be between 0 and 65535, got 65536"),
        (
            PLAN._replace(args=["-listen", ":80"]),
            "args must contain {address}, got ['-listen'",
        ),
        (
            PLAN._replace(package=""),
            "must be set for debug, exec, local, remote in modes",
        ),
        (
            PLAN._replace(package="", modes=["test"]),
            "package must be set for /healthz in health",
        ),
        (PLAN._replace(health=["healthz"]), "replace it by /healthz"),
        (
            PLAN._replace(ready=0),
            "ready must be more than 0 and at most 86400 seconds",
        ),
        (PLAN._replace(coverage=101), "coverage must be between 0 and 100 percent, got 101"),
        (PLAN._replace(timeout=0), "timeout must be more than 0 and at most 86400 seconds, got 0"),
        (PLAN._replace(max_first_diagnostics_seconds=-1), "max_first_diagnostics_seconds must be 0 or more, got -1"),
        (PLAN._replace(min_cache_hit_rate=90), "min_cache_hit_rate must be between 0 and 1, got 90"),
        (PLAN._replace(sample={}), "workspace must be set for each user if sample is empty"),
        (PLAN._replace(sample={"../x": ""}), "'../x'"),
        (PLAN._replace(sample={"/etc/x": ""}), "'/etc/x'"),
    ],
)
def test_an_invalid_plan_is_rejected(plan, message):
    with pytest.raises(DevserverError) as raised:
        validate_plan(plan)
    assert message in str(raised.value)


def test_a_valid_plan_is_accepted():
    validate_plan(PLAN)
    validate_plan(PLAN._replace(users=[("alice", "/srv/x")], sample={}))


def test_only_the_requested_steps_are_selected():
    everything = [step.name for step in select_steps(PLAN._replace(drift={"findings": [], "cells": []}))]
    assert everything[0] == "go env" and everything[-1] == "health"
    less = PLAN._replace(package="", health=[], modes=["test"])
    assert [step.name for step in select_steps(less)] == ["hello world", "build", "test", "gopls", "dlv test"]


@pytest.mark.parametrize(
    ("stdout", "stderr", "description"),
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
        ("", "", "it exited with 1 without a message"),
    ],
)
def test_failed_tests_are_named(stdout, stderr, description):
    assert describe_test_failures(Completed(["go", "test"], 1, stdout, stderr)) == description


def test_megabytes_of_output_are_described_shortly_and_soon():
    start = time.monotonic()
    description = describe_test_failures(Completed(["go", "test"], 1, "\n" * 100_000, "x" * 1_000_000))
    assert time.monotonic() - start < 1 and len(description) == 1000


def test_a_test_run_that_hangs_is_reported():
    assert describe_test_failures(Completed(["go", "test"], None, "", "")) == "it timed out"


def test_the_table_contains_all_steps_and_explains_failures():
    long = "x" * 150
    results = [
        StepResult("alice", "build", "ok", 1.5, "2 modules"),
        StepResult("bob", "test", "failed", 0.25, long),
        StepResult("bob", "health", "skipped", 0, "needs build"),
    ]
    lines = render_table(results)
    assert lines[0] == "user   step    result   seconds  what"
    assert lines[1] == "alice  build   ok       1.50     2 modules"
    assert lines[2].startswith("bob    test    failed   0.25     xxx") and lines[2].endswith("…")
    assert lines[4:] == [f"bob: test: {long}"]
    assert list_failed_steps(results) == ["bob: test"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_used_port_is_rejected_and_a_free_one_is_found(host):
    import socket

    plan = PLAN._replace(host=host)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        port = listener.getsockname()[1]
        assert find_free_address(plan).port not in (0, port)
        with pytest.raises(DevserverError, match=f"cannot listen at .*:{port}: "):
            find_free_address(plan._replace(port=port))
    assert find_free_address(plan._replace(port=port)) == Address(host, port)


def test_the_end_of_a_long_log_is_read(tmp_path):
    log = tmp_path / "service.log"
    log.write_text("listening\n" * 200_000 + "cannot go on\n")
    assert read_log_end(find_account("root"), str(log)).endswith("/ cannot go on")
    assert read_log_end(find_account("root"), str(tmp_path / "none")) == ""


def test_a_pipe_in_place_of_the_log_is_replaced(tmp_path):
    os.mkfifo(tmp_path / "service.log")
    sandbox = UserSandbox(PLAN, find_account("root"), {}, str(tmp_path), str(tmp_path), math.inf)
    failing = run_service(sandbox, "/bin/sh", "-c", "echo broken; exit 3")
    with time_limit(20), pytest.raises(DevserverError, match="sh exited with 3: broken"), failing:
        pass


@pytest.mark.parametrize("plant", [os.mkfifo, lambda path: os.symlink("other", path)])
def test_files_of_the_sandbox_are_written_to_new_files_only(tmp_path, plant):
    plant(tmp_path / "main.go")
    with time_limit(5), pytest.raises(FileExistsError):
        write_files(str(tmp_path), {"go.mod": "module x", "main.go": "package main"})
    assert sorted(os.listdir(tmp_path)) == ["go.mod", "main.go"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_a_link_in_place_of_the_log_discloses_no_file_of_another_user():
    with public_directory() as directory:
        secret = directory / "secret"
        secret.write_text("only root knows")
        secret.chmod(0o600)
        (directory / "service.log").symlink_to(secret)
        assert read_log_end(find_account("root"), str(directory / "service.log")) == "only root knows"
        assert read_log_end(find_account("nobody"), str(directory / "service.log")) == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root leaves a part of another user's cache")
@pytest.mark.parametrize("message", ["package fmt is not in std (/go/src/fmt)", "open /x: permission denied"])
@pytest.mark.parametrize(("variable", "part"), [("GOCACHE", "00"), ("GOMODCACHE", "cache/download"), ("GOPATH", "")])
def test_a_cache_with_a_part_of_root_is_the_cause(message, variable, part):
    nobody = find_account("nobody")
    with public_directory() as directory:
        cache = directory / "cache"
        (cache / part).mkdir(parents=True)
        for path in (cache, cache / "cache") if part else ():
            if path.exists():
                os.chown(path, nobody.uid, nobody.gid)
        sandbox = UserSandbox(PLAN, nobody, {variable: str(cache)}, "/sandbox", "/sandbox/service", math.inf)
        error = explain_failure(DevserverError(f"go run failed: {message}", remedy="fix it"), sandbox)
        assert error.problem == f"go run failed: {message}; {(cache / part)} belongs to root".replace("/ ", " ")
        assert "GD303 for nobody" in error.remedy
        other = DevserverError("go run failed: undefined: x", remedy="fix it")
        assert explain_failure(other, sandbox) is other


def test_a_remedy_names_nothing_that_is_removed():
    sandbox = UserSandbox(
        PLAN, find_account("root"), {}, "/tmp/gopherops-verify-x", "/tmp/gopherops-verify-x/service", math.inf
    )
    remedy = "run 'go test' in /tmp/gopherops-verify-x/service, and fix '/tmp/gopherops-verify-x/a b'"
    error = explain_failure(DevserverError("p", expected="e", remedy=remedy), sandbox)
    assert (error.problem, error.expected) == ("p", "e")
    assert error.remedy == "run 'go test' in a directory with such files, and fix 'a directory with such files b'"
    plain = DevserverError("p", remedy="run it")
    assert explain_failure(plain, sandbox) is plain


@pytest.mark.parametrize(
    ("user", "users", "failed"), [("", [], True), ("", ["bob"], False), ("", ["bob", "root"], True)]
)
def test_a_finding_of_the_host_fails_only_the_users_that_it_concerns(user, users, failed):
    finding = {"rule_id": "GD101", "cause": "c", "severity": "error", "user": user, "users": users}
    plan = PLAN._replace(drift={"findings": [finding], "cells": []})
    sandbox = UserSandbox(plan, find_account("root"), {}, "/sandbox", "/w", math.inf)
    with pytest.raises(DevserverError) if failed else contextlib.nullcontext():
        check_drift(sandbox)


def test_the_address_is_filled_in():
    assert fill_address(PLAN, Address("::1", 80)) == ["-listen", "[::1]:80"]


def test_debug_probes_have_the_environment_of_all_steps(tmp_path):
    (tmp_path / "main.go").write_text("package main\n\nfunc main() { // breakpoint: filled\n}\n")
    environment = {"PATH": "/go/bin", "GOTELEMETRY": "off"}
    sandbox = UserSandbox(PLAN, find_account("root"), environment, str(tmp_path / "own"), str(tmp_path), math.inf)
    plan = plan_probe(sandbox, "launch", "debug", ["filled"], args=["-listen", "[::1]:80"])
    assert plan.environment == environment
    assert (plan.scratch, plan.package, plan.args) == (sandbox.directory, ".", ["-listen", "[::1]:80"])
    assert [(one.name, one.line) for one in plan.breakpoints] == [("filled", 3)]


def test_all_files_of_the_sample_are_read():
    texts = texts_below(SERVICE)
    assert {"go.work", "cmd/api/main.go", "stock/go.mod"} <= set(texts)
    assert texts["go.work"] == (SERVICE / "go.work").read_text()


def test_a_directory_without_texts_is_rejected(tmp_path):
    for directory in (tmp_path, tmp_path / "none"):
        with pytest.raises(AnsibleError):
            texts_below(directory)


def test_an_unexpected_error_is_one_failed_step(tmp_path):
    def fail(_sandbox):
        return int([])

    sandbox = UserSandbox(PLAN, find_account("root"), {}, str(tmp_path), str(tmp_path), math.inf)
    steps = [Step("dlv exec", fail), Step("gopls", lambda _sandbox: "fine"), Step("health", fail, ["dlv exec"])]
    results = _run_steps(steps, sandbox)
    assert [(entry.step, entry.result) for entry in results] == [
        ("dlv exec", "failed"),
        ("gopls", "ok"),
        ("health", "skipped"),
    ]
    assert results[0].what.startswith("an unexpected error occurred: TypeError: ")


def test_an_unexpected_error_of_a_sandbox_is_one_failed_step():
    plan = PLAN._replace(sample={"main.go": "\ud800"}, temporary_directory="/tmp")
    results = _verify_user(plan, [Step("build", lambda _sandbox: "")], pwd.getpwuid(os.geteuid()).pw_name, "")
    assert [(entry.step, entry.result) for entry in results] == [("workspace", "failed"), ("build", "skipped")]
    assert "UnicodeEncodeError" in results[0].what


def test_each_gate_that_fails_is_named_with_measurement_limit_and_remedy():
    show = "{:g} s".format
    gates = [
        MeasurementGate("most", 3.5, 2, show, "be faster"),
        MeasurementGate("least", 0.5, 0.9, show, "hit more often", is_minimum=True),
        MeasurementGate("unknown", None, 1, show, "measure it"),
        MeasurementGate("kept", 2, 2, show, ""),
        MeasurementGate("kept_least", 0.9, 0.9, show, "", is_minimum=True),
        MeasurementGate("off", 9, 0, show, ""),
        MeasurementGate("unknown_and_off", None, 0, show, ""),
    ]
    with pytest.raises(DevserverError) as raised:
        check_gates(*gates)
    failed = [
        "most: measured 3.5 s, limit 2 s",
        "least: measured 0.5 s, limit 0.9 s",
        "unknown: measured unknown, limit 1 s",
    ]
    assert raised.value.problem == "; ".join(failed)
    assert raised.value.remedy == "be faster; hit more often; measure it"
    assert raised.value.details["failed_gates"] == failed
    check_gates(*gates[3:])


def test_the_time_and_memory_of_a_real_gopls_are_gated(tool_of, tmp_path, go_cache):
    env = dict(os.environ, GOTOOLCHAIN="go1.22.12")
    argv = ["go", "env", "GOROOT"]
    goroot = subprocess.run(argv, cwd="/", env=env, check=True, capture_output=True, text=True).stdout.strip()
    env = dict(env, GOTOOLCHAIN="local", PATH=f"{goroot}/bin:{os.environ['PATH']}", GOFLAGS="", GOWORK="")
    wrapper = tmp_path / "gopls"
    lines = [f"export PATH={env['PATH']} GOCACHE={go_cache} GOTOOLCHAIN=local GOPLSCACHE={tmp_path}/cache"]
    sessions = tmp_path / "sessions"
    lines += [f"echo >>{sessions}", f'exec {tool_of("gopls", "1.22", env)} "$@"']
    wrapper.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    wrapper.chmod(0o755)
    plan = PLAN._replace(gopls=str(wrapper), max_first_diagnostics_seconds=0.001, max_memory=1 << 20)
    write_files(str(tmp_path / "service"), texts_below(SERVICE))
    sandbox = UserSandbox(plan, find_account("root"), {}, str(tmp_path), str(tmp_path / "service"), math.inf)
    with pytest.raises(DevserverError) as raised:
        check_gopls(sandbox._replace(deadline=time.monotonic() + 120))
    slow, large = raised.value.details["failed_gates"]
    assert re.fullmatch(r"max_first_diagnostics_seconds: measured [\d.]+ s, limit 0.001 s", slow)
    assert re.fullmatch(r"max_memory: measured [\d.]+M, limit 1M", large)
    assert "increase max_first_diagnostics_seconds; " in raised.value.remedy
    assert "increase max_memory" in raised.value.remedy
    assert sessions.read_text() == "\n" * 3


def test_a_failed_gate_is_a_failed_step_that_later_steps_do_not_need(tmp_path):
    def exceed(_sandbox):
        check_gates(MeasurementGate("max_memory", 3, 2, str, "increase max_memory"))

    steps = [Step("build", exceed), Step("health", lambda _sandbox: "fine", ["build"])]
    results = _run_steps(steps, UserSandbox(PLAN, find_account("root"), {}, str(tmp_path), str(tmp_path), math.inf))
    assert [entry.result for entry in results] == ["failed", "ok"]
    assert list_failed_gates(results) == ["root: build: max_memory: measured 3, limit 2"]


@contextlib.contextmanager
def two_users(script: str) -> t.Iterator[VerificationPlan]:
    """A plan for nobody and root whose go is ``script`` for nobody, and fails for root."""
    with public_directory() as directory:
        go = directory / "bin/go"
        go.parent.mkdir()
        go.write_text(f'#!/bin/sh\n[ "$(id -un)" = nobody ] || exit 3\n{script}\n')
        go.chmod(0o755)
        yield PLAN._replace(
            users=[("nobody", ""), ("root", "")],
            goroot=str(directory),
            package="",
            health=[],
            modes=[],
            gopls="/bin/false",
            timeout=2,
            temporary_directory="/tmp",
        )


def running(*words: str) -> list[str]:
    lines = subprocess.run(["ps", "-eo", "args"], check=True, capture_output=True, text=True).stdout.splitlines()
    return [line for line in lines if line in words]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
@pytest.mark.parametrize(
    "script",
    [
        "exec sleep 6431",
        "sleep 6431 & kill -STOP $$",
        "trap '' TERM HUP INT; setsid sleep 6431 & while :; do sleep 6431; done",
        "sleep 1.5",
    ],
    ids=["hangs", "is stopped", "ignores signals", "is slow each time"],
)
def test_a_user_costs_the_time_limit_once(script):
    with two_users(script) as plan:
        start = time.monotonic()
        results = verify(plan)
        seconds = time.monotonic() - start
    of_nobody = [entry for entry in results if entry.user == "nobody"]
    of_root = [entry for entry in results if entry.user == "root"]
    failed = [entry for entry in of_nobody if entry.result == "failed"]
    assert len(failed) == 1 and "the steps of nobody took longer than 2 s" in failed[0].what
    assert all(entry.result == "skipped" for entry in of_nobody[of_nobody.index(failed[0]) + 1 :])
    assert of_nobody[-1].what == "needs more than 2 s for all steps of the user"
    assert [entry.result for entry in of_root] == ["failed"] * len(of_root)
    assert seconds < 2 + 8
    assert not running("sleep 6431")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_a_dlv_that_hangs_costs_the_time_limit_once(tmp_path):
    with public_directory() as directory:
        dlv = directory / "dlv"
        dlv.write_text("#!/bin/sh\nexec sleep 6432\n")
        dlv.chmod(0o755)
        (directory / "main_test.go").write_text("package main\n\nfunc TestX() { // breakpoint: x\n}\n")
        plan = PLAN._replace(dlv=str(dlv), test_package=".", test_breakpoints=["x"], timeout=1)
        environment = {"PATH": "/usr/bin:/bin"}
        own = str(directory / "own")
        os.mkdir(own)
        os.chown(own, 65534, 65534)
        start = time.monotonic()
        sandbox = UserSandbox(plan, find_account("nobody"), environment, own, str(directory), start + 1)
        results = _run_steps([Step("dlv test", debug_tests), Step("health", str)], sandbox)
        assert time.monotonic() - start < 1 + 3
    assert [(entry.step, entry.result) for entry in results] == [("dlv test", "failed"), ("health", "skipped")]
    assert not running("sleep 6432")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_a_step_that_hangs_in_the_kernel_costs_its_user_the_time_limit(monkeypatch):
    monkeypatch.setattr(verifying, "_GRACE", 0.5)
    monkeypatch.setattr(user_access, "_UNRESPONSIVE", {})

    def hang(sandbox):
        # As in a system call on a network file system, with a program running.
        with _start(sandbox, ["/bin/sleep", "6434"], sandbox.path_to("log")):
            time.sleep(60)

    with public_directory() as temporary, time_limit(30):
        temporary.chmod(0o1777)
        plan = PLAN._replace(timeout=0.5, temporary_directory=str(temporary))
        results = _verify_user(plan, [Step("gopls", str), Step("build", hang)], "nobody", "/srv/shop")
    assert [entry.result for entry in results] == ["failed", "skipped", "skipped"]
    assert "/srv/shop of user nobody took longer than 1 s" in results[0].what
    assert not running("/bin/sleep 6434")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_steps_have_the_time_of_the_plan_and_all_memory(monkeypatch):
    monkeypatch.setattr(user_access, "LIMIT", 0.2)

    def build(_sandbox):
        time.sleep(0.5)
        return str(resource.getrlimit(resource.RLIMIT_DATA)[0])

    with public_directory() as temporary:
        temporary.chmod(0o1777)
        plan = PLAN._replace(timeout=30, temporary_directory=str(temporary))
        results = _verify_user(plan, [Step("build", build)], "nobody", "/srv/shop")
    assert [entry.what for entry in results] == [str(resource.getrlimit(resource.RLIMIT_DATA)[0])]


def test_a_service_that_ignores_signals_is_stopped_within_half_a_second(tmp_path):
    script = "trap '' TERM HUP INT; setsid sleep 6433 & echo started; while :; do sleep 6433; done"
    sandbox = UserSandbox(PLAN, find_account("root"), {"PATH": os.environ["PATH"]}, str(tmp_path), "/", math.inf)
    log = tmp_path / "service.log"
    with _start(sandbox, ["/bin/sh", "-c", script], str(log)):
        while "started" not in log.read_text():
            time.sleep(0.01)
        start = time.monotonic()
    assert time.monotonic() - start < 0.5 + 0.5  # For a busy machine.
    assert not running("sleep 6433")


# Other tests, and the containers of this machine, may have processes with the same arguments.
FLAG = f"-exposed-{os.getpid()}"
EXPOSED = PLAN._replace(args=[FLAG, "{address}"])
# It takes its address from its arguments as services of Go do; it is slow to bind, and exits if it cannot.
_SERVICE = """
import http.server, socket, sys
host, port = sys.argv[2].split(":")
host = sys.argv[3] if len(sys.argv) > 3 else host
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
http.server.HTTPServer.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
http.server.HTTPServer((host, int(port)), Handler).serve_forever()
"""
# Listens once another process has its port.
_LATE_SERVICE = f"""
import socket, sys
port = int(sys.argv[2].split(":")[1])
while port and socket.socket().connect_ex(("127.0.0.1", port)):
    pass
{_SERVICE}
"""
# Listens on each port that a process names as its address after the flag, and returns 200.
_THIEF = r"""
import os, re, socket, sys, threading, time
os.setgid(65534); os.setuid(65534)
def serve(listener):
    while True:
        client = listener.accept()[0]
        client.recv(4096); client.sendall(b"HTTP/1.0 200 OK\r\n\r\n"); client.close()
print("ready", flush=True)
while True:
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = open(f"/proc/{pid}/cmdline").read()
        except OSError:
            continue
        for port in re.findall(sys.argv[1] + r"\x00127\.0\.0\.1:([1-9]\d*)", words):
            try:
                listener = socket.create_server(("127.0.0.1", int(port)))
            except OSError:
                continue
            print(port, flush=True)
            threading.Thread(target=serve, args=(listener,), daemon=True).start()
    time.sleep(0.002)
"""


@contextlib.contextmanager
def port_thief() -> t.Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", _THIEF, FLAG], stdout=subprocess.PIPE, text=True) as thief:
        try:
            assert thief.stdout and thief.stdout.readline() == "ready\n"
            yield thief
        finally:
            thief.kill()


def taken_ports(thief: subprocess.Popen[str]) -> list[int]:
    """The ports that the thief took; it is ended."""
    thief.kill()
    return [int(line) for line in thief.stdout or []]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_a_service_gets_another_port_if_another_user_takes_its_port(tmp_path):
    sandbox = UserSandbox(EXPOSED, find_account("root"), {}, str(tmp_path), "/", math.inf)
    late = run_service(sandbox, sys.executable, "-c", _LATE_SERVICE)
    with port_thief() as thief, time_limit(30), late as (_pid, address):
        taken = taken_ports(thief)
    assert len(taken) == 2 and address.port not in (0, *taken)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_a_response_of_another_users_process_is_not_that_of_the_service(tmp_path):
    plan = EXPOSED._replace(ready=0.5)
    sandbox = UserSandbox(plan, find_account("root"), {}, str(tmp_path), "/", math.inf)
    sleeping = run_service(sandbox, sys.executable, "-c", "import time; time.sleep(60)")
    with port_thief() as thief, time_limit(30):
        with pytest.raises(DevserverError, match="/healthz is not served by a process of the service"), sleeping:
            pass
        assert taken_ports(thief)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_a_debugged_service_gets_another_port_if_another_user_takes_its_port():
    def launch(address):
        if not address.port:
            return address
        service = subprocess.run([sys.executable, "-c", _LATE_SERVICE, FLAG, str(address)], check=False)
        assert service.returncode, "the port was not taken"
        raise DevserverError("breakpoint not hit", remedy="")

    with port_thief() as thief, time_limit(30):
        assert with_free_address(EXPOSED, launch) == Address("127.0.0.1", 0)
        assert len(taken_ports(thief)) == 2


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "127.0.0.1"])
def test_a_child_of_the_service_may_listen_on_all_addresses(host, tmp_path):
    sandbox = UserSandbox(EXPOSED, find_account("root"), {}, str(tmp_path), "/", math.inf)
    script = '"$0" -c "$1" "$3" "$4" "$2"; exit'
    with (
        time_limit(30),
        run_service(sandbox, "/bin/sh", "-c", script, sys.executable, _SERVICE, host) as (pid, address),
    ):
        assert pid and address.port
