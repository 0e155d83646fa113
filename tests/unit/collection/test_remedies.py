# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every error of the collection has a remedy."""

from __future__ import annotations

import ast
import pathlib

PLUGINS = pathlib.Path(__file__).parents[3] / "plugins"
TREES = {path.relative_to(PLUGINS).as_posix(): ast.parse(path.read_text()) for path in sorted(PLUGINS.rglob("*.py"))}
# These pass on complete messages of other errors, each with its own remedy.
COMPLETE_MESSAGES = {
    ("module_utils/_host/skipped_files.py", "find_failure"),
    ("module_utils/_verify/steps.py", "check_drift"),
}


def test_each_error_has_a_remedy() -> None:
    errors = find_error_classes()
    assert {"DevserverError", "TimedOut", "ConnectionClosed"} <= errors
    found = set()
    for path, tree in TREES.items():
        names = errors | find_aliases(tree, errors)
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and name_of(node.func) in names]
            found |= {(path, function.name) for call in calls if not has_remedy(call)}
    assert found == COMPLETE_MESSAGES


def find_error_classes() -> set[str]:
    """Return the names of DevserverError and of the classes that are derived from it and have its constructor."""
    names = {"DevserverError"}
    nodes = [node for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    classes = [node for node in nodes if not any(getattr(part, "name", "") == "__init__" for part in node.body)]
    while True:
        derived = {node.name for node in classes if names & {name_of(base) for base in node.bases}}
        if derived <= names:
            return names
        names |= derived


def find_aliases(tree: ast.AST, errors: set[str]) -> set[str]:
    """Return the variables whose value is one of two error classes."""
    return {
        name_of(node.targets[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.IfExp) and name_of(node.value.body) in errors
    }


def has_remedy(call: ast.Call) -> bool:
    remedies = [keyword.value for keyword in call.keywords if keyword.arg == "remedy"]
    return any(not isinstance(value, ast.Constant) or bool(value.value) for value in remedies)


def name_of(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
