# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each name of a public class in plugins denotes one class."""

from __future__ import annotations

import ast
import collections
import pathlib

PLUGINS = pathlib.Path(__file__).parents[3] / "plugins"
# Ansible requires these names.
PLUGIN_CLASSES = {"ActionModule", "FilterModule", "LookupModule", "ModuleDocFragment"}


def test_names_of_public_classes_are_unique() -> None:
    homes: dict[str, list[str]] = collections.defaultdict(list)
    for path in sorted(PLUGINS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(f"{path.relative_to(PLUGINS)}:{node.lineno}")
    assert "DevserverError" in homes
    assert {name: places for name, places in homes.items() if len(places) > 1 and name not in PLUGIN_CLASSES} == {}
