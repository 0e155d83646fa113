# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sandbox settings for all units of the collection, as lines of systemd.exec(5). Each unit adds further ones."""

from __future__ import annotations

# A further SystemCallFilter= in a unit extends this list.
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
