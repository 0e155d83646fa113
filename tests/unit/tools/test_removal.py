# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The removal of all tools and their links."""

from __future__ import annotations

import getpass
import os
import pathlib
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._host import records
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import Changes
from ansible_collections.gopherops.devserver.plugins.module_utils._host.managed_files import plan_edits, write_all
from ansible_collections.gopherops.devserver.plugins.module_utils._host.symlinks import is_link_to
from ansible_collections.gopherops.devserver.plugins.module_utils._tools import go_tool, removal
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.pins import Tool

from tests.support.directories import public_directory

ME = getpass.getuser()


def run(*, check: bool = False, **options: t.Any) -> list[str]:
    defaults = {name: option.get("default") for name, option in go_tool.ARGUMENT_SPEC.items()}
    outcome = go_tool.converge({**defaults, "tools": [], "state": "absent", **options}, check=check)
    assert outcome.failure is None
    return [part["after_header"] for part in outcome.result["diff"]]


@pytest.fixture
def places(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A host with a tool for everybody, one for a user, and links of others; its places are recorded."""
    account = find_account(ME)._replace(home=str(tmp_path / "home"))
    monkeypatch.setattr(removal, "find_known_account", lambda name: account if name == ME else None)
    root, links, own = tmp_path / "tools", tmp_path / "bin", tmp_path / "home/go/bin"
    for directory in (root / "gopls/v1", links, own):
        directory.mkdir(parents=True)
    (root / ".lock").touch()
    program = root / "gopls/v1/gopls"
    program.touch()
    (root / "gopls/v1/gopls.sha256").touch()
    (links / "gopls").symlink_to(program)
    (own / "gopls").symlink_to(program)
    (links / "gopls.replaced-20260101T000000Z").write_text("before")
    (links / "other").symlink_to("/elsewhere")
    (links / "gopls-of-bob").symlink_to(program)
    recorded = {"root": [str(root)], "bin_dir": [str(links)], "user_bin_dir": ["go/bin"], "users": [ME, "gone"]}
    write_all(plan_edits([records.record_file("tools", recorded)]))
    return {"root": str(root), "links": str(links), "own": str(own)}


def test_tools_and_links_leave_and_what_was_moved_aside_comes_back(places: dict[str, str]) -> None:
    options = {"bin_dir": "/nonexistent", "root": "/nonexistent"}
    announced = run(check=True, **options)
    assert os.path.lexists(f"{places['own']}/gopls")
    assert run(**options) == announced
    assert (os.listdir(places["own"]), sorted(os.listdir(places["links"]))) == ([], ["gopls", "gopls-of-bob", "other"])
    assert pathlib.Path(places["links"], "gopls").read_text() == "before"
    assert not os.path.exists(places["root"])
    assert not os.path.exists(records.record_path("tools"))
    assert run(**options) == []


def tool(name: str, *users: str) -> Tool:
    return Tool(f"example.com/{name}", "v1.0.0", name, "/go", users=users)


@pytest.mark.parametrize(
    ("present", "absent", "exclusive", "left"),
    [
        ([], [], False, {"root", "links", "own"}),
        ([], [tool("gopls")], False, set()),
        ([], [tool("dlv")], False, {"root", "links", "own"}),
        ([], [tool("gopls", ME)], False, {"root", "links"}),
        ([tool("gopls")], [], True, {"root", "links"}),
        ([tool("gopls")], [tool("gopls", ME)], False, {"root", "links"}),
        ([tool("gopls", ME)], [], True, {"root", "own"}),
        ([tool("dlv")], [], True, set()),
    ],
)
def test_absent_tools_leave_with_the_links_of_their_users(
    places: dict[str, str], present: list[Tool], absent: list[Tool], exclusive: bool, left: set[str]
) -> None:
    removals, planned, changes = removal.Removals(present, absent, exclusive), Changes(), Changes()
    recorded = records.read_record("tools", {})
    removal.remove_some_tools(removals, recorded, planned, check=True)
    assert removal.remove_some_tools(removals, recorded, changes, check=False) == []
    assert planned.result() == changes.result()
    program = f"{places['root']}/gopls/v1/gopls"
    links = {kind for kind in ("links", "own") if is_link_to(f"{places[kind]}/gopls", program)}
    assert links | ({"root"} if os.path.exists(program) else set()) == left


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
@pytest.mark.parametrize("listed", [[], ["nobody"]])
def test_a_user_who_is_not_listed_any_more_cannot_fail_a_run(
    places: dict[str, str], listed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_all(plan_edits([records.record_file("tools", {**records.read_record("tools", {}), "users": ["nobody"]})]))
    defaults = {name: option.get("default") for name, option in go_tool.ARGUMENT_SPEC.items()}
    tools = [{"package": "example.com/dlv", "version": "v1.0.0", "state": "absent", "users": listed}] if listed else []
    paths = {"root": places["root"], "bin_dir": places["links"]}
    with public_directory() as home:
        account = find_account("nobody")._replace(home=str(home))
        monkeypatch.setattr(removal, "find_known_account", lambda name: account if name == "nobody" else None)
        # A directory that its user cannot write to.
        (home / "go/bin").mkdir(parents=True)
        (home / "go/bin/gopls").symlink_to(f"{places['root']}/gopls/v1/gopls")
        outcome = go_tool.converge({**defaults, **paths, "tools": tools, "exclusive": True}, check=False)
    assert [entry["user"] for entry in outcome.result["skipped_files"]] == listed
    assert bool(outcome.failure) == bool(listed)
    assert any("of user nobody, who is not listed" in warning for warning in outcome.warnings) == (not listed)
    assert not os.path.exists(f"{places['root']}/gopls")


def test_a_directory_that_this_collection_does_not_fill_stays(places: dict[str, str]) -> None:
    os.unlink(f"{places['root']}/.lock")
    run()
    assert os.path.exists(places["root"])


@pytest.mark.parametrize("exclusive", [True, False])
def test_directories_of_others_within_the_root_stay(places: dict[str, str], exclusive: bool) -> None:
    root = pathlib.Path(places["root"])
    (root / "team/src/work").mkdir(parents=True)
    (root / "gopls/notes").mkdir()
    if exclusive:
        removals = removal.Removals([], [], exclusive=True)
        removal.remove_some_tools(removals, records.read_record("tools", {}), Changes(), check=False)
    else:
        run()
    assert sorted(path.name for path in root.rglob("*")) == [".lock", "gopls", "notes", "src", "team", "work"]
