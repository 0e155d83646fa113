# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machine settings have what all roles declare, whichever of them runs, and keep what is the user's own."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.machine_settings import (
    MachineSettings,
    merged,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host import records
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.managed_files import plan_edits, write_all

ACCOUNT = Account("alice", 1000, 1000, "/home/alice", "/bin/sh")
ENVIRONMENT = {"go.alternateTools": {"go": "/go", "gopls": "/gopls"}, "go.toolsEnvVars": {"A": "1"}}
SERVER = {"go.languageServerFlags": ["-remote=unix;/s"], "go.alternateTools": {"gopls": "/shared"}, "gopls": {"a": 1}}
EDITOR = {"gopls": {"b": {"x": 2, "y": 3}}, "go.survey.prompt": False}
DEFAULTS = {"go.x": 2, "go.y": 2, "go.alternateTools": {"a": "/a", "b": "/b"}}
DECLARED = {"environment": ENVIRONMENT, "language_server": SERVER, "editor": EDITOR}


@pytest.fixture(autouse=True)
def _records(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "DIRECTORY", str(tmp_path / "records"))


def declare(role: str, declared: t.Any) -> None:
    users = {"alice": declared} if declared else {}
    write_all(plan_edits([MachineSettings({role: users}).record(lambda _name: True)]))


def after(role: str, text: str | None, declared: t.Any) -> str | None:
    def content() -> t.Callable[[str | None], str | None]:
        return MachineSettings({role: {"alice": declared}}).file(ACCOUNT, "/s.json").content

    result = content()(text)
    assert content()(result) == result
    declare(role, declared)
    assert content()(result) == result
    return result


def cleared(role: str, text: str | None) -> str | None:
    settings = MachineSettings({role: {}})
    return settings.cleared_file(ACCOUNT, "/s.json", corrections=lambda _file: ()).content(text)


@pytest.mark.parametrize("role", DECLARED)
def test_the_file_has_what_all_roles_declare_whichever_runs(role: str) -> None:
    for other in DECLARED:
        if other != role:
            declare(other, DECLARED[other])
    text = after(role, "{}", DECLARED[role]) or ""
    assert json.loads(text) == merged(*DECLARED.values())
    assert json.loads(text)["go.alternateTools"] == {"go": "/go", "gopls": "/shared"}


@pytest.mark.parametrize("role", DECLARED)
def test_removing_one_role_keeps_the_settings_of_the_others(role: str) -> None:
    text: str | None = '{"mine": 1}'
    for other, settings in DECLARED.items():
        text = after(other, text, settings)
    rest = merged(*(settings for other, settings in DECLARED.items() if other != role))
    assert json.loads(cleared(role, text) or "") == {"mine": 1, **rest}
    assert cleared(role, cleared(role, text)) == cleared(role, text)


def test_a_file_with_nothing_else_is_removed_with_the_last_role() -> None:
    text = after("editor", "{}", EDITOR)
    assert cleared("editor", text) is None


def test_what_is_no_longer_declared_is_removed_unless_the_user_has_changed_it() -> None:
    text = after("editor", '{\n  // mine\n  "own": {"b": 1}\n}', {**EDITOR, "go.testFlags": ["-v"], "go.x": 1}) or ""
    text = text.replace('"y": 3', '"y": 4').replace('"go.x": 1', '"go.x": 2')
    result = after("editor", text, {"go.survey.prompt": False}) or ""
    assert "  // mine\n" in result
    left = {"own": {"b": 1}, "gopls": {"b": {"y": 4}}, "go.survey.prompt": False, "go.x": 2}
    assert json.loads(result.replace("// mine", "")) == left


def test_a_users_own_value_wins_over_a_default_whichever_role_runs() -> None:
    text = after("defaults", '{"go.x": 1, "go.alternateTools": {"b": "mine"}}', DEFAULTS) or ""
    assert json.loads(text) == {"go.x": 1, "go.y": 2, "go.alternateTools": {"a": "/a", "b": "mine"}}
    text = text.replace('"go.y": 2', '"go.y": 3')
    assert after("language_server", text, {}) == text
    # One that nobody has changed follows the declaration.
    changed = after("defaults", text, {**DEFAULTS, "go.y": 4, "go.alternateTools": {"a": "/c"}}) or ""
    assert json.loads(changed) == {"go.x": 1, "go.y": 3, "go.alternateTools": {"a": "/c", "b": "mine"}}
    assert json.loads(cleared("defaults", changed) or "") == {"go.x": 1, "go.y": 3, "go.alternateTools": {"b": "mine"}}


TRACE = "-rpc.trace"
FLAGS = {
    "none": (None, [], ["-r"], ["-r"]),
    "own flags": (["-mine"], [], ["-remote=unix;/s"], ["-remote=unix;/s", "-mine"]),
    "another server": (["-mine", "-remote=auto"], [], ["-remote=unix;/s"], ["-remote=unix;/s", "-mine"]),
    "own trace": ([TRACE], [], ["-remote=unix;/s"], ["-remote=unix;/s", TRACE]),
    "own trace, second run": (
        ["-remote=/s", "-rpc.trace"],
        ["-remote=/s"],
        ["-remote=/s"],
        ["-remote=/s", "-rpc.trace"],
    ),
    "own trace, new socket": (
        ["-remote=/s", "-rpc.trace"],
        ["-remote=/s"],
        ["-remote=/t"],
        ["-remote=/t", "-rpc.trace"],
    ),
    "trace": (["-remote=/s"], ["-remote=/s"], ["-remote=/s", "-rpc.trace"], ["-remote=/s", "-rpc.trace"]),
    "no more trace": (["-remote=/s", "-rpc.trace"], ["-remote=/s", "-rpc.trace"], ["-remote=/s"], ["-remote=/s"]),
    "no record": (["-remote=/s", "-rpc.trace"], [], ["-remote=/s", "-rpc.trace"], ["-remote=/s", "-rpc.trace"]),
    "no more server": (["-remote=unix;/s"], ["-remote=unix;/s"], [], None),
    "no server": (["-remote=unix;/s"], [], [], ["-remote=unix;/s"]),
    "broken": ("broken", [], ["-remote=unix;/s"], ["-remote=unix;/s"]),
}


@pytest.mark.parametrize("case", FLAGS)
def test_own_flags_of_the_user_stay(case: str) -> None:
    present, before, managed, expected = FLAGS[case]
    declare("language_server", {"go.languageServerFlags": before} if before else {})
    text = json.dumps({} if present is None else {"go.languageServerFlags": present})
    result = after("language_server", text, {"go.languageServerFlags": managed} if managed else {})
    assert json.loads(result or "").get("go.languageServerFlags") == expected


def test_only_root_reads_the_record_and_a_damaged_one_counts_as_none(tmp_path: pathlib.Path) -> None:
    declare("editor", EDITOR)
    (path,) = (tmp_path / "records").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    for text in ("{", "[]", '{"editor": 1}', '{"editor": {"alice": 2}}', '{"other": {"alice": {"x": 1}}}'):
        path.write_text(text)
        assert json.loads(after("environment", "{}", ENVIRONMENT) or "") == ENVIRONMENT
