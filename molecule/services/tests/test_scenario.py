# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the other tests of this scenario need: users who log in, and a service that they can work on."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def compiled(compile_once):
    compile_once("cd service && go build ./...", "alice", "bob")


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("user", ["alice", "bob"])
def test_everybody_builds_the_service(run_as, user):
    modules = run_as(user, "cd service && go build -o /dev/null ./... && go list -m").splitlines()
    assert len(modules) > 1
