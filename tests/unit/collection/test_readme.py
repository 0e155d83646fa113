# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README and the table of contents lead to every page, and every link to a file; texts name existing variables."""

from __future__ import annotations

import ast
import pathlib
import re
import typing as t

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[3]
DOCS = ROOT / "docs"
REFERENCE = (DOCS / "reference/contents.md").read_text()
NAMES = [
    *(path.name for path in (ROOT / "roles").iterdir()),
    *(
        path.stem
        for directory in ("playbooks", "plugins/modules")
        for path in (ROOT / directory).iterdir()
        if path.is_file()
    ),
]
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
SPECS = [yaml.safe_load(path.read_text())["argument_specs"] for path in ROOT.glob("roles/*/meta/argument_specs.yml")]
VARIABLES = {name for spec in SPECS for entry in spec.values() for name in entry.get("options", {})}
# Variables of playbooks, and registered results.
RESULTS = {
    f"{name}_result"
    for name in ("debugger", "drift", "environment", "language_server", "remote_access", "tools", "workspace")
}
OTHER_VARIABLES = {"bundle_builder", "bundle_made", "debugger_tls_result", "devserver_plan", *RESULTS}
OTHER_VARIABLES |= {"remote_access_client_keys"}
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))
# Strings in the code that have a variable's form: attributes of Python's ssl.SSLCertVerificationError, and of a user.
OTHER_STRINGS = {"verify_code", "workspace_settings"}
# The prefixes of the roles. Not a part of a path, of a file's name or of an identifier.
VARIABLE = re.compile(
    r"(?<![\w/.-])(?:devserver|toolchain|tools|bundle|trust|environment|language_server|debugger|drift|verify"
    r"|remote_access|support_bundle|workspace)_[a-z0-9_]+\b(?![/.(-])"
)


@pytest.mark.parametrize("name", sorted(set(NAMES)))
def test_every_role_playbook_and_module_has_a_line_in_a_table(name: str) -> None:
    assert f"\n| `{name}` |" in REFERENCE


def linked_files(page: pathlib.Path) -> set[pathlib.Path]:
    """Return the files of the repository that a page links to."""
    targets = re.findall(r"\]\((?![a-z]+:|#)([^)#\s]+)", page.read_text())
    return {(page.parent / target).resolve() for target in targets}


@pytest.mark.parametrize(
    "page", sorted(path for path in DOCS.rglob("*.md") if path.parent != DOCS / "rules"), ids=lambda page: page.stem
)
def test_every_page_is_linked(page: pathlib.Path) -> None:
    linked = linked_files(ROOT / "README.md") | linked_files(DOCS / "index.md")
    assert page in linked | {DOCS / "index.md"}


def test_the_readme_leads_to_the_table_of_contents() -> None:
    assert DOCS / "index.md" in linked_files(ROOT / "README.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_leads_to_a_file(page: pathlib.Path) -> None:
    assert [path for path in linked_files(page) if not path.exists()] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=lambda page: page.stem)
def test_every_variable_exists(page: pathlib.Path) -> None:
    assert set(VARIABLE.findall(page.read_text())) <= VARIABLES | OTHER_VARIABLES


def literals_in(path: pathlib.Path) -> list[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def keys_in(value: t.Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(keys_in, value.values()))
    return set().union(*map(keys_in, value)) if isinstance(value, list) else set()


def documented_names() -> set[str]:
    """Return the options and results of all modules."""
    texts = [text for path in PLUGINS if path.parent.name == "modules" for text in literals_in(path)]
    return keys_in([yaml.safe_load(text) for text in texts if re.match(r"\n(---\n)?[a-z_0-9]+:", text)])


def test_strings_of_the_code_name_variables_that_users_can_set() -> None:
    known = VARIABLES | OTHER_VARIABLES | OTHER_STRINGS | documented_names()
    used = {path: set().union(*map(VARIABLE.findall, literals_in(path))) for path in PLUGINS}
    assert {str(path.relative_to(ROOT)): names - known for path, names in used.items() if names - known} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_example_is_yaml(page: pathlib.Path) -> None:
    for example in re.findall(r"^ *```yaml\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE):
        assert yaml.safe_load(example)
