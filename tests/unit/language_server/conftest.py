# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real gopls, and the Go that it goes with."""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils.tools.known_good import PACKAGES, SETS

GO = "go1.22.12"


@pytest.fixture(scope="session")
def go_environment() -> dict[str, str]:
    """The environment in which the Go that the tools are pinned for is the only one."""
    env = dict(os.environ, GOTOOLCHAIN=GO)
    done = subprocess.run(["go", "env", "GOROOT"], cwd="/", env=env, check=True, capture_output=True, text=True)
    path = f"{done.stdout.strip()}/bin:{os.environ['PATH']}"
    return dict(os.environ, GOTOOLCHAIN="local", PATH=path, GOFLAGS="", GOWORK="")


@pytest.fixture(scope="session")
def gopls(go_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The gopls that goes with that Go; a second build takes what the first one left in Go's own cache."""
    folder = tmp_path_factory.mktemp("gopls")
    package = f"{PACKAGES['gopls']}@{SETS[GO[2:].rpartition('.')[0]]['gopls']}"
    env = dict(go_environment, GOBIN=str(folder))
    subprocess.run(["go", "install", package], cwd="/", env=env, check=True, capture_output=True)
    return str(folder / "gopls")
