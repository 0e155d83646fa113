# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check there is, in one list, and what runs them."""

from __future__ import annotations

import dataclasses
import functools
import os
import re
import shutil
import sys
import threading
import typing as t
from pathlib import Path

from dev import (
    actionlint,
    apt,
    code_server,
    devserver,
    documentation,
    emulation,
    end_to_end,
    galaxy,
    host,
    images,
    node_env,
    python_env,
    skips,
    words,
)
from dev.checkout import CACHE, IDENTITY, ROOT, Failure
from dev.command import Argv, files, run
from dev.console import labelled, show
from dev.docker_engine import docker
from dev.lanes import Lanes
from dev.phases import Phases
from dev.skips import Skip

# The Pythons that a managed host may have (meta/runtime.yml's ansible-core decides) and the one of the controller.
TARGET_PYTHONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13")
ERRORS_SHOWN = 40
COVERAGE = re.compile(r"^TOTAL +(?P<statements>\d+) .* (?P<share>\d+%)$", re.MULTILINE)
LAYERS = "tests/unit/collection/test_layers.py"
LONG_SCENARIOS = ("default", "services")
# What a scenario needs besides Docker.
NEEDS = {
    "vscode": code_server.ensure,
    **dict.fromkeys(("default", "fleet"), images.ensure_other_releases),
}
# `make test` leaves out groups that repeat what other checks do: that of `make check`, and that of `make units`, whose
# coverage doubles the time of tests that only compute.
QUICK, MEASURED = "quick", "units"
# Programs of another architecture run ten times slower, and qemu is registered with this machine's kernel.
EMULATED = "arm64"
NOT_IN_TEST = (QUICK, MEASURED, EMULATED)
# Plugins that only controllers run, which have one of the newer Pythons.
CONTROLLER_PLUGINS = [f"plugins/{part}/" for part in ("action", "filter", "lookup", "plugin_utils")]
# As where modules run: with nothing of Ansible but its module_utils. The argument is Ansible's directory.
IMPORT = """
import importlib, pathlib, sys, types
ansible = sys.modules["ansible"] = types.ModuleType("ansible")
ansible.__path__, ansible.__file__ = [sys.argv[1]], sys.argv[1] + "/__init__.py"
for part in ("module_utils", "modules"):
    for path in sorted(pathlib.Path("plugins", part).rglob("*.py")):
        importlib.import_module(".".join(["ansible_collections.gopherops.devserver", *path.with_suffix("").parts]))
"""
SANITY = CACHE / "sanity" / "ansible_collections" / "gopherops" / "devserver"


@dataclasses.dataclass(frozen=True)
class Check:
    """One check. ``group`` is the argument of run_checks that selects it together with similar ones.

    Those that need ``docker`` have a lane of their own.
    """

    name: str
    group: str
    function: t.Callable[[Path], object]
    docker: bool = False


def _tool(argv: Argv, log: Path, **environment: str) -> str:
    """Run a command of the virtual environment."""
    return run(argv, log=log, env=python_env.tool_environment() | environment).output


def _runs(*argv: str, **environment: str) -> t.Callable[[Path], str]:
    """Return the function of a check that is one command."""
    return lambda log: _tool(argv, log, **environment)


def _mypy(log: Path) -> None:
    # By its full name, so that a module is not found under two.
    plugins = galaxy.HERE.relative_to(ROOT) / "plugins"
    _tool(
        [
            "mypy",
            *(plugins / part for part in ("module_utils", "plugin_utils", "modules", "action", "filter", "lookup")),
        ],
        log,
    )
    _tool(["mypy", "dev"], log)


def _sanity(log: Path) -> None:
    """Run every test, those of imports with the oldest Python of managed hosts; import all modules with the others.

    ansible-test imports each file anew with all that this imports: what it finds out depends on no newer version.
    """
    _copy_for_sanity(log)
    pythons = python_env.installed_pythons(TARGET_PYTHONS)
    missing = [version for version in TARGET_PYTHONS if version not in pythons]
    skips.write(skips.report_of(log), [Skip(f"Python {each}", f"Python {each} is not installed") for each in missing])
    path = ":".join(dict.fromkeys(map(str, pythons.values())))
    oldest, *others = pythons or (f"{sys.version_info.major}.{sys.version_info.minor}",)
    _ansible_test(_targets([oldest]), log, path)
    if others:
        _ansible_test(["--test", "compile", "--test", "import", *_targets(others), *CONTROLLER_PLUGINS], log, path)
    (ansible,) = python_env.VENV.glob("lib/python*/site-packages/ansible")
    for version in others:
        python = pythons[version] / f"python{version}"
        _tool([python, "-c", IMPORT, ansible], log, PYTHONPATH=str(galaxy.COLLECTIONS))


def _targets(versions: t.Iterable[str]) -> list[str]:
    return [word for version in versions for word in ("--target-python", version)]


