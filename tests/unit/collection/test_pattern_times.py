# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The time of each regular expression grows with the length of its text, not with the square of that.

Texts come from users' files and programs, and no other thread of Python runs while a pattern is matched.
"""

from __future__ import annotations

import ast
import importlib
import re
import time
import typing as t
from pathlib import Path

import pytest

from tests.support.imports import MODULE_UTILS

try:
    from re import _parser as sre_parse
except ImportError:
    import sre_parse

PLUGINS = Path(__file__).parents[3] / "plugins"
FILES = sorted(path for path in PLUGINS.rglob("*.py") if re.search(r"\bre\.[a-z]+\(", path.read_text()))
# Parts of texts on which patterns spend time, besides those that each pattern matches itself.
CHARACTERS = " \t\n0aA_/\\\"'-=:.,#$@(){}[]<>|&;~+*?\x01\0\r\x1b"
ENDS = ("", "\0\x02!")
SHORT, LONG = 2_000, 16_000
# A quadratic pattern takes several times as long for the long text, a linear one a small part.
FLOOR = 0.02
# The long text takes a linear pattern 8 times as long as the short one, and a quadratic one 64 times.
GROWTH = 24
# Those of messages whose length a constant of the module limits.
SHORT_TEXTS = {"_shells/blame.py": {"_PLACE", "_FILE", "_WHOLE"}, "_shells/fish_trace.py": {"_CALLER"}}
METHODS = ("match", "fullmatch", "search", "findall", "finditer", "sub", "subn", "split")


def patterns_of(path: Path) -> dict[str, tuple[re.Pattern, set[str]]]:
    """Return the compiled patterns of a module by their names, with the methods that the module calls of each."""
    prefix = MODULE_UTILS.rsplit(".", 1)[0]
    module = importlib.import_module(".".join((prefix, *path.relative_to(PLUGINS).with_suffix("").parts)))
    calls: dict[str, set[str]] = {}
    found = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and node.attr in METHODS and isinstance(node.value, ast.Name):
            calls.setdefault(node.value.id, set()).add(node.attr)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            found.update(pattern_in_call(node, node.func))
    for name, value in vars(module).items():
        # A pattern in a collection, or for a function, may be used in each way; those for functions are matched.
        for place, pattern in compiled(value, name):
            methods = calls.get(name) or ({"match"} if place == name else {"search"})
            found[place] = (pattern, methods)
    return found


def pattern_in_call(call: ast.Call, function: ast.Attribute) -> t.Iterator[tuple[str, tuple[re.Pattern, set[str]]]]:
    """Yield the pattern of a call such as ``re.match("a", text, re.MULTILINE)``; not one that has variables."""
    if (
        getattr(function.value, "id", "") == "re"
        and function.attr in METHODS
        and isinstance(call.args[0], ast.Constant)
    ):
        options = [*call.args[1:], *(keyword.value for keyword in call.keywords)]
        flags = [node.attr for node in options if isinstance(node, ast.Attribute) and node.attr.isupper()]
        pattern = re.compile(call.args[0].value, sum(getattr(re, name) for name in flags))
        yield f"line {call.lineno}", (pattern, {function.attr})


def compiled(value: object, place: str) -> t.Iterator[tuple[str, re.Pattern]]:
    if isinstance(value, re.Pattern):
        yield place, value
    elif isinstance(value, (tuple, list, dict)):
        for number, part in enumerate(value.values() if isinstance(value, dict) else value):
            yield from compiled(part, f"{place}[{number}]")


def matched(parts: t.Iterable) -> str:
    """Return a text that a parsed pattern matches, or nearly."""
    return "".join(example(str(code), argument) for code, argument in parts)


def example(code: str, argument: t.Any) -> str:
    if code == "LITERAL":
        return chr(argument)
    if code in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        return matched(argument[2]) * max(argument[0], 1)
    if code == "SUBPATTERN":
        return matched(argument[3])
    if code == "BRANCH":
        return matched(argument[1][0])
    if code in ("IN", "NOT_LITERAL", "ANY"):
        return next(iter(members(code, argument)), "")
    return ""


def members(code: str, argument: t.Any) -> str:
    """Return characters in a set of a pattern."""
    if code != "IN":
        return "".join(c for c in "a /0" + CHARACTERS if code == "ANY" or c != chr(argument))
    literals = [chr(value) for kind, value in argument if str(kind) == "LITERAL"]
    ranges = [chr(value[0]) for kind, value in argument if str(kind) == "RANGE"]
    kinds = {"CATEGORY_WORD": "a0", "CATEGORY_DIGIT": "0", "CATEGORY_SPACE": " \n", "CATEGORY_NOT_SPACE": "a/"}
    categories = [kinds.get(str(value), "a") for kind, value in argument if str(kind) == "CATEGORY"]
    if str(argument[0][0]) == "NEGATE":
        return "".join(c for c in "a /0" + CHARACTERS if c not in literals + ranges and c not in "".join(categories))
    return "".join(categories + ranges + literals)


def beginnings(parts: t.Sequence) -> t.Iterator[tuple[str, str]]:
    """Yield the text before each repetition of a pattern, and the text that it repeats."""
    before = ""
    for code, argument in parts:
        kind = str(code)
        inner = argument[2] if "REPEAT" in kind else argument[3] if kind == "SUBPATTERN" else ()
        if "REPEAT" in kind:
            yield before, matched(inner)
            sets = (value for code, value in inner if str(code) == "IN")
            yield from ((before, c) for value in sets for c in members("IN", value)[:3])
        for branch in argument[1] if kind == "BRANCH" else [inner]:
            yield from ((before + text, part) for text, part in beginnings(branch))
        before += example(kind, argument)


def hostile_texts(pattern: re.Pattern) -> t.Iterator[tuple[str, str]]:
    """Yield beginnings of texts and the parts that they repeat."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    flags = pattern.flags if isinstance(pattern.pattern, str) else pattern.flags | re.UNICODE
    parts = list(sre_parse.parse(source, flags))
    places = list(dict.fromkeys(beginnings(parts)))
    yield "", matched(parts)
    yield from places
    # What a repetition is among: blanks, words, and its own beginning again.
    for text in dict.fromkeys(text for text, _part in places):
        yield "", text
        yield from ((text, part) for part in (" ", "a", "\n", "a ", f"{text} "))
        yield f"{text}a", " "
        # A quote may be optional, but not its other one.
        yield re.sub("[\"']", "", text), " "
        # A beginning may be quoted within what repeats.
        yield from (("", f"{c}{text}") for c in "\\._")
    yield from (("", c) for c in CHARACTERS)


