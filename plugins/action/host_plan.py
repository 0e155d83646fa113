# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collects what the roles of the play declare, and plans all of them by one call of the module host_plan.

Only the controller knows the roles, their variables and what Ansible templates into the options of their tasks. Only
the host knows what would change there.
"""

from __future__ import annotations

import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.playbook.block import Block
from ansible.plugins.action import ActionBase
from ansible.template import Templar
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._plan.host_plan import MODULES, RolePlan, plan_role
from ansible_collections.gopherops.devserver.plugins.plugin_utils.declared_bundle import open_declared_bundle

_Result = t.Dict[str, t.Any]
_COLLECTION = "gopherops.devserver."
_VALIDATION = "ansible.builtin.validate_argument_spec"
_BUNDLE = "go_bundle_unpack"


class _Role(t.NamedTuple):
    """The tasks of a role that the host plans, each with its ``module`` and ``args``, and what is planned here."""

    name: str
    tasks: list[_Result]
    local: RolePlan


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible ships no types: its classes are Any
    """The action of the task; not to be run asynchronously."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: t.Any = None, task_vars: _Result | None = None) -> _Result:
        """Return the roles to run, and the reasons by role."""
        result: _Result = super().run(tmp, task_vars)
        self._vars = task_vars or {}
        self._play = _play_of(self._task)
        try:
            result.update(self._plan([self._collect(role) for role in self._play.get_roles()]))
        except DevserverError as error:
            result.update(error.result(), failed=True)
        except OSError as error:
            result.update(failed=True, msg=f"cannot read a file on the controller: {error}")
        return result

    def _plan(self, roles: list[_Role]) -> _Result:
        """Plan on the host, and add what is planned here."""
        tasks = [{"role": role.name, "tasks": role.tasks} for role in roles if role.tasks]
        result: _Result = self._execute_module(module_args={"roles": tasks}, task_vars=self._vars)
        errors = [error for role in roles for error in role.local.errors] + result.get("errors", [])
        if errors:
            return dict(result, failed=True, errors=errors, msg="\n".join(error["msg"] for error in errors))
        if result.get("failed"):
            return result
        there = result["reasons"]
        for role in roles:
            if role.name in there:
                self._verify_bundle(role.tasks)
        reasons = {role.name: [*role.local.reasons, *there.get(role.name, [])] for role in roles}
        names = [role.name for role in roles if role.tasks or role.local.reasons]
        first = next((place for place, name in enumerate(names) if reasons[name]), len(names))
        return dict(result, reasons={name: own for name, own in reasons.items() if own}, roles=names[first:])

    def _verify_bundle(self, tasks: list[_Result]) -> None:
        """Verify all that a host needs of a bundle. Raises DevserverError for a damaged one."""
        for task in tasks:
            if task["module"] == _BUNDLE:
                copy = self._task.copy()
                copy.args = {name: value for name, value in task["args"].items() if name != "_delivery"}
                copy.check_mode = True
                action = self._shared_loader_obj.action_loader.get(
                    f"{_COLLECTION}{_BUNDLE}",
                    task=copy,
                    connection=self._connection,
                    play_context=self._play_context,
                    loader=self._loader,
                    templar=self._templar,
                    shared_loader_obj=self._shared_loader_obj,
                )
                result = action.run(task_vars=self._vars)
                if result.get("failed"):
                    raise DevserverError(result["msg"])

    def _collect(self, role: t.Any) -> _Role:
        """Validate a role's variables for this host, and return its tasks that the tags of the run select."""
        name = role.get_name(include_role_fqcn=False)
        collected = _Role(name, [], RolePlan(name))
        for task in _tasks_in(role.compile(play=self._play)):
            module = task.action[len(_COLLECTION) :] if task.action.startswith(_COLLECTION) else ""
            if module in MODULES or task.action == _VALIDATION:
                variables = self._variables_of(task)
                if task.evaluate_tags(self._play.only_tags, self._play.skip_tags, all_vars=variables):
                    templar = Templar(loader=self._loader, variables=variables)
                    self._add(collected, task, module, templar)
        if collected.tasks:
            # The last task has the role's own variables.
            self._add_declared(collected, templar)
        return collected

    def _variables_of(self, task: t.Any) -> _Result:
        manager = self._task.get_variable_manager()
        host = manager._inventory.get_host(self._vars["inventory_hostname"])
        variables: _Result = manager.get_vars(play=self._play, host=host, task=task)
        return variables

    def _add(self, collected: _Role, task: t.Any, module: str, templar: Templar) -> None:
        if not module:
            _validate_variables(task.args, templar)
            return
        args = templar.template(task.args)
        if module == _BUNDLE and args.get("file"):
            with open_declared_bundle(args) as (bundle, _signer):
                args["_delivery"] = {"sha256": bundle.sha256, "report_missing": True}
        if task.delegate_to:
            plan = plan_role(collected.name, [{"module": module, "args": args}])
            collected.local.reasons.extend(plan.reasons)
            collected.local.errors.extend(plan.errors)
        else:
            collected.tasks.append({"module": module, "args": args})

    def _add_declared(self, collected: _Role, templar: Templar) -> None:
        """Add what the role itself finds on the controller: the lists <role>_plan_reasons and <role>_plan_errors."""
        variables = templar.available_variables
        collected.local.reasons.extend(templar.template(variables.get(f"{collected.name}_plan_reasons", [])))
        errors = templar.template(variables.get(f"{collected.name}_plan_errors", []))
        collected.local.errors.extend({"role": collected.name, "msg": text} for text in errors)


def _play_of(task: t.Any) -> t.Any:
    parent = task._parent
    while not isinstance(parent, Block):
        parent = parent._parent
    return parent._play


def _tasks_in(blocks: t.Iterable[t.Any]) -> t.Iterator[t.Any]:
    """Return the tasks of static blocks; what is included at run time is not known yet."""
    for part in blocks:
        if isinstance(part, Block):
            yield from _tasks_in([*part.block, *part.rescue, *part.always])
        else:
            yield part


def _validate_variables(args: _Result, templar: Templar) -> None:
    """Validate a role's variables by its argument spec. Raises DevserverError."""
    spec = args["argument_spec"]
    declared = {name: value for name, value in templar.available_variables.items() if name in spec}
    values = {**templar.template(declared), **args.get("provided_arguments", {})}
    messages = ArgumentSpecValidator(spec).validate(values).error_messages
    if messages:
        role = args["validate_args_context"]["name"]
        raise DevserverError(
            f"invalid variables of the role {role}: {'; '.join(messages)}",
            expected=f"variables as 'ansible-doc -t role {_COLLECTION}{role}' lists them",
            remedy="correct these variables in the inventory or the play",
        )
