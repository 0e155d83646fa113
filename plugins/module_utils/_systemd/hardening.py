# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all units of the collection have against attacks, as lines of systemd.exec(5). Each unit adds further ones."""

from __future__ import annotations

# The sandbox. A further SystemCallFilter= in a unit extends this list.
SANDBOX = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
KeyringMode=private
LockPersonality=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
"""


def owner_check(path: str) -> str:
    """Return lines of a unit that fails without the directory ``path`` of its user.

    The ID of an earlier user can be another one's by now, who could replace what the unit runs from the directory.
    """
    problem = f"{path} is not a directory of this user. To fix this: run the play again"
    return f"ExecStartPre=/bin/sh -c 'test -d {path} -a -O {path} || {{ echo {problem}; exit 1; }}'\n"
