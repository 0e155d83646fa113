# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of modules as Ansible reads it, with its fragments."""

from __future__ import annotations

import importlib
import types
import typing as t

import yaml

_FRAGMENTS = "ansible_collections.gopherops.devserver.plugins.doc_fragments."


def documented_options(module: types.ModuleType) -> dict[str, dict[str, t.Any]]:
    """Return the options of ``module`` by name, each without its description, as an argument spec has them."""
    options: dict[str, dict[str, t.Any]] = {}
    for part in _parts(module):
        options.update(part.get("options", {}))
    return {
        name: {key: value for key, value in option.items() if key != "description"} for name, option in options.items()
    }


def documented_groups(module: types.ModuleType) -> list[str]:
    """Return the action groups of ``module``, by their full names."""
    group: dict[str, t.Any] = {}
    for part in _parts(module):
        group.update(part.get("attributes", {}).get("action_group", {}))
    groups: list[str] = group["membership"]
    return groups


def _parts(module: types.ModuleType) -> t.Iterator[dict[str, t.Any]]:
    """Yield the documentation of each fragment that ``module`` extends, then its own, which takes precedence."""
    documentation = yaml.safe_load(module.DOCUMENTATION)
    for reference in documentation["extends_documentation_fragment"]:
        name, _dot, part = reference.split(".", 2)[2].partition(".")
        fragment = importlib.import_module(_FRAGMENTS + name).ModuleDocFragment
        yield yaml.safe_load(getattr(fragment, part.upper() or "DOCUMENTATION"))
    yield documentation
