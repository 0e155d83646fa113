# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench`: what runs cost on the embedded dev server over ssh, and what a toolchain, a fleet and gopls cost."""

from __future__ import annotations

import json
import resource
import statistics
import tempfile
import time
import typing as t
from pathlib import Path

from dev import checks, devserver, galaxy, host, python_env
from dev.checkout import CACHE, IDENTITY, LABEL, ROOT, Failure
from dev.command import run
from dev.docker_engine import docker
from dev.phases import Phases

ROUNDS = 5
HOSTS = 10
DIRECTORY = CACHE / "bench"
EMPTY = "- hosts: all\n  gather_facts: false\n  tasks: []\n"
# What the simplest role costs when nothing is to do: facts, and one task of each of the most common modules.
PEER = """\
- hosts: all
  become: true
  gather_facts: true
  tasks:
    - name: Query the version of Go
      ansible.builtin.command: /usr/local/go/bin/go version
      changed_when: false
    - name: Write a file
      ansible.builtin.copy:
        content: "export PATH=/usr/local/go/bin:$PATH"
        dest: /etc/bench.sh
        mode: "0644"
    - name: Create a directory
      ansible.builtin.file:
        path: /etc/bench.d
        state: directory
        mode: "0755"
"""
PEER_NAME = "peer: facts and 3 tasks"


def bench(parts: t.Sequence[str]) -> None:
    """Measure the ``parts``, all of them if empty, and print a table or a line for each."""
    unknown = set(parts) - set(PARTS)
    if unknown:
        raise Failure(
            f"PARTS={' '.join(parts)}: no part is called {', '.join(sorted(unknown))}. Expected: {' '.join(PARTS)}"
        )
    phases = Phases()
    devserver.prepare(phases)
    image = devserver.prepare_docker(phases)
    DIRECTORY.mkdir(exist_ok=True)
    for name in parts or PARTS:
        with phases.phase(f"Bench {name}") as log:
            print(PARTS[name](image, log), flush=True)


def _runs(image: str, log: Path) -> str:
    """Run the playbooks in turn, so that a busy minute falls on all of them alike; return medians and ratios."""
    target = _provisioned(image, log)
    playbooks = _playbooks()
    seconds: dict[str, list[float]] = {name: [] for name in playbooks}
    tasks: dict[str, int] = {}
    for _round in range(ROUNDS + 1):
        for name, path in playbooks.items():
            elapsed, tasks[name] = _time(devserver.playbook(target, path), log)
            seconds[name].append(elapsed)
    # The first round writes the peer's files.
    return _table({name: statistics.median(times[1:]) for name, times in seconds.items()}, tasks)


def _provisioned(image: str, log: Path) -> host.Target:
    target = host.embedded(image, log)
    _time(devserver.playbook(target, ROOT / "playbooks" / "site.yml"), log)
    return target


def _playbooks() -> dict[str, Path]:
    contents = {"empty.yml": EMPTY, "peer.yml": PEER}
    for name, content in contents.items():
        (DIRECTORY / name).write_text(content)
    return {
        "empty playbook": DIRECTORY / "empty.yml",
        PEER_NAME: DIRECTORY / "peer.yml",
        "site.yml, no change": ROOT / "playbooks" / "site.yml",
        "drift.yml, one user": ROOT / "playbooks" / "drift.yml",
    }


def _time(argv: t.Sequence[str | Path], log: Path) -> tuple[float, int]:
    """Return the seconds that a playbook took, and the number of its tasks."""
    start = time.monotonic()
    done = run(argv, log=log, env=python_env.tool_environment())
    return time.monotonic() - start, done.output.count("\nTASK [")


def _table(medians: dict[str, float], tasks: dict[str, int]) -> str:
    lines = [f"{'':<25} {'median':>8} {'of peer':>7} {'tasks':>5}"]
    lines += [f"{n:<25} {s:6.2f} s {s / medians[PEER_NAME]:7.2f} {tasks[n]:5}" for n, s in medians.items()]
    return "\n".join(lines)


def _hosts(image: str, log: Path) -> str:
    """Run site.yml without changes on ten copies of the provisioned dev server side by side."""
    target = _provisioned(image, log)
    copy = f"{host.NAME}-bench:latest"
    docker("commit", host.NAME, copy)
    names = [f"devserver-{IDENTITY}-bench-{number}" for number in range(HOSTS)]
    try:
        inventory = _start_copies(target, copy, names)
        playbook = ROOT / "playbooks" / "site.yml"
        argv = (python_env.BIN / "ansible-playbook", f"--forks={HOSTS}", "-i", inventory, playbook)
        _time(argv, log)
        before = _controller_seconds()
        elapsed, _tasks = _time(argv, log)
        processor = (_controller_seconds() - before) / HOSTS
    finally:
        docker("rm", "--force", *names)
        docker("image", "rm", copy)
    return f"{HOSTS} hosts, site.yml, no change: {elapsed:.1f} s in all, {processor:.2f} s of controller CPU per host"


def _start_copies(target: host.Target, image: str, names: t.Sequence[str]) -> Path:
    """Start containers of a provisioned image, and return their inventory; the copies share the host key."""
    (variables,) = json.loads(target.inventory.read_text())["all"]["hosts"].values()
    alias = f"-o HostKeyAlias=[127.0.0.1]:{variables['ansible_port']}"
    hosts = {}
    for name in names:
        docker("run", "--detach", "--name", name, "--label", LABEL, "--publish=127.0.0.1::22", *host.FLAGS, image)
        port = int(docker("port", name, "22/tcp").rpartition(":")[2])
        arguments = f"{variables['ansible_ssh_common_args']} {alias}"
        hosts[name] = {**variables, "ansible_port": port, "ansible_ssh_common_args": arguments}
    for name in names:
        host.await_boot(name)
    path = DIRECTORY / "hosts.json"
    path.write_text(json.dumps({"all": {"hosts": hosts}}))
    return path


def _controller_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _toolchain(_image: str, log: Path) -> str:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        return _script(log, "toolchain", DIRECTORY / "toolchain", memory)


def _script(log: Path, name: str, *arguments: str | Path) -> str:
    """Run one of the scripts in tests/bench and return its output."""
    argv = [python_env.BIN / "python", ROOT / "tests" / "bench" / f"{name}.py", *arguments]
    env = python_env.tool_environment() | checks.molecule_environment() | {"PYTHONPATH": str(galaxy.COLLECTIONS)}
    return run(argv, log=log, env=env).output


# In the order in which they run.
PARTS: dict[str, t.Callable[[str, Path], str]] = {
    "runs": _runs,
    "hosts": _hosts,
    "toolchain": _toolchain,
    "drift": lambda image, log: _script(log, "drift", image),
    "language_server": lambda _image, log: _script(log, "language_server", DIRECTORY / "language_server"),
    "fleet": lambda image, log: _script(log, "fleet", image),
}
