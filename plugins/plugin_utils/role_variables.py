# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validates the variables of a role by its argument spec, with messages for people who write inventories.

Ansible's own validation of the same specs converts more, such as a list to the text of its Python form, and its
messages name Python's types.
"""

from __future__ import annotations

import json
import math
import pathlib
import re
import typing as t

from ansible.module_utils.common.validation import check_type_bool, check_type_float, check_type_int

from ..module_utils._core.errors import DevserverError
from ..module_utils._core.near_names import nearest_name
from ..module_utils._core.redaction import redacted

Spec = t.Mapping[str, t.Any]

_ROLES = pathlib.Path(__file__).parents[2] / "roles"
_SHARED = "devserver_"
# Names of earlier releases, and the present ones.
_RENAMED = _ROLES / "common/files/renamed_variables.yml"
_PAIR = re.compile(r"^(\w+): (\w+)$", re.MULTILINE)
# The line of an option in an argument spec.
_OPTION = re.compile(r"^ {6}(\w+):", re.MULTILINE)

# Characters of a value in a message.
_LONGEST = 60
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# The first example in the description of an option.
_EXAMPLE = re.compile(r"such as [A-Z]\(([^)]+)")
_WORDS = {
    "str": "text",
    "path": "a path",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "dict": "a dictionary",
    "list": "a list",
}
_PLURALS = {"str": "texts", "path": "paths", "dict": "dictionaries"}
_SAMPLES = {"str": "text", "path": "/path", "int": 1, "float": 1.5, "bool": True}


def find_problems(name: str, option: Spec, value: t.Any) -> t.Iterator[DevserverError]:
    """Yield the errors of a variable, each with its name, the invalid part, what is expected, and an example.

    ``option`` is the entry of the argument spec for the variable ``name``.
    """
    yield from _problems(name, name, option, value)


def _problems(path: str, key: str, option: Spec, value: t.Any) -> t.Iterator[DevserverError]:
    """Yield the errors in the part ``path`` of a variable, of which ``key`` is the last name."""
    kind = _kind(option)
    if not _ACCEPTS[kind](value) or (kind == "list" and _is_scalar(value) and option.get("elements") == "dict"):
        yield _error(path, key, option, f"is {_described(value, option)}", quotes=isinstance(value, bool))
    elif kind in ("str", "path") and _CONTROL.search(str(value)):
        yield _error(path, key, option, f"is {_described(value, option)}, with a control character")
    elif kind == "list":
        # Text is a list with commas for Ansible, as in --extra-vars.
        values = str(value).split(",") if _is_scalar(value) else value
        element = {**option, "type": option.get("elements", "raw"), "list": option}
        for number, entry in enumerate(values):
            yield from _problems(f"{path}[{number}]", key, element, entry)
    elif option.get("choices") and str(value) not in option["choices"]:
        yield _error(path, key, option, f"is {_described(value, option)}")
    elif kind == "dict" and option.get("options"):
        yield from _problems_of_keys(path, option["options"], value)


def _problems_of_keys(
    path: str, options: t.Mapping[str, Spec], value: t.Mapping[t.Any, t.Any]
) -> t.Iterator[DevserverError]:
    for name in value:
        if name not in options:
            near = nearest_name(str(name), options)
            yield DevserverError(
                f"{path} has the unknown key {_short(name)}",
                expected=f"the keys {', '.join(options)}",
                remedy=f"correct the key to {near}" if near else "remove this key",
            )
    for name, option in options.items():
        # Null is a key that is left out.
        if value.get(name) is not None:
            yield from _problems(f"{path}.{name}", name, option, value[name])
        elif option.get("required"):
            yield _error(path, name, option, f"has no {name}")


def _error(path: str, key: str, option: Spec, problem: str, *, quotes: bool = False) -> DevserverError:
    form = f"{key}: {json.dumps(example(option.get('list', option)), ensure_ascii=False)}"
    remedy = f"put it in quotes, as in {form}" if quotes and _kind(option) in ("str", "path") else f"write {form}"
    default = f", or remove {path} to have its default" if path == key and "default" in option else ""
    return DevserverError(f"{path} {problem}", expected=_expected(option), remedy=remedy + default)


def _kind(option: Spec) -> str:
    kind: str = option.get("type", "str")
    return kind


def _expected(option: Spec) -> str:
    if option.get("choices"):
        return f"one of {', '.join(map(_short, option['choices']))}"
    elements = _PLURALS.get(option.get("elements", ""), "")
    return f"a list of {elements}" if _kind(option) == "list" and elements else _WORDS[_kind(option)]


def example(option: Spec) -> t.Any:
    """Return a valid value of an option: its default, or the first example in its description."""
    kind, default, choices = _kind(option), option.get("default"), [*filter(None, option.get("choices", []))]
    # A template as a default is no example.
    if (default or isinstance(default, (bool, int))) and "{{" not in str(default):
        return default
    if kind == "list":
        return [example({**option, "type": option.get("elements", "str"), "default": None})]
    if choices:
        return default if default in option["choices"] else choices[0]
    if kind == "dict" and option.get("options"):
        return {name: example(inner) for name, inner in option["options"].items() if inner.get("required")}
    description = option.get("description", "")
    named = _EXAMPLE.search(description if isinstance(description, str) else " ".join(description))
    if kind == "dict":
        if named is None:
            return {}
        return json.loads(named[1]) if named[1].startswith("{") else {named[1].partition("=")[0]: "text"}
    return named[1] if named and kind in ("str", "path") else _SAMPLES[kind]


def _described(value: t.Any, option: Spec) -> str:
    """Return a value in words, without names of Python's types and without secrets."""
    if value is None:
        return "null, as YAML reads an empty value"
    if isinstance(value, bool):
        return f"{str(value).lower()}, as YAML reads {'on and yes' if value else 'off and no'}"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}" if value else "an empty list"
    if isinstance(value, dict):
        return "a dictionary"
    return "hidden here" if option.get("no_log") else _short(value)