def seconds(pattern: re.Pattern, method: str, text: str) -> float:
    data = text if isinstance(pattern.pattern, str) else text.encode("latin-1", "replace")
    arguments = (data[:0], data) if method.startswith("sub") else (data,)
    start = time.process_time()
    result = getattr(pattern, method)(*arguments)
    if method == "finditer":
        list(result)
    return time.process_time() - start


def is_quadratic(pattern: re.Pattern, method: str, text: t.Callable[[int], str]) -> bool:
    short, long = (seconds(pattern, method, text(size)) for size in (SHORT, LONG))
    if short > 10 * FLOOR:
        return True
    if long < max(FLOOR, GROWTH * short / 2):
        return False
    short, long = (min(seconds(pattern, method, text(size)) for _run in range(3)) for size in (SHORT, LONG))
    return long > FLOOR and long > GROWTH * short


def slow_text(pattern: re.Pattern, methods: t.Iterable[str]) -> tuple[str, str, str, str] | None:
    """Return a method, and the beginning, the repeated part and the end of a text that takes quadratic time."""
    texts = (
        (method, before, part, end)
        for method in sorted(methods)
        for before, part in dict.fromkeys(hostile_texts(pattern))
        if part
        for end in ENDS
        if is_quadratic(pattern, method, lambda size, b=before, p=part, e=end: b + p * (size // len(p)) + e)
    )
    return next(texts, None)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PLUGINS).as_posix())
def test_the_time_of_a_pattern_is_linear(path: Path) -> None:
    short = SHORT_TEXTS.get("/".join(path.parts[-2:]), set())
    slow = {name: slow_text(*pattern) for name, pattern in patterns_of(path).items() if name not in short}
    assert {name: text for name, text in slow.items() if text} == {}
