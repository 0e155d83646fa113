# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following the start-up of a real zsh: who set what, in which file and line."""

from __future__ import annotations

import getpass

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils.zsh_trace import trace_zsh, zsh_assignments
from hypothesis import given
from hypothesis import strategies as st

ACCOUNT = find_account(getpass.getuser())


def traced(tmp_path, text):
    file = tmp_path / ".zshrc"
    file.write_text(text)
    env = {"HOME": str(tmp_path), "ZDOTDIR": str(tmp_path), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    found = trace_zsh(options=["-i"], env=env, account=ACCOUNT, timeout=10)
    return [(item.name, item.value, item.source.line) for item in found if item.source.file == str(file)]


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("export GOPATH=/a\n", ("GOPATH", "/a", 1)),
        ("\nGOPATH=/a; export GOPATH\n", ("GOPATH", "/a", 2)),
        ("export GOPATH='/a b é'\n", ("GOPATH", "/a b é", 1)),
        ("typeset -x GOPATH=/a\n", ("GOPATH", "/a", 1)),
        ("f() {\n  GOPATH=/f\n}\nf\n", ("GOPATH", "/f", 2)),
        ("emulate sh -c 'GOPATH=/e'\nX=$(echo x)\nGOBIN=/b\n", ("GOBIN", "/b", 3)),
        ("path=(/opt/bin $path)\n", ("PATH", "/opt/bin:/usr/bin:/bin", 1)),
        ("path+=('/a b')\n", ("PATH", "/usr/bin:/bin:/a b", 1)),
        ("export PATH=/x\npath+=(/y)\n", ("PATH", "/x:/y", 2)),
        ("alias ll='ls -l'\nalias go=/opt/go\n", ("alias go", "/opt/go", 2)),
        ("PATH+=:/opt/x\n", ("PATH", "/usr/bin:/bin:/opt/x", 1)),
        ("path=(/a)\nPATH+=:/b\n", ("PATH", "/a:/b", 2)),
        ("GOA=/a\nf() {\n  local GOA=/f; GOA=/g; GOA+=h\n}\nf\n", ("GOA", "/a", 1)),
        ("GOA=/a\nf() {\n  typeset GOA=/f; eval GOA=/g\n}\nf\n", ("GOA", "/a", 1)),
        ("f() {\n  typeset -x GOA=/f\n}\nf\n", ("GOA", "/f", 2)),
        ("f() {\n  local GOA=/f; g\n}\ng() { GOA=/g; }\nf\ng\n", ("GOA", "/g", 4)),
        ("[[ -o interactive ]] || return\nGOPATH=/i\n", ("GOPATH", "/i", 2)),
    ],
)
def test_the_winner_is_named(tmp_path, text, last):
    assert traced(tmp_path, text)[-1] == last


def test_a_function_is_named_with_its_file(tmp_path):
    assert traced(tmp_path, "go() {\n  command go\n}\n") == [("function go", "", None)]


def test_a_start_up_that_exits_still_tells_what_it_set(tmp_path):
    assert traced(tmp_path, "GOPATH=/a\nexit 3\n") == [("GOPATH", "/a", 1)]


def test_a_sourced_file_is_named(tmp_path):
    (tmp_path / "inner").write_text("\nexport GOBIN=/x\n")
    (tmp_path / ".zshrc").write_text(f". {tmp_path}/inner\n")
    env = {"HOME": str(tmp_path), "ZDOTDIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    found = trace_zsh(options=["-i"], env=env, account=ACCOUNT, timeout=10)
    assert ("GOBIN", f"{tmp_path}/inner:2") in [(item.name, str(item.source)) for item in found]


@given(st.text(st.sampled_from("\x01ab/=1 '\"()\n$+"), max_size=60))
def test_whatever_a_start_up_prints_is_no_error(noise):
    assert isinstance(zsh_assignments(noise, {}), list)
