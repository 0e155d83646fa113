# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the files of a user in a process of the user, beside other threads of this process."""

from __future__ import annotations

import typing as t

from .accounts import Account
from .command import SYSTEM_PATH, run


def read_texts(paths: t.Sequence[str], account: Account, timeout: float) -> dict[str, str]:
    """Return the texts of those ``paths`` that ``account`` can read; of pipes and devices none is read."""
    argv = ["grep", "-aHZ", "-D", "skip", "-d", "skip", "", "--", *paths]
    output = run(argv, env={"PATH": SYSTEM_PATH}, account=account, timeout=timeout).stdout if paths else ""
    texts: dict[str, list[str]] = {}
    for path, separator, line in (text.partition("\0") for text in output.split("\n")):
        if separator:
            texts.setdefault(path, []).append(line)
    return {path: "\n".join([*lines, ""]) for path, lines in texts.items()}
