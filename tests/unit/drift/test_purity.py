# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules, the snapshot and its records read nothing from the host: their source imports nothing that could."""

from __future__ import annotations

import ast
import pathlib

import pytest

from tests.support.imports import MODULE_UTILS, imports_of

PREFIX = f"{MODULE_UTILS}."
DRIFT = pathlib.Path(__file__).parents[3] / "plugins/module_utils/_drift"
_FILES = ("snapshot.py", "causes.py", "cells.py", "finding.py", "version_managers.py")
PURE = sorted([*DRIFT.glob("rules/*.py"), *DRIFT.glob("records/*.py"), *map(DRIFT.joinpath, _FILES)])
# Modules of the standard library without access to files, processes or the clock; and pure functions of others.
LIBRARY = {
    *["__future__", "collections", "dataclasses", "difflib", "functools", "hashlib", "ipaddress", "re", "shlex", "stat"]
}
FUNCTIONS = {
    "os": {"path.basename", "path.dirname", "path.isabs", "path.join"},
    "time": {"gmtime", "strftime"},
    "typing": None,
}
# Of our packages: everything in _core and in these packages and modules of _drift; and these types, constants and pure
# functions.
PACKAGES = ("_core.", "_drift.records", "_drift.rules")
MODULES = {"_drift.cells", "_drift.finding", "_drift.snapshot", "_drift.version_managers", "_editor.vscode_go"}
NAMES = {
    "_delve.running": {"RunningService"},
    "_environment": {"goenv_file"},
    "_environment.caches": {"ForeignEntries"},
    "_environment.contexts.base": {"Context", "Failure"},
    "_environment.contexts.cron": {"CRONTABS"},
    "_environment.contexts.editor_files": {"filled"},
    "_environment.contexts.pam": {"describe_host_path"},
    "_environment.declaration": {"DIRECTORY_VARIABLES", "Declaration", "UserEnvironment"},
    "_gopls": {"paths"},
    "_gopls.paths": {"APPLIED"},
    "_gopls.settings": {"Schema", "validate_settings"},
    "_tools.workarounds": {"KNOWN", "Workaround", "match_workarounds"},
    "_host.accounts": {"Account"},
    "_host.managed_files": {"Rights"},
    "_host.mounts": {"Mount", "NETWORK"},
    "_host.ownership": {"describe_ownership_repair"},
    "_host.path_names": {"is_below"},
    "_host.procfs": {"Process"},
    "_shells.blame": {"is_lack_of_resources", "is_lost_directory", "parse_place"},
    "_shells.scripts": {"SH_HIDE"},
    "_shells.shell_query": {"RESOURCES"},
    "_systemd.environment_files": {"outdated_variables"},
    "_systemd.unit_state": {"Override", "State"},
    "_toolchain.filelist": {"Differences"},
    "_toolchain.workspaces": {"Mismatch"},
    "_tools.build_info": {"BuildInfo"},
}


def is_pure(module: str, names: set[str]) -> bool:
    if not module.startswith(PREFIX):
        return module in LIBRARY or module in FUNCTIONS
    inner = module[len(PREFIX) :]
    return inner.startswith(PACKAGES) or inner in MODULES or set() < names <= NAMES.get(inner, set())


def calls_of(tree: ast.AST, module: str) -> set[str]:
    """Return the attributes of a module that the source uses, such as ``path.join``."""
    dotted = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    used = {name[len(module) + 1 :] for name in dotted if name.startswith(f"{module}.")}
    return {name for name in used if not any(other.startswith(f"{name}.") for other in used)}


@pytest.mark.parametrize("path", PURE, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_nothing_that_reads_the_host_is_imported(path: pathlib.Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = ".".join((MODULE_UTILS, "_drift", *path.relative_to(DRIFT).parts[:-1]))
    modules = imports_of(tree, package)
    assert [(module, sorted(names)) for module, names in modules if not is_pure(module, names)] == []
    for module, allowed in FUNCTIONS.items():
        assert allowed is None or calls_of(tree, module) <= allowed
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not called & {"open", "eval", "exec", "__import__"}


def test_lines_of_unit_files_are_read_by_collectors_alone() -> None:
    """State.line reads the unit's files; the snapshot has a method of the same name, which does not."""
    for path in PURE:
        calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        owners = {ast.unparse(call.func) for call in calls if isinstance(call.func, ast.Attribute)}
        assert {name for name in owners if name.endswith(".line")} <= {"snapshot.line", "self.line"}
