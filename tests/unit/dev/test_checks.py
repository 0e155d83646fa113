# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every group of checks has a command, which the help and the pages list and a workflow runs."""

from __future__ import annotations

import re

import pytest
import yaml

from dev.__main__ import COMMANDS, HELP
from dev.checkout import ROOT
from dev.checks import CHECKS, QUICK

# A command runs the same tests with their coverage.
GROUPS = {check.group for check in CHECKS} - {QUICK, "unit tests"}


def test_every_command_is_a_target_with_a_line_of_help() -> None:
    assert set(re.findall(r"^make (\S+)", HELP, re.MULTILINE)) == set(COMMANDS)
    declared = re.search(r"^COMMANDS := (.*)$", (ROOT / "Makefile").read_text().replace("\\\n", " "), re.MULTILINE)
    assert declared
    assert set(declared[1].split()) == {"help", *COMMANDS}


def test_every_group_is_a_command() -> None:
    assert set(COMMANDS) >= GROUPS


def test_workflows_run_every_group() -> None:
    checks, molecule = (
        yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text())["jobs"][name]
        for name in ("checks", "molecule")
    )
    assert {"run": "make molecule"} in molecule["steps"]
    assert {"molecule", *checks["strategy"]["matrix"]["command"]} == GROUPS


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/development/testing.md"])
def test_tables_of_commands_have_the_groups(page: str) -> None:
    listed = set(re.findall(r"^\| `make (\S+)` \|", (ROOT / page).read_text(), re.MULTILINE))
    assert listed >= (GROUPS if "testing" in page else GROUPS - {"lint"}) | {"check", "test"}
