# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following start-up files: who set what, in which file and line."""

from __future__ import annotations

import getpass

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils.provenance import Assignment, Source
from ansible_collections.gopherops.devserver.plugins.module_utils.shell_trace import assignments, trace
from hypothesis import given
from hypothesis import strategies as st

ACCOUNT = find_account(getpass.getuser())


def traced(tmp_path, text, options=("--norc",)):
    file = tmp_path / "rc"
    file.write_text(text)
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    found = trace([str(file)], options=options, env=env, account=ACCOUNT, timeout=10)
    return [(item.name, item.value, item.source.line) for item in found if item.source.file == str(file)]


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("export GOPATH=/a\n", ("GOPATH", "/a", 1)),
        ("\nGOPATH=/a; export GOPATH\n", ("GOPATH", "/a", 2)),
        ("GOPATH=/a\nGOPATH=/b\n", ("GOPATH", "/b", 2)),
        ("export GOPATH='/a b'\n", ("GOPATH", "/a b", 1)),
        ("declare -x GOPATH=/a\n", ("GOPATH", "/a", 1)),
        ("if true; then\n  eval 'GOPATH=/e'\nfi\n", ("GOPATH", "/e", 2)),
        ("X=$(GOPATH=/sub; echo x)\n", ("X", "x", 1)),
        ("f() {\n  GOPATH=/f\n}\nf\n", ("GOPATH", "/f", 2)),
        ("PATH+=:/opt/x\n", ("PATH", "/usr/bin:/bin:/opt/x", 1)),
        ("export PATH+=:/opt/x\n", ("PATH", "/usr/bin:/bin:/opt/x", 1)),
        ("X=a; X+=b\nX+=b\n", ("X", "abb", 2)),
        ("GOA=/a\nf() {\n  local GOA=/f; GOA=/g; GOA+=h\n}\nf\n", ("GOA", "/a", 1)),
        ("GOA=/a\nf() {\n  declare -x GOA; GOA=/g\n}\nf\n", ("GOA", "/a", 1)),
        ("f() {\n  declare -gx GOA=/g\n}\nf\n", ("GOA", "/g", 2)),
        ("f() {\n  local GOA=/f; g\n}\ng() { GOA=/g; }\nf\ng\n", ("GOA", "/g", 4)),
        ("IFS=:; set -u\nf() {\n  local GOA=/f; g\n}\ng() { GOA=/g; }\nf\nGOB=/b\n", ("GOB", "/b", 7)),
        ("GOPATH=/only-for-this env >/dev/null\nY=1\n", ("Y", "1", 2)),
        ("export GOPATH=/a\r\n", ("GOPATH", "/a\r", 1)),
        ("GOPATH=/a\r\n", ("GOPATH", "/a\r", 1)),
        ("X=$'it\\'s \\\\ \\001'\n", ("X", "it's \\ \x01", 1)),
        ("X='cost $'; Y='b c'\n", ("Y", "b c", 1)),
        ("X=\n", ("X", "", 1)),
    ],
)
def test_the_winner_is_named(tmp_path, text, last):
    assert traced(tmp_path, text)[-1] == last


def test_a_start_up_that_exits_still_tells_what_it_set(tmp_path):
    assert traced(tmp_path, "GOPATH=/a\nexit 3\nGOPATH=/b\n") == [("GOPATH", "/a", 1)]


def test_interactive_parts_are_followed(tmp_path):
    text = '[ -z "$PS1" ] && return\nGOPATH=/a\n'
    assert traced(tmp_path, text) == []
    assert traced(tmp_path, text, ("--norc", "-i")) == [("GOPATH", "/a", 2)]


def test_sourced_files_are_named(tmp_path):
    (tmp_path / "inner").write_text("\nexport GOBIN=/x\n")
    (tmp_path / "rc").write_text(f". {tmp_path}/inner\n")
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    found = trace([str(tmp_path / "rc")], options=["--norc"], env=env, account=ACCOUNT, timeout=10)
    assert Assignment("GOBIN", "/x", Source("file", str(tmp_path / "inner"), 2)) in found


@given(st.text())
def test_whatever_a_start_up_prints_is_no_error(noise):
    assert isinstance(assignments(noise, {}), list)
