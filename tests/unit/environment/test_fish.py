# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment that fish gets, and the trace of its startup, by a real fish."""

from __future__ import annotations

import getpass
import os
import subprocess

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Assignment, Source
from ansible_collections.gopherops.devserver.plugins.module_utils._environment import rendered
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import fish as fish_context
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    Declaration,
    UserEnvironment,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._shells.fish_trace import parse_changes, trace_fish
from ansible_collections.gopherops.devserver.plugins.module_utils._shells.startup import Startup, private_directories
from hypothesis import given, settings
from hypothesis import strategies as st

ACCOUNT = find_account(getpass.getuser())
ODD = '/home/ü n\'d $HOME `x` \\ "q"'


def fish(command, **env):
    done = subprocess.run(
        ["fish", "--no-config", *command],
        env=dict(env),
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout


@pytest.fixture
def home(tmp_path):
    for directory in (".config/fish", ".local/share/fish"):
        (tmp_path / directory).mkdir(parents=True)
    return tmp_path


@pytest.fixture
def script(home, monkeypatch):
    (home / "users").mkdir()
    monkeypatch.setattr(fish_context, "HOOK", str(home / "go.fish"))
    monkeypatch.setattr(rendered, "USERS", str(home / "users"))
    monkeypatch.setattr(fish_context.FishContext, "is_installed", lambda _self: True)

    def write(users):
        for file in fish_context.FishContext().managed_files(Declaration(users, "/g", ["/g/bin", "/usr/local/bin"])):
            with open(file.path, "w", encoding="utf-8") as stream:
                stream.write(file.content(None) or "")
        return home / "go.fish"

    return write


def sourced(script, home, path, *options, again=1, **env):
    sources = f"source {script}; " * again
    command = sources + 'printf "%s|%s|%s" "$PATH" "$GOPATH" (functions -q __go_path; and echo left; or echo gone)'
    return fish([*options, "-c", command], PATH=path, HOME=str(home), **env).split("|")


@pytest.mark.parametrize("again", [1, 3])
@pytest.mark.parametrize("before", ["/usr/bin:/bin", "/usr/bin:/g/bin:/bin:/g/bin"])
def test_listed_user(script, home, before, again):
    user = UserEnvironment(ACCOUNT, {"GOPATH": ODD}, ["/g/bin", f"{ODD}/bin"])
    values = sourced(script([user]), home, before, again=again)
    assert values == [f"/g/bin:{ODD}/bin:/usr/bin:/bin", ODD, "gone"]


def test_whose_file_it_is_no_program_on_path_decides(script, home):
    (home / "id").write_text("#!/bin/sh\necho somebody-else\n")
    (home / "id").chmod(0o755)
    other = UserEnvironment(ACCOUNT._replace(name="somebody-else"), {"GOPATH": "/x"}, [])
    user = UserEnvironment(ACCOUNT, {"GOPATH": "/own"}, [])
    file = script([other, user])
    assert fish(["-c", f"source {file}; echo $GOPATH"], PATH=f"{home}:/usr/bin:/bin", HOME=str(home)) == "/own\n"


def test_user_who_is_not_listed_gets_path_alone(script, home):
    other = UserEnvironment(ACCOUNT._replace(name="somebody-else"), {"GOPATH": "/x"}, ["/x/bin"])
    assert sourced(script([other]), home, "/usr/bin") == ["/g/bin:/usr/local/bin:/usr/bin", "", "gone"]


@pytest.mark.parametrize(("options", "given"), [([], "/own"), (["-l"], "/a"), (["-i"], "/a")])
def test_a_script_in_a_session_keeps_what_it_was_given(script, home, options, given):
    file = script([UserEnvironment(ACCOUNT, {"GOPATH": "/a"}, [])])
    assert sourced(file, home, "/usr/bin", *options, GOPATH="/own", SHLVL="1")[1] == given


def test_a_users_file_is_for_that_user_alone_and_goes_with_the_user(script, home):
    declared = [UserEnvironment(ACCOUNT, {"GOPROXY": "https://u:p@x"}, ["/g/bin"])]
    files = fish_context.FishContext().managed_files(Declaration(declared, "/g", []))
    holding = [file for file in files if "u:p" in (file.content(None) or "")]
    assert [(file.mode, file.owner) for file in holding] == [(0o400, ACCOUNT)]
    script(declared)
    files = fish_context.FishContext().managed_files(Declaration([], "/g", [], exclusive=True))
    assert [file.path for file in files if file.content(None) is None] == [str(home / "users" / f"{ACCOUNT.name}.fish")]


@settings(max_examples=20)
@given(st.lists(st.text(st.sampled_from("a\\'\"$ (){}*~#;é%"), min_size=1), min_size=1, max_size=20))
def test_quoting_survives_a_real_fish(words):
    command = "printf '%s\\0' " + " ".join(map(rendered.quoted_for_fish, words))
    assert fish(["-c", command], HOME="/x", PATH="/usr/bin").split("\0")[:-1] == words


def traced(home, text, *options, prompt=False):
    (home / ".config/fish/config.fish").write_text(text)
    account = ACCOUNT._replace(home=str(home), shell="/usr/bin/fish")
    env = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    found = trace_fish(Startup(account, options, env, prompts=prompt), 20)
    own = str(home / ".config/fish/config.fish")
    return [(item.name, item.value, item.source.line) for item in found if item.source.file == own]


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("set -gx GOPATH /a\n", ("GOPATH", "/a", 1)),
        ("\nset -x GOPATH $HOME/'a b'\n", ("GOPATH", "{home}/a b", 2)),
        ("set -gx GOPATH /a\nset -gx GOPATH /b\n", ("GOPATH", "/b", 2)),
        ("set A 1\nset -gx HOME /srv/h\n", ("HOME", "/srv/h", 2)),
        ("if true\n  set -gx MY_OWN é\nend\n", ("MY_OWN", "é", 2)),
        ("set -gx PATH /opt/bin $PATH\n", ("PATH", "/opt/bin:{path}", 1)),
        ("function go\n  command go $argv\nend\n", ("function go", "", 1)),
        ("\nalias go=/opt/go\n", ("alias go", "", 2)),
    ],
)
def test_the_winner_is_named(home, text, last):
    found = traced(home, text)
    path = next((value for name, value, _line in found if name == "PATH"), "").partition(":")[2]
    expected = tuple(part.format(home=home, path=path) if isinstance(part, str) else part for part in last)
    assert found[-1] == expected


