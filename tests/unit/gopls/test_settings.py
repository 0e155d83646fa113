# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings validated against the schema of a real gopls, and workarounds matched to versions."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._editor.settings import validate
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.settings import (
    Schema,
    read_schema,
    validate_settings,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.workarounds import (
    KNOWN,
    Workaround,
    match_workarounds,
)


@pytest.fixture(scope="session")
def schema(gopls: str) -> Schema:
    return read_schema(gopls)


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
def test_known_settings_are_valid(schema: Schema, settings: dict[str, t.Any]) -> None:
    assert validate_settings(settings, schema) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"ui.diagnostic.staticchek": True},
            r"ui\.diagnostic\.staticchek is not a setting.*did you mean ui\.diagnostic\.staticcheck\?",
        ),
        ({"diagnostic.staticcheck": True}, r"did you mean ui\.diagnostic\.staticcheck\?"),
        ({"Staticcheck": True}, r"did you mean ui\.diagnostic\.staticcheck\?"),
        ({"experimentalWorkspaceModule": True}, "experimentalWorkspaceModule is not a setting of this gopls"),
        ({"experimental.moduleGraphRebuildOnFileChange": True}, "is not a setting"),
        ({"xyz": 1}, r"xyz is not a setting of this gopls\."),
        ({"analyses": {"SA40060": False}}, r"analyses\.SA40060 is not a known key"),
        ({"analyses": {"SA4006": "no"}}, r"analyses\.SA4006 must be true or false, got 'no'"),
        ({"codelenses": {"SA4006": False}}, r"codelenses\.SA4006 is not a known key"),
        ({"staticcheck": "yes"}, "staticcheck must be true or false, got 'yes'"),
        ({"gofumpt": 1}, "gofumpt must be true or false, got 1"),
        ({"buildFlags": "-tags=x"}, "must be a list of strings"),
        ({"buildFlags": [1]}, "must be a list of strings"),
        ({"completionBudget": "soon"}, "must be a duration"),
        ({"matcher": "fuzzy"}, "must be CaseInsensitive.*, got 'fuzzy'"),
        (
            {"analyses": {"unusedparam": True}},
            r"unusedparam is not a known key \(did you mean unusedparams\?\)",
        ),
        ({"analyses": {"unusedparams": "off"}}, "must be true or false"),
        ({"analyses": ["unusedparams"]}, "must be an object"),
        ({"env": {"GOFLAGS": 1}}, r"env\.GOFLAGS must be a string, got 1"),
        ({"local": ["x"]}, "must be a string"),
        ({"staticcheck": True, "ui.diagnostic.staticcheck": False}, "are the same setting"),
    ],
)
def test_settings_that_gopls_would_reject_are_named(schema: Schema, settings: dict[str, t.Any], message: str) -> None:
    with pytest.raises(DevserverError, match=message):
        validate_settings(settings, schema)


def test_the_vulnerability_check_of_the_extension_is_one_that_gopls_knows(schema: Schema) -> None:
    """gopls 0.16 has no Prompt, which is the extension's default from 0.52 on."""
    for value in ("Imports", "Off"):
        assert validate({"go.diagnostic.vulncheck": value}, "editor_settings", "0.57.2", lambda: schema) == []
    with pytest.raises(DevserverError, match=r"ui\.diagnostic\.vulncheck must be .*, got 'Prompt'") as caught:
        validate({"go.diagnostic.vulncheck": "Prompt"}, "editor_settings", "0.57.2", lambda: schema)
    assert "correct editor_settings" in str(caught.value)


def test_all_problems_are_reported_at_once(schema: Schema) -> None:
    with pytest.raises(DevserverError) as raised:
        validate_settings({"staticchek": True, "gofumpt": 1, "semanticTokens": True}, schema)
    assert len(raised.value.details["rejected"]) == 2


@pytest.mark.parametrize("name", ["memoryMode", "build.memoryMode", "build.allowImplicitNetworkAccess"])
def test_deprecated_settings_are_reported(schema: Schema, name: str) -> None:
    value = "" if "memory" in name else True
    (message,) = validate_settings({name: value}, schema)
    assert message.startswith(f"{name}: ")


@pytest.mark.parametrize("text", ["exit 3", "echo nothing", "echo '{}'", 'echo \'{"Options": {"User": [1]}}\''])
def test_a_binary_without_a_schema_is_named(tmp_path: pathlib.Path, text: str) -> None:
    program = tmp_path / "gopls"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    with pytest.raises(DevserverError, match="does not list the settings"):
        read_schema(str(program))


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
        ("v0.16.1", "go1.22.5", ["range-over-integer-crash-1.22.5"]),
        ("v0.16.2", "go1.22.6", []),
    ],
)
def test_a_known_workaround_applies_to_the_affected_versions_only(gopls: str, go: str, names: list[str]) -> None:
    assert [entry.name for entry in match_workarounds("gopls", gopls, go)[0]] == names


@pytest.mark.parametrize(
    ("bounds", "matches"),
    [(">=0.16.0 <0.17", True), ("0.16", True), ("v0.16.2", True), ("<0.16.2", False), ("0.1", False), ("", True)],
)
def test_an_entry_of_the_play_is_applied_or_obsolete(bounds: str, matches: bool) -> None:
    entry = Workaround("own", "a fault", gopls=bounds, settings={"staticcheck": False})
    assert match_workarounds("gopls", "v0.16.2", "go1.22.12", [entry]) == (([entry], []) if matches else ([], [entry]))


def test_invalid_version_bounds_are_rejected() -> None:
    with pytest.raises(DevserverError, match=r"workaround own must have version bounds .* got 'before 0\.16'"):
        match_workarounds("gopls", "v0.16.2", "go1.22.12", [Workaround("own", "a fault", gopls="before 0.16")])


def test_every_known_workaround_has_an_effect_and_names_its_report() -> None:
    assert all("(" in entry.reason and (entry.settings or entry.environment or entry.pin) for entry in KNOWN)
