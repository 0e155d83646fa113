# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluates expressions of the play as Ansible does when a task runs, with errors that name what is to be corrected."""

from __future__ import annotations

import re
import typing as t

from ansible.errors import AnsibleError
from ansible.template import Templar

from ..module_utils._core.errors import DevserverError
from .actions import Result


def evaluate(value: Result, templar: Templar) -> t.Any:
    """Return the value as the task would get it: ansible-core 2.16 removes what is omitted only when a task runs."""
    # Where there is no mark for it, nothing is equal to a new object.
    return _without(templar.template(value), templar.available_variables.get("omit") or object())


def _without(value: t.Any, omitted: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {name: _without(inner, omitted) for name, inner in value.items() if inner != omitted}
    return [_without(inner, omitted) for inner in value] if isinstance(value, list) else value


def evaluate_options(task: str, options: Result, templar: Templar) -> Result:
    """Return the options of a task; raise DevserverError that names an option that cannot be evaluated."""
    values: Result = {}
    for name, value in options.items():
        try:
            values.update(evaluate({name: value}, templar))
        except AnsibleError as error:
            names = [
                word for word in dict.fromkeys(re.findall(r"\w+", str(value))) if word in templar.available_variables
            ]
            raise DevserverError(
                f"the option {name} of the task {task} cannot be evaluated: {error}",
                expected="an expression that can be evaluated for this host",
                remedy=f"correct {' or '.join(names) or 'the play'}, in the inventory or the play",
            ) from error
    return values


def evaluate_variables(variables: Result, templar: Templar) -> tuple[Result, list[DevserverError]]:
    """Return the values of variables of the play, and an error for each that cannot be evaluated."""
    values: Result = {}
    errors = []
    for name, value in variables.items():
        try:
            values.update(evaluate({name: value}, templar))
        except AnsibleError as error:
            errors.append(
                DevserverError(
                    f"the variable {name} cannot be evaluated: {error}",
                    expected="a value, or an expression whose variables are all defined",
                    remedy=f"correct {name} in the inventory or the play",
                )
            )
    return values, errors
