# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workflow files: what is read of them, compared with a real reader of YAML."""

from __future__ import annotations

import json
import typing as t

import pytest
import yaml
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.workflow_file import envs
from hypothesis import given
from hypothesis import strategies as st

WORKFLOW = """\
# What runs on each push.
name: test
'on': [push]
env:
  # Where modules come from.
  GOPROXY: https://a.example,direct # near
  "GOFLAGS": '-mod=readonly -x'

  EMPTY:
jobs:
  build:
    runs-on: x
    env:
        GOPROXY: "off\\t"
        N: 1.20
    steps:
      - run: |
          env:
            NO: env
        env:
          STEP: 1
      - name: y
        env: {STEP: 2}
    - env:
        NOR: this
  lint:
    steps: []
"""
SEEN = [
    ("", 4, {"GOPROXY": "https://a.example,direct", "GOFLAGS": "-mod=readonly -x", "EMPTY": ""}),
    ("build", 13, {"GOPROXY": "off\t", "N": "1.20"}),
]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_env_of_the_workflow_and_of_its_jobs(newline: str) -> None:
    found = envs(WORKFLOW.replace("\n", newline), path="f")
    assert [(env.job, env.line, {one.name: one.value for one in env.variables}) for env in found] == SEEN
    assert [one.line for one in found[0].variables] == [6, 7, 9]


def test_an_expression_has_no_value_here() -> None:
    (env,) = envs("env:\n  A: ${{ vars.A }}\n  B: '${{ x }}y'\n  C: $HOME\n", path="f")
    assert [one.value for one in env.variables] == [None, None, "$HOME"]


def test_an_env_in_braces() -> None:
    line = """env: { A: b c, 'B': 'd, e',"C": "}", D: '${{ x }}', E: , F: https://x#y, } # comment"""
    own, job = envs(f"{line}\njobs:\n  x:\n    env: {{}}\n", path="f")
    seen = {"A": "b c", "B": "d, e", "C": "}", "D": None, "E": "", "F": "https://x#y"}
    assert {one.name: one.value for one in own.variables} == seen
    assert {one.line for one in own.variables} == {1}
    assert (job.job, job.line, job.variables) == ("x", 4, [])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("env: {A: b\n  }\n", 1),
        ("env:\n  {A: b}\n", 2),
        ("env: {A: b} c\n", 1),
        ("env: {A: b}# c\n", 1),
        ("env: {A: {b: c}}\n", 1),
        ("env: {A: [b]}\n", 1),
        ("env: {A: &anchor b}\n", 1),
        ("env: {A: *other}\n", 1),
        ("env: {<<: *other}\n", 1),
        ("env: {A: b # c}\n", 1),
        ("env: {A: b: c}\n", 1),
        ("env: {A: 'b' c}\n", 1),
        ("env: {A: 'b}\n", 1),
        ("env: {A:b}\n", 1),
        ("env: {A}\n", 1),
        ("env: {,}\n", 1),
        # Braces end a plain value in braces: the service that runs the jobs rejects that too.
        ("env: {A: ${{ x }}}\n", 1),
        ("jobs:\n  x:\n    env: {A: b,\n      C: d}\n", 3),
        ("env: *other\n", 1),
        ("env:\n  A: |\n    b\n", 2),
        ("env:\n  A: [b]\n", 2),
        ("env:\n  A: &anchor b\n", 2),
        ("env:\n  A: b\n    c\n", 3),
        ("env:\n  A: b: c\n", 2),
        ("env:\n  A: 'b' c\n", 2),
        ("env:\n  A: 'b\n", 2),
        ('env:\n  A: "\\x41"\n', 2),
        ("env:\n  <<: *other\n", 2),
        ("env:\n  - A\n", 2),
        ("jobs:\n  x:\n    env: ${{ y }}\n", 3),
        # A tab is no indentation, and no reader of YAML has to take it for a blank.
        ("env:\n\tA: b\njobs:\n", 2),
        ("jobs:\n  x:\n    env:\n\t\tA: b\n", 4),
        ("env:\n  A: b\n\tB: c\n", 3),
        ("env:\n  A: b\n  \tB: c\n", 3),
        ("env:\n\t# c\n  A: b\n", 2),
        ("env:\t\n  A: b\n", 1),
        ("env: \t\n  A: b\n", 1),
        ("env:\t{A: b}\n", 1),
        ("env: {A: b\t}\n", 1),
        ("env:\n  A:\tb\n", 2),
        ("env:\n  A: \tb\n", 2),
        ("env:\n  A: b\t\n", 2),
        ("env:\n  A: b\tc\n", 2),
        ("env:\n  A: 'b'\t# c\n", 2),
        ("env:\n- A\njobs:\n", 2),
        ("env:\nA\njobs:\n", 2),
        ("env:\n  A: b\x07\n", 2),
        ("env:\n  A: b\x85c\n", 2),
        ("env:\n  A: 'b\rc'\n", 2),
        ("env:\n  A: b # \udce9\n", 2),
        ("env: {A: 'b\x07'}\n", 1),
        ("env: {A: b}\n  B: c\n", 2),
        ("env: {A: b}\n\tB: c\n", 2),
    ],
)
def test_other_forms_are_rejected_with_their_line(text: str, line: int) -> None:
    with pytest.raises(DevserverError, match=f"^/w/x.yml:{line}: "):
        envs(text, path="/w/x.yml")


