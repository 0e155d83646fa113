# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example inventory declares what the roles know, in the form that they expect."""

from __future__ import annotations

import pathlib

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

ROOT = pathlib.Path(__file__).parents[3]
GROUPS = sorted((ROOT / "inventory/group_vars").glob("*.yml"))


def options():
    specs = (yaml.safe_load(path.read_text()) for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"))
    return {name: option for spec in specs for name, option in spec["argument_specs"]["main"]["options"].items()}


@pytest.mark.parametrize("group", GROUPS, ids=lambda path: path.stem)
def test_group_vars_hold_the_roles_contracts(group):
    variables = yaml.safe_load(group.read_text())
    spec = {name: dict(option, default=None, required=False) for name, option in options().items()}
    assert ArgumentSpecValidator(spec).validate(variables).error_messages == []


def test_every_group_of_the_inventory_has_its_variables():
    groups = yaml.safe_load((ROOT / "inventory/hosts.yml").read_text())["all"]["children"]
    assert {path.stem for path in GROUPS} == {"all", *groups}
