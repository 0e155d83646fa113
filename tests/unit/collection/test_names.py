# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables and parameters of the plugins are nouns that name what they hold."""

from __future__ import annotations

import ast
import pathlib
import typing as t

PLUGINS = pathlib.Path(__file__).parents[3] / "plugins"
VAGUE = {"found", "done", "one", "own", "given", "what", "seen"}
# Keys of a manifest and of a module's result.
PUBLIC = {("_bundle/manifest.py", "what"), ("_verify/verify.py", "what")}


def bound_names(tree: ast.AST) -> t.Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.FunctionDef):
            yield node.lineno, node.name.lstrip("_")


def test_no_variable_or_function_has_a_vague_name() -> None:
    vague = [
        f"{path.relative_to(PLUGINS)}:{line}: {name}"
        for path in PLUGINS.rglob("*.py")
        for line, name in bound_names(ast.parse(path.read_text()))
        if name in VAGUE and ("/".join(path.parts[-2:]), name) not in PUBLIC
    ]
    assert vague == []
