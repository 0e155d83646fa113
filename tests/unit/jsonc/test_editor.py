# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Editing: the requested values are there, everything else is as it was, and no comment is lost."""

from __future__ import annotations

import collections
import json
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._jsonc import editor
from ansible_collections.gopherops.devserver.plugins.module_utils._jsonc.document import Node, parse
from ansible_collections.gopherops.devserver.plugins.module_utils._jsonc.editor import (
    Edit,
    Merge,
    Put,
    Remove,
    apply_edits,
    is_same_json,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import DOCUMENTS, KEYS_READ, Read


def edit(text: str, *edits: Edit) -> str:
    return apply_edits(text, edits, path="f")


@pytest.mark.parametrize(
    ("text", "step", "after"),
    [
        # The only key before a trailing comma.
        ('{ "a": 1, }', Remove(["a"]), "{ }"),
        ('{\n  "a": 1,\n}', Remove(["a"]), "{\n}"),
        # A comment on a key stays with it when another one comes behind it.
        ('{\n  "a": 1 // note\n}', Put(["b"], 2), '{\n  "a": 1, // note\n  "b": 2\n}'),
        ('{ "a": 1 /* note */ }', Put(["b"], 2), '{ "a": 1, /* note */ "b": 2 }'),
        ('{ "a": 1 // note\n}', Put(["b"], 2), '{ "a": 1, // note\n"b": 2\n}'),
        (
            '{\n  "a": 1, /* two\n  lines */ // note\n}',
            Put(["b"], 2),
            '{\n  "a": 1, /* two\n  lines */ // note\n  "b": 2,\n}',
        ),
        # A comment on a key stays with it when the next one goes.
        ('{\n  "a": 1, // one\n  "b": 2 // two\n}', Remove(["b"]), '{\n  "a": 1 // one\n  // two\n}'),
        ('{\n  "a": 1, // one\n  "b": 2\n}', Remove(["b"]), '{\n  "a": 1 // one\n}'),
        ('{\n  "a": 1,\n  "b": 2 // two\n}', Remove(["b"]), '{\n  "a": 1\n  // two\n}'),
        ('{\n  // on a\n  "a": 1, // one\n  "b": 2\n}', Remove(["a"]), '{\n  // on a\n  // one\n  "b": 2\n}'),
        # A comment at the end may be a setting that is switched off: it goes with nothing.
        ('{\n  "a": 1\n  // "c": 3\n}', Put(["b"], 2), '{\n  "a": 1,\n  "b": 2\n  // "c": 3\n}'),
        # Comments within what goes or changes.
        ('{\n  "a": [1, // x \n    2 /* y */]\n}', Put(["a"], [3]), '{\n  // x \n  /* y */\n  "a": [\n    3\n  ]\n}'),
        ('{\n  "a" /* w */: { // x\n  },\n  "b": 1\n}', Remove(["a"]), '{\n  /* w */\n  // x\n  "b": 1\n}'),
        ('{ "a": [/* x */], "b": 1 }', Put(["a"], 2), '{ /* x */ "a": 2, "b": 1 }'),
        # Of a name that is used twice the last one counts.
        ('{"a": 1, "b": 0, "a": 2}', Put(["a"], 3), '{"a": 1, "b": 0, "a": 3}'),
        ('{"a": 1, "b": 0, "a": 2}', Remove(["a"]), '{"b": 0}'),
        # Places to put the first key, and what is no place yet.
        ("{}", Put(["a"], 1), '{\n    "a": 1\n}'),
        ("", Put(["a", "b"], 1), '{\n    "a": {\n        "b": 1\n    }\n}\n'),
        ("// mine", Put(["a"], 1), '// mine\n{\n    "a": 1\n}\n'),
        ("{ // mine\n}", Put(["a"], 1), '{ // mine\n    "a": 1\n}'),
        ("{ /* mine */ }", Put(["a"], 1), '{ /* mine */\n    "a": 1\n}'),
        ('{"a": null}', Put(["a", "b"], 1), '{"a": {"b": 1}}'),
        ('{"a": {"b": 2}}', Merge({"a": {}, "c": {}}), '{"a": {"b": 2}, "c": {}}'),
        ("{}", Put(["a", 0, "b"], 1), '{\n    "a": [\n        {\n            "b": 1\n        }\n    ]\n}'),
        # The style of the file.
        (
            '{\n\t"a": {\n\t\t"b": 1\n\t}\n}',
            Put(["a", "c"], {"d": 1}),
            '{\n\t"a": {\n\t\t"b": 1,\n\t\t"c": {\n\t\t\t"d": 1\n\t\t}\n\t}\n}',
        ),
        ('\ufeff{\r\n  "a": 1\r\n}\r\n', Put(["b"], [2]), '\ufeff{\r\n  "a": 1,\r\n  "b": [\r\n    2\r\n  ]\r\n}\r\n'),
        ('{\n  "a": [\n    1,\n  ]\n}', Put(["a", 1], 2), '{\n  "a": [\n    1,\n    2,\n  ]\n}'),
        # Dots mean nothing, and neither do quotes.
        ('{"a": {"b": 1}}', Put(["a.b"], 2), '{"a": {"b": 1}, "a.b": 2}'),
        ('{"a.b": 1}', Remove(["a", "b"]), '{"a.b": 1}'),
        ("{}", Put(['"\n'], "é\ud800"), '{\n    "\\"\\n": "é\\ud800"\n}'),
        # Equal is equal, however it is written.
        ('{"a": 1.0, "b" : "\\u00e9"}', Merge({"a": 1, "b": "é"}), '{"a": 1.0, "b" : "\\u00e9"}'),
        ('{"a": 1}', Put(["a"], True), '{"a": true}'),
        ("", Remove(["a"]), ""),
    ],
)
def test_edits(text: str, step: Edit, after: str) -> None:
    assert edit(text, step) == after


@pytest.mark.parametrize(
    ("text", "step", "words"),
    [
        ('{\n  "a": "text"\n}', Merge({"a": {"b": 1}}), ["f:2:8", "['a', 'b']", "string", "object"]),
        ('{"a": []}', Put(["a", "b"], 1), ["f:1:7", "array"]),
        ('{"a": [0]}', Put(["a", 2], 1), ["f:1:7", "array of 1 values"]),
        ("[]", Put(["a"], 1), ["f:1:1", "array"]),
        ("{", Put(["a"], 1), ["f:1:2", "end of the file"]),
        ("{}", Put([], 1), ["empty path"]),
        ("{}", Put(["a", 1], 1), ["no array", "index 0"]),
        ("{}", Put(["a"], float("nan")), ["a value for f"]),
        ("{}", Put(["a"], b"x"), ["a value for f"]),
    ],
)
def test_an_impossible_edit_is_rejected(text: str, step: Edit, words: list[str]) -> None:
    with pytest.raises(DevserverError) as raised:
        edit(text, step)
    for word in words:
        assert word in str(raised.value)


def test_many_edits_are_one_after_the_other() -> None:
    after = edit('{"a": 1, "b": [1, 2, 3]}', Remove(["b", 0]), Put(["b", 0], 5), Merge({"c": {"d": 1}}), Remove(["a"]))
    assert after == '{"b": [5, 3], "c": {"d": 1}}'


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 1) | st.sampled_from(["", "//", "é"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS_READ), inner, max_size=2),
    max_leaves=4,
)
PATHS = st.lists(st.sampled_from([*KEYS_READ, 0, 1, 2]), min_size=1, max_size=3)
EDITS = (
    st.builds(Put, PATHS, VALUES)
    | st.builds(Remove, PATHS)
    | st.builds(Merge, st.dictionaries(st.sampled_from(KEYS_READ), VALUES, max_size=3))
)