def _short(value: t.Any) -> str:
    text = redacted(repr(value) if isinstance(value, (int, float)) else repr(str(value)))
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def find_misspelt(names: t.Iterable[str]) -> list[str]:
    """Return a message for each name that begins with a role's name, is unknown, and similar to a known one."""
    prefixes = [_SHARED, *sorted(f"{path.name}_" for path in _ROLES.iterdir())]
    candidates = sorted(name for name in names if name.startswith(tuple(prefixes)))
    known = _known_names() if candidates else {}
    meant = {name: _find_meant(name, known, prefixes) for name in candidates if known.get(name) != name}
    return [
        f"no role has a variable {name}. To fix this: rename it to {other}, if that is what it means"
        for name, other in meant.items()
        if other
    ]


def reject_facts(facts: t.Mapping[str, t.Any]) -> None:
    """Raise DevserverError if facts of a host have names of variables of the roles, which they would replace.

    Any module's result may set facts, so a host could name the files that the controller reads and writes for it.
    """
    prefixes = (_SHARED, *(f"{path.name}_" for path in _ROLES.iterdir()))
    candidates = sorted(name for name in facts if name.startswith(prefixes))
    known = _known_names() if candidates else {}
    names = [name for name in candidates if name in known]
    if names:
        raise DevserverError(
            f"facts of the host replace variables of the roles: {', '.join(names)}",
            expected="these variables only in the inventory, the play, or set_fact without cacheable",
            remedy="find out what on the host sets these facts, and remove it; then clear the fact cache",
        )


def _known_names() -> dict[str, str]:
    """Return the present name of each present or earlier variable. A YAML parser would cost each run its time."""
    texts = [path.read_text(encoding="utf-8") for path in _ROLES.glob("*/meta/argument_specs.yml")]
    renamed = dict(_PAIR.findall(_RENAMED.read_text(encoding="utf-8")))
    return {**renamed, **{name: name for text in texts for name in _OPTION.findall(text)}}


def _find_meant(name: str, known: t.Mapping[str, str], prefixes: t.Sequence[str]) -> str:
    """Return the present name that ``name`` probably means; empty for none."""
    other = name[len(_SHARED) :] if name.startswith(_SHARED) else _SHARED + name
    for exact in (name, other):
        if exact in known:
            return known[exact]
    # The beginnings are the same, so only the rest is compared.
    prefix = max((prefix for prefix in prefixes if name.startswith(prefix)), key=len)
    for start in (prefix, _SHARED + prefix):
        rests = [candidate[len(start) :] for candidate in known if candidate.startswith(start)]
        rest = nearest_name(name[len(prefix) :], rests)
        if rest:
            return known[start + rest]
    return ""


def _is_scalar(value: t.Any) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def _converts(check: t.Callable[[t.Any], t.Any]) -> t.Callable[[t.Any], bool]:
    def accepts(value: t.Any) -> bool:
        try:
            return math.isfinite(check(value))
        except (TypeError, ValueError, OverflowError):
            return False

    return accepts


_ACCEPTS: dict[str, t.Callable[[t.Any], bool]] = {
    "raw": lambda _value: True,
    "str": _is_scalar,
    "path": lambda value: isinstance(value, str),
    "int": lambda value: _is_scalar(value) and _converts(check_type_int)(value),
    "float": lambda value: _is_scalar(value) and _converts(check_type_float)(value),
    "bool": _converts(check_type_bool),
    "dict": lambda value: isinstance(value, dict),
    "list": lambda value: isinstance(value, (list, tuple)) or _is_scalar(value),
}
