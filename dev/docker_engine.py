# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Docker engine: used where it runs; installed, started and remembered where it does not."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from dev import apt, state
from dev.checkout import Failure
from dev.command import Completed, query, run, tail
from dev.console import show

START_SECONDS = 60
STOP_SECONDS = 30
DAEMON_PID = Path("/var/run/docker.pid")
# The names of pid files that a daemon leaves behind when it is killed, with the program of each.
PID_FILES = {DAEMON_PID: "dockerd", Path("/var/run/docker/containerd/containerd.pid"): "containerd"}


def docker(*arguments: str | Path, stdin: str = "") -> str:
    """Run a short docker command and return its output; raises Failure with its error."""
    done = query(["docker", *arguments], stdin=stdin)
    if not done.ok:
        raise Failure(f"docker {arguments[0]}: {done.output.strip()}{_daemon_hint()}")
    return done.output.strip()


def ensure(log: Path) -> None:
    """Make sure that a daemon responds."""
    if probe().ok:
        return
    if os.environ.get("DOCKER_HOST"):
        raise Failure(f"no Docker engine responds at DOCKER_HOST={os.environ['DOCKER_HOST']}; start it or unset that")
    if os.geteuid() != 0:
        raise Failure(
            f"no Docker engine responds ({probe().output.strip()}). Only root can install or start one from here. "
            "To fix this: sudo apt-get install docker.io iptables && sudo systemctl start docker && "
            "sudo usermod -aG docker $USER, then log in again"
        )
    apt.require({"dockerd": "docker.io", "iptables": "iptables"}, log)
    # Newer releases ship the client apart.
    apt.require({"docker": "docker-cli"}, log)
    # The package itself starts the daemon where there is a service manager; then it runs because of us all the same.
    if not probe().ok:
        _start(log)
    _remember()


def stop() -> str:
    """Stop the daemon where we started it and nobody else's containers are on it; return a report."""
    daemon = state.load().daemon
    if not daemon:
        return ""
    if daemon != "systemd" and _process_key(int(daemon.split()[0])) != daemon:
        state.remember(daemon="")
        return "the Docker daemon that was started from here had ended already"
    others = query(["docker", "ps", "--format", "{{.Names}}"]).output.split()
    if others:
        return f"left the Docker daemon running: others' containers are on it ({', '.join(others)})"
    if daemon == "systemd":
        query(["systemctl", "stop", "docker.socket", "docker"])
    else:
        _end(int(daemon.split()[0]))
    state.remember(daemon="")
    return "stopped the Docker daemon that was started from here"


def probe() -> Completed:
    """Query the daemon's version."""
    return query(["docker", "version", "--format", "{{.Server.Version}}"])


def _start(log: Path) -> None:
    show("    starting the Docker daemon")
    if _systemd_is_init():
        run(["systemctl", "start", "docker"], log=log)
        return
    _remove_stale_pid_files()
    program = apt.which("dockerd")
    assert program is not None
    # A session of its own: neither the end of this command nor Ctrl-C may terminate it.
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [program],
            env=os.environ | {"PATH": f"{os.environ.get('PATH', '')}:{apt.SYSTEM_PATH}"},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while not probe().ok:
        if process.poll() is not None or time.monotonic() > deadline:
            raise Failure(f"the Docker daemon did not start\n{tail(log)}")
        time.sleep(0.3)


def _remember() -> None:
    daemon = "systemd" if _systemd_is_init() else _process_key(int(DAEMON_PID.read_text()))
    state.remember(daemon=daemon)


def _remove_stale_pid_files() -> None:
    # A daemon that was killed leaves its pid file; when another process has that number by now, none starts again.
    for file, program in PID_FILES.items():
        try:
            pid = int(file.read_text())
        except (FileNotFoundError, ValueError):
            continue
        if _program(pid) != program:
            file.unlink()


def _end(pid: int) -> None:
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while _program(pid):
        if time.monotonic() > deadline:
            raise Failure(f"the Docker daemon (pid {pid}) did not end within {STOP_SECONDS} s of SIGTERM")
        time.sleep(0.2)


def _systemd_is_init() -> bool:
    return Path("/run/systemd/system").is_dir()


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the program's name: state first, start time twentieth."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [] if fields[0] == "Z" else fields


def _program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() if _stat(pid) else ""
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _process_key(pid: int) -> str:
    """Return "<pid> <start time>", which no later process with that number shares; empty where it has ended."""
    fields = _stat(pid)
    return f"{pid} {fields[19]}" if fields else ""


def _daemon_hint() -> str:
    return "" if probe().ok else ". The Docker daemon no longer responds: run the same make again, it starts it"
