# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ssh configuration of a developer, as ssh itself evaluates it."""

from __future__ import annotations

import json
import pathlib
import subprocess
import tempfile
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.gopherops.devserver.plugins.filter.ssh_hosts import ssh_hosts
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._remote_access import ssh_client_config

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
BASTION = {"name": "bastion", "address": "192.0.2.1", "keys": [f"{KEY} root@bastion"]}
DEV1 = {"name": "dev1", "address": "10.0.0.7", "port": 2222, "jump": "ops@192.0.2.1:22", "forwards": [2345, 8080]}
DEV2 = {"name": "dev2", "jump": "bastion", "forwards": [2345], "keys": [KEY]}


class Client:
    """A developer's machine with a configuration of its own."""

    def __init__(self, home: pathlib.Path) -> None:
        self.directory = home / "d"
        self.user_config = home / "config"

    def run(self, *hosts: dict[str, t.Any], check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        given = {"directory": str(self.directory), "user": "alice", "user_config": str(self.user_config), **options}
        params = ArgumentSpecValidator(ssh_client_config.ARGUMENT_SPEC).validate(dict(given, hosts=list(hosts)))
        assert params.error_messages == []
        return ssh_client_config.converge(params.validated_parameters, check=check).result

    def evaluate(self, host: str, config: str = "") -> dict[str, list[str]]:
        """Return what ssh reads for a host."""
        argv = ["ssh", "-G", "-F", config or str(self.directory / "config"), host]
        output = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
        values: dict[str, list[str]] = {}
        for line in output.splitlines():
            values.setdefault(line.partition(" ")[0], []).append(line.partition(" ")[2])
        return values


@pytest.fixture
def client() -> t.Iterator[Client]:
    with tempfile.TemporaryDirectory(prefix="ssh-") as directory:
        yield Client(pathlib.Path(directory))


def test_ssh_reads_what_each_host_needs(client: Client) -> None:
    assert client.run(BASTION, DEV1, DEV2, check=True)["changed"]
    assert not client.directory.exists()
    client.run(BASTION, DEV1, DEV2)
    assert not client.run(BASTION, DEV1, DEV2)["changed"]
    values = client.evaluate("dev1")
    expected = {
        "user": "alice",
        "hostname": "10.0.0.7",
        "port": "2222",
        # The entry of the bastion, and not the account of Ansible.
        "proxyjump": "bastion",
        "hostkeyalias": "dev1",
        "identityfile": "~/.ssh/id_ed25519",
        "identitiesonly": "yes",
        "stricthostkeychecking": "true",
        "userknownhostsfile": str(client.directory / "known_hosts"),
        "controlmaster": "auto",
        "controlpersist": "600",
        "serveraliveinterval": "15",
    }
    assert {name: values[name][0] for name in expected} == expected
    assert values["controlpath"][0].startswith(f"{client.directory}/s/")
    assert values["localforward"] == ["[127.0.0.1]:2345 [127.0.0.1]:2345", "[127.0.0.1]:8080 [127.0.0.1]:8080"]
    # The next free local port, so that both hosts can be used at once.
    assert client.evaluate("dev2")["localforward"] == ["[127.0.0.1]:2346 [127.0.0.1]:2345"]
    assert client.evaluate("other")["user"] != ["alice"]
    modes = {path.name: path.stat().st_mode & 0o777 for path in client.directory.iterdir()}
    assert modes == {"config": 0o600, "known_hosts": 0o600, "settings.json": 0o600, "s": 0o700}


def test_host_keys_are_known_by_name_and_kept(client: Client) -> None:
    known = client.directory / "known_hosts"
    client.run(BASTION, DEV2)
    assert known.read_text().splitlines()[1:] == [f"bastion {KEY}", f"dev2 {KEY}"]
    found = subprocess.run(["ssh-keygen", "-F", "dev2", "-f", known], check=True, capture_output=True, text=True)
    assert KEY in found.stdout
    # The keys of dev2 were not read in this run, as with --limit; the bastion has left the inventory.
    client.run(dict(DEV2, keys=[]))
    assert known.read_text().splitlines()[1:] == [f"dev2 {KEY}"]
    assert "bastion\n" not in (client.directory / "config").read_text().replace("ProxyJump bastion", "")


def test_settings_of_the_editor(client: Client) -> None:
    client.run(DEV2)
    settings = json.loads((client.directory / "settings.json").read_text())
    assert settings["remote.SSH.configFile"] == str(client.directory / "config")
    assert settings["remote.SSH.remotePlatform"] == {"dev2": "linux"}
    client.run(DEV2, include=True)
    assert "remote.SSH.configFile" not in json.loads((client.directory / "settings.json").read_text())


def test_the_users_own_configuration_changes_only_on_request(client: Client) -> None:
    own = "Host *\n  User me\n"
    client.user_config.write_text(own)
    client.user_config.chmod(0o640)
    client.run(DEV2)
    assert client.user_config.read_text() == own
    client.run(DEV2, include=True)
    assert client.user_config.read_text().endswith(own)
    assert client.user_config.stat().st_mode & 0o777 == 0o640
    assert client.evaluate("dev2", str(client.user_config))["user"] == ["alice"]
    # Another inventory has its own line in the block.
    other = Client(client.directory.parent)
    other.directory = client.directory.parent / "o"
    other.run(dict(DEV2, name="other"), include=True)
    assert client.evaluate("other", str(client.user_config))["user"] == ["alice"]
    assert not client.run(DEV2, include=True)["changed"]
    client.run(state="absent")
    assert not client.directory.exists()
    assert client.evaluate("dev2", str(client.user_config))["user"] == ["me"]
    assert client.evaluate("other", str(client.user_config))["user"] == ["alice"]
    other.run(state="absent")
    assert client.user_config.read_text() == own


def test_a_configuration_that_the_run_has_made_is_removed(client: Client) -> None:
    client.run(DEV2, include=True)
    client.run(DEV2)
    assert not client.user_config.exists()


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ({"name": "a b"}, "'a b'"),
        ({"name": "dev*"}, "name of host"),
        ({"name": "@cert-authority"}, "name of host"),
        ({"name": "dev1", "address": "x\n  ProxyCommand touch /tmp/x"}, "address of host"),
        ({"name": "dev1", "address": "-oProxyCommand=x"}, "address of host"),
        ({"name": "dev1", "jump": "a,$(x)"}, "jump of host"),
        ({"name": "dev1", "address": "%h"}, "address of host"),
        ({"name": "dev1", "port": 70000}, "a port of host"),
    ],
)
def test_values_that_ssh_would_misread_are_rejected(client: Client, host: dict[str, t.Any], message: str) -> None:
    with pytest.raises(DevserverError, match=message):
        client.run(host)
    assert not client.directory.exists()


