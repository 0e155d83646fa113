# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as ansible runs it: a process of its own with its arguments as JSON."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.modules import jsonc_merge

from tests.support.documentation import documented_options

TEXT = '\ufeff{\r\n\t// mine\r\n\t"a.b": 1,\r\n\t"c": {"d": 2},\r\n}\r\n'
AFTER = TEXT.replace('"a.b": 1', '"a.b": 5').replace('{"d": 2}', "{}")
ARGUMENTS = {"values": {"a.b": 5}, "remove": [["c", "d"], ["gone", 3]]}
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


def run(path: pathlib.Path, **arguments: t.Any) -> tuple[int, dict[str, t.Any]]:
    """Run the module; return its code and result."""
    done = subprocess.run(
        [sys.executable, "-m", "ansible_collections.gopherops.devserver.plugins.modules.jsonc_merge"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": {"path": str(path), "_ansible_diff": True, **arguments}}),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.fixture
def file(tmp_path: pathlib.Path) -> pathlib.Path:
    """A file with a comment, tabs, CRLF and a byte order mark, and permissions of its own, behind a link."""
    target = tmp_path / "target.json"
    target.write_bytes(TEXT.encode())
    target.chmod(0o640)
    (tmp_path / "settings.json").symlink_to(target)
    return tmp_path / "settings.json"


def test_edits_then_settles(file: pathlib.Path) -> None:
    _code, foreseen = run(file, **ARGUMENTS, _ansible_check_mode=True)
    assert file.read_bytes() == TEXT.encode()
    code, result = run(file, **ARGUMENTS)
    assert (code, result["changed"], result["path"]) == (0, True, str(file))
    assert result["diff"] == foreseen["diff"]
    assert file.read_bytes() == AFTER.encode()
    assert file.is_symlink()
    assert file.stat().st_mode & 0o7777 == 0o640
    before = file.stat()
    assert run(file, **ARGUMENTS)[1]["changed"] is False
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_the_file_is_shown_only_on_request(file: pathlib.Path) -> None:
    code, result = run(file, **ARGUMENTS, _ansible_diff=False)
    assert (code, result["changed"]) == (0, True)
    assert "mine" not in json.dumps(result)


@pytest.mark.parametrize(("mode", "expected"), [("0600", 0o600), ("755", 0o755), ("1700", 0o1700)])
def test_a_new_file_is_made_on_request_only(tmp_path: pathlib.Path, mode: str, expected: int) -> None:
    path = tmp_path / "é x/data/settings.json"
    code, result = run(path, values={"a": 1})
    assert (code, result["msg"].startswith(f"{path} is missing")) == (1, True)
    _code, foreseen = run(path, values={"a": 1}, create=True, mode=mode, _ansible_check_mode=True)
    assert (foreseen["changed"], list(tmp_path.iterdir())) == (True, [])
    assert run(path, values={"a": 1}, create=True, mode=mode)[1]["diff"] == foreseen["diff"]
    assert (json.loads(path.read_text()), path.stat().st_mode & 0o7777) == ({"a": 1}, expected)


def test_a_broken_file_stays_as_it_is(file: pathlib.Path) -> None:
    file.write_text("{\n  a: 1\n}")
    code, result = run(file, **ARGUMENTS)
    assert (code, result["line"], result["column"]) == (1, 2, 3)
    assert f"{file}:2:3: found 'a'" in result["msg"]
    assert file.read_text() == "{\n  a: 1\n}"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"remove": [[]]}, "not a path"),
        ({"remove": [["a", {"b": 1}]]}, "not a path"),
        ({"create": True, "mode": "u+x"}, "octal"),
        ({"create": True, "mode": "0999"}, "octal"),
        ({"create": True, "mode": 4755}, "in quotes"),
        ({"create": True, "mode": 644}, "in quotes"),
        ({"user": "no-such-user"}, "no-such-user"),
        ({"values": {"c": {"d": {"e": 1}}}}, "settings.json:4:13"),
    ],
)
def test_bad_arguments_are_named(file: pathlib.Path, arguments: dict[str, t.Any], word: str) -> None:
    code, result = run(file, **arguments)
    assert (code, file.read_bytes()) == (1, TEXT.encode())
    assert word in result["msg"] + result.get("expected", "")


def test_a_password_is_nowhere_in_the_result(file: pathlib.Path) -> None:
    code, result = run(file, values={"GOPROXY": "https://me:s3cret@proxy.example"})
    assert (code, result["changed"]) == (0, True)
    assert "s3cret" not in json.dumps(result)
    assert "me:s3cret@" in file.read_text()


@needs_root
def test_the_owner_stays(file: pathlib.Path) -> None:
    os.chown(file, 12345, 54321)
    run(file, **ARGUMENTS)
    assert (file.stat().st_uid, file.stat().st_gid) == (12345, 54321)


@needs_root
def test_another_users_rights_count_and_not_roots(tmp_path: pathlib.Path) -> None:
    nobody = find_account("nobody")
    for directory in [tmp_path, *tmp_path.parents]:
        directory.chmod(directory.stat().st_mode | 0o011)
    os.chown(tmp_path, nobody.uid, nobody.gid)
    path = tmp_path / "own/settings.json"
    assert run(path, values={"a": 1}, create=True, user="nobody")[0] == 0
    assert {item.stat().st_uid for item in (path, path.parent)} == {nobody.uid}
    os.chown(path, 0, 0)
    code, result = run(path, values={"a": 2}, user="nobody")
    assert (code, json.loads(path.read_text())) == (1, {"a": 1})
    assert f"{path} of user nobody cannot be written" in result["msg"]
    assert [item.name for item in path.parent.iterdir()] == ["settings.json"]


@needs_root
def test_root_writes_nothing_through_a_link_that_a_user_planted(tmp_path: pathlib.Path) -> None:
    victim = tmp_path / "victim.json"
    victim.write_text("{}")
    home = tmp_path / "home"
    home.mkdir()
    (home / "settings.json").symlink_to(victim)
    os.chown(home, find_account("nobody").uid, -1)
    code, result = run(home / "settings.json", values={"a": 1})
    assert (code, victim.read_text()) == (1, "{}")
    assert str(home) in result["msg"]


def test_the_options_are_those_of_the_documentation() -> None:
    assert documented_options(jsonc_merge) == jsonc_merge.ARGUMENT_SPEC