class Rejected(Exception):
    pass


def put(value: t.Any, path: t.Sequence[t.Any], new: t.Any) -> t.Any:
    """Return what ``value`` is to be with ``new`` at ``path``."""
    if not path:
        return new
    key, rest = path[0], path[1:]
    if value is None and key in (0, *KEYS_READ):
        return {key: put(None, rest, new)} if isinstance(key, str) else [put(None, rest, new)]
    if isinstance(value, dict) and isinstance(key, str):
        return {**value, key: put(value.get(key), rest, new)}
    if isinstance(value, list) and isinstance(key, int) and key <= len(value):
        return [*value[:key], put(value[key] if key < len(value) else None, rest, new), *value[key + 1 :]]
    raise Rejected


def removed(value: t.Any, path: t.Sequence[t.Any]) -> t.Any:
    key, rest = path[0], path[1:]
    there = isinstance(value, dict) if isinstance(key, str) else isinstance(value, list) and key < len(value)
    if not there or (isinstance(key, str) and key not in value):
        return value
    if rest:
        return put(value, [key], removed(value[key], rest))
    if isinstance(value, dict):
        return {name: item for name, item in value.items() if name != key}
    return value[:key] + value[key + 1 :]


def merged(value: t.Any, values: dict[str, t.Any]) -> t.Any:
    for key, new in values.items():
        old = value.get(key)
        if isinstance(new, dict) and (new or isinstance(old, dict)):
            if old is not None and not isinstance(old, dict):
                raise Rejected
            new = merged(old or {}, new)
        value = {**value, key: new}
    return value


