# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a verification: each does one task of a developer as one user, and returns a short result."""

from __future__ import annotations

import re
import statistics
import typing as t

from .._core.addresses import Address
from .._core.errors import REMEDY, DevserverError
from .._core.sizes import format_size
from .._delve.session_probe.plan import DebugProbePlan, parse_breakpoints, parse_debugger_address, validate_plan
from .._delve.session_probe.probe import probe as probe_dlv
from .._environment.contexts.vscode_server import wrapper_path
from .._gopls.session_probe.probe import ProbeRequest, ServerOptions
from .._gopls.session_probe.probe import probe as probe_gopls
from .._host.command import Completed
from .._host.user_access import acting_as
from .gates import MeasurementGate, check_gates
from .plan import MODES, VerificationPlan
from .service import fill_address, run_service, with_free_address
from .user_sandbox import UserSandbox, describe_failure, run_command, write_files

_HELLO = """package main

import (
    "fmt"
    "runtime"
)

func main() {
    fmt.Println("hello, world, from", runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH)
}
"""
# As debug services are built; they override the flags for trimming and stripping in GOFLAGS.
_DEBUG_FLAGS = ("-gcflags=all=-N -l", "-trimpath=false", "-ldflags=")
_FAILED = re.compile(r"^(?:[ \t]*--- FAIL: (\S+)|FAIL[ \t]+(\S+) \[(?:build|setup) failed\])", re.MULTILINE)
_HUNG = re.compile(r"^panic: test timed out after .*\n\s*running tests:\n((?:\t\S+ \(.*\)\n)+)", re.MULTILINE)
# Of a step's time; in the rest go lists the tests that hang.
_TEST_SHARE = 0.9
_TOTAL = re.compile(r"^total:\s+\(statements\)\s+([\d.]+)%", re.MULTILINE)
_MAX_NAMES = 5
# Sessions with gopls if their time or memory has a limit.
_GATED_SESSIONS = 3


class Step(t.NamedTuple):
    """One step, which is skipped unless all of ``needs`` succeeded. ``run`` raises DevserverError for a failure."""

    name: str
    run: t.Callable[[UserSandbox], str]
    needs: t.Sequence[str] = ()


def run_hello_world(sandbox: UserSandbox) -> str:
    """Create a module, and run a program in it."""
    directory = sandbox.path_to("hello")
    with acting_as(sandbox.account):
        write_files(directory, {"main.go": _HELLO})
    run_command(sandbox, "go", "mod", "init", "example.com/hello", cwd=directory)
    output = run_command(sandbox, "go", "run", ".", cwd=directory).stdout.strip()
    if not output.startswith("hello, world, "):
        raise DevserverError(
            f"'go run .' printed {output[:80]!r}",
            expected="'hello, world' from the program",
            remedy=f"run 'type -a go' as {sandbox.account.name}, and remove wrappers of go that print to stdout",
        )
    return output.rpartition("from ")[2]


def build_modules(sandbox: UserSandbox) -> str:
    """Build all modules, and the service twice: for a release and for debugging; count the hits of the cache."""
    patterns = _list_patterns(sandbox)
    workspace, package = sandbox.workspace, sandbox.plan.package
    # With -v go names the packages that it compiles; all others are in the cache.
    built = run_command(sandbox, "go", "build", "-v", "-o", "/dev/null", *patterns, cwd=workspace)
    rate, packages = _measure_cache_hits(sandbox, patterns, built)
    for name, flags in (("service.bin", ()), ("debuggee", _DEBUG_FLAGS)) if package else ():
        run_command(sandbox, "go", "build", *flags, "-o", sandbox.path_to(name), package, cwd=workspace)
    remedy = (
        f"as {sandbox.account.name}, check with 'go env GOCACHE GOFLAGS' that the build cache is kept between builds,"
        " and run 'go build ./...' in the workspace, which fills it; or decrease min_cache_hit_rate"
    )
    limit = sandbox.plan.min_cache_hit_rate
    check_gates(MeasurementGate("min_cache_hit_rate", rate, limit, "{:.3f}".format, remedy, is_minimum=True))
    modules = f"{len(patterns)} module{'s' if len(patterns) != 1 else ''}"
    return f"{modules}, cache hit rate {rate:.3f} of {packages} packages"


def _measure_cache_hits(sandbox: UserSandbox, patterns: t.Sequence[str], built: Completed) -> tuple[float, int]:
    """Return the share of the packages, with all dependencies, that a build took from the cache, and their number."""
    packages = set(run_command(sandbox, "go", "list", "-deps", *patterns, cwd=sandbox.workspace).stdout.splitlines())
    compiled = packages.intersection(built.stderr.splitlines())
    return 1 - len(compiled) / max(1, len(packages)), len(packages)


