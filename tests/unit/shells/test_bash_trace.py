# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following startup files: who set what, in which file and line."""

from __future__ import annotations

import getpass
import time

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Assignment, Source
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._shells.bash_trace import assignments, trace_bash
from ansible_collections.gopherops.devserver.plugins.module_utils._shells.startup import Startup
from ansible_collections.gopherops.devserver.plugins.module_utils._shells.zsh_trace import trace_zsh
from hypothesis import given
from hypothesis import strategies as st

ACCOUNT = find_account(getpass.getuser())


def traced(tmp_path, text, options=(), prompt=False, declared=(), **env):
    file = tmp_path / "rc"
    file.write_text(text)
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", **env}
    found = trace_bash(Startup(ACCOUNT, options, env, [str(file)], prompts=prompt), 10, declared)
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
        ("X=$(GOPATH=/sub; echo x)\nGOBIN=/b\n", ("GOBIN", "/b", 2)),
        ("GOBIN=/b; (GOBIN=/sub); true | GOBIN=/sub\n", ("GOBIN", "/b", 1)),
        ("f() {\n  GOPATH=/f\n}\nf\n", ("GOPATH", "/f", 2)),
        ("PATH+=:/opt/x\n", ("PATH", "/usr/bin:/bin:/opt/x", 1)),
        ("export PATH+=:/opt/x\n", ("PATH", "/usr/bin:/bin:/opt/x", 1)),
        ("GOX=a; GOX+=b\nGOX+=b\n", ("GOX", "abb", 2)),
        ("GOA=/a\nf() {\n  local GOA=/f; GOA=/g; GOA+=h\n}\nf\n", ("GOA", "/a", 1)),
        ("GOBIN=/a\nf() {\n  declare -x GOBIN; GOBIN=/g\n}\nf\n", ("GOBIN", "/a", 1)),
        ("f() {\n  declare -gx GOA=/g\n}\nf\n", ("GOA", "/g", 2)),
        ("f() {\n  local GOA=/f; g\n}\ng() { GOA=/g; }\nf\ng\n", ("GOA", "/g", 4)),
        ("f() {\n  local GOBIN=/f; export GOBIN\n}\nGOBIN=/b\nf\n", ("GOBIN", "/b", 4)),
        ("IFS=:; set -eu\nf() {\n  local GOA=/f; g\n}\ng() { GOA=/g; }\nf\nGOB=/b\n", ("GOB", "/b", 7)),
        ("GOBIN=/b\nGOBIN=/for-a-call : ; f() { :; }\nGOBIN=/call f\n", ("GOBIN", "/b", 1)),
        ("GOBIN=/b\nGOBIN=/b env >/dev/null\n", ("GOBIN", "/b", 1)),
        ("GOBIN=/b\nexport GOBIN=/b\n", ("GOBIN", "/b", 2)),
        ("export GOPATH=/a\r\n", ("GOPATH", "/a\r", 1)),
        ("GOA=$'it\\'s \\\\ \\002'\n", ("GOA", "it's \\ \x02", 1)),
        ("alias go=/opt/go\n", ("alias go", "/opt/go", 1)),
        ("A=1\nexport HOME=/srv/h\n", ("HOME", "/srv/h", 2)),
        # Lines that are no assignment.
        ("\nread -r GOBIN <<< /r\n", ("GOBIN", "/r", 2)),
        ("printf '%s' /r > r; cd .\nread -r GOBIN < r\n", ("GOBIN", "/r", 2)),
        ("\nread -r GOBIN <<END\n/h\nEND\n", ("GOBIN", "/h", 2)),
        ("\nprintf -v GOBIN %s /p\n", ("GOBIN", "/p", 2)),
        ("\nGOFLAGS='a\nb'\n", ("GOFLAGS", "a\nb", 2)),
        ("\nexport GOFLAGS='a\nb'\n: \"\n\"\n", ("GOFLAGS", "a\nb", 2)),
        ("\nx=GOBIN; export $x=/x\n", ("GOBIN", "/x", 2)),
        ("A=1\nx=GOX; export $x=/x\n: 3\n: 4\n", ("GOX", "/x", 2)),
        ("\nsource <(echo; echo GOBIN=/s)\n", ("GOBIN", "/s", 2)),
        ("\n\n. /dev/stdin <<< 'GOBIN=/s'\n", ("GOBIN", "/s", 3)),
        ("f() { . /dev/stdin; }\nf <<END\nGOBIN=/s\nEND\n", ("GOBIN", "/s", 1)),
        ("\neval \"$(printf 'X=1\\nY=2\\nexport GOBIN=/e\\n')\"\n: 4\n: 5\n", ("GOBIN", "/e", 2)),
        ("for GOBIN in /1 /2; do :; done\n", ("GOBIN", "/2", 1)),
        # What files do to those who look on.
        ("set +x; PS4=mine\nGOBIN=/x\n", ("GOBIN", "/x", 2)),
        ("trap 'X=1' DEBUG; set +x\nGOBIN=/x\n", ("GOBIN", "/x", 2)),
        ("exec 2>/dev/null\nGOBIN=/x\n", ("GOBIN", "/x", 2)),
        ("false; [ $? = 1 ] && GOBIN=/kept\n", ("GOBIN", "/kept", 1)),
        ("echo a b >/dev/null; GOBIN=$_\n", ("GOBIN", "b", 1)),
    ],
)
def test_the_winner_is_named(tmp_path, text, last):
    found = traced(tmp_path, text)
    assert [item for item in found if item[0] == last[0]][-1] == last


