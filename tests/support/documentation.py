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
    documentation = yaml.safe_load(module.DOCUMENTATION)
    options: dict[str, dict[str, t.Any]] = {}
    for reference in documentation["extends_documentation_fragment"]:
        name, _dot, part = reference.split(".", 2)[2].partition(".")
        fragment = importlib.import_module(_FRAGMENTS + name).ModuleDocFragment
        options.update(yaml.safe_load(getattr(fragment, part.upper() or "DOCUMENTATION"))["options"])
    options.update(documentation.get("options", {}))
    return {
        name: {key: value for key, value in option.items() if key != "description"} for name, option in options.items()
    }
