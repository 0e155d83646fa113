# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench`: what a run costs on the embedded dev server, over ssh; what a toolchain, a fleet and gopls cost."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from dev import checks, devserver, galaxy, host, python_env
from dev.checkout import CACHE, ROOT
from dev.command import run
from dev.phases import Phases

ROUNDS = 5
EMPTY = "- hosts: all\n  gather_facts: false\n  tasks: []\n"
FACTS = "- hosts: all\n  gather_facts: true\n  tasks: []\n"
ROLES = """\
- hosts: all
  become: true
  gather_facts: false
  roles: [gopherops.devserver.toolchain, gopherops.devserver.tools]
"""


def bench() -> None:
    """Run the playbooks in turn, so that a busy minute falls on all of them alike, and print the medians."""
    phases = Phases()
    devserver.prepare(phases)
    image = devserver.prepare_docker(phases)
    with phases.phase("Dev server") as log:
        target = host.embedded(image, log)
    playbooks = _playbooks()
    with phases.phase("Provision") as log:
        _time(target, playbooks["site.yml, no change"], log)
    seconds: dict[str, list[float]] = {name: [] for name in playbooks}
    tasks: dict[str, int] = {}
    with phases.phase("Rounds") as log:
        for number in range(1, ROUNDS + 1):
            print(f"    round {number} of {ROUNDS}", flush=True)
            for name, path in playbooks.items():
                elapsed, tasks[name] = _time(target, path, log)
                seconds[name].append(elapsed)
    with phases.phase("Cold toolchain") as log:
        print(_toolchain(log), flush=True)
    with phases.phase("Fleet") as log:
        print(_script(log, "fleet", image), flush=True)
    with phases.phase("Drift") as log:
        print(_script(log, "drift", image), flush=True)
    with phases.phase("Language server") as log:
        print(_script(log, "language_server", CACHE / "bench" / "language_server"), flush=True)
    print(_table({name: statistics.median(times) for name, times in seconds.items()}, tasks), flush=True)


def _playbooks() -> dict[str, Path]:
    folder = CACHE / "bench"
    folder.mkdir(exist_ok=True)
    for name, content in (("empty.yml", EMPTY), ("facts.yml", FACTS), ("roles.yml", ROLES)):
        (folder / name).write_text(content)
    return {
        "empty playbook": folder / "empty.yml",
        "facts only": folder / "facts.yml",
        "toolchain and tools": folder / "roles.yml",
        "site.yml, no change": ROOT / "playbooks" / "site.yml",
    }


def _toolchain(log: Path) -> str:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        return _script(log, "toolchain", CACHE / "bench" / "toolchain", memory)


def _script(log: Path, name: str, *arguments: str | Path) -> str:
    """Run one of the scripts in tests/bench and return what it prints."""
    argv = [python_env.BIN / "python", ROOT / "tests" / "bench" / f"{name}.py", *arguments]
    env = python_env.tool_environment() | checks.molecule_environment() | {"PYTHONPATH": str(galaxy.COLLECTIONS)}
    return run(argv, log=log, env=env).output


def _time(target: host.Target, path: Path, log: Path) -> tuple[float, int]:
    """Return the seconds that a playbook took, and the number of its tasks."""
    start = time.monotonic()
    done = run(devserver.playbook(target, path), log=log, env=python_env.tool_environment())
    return time.monotonic() - start, done.output.count("\nTASK [")


def _table(medians: dict[str, float], tasks: dict[str, int]) -> str:
    shortest = next(iter(medians.values()))
    lines = [f"{'':<20} {'median':>8} {'ratio':>6} {'tasks':>5}"]
    lines += [f"{n:<20} {s:6.2f} s {s / shortest:6.2f} {tasks[n]:5}" for n, s in medians.items()]
    return "\n".join(lines)
