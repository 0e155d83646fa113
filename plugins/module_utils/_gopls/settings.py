# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the pinned gopls knows a setting, and takes its value: asked of the binary's own ``api-json``."""

from __future__ import annotations

import difflib
import functools
import json
import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import SYSTEM_PATH, run

Schema = t.Mapping[str, "Option"]

_DEPRECATED = re.compile(r"\b(deprecated|obsolete|no effect)\b[^\n]*", re.IGNORECASE)
# Accepted with a complaint from 0.16 on, though its description does not say so.
_NO_MORE = {"allowImplicitNetworkAccess": "deprecated; download modules by go mod download instead"}

# What analyzers of staticcheck are called.
_STATICCHECK = re.compile(r"(SA|S|ST|QF)\d{4}\Z", re.ASCII)


class Option(t.NamedTuple):
    """One setting: ``hierarchy`` and ``name`` with a dot between are its full name, ``keys`` those of a map."""

    name: str
    hierarchy: str
    kind: str
    values: t.Sequence[str] = ()
    keys: t.Sequence[str] = ()
    deprecated: str = ""

    @property
    def full_name(self) -> str:
        return ".".join(filter(None, [self.hierarchy, self.name]))


def schema_of(gopls: str, timeout: float = 30) -> Schema:
    """Return the settings of the binary ``gopls``, by both of their names; raise DevserverError where it has none."""
    # Without a home it has no place for its telemetry; one that is missing it would make.
    done = run([gopls, "api-json"], env={"PATH": SYSTEM_PATH}, timeout=timeout)
    try:
        options = [_option(entry) for entry in json.loads(done.stdout)["Options"]["User"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DevserverError(
            f"{gopls} does not say which settings it knows: {done.complaint if not done.ok else error}",
            expected="JSON from its command api-json",
            remedy="pin a version of gopls from 0.14 on",
            path=gopls,
        ) from error
    return {name: option for option in options for name in (option.full_name, option.name)}


def _option(entry: t.Mapping[str, t.Any]) -> Option:
    said = entry.get("DeprecationMessage") or ""
    described = _DEPRECATED.search(entry.get("Doc") or "")
    deprecated = said or (described.group() if described else "") or _NO_MORE.get(entry["Name"], "")
    keys = (entry.get("EnumKeys") or {}).get("Keys") or []
    values = entry.get("EnumValues") or []
    return Option(
        entry["Name"],
        entry.get("Hierarchy") or "",
        entry["Type"],
        [json.loads(value["Value"]) for value in values],
        [json.loads(key["Name"]) for key in keys],
        deprecated,
    )


def judge(settings: t.Mapping[str, t.Any], schema: Schema) -> list[str]:
    """Return what is deprecated of ``settings``, in words; raise DevserverError for all that gopls would refuse."""
    wrong, told = [], []
    for name, value in settings.items():
        option = schema.get(name)
        if option is None:
            wrong.append(f"{name}: gopls has no such setting{_nearest(name, schema)}")
            continue
        if option.deprecated:
            told.append(f"{name}: {option.deprecated.strip().rstrip('.')}")
        wrong += [f"{name}{problem}" for problem in _problems(option, value)]
    wrong += _doubles(settings, schema)
    if wrong:
        raise DevserverError(
            "gopls would refuse settings. " + "; ".join(wrong),
            expected="what `gopls api-json` of the pinned version lists",
            remedy="correct language_server_settings, or pin a gopls that has them",
            refused=wrong,
        )
    return told


def _doubles(settings: t.Mapping[str, t.Any], schema: Schema) -> list[str]:
    by_option: dict[str, list[str]] = {}
    for name in settings:
        if name in schema:
            by_option.setdefault(schema[name].full_name, []).append(name)
    return [f"{' and '.join(names)} are one setting" for names in by_option.values() if len(names) > 1]


def _nearest(name: str, schema: Schema) -> str:
    """Return a proposal: the real name that is written most like ``name``, whatever stands before its last dot."""
    last = name.rpartition(".")[2]
    if last in schema:
        return f"; did you mean {schema[last].full_name}?"
    folded = {known.lower(): known for known in schema}
    near = difflib.get_close_matches(last.lower(), folded, n=1) or difflib.get_close_matches(name.lower(), folded, n=1)
    return f"; did you mean {schema[folded[near[0]]].full_name}?" if near else ""


def _problems(option: Option, value: t.Any) -> list[str]:
    """Return what is wrong with ``value``, each to be put behind the setting's name."""
    if option.kind.startswith("map["):
        return _map_problems(option, value)
    expected = _EXPECTED.get(option.kind)
    if option.kind == "enum":
        return [] if value in option.values else [f": {value!r} is none of {', '.join(map(str, option.values))}"]
    if expected and not expected.takes(value):
        return [f": {value!r} is not {expected.words}"]
    return []


def _map_problems(option: Option, value: t.Any) -> list[str]:
    if not isinstance(value, dict):
        return [f": {value!r} is not an object"]
    problems = []
    for key, item in value.items():
        if option.keys and key not in option.keys and not _is_of_staticcheck(option, str(key)):
            near = difflib.get_close_matches(str(key), option.keys, n=1)
            problems.append(f".{key}: no such key" + (f"; did you mean {near[0]}?" if near else ""))
        elif option.kind.endswith("]bool") and not isinstance(item, bool):
            problems.append(f".{key}: {item!r} is not true or false")
        elif option.kind.endswith("]string") and not isinstance(item, str):
            problems.append(f".{key}: {item!r} is not text")
    return problems


def _is_of_staticcheck(option: Option, key: str) -> bool:
    """Return whether gopls takes ``key`` without listing it: up to 0.17 it lists no analyzer of staticcheck."""
    listed = any(map(_STATICCHECK.match, option.keys))
    return option.name == "analyses" and not listed and bool(_STATICCHECK.match(key))


class _Expected(t.NamedTuple):
    words: str
    takes: t.Callable[[t.Any], bool]


def _is_list_of_text(value: t.Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_duration(value: t.Any) -> bool:
    return isinstance(value, str) and bool(re.match(r"(\d+(\.\d+)?(ns|us|ms|s|m|h))+\Z|0\Z", value))


def _is(kind: type, value: t.Any) -> bool:
    return isinstance(value, kind)


_EXPECTED = {
    "bool": _Expected("true or false", functools.partial(_is, bool)),
    "string": _Expected("text", functools.partial(_is, str)),
    "[]string": _Expected("a list of texts", _is_list_of_text),
    "time.Duration": _Expected("a duration such as 250ms", _is_duration),
}
