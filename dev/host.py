# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine to provision: the embedded container, reached over ssh like any other, or one of the user's own."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import time
import typing as t
from pathlib import Path

from dev import state
from dev.checkout import DEVSERVER, IDENTITY, LABEL, ROOT, Failure
from dev.command import query, run
from dev.console import show
from dev.docker_engine import docker

NAME = f"gopherops-devserver-{IDENTITY}"
ALIAS = "devserver"
USER = "gopher"
BOOT_SECONDS = 60
KEY = DEVSERVER / "id_ed25519"
KNOWN_HOSTS = DEVSERVER / "known_hosts"
SSH_CONFIG = DEVSERVER / "ssh_config"

# systemd as PID 1 without --privileged; molecule/shared/create.yml has the same. Programs are built in /tmp: exec.
FLAGS = (
    "--cap-add=SYS_ADMIN",
    "--cap-add=SYS_PTRACE",
    "--security-opt=seccomp=unconfined",
    "--cgroupns=host",
    "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw",
    "--tmpfs=/run",
    "--tmpfs=/run/lock",
    "--tmpfs=/tmp:exec",
)

# $1 is the user, $2 the public key.
ADMIT = """
id "$1" >/dev/null 2>&1 || useradd --create-home --uid 1000 --shell /bin/bash "$1"
printf '%s ALL=(ALL) NOPASSWD:ALL\\n' "$1" >/etc/sudoers.d/devserver
chmod 0440 /etc/sudoers.d/devserver
keys=/home/$1/.ssh/authorized_keys
install -d -o "$1" -g "$1" -m 0700 "/home/$1/.ssh"
grep -qxF "$2" "$keys" 2>/dev/null || printf '%s\\n' "$2" >>"$keys"
chown "$1:" "$keys"
chmod 0600 "$keys"
"""


class Target(t.NamedTuple):
    """``directory`` contains all of its files; ``connect`` is the text that is shown to the user."""

    name: str
    directory: Path
    connect: str

    @property
    def inventory(self) -> Path:
        return self.directory / "inventory.yml"


def embedded(image: str, log: Path) -> Target:
    """Return the embedded dev server, running and ready for ssh; created, started or repaired as needed."""
    DEVSERVER.mkdir(mode=0o700, exist_ok=True)
    _make_key(log)
    status = query(["docker", "container", "inspect", "--format", "{{.State.Status}}", NAME])
    if not status.ok:
        _create(image)
    elif status.output.strip() != "running":
        _start()
    await_boot(NAME)
    docker("exec", NAME, "sh", "-euc", ADMIT, "sh", USER, KEY.with_suffix(".pub").read_text().strip())
    port = _published_port()
    _pin_host_key(port)
    SSH_CONFIG.write_text(_ssh_config(port))
    # Nothing comes from the user's own ssh configuration: a "Host *" there was written for other machines.
    options = {"UserKnownHostsFile": f'"{KNOWN_HOSTS}"', "StrictHostKeyChecking": "yes", "IdentitiesOnly": "yes"}
    connection = {
        "ansible_host": "127.0.0.1",
        "ansible_port": port,
        "ansible_user": USER,
        "ansible_ssh_private_key_file": str(KEY),
        # The image's; ansible would search for it at the start of each run.
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_common_args": "-F none " + " ".join(f"-o {shlex.quote(f'{k}={v}')}" for k, v in options.items()),
    }
    target = Target(ALIAS, DEVSERVER, _embedded_connect())
    _write_inventory(target, connection, USER)
    return target


def own(destination: str) -> Target:
    """Return a machine of the user's, given as user@host, reached by the user's own ssh configuration and keys."""
    match = re.fullmatch(r"([A-Za-z0-9_][\w.-]*)@([A-Za-z0-9_][\w.:-]*)", destination)
    if not match:
        raise Failure(f"HOST={destination}: expected user@host, as in: make devserver HOST=ada@build7.example.org")
    user, host = match.groups()
    directory = DEVSERVER / host
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = Target(host, directory, f"Connect:\n  ssh {destination}")
    _write_inventory(target, {"ansible_user": user}, user)
    return target


