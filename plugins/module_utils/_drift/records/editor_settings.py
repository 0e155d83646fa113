# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings in the files of editors."""

from __future__ import annotations

import re
import typing as t

from ..._core.provenance import Source
from ..._environment.contexts.editor_files import filled
from ..._environment.declaration import UserEnvironment


class Setting(t.NamedTuple):
    """One setting of an editor's file, by its full name; ``inner`` has the sources of the keys of an object."""

    name: str
    value: t.Any
    source: Source
    inner: t.Mapping[str, Source] = {}


class MissingExtension(t.NamedTuple):
    """An extension that the role editor has installed for a user, and that is not there in this version."""

    user: UserEnvironment
    name: str
    version: str
    path: str


class EditorSettings(t.NamedTuple):
    """An editor's file of a user: ``kind`` is settings, launch (one configuration) or devcontainer.

    ``title`` distinguishes the launch configurations of one file; ``path`` is empty if there is no such file.
    ``test_file`` is the file that ``go.testEnvFile`` names, and ``test_lines`` its lines.
    """

    user: UserEnvironment
    kind: str
    settings: t.Sequence[Setting]
    title: str = ""
    path: str = ""
    test_file: str = ""
    test_lines: t.Sequence[str] = ()

    @property
    def gopls_settings(self) -> list[Setting]:
        """The objects with settings of gopls."""
        return [
            setting
            for setting in self.settings
            if setting.name == "gopls" and isinstance(setting.value, dict) and setting.value
        ]

    def filled(self, value: str) -> str | None:
        """Return a path, or a list of paths, with references filled as VS Code does; None if that is not known."""
        account = self.user.account
        environment = {"HOME": account.home, "USER": account.name, "LOGNAME": account.name}
        if {name for name in re.findall(r"\$\{env:([^}:]*)", value) if name not in environment}:
            return None
        # The machine settings have no workspace folder.
        text = filled(value, environment, {"userHome": account.home, "pathSeparator": "/"})
        text = re.sub(r"(?:\A|(?<=:))~(?=/|:|\Z)", lambda _tilde: account.home, text)
        return None if "${" in text else text