def test_who_loses_is_named_too(tmp_path):
    assert traced(tmp_path, "GOBIN=/a\nGOBIN=/a\nread GOBIN <<< b\n") == [
        ("GOBIN", "/a", 1),
        ("GOBIN", "/a", 2),
        ("GOBIN", "b", 3),
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("PROMPT_COMMAND='export GOBIN=/p'\n", ("GOBIN", "/p", 1)),
        ("\nf() {\n  GOBIN=/p\n}\nPROMPT_COMMAND=f\n", ("GOBIN", "/p", 3)),
        ("PROMPT_COMMAND=:\nPROMPT_COMMAND+=('GOBIN=/p')\n", ("GOBIN", "/p", 2)),
    ],
)
def test_what_is_set_at_each_prompt_is_named(tmp_path, text, found):
    seen = traced(tmp_path, text, ["-i"], prompt=True)
    assert (seen[0][0], seen[-1]) == ("PROMPT_COMMAND", found)


def test_a_file_that_is_named_without_its_directory(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / ".more").write_text("GOBIN=/m; cd sub; . ../.last; f\n")
    (tmp_path / ".last").write_text("GOFLAGS=-v\nf() { cd /; GOOS=x; }\n")
    (tmp_path / "rc").write_text(". ./.more\n. .more 2>/dev/null\n")
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    found = trace_bash(Startup(ACCOUNT, [], env, [str(tmp_path / "rc")]), 10)
    places = {item.name: str(item.source) for item in found}
    assert places == {
        "GOBIN": f"{tmp_path}/.more:1",
        "GOFLAGS": f"{tmp_path}/.last:1",
        "GOOS": f"{tmp_path}/.more:1",
    }


# A startup file, a file that it sources at line 1, the line of the first that sets GOROOT, and that of the second.
CALLS = {
    "eval in a function": ("f\n", "f() { eval 'export GOROOT=/x'; }\n", 2, 1),
    "a function that calls another": ("A=1\ng\n", "f() {\n  GOROOT=/x\n}\ng() { f; }\n", 3, 2),
    "a function of the file itself": ("h() {\n  GOROOT=/x\n}\nh\n", "A=1\n", 3, None),
    "a function that the sourced file calls": ("A=1\n", "f() {\n  GOROOT=/x\n}\nf\n", None, 2),
    "a call by eval": ("A=1\neval f\n", "f() { GOROOT=/x; }\n", 3, 1),
    "a call by a third file": ("A=1\necho 'A=1; f' >more; . ./more\n", "f() { GOROOT=/x; }\n", "more", 1),
}


