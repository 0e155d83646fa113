# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real gopls and the Go that it is built with."""

from __future__ import annotations

import os
import subprocess
import typing as t

import pytest

GO = "go1.22.12"


@pytest.fixture(scope="session")
def go_environment() -> dict[str, str]:
    """An environment with only the Go that the tools are pinned for."""
    env = dict(os.environ, GOTOOLCHAIN=GO)
    completed = subprocess.run(["go", "env", "GOROOT"], cwd="/", env=env, check=True, capture_output=True, text=True)
    path = f"{completed.stdout.strip()}/bin:{os.environ['PATH']}"
    return dict(os.environ, GOTOOLCHAIN="local", PATH=path, GOFLAGS="", GOWORK="")


@pytest.fixture(scope="session")
def gopls(go_environment: dict[str, str], tool_of: t.Callable[..., str]) -> str:
    """The gopls for that Go; a later run reuses the module cache of the first one."""
    return tool_of("gopls", GO[2:].rpartition(".")[0], go_environment)