NAMES = st.sampled_from(["GOPROXY", "GOFLAGS", "A"])
_WORDS = st.text("ab :#'\"-,\\é{}*&!|%@`~$", max_size=8)
_QUOTED = _WORDS.map(json.dumps) | _WORDS.map(lambda word: "'{}'".format(word.replace("'", "''")))
_VALUES = _WORDS | _QUOTED | st.just("'${{ x }}'")
_LINES = st.tuples(NAMES, _VALUES, st.sampled_from(["", " # comment"])).map(lambda parts: "  {}: {}{}\n".format(*parts))
_MEMBERS = st.tuples(st.sampled_from(["{}", "'{}'", '"{}"']), NAMES, _VALUES, st.sampled_from(["", " "])).map(
    lambda parts: "{}: {}{}".format(parts[0].format(parts[1]), *parts[2:])
)
_BLOCKS = st.lists(_LINES, max_size=3, unique_by=lambda line: line.split(":")[0]).map(
    lambda lines: "\n" + "".join(lines)
)
_BRACES = st.tuples(
    st.lists(_MEMBERS, max_size=3, unique_by=lambda member: member.split(":")[0].strip("'\"")),
    st.sampled_from([", ", ","]),
    st.sampled_from(["}", " }", ",}", "} # comment"]),
).map(lambda parts: " {" + parts[1].join(parts[0]) + parts[2] + "\n")


@given(_BLOCKS | _BRACES)
def test_a_real_reader_sees_the_same(block: str) -> None:
    text = f"on: push\nenv:{block}jobs:\n  a: 1\n"
    try:
        (env,) = envs(text, path="f")
    except DevserverError:
        return
    read: dict[str, t.Any] = yaml.load(text, yaml.BaseLoader)
    real = read["env"] or {}
    unknown = {name: value for name, value in real.items() if "${{" in value}
    assert {one.name: one.value for one in env.variables} == {**real, **dict.fromkeys(unknown)}


_ANY = st.text("AB:#'\"-,\\{}[]&*?!|%@ \t\r\x07\x85\xa0\u2028\ufeff\udce9", max_size=12)
_ENTRIES = st.tuples(st.sampled_from(["  A: ", "  B:", "\tA: ", "  \t", "  "]), _ANY).map("".join)


@given(st.lists(_ENTRIES, max_size=3).map("\n".join), st.sampled_from(["\n", " ", "\t", " {", ""]))
def test_what_a_real_reader_rejects_is_rejected(block: str, before: str) -> None:
    text = f"env:{before}{block}\njobs:\n  a: 1\n"
    try:
        (env,) = envs(text, path="f")
    except (DevserverError, ValueError):
        return
    read: dict[str, t.Any] = yaml.load(text, yaml.BaseLoader)
    assert {one.name: one.value for one in env.variables} == (read["env"] or {})
