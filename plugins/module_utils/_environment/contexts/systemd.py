# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines that give the declaration to systemd's units and managers."""

from __future__ import annotations

from ..._systemd.environment_files import environment_lines
from ..declaration import UserEnvironment


def render(user: UserEnvironment, path: str, *, dollar: str) -> str:
    """Return the lines that give ``user`` its variables and ``path``; ``dollar`` is how a dollar sign is written.

    Empty values are left out: environment.d(5) cannot express them, and for go they are as good as unset.
    """
    return environment_lines({name: value for name, value in user.variables.items() if value}, dollar=dollar) + path
