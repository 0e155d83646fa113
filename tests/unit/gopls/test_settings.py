# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pinned gopls takes as settings, asked of a real one; and which work-arounds its version needs."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.settings import Schema, judge, schema_of
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.workarounds import KNOWN, WorkAround, matching


@pytest.fixture(scope="session")
def schema(gopls: str) -> Schema:
    return schema_of(gopls)


@pytest.mark.parametrize(
    "settings",
    [
        {"staticcheck": True},
        {"ui.diagnostic.staticcheck": True},
        {"build.directoryFilters": ["-**/node_modules"], "build.buildFlags": ["-tags=x"]},
        {"ui.completion.completionBudget": "250ms", "ui.completion.matcher": "Fuzzy"},
        {"analyses": {"unusedparams": False}, "ui.codelenses": {"test": True}},
        {"ui.diagnostic.analyses": {"SA4006": False, "S1000": True, "ST1003": True, "QF1001": False}},
        {"build.env": {"GOFLAGS": "-mod=mod"}, "ui.documentation.linksInHover": False},
    ],
)
def test_what_gopls_knows_is_taken(schema: Schema, settings: dict[str, t.Any]) -> None:
    assert judge(settings, schema) == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"ui.diagnostic.staticchek": True},
            r"ui\.diagnostic\.staticchek: .*did you mean ui\.diagnostic\.staticcheck\?",
        ),
        ({"diagnostic.staticcheck": True}, r"did you mean ui\.diagnostic\.staticcheck\?"),
        ({"Staticcheck": True}, r"did you mean ui\.diagnostic\.staticcheck\?"),
        ({"experimentalWorkspaceModule": True}, "experimentalWorkspaceModule: gopls has no such setting"),
        ({"experimental.moduleGraphRebuildOnFileChange": True}, "has no such setting"),
        ({"xyz": 1}, r"xyz: gopls has no such setting\."),
        ({"analyses": {"SA40060": False}}, r"analyses\.SA40060: no such key"),
        ({"analyses": {"SA4006": "no"}}, r"analyses\.SA4006: 'no' is not true or false"),
        ({"codelenses": {"SA4006": False}}, r"codelenses\.SA4006: no such key"),
        ({"staticcheck": "yes"}, "staticcheck: 'yes' is not true or false"),
        ({"gofumpt": 1}, "gofumpt: 1 is not true or false"),
        ({"buildFlags": "-tags=x"}, "is not a list of texts"),
        ({"buildFlags": [1]}, "is not a list of texts"),
        ({"completionBudget": "soon"}, "is not a duration"),
        ({"matcher": "fuzzy"}, "'fuzzy' is none of CaseInsensitive"),
        ({"analyses": {"unusedparam": True}}, r"analyses\.unusedparam: no such key; did you mean unusedparams\?"),
        ({"analyses": {"unusedparams": "off"}}, "is not true or false"),
        ({"analyses": ["unusedparams"]}, "is not an object"),
        ({"env": {"GOFLAGS": 1}}, r"env\.GOFLAGS: 1 is not text"),
        ({"local": ["x"]}, "is not text"),
        ({"staticcheck": True, "ui.diagnostic.staticcheck": False}, "are one setting"),
    ],
)
def test_what_gopls_would_refuse_is_refused_by_name(schema: Schema, settings: dict[str, t.Any], said: str) -> None:
    with pytest.raises(DevserverError, match=said):
        judge(settings, schema)


def test_all_that_is_wrong_is_said_at_once(schema: Schema) -> None:
    with pytest.raises(DevserverError) as refused:
        judge({"staticchek": True, "gofumpt": 1, "semanticTokens": True}, schema)
    assert len(refused.value.details["refused"]) == 2


@pytest.mark.parametrize("name", ["memoryMode", "build.memoryMode", "build.allowImplicitNetworkAccess"])
def test_what_is_deprecated_is_told(schema: Schema, name: str) -> None:
    value = "" if "memory" in name else True
    (told,) = judge({name: value}, schema)
    assert told.startswith(f"{name}: ")


@pytest.mark.parametrize("text", ["exit 3", "echo nothing", "echo '{}'", 'echo \'{"Options": {"User": [1]}}\''])
def test_a_binary_that_does_not_say_is_named(tmp_path: pathlib.Path, text: str) -> None:
    program = tmp_path / "gopls"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    with pytest.raises(DevserverError, match="does not say which settings"):
        schema_of(str(program))


@pytest.mark.parametrize(
    ("gopls", "go", "names"),
    [
        ("v0.16.2", "go1.22.12", []),
        ("v0.15.0", "go1.22.1", ["highlight-crash-0.15.0"]),
        ("v0.15.1", "go1.22.1", []),
        ("v0.15.2", "go1.20.5", ["patch-version-panic"]),
        ("v0.12.3", "go1.20.5", ["analysis-crash-0.12"]),
        ("v0.15.3", "go1.23.1", ["type-aliases-before-0.16"]),
        ("v0.16.1", "go1.23.1", []),
    ],
)
def test_a_fault_is_worked_around_in_the_versions_that_have_it(gopls: str, go: str, names: list[str]) -> None:
    assert [entry.name for entry in matching(gopls, go)[0]] == names


@pytest.mark.parametrize(
    ("bounds", "matches"),
    [(">=0.16.0 <0.17", True), ("0.16", True), ("v0.16.2", True), ("<0.16.2", False), ("0.1", False), ("", True)],
)
def test_an_entry_of_the_play_is_applied_or_told_to_be_over(bounds: str, matches: bool) -> None:
    entry = WorkAround("own", "a fault", gopls=bounds, settings={"staticcheck": False})
    assert matching("v0.16.2", "go1.22.12", [entry]) == (([entry], []) if matches else ([], [entry]))


def test_bounds_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(DevserverError, match=r"own: 'before 0\.16' are no bounds"):
        matching("v0.16.2", "go1.22.12", [WorkAround("own", "a fault", gopls="before 0.16")])


def test_every_known_one_helps_and_says_where_its_fault_is_described() -> None:
    assert all("(" in entry.reason and (entry.settings or entry.environment or entry.pin) for entry in KNOWN)
