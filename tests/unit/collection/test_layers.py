# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers of module_utils: a package imports lower packages only, and none of its own rank."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MODULE_UTILS = ROOT / "plugins" / "module_utils"
NAME = "ansible_collections.gopherops.devserver.plugins.module_utils"
LAYERS = (
    ("_core",),
    ("_host",),
    ("_systemd", "_shells", "_protocols", "_jsonc"),
    ("_environment", "_toolchain"),
    ("_tools",),
    ("_bundle", "_gopls", "_delve"),
    ("_drift", "_plan", "_support_bundle", "_verify"),
)
RANKS = {package: rank for rank, packages in enumerate(LAYERS) for package in packages}


def imported_packages(text: str) -> set[str]:
    """Return the packages of module_utils that a source text imports, in any form of import."""
    names = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports are not used"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    prefix = f"{NAME}."
    return {name[len(prefix) :].split(".")[0] for name in names if name.startswith(prefix)}


def violations(package: str, text: str) -> set[str]:
    """Return the packages that a file of ``package`` must not import."""
    return {name for name in imported_packages(text) - {package} if RANKS[name] >= RANKS[package]}


def test_every_package_has_a_rank() -> None:
    assert {path.relative_to(MODULE_UTILS).parts[0] for path in MODULE_UTILS.rglob("*.py")} == set(RANKS)


def test_the_pages_list_the_layers() -> None:
    layers = [set(layer) for layer in LAYERS]
    chain = re.search(r"`_core` < .* < modules\.", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    assert chain
    assert [set(re.findall(r"`(_\w+)`", part)) for part in chain[0].split("<")[:-1]] == layers, "CONTRIBUTING.md"
    page = (ROOT / "docs/development/architecture.md").read_text()
    rows = re.findall(r"^\| (\d) \| (.*?) \|", page, re.MULTILINE)
    listed = {int(number): set(re.findall(r"`(_\w+)`", packages)) for number, packages in rows}
    assert listed == dict(enumerate(layers, start=1)), "docs/development/architecture.md"


@pytest.mark.parametrize("package", RANKS)
def test_a_package_imports_lower_packages_only(package: str) -> None:
    files = sorted((MODULE_UTILS / package).rglob("*.py"))
    found = {str(file.relative_to(MODULE_UTILS)): violations(package, file.read_text()) for file in files}
    assert {file: names for file, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"from {NAME}._core.errors import DevserverError", set()),
        (f"from {NAME}._host import files", set()),
        (f"from {NAME}._environment import declaration", {"_environment"}),
        (f"def function():\n    import {NAME}._shells.blame", {"_shells"}),
        (f"from {NAME} import _drift", {"_drift"}),
    ],
)
def test_every_form_of_import_is_found(text: str, expected: set[str]) -> None:
    assert violations("_host", text) == expected
