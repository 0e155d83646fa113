# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How files of which some are private keys are told in a difference."""

from __future__ import annotations

from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import Changes
from ansible_collections.gopherops.devserver.plugins.module_utils._host.managed_files import FileEdit


def add_to(changes: Changes, edit: FileEdit) -> None:
    """Note what becomes of a file; of a key, whose name ends in .key, only that there is one, or another."""
    before, after = edit.shown
    if edit.file.path.endswith(".key"):
        now = "a private key\n"
        earlier = now if edit.before == edit.after else "an earlier private key\n"
        before, after = edit.with_rights(earlier if edit.before else "", now if edit.after else "")
    changes.add(edit.file.path, before, after)
