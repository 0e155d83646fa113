# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages of the documentation site."""

from __future__ import annotations

import shutil
from pathlib import Path

from dev import documentation
from dev.checkout import ROOT


def copied(tmp_path: Path, text: str) -> Path:
    shutil.copytree(ROOT / "dev" / "site", tmp_path / "root" / "dev" / "site")
    guides = tmp_path / "root" / "docs" / "rules"
    guides.mkdir(parents=True)
    (tmp_path / "root" / "README.md").write_text("# Title\n")
    (tmp_path / "root" / "SECURITY.md").write_text("# Security\n")
    (guides.parent / "guide.md").write_text(text)
    (guides.parent / "a.md").write_text("# A\n")
    (guides.parent / "index.md").write_text("[guide](guide.md) [a](a.md)\n")
    (guides / "GD101.md").write_text("# GD101\n")
    documentation.copy_pages(tmp_path / "root", tmp_path / "source")
    return tmp_path / "source"


def test_links_to_pages_stay(tmp_path: Path) -> None:
    text = "[a](rules/GD101.md#x) [b](../SECURITY.md) [c](#d) [e](https://example.com/f)\n"
    assert (copied(tmp_path, text) / "docs" / "guide.md").read_text() == text


def test_links_to_other_files_lead_to_the_repository(tmp_path: Path) -> None:
    page = copied(tmp_path, "[a](../inventory) [b](../roles/x/README.md#c)\n") / "docs" / "guide.md"
    start = documentation.REPOSITORY
    assert page.read_text() == f"[a]({start}inventory) [b]({start}roles/x/README.md#c)\n"


def test_the_index_lists_every_page_once(tmp_path: Path) -> None:
    index = (copied(tmp_path, "# Guide\n") / "index.md").read_text().splitlines()
    assert [index.count(page) for page in ("README", "SECURITY", "docs/guide", "docs/rules/GD101")] == [1, 1, 1, 0]


def test_guides_are_in_the_order_of_the_table_of_contents(tmp_path: Path) -> None:
    index = (copied(tmp_path, "# Guide\n") / "index.md").read_text().splitlines()
    assert [line for line in index if line.startswith("docs/")] == ["docs/index", "docs/guide", "docs/a"]
