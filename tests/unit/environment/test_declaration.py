# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declaration: placeholders, standard variables, validation errors."""

from __future__ import annotations

import getpass
import pwd

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    declaration_from,
    validate_account,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.workspace_entry import CHECKOUT_FILES
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account

ME = getpass.getuser()
HOME = pwd.getpwnam(ME).pw_dir


def declare(variables=None, path=(), users=({"name": ME},), export_goroot=False, **more):
    return declaration_from(
        {
            "users": list(users),
            "variables": variables or {},
            "goroot": "/usr/local/go",
            "export_goroot": export_goroot,
            "path": list(path),
            "vscode_settings": [],
            "vscode_create": False,
            "vscode_tools": {},
            "exclusive": False,
            **more,
        }
    )


def test_standard_variables_are_absolute_and_per_user():
    (user,) = declare().users
    assert user.variables == {
        "GOPATH": f"{HOME}/go",
        "GOMODCACHE": f"{HOME}/go/pkg/mod",
        "GOBIN": f"{HOME}/go/bin",
        "GOCACHE": f"{HOME}/.cache/go-build",
        "GOTOOLCHAIN": "local",
    }
    assert user.path == ["/usr/local/go/bin", "/usr/local/bin", f"{HOME}/go/bin"]
    assert list(user.directories) == ["GOPATH", "GOMODCACHE", "GOBIN", "GOCACHE"]


def test_the_standard_directories_follow_a_users_gopath():
    (user,) = declare(users=[{"name": ME, "variables": {"GOPATH": "/srv/{user}/go"}}]).users
    assert user.variables["GOMODCACHE"] == f"/srv/{ME}/go/pkg/mod"
    assert user.path[-1] == f"/srv/{ME}/go/bin"


def test_users_who_are_not_listed_get_the_path_that_does_not_depend_on_the_user():
    assert declare(users=[]).path == ["/usr/local/go/bin", "/usr/local/bin"]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("GOPROXY", ["https://a.example", "direct"], "https://a.example,direct"),
        ("GOFLAGS", ["-mod=mod", "-trimpath"], "-mod=mod -trimpath"),
        ("CGO_ENABLED", 0, "0"),
        ("GOPRIVATE", "x{y}", "x{y}"),
    ],
)
def test_values_become_what_go_reads(name, value, text):
    assert declare({name: value}).users[0].variables[name] == text


def test_editors_and_workspaces():
    declared = declare(users=[{"name": ME, "workspaces": ["{home}/hello", "/srv/{user}"]}], vscode_tools={"dlv": "/d"})
    (user,) = declared.users
    assert user.workspaces == [f"{HOME}/hello", f"/srv/{ME}"]
    assert user.vscode_settings == [
        f"{HOME}/.vscode-server/data/Machine/settings.json",
        f"{HOME}/.local/share/code-server/Machine/settings.json",
    ]
    assert (declared.vscode_tools, declared.vscode_create) == ({"dlv": "/d"}, False)


def test_a_workspace_may_let_files_in_it_be_edited():
    shop = {"path": "{home}/shop/", "manage": ["launch", "settings"]}
    workspaces = ["/plain", shop, {"path": "/none"}, {"path": "/null", "manage": None}]
    declared = declare(users=[{"name": ME, "workspaces": workspaces}])
    (user,) = declared.users
    assert user.workspaces == ["/plain", f"{HOME}/shop", "/none", "/null"]
    managed = {kind: declared.managed_workspaces(kind) for kind in CHECKOUT_FILES}
    shop_of_user = [(user, f"{HOME}/shop")]
    assert managed == {"settings": shop_of_user, "launch": shop_of_user, "devcontainer": []}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (7, ["the entry 7", "a path, or a dictionary"]),
        ({"manage": ["launch"]}, ["the entry {'manage': ['launch']}"]),
        ({"path": ["/x"]}, ["the entry {'path': ['/x']}"]),
        ({"path": "/x", "managed": []}, ["the entry", "'managed'", "path and any of manage"]),
        ({"path": "/x", "manage": ["launch", "ci"]}, ["manage of the workspace /x", "'ci'", "settings, launch"]),
        ({"path": "/x", "manage": "launch"}, ["manage of the workspace /x", "'launch'", "a list of"]),
        ({"path": "/x", "manage": ["workflows"]}, ["workspace /x", "'workflows'", "workflow files are never edited"]),
        ({"path": "/x", "manage": [["launch"]]}, ["workspace /x", "['launch']"]),
        ({"path": "x", "manage": []}, ["workspaces", "'x'", "absolute"]),
    ],
)
def test_an_invalid_workspace_is_reported_with_its_user(entry, words):
    with pytest.raises(DevserverError) as raised:
        declare(users=[{"name": ME, "workspaces": ["/good", entry]}])
    for word in (ME, *words):
        assert word in str(raised.value)


