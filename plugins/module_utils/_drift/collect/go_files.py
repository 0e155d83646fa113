# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings file of the user's that a go command reads: where it is, and what is in it."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records import Observation
from ansible_collections.gopherops.devserver.plugins.module_utils._environment import goenv_file
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, acting_as
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import read_text


def settings_file(seen: Observation) -> str:
    """Return the file as go finds it, also where go itself fails; ``off`` or nothing where there is none."""
    environment: t.Mapping[str, str] = seen.environment or {}
    return seen.go.values.get("GOENV") or environment.get("GOENV") or os.path.join(_folder(environment), "env")


def _folder(environment: t.Mapping[str, str]) -> str:
    """Return the folder of Go's own files in a process's environment, as go finds it."""
    folder = environment.get("XDG_CONFIG_HOME") or os.path.join(environment.get("HOME", ""), ".config")
    return os.path.join(folder, "go")


def mode_file(environment: t.Mapping[str, str], account: Account) -> str:
    """Return the file that says which telemetry is on for a process; empty where there is none that can be read."""
    path = os.path.join(_folder(environment), goenv_file.TELEMETRY_MODE)
    try:
        return path if (text_of(path, account) or "").strip() else ""
    except DevserverError:
        return ""


def telemetry_mode(environment: t.Mapping[str, str], account: Account) -> str:
    """Return which telemetry is on for the Go programs of a process: on, local (Go's own default) or off."""
    path = mode_file(environment, account)
    return goenv_file.telemetry_mode(text_of(path, account) or "") if path else "local"


def settings_in(path: str, account: Account) -> list[goenv_file.Setting]:
    """Return what is set in a file that a user names, read with no other rights than the user's."""
    try:
        return goenv_file.settings(text_of(path, account) or "")
    except DevserverError:
        return []  # go cannot read it either, and takes nothing from it.


def first_carriage_return(settings: t.Sequence[goenv_file.Setting]) -> int | None:
    """Return the first line that go takes a setting from and that ends as lines of Windows do."""
    return next((item.line for item in settings if item.value.endswith("\r")), None)


def text_of(path: str, account: Account) -> str | None:
    """Return the file's text, or None where there is none; raise DevserverError where ``account`` cannot read it."""
    if not os.path.isabs(path):
        return None
    with acting_as(account):
        return read_text(path)
