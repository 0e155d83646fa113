# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The version managers of Go, by the paths of their trees, and the remedy for what they set."""

from __future__ import annotations

# Parts of the paths of version managers' trees and shims.
_MANAGERS = {
    "gvm": "/.gvm/",
    "goenv": "/.goenv/",
    "asdf": "/.asdf/",
    "mise": "/share/mise/",
    "g": "/.g/",
    "gobrew": "/.gobrew/",
    "SDKMAN": "/.sdkman/",
    "Homebrew": "/.linuxbrew/",
}
# How the remedy of everything begins that a version manager has set.
REMOVE_MANAGER = "remove the lines that start "


def find_manager(*paths: str | None) -> str:
    """Return the version manager that one of the paths belongs to; empty for none."""
    return next((name for path in paths for name, part in _MANAGERS.items() if part in f"{path}/"), "")


def remove_manager(manager: str, otherwise: str) -> str:
    """Return how to stop a version manager from setting Go; ``otherwise`` without a manager."""
    if not manager:
        return otherwise
    return f"{REMOVE_MANAGER}{manager} from the startup file, or configure it to leave Go alone"
