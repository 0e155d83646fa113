# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data: which version of a tool supports which Go. Add a new Go here, by its release notes and the go.mod files."""

from __future__ import annotations

PACKAGES = {
    "gopls": "golang.org/x/tools/gopls",
    "dlv": "github.com/go-delve/delve/cmd/dlv",
    "staticcheck": "honnef.co/go/tools/cmd/staticcheck",
    "govulncheck": "golang.org/x/vuln/cmd/govulncheck",
    "gofumpt": "mvdan.cc/gofumpt",
    "goimports": "golang.org/x/tools/cmd/goimports",
}

# The known-good versions for each minor version of Go, each built by the newest Go of that minor.
_VERSIONS = """
Go    gopls    dlv      staticcheck  govulncheck  gofumpt   goimports
1.21  v0.16.2  v1.23.1  v0.4.7       v1.0.4       v0.6.0    v0.24.1
1.22  v0.16.2  v1.23.1  v0.5.1       v1.1.4       v0.7.0    v0.30.0
1.23  v0.18.1  v1.24.2  v0.6.1       v1.1.4       v0.8.0    v0.36.0
1.24  v0.20.0  v1.25.2  v0.6.1       v1.1.4       v0.9.2    v0.42.0
1.25  v0.21.1  v1.26.2  v0.7.0       v1.7.0       v0.11.0   v0.49.0
1.26  v0.23.0  v1.27.2  v0.8.2       v1.8.0       v0.12.0   v0.52.0
1.27  v0.24.0  v1.27.2  v0.8.2       v1.8.0       v0.12.0   v0.52.0
"""
_TOOLS, *_MINORS = map(str.split, _VERSIONS.strip().splitlines())
SETS = {minor: dict(zip(_TOOLS[1:], versions)) for minor, *versions in _MINORS}

# From a version of a tool on (later lines win): the first Go that it supports, and the last minor version of Go, if it
# has a known limit. The first is the one in its go.mod; the last is set if its sources do not compile with the next.
# dlv's are those in pkg/goversion/compat.go of each release. A line without them means that nothing is known.
_RANGES = """
gopls        0.14.0  1.18    1.24
gopls        0.16.0  1.19    1.24
gopls        0.17.0  1.23.1  1.24
gopls        0.18.0  1.23.4  1.24
gopls        0.19.0  1.24.2
gopls        0.21.0  1.25
gopls        0.22.0  1.26
gopls        0.24.0  1.27
dlv          1.20.0  1.18    1.20
dlv          1.21.0  1.18    1.21
dlv          1.21.1  1.19    1.21
dlv          1.22.0  1.19    1.22
dlv          1.23.0  1.21    1.23
dlv          1.24.0  1.21    1.24
dlv          1.25.1  1.22    1.25
dlv          1.26.0  1.24    1.26
dlv          1.27.0  1.25    1.27
dlv          1.28.0
staticcheck  0.4.2   1.19    1.24
staticcheck  0.5.0   1.22.1  1.24
staticcheck  0.6.0   1.23
staticcheck  0.7.0   1.25
staticcheck  0.8.0   1.26
govulncheck  1.0.0   1.18    1.24
govulncheck  1.1.3   1.21    1.24
govulncheck  1.1.4   1.22
govulncheck  1.2.0   1.25
govulncheck  1.8.0   1.26
gofumpt      0.4.0   1.18
gofumpt      0.5.0   1.19
gofumpt      0.6.0   1.20
gofumpt      0.7.0   1.22
gofumpt      0.8.0   1.23
gofumpt      0.9.0   1.24
gofumpt      0.10.0  1.25
gofumpt      0.12.0  1.26
goimports    0.19.0  1.19
goimports    0.25.0  1.22
goimports    0.31.0  1.23
goimports    0.37.0  1.24
goimports    0.43.0  1.25
goimports    0.50.0  1.26
"""
_LINES = list(map(str.split, _RANGES.strip().splitlines()))
SUPPORT = {name: [versions for tool, *versions in _LINES if tool == name] for name in PACKAGES}
