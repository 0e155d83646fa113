# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a checkout: only what manage names changes, and git shows only that."""

from __future__ import annotations

import json
import pathlib

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.workspace_entry import (
    CHECKOUT_FILES,
    MANAGED_KINDS,
)

from tests.support.editor import value_of

from .conftest import Developer

MANAGE = [kind for kind in MANAGED_KINDS if kind not in ("settings", "devcontainer")]
FILES = [".vscode/extensions.json", ".vscode/launch.json", ".vscode/tasks.json", "shop.code-workspace"]
OWN = """\ufeff{\r
  // mine\r
  "version": "0.2.0",\r
  "configurations": [\r
    {"name": "mine", "type": "go"}, // stays\r
    {"name": "Launch file", "program": "/old", "env": {"MY": "1"}},\r
  ],\r
}\r
"""


def status(developer: Developer) -> list[str]:
    return developer.git("status", "--porcelain", "--untracked-files=all", at=developer.shop).splitlines()


@pytest.fixture
def shop(developer: Developer) -> Developer:
    developer.git("clone", "--quiet", developer.url, str(developer.shop), at=developer.home)
    return developer


def test_only_what_manage_names_is_made(shop: Developer) -> None:
    assert not shop.converge(manage=[]).result["changed"] and status(shop) == []
    assert shop.converge(manage=["tasks"], check=True).result["changed"] and status(shop) == []
    shop.converge(manage=["tasks"])
    assert status(shop) == ["?? .vscode/tasks.json"]
    outcome = shop.converge(manage=MANAGE)
    assert status(shop) == [f"?? {name}" for name in FILES] and not outcome.warnings
    assert {path.stat().st_uid for path in (shop.shop / ".vscode").iterdir()} == {shop.account.uid}
    again = shop.converge(manage=MANAGE)
    assert not again.result["changed"] and not again.warnings


def test_excluded_files_are_not_in_the_status(shop: Developer) -> None:
    exclude = shop.shop / ".git/info/exclude"
    exclude.write_text(exclude.read_text() + "mine")
    shop.own(exclude)
    shop.converge(manage=MANAGE, manage_commit="exclude")
    assert status(shop) == [] and all((shop.shop / name).exists() for name in FILES)
    assert "mine\n/.vscode/launch.json\n" in exclude.read_text()
    assert not shop.converge(manage=MANAGE, manage_commit="exclude").result["changed"]


def test_a_directory_of_a_repository_is_excluded_by_its_path(shop: Developer) -> None:
    top, shop.shop = shop.shop, shop.shop / "sub"
    shop.shop.mkdir()
    shop.own(shop.shop)
    shop.converge(manage=["tasks"], manage_commit="exclude")
    assert "/sub/.vscode/tasks.json" in (top / ".git/info/exclude").read_text()
    assert shop.git("status", "--porcelain", at=top) == ""


def test_own_entries_and_comments_stay(shop: Developer) -> None:
    path = shop.shop / ".vscode/launch.json"
    path.parent.mkdir()
    path.write_bytes(OWN.encode())
    shop.own(path.parent)
    shop.converge(manage=["launch"])
    text = path.read_bytes().decode()
    assert text.startswith("\ufeff{\r\n  // mine\r\n") and '"mine", "type": "go"}, // stays\r\n' in text
    assert "\n" not in text.replace("\r\n", "")
    entries = {entry["name"]: entry for entry in value_of(path)["configurations"]}
    assert list(entries)[:2] == ["mine", "Launch file"] and entries["mine"] == {"name": "mine", "type": "go"}
    assert entries["Launch file"]["program"] == "${file}" and entries["Launch file"]["env"] == {"MY": "1"}


def test_a_tracked_file_is_reported_with_its_difference_before_it_changes(shop: Developer) -> None:
    shop.commit({".vscode/extensions.json": '{"recommendations": ["mine.own"]}\n'}, at=shop.shop)
    planned = shop.converge(manage=["extensions", "tasks"], check=True)
    (warning,) = planned.warnings
    assert ".vscode/extensions.json is under version control" in warning and "golang.go" in warning
    assert '+{"recommendations": ["mine.own", "golang.go"]}' in warning
    shop.converge(manage=["extensions", "tasks"])
    assert status(shop) == [" M .vscode/extensions.json", "?? .vscode/tasks.json"]


def test_a_file_that_cannot_be_parsed_stays_and_stops_no_other(shop: Developer) -> None:
    path = shop.shop / ".vscode/launch.json"
    path.parent.mkdir()
    path.write_text('{\n  "configurations": [,]\n}')
    shop.own(path.parent)
    outcome = shop.converge(manage=["launch", "tasks"])
    assert "launch.json:2:22" in str(outcome.failure) and path.read_text() == '{\n  "configurations": [,]\n}'
    assert (shop.shop / ".vscode/tasks.json").exists()


def test_links_get_a_path_mapping_which_goes_with_the_link(shop: Developer) -> None:
    real = shop.shop
    shop.shop = shop.home / "link"
    shop.shop.symlink_to(real)
    shop.converge(manage=["launch"])
    entries = value_of(real / ".vscode/launch.json")["configurations"]
    assert [entry["substitutePath"] for entry in entries] == [[{"from": str(shop.shop), "to": str(real)}]] * 5
    shop.shop = real
    shop.converge(manage=["launch"])
    assert not [
        entry for entry in value_of(real / ".vscode/launch.json")["configurations"] if "substitutePath" in entry
    ]


def test_modules_have_tasks_and_directories_of_their_own(shop: Developer) -> None:
    shop.converge(manage=["tasks", "code-workspace"], modules=["a", "b"], check=False)
    tasks = {task["label"]: task for task in value_of(shop.shop / ".vscode/tasks.json")["tasks"]}
    assert tasks["go mod tidy b"]["options"] == {"cwd": "${workspaceFolder}/b"}
    assert tasks["go vet"]["args"] == ["vet", "./a/...", "./b/..."]
    assert value_of(shop.shop / "shop.code-workspace") == {"folders": [{"path": "a"}, {"path": "b"}]}


@pytest.mark.parametrize("version", ["0.42.1", "0.57.2"])
def test_launch_entries_have_attributes_of_the_extension(shop: Developer, version: str) -> None:
    known = json.loads((pathlib.Path(__file__).parents[2] / "fixtures/launch_attributes.json").read_text())[version]
    shop.converge(manage=["launch"])
    for entry in value_of(shop.shop / ".vscode/launch.json")["configurations"]:
        attributes = {**known[entry["request"]], "name": [], "type": [], "request": [], "preLaunchTask": []}
        for name, value in entry.items():
            assert name in attributes, name
            assert not attributes[name] or value in attributes[name], name


def test_every_kind_is_one_of_this_role_or_of_go_env() -> None:
    assert {*MANAGE, *CHECKOUT_FILES} == set(MANAGED_KINDS)
