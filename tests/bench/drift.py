# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cost of probing real processes of one user, of 10 and of 30, in every context, with plain startup files.

Called with the containers' image, it starts one, in which it calls itself with the word ``inside``.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import time
import typing as t
from pathlib import Path

ROUNDS = 5
GO = "go1.22.12"
SHELLS = ("/bin/bash", "/bin/sh", "/usr/bin/zsh", "/usr/bin/fish")
USERS = [f"gopher{number}" for number in range(30)]
COLLECTION = "ansible_collections/gopherops/devserver"
BOOTED = ("running", "degraded")
# As in molecule/shared/create.yml: systemd as PID 1 without privileged mode.
SYSTEMD = [
    "--cap-add=SYS_ADMIN",
    "--security-opt=seccomp=unconfined",
    "--cgroupns=host",
    "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw",
    "--tmpfs=/run",
    "--tmpfs=/run/lock",
    "--tmpfs=/tmp:exec",
]


@contextlib.contextmanager
def container(image: str, goroot: str) -> t.Iterator[str]:
    """Start the host and remove it afterwards."""
    identity = os.environ["DEVSERVER_ID"]
    name = f"devserver-{identity}-bench-drift"
    label = f"--label=gopherops.devserver.checkout={identity}"
    root = Path(__file__).resolve().parents[2]
    mounts = [f"--volume={root}:/collections/{COLLECTION}:ro", f"--volume={goroot}:/usr/local/go:ro"]
    command = ["docker", "run", "--detach", label, "--name", name, *SYSTEMD, *mounts, image]
    try:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        ready = ["docker", "exec", name, "systemctl", "is-system-running", "--wait"]
        while subprocess.run(ready, check=False, capture_output=True, text=True).stdout.strip() not in BOOTED:
            time.sleep(0.2)
        yield name
    finally:
        subprocess.run(["docker", "rm", "--force", name], check=True, stdout=subprocess.DEVNULL)


def outside(image: str) -> None:
    env = {**os.environ, "GOTOOLCHAIN": GO}
    goroot = subprocess.check_output(["go", "env", "GOROOT"], cwd="/", env=env, text=True).strip()
    with container(image, goroot) as name:
        script = f"/collections/{COLLECTION}/tests/bench/drift.py"
        command = ["docker", "exec", "--env=PYTHONPATH=/collections", name, "python3", "-B", script, "inside"]
        subprocess.run(command, check=True)


def inside() -> None:
    from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.observations import observe
    from ansible_collections.gopherops.devserver.plugins.module_utils._environment.apply import apply
    from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
        ARGUMENT_SPEC,
        declaration_from,
    )

    for number, user in enumerate(USERS):
        shell = SHELLS[number % len(SHELLS)]
        subprocess.run(["useradd", "--create-home", "--shell", shell, user], check=True)

    def declare(users: t.Sequence[str]) -> t.Any:
        standard = {name: option.get("default") for name, option in ARGUMENT_SPEC.items()}
        return declaration_from({**standard, "users": [{"name": user} for user in users]})

    apply(declare(USERS), check=False)
    for users in (USERS[:1], USERS[:10], USERS):
        declaration, seconds = declare(users), []
        for _round in range(ROUNDS):
            start = time.monotonic()
            seen = observe(declaration, ["gopls", "dlv"], timeout=10)
            seconds.append(time.monotonic() - start)
            unknown = [(one.user.account.name, one.context.name, one.problem) for one in seen if not one.environment]
            if unknown:
                sys.exit(f"could not be probed: {unknown}")
        median, most = statistics.median(seconds), max(seconds)
        print(f"{len(users):2} users: {len(seen):3} probes, median {median:.2f} s, slowest {most:.2f} s")


if __name__ == "__main__":
    inside() if sys.argv[1:] == ["inside"] else outside(*sys.argv[1:])
