# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a verification: each does for one user what developers do, and says in a few words what came of it."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.plan import Plan as ProbePlan
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.plan import (
    address_from,
    judged,
    wanted_from,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.probe import probe as probe_dlv
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.vscode_server import stand_in
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.session_probe.probe import (
    ProbeRequest,
    ServerOptions,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.session_probe.probe import probe as probe_gopls
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import acting_as
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import Completed
from ansible_collections.gopherops.devserver.plugins.module_utils._verify.plan import MODES, Plan
from ansible_collections.gopherops.devserver.plugins.module_utils._verify.service import (
    arguments,
    free_address,
    serving,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._verify.user_sandbox import (
    Site,
    command,
    said,
    write_all,
)

_HELLO = """package main

import (
    "fmt"
    "runtime"
)

func main() {
    fmt.Println("hello, world, from", runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH)
}
"""
# As debug services are built: what the user's GOFLAGS say of trimming and stripping has no effect.
_FOR_DEBUGGING = ("-gcflags=all=-N -l", "-trimpath=false", "-ldflags=")
_FAILED = re.compile(r"^(?:\s*--- FAIL: (\S+)|FAIL\s+(\S+) \[(?:build|setup) failed\])", re.MULTILINE)
_HANGS = re.compile(r"^panic: test timed out after .*\n\s*running tests:\n((?:\t\S+ \(.*\)\n)+)", re.MULTILINE)
# Of a step's time; what is left is for go to say which tests hang.
_SHARE = 0.9
_TOTAL = re.compile(r"^total:\s+\(statements\)\s+([\d.]+)%", re.MULTILINE)
_MOST_NAMES = 5


class Step(t.NamedTuple):
    """One step; it is skipped where one of ``needs`` has not succeeded. ``function`` raises DevserverError."""

    name: str
    function: t.Callable[[Site], str]
    needs: t.Sequence[str] = ()


def hello(site: Site) -> str:
    """Make a module, and run a program in it."""
    folder = site.file("hello")
    with acting_as(site.account):
        write_all(folder, {"main.go": _HELLO})
    command(site, "go", "mod", "init", "example.com/hello", cwd=folder)
    printed = command(site, "go", "run", ".", cwd=folder).stdout.strip()
    if not printed.startswith("hello, world, "):
        raise DevserverError(f"hello world printed {printed[:80]!r}", expected="'hello, world'")
    return printed.rpartition("from ")[2]


def build(site: Site) -> str:
    """Build all modules, and the service twice: as it is released, and for debugging."""
    patterns = _patterns(site)
    command(site, "go", "build", "-o", "/dev/null", *patterns, cwd=site.workspace)
    package = site.plan.service.package
    if package:
        command(site, "go", "build", "-o", site.file("service.bin"), package, cwd=site.workspace)
        debuggee = site.file("debuggee")
        command(site, "go", "build", *_FOR_DEBUGGING, "-o", debuggee, package, cwd=site.workspace)
    return f"{len(patterns)} module{'s' if len(patterns) != 1 else ''}"


def _patterns(site: Site) -> list[str]:
    """Return what names all packages of the main module, or of all that go.work uses."""
    # Outside of a module `go list -m` prints a name of its own making, and is content.
    there = command(site, "go", "env", "GOMOD", "GOWORK", cwd=site.workspace).stdout.split()
    if not any(file.endswith(("go.mod", "go.work")) for file in there):
        raise DevserverError(
            f"{site.workspace} is in no module", expected="a folder with go.mod or go.work", remedy="correct workspace"
        )
    return [f"{path}/..." for path in command(site, "go", "list", "-m", cwd=site.workspace).stdout.split()]


def test(site: Site) -> str:
    """Run the tests of all modules, and count how many of their statements are covered."""
    profile = site.file("coverage.out")
    argv = [
        "go",
        "test",
        "-count=1",
        f"-timeout={site.plan.timeout * _SHARE:.0f}s",
        f"-coverprofile={profile}",
        *_patterns(site),
    ]
    command(site, *argv, cwd=site.workspace, remedy="mend the tests that it names", tell=failures)
    told = command(site, "go", "tool", "cover", f"-func={profile}", cwd=site.workspace).stdout
    found = _TOTAL.search(told)
    share = float(found.group(1)) if found else 0.0
    if share < site.plan.coverage:
        raise DevserverError(
            f"the tests cover {share:g} % of the statements",
            expected=f"{site.plan.coverage:g} % or more",
            remedy="write tests of what 'go tool cover -func' shows with little",
        )
    return f"{share:g} % of statements covered"


def failures(done: Completed) -> str:
    """Return the names of the tests and packages that failed; go's own words where it names none."""
    names = [test or package for test, package in _FAILED.findall(done.stdout)]
    names += [f"{line.split()[0]} hangs" for block in _HANGS.findall(done.stdout) for line in block.splitlines()]
    # A test fails with its subtests; they say more.
    telling = [name for name in dict.fromkeys(names) if not any(other.startswith(f"{name}/") for other in names)]
    more = f" and {len(telling) - _MOST_NAMES} more" if len(telling) > _MOST_NAMES else ""
    return ", ".join(telling[:_MOST_NAMES]) + more if telling else said(done)


def gopls(site: Site) -> str:
    """Ask the user's language server what an editor asks."""
    programs = site.plan.programs
    # Beside the other tools lies what their users start where they have no daemons.
    own = programs.gopls or stand_in(programs.dlv)
    options = ServerOptions(programs.socket, programs.unit, own, None, site.plan.timeout)
    result = probe_gopls([ProbeRequest(site.account.name, site.workspace)], options)[0]
    if result["problem"]:
        raise DevserverError(result["problem"])
    peak = result["memory"]["peak"]
    memory = f", {peak >> 20} MiB at most" if peak else ""
    return f"{result['mode']}, diagnostics after {result['seconds']['diagnostics']:.2f} s{memory}"


def drift(site: Site) -> str:
    """Say what the drift report found about the user, and about the host."""
    plan = site.plan
    if plan.drift is None:
        raise DevserverError(plan.drift_problem or "nobody has looked")
    about = [one for one in plan.drift["findings"] if one["user"] in ("", site.account.name)]
    bad = [one for one in about if one["severity"] in plan.drift_severities]
    if bad:
        first = f"{bad[0]['rule_id']}: {bad[0]['cause']}"
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise DevserverError(first + more, remedy="run the playbook drift, which says where and what to do")
    cells = sum(one["user"] == site.account.name for one in plan.drift["cells"])
    less = f", {len(about)} findings of less weight" if about else ""
    return f"{cells} values looked at{less}"


def launch(mode: str) -> t.Callable[[Site], str]:
    """Return the step that debugs the service, started by dlv: ``mode`` is debug or exec."""

    def step(site: Site) -> str:
        plan = site.plan
        words = arguments(plan.service, free_address(plan.service))
        program = site.file("debuggee") if mode == "exec" else ""
        names = plan.debugging.breakpoints
        return _debug(site, "launch", mode, names, package=plan.service.package, args=words, program=program)

    return step


def debug_tests(site: Site) -> str:
    """Debug the tests of a package."""
    debugging = site.plan.debugging
    return _debug(site, "launch", "test", debugging.test_breakpoints, package=debugging.test_package)


def debug_running(site: Site) -> str:
    """Attach to a service that runs."""
    address = free_address(site.plan.service)
    argv = [site.file("debuggee"), *arguments(site.plan.service, address)]
    with serving(site, argv, address) as pid:
        return _debug(site, "attach", "local", _served(site), pid=pid, trigger=_trigger(site, address))


def debug_remote(site: Site) -> str:
    """Attach to a headless dlv that runs a service."""
    address = free_address(site.plan.service)
    door = f"unix:{site.file('dlv.sock')}"
    dlv = [site.plan.programs.dlv, "exec", "--headless", "--accept-multiclient", "--continue", f"--listen={door}"]
    argv = [*dlv, "--api-version=2", site.file("debuggee"), "--", *arguments(site.plan.service, address)]
    with serving(site, argv, address):
        return _debug(
            site,
            "attach",
            "remote",
            _served(site),
            address=address_from(door, tls=False),
            trigger=_trigger(site, address),
        )


def _served(site: Site) -> t.Sequence[str]:
    return site.plan.debugging.served_breakpoints


def _trigger(site: Site, address: t.Any) -> str:
    return f"http://{address}{site.plan.debugging.trigger}"


def _debug(site: Site, request: str, mode: str, breakpoints: t.Sequence[str], **more: t.Any) -> str:
    result = probe_dlv(probe_plan(site, request, mode, breakpoints, **more))
    first = result["seconds_to_first_stop"]["median"]
    return f"hit rate {result['hit_rate']:.3f}, first stop after {first:.2f} s"


def probe_plan(
    site: Site, request: str, mode: str, breakpoints: t.Sequence[str], *, package: str = ".", **more: t.Any
) -> ProbePlan:
    """Return what dlv is asked at a site, in the environment of all that runs there; ``more`` are fields of the plan.

    Raises DevserverError where a marker is not there, or it cannot be carried out.
    """
    plan = site.plan
    names = [{"name": name} for name in breakpoints]
    wanted = wanted_from(names, account=site.account, workspace=site.workspace, package=package, tests=mode == "test")
    probed = ProbePlan(
        plan.programs.dlv,
        site.account,
        dict(site.env),
        request,
        mode,
        wanted,
        workspace=site.workspace,
        package=package,
        runs=plan.debugging.runs,
        hit_rate=1.0,
        timeout=plan.timeout,
        # Of this module's own folder: it is removed with it, whatever happens.
        scratch=site.folder,
    )
    return judged(probed._replace(**more))


def health(site: Site) -> str:
    """Run the service as it is released, and ask for its health."""
    address = free_address(site.plan.service)
    argv = [site.file("service.bin"), *arguments(site.plan.service, address)]
    with serving(site, argv, address):
        return f"{', '.join(site.plan.service.health)} answer 200"


_ALL = (
    Step("go env", drift),
    Step("hello world", hello),
    Step("build", build),
    Step("test", test),
    Step("gopls", gopls),
    Step("dlv debug", launch("debug")),
    Step("dlv exec", launch("exec"), ["build"]),
    Step("dlv test", debug_tests),
    Step("dlv local", debug_running, ["build"]),
    Step("dlv remote", debug_remote, ["build"]),
    Step("health", health, ["build"]),
)


def steps_of(plan: Plan) -> list[Step]:
    """Return the steps that are asked for, in their order."""
    left_out = {f"dlv {mode}" for mode in MODES if mode not in plan.debugging.modes}
    left_out |= set() if plan.service.health else {"health"}
    left_out |= set() if plan.drift is not None or plan.drift_problem else {"go env"}
    return [step for step in _ALL if step.name not in left_out]
