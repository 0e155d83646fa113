# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan validates the variables of roles by their argument specs."""

from __future__ import annotations

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.gopherops.devserver.plugins.action.host_plan import _validate_variables
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError

ARGS = {
    "argument_spec": {"tools_timeout": {"type": "int"}},
    "validate_args_context": {"name": "tools"},
}


def validate(**variables: object) -> None:
    _validate_variables(ARGS, Templar(loader=DataLoader(), variables=variables))


def test_valid_and_missing_variables_are_accepted() -> None:
    validate(tools_timeout="9", other="x")
    validate()


def test_the_error_has_the_variable_and_an_action() -> None:
    with pytest.raises(DevserverError) as caught:
        validate(tools_timeout="soon")
    assert "invalid variables of the role tools: argument 'tools_timeout'" in caught.value.what
    assert "ansible-doc -t role gopherops.devserver.tools" in caught.value.expected
    assert caught.value.remedy == "correct these variables in the inventory or the play"