@pytest.mark.parametrize("case", CALLS)
@pytest.mark.parametrize("trace", [trace_bash, trace_zsh])
def test_the_line_of_the_startup_file_that_calls_a_function_is_named(tmp_path, monkeypatch, trace, case):
    text, library, line, inner = CALLS[case]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "library").write_text(library)
    (tmp_path / ".zshrc").write_text(f". {tmp_path}/library\ncd {tmp_path}; {text}")
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    item = trace(Startup(ACCOUNT, ["-i"], env, [str(tmp_path / ".zshrc")]), 10)[-1]
    name = line if isinstance(line, str) else ".zshrc" if line else "library"
    place = (f"{tmp_path}/{name}", 1 if isinstance(line, str) else line or inner)
    assert (item.name, item.source.file, item.source.line) == ("GOROOT", *place)
    assert item.source.by == (f"{tmp_path}/library:{inner}" if line and inner else None)


@pytest.mark.parametrize("trace", [trace_bash, trace_zsh])
@pytest.mark.parametrize("failing", ["export GOBIN=/b", "GOBIN=/b", "GOBIN+=/b", "typeset -x GOBIN=/b"])
def test_an_assignment_that_fails_is_not_named(tmp_path, trace, failing):
    (tmp_path / "library").write_text(f"A=1\n{failing}\n")
    (tmp_path / ".zshrc").write_text(f"A=1\nreadonly GOBIN=/ro\n. {tmp_path}/library\n")
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    found = trace(Startup(ACCOUNT, ["-i"], env, [str(tmp_path / ".zshrc")]), 10)
    assert found == [Assignment("GOBIN", "/ro", Source("file", str(tmp_path / ".zshrc"), 2))]


def test_the_assignments_of_a_startup_that_exits_are_found(tmp_path):
    assert traced(tmp_path, "GOPATH=/a\nexit 3\nGOPATH=/b\n") == [("GOPATH", "/a", 1)]


def test_interactive_parts_are_followed(tmp_path):
    text = '[ -z "$PS1" ] && return\nGOPATH=/a\n'
    assert traced(tmp_path, text) == []
    assert traced(tmp_path, text, ["-i"]) == [("GOPATH", "/a", 2)]


def test_sourced_files_are_named(tmp_path):
    (tmp_path / "inner").write_text("\nexport GOBIN=/x\n")
    (tmp_path / "rc").write_text(f". {tmp_path}/inner\n")
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    found = trace_bash(Startup(ACCOUNT, [], env, [str(tmp_path / "rc")]), 10)
    assert Assignment("GOBIN", "/x", Source("file", str(tmp_path / "inner"), 2)) in found


@given(st.text(st.sampled_from("\x01\0aG/=1 '\n"), max_size=60))
def test_any_output_of_a_startup_is_no_error(output):
    assert isinstance(assignments(output, {}), list)


def test_forged_changes_of_a_local_variable_take_linear_time():
    def forged(count):
        depths = [0] * count + [1] * count
        fields = (f"\x01GOPATH\0{number}\0/home/a/.profile\0{number}\0{depth}\0" for number, depth in enumerate(depths))
        noted = "".join(f"{field}0\0\0" for field in fields)
        start = time.process_time()
        assert len(assignments(noted, {})) == 2 * count
        return time.process_time() - start

    assert forged(4_800) < 12 * max(forged(1_200), 0.02)


@pytest.mark.parametrize("name", ["HOSTNAMES", "START_UP", "AUTHENTICATION", "NAMES", "GIVEN"])
def test_a_declared_variable_may_have_any_name(tmp_path, name):
    found = traced(tmp_path, f"\n{name}=/a\nGOBIN=/b\n", declared=[name])
    assert found[-2:] == [(name, "/a", 2), ("GOBIN", "/b", 3)]


def test_the_line_that_calls_the_collections_own_function_sets_path(tmp_path):
    text = "__go_path() {\n  x=1\n  PATH=$1:$PATH\n}\n__go_path /a\n__go_path /b\n"
    assert traced(tmp_path, text) == [("PATH", "/a:/usr/bin:/bin", 5), ("PATH", "/b:/a:/usr/bin:/bin", 6)]
    (tmp_path / ".zshrc").write_text(text)
    start_up = Startup(ACCOUNT._replace(home=str(tmp_path)), ["-i"], {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"})
    in_zsh = [item for item in trace_zsh(start_up, 10) if item.source.file == str(tmp_path / ".zshrc")]
    assert [item.source.line for item in in_zsh if item.name == "PATH"] == [5, 6]
