# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading: values, their lines, and where a text is rejected."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._jsonc.document import DEEPEST, parse
from ansible_collections.gopherops.devserver.plugins.module_utils._jsonc.editor import is_same_json
from hypothesis import given
from hypothesis import strategies as st

from .conftest import DOCUMENTS, Read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", {}),
        ("\ufeff // nothing but this", {}),
        ('{"a": 1, "a": 2,}', {"a": 2}),
        ('["\\u00e9\\/", -0.5e3, 10, null,]', ["é/", -500.0, 10, None]),
        ('{"a.b": "// no comment", "c": "/* none */"}', {"a.b": "// no comment", "c": "/* none */"}),
        ("1" * 5000, float("inf")),
    ],
)
def test_what_is_read(text: str, value: t.Any) -> None:
    assert parse(text, path="f").value == value


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_value_has_its_line_and_column(newline: str) -> None:
    text = newline.join(["{ // one", '  "a": {', '    "b": 1,', "    /* two", '    */ "c": [', "      2 ] } }"])
    document = parse(text, path="f")
    assert document.position(document.node(["a", "b"]).start) == (3, 10)
    assert document.position(document.node(["a", "c", 0]).start) == (6, 7)
    assert document.node(["a", "d"]) is None
    assert document.node(["a", 0]) is None
    assert document.node(["a", "b", "c"]) is None


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ('{"a": 1 "b": 2}', "1:9", ["found '\"'", "','"]),
        ('{\r\n  "a": 1,\r\n  b: 2\r\n}', "3:3", ["found 'b'", "double quotes"]),
        ("{'a': 1}", "1:2", ['found "\'"', "double quotes"]),
        ('{"a"', "1:5", ["end of the file", "':'"]),
        ('{"a": ', "1:7", ["end of the file", "a value"]),
        ('{"a": 1', "1:8", ["end of the file", "'}'"]),
        ('{"a": "x\ny"}', "1:7", ["does not end in its line"]),
        ('{"a": "x\ty"}', "1:7", ["control character"]),
        ('{"a": "\\q"}', "1:8", ["an escape"]),
        ("[1,,2]", "1:4", ["found ','"]),
        ("{,}", "1:2", ["found ','"]),
        ("[1}", "1:3", ["found '}'", "']'"]),
        ("{} x", "1:4", ["after the end"]),
        ("{}\n/* x", "2:1", ["a comment that does not end", "*/"]),
        ("[01]", "1:2", ["found '0'", "a value"]),
        ("[NaN]", "1:2", ["found 'N'"]),
        ("[1.]", "1:2", ["a value"]),
        ("[\u00a01]", "1:2", ["a value"]),
    ],
)
def test_an_error_names_line_and_column(text: str, where: str, words: list[str]) -> None:
    with pytest.raises(DevserverError) as raised:
        parse(text, path="/x/settings.json")
    assert str(raised.value).startswith(f"/x/settings.json:{where}: ")
    assert [raised.value.details["line"], raised.value.details["column"]] == list(map(int, where.split(":")))
    for word in words:
        assert word in str(raised.value)


def test_an_error_reveals_nothing_of_the_text() -> None:
    with pytest.raises(DevserverError) as raised:
        parse('{"token": s3cret}', path="f")
    assert "s3c" not in str(raised.value)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_depth_is_bounded(opening: str, closing: str) -> None:
    parse(opening * (DEEPEST - 1) + "[]" + closing * (DEEPEST - 1), path="f")
    with pytest.raises(DevserverError, match=f"nesting deeper than {DEEPEST} levels"):
        parse(opening * 100_000, path="f")


_LEAVES = st.none() | st.booleans() | st.integers() | st.text()
_PLAIN = st.recursive(_LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@given(_PLAIN)
def test_plain_json_is_read_as_json_is(value: t.Any) -> None:
    for text in (json.dumps(value, ensure_ascii=False), json.dumps(value, indent=2)):
        assert parse(text, path="f").value == value


@given(DOCUMENTS, st.data())
def test_vs_code_reads_the_same_and_rejects_the_same(oracle: Read, text: str, data: st.DataObject) -> None:
    at, gone = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 1))
    text = text[:at] + data.draw(st.sampled_from(["", "", ",", "x", '"', "}", "/*"])) + text[at + gone :]
    try:
        document = parse(text, path="f")
    except DevserverError:
        with pytest.raises(ValueError):
            oracle(text)
    else:
        # A file of comments alone is an empty one, although VS Code's reader expects a value there.
        assert document.root is None or is_same_json(document.value, oracle(text))