def _ansible_test(arguments: t.Sequence[str], log: Path, path: str = "") -> None:
    # It downloads pip by a script of its own; the script beside the wheel uses the configured package index alone.
    home = CACHE / "ansible-test"
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    pip = python_env.wheel("pip", log)
    shutil.copy(pip, cache / pip.name)
    version = pip.name.split("-")[1].replace(".", "_")
    shutil.copy(ROOT / "dev" / "get_pip.py", cache / f"get_pip_{version}.py")
    env = python_env.tool_environment() | {"HOME": str(home), "ANSIBLE_COLLECTIONS_PATH": str(SANITY.parents[2])}
    env["PATH"] = f"{python_env.BIN}:{path}:{env['PATH']}"
    done = run(["ansible-test", "sanity", "--color", "no", *arguments], log=log, cwd=SANITY, env=env, check=False)
    if not done.ok:
        # Its errors are far above the end, between the reports of its installations.
        errors = [f"    {line}" for line in done.output.splitlines() if line.startswith(("ERROR", "FATAL"))]
        raise Failure("\n".join([f"ansible-test, see {log}", *errors[:ERRORS_SHOWN]]))


def _copy_for_sanity(log: Path) -> None:
    """Copy what git knows, or would: ansible-test needs a real directory of the collection's name, under git."""
    shutil.rmtree(SANITY, ignore_errors=True)
    SANITY.mkdir(parents=True)
    for name in files():
        (SANITY / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, SANITY / name)
    run(["git", "init", "-q"], log=log, cwd=SANITY)
    run(["git", "add", "-A"], log=log, cwd=SANITY)


def _units(log: Path, *arguments: str) -> None:
    # The shells themselves show best what users' startup files do.
    apt.require({"bash": "bash", "dash": "dash", "zsh": "zsh", "fish": "fish"}, log)
    if not node_env.ensure(log):
        show("    no npm: tests against node packages are skipped")
    # Each process gets neighbouring tests, which share fixtures; one that is finished takes over tests of another.
    processes = ["--numprocesses", str(os.cpu_count() or 2), "--dist", "worksteal"]
    report = f"--junitxml={skips.report_of(log)}"
    output = _tool(["pytest", *processes, report, *arguments], log, PYTHONPATH=str(galaxy.COLLECTIONS))
    show(f"    {output.strip().splitlines()[-1].strip('= ')}")
    total = COVERAGE.search(output)
    if total:
        show(f"    {total['share']} of {total['statements']} statements covered; by file: {log}")


def _units_with_coverage(log: Path) -> None:
    _units(log, "--cov", "--cov-report=term")


def _quick_units(log: Path) -> None:
    _units(log, "-m", "not builds", "tests/unit")


def _oldest_core(log: Path) -> None:
    command = python_env.ensure_core(python_env.OLDEST_CORE, log)
    playbooks = sorted((ROOT / "playbooks").glob("*.yml"))
    if not playbooks:
        raise Failure("playbooks/ contains no playbook")
    _tool([command, "--syntax-check", "-i", "localhost,", *playbooks], log)


def _molecule(scenario: str, log: Path) -> None:
    if scenario in NEEDS:
        NEEDS[scenario](log)
    _remove_rests(scenario)
    # Containers mount it.
    (CACHE / "go-build").mkdir(exist_ok=True)
    env = python_env.tool_environment() | molecule_environment()
    env["PYTEST_ADDOPTS"] = f"--junitxml={skips.report_of(log)}"
    done = run(["molecule", "test", "--scenario-name", scenario], log=log, env=env, check=False)
    if not done.ok:
        # After the failure it destroys the containers, with much output.
        lines = done.output.partition("\nCRITICAL")[0].splitlines()[-ERRORS_SHOWN:]
        raise Failure("\n".join([f"molecule, see {log}", *(f"    {line}" for line in lines)]))


def _remove_rests(scenario: str) -> None:
    """Remove what an interrupted run left: containers, and molecule's notes of containers."""
    names = f"name=^devserver-{IDENTITY}-{scenario}(-[0-9]+)?$"
    containers = docker("ps", "--all", "--quiet", "--filter", names).split()
    if containers:
        docker("rm", "--force", "--volumes", *containers)
    for notes in (CACHE / "ansible" / "tmp").glob(f"molecule.*.{scenario}"):
        shutil.rmtree(notes)


def molecule_environment() -> dict[str, str]:
    """Return what the scenarios read from the environment."""
    surroundings = host.surroundings()
    return {
        "DEVSERVER_ID": IDENTITY,
        "DEVSERVER_CA_BUNDLE": surroundings.get("trust_ca_bundle", ""),
        "DEVSERVER_GOPROXY": surroundings.get("devserver_toolchain_goproxy", ""),
    }


