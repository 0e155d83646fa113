# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Go a tool supports, where it builds with others too and refuses its service only later."""

from __future__ import annotations

import re

_DELVE = "github.com/go-delve/delve/cmd/dlv"
# From this delve on (later entries win): the first and the last minor version of Go 1 that it debugs. This is what
# pkg/goversion/compat.go of each release says.
_DELVE_SUPPORT = (
    ((1, 20, 0), (18, 20)),
    ((1, 21, 0), (18, 21)),
    ((1, 21, 1), (19, 21)),
    ((1, 22, 0), (19, 22)),
    ((1, 23, 0), (21, 23)),
    ((1, 24, 0), (21, 24)),
    ((1, 25, 1), (22, 25)),
    ((1, 26, 0), (24, 26)),
    ((1, 27, 0), (25, 27)),
)


def reservation(package: str, version: str, go: str) -> str:
    """Return why ``package`` at ``version`` will not do for programs of ``go``, or nothing where nothing is known."""
    parsed = re.match(r"v(\d+)\.(\d+)\.(\d+)", version)
    minor = re.match(r"go1\.(\d+)", go)
    if package != _DELVE or not parsed or not minor:
        return ""
    delve = tuple(map(int, parsed.groups()))
    known = [support for since, support in _DELVE_SUPPORT if since <= delve < (1, 28)]
    if not known or known[-1][0] <= int(minor.group(1)) <= known[-1][1]:
        return ""
    return "dlv {} debugs programs of Go 1.{} to 1.{} and refuses those of {}: declare another version of it".format(
        version, *known[-1], go
    )
