# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what users read: the change log and the documentation of plugins and roles."""

from __future__ import annotations

from pathlib import Path

from dev import galaxy, python_env
from dev.checkout import CACHE, ROOT, Failure
from dev.command import run

CHANGE_LOG = ROOT / "CHANGELOG.md"


def change_log(log: Path) -> None:
    """Check the fragments and the released changes, and that CHANGELOG.md is what they generate."""
    _tool(["antsibull-changelog", "lint"], log)
    _tool(["antsibull-changelog", "lint-changelog-yaml", "--strict", "changelogs/changelog.yaml"], log)
    generated = CACHE / "CHANGELOG.md"
    _tool(["antsibull-changelog", "generate", "--output", str(generated)], log)
    if generated.read_bytes() != CHANGE_LOG.read_bytes():
        raise Failure(f"{CHANGE_LOG} differs from its source. To fix this: antsibull-changelog generate")


def plugins(log: Path) -> None:
    """Check the documentation of every plugin, module and role, with its markup and references."""
    _tool(["antsibull-docs", "lint-collection-docs", "--plugin-docs", str(galaxy.HERE)], log)


def _tool(argv: list[str], log: Path) -> None:
    """Run a tool of the documentation's environment in the checkout."""
    python_env.ensure_docs(log)
    tools = python_env.DOCS_VENV / "bin"
    env = python_env.tool_environment()
    env |= {"PATH": f"{tools}:{env['PATH']}", "VIRTUAL_ENV": str(python_env.DOCS_VENV)}
    run([tools / argv[0], *argv[1:]], log=log, env=env)
