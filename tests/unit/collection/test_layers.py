# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers of module_utils: a package imports lower packages only, and none of its own rank."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.support.imports import MODULE_UTILS, imports_of

ROOT = Path(__file__).parents[3]
DIRECTORY = ROOT / "plugins" / "module_utils"
LAYERS = (
    ("_core",),
    ("_host",),
    ("_systemd", "_shells", "_protocols", "_jsonc"),
    ("_environment", "_toolchain"),
    ("_tools",),
    ("_bundle", "_gopls", "_delve", "_remote_access", "_workspace"),
    ("_editor",),
    ("_drift", "_plan", "_support_bundle", "_verify"),
)
RANKS = {package: rank for rank, packages in enumerate(LAYERS) for package in packages}


def violations(file: Path, text: str) -> set[str]:
    """Return the packages that the text of ``file``, a path in module_utils, must not import."""
    package = file.parts[0]
    modules = imports_of(ast.parse(text), ".".join((MODULE_UTILS, *file.parts[:-1])))
    names = [f"{module}.{name}" for module, names in modules for name in names or [""]]
    prefix = f"{MODULE_UTILS}."
    imported = {name[len(prefix) :].split(".")[0] for name in names if name.startswith(prefix)}
    return {name for name in imported - {package} if RANKS[name] >= RANKS[package]}


def test_every_package_has_a_rank() -> None:
    assert {path.relative_to(DIRECTORY).parts[0] for path in DIRECTORY.rglob("*.py")} == set(RANKS)


def test_the_pages_list_the_layers() -> None:
    layers = [set(layer) for layer in LAYERS]
    chain = re.search(r"`_core` < .* < modules\.", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    assert chain
    assert [set(re.findall(r"`(_\w+)`", part)) for part in chain[0].split("<")[:-1]] == layers, "CONTRIBUTING.md"
    page = (ROOT / "docs/development/architecture.md").read_text()
    rows = re.findall(r"^\| (\d) \| (.*?) \|", page, re.MULTILINE)
    listed = {int(number): set(re.findall(r"`(_\w+)`", packages)) for number, packages in rows}
    assert listed == dict(enumerate(layers, start=1)), "docs/development/architecture.md"
    diagram = re.findall(r"^    (\d)  (_.*)$", page, re.MULTILINE)
    drawn = {int(number): set(re.findall(r"_\w+", packages)) for number, packages in diagram}
    assert drawn == listed, "the diagram in docs/development/architecture.md"


@pytest.mark.parametrize("package", RANKS)
def test_a_package_imports_lower_packages_only(package: str) -> None:
    files = sorted((DIRECTORY / package).rglob("*.py"))
    found = {str(file): violations(file.relative_to(DIRECTORY), file.read_text()) for file in files}
    assert {file: names for file, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"from {MODULE_UTILS}._core.errors import DevserverError", set()),
        (f"from {MODULE_UTILS}._environment import declaration", {"_environment"}),
        (f"def function():\n    import {MODULE_UTILS}._shells.blame", {"_shells"}),
        (f"from {MODULE_UTILS} import _drift", {"_drift"}),
        ("from .. import _drift", {"_drift"}),
        ("from . import files", set()),
        ("from .files import Changes", set()),
        ("from .._core import errors", set()),
        ("from .._environment.contexts.base import Context", {"_environment"}),
    ],
)
def test_every_form_of_import_is_found(text: str, expected: set[str]) -> None:
    assert violations(Path("_host/procfs.py"), text) == expected


def test_relative_imports_start_at_the_package_of_the_file() -> None:
    assert violations(Path("_environment/contexts/ssh.py"), "from ..._gopls import paths") == {"_gopls"}


def test_plugins_import_each_other_by_relative_names() -> None:
    files = sorted((ROOT / "plugins").rglob("*.py"))
    assert [str(file) for file in files if "from ansible_collections.gopherops" in file.read_text()] == []
