# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every cause of a missed breakpoint, reproduced with real programs and reported by the module."""

from __future__ import annotations

import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import sys

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.causes import find_cause
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.evidence import Evidence
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.plan import (
    Breakpoint,
    DebugProbePlan,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.session import SessionRun
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account

from .conftest import DEBUGGABLE, go_environment

# Runs a program under a seccomp filter that denies ptrace with EPERM, like the profile of a container.
NO_PTRACE = f"""#!{sys.executable}
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
RETURN_EPERM, ALLOW, PTRACE = 0x00050001, 0x7FFF0000, {{"x86_64": 101, "aarch64": 117}}[os.uname().machine]
lines = [(0x20, 0, 0, 0), (0x15, 0, 1, PTRACE), (0x06, 0, 0, RETURN_EPERM), (0x06, 0, 0, ALLOW)]
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
head = struct.pack("HxxxxxxP", len(lines), ctypes.addressof(program))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, head, 0, 0) == 0
os.execv("DLV", ["DLV", *sys.argv[1:]])
"""


def failure_message(result, cause: str) -> str:
    """Check that the module failed with ``cause``, and return its message."""
    assert result.get("failed"), result
    assert result["cause"] == cause, result["msg"]
    assert "To fix this:" in result["msg"]
    return result["msg"]


@pytest.mark.parametrize("flags", [["-ldflags=-s -w"], ["-trimpath", "-ldflags=-w"]], ids=["plain", "trimmed"])
def test_stripped(workspace, flags):
    program = workspace.build(DEBUGGABLE, *flags)
    assert program in failure_message(workspace.probe(mode="exec", program=program), "stripped")


@pytest.mark.parametrize(
    "expected",
    [
        # Without -N the compiler removes the variable, and without -l it inlines the function.
        {"name": "listening", "variables": {"args": '[]string len: 2, cap: 2, ["-check","-listen=127.0.0.1:0"]'}},
        {"name": "tiny"},
    ],
    ids=["variable", "inlined"],
)
def test_optimised(service_workspace, expected):
    source = service_workspace.write(
        "cmd/api/tiny.go", "package main\n\nfunc tiny(a int) int {\n\ta++ // breakpoint: tiny\n\treturn a\n}\n"
    )
    main = source.with_name("main.go")
    main.write_text(main.read_text().replace("os.Exit(1)", "os.Exit(tiny(0))"))
    program = service_workspace.build("-race=false")
    message = failure_message(
        service_workspace.probe(mode="exec", program=program, breakpoints=[expected]), "optimised"
    )
    assert "-gcflags='all=-N -l'" in message


def fix_path(host, **options):
    """Check that a probe fails for a path, and that its proposed rule fixes it; return the message and the rule."""
    result = host.probe(**options)
    message = failure_message(result, "path")
    (rule,) = result["substitute_path"]
    again = host.probe(**options, substitute_path=[rule])
    assert again.get("hit_rate") == 1.0, again
    return message, rule


def test_trimpath(workspace):
    program = workspace.build(DEBUGGABLE, "-trimpath")
    message, rule = fix_path(workspace, mode="exec", program=program)
    assert "-trimpath" in message
    assert rule == {"from": str(workspace.directory), "to": "example.com/service"}


def test_path_through_a_link(workspace):
    link = workspace.directory.with_name("link")
    link.symlink_to(workspace.directory)
    message, rule = fix_path(workspace, mode="exec", program=workspace.build(), workspace=str(link))
    assert "symbolic link" in message
    assert rule == {"from": str(link), "to": str(workspace.directory)}


def test_vendored_copy(workspace):
    (workspace.directory / "go.work").unlink()
    subprocess.run(
        [f"{workspace.goroot}/bin/go", "mod", "vendor"], cwd=workspace.directory, env=go_environment(), check=True
    )
    program = workspace.build(DEBUGGABLE, "-mod=mod")
    copy = {"file": "vendor/example.com/stock/stock.go", "line": line_of(workspace, "stock/stock.go", "take")}
    message, _rule = fix_path(workspace, mode="exec", program=program, breakpoints=[copy])
    assert "vendored copy" in message


def line_of(workspace, file: str, marker: str) -> int:
    lines = (workspace.directory / file).read_text().split("\n")
    return next(number for number, line in enumerate(lines, start=1) if line.endswith(f"// breakpoint: {marker}"))


@pytest.mark.parametrize("below", ["src", "go/src/service"])
def test_built_in_a_container(workspace, below):
    inside = workspace.directory.parent / "container" / below
    shutil.copytree(workspace.directory, inside)
    program = workspace.build(DEBUGGABLE, directory=inside)
    shutil.rmtree(inside)
    message, _rule = fix_path(workspace, mode="exec", program=program)
    assert "in a container" in message


@pytest.mark.parametrize("lines", [1, 3])
def test_source_changed_after_the_build(workspace, lines):
    program = workspace.build()
    main = workspace.directory / "cmd/api/main.go"
    main.write_text(main.read_text().replace("import (", "\n" * lines + "import ("))
    # A checkout of another revision may set this time.
    os.utime(main, (0, 0))
    message = failure_message(
        workspace.probe(mode="exec", program=program, breakpoints=[{"name": "filled"}]), "build-id"
    )
    assert "main.filled on line" in message


def test_source_with_a_new_function(workspace):
    program = workspace.build()
    os.utime(program, (1, 1))
    main = workspace.directory / "cmd/api/main.go"
    main.write_text(main.read_text() + "\nfunc novel() {\n\tos.Exit(3) // breakpoint: novel\n}\n")
    message = failure_message(
        workspace.probe(mode="exec", program=program, breakpoints=[{"name": "novel"}]), "build-id"
    )
    assert "has been changed since" in message


@pytest.fixture
def serving(workspace):
    """A running process of the service, and its binary."""
    program = workspace.build()
    with subprocess.Popen([program, "-listen=127.0.0.1:0"], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process, pathlib.Path(program)
        process.kill()


def test_process_of_another_build(workspace, serving):
    process, _program = serving
    other = workspace.build(DEBUGGABLE, "-tags=other", "-ldflags=-X main.version=2")
    result = workspace.probe(request="attach", pid=process.pid, program=other, timeout=2)
    assert "build ID differs" in failure_message(result, "build-id")
    assert process.poll() is None


def test_process_whose_binary_was_replaced(workspace, serving):
    process, program = serving
    program.unlink()
    shutil.copy("/bin/true", program)
    result = workspace.probe(request="attach", pid=process.pid, timeout=2)
    assert "has been replaced" in failure_message(result, "build-id")


CGO = (
    'package main\n\n// int two(void) { return 2; }\nimport "C"\n\nfunc init() {\n\t_ = C.two() // breakpoint: odd\n}\n'
)
PLAIN = 'package main\n\nimport "os"\n\nfunc init() {\n\tprintln(len(os.Args)) // breakpoint: odd\n}\n'


@pytest.mark.parametrize(
    ("name", "text", "environment", "expected"),
    [
        ("odd.go", "//go:build integration\n\n" + PLAIN, {}, "//go:build integration"),
        ("odd_windows.go", PLAIN, {}, "by its name"),
        ("odd.go", CGO, {"CGO_ENABLED": "0"}, "CGO_ENABLED=0"),
        ("odd_test.go", PLAIN, {}, "is a test file"),
    ],
    ids=["tag", "name", "cgo", "test"],
)
@pytest.mark.parametrize("mode", ["debug", "exec"])
def test_excluded_from_the_build(workspace, name, text, environment, expected, mode):
    workspace.write(f"cmd/api/{name}", text)
    built = {"program": workspace.build(**environment)} if mode == "exec" else {"environment": environment}
    result = workspace.probe(mode=mode, breakpoints=[{"name": "odd"}], **built)
    assert expected in failure_message(result, "excluded")


def test_build_tags_include_the_file(workspace):
    workspace.write("cmd/api/odd.go", "//go:build integration\n\n" + PLAIN)
    result = workspace.probe(breakpoints=[{"name": "odd"}], build_flags=["-tags=integration,more", "-v"])
    assert result.get("hit_rate") == 1.0, result


@pytest.mark.parametrize("options", [{"mode": "test", "package": "./stock"}, {"mode": "debug"}], ids=["test", "debug"])
def test_function_that_the_linker_left_out(workspace, options):
    result = workspace.probe(breakpoints=[{"name": "nobody calls"}], **options)
    assert "stock.Describe is not in the program" in failure_message(result, "dropped")


def test_function_of_a_program_that_its_tests_leave_out(workspace):
    main = workspace.directory / "cmd/api/main.go"
    main.write_text(main.read_text() + "\nfunc unused() {\n\tprintln() // breakpoint: unused\n}\n")
    result = workspace.probe(mode="test", breakpoints=[{"name": "unused"}])
    assert "unused is not in the program" in failure_message(result, "dropped")


def test_version_that_dlv_does_not_support(workspace):
    completed = subprocess.run(
        ["go", "env", "GOROOT"],
        cwd="/",
        env=dict(go_environment(), GOTOOLCHAIN="go1.26.8"),
        check=True,
        capture_output=True,
        text=True,
    )
    result = workspace.probe(environment={"PATH": f"{completed.stdout.strip()}/bin:/usr/bin:/bin"})
    message = failure_message(result, "version")
    assert "maximum supported version 1.23" in message
    assert "go1.26.8 is supported by dlv v1.26.0 or later" in message


@pytest.mark.parametrize(
    "rejection",
    [
        "Go version go1.22.12 is too old for this version of Delve (minimum supported version 1.25, suppress this "
        "error with --check-go-version=false)",
        "Version of Go is too old for this version of Delve (minimum supported version 1.19)",
        "Version of Delve is too old for Go version go1.26.8 (maximum supported version 1.23)",
    ],
)
def test_version_message_of_each_dlv(rejection):
    account = find_account(pwd.getpwuid(os.getuid()).pw_name)
    expected = Breakpoint("here", "/w/main.go", 3)
    plan = DebugProbePlan("/none/dlv", account, {}, "launch", "debug", [expected])
    cause = find_cause(
        Evidence(plan, SessionRun({}, {}, {}, rejection=f"could not launch process: {rejection}"), expected)
    )
    assert cause.name == "version"
    assert cause.message == rejection


def test_ptrace_denied_by_a_filter(workspace):
    wrapper = workspace.directory.with_name("dlv")
    wrapper.write_text(NO_PTRACE.replace("DLV", workspace.dlv))
    wrapper.chmod(0o755)
    result = workspace.probe(dlv=str(wrapper))
    assert "seccomp" in failure_message(result, "ptrace")


def test_ptrace_of_a_debugged_process(workspace, serving):
    process, _program = serving
    socket = workspace.scratch / "other.sock"
    argv = [workspace.dlv, "attach", str(process.pid), "--headless", "--continue", "--accept-multiclient"]
    with subprocess.Popen([*argv, f"--listen=unix:{socket}"], stdout=subprocess.PIPE) as other:
        try:
            other.stdout.readline()
            result = workspace.probe(request="attach", pid=process.pid)
        finally:
            other.terminate()
    assert f"process {other.pid} already debugs process" in failure_message(result, "ptrace")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of another user")
def test_ptrace_of_another_users_process(workspace, serving):
    process, _program = serving
    nobody = pwd.getpwnam("nobody")
    for directory in (workspace.scratch, workspace.scratch.parent):
        directory.chmod(0o777)
    dlv = shutil.copy(workspace.dlv, workspace.scratch.with_name("dlv"))
    result = workspace.probe(request="attach", pid=process.pid, user=nobody.pw_name, dlv=str(dlv))
    assert "its owner has uid 0" in failure_message(result, "ptrace")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_debugger_of_another_user(workspace):
    nobody = pwd.getpwnam("nobody")
    for directory in (workspace.scratch, workspace.scratch.parent):
        directory.chmod(0o777)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    argv = [workspace.dlv, "exec", workspace.build(), "--headless", f"--listen={address}", "--accept-multiclient"]
    running = subprocess.Popen([*argv, "--api-version=2"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert "listening at" in running.stdout.readline()
        filled = [{"name": "filled"}]
        result = workspace.probe(request="attach", address=address, user=nobody.pw_name, breakpoints=filled)
        assert "admits only its own user" in failure_message(result, "same-user")
    finally:
        running.terminate()
        running.communicate(timeout=20)


@pytest.mark.parametrize(
    ("options", "cause", "expected"),
    [
        (
            {"args": ["-check", "-listen=nowhere"], "breakpoints": [{"name": "listening"}]},
            "ended",
            "the program exited",
        ),
        ({"breakpoints": [{"name": "filled", "variables": {"left": 12}}]}, "differs", "left is 11"),
        ({"breakpoints": [{"name": "filled", "variables": {"right": 12}}]}, "differs", "right does not exist"),
        (
            {"breakpoints": [{"name": "filled", "stack": ["main.main", "main.run"]}]},
            "differs",
            "does not contain main.run",
        ),
        ({"breakpoints": [{"file": "cmd/api/main.go", "line": 2}]}, "no-statement", "contains no statement"),
        ({"package": "./cmd/none", "breakpoints": [{"name": "filled"}]}, "build", "directory not found"),
        ({"build_flags": ["-nonsense"]}, "build", "nonsense"),
        ({"mode": "exec", "program": "/bin/sh"}, "program", "/bin/sh cannot be debugged"),
        ({"mode": "exec", "program": "/none"}, "program", "no such file"),
    ],
)
def test_other_causes(workspace, options, cause, expected):
    assert expected in failure_message(workspace.probe(**options), cause)


def test_line_that_no_request_reaches(service_workspace):
    result = service_workspace.probe(breakpoints=[{"name": "request"}])
    assert "the program exited" in failure_message(result, "ended")


def test_source_of_another_program(workspace):
    workspace.write("cmd/other/main.go", "package main\n\nfunc main() {\n\tprintln() // breakpoint: other\n}\n")
    result = workspace.probe(breakpoints=[{"name": "other"}])
    assert "no package of the program" in failure_message(result, "no-part")


SCAN = """\
package main

//line scan.rl:12
func scan(n int) int {
//line scan.rl:14
\tn++
\treturn n
}
"""


def test_line_directives_of_a_generated_source(workspace):
    source = workspace.write("cmd/api/scan.go", SCAN)
    main = source.with_name("main.go")
    main.write_text(main.read_text().replace("os.Exit(1)", "os.Exit(scan(0))"))
    result = workspace.probe(breakpoints=[{"file": "cmd/api/scan.go", "line": 7}])
    message = failure_message(result, "line-directive")
    assert f"the directive at {source}:5 gives {source}:7 the position {source.with_name('scan.rl')}:15" in message
    assert f"To fix this: set the breakpoint at {source.with_name('scan.rl')}:15" in message


def test_a_file_without_code_beside_files_with_code(workspace):
    workspace.write("cmd/api/unused.go", "package main\n\nfunc unused() {\n\tprintln() // breakpoint: unused\n}\n")
    result = workspace.probe(breakpoints=[{"name": "unused"}])
    assert result["cause"] in ("dropped", "no-part")
    assert "no package of the program" not in result["msg"]


def test_service_without_requests(service_workspace):
    result = service_workspace.probe(args=["-listen=127.0.0.1:0"], breakpoints=[{"name": "readyz"}], timeout=5)
    assert "trigger" in failure_message(result, "not-reached")


def test_panic_before_the_breakpoint(workspace):
    main = workspace.directory / "cmd/api/main.go"
    panics = 'if len(os.Args) > 1 {\n\t\tpanic("out of gophers")\n\t}\n\tctx, stop :='
    main.write_text(main.read_text().replace("ctx, stop :=", panics))
    result = workspace.probe(breakpoints=[{"name": "filled"}])
    assert "out of gophers" in failure_message(result, "ended")
