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

try:
    from ansible.template import is_trusted_as_template
except ImportError:
    # ansible-core before 2.19.
    from ansible.utils.unsafe_proxy import AnsibleUnsafe

    def is_trusted_as_template(value: t.Any) -> bool:
        return not isinstance(value, AnsibleUnsafe)


# A template that is exactly one variable.
ONE_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}\Z")


def resolve_aliases(values: t.Mapping[str, t.Any], variables: t.Mapping[str, t.Any]) -> Result:
    """Return ``values`` with each template that is exactly one variable replaced by the value of that variable.

    Most options of the roles' tasks are such templates, and Ansible would compile each of them for each host. A value
    that Ansible would render or convert keeps its template.
    """
    return {name: _resolve(value, variables) for name, value in values.items()}


def _resolve(value: t.Any, variables: t.Mapping[str, t.Any]) -> t.Any:
    target, passed = value, set[str]()
    while isinstance(target, str) and (match := ONE_VARIABLE.match(target)) and is_trusted_as_template(target):
        name = match.group(1)
        if name in passed or name not in variables:
            return value
        passed.add(name)
        target = variables[name]
    return target if passed and _is_final(target) else value


def _is_final(value: t.Any) -> bool:
    """Return whether the value is the result of its own evaluation. Ansible before 2.19 reads texts as literals."""
    if isinstance(value, str):
        return "{" not in value and value[:1] != "[" and value not in ("True", "False")
    if isinstance(value, dict):
        return all(map(_is_final, [*value, *value.values()]))
    return all(map(_is_final, value)) if isinstance(value, list) else isinstance(value, (bool, int, float))


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
    for name, value in resolve_aliases(options, templar.available_variables).items():
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
