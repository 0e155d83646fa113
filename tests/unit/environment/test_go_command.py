# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queries of the go command that write no file."""

from __future__ import annotations

import getpass
import json
import os
import pathlib
import shutil
import subprocess
import time

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._environment import go_command
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.go_command import (
    executables,
    first_error,
    go_env,
    without_traces,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import Completed

from tests.support.mounts import hanging

GO = shutil.which("go")
needs_go = pytest.mark.skipif(not GO, reason="this machine has no go command")


@needs_go
@pytest.mark.parametrize(
    "environment", [{}, {"XDG_CONFIG_HOME": "{home}/xdg"}, {"GOENV": "{home}/mine"}, {"GOENV": "off"}]
)
def test_the_result_is_that_of_an_ordinary_call_and_nothing_is_written(tmp_path, environment):
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "GOTOOLCHAIN": "local"}
    env.update({name: value.format(home=tmp_path) for name, value in environment.items()})
    for file in (".config/go/env", "xdg/go/env", "mine"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(f"GOPRIVATE=from-{file}\n")
    before = sorted(tmp_path.rglob("*"))
    values = go_env(
        GO, "GOPRIVATE", "GOENV", "GOCACHE", env=without_traces(env), account=find_account(getpass.getuser())
    )
    assert sorted(tmp_path.rglob("*")) == before
    plain = subprocess.run(
        [GO, "env", "-json", "GOPRIVATE", "GOENV", "GOCACHE"], env=env, cwd="/", capture_output=True, check=True
    )
    assert values == json.loads(plain.stdout)


@needs_go
def test_the_message_of_a_go_that_fails_is_quoted(tmp_path):
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "GOROOT": "/no-root"}
    with pytest.raises(DevserverError, match="no-root"):
        go_env(GO, env=env)


HOSTILE = {
    "a list": "printf '[]'",
    "a number": """printf '{"GOENV": 1}'""",
    "a null": """printf '{"GOENV": null}'""",
    "an object": """printf '{"GOENV": {}}'""",
    "a zero byte": r"""printf '%s' '{"GOENV": "/a\u0000b"}'""",
    "half of a pair": r"""printf '%s' '{"GOENV": "\ud800"}'""",
    "deep nesting": r"head -c 200000 /dev/zero | tr '\000' '['",
    "a long number": r"head -c 5000 /dev/zero | tr '\000' 9",
    "bytes that are not UTF-8": r"printf '\377\376'",
    "much": r"""printf '{"GOENV": "'; head -c 16000000 /dev/zero | tr '\000' x; printf '"}'""",
}


@pytest.mark.parametrize("output", HOSTILE)
def test_hostile_output_is_that_of_no_go_command(tmp_path, output):
    (tmp_path / "go").write_text(f"#!/bin/sh\n{HOSTILE[output]}\n")
    (tmp_path / "go").chmod(0o755)
    with pytest.raises(DevserverError, match="is no go command"):
        go_env(str(tmp_path / "go"), env={"PATH": "/usr/bin:/bin"})


def test_what_is_no_go_command_is_an_error_too(tmp_path):
    (tmp_path / "go").write_text("#!/bin/sh\necho go version go1.19.8\n")
    (tmp_path / "go").chmod(0o755)
    with pytest.raises(DevserverError, match=r"is no go command: .*1\.19\.8"):
        go_env(str(tmp_path / "go"), env={"PATH": "/usr/bin:/bin"})


def test_executables_are_found_in_the_order_of_path(tmp_path):
    for directory in "abc":
        (tmp_path / directory).mkdir()
    for directory, mode in (("a", 0o644), ("b", 0o755), ("c", 0o755)):
        (tmp_path / directory / "go").write_text("")
        (tmp_path / directory / "go").chmod(mode)
    path = ":".join(str(tmp_path / directory) for directory in "cab") + f"::{tmp_path}/c"
    found = executables(["go", "gofmt"], path)
    assert found == {"go": [f"{tmp_path}/c/go", f"{tmp_path}/b/go"], "gofmt": []}


def test_a_search_of_path_that_fails_is_no_result(monkeypatch):
    monkeypatch.setattr(go_command, "SH_FIND_PROGRAMS", "printf '/x/go\\0'; exit 3")
    with pytest.raises(DevserverError, match="PATH=/x could not be searched"):
        executables(["go"], "/x")


WORDS = {
    "one line": ("go: parsing $GOFLAGS: bad", "go: parsing $GOFLAGS: bad"),
    "a cause and what follows": ("go: cannot find GOROOT\nsee go help\n  usage", "go: cannot find GOROOT"),
    "a warning first": ("warning: GOPATH set to GOROOT\ngo: no such tool", "go: no such tool"),
    "words of another": ("starting\nx: line 3: foo: command not found\ndone", "x: line 3: foo: command not found"),
    "lines without a cause": ("one\ntwo", "one"),
    "a warning alone": ("warning: x", "warning: x"),
    "a traceback": ("Traceback (most recent call last):\n  at x\nValueError: y", "ValueError: y"),
    "silence": ("", "it exited with 3 without a message"),
}


@pytest.mark.parametrize("case", WORDS)
def test_the_line_with_the_cause_is_quoted(tmp_path, case):
    stderr, quoted = WORDS[case]
    go = tmp_path / "go"
    go.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{stderr}\nEND\nexit 3\n")
    go.chmod(0o755)
    with pytest.raises(DevserverError) as raised:
        go_env(str(go), env={"PATH": "/usr/bin:/bin"})
    assert raised.value.problem == f"{go} env -json failed: {quoted}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")
def test_only_a_directory_that_hangs_by_itself_is_named(tmp_path: pathlib.Path) -> None:
    place = tmp_path / "hung"
    place.mkdir()
    with pytest.raises(DevserverError, match="and none of them hangs: the host is busy"):
        executables(["go"], ":".join(["/x"] * 40_000), timeout=1e-9)
    with hanging(place, 0), pytest.raises(DevserverError, match=f": the directory {place} does not respond"):
        executables(["go"], f"/usr/bin:{place}", timeout=2)


@pytest.mark.parametrize(
    ("stderr", "reason"),
    [
        ("warning: x\n" + "x" * 16_000_000, "x" * 500),
        ("x-" * 8_000_000, "x-" * 250),
        ("x\n" * 8_000_000 + "go: the cause\n", "go: the cause"),
        ("go: the cause\n" + "go: another\n" * 1_000_000, "go: the cause"),
        (f"Traceback\n{'x' * 9000}", "x" * 500),
        ("error: https://user:hunter2@example.com/" + "x" * 900, "error: https://"),
    ],
)
def test_a_reason_is_short_and_found_at_once(stderr, reason):
    start = time.process_time()
    found = first_error(Completed(["go"], 1, "", stderr))
    assert time.process_time() - start < 1
    assert found.startswith(reason) and len(found) <= 500 and "hunter2" not in found