def surroundings() -> dict[str, str]:
    """Return what provisioning takes from this machine: its certificate authorities and its Go module proxy."""
    found = {}
    bundle = os.environ.get("SSL_CERT_FILE", "")
    if Path(bundle).is_file():
        found["trust_ca_bundle"] = bundle
    proxies = re.split("[,|]", os.environ.get("GOPROXY") or query(["go", "env", "GOPROXY"]).output)
    goproxy = next((proxy.strip() for proxy in proxies if proxy.strip().startswith("https://")), "")
    if goproxy:
        found["devserver_toolchain_goproxy"] = goproxy
    return found


def _write_inventory(target: Target, connection: t.Mapping[str, t.Any], user: str) -> None:
    variables = {**connection, "devserver_users": [{"name": user}], **surroundings()}
    # JSON is YAML too, and needs no library.
    content = {"all": {"hosts": {target.name: variables}}}
    target.inventory.write_text(json.dumps(content, indent=2) + "\n")


def _make_key(log: Path) -> None:
    if not KEY.exists() or not KEY.with_suffix(".pub").exists():
        KEY.unlink(missing_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", NAME, "-f", KEY], log=log)


def _create(image: str) -> None:
    show(f"    creating the container {NAME}")
    # Docker picks another port at each start where it is left to choose; a fixed one keeps what was printed true.
    port = _free_port(state.load().port)
    published = f"--publish=127.0.0.1:{port}:22"
    docker("run", "--detach", "--name", NAME, "--hostname", ALIAS, "--label", LABEL, published, *FLAGS, image)
    state.remember(port=port)


def _start() -> None:
    show(f"    starting the container {NAME}")
    try:
        docker("start", NAME)
    except Failure as error:
        if not re.search("already allocated|already in use", str(error)):
            raise
        raise Failure(
            f"port {_published_port()} of 127.0.0.1, which is this dev server's, was taken while it was stopped. "
            "To fix this: end the program that listens there, or give up this dev server with "
            f"'docker rm {NAME}' and run make devserver again, which makes one on another port"
        ) from error


def await_boot(name: str) -> None:
    """Wait until systemd has started the services of a container. Raises Failure after BOOT_SECONDS."""
    deadline = time.monotonic() + BOOT_SECONDS
    while True:
        # Its exit code is 0 only for "running"; one failed unit ("degraded") does not keep sshd from serving.
        reply = query(["docker", "exec", name, "systemctl", "is-system-running", "--wait"]).output.split()
        if reply and reply[0] in ("running", "degraded"):
            return
        if time.monotonic() > deadline:
            raise Failure(f"the container {name} did not boot within {BOOT_SECONDS} s: {' '.join(reply)}")
        time.sleep(0.3)


def _published_port() -> int:
    template = '{{(index (index .HostConfig.PortBindings "22/tcp") 0).HostPort}}'
    return int(docker("container", "inspect", "--format", template, NAME))


def _free_port(preferred: int) -> int:
    """Return ``preferred`` where nobody listens on it, else any free port of the loopback address."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Failure("no free port on 127.0.0.1")


def _pin_host_key(port: int) -> None:
    """Read the host key past the network, so that the first connection is verified like all others."""
    kind, key = docker("exec", NAME, "cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()[:2]
    KNOWN_HOSTS.write_text(f"[127.0.0.1]:{port} {kind} {key}\n")


def _ssh_config(port: int) -> str:
    return f"""Host {ALIAS}
    HostName 127.0.0.1
    Port {port}
    User {USER}
    IdentityFile "{KEY}"
    IdentitiesOnly yes
    UserKnownHostsFile "{KNOWN_HOSTS}"
    StrictHostKeyChecking yes
"""


def _embedded_connect() -> str:
    entry = SSH_CONFIG.read_text()
    command = f"ssh -F {SSH_CONFIG.relative_to(ROOT)} {ALIAS}"
    return f"Connect, from this directory:\n  {command}\nFor VS Code, put this into ~/.ssh/config:\n\n{entry.rstrip()}"
