# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following the startup of a real zsh: who set what, in which file and line."""

from __future__ import annotations

import getpass

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._shells.startup import Startup
from ansible_collections.gopherops.devserver.plugins.module_utils._shells.zsh_trace import trace_zsh

ACCOUNT = find_account(getpass.getuser())


def traced(tmp_path, text, prompt=False, declared=()):
    file = tmp_path / ".zshrc"
    file.write_text(text)
    env = {"HOME": str(tmp_path), "ZDOTDIR": str(tmp_path), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    found = trace_zsh(Startup(ACCOUNT, ["-i"], env, prompts=prompt), 10, declared)
    return [(item.name, item.value, item.source.line) for item in found if item.source.file == str(file)]


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("export GOPATH=/a\n", ("GOPATH", "/a", 1)),
        ("\nGOPATH=/a; export GOPATH\n", ("GOPATH", "/a", 2)),
        ("export GOPATH='/a b é'\n", ("GOPATH", "/a b é", 1)),
        ("typeset -x GOPATH=/a\n", ("GOPATH", "/a", 1)),
        ("A=1\nx=GOX; export $x=/x\n: 3\n: 4\n", ("GOX", "/x", 2)),
        ("f() {\n  GOPATH=/f\n}\nf\n", ("GOPATH", "/f", 2)),
        ("emulate sh -c 'GOPATH=/e'\nX=$(echo x)\nGOBIN=/b\n", ("GOBIN", "/b", 3)),
        ("A=1\nexport HOME=/srv/h\n", ("HOME", "/srv/h", 2)),
        ("path=(/opt/bin $path)\n", ("PATH", "/opt/bin:/usr/bin:/bin", 1)),
        ("path+=('/a b')\n", ("PATH", "/usr/bin:/bin:/a b", 1)),
        ("export PATH=/x\npath+=(/y)\n", ("PATH", "/x:/y", 2)),
        ("alias ll='ls -l'\nalias go=/opt/go\n", ("alias go", "/opt/go", 2)),
        ("PATH+=:/opt/x\n", ("PATH", "/usr/bin:/bin:/opt/x", 1)),
        ("path=(/a)\nPATH+=:/b\n", ("PATH", "/a:/b", 2)),
        ("GOA=/a\nf() {\n  local GOA=/f; GOA=/g; GOA+=h\n}\nf\n", ("GOA", "/a", 1)),
        ("GOA=/a\nf() {\n  typeset GOA=/f; eval GOA=/g\n}\nf\n", ("GOA", "/a", 1)),
        ("f() {\n  typeset -gx GOA=/f\n}\nf\n", ("GOA", "/f", 2)),
        ("f() {\n  local GOA=/f; g\n}\ng() { GOA=/g; }\nf\ng\n", ("GOA", "/g", 4)),
        ("[[ -o interactive ]] || return\nGOPATH=/i\n", ("GOPATH", "/i", 2)),
        ("GOBIN=/b\nexport GOBIN=/b\n", ("GOBIN", "/b", 2)),
        ("\nread -r GOBIN <<< /r\n", ("GOBIN", "/r", 2)),
        ("\nprintf -v GOBIN %s /p\n", ("GOBIN", "/p", 2)),
        ("\nGOFLAGS='a\nb'\n", ("GOFLAGS", "a\nb", 2)),
        ("\nsource <(echo; echo GOBIN=/s)\n", ("GOBIN", "/s", 2)),
        ("\neval \"$(printf 'X=1\\nY=2\\nexport GOBIN=/e\\n')\"\n: 4\n: 5\n", ("GOBIN", "/e", 2)),
        ("GOBIN=/b\nf() { :; }\nGOBIN=/call f\n", ("GOBIN", "/b", 1)),
        ("unsetopt xtrace; PS4=mine\nGOBIN=/x\n", ("GOBIN", "/x", 2)),
        ("trap 'X=1' DEBUG\nGOBIN=/x\n", ("GOBIN", "/x", 2)),
        ("TRAPDEBUG() { : }\nGOBIN=/x\n", ("GOBIN", "/x", 2)),
        ("f() {\n  function TRAPDEBUG { : }\n}\nf\nGOBIN=/x\n", ("GOBIN", "/x", 5)),
        ("functions[TRAPDEBUG]=:\nGOBIN=/x\nfalse\nGOBIN=/y\n", ("GOBIN", "/y", 4)),
        ("autoload -U TRAPDEBUG\nGOBIN=/x\n", ("GOBIN", "/x", 2)),
        ("exec 2>/dev/null\nGOBIN=/x\n", ("GOBIN", "/x", 2)),
        ("emulate sh\nGOBIN=/x\n", ("GOBIN", "/x", 2)),
        ("f() { emulate -L zsh; GOBIN=/x; }\nf\n", ("GOBIN", "/x", 1)),
    ],
)
def test_the_winner_is_named(tmp_path, text, last):
    found = traced(tmp_path, text)
    assert [item for item in found if item[0] == last[0]][-1] == last


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("precmd() { export GOBIN=/p }\n", 1),
        ("\nf() {\n  GOBIN=/p\n}\nprecmd_functions+=(gone f)\n", 3),
    ],
)
def test_what_is_set_at_each_prompt_is_named(tmp_path, text, line):
    assert traced(tmp_path, text) == []
    assert traced(tmp_path, text, prompt=True) == [("GOBIN", "/p", line)]


