# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps credentials out of results and messages."""

from __future__ import annotations

import re

_CREDENTIALS = re.compile(r"(?<=://)[^/\s]+@")


def redacted(text: str) -> str:
    """Return ``text`` with the user and password of every URL in it replaced by three asterisks."""
    return _CREDENTIALS.sub("***@", text)


def credentials(text: str) -> list[str]:
    """Return the user and password of every URL in ``text``, as AnsibleModule.no_log_values takes them."""
    return [found[:-1] for found in _CREDENTIALS.findall(text)]