def _list_patterns(sandbox: UserSandbox) -> list[str]:
    """Return the patterns of all packages of the main module, or of all modules that go.work uses."""
    # Outside of a module `go list -m` prints command-line-arguments and succeeds.
    files = run_command(sandbox, "go", "env", "GOMOD", "GOWORK", cwd=sandbox.workspace).stdout.split()
    if not any(file.endswith(("go.mod", "go.work")) for file in files):
        raise DevserverError(
            f"workspace {sandbox.workspace} is not in a module",
            expected="a directory with go.mod or go.work",
            remedy="correct workspace, or run 'go mod init' in it",
        )
    modules = run_command(sandbox, "go", "list", "-m", cwd=sandbox.workspace).stdout.split()
    return [f"{path}/..." for path in modules]


def run_tests(sandbox: UserSandbox) -> str:
    """Run the tests of all modules, and measure the share of statements that they cover."""
    plan, workspace, profile = sandbox.plan, sandbox.workspace, sandbox.path_to("coverage.out")
    flags = ["-count=1", f"-timeout={sandbox.seconds_left() * _TEST_SHARE:.0f}s", f"-coverprofile={profile}"]
    argv = ["go", "test", *flags, *_list_patterns(sandbox)]
    remedy = f"run 'go test' in {workspace}, and fix the tests that fail"
    run_command(sandbox, *argv, cwd=workspace, remedy=remedy, describe=describe_test_failures)
    output = run_command(sandbox, "go", "tool", "cover", f"-func={profile}", cwd=workspace).stdout
    total = _TOTAL.search(output)
    share = float(total.group(1)) if total else 0.0
    if share < plan.coverage:
        raise DevserverError(
            f"the tests cover {share:g} % of the statements",
            expected=f"{plan.coverage:g} % or more",
            remedy="add tests of the functions for which 'go tool cover -func' shows little, or decrease coverage",
        )
    return f"{share:g} % of statements covered"


def describe_test_failures(completed: Completed) -> str:
    """Return the names of the tests and packages that failed; the errors of go if there are none."""
    names = [test or package for test, package in _FAILED.findall(completed.stdout)]
    names += [f"{line.split()[0]} hangs" for block in _HUNG.findall(completed.stdout) for line in block.splitlines()]
    # A test fails with its subtests, whose names are more precise.
    precise = [name for name in dict.fromkeys(names) if not any(other.startswith(f"{name}/") for other in names)]
    more = f" and {len(precise) - _MAX_NAMES} more" if len(precise) > _MAX_NAMES else ""
    return ", ".join(precise[:_MAX_NAMES]) + more if precise else describe_failure(completed)


def check_gopls(sandbox: UserSandbox) -> str:
    """Send the requests of an editor to the user's language server."""
    plan = sandbox.plan
    sessions = _GATED_SESSIONS if plan.max_first_diagnostics_seconds or plan.max_memory else 1
    results = [_probe_gopls(sandbox) for _session in range(sessions)]
    seconds = statistics.median(result["seconds"]["diagnostics"] for result in results)
    peak = max((result["memory"]["peak"] for result in results if result["memory"]["peak"]), default=None)
    faster = "set language_server_prewarm, exclude directories by directoryFilters in language_server_settings"
    smaller = "exclude directories by directoryFilters in language_server_settings, restart the user's gopls"
    check_gates(
        MeasurementGate(
            "max_first_diagnostics_seconds",
            seconds,
            plan.max_first_diagnostics_seconds,
            "{:.3g} s".format,
            f"{faster}, or increase max_first_diagnostics_seconds",
        ),
        MeasurementGate("max_memory", peak, plan.max_memory, format_size, f"{smaller}, or increase max_memory"),
    )
    memory = f", memory peak {peak >> 20} MiB" if peak else ""
    return f"{results[0]['mode']}, diagnostics after {seconds:.2f} s{memory}"


def _probe_gopls(sandbox: UserSandbox) -> dict[str, t.Any]:
    plan = sandbox.plan
    # On a host without systemd, users start the wrapper that is installed beside the other tools.
    command = plan.gopls or wrapper_path(plan.dlv)
    options = ServerOptions(plan.socket, plan.unit, command, None, sandbox.seconds_left())
    result = probe_gopls([ProbeRequest(sandbox.account.name, sandbox.workspace)], options)[0]
    if result["problem"]:
        # Its remedy is validated like that of other steps.
        problem, _separator, remedy = result["problem"].partition(REMEDY)
        raise DevserverError(problem, remedy=remedy)
    return result


def check_drift(sandbox: UserSandbox) -> str:
    """Evaluate the findings of the drift report about the user and the host."""
    plan, name = sandbox.plan, sandbox.account.name
    if plan.drift is None:
        raise DevserverError(plan.drift_problem)
    everyone = [finding for finding in plan.drift["findings"] if finding["user"] in ("", name)]
    # A finding of the host may concern some users only.
    findings = [finding for finding in everyone if name in (finding.get("users") or [name])]
    failures = [finding for finding in findings if finding["severity"] in plan.failing_severities]
    if failures:
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        raise DevserverError(
            f"{failures[0]['rule_id']}: {failures[0]['cause']}{more}",
            remedy="run the playbook drift, and apply the remedy of each finding in its report",
        )
    cells = sum(cell["user"] == name for cell in plan.drift["cells"])
    ignored = f", {len(findings)} findings of lower severity" if findings else ""
    return f"{cells} values compared{ignored}"