def test_files_come_in_zshs_order_and_only_those_it_reads(tmp_path):
    for name in ("zshenv", "zprofile", "zshrc", "zlogin"):
        (tmp_path / f".{name}").write_text(f"export GOBIN=$GOBIN:{name}\n")
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "GOBIN": "given"}

    def last(*options):
        return trace_zsh(Startup(ACCOUNT, options, env), 10)[-1].value

    assert last("-i") == "given:zshenv:zshrc"
    assert last("-l") == "given:zshenv:zprofile:zlogin"
    assert last("-i", "-l") == "given:zshenv:zprofile:zshrc:zlogin"
    (tmp_path / ".zshenv").write_text("GOBIN=only; unsetopt rcs\n")
    assert last("-i", "-l") == "only"


def test_a_file_that_is_named_without_its_directory(tmp_path):
    (tmp_path / ".more").write_text("GOBIN=/m\n")
    (tmp_path / ".zshrc").write_text(". ./.more\n")
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    found = trace_zsh(Startup(ACCOUNT, ["-i"], env), 10)
    assert ("GOBIN", f"{tmp_path}/.more:1") in [(item.name, str(item.source)) for item in found]


def test_a_function_is_named_with_its_file(tmp_path):
    assert traced(tmp_path, "go() {\n  command go\n}\n") == [("function go", "", None)]


def test_the_assignments_of_a_startup_that_exits_are_found(tmp_path):
    assert traced(tmp_path, "GOPATH=/a\nexit 3\n") == [("GOPATH", "/a", 1)]


def test_a_sourced_file_is_named(tmp_path):
    (tmp_path / "inner").write_text("\nexport GOBIN=/x\n")
    (tmp_path / ".zshrc").write_text(f". {tmp_path}/inner\n")
    env = {"HOME": str(tmp_path), "ZDOTDIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    found = trace_zsh(Startup(ACCOUNT, ["-i"], env), 10)
    assert ("GOBIN", f"{tmp_path}/inner:2") in [(item.name, str(item.source)) for item in found]


EMULATIONS = {
    "as distributions do": "emulate sh -c 'source {file}'",
    "past a function": "builtin emulate sh -c 'source {file}'",
    "past a function with options": "[[ -r {file} ]] && builtin emulate -R sh -c '. {file}'",
    "in a function": "f() {{ emulate ksh -c 'source {file}' }}; f",
    "by a condition": "[[ -r {file} ]] && emulate -R sh -c '. {file}'",
    "in a file": "emulate sh; . {file}; emulate zsh",
    "for a function": "f() {{ emulate -L sh; . {file}; }}; f",
}
EMULATED = """\
export GOPATH=/a
if true; then

  declare -x GOBIN=/b
fi
f() {
  GOFLAGS=-x
}
f
"""


@pytest.mark.parametrize("case", EMULATIONS)
def test_lines_are_right_while_zsh_emulates_another_shell(tmp_path, case):
    file = tmp_path / "legacy"
    file.write_text(EMULATED)
    (tmp_path / ".zshrc").write_text(f"\n{EMULATIONS[case].format(file=file)}\nGOOS=x\n")
    env = {"HOME": str(tmp_path), "ZDOTDIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    places = [(item.name, str(item.source)) for item in trace_zsh(Startup(ACCOUNT, ["-i"], env), 10)]
    # declare is local to a function.
    lines = {"GOPATH": 1, "GOFLAGS": 7} if case == "for a function" else {"GOPATH": 1, "GOBIN": 4, "GOFLAGS": 7}
    assert places == [*((name, f"{file}:{line}") for name, line in lines.items()), ("GOOS", f"{tmp_path}/.zshrc:3")]


@pytest.mark.parametrize("name", ["HOSTNAMES", "START_UP", "AUTHENTICATION", "NAMES", "GIVEN"])
def test_a_declared_variable_may_have_any_name(tmp_path, name):
    found = traced(tmp_path, f"\n{name}=/a\nGOBIN=/b\n", declared=[name])
    assert found[-2:] == [(name, "/a", 2), ("GOBIN", "/b", 3)]
