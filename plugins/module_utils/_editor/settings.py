# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings by which VS Code's Go extension installs nothing by itself, and useful defaults for all else.

Read in the extension's source, 0.42.1 and 0.57.2 (goTools.ts, goInstallTools.ts):

- On activation it installs each tool that it calls important, and that a setting selects, unless ``go.alternateTools``
  has an entry for it; no program needs to be there. Up to 0.50 ``go.lintTool`` selects staticcheck by default.
- It offers to compile again each selected tool whose file is no program of Go. So a script in the place of a tool that
  is not pinned would cause a message; a missing file does not.
- A linter that is missing causes a message at each save.
"""

from __future__ import annotations

import os
import platform
import shutil
import typing as t

from .._core.errors import DevserverError
from .._environment.contexts.machine_settings import Settings, merged
from .._environment.declaration import UserEnvironment
from .._gopls.settings import Schema, validate_settings
from .._tools.known_good import PACKAGES
from .vscode_go import SETTINGS, SINCE, TYPES, VALUES

# Tools that the extension installs without confirmation, gopls aside; and all others that it knows, dlv aside.
_IMPORTANT = ("goimports", "golangci-lint", "golangci-lint-v2", "revive", "staticcheck")
_OTHERS = ("gofumpt", "golint", "gomodifytags", "goplay", "gotests", "impl")
# What the extension may install; the other tools that the collection knows are installed by hand alike.
TOOLS = frozenset((*_IMPORTANT, *_OTHERS, *PACKAGES))
# The first that is pinned lints.
_LINTERS = ("staticcheck", "golangci-lint", "revive")
# Architectures of Linux on which the race detector works.
_RACE = ("x86_64", "aarch64", "ppc64le", "s390x", "riscv64", "loongarch64")
# Settings that other variables of the play declare.
_DECLARED_BY = {
    "go.alternateTools": "devserver_vscode_tools",
    "go.gopath": "devserver_variables",
    "go.goroot": "devserver_goroot",
    "go.languageServerFlags": "language_server_trace",
    "go.toolsEnvVars": "devserver_variables",
    "go.toolsManagement.autoUpdate": "devserver_tools",
    "go.toolsManagement.checkForUpdates": "devserver_tools",
}
_VULNCHECK = "go.diagnostic.vulncheck"


def defaults_for(user: UserEnvironment, pinned: t.Collection[str], bin_dir: str) -> Settings:
    """Return the settings of a user that the user's own replace; ``pinned`` are the names of tools in ``bin_dir``."""
    linter = next((name for name in _LINTERS if name in pinned), "")
    race = ["-race"] if _may_race(user) else []
    return {
        "go.alternateTools": {name: os.path.join(bin_dir, name) for name in _IMPORTANT if name not in pinned},
        "go.showWelcome": False,
        "go.survey.prompt": False,
        "go.formatTool": "default",
        **({"go.lintTool": linter} if linter else {"go.lintOnSave": "off"}),
        # gopls would query a database on the network.
        _VULNCHECK: "Off",
        "go.testFlags": [*race, "-count=1"],
        "go.coverMode": "atomic" if race else "default",
        "go.inlayHints.parameterNames": True,
        "go.inlayHints.rangeVariableTypes": True,
    }


def pinned_tools(pinned: t.Collection[str], bin_dir: str, declared: t.Container[str]) -> Settings:
    """Return the paths of the pinned tools, so that a copy in GOBIN does not come first; not of those ``declared``."""
    names = [name for name in (*_IMPORTANT, *_OTHERS) if name in pinned and name not in declared]
    return {"go.alternateTools": {name: os.path.join(bin_dir, name) for name in names}} if names else {}


def _may_race(user: UserEnvironment) -> bool:
    """Return whether the user's go can build with the race detector, which needs cgo and a compiler for it."""
    compiler = user.variables.get("CC", "gcc").split()[:1]
    enabled = user.variables.get("CGO_ENABLED", "1") == "1" and not user.variables.get("GOARCH")
    return enabled and platform.machine() in _RACE and bool(compiler and shutil.which(compiler[0]))


def validate(settings: Settings, option: str, extension: str, schema: t.Callable[[], Schema]) -> list[str]:
    """Return messages about deprecated ``settings`` of an option; raise DevserverError with all that have no effect.

    ``extension`` is the version of the Go extension that gets them, empty if it is not known; ``schema`` is that of
    the gopls that does.
    """
    gopls = settings.get("gopls", {})
    problems = [problem for name, value in settings.items() for problem in _problems(name, value, extension)]
    if not isinstance(gopls, dict):
        problems.append(f"gopls must be an object, got {gopls!r}")
    if problems:
        raise DevserverError(
            f"{option} is invalid: {'; '.join(problems)}",
            expected="settings of the Go extension, with their types and values",
            remedy=f"correct or remove them in {option}",
        )
    vulncheck = settings.get(_VULNCHECK, "Off")
    # The extension passes this one on to gopls, and shows gopls's error at each start.
    passed = merged({} if vulncheck == "Off" else {"ui.diagnostic.vulncheck": vulncheck}, gopls)
    return validate_settings(passed, schema(), option) if passed else []


def _problems(name: str, value: t.Any, extension: str) -> t.Iterator[str]:
    """Yield what is wrong with a setting; those of the editor and of other extensions are not known."""
    if not name.startswith("go."):
        return
    if name in _DECLARED_BY:
        yield f"{name} is declared by {_DECLARED_BY[name]}"
    elif name not in SETTINGS:
        yield f"{name} is not a setting of the Go extension"
    elif name in TYPES and not isinstance(value, TYPES[name]):
        yield f"{name} has a value of a wrong type: {value!r}"
    elif name in VALUES and value not in VALUES[name]:
        yield f"{name} must be {', '.join(VALUES[name])}, got {value!r}"
    version = tuple(map(int, extension.split("."))) if extension else None
    for (setting, of_value), first in SINCE.items():
        if setting == name and of_value in (None, value) and version and version < first:
            subject = f"the value {value} of {name}" if of_value else name
            yield f"{subject} needs version {first[0]}.{first[1]} of the Go extension; {extension} is declared"