def test_telemetry_is_no_variable():
    (user,) = declare({"GOTELEMETRY": "off"}).users
    assert (user.telemetry, "GOTELEMETRY" in user.variables) == ("off", False)
    assert declare().users[0].telemetry == ""


OWNED = """
HOME SHELL USER LOGNAME MAIL PWD OLDPWD SHLVL TERM SSH_CONNECTION SUDO_USER XDG_RUNTIME_DIR XDG_SESSION_ID LD_PRELOAD
LD_LIBRARY_PATH LD_AUDIT BASH_ENV ENV IFS TMOUT PS1 PS4 PROMPT_COMMAND SHELLOPTS BASHOPTS POSIXLY_CORRECT ZDOTDIR CDPATH
FPATH UID EUID GID RANDOM ARGV0 FISH_VERSION
"""


@pytest.mark.parametrize("name", OWNED.split())
def test_a_name_of_the_login_or_the_shell_is_rejected(name):
    with pytest.raises(DevserverError, match=f"{name} of user {ME} cannot be declared"):
        declare({name: "/x"})
    with pytest.raises(DevserverError, match=f"{name} of user {ME} cannot be declared"):
        declare(users=[{"name": ME, "variables": {name: "/x"}}])
    assert name not in declare({name: None}).users[0].variables


def test_all_such_names_are_in_one_message():
    with pytest.raises(DevserverError, match="HOME, IFS of user"):
        declare({"HOME": "/x", "GOFLAGS": "-x", "IFS": "x"})


@pytest.mark.parametrize(
    "name", ["HTTPS_PROXY", "EDITOR", "LANG", "LC_ALL", "TMPDIR", "TZ", "SSH_AUTH_SOCK", "GO_LDFLAGS"]
)
def test_variables_of_programs_are_declared(name):
    assert declare({name: "/x"}).users[0].variables[name] == "/x"


def test_null_takes_a_standard_variable_back():
    assert "GOTOOLCHAIN" not in declare({"GOTOOLCHAIN": None}).users[0].variables


