# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The extensions of users, in the directories of their VS Code servers."""

from __future__ import annotations

import glob
import os
import typing as t

from .._host.accounts import Account
from .._host.managed_files import ManagedFile, users_file
from .._host.user_access import call_as

# In place of a program that the Go extension would compile from the latest sources when it starts. It counts uses for
# the telemetry of the extension, and is given them by standard input.
_HELPER = """\
#!/bin/sh
# Written by gopherops.devserver, so that the Go extension does not install its helper for telemetry.
exec cat >/dev/null
"""


def extension_roots(settings: t.Iterable[str]) -> list[str]:
    """Return the directories of extensions, by the paths of the machine settings of each server."""
    servers = (os.path.dirname(os.path.dirname(path)) for path in settings)
    # Microsoft's server has its settings in data/Machine, and code-server in Machine.
    roots = (os.path.dirname(path) if os.path.basename(path) == "data" else path for path in servers)
    return [os.path.join(root, "extensions") for root in dict.fromkeys(roots)]


def helper_files(account: Account, roots: t.Sequence[str], *, present: bool) -> list[ManagedFile]:
    """Return the helper of each installed Go extension: ours in place of none, or none in place of ours."""
    paths = call_as(account, lambda: [path for root in roots for path in _helpers(root)])
    text = _HELPER if present else None
    return [users_file(path, lambda _now: text, account, mode=0o755) for path in paths]


def _helpers(root: str) -> list[str]:
    """Return the paths in which there is no helper, or ours. Runs with the user's rights."""
    directories = sorted(glob.glob(os.path.join(glob.escape(root), "golang.go-*")))
    paths = (os.path.join(directory, "bin", "vscgo") for directory in directories)
    return [path for path in paths if not os.path.lexists(path) or _is_ours(path)]


def _is_ours(path: str) -> bool:
    if not os.path.isfile(path) or os.path.getsize(path) != len(_HELPER):
        return False
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read() == _HELPER
