# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that all POSIX shells source, run by real shells."""

from __future__ import annotations

import getpass
import shutil
import subprocess

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Source
from ansible_collections.gopherops.devserver.plugins.module_utils._environment import rendered
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import shell as shell_context
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    Declaration,
    UserEnvironment,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._shells import blame
from ansible_collections.gopherops.devserver.plugins.module_utils._shells.startup import Startup

ACCOUNT = find_account(getpass.getuser())
ODD = "/home/ü n'd $HOME `x`"


def run(shell, script, path, again=1):
    sources = f". {script}; " * again
    command = f'set -u; {sources} printf "%s|%s|%s|%s" "$PATH" "${{GOPATH-unset}}" "$#" "${{__go_rest-unset}}"'
    done = subprocess.run(
        [shell, "-c", command, "sh", "kept"], env={"PATH": path}, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.split("|")


@pytest.fixture(params=["sh", "bash", "dash"])
def shell(request):
    return shutil.which(request.param)


@pytest.fixture
def script(tmp_path, monkeypatch):
    monkeypatch.setattr(shell_context, "SCRIPT", str(tmp_path / "go.sh"))
    monkeypatch.setattr(rendered, "USERS", str(tmp_path))

    def write(users):
        for file in shell_context.script_files(Declaration(users, "/g", ["/g/bin", "/usr/local/bin"])):
            with open(file.path, "w", encoding="utf-8") as stream:
                stream.write(file.content(None) or "")
        return tmp_path / "go.sh"

    return write


def test_a_users_file_is_for_that_user_alone(script):
    declared = Declaration([UserEnvironment(ACCOUNT, {"GOPROXY": "https://u:p@x"}, ["/g/bin"])], "/g", [])
    files = {file.path: file for file in shell_context.script_files(declared)}
    holding = [file for file in files.values() if "u:p" in (file.content(None) or "")]
    assert [(file.mode, file.owner) for file in holding] == [(0o400, ACCOUNT)]


@pytest.mark.parametrize(
    ("removal", "files"),
    [({}, 0), ({"exclusive": True}, 1), ({"absent": [ACCOUNT.name]}, 1), ({"absent": ["somebody-else"]}, 0)],
)
def test_only_a_removed_user_leaves_no_file(script, removal, files):
    script([UserEnvironment(ACCOUNT, {}, ["/g/bin"])])
    rendered = shell_context.script_files(Declaration([], "/g", [], **removal))
    gone = [file.path for file in rendered if file.content(None) is None]
    assert [path.rsplit("/", 1)[1] for path in gone if "go.sh" not in path] == [f"{ACCOUNT.name}.sh"] * files


@pytest.mark.parametrize("again", [1, 3])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("/usr/bin:/bin", "/g/bin:/usr/local/bin:{odd}/bin:/usr/bin:/bin"),
        ("/usr/local/bin:/usr/bin:/g/bin", "/g/bin:/usr/local/bin:{odd}/bin:/usr/bin"),
        ("/usr/bin:/g/bin:/g/bin:/g/bin", "/g/bin:/usr/local/bin:{odd}/bin:/usr/bin"),
        ("/g/binx:/x/g/bin:/usr/bin", "/g/bin:/usr/local/bin:{odd}/bin:/g/binx:/x/g/bin:/usr/bin"),
    ],
)
def test_listed_user(shell, script, before, after, again):
    path = ["/g/bin", "/usr/local/bin", f"{ODD}/bin"]
    user = UserEnvironment(ACCOUNT, {"GOPATH": ODD}, path)
    assert run(shell, script([user]), before, again) == [after.format(odd=ODD), ODD, "1", "unset"]


def test_whose_file_it_is_no_program_on_path_decides(shell, script, tmp_path):
    planted = tmp_path / "planted"
    planted.mkdir()
    (planted / "id").write_text("#!/bin/sh\necho somebody-else\n")
    (planted / "id").chmod(0o755)
    users = [UserEnvironment(ACCOUNT._replace(name=name), {"GOPATH": f"/{name}"}, []) for name in ("somebody-else",)]
    users.append(UserEnvironment(ACCOUNT, {"GOPATH": "/own"}, []))
    assert run(shell, script(users), f"{planted}:/usr/bin:/bin")[1] == "/own"


def test_user_who_is_not_listed_gets_path_alone(shell, script):
    other = UserEnvironment(ACCOUNT._replace(name="somebody-else"), {"GOPATH": "/x"}, ["/x/bin"])
    assert run(shell, script([other]), "/usr/bin") == ["/g/bin:/usr/local/bin:/usr/bin", "unset", "1", "unset"]


@pytest.mark.parametrize("argv", [["sh"], ["dash"], ["bash"], ["bash", "--posix"], ["zsh"], ["zsh", "--emulate", "sh"]])
@pytest.mark.parametrize("readonly", ["GOBIN", "PATH", "GOBIN PATH", "GOLAST"])
@pytest.mark.parametrize("listed", [True, False])
def test_a_readonly_variable_ends_no_shell_and_all_others_are_set(script, argv, readonly, listed):
    if not shutil.which(argv[0]):
        pytest.skip(f"this machine has no {argv[0]}")
    declared = {"GOPATH": ODD, "GOBIN": "/b", "GOLAST": "/l"}
    file = script([UserEnvironment(ACCOUNT, declared, ["/g/bin"])] if listed else [])
    shown = " ".join(f'"${{{name}-}}"' for name in ("PATH", *declared))
    command = f"GOBIN=/own GOLAST=/own; readonly {readonly}; . {file}; printf '%s\\n' {shown}"
    done = subprocess.run(
        [*argv, "-c", command],
        env={"PATH": "/usr/bin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    values = dict(declared, PATH="/g/bin:/usr/bin") if listed else {"PATH": "/g/bin:/usr/local/bin:/usr/bin"}
    kept = {"PATH": "/usr/bin", "GOPATH": "", "GOBIN": "/own", "GOLAST": "/own"}
    expected = [
        kept[name] if name in readonly.split() else values.get(name, kept[name]) for name in ("PATH", *declared)
    ]
    assert (done.returncode, done.stdout.splitlines()) == (0, expected)
    # The reason is shown, and names the variable.
    failed = [name for name in readonly.split() if name in values]
    assert [name for name in failed if name not in done.stderr] == []
    assert bool(failed) is bool(done.stderr)


@pytest.mark.parametrize("shell", ["bash", "dash", "zsh"])
def test_the_line_that_made_a_variable_readonly_is_the_place_of_what_a_login_prints(script, tmp_path, shell):
    if not shutil.which(shell):
        pytest.skip(f"this machine has no {shell}")
    (tmp_path / "00-ro.sh").write_text("# theirs\nreadonly GOBIN\n")
    file = script([UserEnvironment(ACCOUNT, {"GOBIN": "/b", "GOLAST": "/l"}, [])])
    for name in (".profile", ".zprofile"):
        (tmp_path / name).write_text(f". {tmp_path}/00-ro.sh\n. {file}\n")
    account = ACCOUNT._replace(home=str(tmp_path), shell=shutil.which(shell))
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    login = Startup(account, ["-l"], env, [] if shell == "zsh" else [str(tmp_path / ".profile")])
    found = shell_context.probe_startup(login, 20)
    assert found.environment["GOLAST"] == "/l" and "GOBIN" not in found.environment
    source = blame.find_printing_line(login, found.unexpected_output, 20)
    assert source == Source("file", str(tmp_path / "00-ro.sh"), 2)
