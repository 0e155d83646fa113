# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validates settings of gopls against the schema that the pinned binary prints (``gopls api-json``)."""

from __future__ import annotations

import difflib
import json
import re
import typing as t

from .._core.errors import DevserverError
from .._host.command import SYSTEM_PATH, run
from .known_settings import SETTINGS

Schema = t.Mapping[str, "SchemaEntry"]

_DEPRECATED = re.compile(r"\b(deprecated|obsolete|no effect)\b[^\n]*", re.IGNORECASE)
# Accepted with a warning from 0.16 on, though its description does not mention it.
_DEPRECATED_SINCE_0_16 = {"allowImplicitNetworkAccess": "deprecated; download modules by go mod download instead"}

# Names of the analyzers of staticcheck.
_STATICCHECK = re.compile(r"(SA|S|ST|QF)\d{4}\Z", re.ASCII)


class SchemaEntry(t.NamedTuple):
    """One setting. Its full name is ``hierarchy``, a dot and ``name``; ``keys`` are the known keys of a map."""

    name: str
    hierarchy: str
    kind: str
    values: t.Sequence[str] = ()
    keys: t.Sequence[str] = ()
    deprecated: str = ""

    @property
    def full_name(self) -> str:
        return ".".join(filter(None, [self.hierarchy, self.name]))


def read_schema(gopls: str, timeout: float = 30) -> Schema:
    """Return the settings of the binary ``gopls`` by short and full name; raise DevserverError if it prints none."""
    # Without HOME it writes no telemetry; with one it would create the directory.
    completed = run([gopls, "api-json"], env={"PATH": SYSTEM_PATH}, timeout=timeout)
    try:
        settings = [_parse_setting(entry) for entry in json.loads(completed.stdout)["Options"]["User"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DevserverError(
            f"'{gopls} api-json' does not list the settings of gopls: {error if completed.ok else completed.complaint}",
            expected="JSON with Options.User",
            remedy="pin gopls 0.14 or later in devserver_tools, and run the role tools",
            path=gopls,
        ) from error
    return _by_name(settings)


def known_schema() -> Schema:
    """Return the names and types of the settings of all versions that the collection knows."""
    lines = map(str.split, SETTINGS.strip().splitlines())
    settings = [
        SchemaEntry(name, "" if hierarchy == "-" else hierarchy, kind)
        for hierarchy, kind, *names in lines
        for name in names
    ]
    return _by_name(settings)


def _by_name(settings: t.Iterable[SchemaEntry]) -> Schema:
    return {name: setting for setting in settings for name in (setting.full_name, setting.name)}


def _parse_setting(entry: t.Mapping[str, t.Any]) -> SchemaEntry:
    message = entry.get("DeprecationMessage") or ""
    sentence = _DEPRECATED.search(entry.get("Doc") or "")
    deprecated = message or (sentence.group() if sentence else "") or _DEPRECATED_SINCE_0_16.get(entry["Name"], "")
    keys = (entry.get("EnumKeys") or {}).get("Keys") or []
    values = entry.get("EnumValues") or []
    return SchemaEntry(
        entry["Name"],
        entry.get("Hierarchy") or "",
        entry["Type"],
        [json.loads(value["Value"]) for value in values],
        [json.loads(key["Name"]) for key in keys],
        deprecated,
    )


def validate_settings(
    settings: t.Mapping[str, t.Any], schema: Schema, option: str = "language_server_settings"
) -> list[str]:
    """Return messages about deprecated ``settings``; raise DevserverError with all that gopls would reject."""
    problems, deprecated = [], []
    for name, value in settings.items():
        setting = schema.get(name)
        if setting is None:
            problems.append(f"{name} is not a setting of this gopls{_suggest_name(name, schema)}")
            continue
        if setting.deprecated:
            deprecated.append(f"{name}: {setting.deprecated.strip().rstrip('.')}")
        problems += [f"{name}{problem}" for problem in _validate_value(setting, value)]
    problems += _find_duplicates(settings, schema)
    if problems:
        raise DevserverError(
            "gopls would reject settings. " + "; ".join(problems),
            expected="names and types as 'gopls api-json' of the pinned version lists them",
            remedy=f"correct {option}, or pin a gopls that has these settings",
            rejected=problems,
        )
    return deprecated


def _find_duplicates(settings: t.Mapping[str, t.Any], schema: Schema) -> list[str]:
    by_name: dict[str, list[str]] = {}
    for name in settings:
        if name in schema:
            by_name.setdefault(schema[name].full_name, []).append(name)
    return [f"{' and '.join(names)} are the same setting" for names in by_name.values() if len(names) > 1]


def _suggest_name(name: str, schema: Schema) -> str:
    """Return the closest real name, compared without the part before the last dot."""
    last = name.rpartition(".")[2]
    if last in schema:
        return f" (did you mean {schema[last].full_name}?)"
    folded = {known.lower(): known for known in schema}
    near = difflib.get_close_matches(last.lower(), folded, n=1) or difflib.get_close_matches(name.lower(), folded, n=1)
    return f" (did you mean {schema[folded[near[0]]].full_name}?)" if near else ""


def _validate_value(setting: SchemaEntry, value: t.Any) -> list[str]:
    """Return the problems with ``value``, each to follow the setting's name."""
    if setting.kind.startswith("map"):
        return _validate_map(setting, value)
    if setting.kind == "enum":
        return [] if value in setting.values else [f" must be {', '.join(map(str, setting.values))}, got {value!r}"]
    words, accepts = _KINDS.get(setting.kind, ("", lambda _value: True))
    return [] if accepts(value) else [f" must be {words}, got {value!r}"]


def _validate_map(setting: SchemaEntry, value: t.Any) -> list[str]:
    if not isinstance(value, dict):
        return [f" must be an object, got {value!r}"]
    problems = []
    for key, item in value.items():
        if setting.keys and key not in setting.keys and not _is_staticcheck_analyzer(setting, str(key)):
            near = difflib.get_close_matches(str(key), setting.keys, n=1)
            problems.append(f".{key} is not a known key" + (f" (did you mean {near[0]}?)" if near else ""))
        elif setting.kind.endswith("]bool") and not isinstance(item, bool):
            problems.append(f".{key} must be true or false, got {item!r}")
        elif setting.kind.endswith("]string") and not isinstance(item, str):
            problems.append(f".{key} must be a string, got {item!r}")
    return problems


def _is_staticcheck_analyzer(setting: SchemaEntry, key: str) -> bool:
    """Return whether gopls accepts ``key`` without listing it: up to 0.17 it lists no analyzer of staticcheck."""
    listed = any(map(_STATICCHECK.match, setting.keys))
    return setting.name == "analyses" and not listed and bool(_STATICCHECK.match(key))


def _is_list_of_strings(value: t.Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_duration(value: t.Any) -> bool:
    return isinstance(value, str) and bool(re.match(r"(\d+(\.\d+)?(ns|us|ms|s|m|h))+\Z|0\Z", value))


# For each kind, what a value must be, and whether it is that.
_KINDS: dict[str, tuple[str, t.Callable[[t.Any], bool]]] = {
    "bool": ("true or false", lambda value: isinstance(value, bool)),
    "string": ("a string", lambda value: isinstance(value, str)),
    "[]string": ("a list of strings", _is_list_of_strings),
    "time.Duration": ("a duration such as 250ms", _is_duration),
}
