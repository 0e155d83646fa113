# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables that Go reads."""

from __future__ import annotations

from .near_names import nearest_name

# By the go command from its own configuration file, wherever they are set. Go 1.21 to 1.27; other names in that file
# have no effect.
_NAMES = """
AR CC CGO_CFLAGS CGO_CFLAGS_ALLOW CGO_CFLAGS_DISALLOW CGO_CPPFLAGS CGO_CPPFLAGS_ALLOW CGO_CPPFLAGS_DISALLOW
CGO_CXXFLAGS CGO_CXXFLAGS_ALLOW CGO_CXXFLAGS_DISALLOW CGO_ENABLED CGO_FFLAGS CGO_FFLAGS_ALLOW CGO_FFLAGS_DISALLOW
CGO_LDFLAGS CGO_LDFLAGS_ALLOW CGO_LDFLAGS_DISALLOW CXX FC GCCGO GO111MODULE GO386 GOAMD64 GOARCH GOARM GOARM64 GOAUTH
GOBIN GOCACHE GOCACHEPROG GODEBUG GOEXPERIMENT GOFIPS140 GOFLAGS GOINSECURE GOMIPS GOMIPS64 GOMODCACHE GONOPROXY
GONOSUMDB GOOS GOPATH GOPPC64 GOPRIVATE GOPROXY GORISCV64 GOSUMDB GOTMPDIR GOTOOLCHAIN GOTOOLDIR GOVCS GOWASM PKG_CONFIG
"""
PERSISTENT_VARIABLES = frozenset(_NAMES.split())
# Only from the environment.
_ENVIRONMENT_NAMES = """
GCCGOTOOLDIR GOCOVERDIR GOENV GOGC GOMAXPROCS GOMEMLIMIT GOPLSCACHE GORACE GOROOT GOROOT_BOOTSTRAP GOROOT_FINAL
GOSSAFUNC GOTRACEBACK GOWORK GO_EXTLINK_ENABLED GO_LDFLAGS
"""
_READ = frozenset(_ENVIRONMENT_NAMES.split()) | PERSISTENT_VARIABLES
# Names that go reports itself, or that other programs use.
_OTHER_NAMES = "GO_ENV GOEXE GOGCCFLAGS GOHOSTARCH GOHOSTOS GOMOD GOPLS GOTELEMETRY GOTELEMETRYDIR GOVERSION"
_OTHERS = frozenset(_OTHER_NAMES.split())


def nearest_go_variable(name: str) -> str:
    """Return the variable that Go reads, if ``name`` looks like a misspelling of it; empty for none."""
    is_similar = name.startswith(("GO", "CGO")) and name not in _OTHERS and name not in _READ
    return nearest_name(name, _READ) if is_similar else ""