def test_goroot_is_exported_on_request_only():
    assert "GOROOT" not in declare().users[0].variables
    assert declare(export_goroot=True).users[0].variables["GOROOT"] == "/usr/local/go"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"variables": {"GOPATH": "go"}}, ["GOPATH", "'go'", "absolute"]),
        ({"variables": {"GOPATH": "/a:go"}}, ["GOPATH", "'go'"]),
        ({"variables": {"GOPATH": "~/go"}}, ["GOPATH", "'~/go'"]),
        ({"variables": {"GOTMPDIR": "~/.cache/go-tmp"}}, ["GOTMPDIR", "'~/.cache/go-tmp'", "absolute"]),
        ({"variables": {"TMPDIR": "tmp"}}, ["TMPDIR", "'tmp'", "absolute"]),
        ({"variables": {"GOPATH": "{GOBIN}/x"}}, ["circular"]),
        ({"variables": {"GOPATH": "{GONE}/x"}}, ["{GONE}", "not declared"]),
        ({"variables": {"GOPROXY": "a\nb"}}, ["control character"]),
        ({"variables": {"PATH": "/x"}}, ["'PATH'"]),
        ({"variables": {"gopath": "/x"}}, ["'gopath'"]),
        ({"variables": {"GOPROXY": {"a": 1}}}, ["GOPROXY", "string"]),
        ({"path": ["bin"]}, ["PATH", "'bin'"]),
        ({"path": ["{GONE}"]}, ["PATH", "{GONE}"]),
        ({"users": [{"name": ME, "workspaces": ["hello"]}]}, ["workspaces", "'hello'", "absolute"]),
        ({"users": [{"name": ME, "workspaces": ["{GONE}/x"]}]}, ["workspaces", "{GONE}"]),
        ({"vscode_settings": ["settings.json"]}, ["vscode_settings", "'settings.json'"]),
        ({"vscode_tools": {"dlv": "dlv"}}, ["vscode_tools", "dlv", "absolute"]),
        ({"users": [{"name": "no-such-user"}]}, ["no-such-user", "does not exist", "create the account"]),
        ({"users": [{"name": "no-such"}, {"name": ME}, {"name": "nor-this"}]}, ["'no-such', 'nor-this'", "create the"]),
        ({"variables": {"GOTELEMETRY": "none"}}, ["GOTELEMETRY", "'none'", "on or local or off", ME]),
        ({"users": [{"name": ME}, {"name": ME}]}, [ME, "more than once"]),
    ],
)
def test_bad_input_is_named(arguments, words):
    with pytest.raises(DevserverError) as raised:
        declare(**arguments)
    for word in words:
        assert word in str(raised.value)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"GOROOT": "/opt/nope"}, "GOROOT.*devserver_export_goroot"),
        ({"GOENV": "/x"}, "GOENV.*~/.config/go/env"),
        ({"GOPROXY": ["https://x y", "direct"]}, "GOPROXY of user .* has the entry 'https://x y'"),
        ({"GOPROXY": "https://x,https://a b|direct"}, "GOPROXY of user .* has the entry 'https://a b'"),
    ],
)
def test_reserved_and_invalid_variables_are_rejected(variables, words):
    for arguments in ({"variables": variables}, {"users": [{"name": ME, "variables": variables}]}):
        with pytest.raises(DevserverError, match=f"(?s){words}"):
            declare(**arguments)


def test_null_and_a_valid_list_of_proxies_are_accepted():
    (user,) = declare({"GOROOT": None, "GOENV": None, "GOPROXY": "https://x, direct"}).users
    assert user.variables["GOPROXY"] == "https://x, direct"


def account(name: str, home: str = "/home/x") -> Account:
    return Account(name, 1000, 1000, home, "/bin/sh")


@pytest.mark.parametrize(
    "name", ["alice", "a.b-c_d", "Alice", "CORP\\adoe", "a@b.example", "a+b", "svc$", "müller", "7of9"]
)
def test_names_of_accounts_that_every_context_takes(name: str) -> None:
    validate_account(account(name))


@pytest.mark.parametrize(
    "name",
    [
        "1000",
        "0",
        "0x3e8",
        "0o17",
        "",
        "a b",
        "a/b",
        "../a",
        ".",
        "-x",
        "a$b",
        "a:b",
        "a'b",
        'a"b',
        "a%i",
        "a*",
        "[a]",
        "a#",
        "a\n",
        "x" * 201,
    ],
)
def test_names_that_some_file_would_read_otherwise_are_rejected(name: str) -> None:
    with pytest.raises(DevserverError, match="devserver_users"):
        validate_account(account(name))


def test_a_name_that_systemd_reads_as_an_id_is_rejected_for_that_reason() -> None:
    with pytest.raises(DevserverError, match="'1001' is a number: systemd would start"):
        validate_account(account("1001"))


@pytest.mark.parametrize("home", ["", "home", "/home/a\tb", "~"])
def test_homes_that_are_no_absolute_path_are_rejected(home: str) -> None:
    with pytest.raises(DevserverError, match="the home directory of user alice"):
        validate_account(account("alice", home))


@pytest.mark.parametrize("character", ["\n", "\r", "\0", "\x1b", "\x7f"])
@pytest.mark.parametrize("option", ["path", "workspaces", "vscode_settings", "variables"])
def test_control_characters_are_rejected_in_every_option(option: str, character: str) -> None:
    value = f"/srv/a{character}b"
    arguments = {
        "path": {"path": [value]},
        "workspaces": {"users": [{"name": ME, "workspaces": [value]}]},
        "vscode_settings": {"vscode_settings": [value]},
        "variables": {"variables": {"GOPRIVATE": value}},
    }
    with pytest.raises(DevserverError, match="control character"):
        declare(**arguments[option])
