# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run after which nobody would get in: the host's files come back, and a new connection works."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import subprocess
import time
import typing as t

import pytest
import testinfra

from tests.support.killing import kill_tree

OPERATOR = "ops"
# Seconds in which the rendered files must be confirmed.
LIMIT = 8
PLAYBOOK = """
- hosts: all
  become: true
  gather_facts: false
  vars:
    environment_rollback_after: "{{ limit }}"
    remote_access_rollback_after: "{{ limit }}"
  roles:
    - gopherops.devserver.{{ role | default('environment') }}
"""
DROP_IN = "/etc/ssh/sshd_config.d/10-gopherops-devserver.conf"
# Puts a line first in a PAM service: it denies, or hangs, as soon as the service contains what go_env renders.
PLANT = """
cat >/usr/local/sbin/planted <<END
#!/bin/sh
! grep -q gopherops {service} || {{ {effect}; }}
END
chmod 0755 /usr/local/sbin/planted
sed -i '/BEGIN.*gopherops/,/END.*gopherops/d; 1i account required pam_exec.so quiet /usr/local/sbin/planted' {service}
"""
FILES = "find /etc/pam.d /etc/security /etc/gopherops /var/spool/cron -type f -exec md5sum {} + | sort"


@dataclasses.dataclass(frozen=True)
class Operator:
    """A user of the controller who provisions one host over ssh, with sudo on the host."""

    host: t.Any
    command: t.Sequence[str]
    variables: t.Mapping[str, str]

    def run(self, limit: int = LIMIT, **variables: t.Any) -> subprocess.CompletedProcess[str]:
        command = [*self.command, "-e", json.dumps({**self.variables, "limit": limit, **variables})]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def gets_in(self) -> bool:
        """Return whether a new connection and sudo work."""
        options = [
            "-i",
            self.variables["ansible_ssh_private_key_file"],
            "-o",
            "ControlPath=none",
            "-o",
            "BatchMode=yes",
        ]
        unknown = self.variables["ansible_ssh_common_args"].split()
        target = f"{OPERATOR}@{self.variables['ansible_host']}"
        return subprocess.run(["ssh", *options, *unknown, target, "sudo", "-n", "true"], check=False).returncode == 0


@pytest.fixture(scope="module")
def operator(tmp_path_factory) -> Operator:
    host = testinfra.get_hosts(["ansible://all"], ansible_inventory=os.environ["MOLECULE_INVENTORY_FILE"])[0]
    directory: pathlib.Path = tmp_path_factory.mktemp("operator")
    key, playbook = directory / "key", directory / "environment.yml"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    playbook.write_text(PLAYBOOK)
    host.check_output(
        f"useradd --create-home --shell /bin/bash {OPERATOR}"
        f" && install -d -o {OPERATOR} -m 0700 /home/{OPERATOR}/.ssh"
        f" && echo '{key.with_suffix('.pub').read_text()}' >/home/{OPERATOR}/.ssh/authorized_keys"
        f" && echo '{OPERATOR} ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/{OPERATOR}"
    )
    variables = {
        "ansible_connection": "ssh",
        "ansible_host": host.check_output("hostname -I").split()[0],
        "ansible_user": OPERATOR,
        "ansible_ssh_private_key_file": str(key),
        "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
    }
    target = ["-i", os.environ["MOLECULE_INVENTORY_FILE"], "--limit", host.check_output("hostname")]
    return Operator(host, ["ansible-playbook", *target, playbook, "-e", f"limit={LIMIT}"], variables)


@pytest.fixture
def plant(operator) -> t.Iterator[t.Callable[[str, str], str]]:
    """Put PLANT into a PAM service; return the digests of all files. The service is whole again after the test."""
    planted = []

    def put(service: str, effect: str) -> str:
        operator.host.check_output(f"cp -p {service} /root/service")
        planted.append(service)
        operator.host.check_output(PLANT.format(service=service, effect=effect))
        return operator.host.check_output(FILES)

    yield put
    for service in planted:
        operator.host.check_output(f"cp -p /root/service {service}")