def expected(value: t.Any, step: Edit) -> t.Any:
    if isinstance(step, Put):
        return put(value, step.path, step.value)
    return merged(value, dict(step.values)) if isinstance(step, Merge) else removed(value, step.path)


def comments(text: str) -> collections.Counter[str]:
    document = parse(text, path="f")
    return collections.Counter(text[comment.start : comment.end] for comment in document.comments)


def others(text: str, step: Edit) -> list[str]:
    """Return, in order, the source of every member of the document that ``step`` has nothing to do with."""
    touched = set(step.values) if isinstance(step, Merge) else {step.path[0]}
    root = t.cast(Node, parse(text, path="f").root)
    return [text[child.start : child.node.end] for child in root.children if child.key not in touched]


@settings(max_examples=500)
@given(DOCUMENTS, EDITS)
def test_any_edit_of_any_document(text: str, step: Edit) -> None:
    value = parse(text, path="f").value
    try:
        result = expected(value, step)
    except Rejected:
        with pytest.raises(DevserverError):
            edit(text, step)
        return
    after = edit(text, step)
    assert is_same_json(parse(after, path="f").value, result)
    assert comments(after) == comments(text)
    assert others(after, step) == others(text, step)
    if is_same_json(value, result) and len(parse(text, path="f").value) == len(parse(text, path="f").root.children):
        assert after == text
    if not isinstance(step, Remove) or isinstance(step.path[-1], str):
        assert edit(after, step) == after


@settings(max_examples=500)
@given(DOCUMENTS, st.lists(EDITS, max_size=6))
def test_several_edits_are_the_same_as_one_after_the_other(text: str, steps: list[Edit]) -> None:
    result = text
    try:
        for step in steps:
            result = edit(result, step)
    except DevserverError:
        with pytest.raises(DevserverError):
            edit(text, *steps)
    else:
        assert edit(text, *steps) == result


def test_a_value_that_is_replaced_repeatedly_has_the_last_one() -> None:
    """Its offset changes when the file is written anew between two of the replacements."""
    values = [("a", "x" * 40), ("b", 1), ("b", 2), ("d", 3), ("b", 4), ("a", "y"), ("b", 5)]
    after = edit('{"a": 0, "d": 0, "b": 0, "e": 0}', *(Put([key], value) for key, value in values))
    assert after == '{"a": "y", "d": 3, "b": 5, "e": 0}'


def test_the_time_for_many_corrections_grows_with_the_file_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A launch.json of 38 KB with 500 configurations took 49 s, because each value was followed by a new parse."""
    configurations = [{"name": f"c{number}", "env": {"GOBIN": "/old", "GOPATH": "/old"}} for number in range(500)]
    text = json.dumps({"configurations": configurations}, indent=2)
    places = [("configurations", number, "env", name) for number in range(500) for name in ("GOBIN", "GOPATH")]
    parsed: list[str] = []
    monkeypatch.setattr(editor, "parse", lambda text, path: parsed.append(path) or parse(text, path=path))
    assert edit(text, *(Put(place, "/new") for place in places)) == text.replace("/old", "/new")
    assert len(parsed) == 2


@given(DOCUMENTS, st.lists(EDITS, max_size=3))
def test_vs_code_reads_what_was_edited(oracle: Read, text: str, steps: list[Edit]) -> None:
    try:
        after = edit(text, *steps)
    except DevserverError:
        return
    assert is_same_json(oracle(after), parse(after, path="f").value)
