# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new developer connects with the rendered configuration, with host keys checked, through another host."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import tempfile
import time
import typing as t

import pytest
import testinfra
import yaml

USER = "zoe"
SITE = pathlib.Path(__file__).parents[3] / "playbooks"


@pytest.fixture
def directory() -> t.Iterator[pathlib.Path]:
    """A directory whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="ssh-") as path:
        yield pathlib.Path(path)


def run(playbook: str, directory: pathlib.Path, **variables: t.Any) -> str:
    command = ["ansible-playbook", "-i", directory / "inventory.yml", SITE / f"{playbook}.yml"]
    completed = subprocess.run(
        [*command, "-e", json.dumps(variables), *(["--tags", "remote_access"] if playbook != "ssh_config" else [])],
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout


def test_ssh_as_printed_works_through_a_jump_host(directory: pathlib.Path, record_property: t.Any) -> None:
    hosts = testinfra.get_hosts(["ansible://all"], ansible_inventory=os.environ["MOLECULE_INVENTORY_FILE"])[:2]
    key = directory / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "zoe", "-f", key], check=True)
    described = {
        name: {
            "ansible_host": host.check_output("hostname -I").split()[0],
            "ansible_docker_host": host.check_output("hostname"),
            "ansible_connection": "community.docker.docker",
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        for name, host in zip(("bastion", "dev1"), hosts, strict=True)
    }
    described["dev1"]["ansible_ssh_common_args"] = f"-o ProxyJump=ops@{described['bastion']['ansible_host']}"
    (directory / "inventory.yml").write_text(yaml.safe_dump({"all": {"hosts": described}}))
    variables = {
        "devserver_users": [
            {"name": USER, "create": True, "authorized_keys": [key.with_suffix(".pub").read_text().strip()]},
        ],
        "debugger_services": [{"name": "api", "user": USER, "listen": "127.0.0.1:22"}],
        "remote_access_client_dir": str(directory),
        "remote_access_client_identity": str(key),
    }
    run("site", directory, **variables)
    assert "changed=1" in run("ssh_config", directory, **variables)
    assert "changed=0" in run("ssh_config", directory, **variables).splitlines()[-3]
    ssh = ["ssh", "-F", str(directory / USER / "config"), "-o", "BatchMode=yes"]

    def connect(*arguments: str) -> float:
        start = time.monotonic()
        output = subprocess.run([*ssh, *arguments], check=True, capture_output=True, text=True, timeout=60).stdout
        assert output.split() == [USER, described["dev1"]["ansible_docker_host"]]
        return time.monotonic() - start

    command = ("dev1", "id -un; hostname")
    try:
        first = connect("-o", "ControlPath=none", *command)
        connect(*command)
        shared = min(connect(*command) for _time in range(3))
        # Through the shared connection: sshd itself, in place of a debug service.
        config = subprocess.run([*ssh, "-G", "dev1"], check=True, capture_output=True, text=True).stdout
        port = config.partition("localforward [127.0.0.1]:")[2].split()[0]
        scanned = subprocess.run(["ssh-keyscan", "-p", port, "127.0.0.1"], capture_output=True, text=True, check=False)
        assert "ssh-ed25519" in scanned.stdout
        record_property("seconds of a connection", f"{first:.3f} alone, {shared:.3f} over a shared one")
        print(f"a connection through a jump host: {first:.3f} s, over a shared one: {shared:.3f} s")
        # Another host on the way is not accepted.
        known = directory / USER / "known_hosts"
        lines = known.read_text().splitlines()
        other = {line.split()[1]: line.split()[2] for line in lines if line.startswith("bastion ")}
        known.write_text("".join(f"dev1 {kind} {blob}\nbastion {kind} {blob}\n" for kind, blob in other.items()))
        denied = subprocess.run(
            [*ssh, "-o", "ControlPath=none", "dev1", "true"], capture_output=True, text=True, check=False
        )
        assert denied.returncode == 255
        assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in denied.stderr
        run("remove", directory, **variables)
        removed = subprocess.run(
            [*ssh, "-o", "ControlPath=none", "bastion", "true"], capture_output=True, text=True, check=False
        )
        assert "Permission denied" in removed.stderr
    finally:
        for name in ("dev1", "bastion"):
            subprocess.run([*ssh, "-O", "exit", name], capture_output=True, check=False)
