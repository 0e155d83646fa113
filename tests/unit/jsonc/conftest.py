# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents made up by hypothesis, and the reader that VS Code itself uses, run by node."""

from __future__ import annotations

import itertools
import json
import pathlib
import re
import shutil
import subprocess
import typing as t

import pytest
from hypothesis import strategies as st

from dev.node_env import MODULES

# Replies to each line of JSON, a text, with a line of JSON: how many errors, and the value.
_ORACLE = """
const {parse} = require(process.argv[1]);
require("readline").createInterface({input: process.stdin}).on("line", line => {
  const errors = [];
  const value = parse(JSON.parse(line), errors, {allowTrailingComma: true});
  console.log(JSON.stringify({errors: errors.length, value: value === undefined ? null : value}));
});
"""

# As they are in a file, and as they are read.
KEYS = ("a", "b", "a.b", "é\\n")
KEYS_READ = ("a", "b", "a.b", "é\n")
# Between any two tokens; each # is a number of its own in the end.
_BETWEEN = st.lists(st.sampled_from([" ", "\t", "\n", "\r\n", "// #\n", "/* # */", "/* #\n */", "//#\r\n"]), max_size=3)
_SCALARS = st.sampled_from(["1", "-0.5e3", "true", "false", "null", '""', '"x // y"', '"\\u00e9\\""'])


def _object(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    member = st.tuples(
        _blank(), st.sampled_from(KEYS).map('"{}"'.format), _blank(), st.just(":"), _blank(), inner, _blank()
    )
    return _enclosed("{", member.map("".join), "}")


def _array(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return _enclosed("[", st.tuples(_blank(), inner, _blank()).map("".join), "]")


def _blank() -> st.SearchStrategy[str]:
    return _BETWEEN.map("".join)


def _enclosed(opening: str, item: st.SearchStrategy[str], closing: str) -> st.SearchStrategy[str]:
    def text(parts: tuple[list[str], bool, str]) -> str:
        items, trailing, blank = parts
        return opening + ",".join(items) + ("," if trailing and items else "") + blank + closing

    return st.tuples(st.lists(item, max_size=4), st.booleans(), _blank()).map(text)


def _numbered(text: str) -> str:
    numbers = itertools.count()
    return re.sub("#", lambda _match: str(next(numbers)), text)


_VALUES = st.recursive(_SCALARS, lambda inner: _object(inner) | _array(inner), max_leaves=8)
DOCUMENTS = st.tuples(st.sampled_from(["", "\ufeff"]), _blank(), _object(_VALUES), _blank()).map("".join).map(_numbered)

Read = t.Callable[[str], t.Any]


@pytest.fixture(scope="session")
def oracle() -> t.Iterator[Read]:
    """Return a function that reads a text as VS Code does, and returns its value, or raises ValueError."""
    node = shutil.which("node")
    package: pathlib.Path = MODULES / "jsonc-parser"
    if node is None or not package.is_dir():
        pytest.skip("node's jsonc-parser is not there; `make units` installs it where there is npm")
    argv = [node, "-e", _ORACLE, str(package)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        stdin, stdout = process.stdin, process.stdout

        def read(text: str) -> t.Any:
            # VS Code takes the byte order mark off before it reads.
            stdin.write(json.dumps(text.lstrip("\ufeff")) + "\n")
            stdin.flush()
            response = json.loads(stdout.readline())
            if response["errors"]:
                raise ValueError(response["errors"])
            return response["value"]

        yield read
        stdin.close()
