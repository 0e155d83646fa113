# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A manifest is parsed to the value that was written, and no path leads out of the bundle's directories."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._bundle import manifest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from hypothesis import given
from hypothesis import strategies as st

GOOD = {
    "path": "modules/example.com/!deep/@v/v0.1.0.zip",
    "size": 7,
    "sha256": "0" * 64,
    "kind": "module",
    "what": "module example.com/Deep@v0.1.0",
    "platform": "",
}


def text(*files: t.Any, **changes: t.Any) -> str:
    return json.dumps({"schema_version": 1, "inputs": {}, "files": list(files), **changes})


def test_the_text_of_a_manifest_round_trips_in_any_order() -> None:
    other = dict(GOOD, path="modules/a/@v/list")
    one, two = manifest.parse_manifest(text(GOOD, other)), manifest.parse_manifest(text(other, GOOD))
    assert one.text() == two.text()
    assert sorted(manifest.parse_manifest(one.text()).files) == sorted(one.files) == sorted(two.files)


BAD = {
    "no JSON": "x",
    "a list": "[]",
    "nothing": "{}",
    "a later schema": text(schema_version=2),
    "a file without digest": text({"path": "modules/x"}),
    "a path twice": text(GOOD, GOOD),
    "a file and a directory": text(GOOD, dict(GOOD, path=f"{GOOD['path']}/x/y")),
    "a long name": text(dict(GOOD, path="modules/" + "é" * 128)),
    "a long path": text(dict(GOOD, path="modules/" + "x/" * 2048 + "x")),
    "inputs of another type": text(GOOD, inputs=[]),
    "depth": "[" * 100_000,
    **{
        f"path {path!r}": text(dict(GOOD, path=path))
        for path in ("/etc/x", "modules/../x", "modules", "x/y", "modules//x")
    },
    **{
        f"path {path!r}": text(dict(GOOD, path=path)) for path in ("modules/x\n", "modules/./x", "tools/x", "", 5, None)
    },
    **{f"size {size!r}": text(dict(GOOD, size=size)) for size in (-1, "7", 7.0, True)},
    **{f"sha256 {digest!r}": text(dict(GOOD, sha256=digest)) for digest in ("", "x" * 64, "0" * 63, "0" * 64 + "\n")},
    **{
        f"tool {path!r}": text(dict(GOOD, kind="tool", path=path))
        for path in ("tools/x", "tools/x/y/z", "modules/x/" + "0" * 64)
    },
    "an unknown kind": text(dict(GOOD, kind="x")),
}


@pytest.mark.parametrize("case", BAD)
def test_an_invalid_manifest_is_rejected(case: str) -> None:
    with pytest.raises(DevserverError, match="manifest of the bundle"):
        manifest.parse_manifest(BAD[case])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, "files", "inputs"]), inner),
)


@given(st.fixed_dictionaries({name: st.just(value) | JSON for name, value in GOOD.items()}))
def test_unpacking_stays_inside_the_tree(given_file: dict[str, t.Any]) -> None:
    try:
        (entry,) = manifest.parse_manifest(text(given_file)).files
    except DevserverError:
        return
    assert pathlib.Path("/root", entry.path).resolve().is_relative_to("/root/modules")


@given(st.text())
def test_a_path_that_is_inside_is_plain(path: str) -> None:
    if manifest.is_inside(f"modules/{path}"):
        assert str(pathlib.PurePosixPath(f"modules/{path}")) == f"modules/{path}"
        assert ".." not in path.split("/")
