# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host gets of what its groups declare: the role is played in check mode with inventories of groups."""

from __future__ import annotations

import getpass
import json
import os
import pathlib
import re
import sys
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core import errors

from tests.support.playbooks import Playbooks

COLLECTIONS = pathlib.Path(errors.__file__).parents[6]
USER = getpass.getuser()
PLAY = [{"hosts": "all", "gather_facts": False, "roles": ["gopherops.devserver.environment"]}]
PROXY = "https://goproxy.example.com"
STANDARD_PATH = ["/usr/local/go/bin", "/usr/local/bin"]
# What each result of a task is shown as, beside the names of the host and whether anything would change.
RESULT = re.compile(r"^(?:ok|changed): \[(\w+)\] => (\{.*\})$", re.MULTILINE)

Inventory = t.Mapping[str, t.Any]
Users = t.Mapping[str, t.Mapping[str, t.Any]]


@pytest.fixture(scope="module")
def playbooks(
    tmp_path_factory: pytest.TempPathFactory, shared_directory: t.Callable[[str], pathlib.Path]
) -> t.Iterator[Playbooks]:
    settings = {"ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8"}
    runner = Playbooks(tmp_path_factory.mktemp("ansible"), shared_directory("code"), settings)
    yield runner
    runner.close()


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, playbooks: Playbooks) -> t.Callable[[Inventory], Users]:
    """Play the role with an inventory, and return what each host's module makes of its user."""

    def play(inventory: Inventory) -> Users:
        directory = tmp_path_factory.mktemp("play")
        for name, content in {"hosts.json": {"all": inventory}, "play.json": PLAY}.items():
            (directory / name).write_text(json.dumps(content))
        common = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            # Nothing of this machine's own is to be looked at.
            "devserver_vscode_settings": [str(directory / "settings.json")],
        }
        arguments = ["--check", "-v", "-i", str(directory / "hosts.json"), "-e", json.dumps(common)]
        code, output = playbooks.run(*arguments, str(directory / "play.json"), directory=directory)
        assert code == 0, output
        results = {host: json.loads(result) for host, result in RESULT.findall(output)}
        return {host: one["users"][0] for host, one in results.items()}

    return play


def hosts(**variables: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {"hosts": dict(variables)}


def flags(*words: str) -> dict[str, t.Any]:
    return {"devserver_variables": {"GOFLAGS": list(words)}}


def listed(**variables: str) -> dict[str, t.Any]:
    return {"devserver_users": [{"name": USER, "variables": variables}]}


def test_the_nearer_declaration_wins(played: t.Callable[[Inventory], Users]) -> None:
    """For all, for a group, for a host and for a user: each has precedence over the one before it."""
    seen = played(
        {
            "vars": {**listed(), **flags("-tags=all"), "devserver_path": ["/all/bin"]},
            "hosts": {"plain": {}},
            "children": {
                "dev": {
                    "vars": {**flags("-tags=dev"), "devserver_path": ["{goroot}/bin", "/dev/bin"]},
                    **hosts(
                        grouped={},
                        own={**flags("-tags=own"), "devserver_path": ["/own/bin"]},
                        users={**flags("-tags=own"), **listed(GOFLAGS="-tags=user")},
                        back={"devserver_users": [{"name": USER, "variables": {"GOFLAGS": None}}]},
                    ),
                }
            },
        }
    )
    assert {host: one["variables"].get("GOFLAGS") for host, one in seen.items()} == {
        "plain": "-tags=all",
        "grouped": "-tags=dev",
        "own": "-tags=own",
        "users": "-tags=user",
        "back": None,
    }
    assert {host: one["path"] for host, one in seen.items()} == {
        "plain": ["/all/bin"],
        "own": ["/own/bin"],
        **{host: ["/usr/local/go/bin", "/dev/bin"] for host in ("grouped", "users", "back")},
    }


def test_of_several_groups_the_inner_one_then_the_priority_then_the_last_name_wins(
    played: t.Callable[[Inventory], Users],
) -> None:
    strong = {**flags("-tags=strong"), "ansible_group_priority": 2}
    outer = {**flags("-tags=outer"), "devserver_path": ["/outer/bin"]}
    seen = played(
        {
            "vars": listed(),
            "children": {
                "a_strong": {"vars": strong, **hosts(inner={}, prior={})},
                "b_first": {"vars": {**flags("-tags=first"), "devserver_path": ["/first/bin"]}, **hosts(last={})},
                "c_other": {"vars": flags("-tags=other"), **hosts(prior={}, last={})},
                "z_outer": {"vars": outer, "children": {"a_inner": {"vars": flags("-tags=inner"), **hosts(inner={})}}},
            },
        }
    )
    assert {host: one["variables"]["GOFLAGS"] for host, one in seen.items()} == {
        "inner": "-tags=inner",
        "prior": "-tags=strong",
        "last": "-tags=other",
    }
    # What the stronger group does not declare comes from the other one.
    assert {host: one["path"] for host, one in seen.items() if host != "prior"} == {
        "inner": ["/outer/bin"],
        "last": ["/first/bin"],
    }


def test_a_groups_variables_replace_those_for_all(played: t.Callable[[Inventory], Users]) -> None:
    """They are no addition to them, but the standard ones stay; an own GOBIN goes into the standard PATH."""
    prod = {"devserver_variables": {"GOPROXY": PROXY, "GOBIN": "{home}/{user}-bin"}}
    seen = played(
        {
            "vars": {**listed(), "devserver_variables": {"GOFLAGS": "-tags=x", "GOPRIVATE": "git.example.com"}},
            "children": {"prod": {"vars": prod, **hosts(strict={})}, "dev": hosts(loose={})},
        }
    )
    home = os.path.expanduser("~")
    strict, loose = seen["strict"], seen["loose"]
    assert {"GOFLAGS", "GOPRIVATE"} & {*strict["variables"]} == set()
    assert (strict["variables"]["GOPROXY"], strict["variables"]["GOTOOLCHAIN"]) == (PROXY, "local")
    assert strict["path"] == [*STANDARD_PATH, f"{home}/{USER}-bin"]
    assert (loose["variables"]["GOFLAGS"], loose["variables"]["GOPRIVATE"]) == ("-tags=x", "git.example.com")
    assert loose["path"] == [*STANDARD_PATH, f"{home}/go/bin"]
