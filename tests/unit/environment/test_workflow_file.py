# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workflow files: what is read of them, compared with a real reader of YAML, and edits that keep all other lines."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible_collections.gopherops.devserver.plugins.module_utils.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils.workflow_file import envs, with_variables
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


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("env: {A: b}\n", 1),
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
    ],
)
def test_other_forms_are_refused_with_their_line(text: str, line: int) -> None:
    with pytest.raises(DevserverError, match=f"^/w/x.yml:{line}: "):
        envs(text, path="/w/x.yml")


def test_edits_keep_all_other_lines() -> None:
    after = with_variables(WORKFLOW, {"GOPROXY": "off", "GOFLAGS": "-mod=readonly -x", "GOSUMDB": "a # b"}, path="f")
    lines = WORKFLOW.split("\n")
    lines[5] = '  GOPROXY: "off" # near'
    lines[13] = '        GOPROXY: "off"'
    lines.insert(9, '  GOSUMDB: "a # b"')
    assert after.split("\n") == lines


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("on: push\r\njobs:\r\n  a: 1\r\n", 'on: push\r\nenv:\r\n  A: "1"\r\n\r\njobs:\r\n  a: 1\r\n'),
        ("env:\njobs:\n", 'env:\n  A: "1"\njobs:\n'),
        ("env:\n    B: x\n", 'env:\n    B: x\n    A: "1"\n'),
        ("env:\n  A: ${{ x }}\n", "env:\n  A: ${{ x }}\n"),
        ("no: workflow\n", "no: workflow\n"),
        ("", ""),
    ],
)
def test_places_of_an_env(text: str, after: str) -> None:
    assert with_variables(text, {"A": "1"}, path="f") == after


NAMES = st.sampled_from(["GOPROXY", "GOFLAGS", "A"])
_WORDS = st.text("ab :#'\"-,\\é{}*&!|%@`~", max_size=8)
_LINES = st.tuples(NAMES, _WORDS, st.sampled_from(["", " # said"])).map(lambda parts: "  {}: {}{}\n".format(*parts))


@given(st.lists(_LINES, max_size=3, unique_by=lambda line: line.split(":")[0]), st.dictionaries(NAMES, _WORDS))
def test_a_real_reader_sees_the_same(lines: list[str], values: dict[str, str]) -> None:
    text = "on: push\nenv:\n" + "".join(lines) + "jobs:\n  a: 1\n"
    try:
        (env,) = envs(text, path="f")
    except DevserverError:
        return
    real: dict[str, t.Any] = yaml.load(text, yaml.BaseLoader)["env"] or {}
    assert {one.name: one.value for one in env.variables} == real
    after = with_variables(text, values, path="f")
    assert yaml.load(after, yaml.BaseLoader) == {"on": "push", "env": {**real, **values} or "", "jobs": {"a": "1"}}
    assert with_variables(after, values, path="f") == after
