# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a source text imports, for tests of the structure."""

from __future__ import annotations

import ast
import importlib.util

MODULE_UTILS = "ansible_collections.gopherops.devserver.plugins.module_utils"


def imports_of(tree: ast.AST, package: str) -> list[tuple[str, set[str]]]:
    """Return each imported module by its full name, with the names imported from it; ``package`` holds the source."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, set()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            found.append((module, {alias.name for alias in node.names}))
    return found