def _scenarios() -> list[str]:
    """Return every scenario there is, the longest first, so that none of them is the last one to run alone."""
    names = sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))
    return [*LONG_SCENARIOS, *(name for name in names if name not in (*LONG_SCENARIOS, EMULATED))]


def _emulated(log: Path) -> None:
    emulation.ensure(log)
    images.ensure(devserver.SUITE, log, arm64=True)
    _molecule(EMULATED, log)


# The longest of each lane come first, so that none of them runs alone at the end.
CHECKS = (
    Check("unit tests", "unit tests", _units),
    Check("unit tests with coverage", MEASURED, _units_with_coverage),
    Check("unit tests that build nothing", QUICK, _quick_units),
    Check("sanity", "sanity", _sanity),
    Check("ruff check", "lint", _runs("ruff", "check")),
    Check("ruff format", "lint", _runs("ruff", "format", "--check")),
    Check("mypy", "lint", _mypy),
    Check("yamllint", "lint", _runs("yamllint", "--strict", ".")),
    Check("ansible-lint", "lint", _runs("ansible-lint", "--profile", "production", "--offline", "--strict")),
    Check("layers", "lint", _runs("pytest", "-q", LAYERS, PYTHONPATH=str(galaxy.COLLECTIONS))),
    Check("spelling", "lint", _runs("codespell")),
    Check("vocabulary", "lint", words.check),
    Check("workflows", "lint", actionlint.check),
    Check("change log", "lint", documentation.change_log),
    Check("plugin documentation", "docs", documentation.plugins),
    Check("documentation site", "docs", documentation.site),
    Check("Galaxy import", "docs", documentation.package),
    Check("ansible-core 2.16", "compatibility", _oldest_core),
    *(
        Check(f"molecule {scenario}", "molecule", functools.partial(_molecule, scenario), docker=True)
        for scenario in _scenarios()
    ),
    Check("molecule arm64", EMULATED, _emulated, docker=True),
    Check("end to end", "end-to-end", end_to_end.check, docker=True),
)


def run_checks(*groups: str) -> bool:
    """Run the checks of some groups, or all, also after a failure; report at the end which failed."""
    checks = [check for check in CHECKS if (check.group in groups if groups else check.group not in NOT_IN_TEST)]
    session = _Session()
    session.prepare()
    # Checks that compute on this machine run beside those that mostly wait for containers. The third lane has no checks
    # of its own: it helps the others, so that two processors have work while both lanes wait.
    Lanes([*([check for check in checks if check.docker is docker] for docker in (False, True)), []]).run(session.check)
    print(f"\n{session.phases.table()}\n\n{skips.summary(session.skipped, skips.allowed())}\n")
    failed = [check.name for check in checks if check.name in session.failures]
    for name in failed:
        print(f"failed: {name}")
    print(f"{len(checks) - len(failed)} passed, {len(failed)} failed", flush=True)
    return not failed


class _Session:
    """One run of checks: their times, what failed, and whether Docker is ready for those that need it."""

    def __init__(self) -> None:
        self.phases = Phases()
        self.failures: dict[str, Failure] = {}
        self.skipped: list[Skip] = []
        self._obstacle: Failure | None = None
        self._docker = threading.Lock()
        self._docker_prepared = False
        self._docker_obstacle: Failure | None = None

    def prepare(self) -> None:
        """Make ready what all checks need."""
        try:
            devserver.prepare(self.phases)
        except Failure as failure:
            self._obstacle = failure

    def check(self, check: Check) -> None:
        """Run one check; a failure is shown and remembered."""
        with labelled(check.name):
            try:
                if self._obstacle:
                    raise self._obstacle
                if check.docker:
                    self._prepare_docker()
                with self.phases.phase(check.name) as log:
                    self._call(check, log)
                show(f"    passed after {self.phases.seconds[check.name]:.0f} s")
            except Failure as failure:
                show(f"    failed: {failure}")
                self.failures[check.name] = failure

    def _call(self, check: Check, log: Path) -> None:
        report = skips.report_of(log)
        report.unlink(missing_ok=True)
        try:
            check.function(log)
        finally:
            skipped = skips.read(report)
            self.skipped += skipped
        unlisted = [skip for skip in skipped if not skips.reason(skip, skips.allowed())]
        if unlisted:
            raise Failure(
                f"{len(unlisted)} skipped tests are not on the list, the first is {unlisted[0].test}: "
                f"{unlisted[0].message}. To fix this: install what it needs, or add the message with its reason to "
                f"{skips.LIST}"
            )

    def _prepare_docker(self) -> None:
        """Make Docker and the image ready for the first check that needs them, while the other lane works already."""
        with self._docker:
            if not self._docker_prepared:
                self._docker_prepared = True
                try:
                    devserver.prepare_docker(self.phases)
                except Failure as failure:
                    self._docker_obstacle = failure
        if self._docker_obstacle:
            raise self._docker_obstacle
