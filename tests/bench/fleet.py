# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What dlv costs three containers from one build against three builds, in one run of a play each.

Called with the containers' image. They share one Go, which is mounted, so that only the tool is measured.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

HOSTS = 3
FORKS = 3
GO = "go1.22.12"
TOOL = {"package": "github.com/go-delve/delve/cmd/dlv", "version": "v1.23.1"}


@contextlib.contextmanager
def containers(image: str, goroot: str) -> t.Iterator[list[str]]:
    """Start the hosts and remove them afterwards."""
    identity = os.environ["DEVSERVER_ID"]
    names = [f"devserver-{identity}-bench-{number}" for number in range(HOSTS)]
    started = ["docker", "run", "--detach", "--label", f"gopherops.devserver.checkout={identity}"]
    # The hosts fetch the tool's sources, when they build it, from where this machine does.
    network = ["--network=host", f"--volume={goroot}:/usr/local/go:ro", "--entrypoint=sleep"]
    try:
        for name in names:
            command = [*started, "--name", name, *network, image, "infinity"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        yield names
    finally:
        subprocess.run(["docker", "rm", "--force", *names], check=True, stdout=subprocess.DEVNULL)


def seconds(image: str, goroot: str, delivery: str) -> float:
    """Run the play on hosts without a tool, and without anything in the cache."""
    with tempfile.TemporaryDirectory() as directory, containers(image, goroot) as names:
        tools = {
            "devserver_tools": [TOOL],
            "tools_delivery": delivery,
            "devserver_tools_cache_dir": f"{directory}/cache",
        }
        trust = {"trust_ca_bundle": os.environ["DEVSERVER_CA_BUNDLE"], "tools_goproxy": os.environ["DEVSERVER_GOPROXY"]}
        connection = {"ansible_connection": "community.docker.docker"}
        roles = ["gopherops.devserver.trust", "gopherops.devserver.tools"]
        play = {"hosts": "all", "gather_facts": False, "roles": roles, "vars": {**tools, **trust, **connection}}
        path = Path(directory) / "play.yml"
        path.write_text(json.dumps([play]))
        argv = ["ansible-playbook", "--forks", str(FORKS), "-i", ",".join(names) + ",", path]
        start = time.monotonic()
        done = subprocess.run(argv, check=False, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        return time.monotonic() - start


def main() -> None:
    (image,) = sys.argv[1:]
    env = {**os.environ, "GOTOOLCHAIN": GO}
    goroot = subprocess.check_output(["go", "env", "GOROOT"], cwd="/", env=env, text=True).strip()
    copy, build = (seconds(image, goroot, delivery) for delivery in ("copy", "build"))
    print(f"{HOSTS} hosts: one build {copy:.1f} s, {HOSTS} builds {build:.1f} s, ratio {copy / build:.2f}")


if __name__ == "__main__":
    main()
