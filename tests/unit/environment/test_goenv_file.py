# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Go's own configuration file, with the go command as the oracle."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.goenv_file import settings, updated
from hypothesis import given
from hypothesis import strategies as st

NOTE = "# Managed by gopherops.devserver: GOPATH\n"
LINES = st.lists(
    st.one_of(
        st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=20),
        st.tuples(st.sampled_from(["GOPATH", "GOBIN", "GOPROXY"]), st.text("ab/=# ", max_size=5)).map("=".join),
    ),
    max_size=8,
).map("\n".join)
VALUES = st.dictionaries(st.sampled_from(["GOPATH", "GOBIN", "GOFLAGS"]), st.text("xyz/", min_size=1), max_size=3)


@pytest.mark.parametrize(
    ("text", "values", "result"),
    [
        ("", {"GOPATH": "/g"}, "GOPATH=/g\n"),
        ("GOPATH=/old\n", {"GOPATH": "/g"}, "GOPATH=/g\n"),
        ("# mine\nGOPROXY=off", {"GOPATH": "/g"}, "# mine\nGOPROXY=off\nGOPATH=/g\n"),
        ("GOPATH=/1\nGOBIN=/b\nGOPATH=/2\n", {"GOPATH": "/g"}, "GOBIN=/b\nGOPATH=/g\n"),
        ("garbage\n#GOPATH=/c\n", {"GOPATH": "/g"}, "garbage\n#GOPATH=/c\nGOPATH=/g\n"),
    ],
)
def test_only_the_declared_names_change(text, values, result):
    assert updated(text, values) == NOTE + result


def test_what_is_no_longer_declared_goes_and_what_is_the_users_stays():
    first = updated("GOPRIVATE=mine\n", {"GOPATH": "/g", "GOFLAGS": "-x"})
    assert updated(first, {"GOPATH": "/g"}) == NOTE + "GOPRIVATE=mine\nGOPATH=/g\n"
    assert updated(first, {}) == "GOPRIVATE=mine\n"


@pytest.mark.skipif(not shutil.which("go"), reason="the oracle is the go command, which this machine lacks")
def test_the_note_survives_go_env_w(tmp_path):
    file = tmp_path / "env"
    file.write_text(updated("", {"GOPATH": "/g", "GOBIN": "/b"}))
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin", "GOENV": str(file)}
    subprocess.run([shutil.which("go"), "env", "-w", "GOBIN=/other", "GOPRIVATE=mine"], env=env, cwd="/", check=True)
    assert updated(file.read_text(), {"GOPATH": "/g"}) == NOTE + "GOPATH=/g\nGOPRIVATE=mine\n"


@given(LINES, VALUES)
def test_update_is_exact_settled_and_keeps_the_rest(text, values):
    result = updated(text, values)
    assert updated(result, values) == result
    assert {item.name: item.value for item in settings(result)} == {
        **{item.name: item.value for item in settings(text)},
        **values,
    }
    kept = [line for line in text.split("\n") if line and line.partition("=")[0] not in values]
    assert [line for line in result.split("\n") if line in kept] == kept


@pytest.mark.skipif(not shutil.which("go"), reason="the oracle is the go command, which this machine lacks")
@pytest.mark.parametrize(
    "text", ["GOPROXY=a\nGOPROXY=b\n", "GOPROXY = x\n", "  GOPROXY=x\n", "#GOPROXY=x\nGOPROXY=y=z"]
)
def test_go_reads_the_same(text, tmp_path):
    (tmp_path / "env").write_text(text)
    ours = {item.name: item.value for item in settings(text)}.get("GOPROXY")
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin", "GOENV": str(tmp_path / "env")}
    completed = subprocess.run(
        [shutil.which("go"), "env", "-json", "GOPROXY"], env=env, cwd="/", capture_output=True, check=True
    )
    bare = subprocess.run(
        [shutil.which("go"), "env", "-json", "GOPROXY"],
        env={**env, "GOENV": "off"},
        cwd="/",
        capture_output=True,
        check=True,
    )
    assert json.loads(completed.stdout)["GOPROXY"] == (ours or json.loads(bare.stdout)["GOPROXY"])