def debug_launched(mode: str) -> t.Callable[[UserSandbox], str]:
    """Return the step in which dlv starts the service: ``mode`` is debug or exec."""

    def step(sandbox: UserSandbox) -> str:
        plan = sandbox.plan
        program = sandbox.path_to("debuggee") if mode == "exec" else ""
        options = {"package": plan.package, "program": program}

        def debug(address: Address) -> str:
            return _debug(sandbox, "launch", mode, plan.breakpoints, args=fill_address(plan, address), **options)

        return with_free_address(plan, debug)

    return step


def debug_tests(sandbox: UserSandbox) -> str:
    """Debug the tests of a package."""
    plan = sandbox.plan
    return _debug(sandbox, "launch", "test", plan.test_breakpoints, package=plan.test_package)


def debug_local(sandbox: UserSandbox) -> str:
    """Attach to a running service."""
    with run_service(sandbox, sandbox.path_to("debuggee")) as (pid, address):
        return _debug_served(sandbox, "local", address, pid=pid)


def debug_remote(sandbox: UserSandbox) -> str:
    """Attach to a headless dlv that runs the service."""
    listen = f"unix:{sandbox.path_to('dlv.sock')}"
    dlv = [sandbox.plan.dlv, "exec", "--headless", "--accept-multiclient", "--continue", f"--listen={listen}"]
    with run_service(sandbox, *dlv, "--api-version=2", sandbox.path_to("debuggee"), "--") as (_pid, address):
        return _debug_served(sandbox, "remote", address, address=parse_debugger_address(listen, tls=False))


def _debug_served(sandbox: UserSandbox, mode: str, served: Address, **fields: t.Any) -> str:
    trigger = f"http://{served}{sandbox.plan.trigger}"
    return _debug(sandbox, "attach", mode, sandbox.plan.served_breakpoints, trigger=trigger, **fields)


def _debug(sandbox: UserSandbox, request: str, mode: str, breakpoints: t.Sequence[str], **fields: t.Any) -> str:
    result = probe_dlv(plan_probe(sandbox, request, mode, breakpoints, **fields))
    first = result["seconds_to_first_stop"]["median"]
    return f"hit rate {result['hit_rate']:.3f}, first stop after {first:.2f} s"


def plan_probe(
    sandbox: UserSandbox,
    request: str,
    mode: str,
    breakpoints: t.Sequence[str],
    *,
    package: str = ".",
    **fields: t.Any,
) -> DebugProbePlan:
    """Return the plan of a debug probe in the sandbox, with its environment; ``fields`` are further fields of the plan.

    Raises DevserverError for a marker that does not exist, and for an invalid plan.
    """
    plan, account, workspace = sandbox.plan, sandbox.account, sandbox.workspace
    names = [{"name": name} for name in breakpoints]
    expected = parse_breakpoints(names, account=account, workspace=workspace, package=package, tests=mode == "test")
    probe = DebugProbePlan(
        plan.dlv,
        account,
        dict(sandbox.environment),
        request,
        mode,
        expected,
        workspace=workspace,
        package=package,
        runs=plan.runs,
        hit_rate=1.0,
        timeout=sandbox.seconds_left(),
        # It is removed with the sandbox, even if the probe is killed.
        scratch=sandbox.directory,
    )
    return validate_plan(probe._replace(**fields))


def check_health(sandbox: UserSandbox) -> str:
    """Run the release build of the service, and request its health paths."""
    with run_service(sandbox, sandbox.path_to("service.bin")):
        return f"{', '.join(sandbox.plan.health)} returned 200"


_ALL = (
    Step("go env", check_drift),
    Step("hello world", run_hello_world),
    Step("build", build_modules),
    Step("test", run_tests),
    Step("gopls", check_gopls),
    Step("dlv debug", debug_launched("debug")),
    Step("dlv exec", debug_launched("exec"), ["build"]),
    Step("dlv test", debug_tests),
    Step("dlv local", debug_local, ["build"]),
    Step("dlv remote", debug_remote, ["build"]),
    Step("health", check_health, ["build"]),
)


def select_steps(plan: VerificationPlan) -> list[Step]:
    """Return the steps that ``plan`` contains, in the order in which they run."""
    excluded = {f"dlv {mode}" for mode in MODES if mode not in plan.modes}
    excluded |= set() if plan.health else {"health"}
    excluded |= set() if plan.drift is not None or plan.drift_problem else {"go env"}
    return [step for step in _ALL if step.name not in excluded]