# config.fish, and the line that sets GOBIN; conf.d/library.fish defines "library", which sets it.
HIDDEN = {
    "eval": ('set A 1\n\n\neval "set -gx GOBIN /x"\n', 4),
    "eval of variables": ('set n GOBIN\neval "set -gx OTHER /y"\neval "set -gx $n \'/x\'"\n', 3),
    "eval in eval": ("set A 1\neval 'eval \"set -gx GOBIN /x\"'\n", 2),
    "eval of several lines": ('set A 1\nif true\n  eval "set A 2\nset -gx GOBIN /x"\nend\n', 3),
    "eval in a loop": ("for n in GOBIN\n  eval set -gx $n /x\nend\n", 2),
    "eval in a function": ("function f\n  eval 'set -gx GOBIN /x'\nend\nf\n", 2),
    "a pipe": ("set A 1\necho 'set A 1; set -gx GOBIN /x' | source\n", 2),
    "one of two pipes": ("echo 'set A 1' | source\necho 'set -gx GOBIN /x' | source -\n", 2),
    "a substitution": ("set A 1\nsource (echo 'set -gx GOBIN /x' | psub)\n", 2),
    "a function of another file": ("set A 1\nlibrary /x\n", 2),
    "eval of a function of another file": ("set A 1\neval library /x\n", 2),
    "a function of the file itself": ("function f\n  set -gx GOBIN /x\nend\nf\n", 2),
    "a file that it sources": ("source ~/more.fish\n", None),
}


@pytest.mark.parametrize("case", HIDDEN)
def test_the_line_of_the_startup_file_is_named(home, case):
    text, line = HIDDEN[case]
    (home / ".config/fish/conf.d").mkdir()
    (home / ".config/fish/conf.d/library.fish").write_text("set A 1\nfunction library\n  set -gx GOBIN $argv\nend\n")
    (home / "more.fish").write_text("set A 1\neval 'set -gx GOBIN /x'\n")
    config = home / ".config/fish/config.fish"
    config.write_text(text)
    account = ACCOUNT._replace(home=str(home), shell="/usr/bin/fish")
    found = trace_fish(Startup(account, ["-i"], {"HOME": str(home), "PATH": "/usr/bin:/bin"}), 20)
    item = [item for item in found if item.name == "GOBIN"][-1]
    place = (str(config), line) if line else (str(home / "more.fish"), 2)
    assert (item.value, item.source.file, item.source.line) == ("/x", *place)
    assert item.source.by == (f"{home}/.config/fish/conf.d/library.fish:3" if "another" in case else None)


def test_a_limit_of_fish_is_named(home):
    assert traced(home, "set A 1\nulimit -n 500\n", "-i") == [("ulimit", "ulimit -n 500", 2)]


def test_eval_at_each_prompt_is_named(home):
    hook = "function own --on-event fish_prompt\n  set A 1\n  eval 'set -gx GOBIN /p'\nend\n"
    assert traced(home, hook, "-i", prompt=True) == [("GOBIN", "/p", 3)]


UNIVERSAL = {
    "a text": ("GOPROXY 'https://x é,\\$d|😀\n#'", "GOPROXY"),
    "a list": ("GOFLAGS -v -x", "GOFLAGS"),
    "a path": ("--path GOPATH /a /b", "GOPATH"),
}


