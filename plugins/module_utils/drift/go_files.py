# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings file of the user's that a go command reads: where it is, and what is in it."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils import goenv_file
from ansible_collections.gopherops.devserver.plugins.module_utils.accounts import Account, acting_as
from ansible_collections.gopherops.devserver.plugins.module_utils.drift.observe import Observation
from ansible_collections.gopherops.devserver.plugins.module_utils.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils.files import read_text


def settings_file(seen: Observation) -> str:
    """Return the file as go finds it, also where go itself fails; ``off`` or nothing where there is none."""
    environment: t.Mapping[str, str] = seen.environment or {}
    folder = environment.get("XDG_CONFIG_HOME") or os.path.join(environment.get("HOME", ""), ".config")
    return seen.go.values.get("GOENV") or environment.get("GOENV") or os.path.join(folder, "go/env")


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
