# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The READMEs of the roles, the page with all variables, and their generation from argument specs."""

from __future__ import annotations

from pathlib import Path

from dev import role_pages
from dev.checkout import ROOT

SPECS = r"""
argument_specs:
  main:
    short_description: A role of the test
    description:
      - Writes O(sample_list), for M(community.crypto.x509_crl) and P(gopherops.devserver.tools#role).
    options:
      sample_list:
        description:
          - In the form of O(gopherops.devserver.tools#role:main:devserver_tools), see L(the guide,https://example.com/a).
          - V(a|b\) in /run/<name>/).
        type: list
        elements: dict
        default: []
        options:
          mode:
            description: How.
            choices: [exec, test]
            required: true
      sample_dir:
        description: Where.
        type: path
        default: /srv
  again:
    short_description: The same once more
    options: {}
"""


def page(tmp_path: Path) -> str:
    write(tmp_path, "sample", SPECS)
    return (tmp_path / "roles/sample/README.md").read_text()


def write(root: Path, role: str, specs: str) -> None:
    (root / "roles" / role / "meta").mkdir(parents=True)
    (root / "roles" / role / "meta/argument_specs.yml").write_text(specs)
    (root / role_pages.VARIABLES.parent).mkdir(parents=True, exist_ok=True)
    role_pages.write(root)


def test_the_pages_are_generated_from_the_specs() -> None:
    expected = role_pages.pages()
    roles = set((ROOT / "roles").iterdir())
    assert set(expected) == {*(role / "README.md" for role in roles), ROOT / role_pages.VARIABLES}
    for path, text in expected.items():
        assert path.is_file(), f"{path} is missing: run make rules"
        assert path.read_text(encoding="utf-8") == text, f"{path} is outdated: run make rules"


def test_options_become_rows_with_their_own_options_below(tmp_path: Path) -> None:
    lines = page(tmp_path).splitlines()
    rows = [line for line in lines if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == ["sample_list", "sample_list[].mode", "sample_dir"]
    assert rows[1] == "| `sample_list[].mode` | str | required | How.<br>One of `exec`, `test`. |"
    assert rows[2] == "| `sample_dir` | path | `/srv` | Where. |"


def test_markup_becomes_markdown(tmp_path: Path) -> None:
    text = page(tmp_path)
    assert "Writes `sample_list`, for `community.crypto.x509_crl` and `gopherops.devserver.tools`." in text
    assert (
        "In the form of `devserver_tools`, see [the guide](https://example.com/a).<br>`a\\|b) in /run/<name>/`." in text
    )


def test_a_role_without_tasks_shows_no_play(tmp_path: Path) -> None:
    assert "- hosts:" not in page(tmp_path)
    (tmp_path / "roles/sample/tasks").mkdir()
    (tmp_path / "roles/sample/tasks/main.yml").touch()
    role_pages.write(tmp_path)
    assert "    - gopherops.devserver.sample\n" in (tmp_path / "roles/sample/README.md").read_text()


def test_an_entry_point_with_other_variables_has_a_section(tmp_path: Path) -> None:
    assert page(tmp_path).endswith("\n## Entry point `again`: The same once more\n")


def test_the_page_of_variables_has_the_first_sentence_of_each_and_the_shared_ones_first(tmp_path: Path) -> None:
    write(tmp_path, "another", "argument_specs: {main: {short_description: Nothing}}")
    write(tmp_path, "sample", SPECS.replace("description: Where.", "description: Where, as C(a.b). Not here."))
    write(tmp_path, "common", SPECS.replace("sample", "shared"))
    lines = (tmp_path / role_pages.VARIABLES).read_text().splitlines()
    assert [line for line in lines if line.startswith("## ")] == ["## common", "## sample"]
    rows = [line for line in lines if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == ["shared_list", "shared_dir", "sample_list", "sample_dir"]
    assert rows[3] == "| `sample_dir` | path | `/srv` | Where, as `a.b`. |"