@pytest.mark.parametrize("case", UNIVERSAL)
def test_what_fish_keeps_for_all_shells_is_named(home, case):
    text, name = UNIVERSAL[case]
    env = {"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    subprocess.run(["fish", "-c", f"set -U {name} own; set -e {name}; set -Ux {text}"], env=env, check=True)
    done = subprocess.run(["fish", "-c", f"printenv {name}"], env=env, capture_output=True, text=True, check=True)
    kept = home / ".config/fish/fish_variables"
    line = next(n for n, entry in enumerate(kept.read_text().splitlines(), 1) if f" {name}:" in entry)
    (home / ".config/fish/config.fish").write_text("set -gx GOBIN /b\n")

    def first(env):
        account = ACCOUNT._replace(home=str(home), shell="/usr/bin/fish")
        return trace_fish(Startup(account, ["-i"], env), 20)[0]

    assert first(env) == Assignment(name, done.stdout[:-1], Source("file", str(kept), line))
    # What the shell is given wins over it.
    assert first({**env, name: "given"}).name != name


@pytest.mark.parametrize(
    ("kept", "value"), [("\\U0001f600", "😀"), ("\\Uffffffff", "\\Uffffffff"), ("\\ud800", "\\ud800")]
)
def test_what_fish_keeps_that_is_no_character_stays_as_it_is(kept, value):
    noted = f"\1\1\1/f:3:SETUVAR --export A:{kept}\1"
    assert [(change.value, change.place) for change in parse_changes(noted, "/h")] == [(value, Source("file", "/f", 3))]


def test_a_call_stack_of_fish_4_names_the_file_alone():
    place = (
        "in command substitution\n\tcalled on line 7 of file ~/.config/fish/config.fish\n"
        "in function '__trace_GOBIN' with arguments 'VARIABLE SET GOBIN'\n"
        "\tcalled on line 1 of file ~/.config/fish/config.fish"
    )
    (change,) = parse_changes(f"\1GOBIN\1/b\1{place}\1", "/h")
    assert (change.place, change.is_exact) == (Source("file", "/h/.config/fish/config.fish"), False)


def test_what_an_interactive_and_a_login_fish_read_is_followed(home):
    text = "status is-login; and set -gx GOPATH /l\nstatus is-interactive; and set -gx GOBIN /i\n"
    assert traced(home, text) == []
    assert traced(home, text, "-l") == [("GOPATH", "/l", 1)]
    assert traced(home, text, "-i") == [("GOBIN", "/i", 2)]


def test_a_home_without_fishs_directories_stays_without(tmp_path):
    tmp_path.chmod(0o755)
    account = ACCOUNT._replace(home=str(tmp_path), shell="/usr/bin/fish")
    trace_fish(Startup(account, ["-i"], {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}), 20)
    assert os.listdir(tmp_path) == []
    with private_directories(account._replace(shell="/bin/bash")) as directories:
        assert not any(name.startswith("XDG_") for name in directories)


PRINTED = ["\x01", "a", "/", " ~", "\n", "in event handler:", "called on line 1 of file /x", "/f:1:SETUVAR --export A:"]
STEPS = ["> source ", "-> eval 'x", "--> ulimit -n 1"]


@given(st.lists(st.sampled_from([*PRINTED, *STEPS, "\\Uffffffff", "\\ud800", "\\x4"])))
def test_any_output_of_a_startup_is_parsed_without_error(printed):
    for change in parse_changes("".join(printed), "/h"):
        assert isinstance(change.is_exact, bool)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_the_directory_belongs_to_the_user_and_is_removed_with_all_content(tmp_path, monkeypatch):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_text("")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    account = find_account("nobody")._replace(home=str(tmp_path), shell="/usr/bin/fish")
    with private_directories(account) as directories:
        (directory,) = set(directories.values()) - {"/proc"}
        status = os.stat(directory)
        assert (status.st_uid, status.st_mode & 0o777) == (account.uid, 0o700)
        os.symlink(tmp_path / "kept", f"{directory}/fish")
    assert os.listdir(tmp_path) == ["kept"]
    assert os.listdir(tmp_path / "kept") == ["file"]


def test_a_prompt_leaves_nothing_in_the_home(home):
    home.chmod(0o755)
    (home / ".config/fish/config.fish").write_text("set -gx GOBIN /a\n")
    before = sorted(home.rglob("*"))
    account = ACCOUNT._replace(home=str(home), shell="/usr/bin/fish")
    got = fish_context.FishContext().probe(account, Declaration([], "/g", []), 20)
    assert got.environment["GOBIN"] == "/a"
    assert traced(home, "set -gx GOBIN /a\n", "-i", prompt=True) == [("GOBIN", "/a", 1)]
    assert sorted(home.rglob("*")) == before


def test_what_is_set_at_each_prompt_is_named(home):
    text = "\nfunction f --on-event fish_prompt\n  set -gx GOBIN /p\nend\n"
    assert traced(home, text, "-i") == []
    assert traced(home, text, "-i", prompt=True) == [("GOBIN", "/p", 3)]
