# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of rules, and its pages."""

from __future__ import annotations

import re

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.rules import RULES

from dev import rules


def test_the_pages_are_those_of_the_code() -> None:
    expected = rules.pages()
    present = {*(rules.DOCS / "rules").iterdir(), rules.DOCS / rules.TABLE}
    assert present == set(expected)
    for path, text in expected.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run make rules"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_line_of_an_example_is_indented(rule) -> None:
    page = rules.pages()[rules.DOCS / "rules" / f"{rule.id}.md"]
    shown = page.partition("## Example\n\n")[2].partition("\n\nSee also")[0].splitlines()
    assert shown == [f"    {line}" for line in rule.example.splitlines()]


def test_writing_pages_adds_missing_ones_and_removes_obsolete_ones(tmp_path) -> None:
    (tmp_path / "reference").mkdir()
    (tmp_path / rules.TABLE).write_text("# Rules\n\n" + rules.HEADER + "| old |\n")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/GD000.md").write_text("")
    rules.write(tmp_path)
    assert {path.stem for path in (tmp_path / "rules").iterdir()} == {rule.id for rule in RULES}
    assert "| old |" not in (tmp_path / rules.TABLE).read_text()


def test_identifiers_are_of_one_rule() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    # The first published identifiers keep their meaning.
    first = {"GD101", "GD102", "GD103", "GD201", "GD202", "GD203", "GD204", "GD205", "GD301", "GD401", "GD402", "GD901"}
    assert first <= {rule.id for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_has_all_texts_of_its_page(rule) -> None:
    assert re.fullmatch(r"GD\d{3,4}", rule.id)
    assert rule.severity in ("note", "warning", "error")
    assert all(text.strip() == text for text in (rule.title, rule.impact, rule.why, rule.fix, rule.example))
    assert min(map(len, (rule.title, rule.impact, rule.why, rule.fix, rule.example))) > 10
