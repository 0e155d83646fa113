# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the README and the reference lead to all that there is."""

from __future__ import annotations

import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[3]
README = (ROOT / "README.md").read_text()
REFERENCE = (ROOT / "docs/reference.md").read_text()
NAMES = [
    *(path.name for path in (ROOT / "roles").iterdir()),
    *(path.stem for folder in ("playbooks", "plugins/modules") for path in (ROOT / folder).iterdir() if path.is_file()),
]


@pytest.mark.parametrize("name", sorted(set(NAMES)))
def test_every_role_playbook_and_module_has_a_line_in_a_table(name: str) -> None:
    assert f"\n| `{name}` |" in REFERENCE


@pytest.mark.parametrize("page", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_every_page_is_linked(page: str) -> None:
    assert f"](docs/{page})" in README
