# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Terminals over ssh, with real shells in the environment that PAM and sshd give."""

from __future__ import annotations

import getpass
import pathlib
import shutil

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Assignment, Source
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import ssh
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.ssh_terminal import (
    SshTerminalContext,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import Declaration
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, find_account

DECLARATION = Declaration([], "/g", [])
GIVEN = Assignment("GOPROXY", "off", Source("file", "/etc/environment", 3))
# By shell: the startup files of the user, and the line of the last one that sets GOBIN.
FILES = {
    "bash": ({".profile": "GOFLAGS=-v\n. ~/.bashrc\n", ".bashrc": "[ -z $PS1 ] && return\nexport GOBIN=/b\n"}, 2),
    "dash": ({".profile": "export ENV=~/.shrc\n", ".shrc": "A=1\n\nexport GOBIN=/b\n"}, 3),
    "zsh": ({".zprofile": "GOFLAGS=-v\n", ".zshrc": "[ -t 0 ] && export GOBIN=/b\n"}, 1),
    "fish": ({".config/fish/config.fish": "status is-login; and status is-interactive; and set -gx GOBIN /b\n"}, 1),
}
# The same at each prompt.
PROMPTS = {
    "bash": {".bash_profile": "PROMPT_COMMAND='export GOBIN=/b'\n"},
    "zsh": {".zshrc": "precmd() { export GOBIN=/b }\n"},
    "fish": {".config/fish/config.fish": "function own --on-event fish_prompt; set -gx GOBIN /b; end\n"},
}


@pytest.fixture
def account(tmp_path: pathlib.Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Account:
    shell = shutil.which(request.param)
    if not shell:
        pytest.skip(f"this machine has no {request.param}")
    monkeypatch.setattr(ssh, "variables_over_ssh", lambda _account, _timeout: [GIVEN])
    return find_account(getpass.getuser())._replace(home=str(tmp_path), shell=shell)


def put(account: Account, files: dict[str, str]) -> str:
    for name, text in files.items():
        file = pathlib.Path(account.home, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return str(file)


@pytest.mark.parametrize(("account", "shell"), [(shell, shell) for shell in FILES], indirect=["account"])
def test_an_interactive_login_shell_is_probed_and_traced(account: Account, shell: str) -> None:
    files, line = FILES[shell]
    last = put(account, files)
    environment = SshTerminalContext().probe(account, DECLARATION, 20).environment
    assert environment
    assert (environment["GOBIN"], environment["GOPROXY"]) == ("/b", "off")
    assert environment["SSH_CONNECTION"].split()[0] == "127.0.0.1"
    found = SshTerminalContext().assignments(account, 20)
    assert [item for item in found if item.name in ("GOBIN", "GOPROXY")] == [
        GIVEN,
        Assignment("GOBIN", "/b", Source("file", last, line)),
    ]


@pytest.mark.parametrize(("account", "shell"), [(shell, shell) for shell in PROMPTS], indirect=["account"])
def test_what_the_first_prompt_sets_is_seen(account: Account, shell: str) -> None:
    last = put(account, PROMPTS[shell])
    environment = SshTerminalContext().probe(account, DECLARATION, 20).environment
    assert environment and environment["GOBIN"] == "/b"
    found = SshTerminalContext().assignments(account, 20)
    assert found[-1] == Assignment("GOBIN", "/b", Source("file", last, 1))


@pytest.mark.parametrize("account", ["zsh"], indirect=True)
def test_a_zsh_without_startup_files_starts_no_dialog(account: Account) -> None:
    assert SshTerminalContext().probe(account, DECLARATION, 5).environment
