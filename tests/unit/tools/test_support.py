# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The known-good versions of tools, and the versions that do not support a Go."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.known_good import PACKAGES, SETS, SUPPORT
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.support import incompatibility, known_good

DLV = PACKAGES["dlv"]


@pytest.mark.parametrize(
    ("version", "go", "limits"),
    [
        ("v1.23.1", "go1.24.0", "1.21 to 1.23"),
        ("v1.23.1", "go1.20.14", "1.21 to 1.23"),
        ("v1.21.0", "go1.22.1", "1.18 to 1.21"),
        ("v1.21.2", "go1.18.1", "1.19 to 1.21"),
        ("v1.25.0", "go1.25.0", "1.21 to 1.24"),
        ("v1.25.1", "go1.21.0", "1.22 to 1.25"),
        ("v1.27.3", "go1.28rc1", "1.25 to 1.27"),
    ],
)
def test_a_dlv_that_does_not_support_the_go_is_named(version: str, go: str, limits: str) -> None:
    problem = incompatibility(DLV, version, go)
    assert limits in problem
    assert version in problem
    assert go in problem


@pytest.mark.parametrize(
    ("package", "version", "go"),
    [
        (DLV, "v1.23.1", "go1.22.12"),
        (DLV, "v1.23.1", "go1.21.0"),
        (DLV, "v1.23.1", "go1.23rc2"),
        (DLV, "v1.19.0", "go1.26.0"),
        (DLV, "v1.28.0", "go1.20.0"),
        (DLV, "v1.23.1", "devel go1.30-abc"),
        (DLV, "v1.23.1", ""),
        ("golang.org/x/tools/gopls", "v0.23.0", "go1.30.0"),
        ("golang.org/x/tools/gopls", "v0.18.1", "go1.23.4"),
        ("example.com/x", "v1.0.0", "go1.23.4"),
    ],
)
def test_unknown_combinations_are_accepted(package: str, version: str, go: str) -> None:
    assert incompatibility(package, version, go) == ""


@pytest.mark.parametrize(
    ("name", "version", "go", "supported", "fit"),
    [
        ("gopls", "v0.16.2", "go1.26.8", "Go 1.19 to 1.24", "gopls v0.19.0 or later, before v0.24.0"),
        ("gopls", "v0.18.1", "go1.23.3", "Go 1.23.4 to 1.24", "gopls v0.14.0 or later, before v0.18.0"),
        ("gopls", "v0.20.0", "go1.22.12", "Go 1.24.2 or later", "gopls v0.14.0 or later, before v0.17.0"),
        ("dlv", "v1.23.1", "go1.26.8", "Go 1.21 to 1.23", "dlv v1.26.0 or later, before v1.28.0"),
        ("dlv", "v1.26.0", "go1.17.1", "Go 1.24 to 1.26", "no known dlv"),
        ("staticcheck", "v0.8.2", "go1.25.5", "Go 1.26 or later", "staticcheck v0.6.0 or later, before v0.8.0"),
    ],
)
def test_both_ranges_are_named(name: str, version: str, go: str, supported: str, fit: str) -> None:
    problem = incompatibility(PACKAGES[name], version, go)
    assert problem.startswith(f"{name} {version} supports {supported}, but {go} builds it; {go} is supported by {fit}")


@pytest.mark.parametrize("minor", SETS)
@pytest.mark.parametrize("name", PACKAGES)
def test_every_known_good_version_supports_its_go(name: str, minor: str) -> None:
    version = known_good(PACKAGES[name], f"go{minor}.99")
    assert version == SETS[minor][name]
    assert incompatibility(PACKAGES[name], version, f"go{minor}.99") == ""


def test_the_manual_has_the_same_table() -> None:
    manual = (pathlib.Path(__file__).parents[3] / "docs/reference/tools.md").read_text()
    assert "| Go | {} |\n".format(" | ".join(PACKAGES)) in manual
    for minor, versions in SETS.items():
        assert "| {} | {} |\n".format(minor, " | ".join(versions.values())) in manual


@pytest.mark.parametrize("name", PACKAGES)
def test_lines_of_the_table_are_in_order(name: str) -> None:
    since = [tuple(map(int, line[0].split("."))) for line in SUPPORT[name]]
    assert since == sorted(set(since))


@pytest.mark.parametrize(
    ("package", "go"), [(DLV, "go1.20.14"), (DLV, "go1.28.0"), (DLV, "devel go1.30-abc"), ("example.com/x", "go1.22.1")]
)
def test_a_version_has_to_be_declared_if_none_is_known_good(package: str, go: str) -> None:
    with pytest.raises(DevserverError, match="without a version") as caught:
        known_good(package, go)
    assert "1.21 to 1.27" in caught.value.expected
    assert go in str(caught.value)