def wait_until(condition: t.Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.parametrize("service", ["sudo", "sshd"])
def test_the_files_come_back_if_the_new_ones_lock_out(operator, plant, service):
    before = plant(f"/etc/pam.d/{service}", "exit 1")
    completed = operator.run()
    # In YAML a long message has several lines.
    output = " ".join((completed.stdout + completed.stderr).split())
    assert completed.returncode == 2, output
    assert "the previous files of the host are restored, because a new connection to the host failed" in output
    assert operator.host.check_output(FILES) == before
    assert operator.gets_in()
    assert not operator.host.file("/run/gopherops/access.json").exists


def test_sshd_comes_back_if_its_settings_lock_out(operator, plant):
    """The same for sshd, which reads the restored configuration again."""
    host = operator.host
    host.check_output(f"rm -f {DROP_IN} && systemctl reload ssh")
    plant("/etc/pam.d/sshd", "exit 1")
    # Denies from the first login on which finds the drop-in.
    host.check_output(f"sed -i 's/^! grep.*/[ ! -e {DROP_IN.replace('/', chr(92) + '/')} ]/' /usr/local/sbin/planted")
    reloads = int(host.check_output("journalctl -u ssh | grep -c 'Received SIGHUP'"))
    completed = operator.run(role="remote_access")
    assert completed.returncode == 2, completed.stdout
    assert "the previous files of the host are restored" in " ".join((completed.stdout + completed.stderr).split())
    assert not host.file(DROP_IN).exists
    assert operator.gets_in()
    # After the write, and after the restoration.
    assert int(host.check_output("journalctl -u ssh | grep -c 'Received SIGHUP'")) == reloads + 2
    host.check_output("cp -p /root/service /etc/pam.d/sshd")
    assert operator.run(role="remote_access").returncode == 0
    assert operator.gets_in()
    assert "maxsessions 50" in host.check_output("sshd -T")
    again = operator.run(role="remote_access")
    assert "changed=0" in again.stdout


def test_the_host_restores_them_if_the_controller_is_killed(operator, plant):
    before = plant("/etc/pam.d/sshd", "sleep 600")
    command = [*operator.command, "-e", json.dumps(operator.variables)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: operator.host.check_output(FILES) != before, 60)
        kill_tree(process)
    wait_until(lambda: operator.host.check_output(FILES) == before, 3 * LIMIT)
    assert operator.gets_in()


def test_a_module_ends_with_its_controller(operator):
    payload = "ls -d /tmp/ansible_*go_env_payload_*"
    lock = "/run/gopherops/access.json.lock"
    operator.host.check_output(f"systemd-run --quiet --collect --unit=holder flock --exclusive {lock} sleep 600")
    try:
        command = [*operator.command, "-e", json.dumps(operator.variables)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            # The module waits for the lock.
            wait_until(lambda: operator.host.run(payload).succeeded, 60)
            kill_tree(process)
        wait_until(lambda: operator.host.run(f"{payload} || pgrep --exact --full '[^ ]*python3[.0-9]*'").failed, 20)
    finally:
        operator.host.check_output("systemctl stop holder")


def test_a_run_that_changes_access_is_confirmed(operator):
    operator.host.check_output("rm /etc/gopherops/go-environment.sh")
    completed = operator.run(limit=120)
    assert (completed.returncode, "changed=1" in completed.stdout) == (0, True), completed.stdout
    assert not operator.host.file("/run/gopherops/access.json").exists
    # The timer has ended without a restoration.
    wait_until(lambda: not operator.host.check_output("systemctl --plain list-units 'gopherops-rollback-*' -q"), 10)
    assert operator.host.file("/etc/gopherops/go-environment.sh").exists
    assert "changed=0" in operator.run().stdout