def test_a_directory_that_is_too_long_for_sockets_is_rejected(client: Client) -> None:
    with pytest.raises(DevserverError, match="too long for the sockets"):
        client.run(DEV2, directory=f"/{'x' * 60}")


def test_what_is_no_bare_key_is_left_out_of_the_known_hosts(client: Client) -> None:
    blob = KEY.split()[1]
    others = ["", "# comment", f"restrict {KEY}", f"@revoked * {KEY}", f'x="ssh-rsa {blob} " {KEY}', "ssh-rsa AAAA"]
    params = {"user": "alice", "directory": str(client.directory), "user_config": str(client.user_config)}
    hosts = [{"name": "other", "keys": [KEY]}, {"name": "dev", "keys": [*others, f" {KEY} root@dev"]}]
    validated = ArgumentSpecValidator(ssh_client_config.ARGUMENT_SPEC).validate({**params, "hosts": hosts})
    outcome = ssh_client_config.converge(validated.validated_parameters, check=False)
    lines = (client.directory / "known_hosts").read_text().splitlines()
    assert [line for line in lines if line[0] != "#"] == [f"other {KEY}", f"dev {KEY}"]
    assert [warning.partition(" are")[0] for warning in outcome.warnings] == ["5 of the keys of host dev"]


def test_the_inventory_describes_hosts() -> None:
    services = [
        {"name": "api", "user": "alice", "listen": "127.0.0.1:2345"},
        {"name": "shop", "user": "bob", "listen": "127.0.0.1:2346"},
        {"name": "old", "user": "alice", "listen": "127.0.0.1:2347", "state": "absent"},
        {"name": "six", "user": "alice", "listen": "[::1]:2348"},
        {"name": "unix", "user": "alice", "listen": "unix:/run/dlv/unix/dlv.sock"},
    ]
    hostvars: dict[str, dict[str, t.Any]] = {
        "dev1": {
            "ansible_host": "10.0.0.7",
            "ansible_port": 2222,
            "ansible_ssh_common_args": "-o ServerAliveInterval=5 -o ProxyJump=ops@bastion -C",
            "remote_access_client_keys": {"stdout_lines": [KEY]},
            "debugger_services": services,
            "remote_access_client_forwards": [8080],
        },
        "dev2": {"ansible_ssh_common_args": "-J first,second", "remote_access_client_keys": {"skipped": True}},
        "dev3": {"ansible_ssh_extra_args": "-o 'ProxyJump bastion'", "remote_access_client_jump": "other"},
    }
    dev1, dev2, dev3 = ssh_hosts(["dev1", "dev2", "dev3"], hostvars, "alice")
    assert dev1 == {
        "name": "dev1", "address": "10.0.0.7", "port": 2222, "jump": "ops@bastion", "keys": [KEY],
        "forwards": [2345, 8080],
    }  # fmt: skip
    assert (dev2["address"], dev2["port"], dev2["jump"], dev2["keys"]) == ("dev2", 22, "first,second", [])
    assert dev3["jump"] == "other"
