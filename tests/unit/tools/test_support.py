# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reservations about a tool and the Go that it is for."""

from __future__ import annotations

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils.tools.support import reservation

DLV = "github.com/go-delve/delve/cmd/dlv"


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
def test_a_dlv_that_does_not_know_the_go_is_named(version: str, go: str, limits: str) -> None:
    said = reservation(DLV, version, go)
    assert limits in said
    assert version in said
    assert go in said


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
        ("golang.org/x/tools/gopls", "v1.23.1", "go1.30.0"),
    ],
)
def test_there_is_no_reservation_without_knowledge(package: str, version: str, go: str) -> None:
    assert reservation(package, version, go) == ""
