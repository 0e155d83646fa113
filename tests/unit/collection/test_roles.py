# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every role's defaults equal what its argument_specs.yml promises."""

from __future__ import annotations

import pathlib

import pytest
import yaml

ROLES = sorted((pathlib.Path(__file__).parents[3] / "roles").iterdir())


def load(path):
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_defaults_equal_argument_specs(role):
    options = load(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    promised = {name: option["default"] for name, option in options.items() if "default" in option}
    defaults = load(role / "defaults/main.yml")
    # antsibull-docs rejects a template where a list of dictionaries is expected: its description explains it instead.
    templates = {name for name, value in defaults.items() if options[name].get("elements") == "dict" and "{{" in value}
    assert {name: value for name, value in defaults.items() if name not in templates} == promised


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_variables_carry_the_roles_name(role):
    names = set(load(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"])
    assert names
    assert all(name.startswith(role.name + "_") for name in names)
