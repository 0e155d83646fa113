# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether templates that are one variable are evaluated without Ansible, and only if Ansible would return the same."""

from __future__ import annotations

import typing as t

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.gopherops.devserver.plugins.plugin_utils.evaluation import (
    evaluate,
    resolve_aliases,
)

try:
    from ansible.template import trust_as_template
except ImportError:
    # ansible-core before 2.19 has marks for what is no template.
    trust_as_template = str


def trusted(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {name: trusted(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [trusted(inner) for inner in value]
    return trust_as_template(value) if isinstance(value, str) else value


VARIABLES = trusted(
    {
        "state": "present",
        "role_state": "{{ state }}",
        "task_state": "{{role_state}}",
        "spaced": " {{ state }} ",
        "users": [{"name": "alice", "variables": {"A": "1"}}],
        "exclusive": False,
        "number": "12",
        "texts": ["{{ state }}", "x"],
        "computed": "{{ state ~ 'x' }}",
        "literal": "[1, 2]",
        "truth": "True",
        "null": None,
        "first": "{{ second }}",
        "second": "{{ first }}",
    }
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("state", "present"),
        ("role_state", "present"),
        ("task_state", "present"),
        ("users", VARIABLES["users"]),
        ("exclusive", False),
        ("number", "12"),
    ],
)
def test_an_alias_has_the_value_of_its_variable(name, expected):
    option = trusted({"option": f"{{{{ {name} }}}}"})
    assert resolve_aliases(option, VARIABLES) == {"option": expected}
    assert evaluate(option, Templar(loader=DataLoader(), variables=VARIABLES)) == {"option": expected}


@pytest.mark.parametrize("name", ["spaced", "texts", "computed", "literal", "truth", "null", "first", "undefined"])
def test_ansible_evaluates_what_it_renders_converts_or_rejects(name):
    option = trusted({"option": f"{{{{ {name} }}}}"})
    assert resolve_aliases(option, VARIABLES) == option


def test_text_of_a_host_is_no_template():
    facts = {"fact": wrap_var("{{ state }}")}
    assert resolve_aliases(facts, VARIABLES) == facts
