# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose modules return facts with the names of the role's variables: real plays."""

from __future__ import annotations

import json
import os
import pathlib
import sys
import tempfile
import typing as t

import pytest

from tests.support.controller import start_playbooks
from tests.support.playbooks import Playbooks

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
PLAY = """
- hosts: {hosts}
  gather_facts: false
  vars: {{devserver_users: [{{name: alice}}]}}
  tasks:
    - ansible.builtin.import_role: {{name: gopherops.devserver.remote_access, tasks_from: client}}
"""


@pytest.fixture
def playbooks(tmp_path: pathlib.Path, shared_directory: t.Callable[[str], pathlib.Path]) -> t.Iterator[Playbooks]:
    runner = start_playbooks(tmp_path, shared_directory("code"), [])
    yield runner
    runner.close()


@pytest.fixture
def directory() -> t.Iterator[str]:
    # The path of pytest's own directory is too long for sockets.
    with tempfile.TemporaryDirectory() as path:
        yield path


def test_facts_of_a_host_do_not_decide_where_the_configuration_is(
    playbooks: Playbooks, tmp_path: pathlib.Path, directory: str
) -> None:
    facts = {"remote_access_client_dir": f"{directory}/theirs", "remote_access_client_jump": "jump.example.com"}
    interpreter = tmp_path / "python"
    result = json.dumps({"changed": False, "rc": 0, "stdout": KEY, "ansible_facts": facts})
    interpreter.write_text(f"#!/bin/sh\ncat <<'E'\n{result}\nE\n")
    interpreter.chmod(0o755)
    (tmp_path / "inventory").write_text(
        f"[all:vars]\nansible_connection=local\nremote_access_client_dir={directory}\n[all]\n"
        f"good ansible_python_interpreter={sys.executable}\nevil ansible_python_interpreter={interpreter}\n"
    )
    (tmp_path / "play.yml").write_text(PLAY.format(hosts="evil"))
    code, output = playbooks.run("-i", "inventory", "play.yml", directory=tmp_path)
    assert (code, os.path.exists(f"{directory}/theirs")) == (2, False), output
    assert "facts of the host replace variables of the roles: remote_access_client_dir, remote_access_client" in output
    (tmp_path / "play.yml").write_text(PLAY.format(hosts="all"))
    code, output = playbooks.run("-i", "inventory", "play.yml", directory=tmp_path)
    assert (code, os.path.exists(f"{directory}/theirs")) == (0, False), output
    assert "host evil is left out of the ssh configuration" in output
    config = pathlib.Path(directory, "alice/config").read_text()
    assert "Host good\n" in config
    assert "evil" not in config
