# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collects what the roles of the play declare, and plans all of them by one call of the module host_plan.

Only the controller knows the roles, their variables and what Ansible templates into the options of their tasks. Only
the host knows what would change there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ansible.errors import AnsibleError
from ansible.executor import module_common
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.playbook.block import Block
from ansible.template import Templar

from ..module_utils._core.errors import DevserverError
from ..module_utils._core.redaction import presentable, without_secrets
from ..module_utils._plan.host_plan import MODULES, RolePlan, join_messages, plan_role, secrets_of
from ..plugin_utils.actions import DevserverAction, Result
from ..plugin_utils.declared_bundle import open_declared_bundle
from ..plugin_utils.evaluation import ONE_VARIABLE, evaluate, evaluate_options, evaluate_variables, resolve_aliases
from ..plugin_utils.role_variables import find_misspelt, find_problems

_COLLECTION = "gopherops.devserver."
_VALIDATION = "ansible.builtin.validate_argument_spec"
_BUNDLE = "go_bundle_unpack"
_INCLUDE_ROLE = ("include_role", "ansible.builtin.include_role")
_CONTROLLER = ("localhost", "127.0.0.1", "::1")


@dataclasses.dataclass
class _Role:
    """A role of the play: its ``tasks`` for the host, each with ``module`` and ``args``, and what is planned here.

    ``variables`` are the names of variables that are an option's whole value, by module and option. ``secrets`` are
    values that must not be shown. ``selected`` is whether the tags of the run select any of its tasks.
    """

    plan: RolePlan
    tasks: list[Result] = dataclasses.field(default_factory=list)
    variables: dict[tuple[str, str], str] = dataclasses.field(default_factory=dict)
    secrets: set[str] = dataclasses.field(default_factory=set)
    planned: bool = False
    selected: bool = False

    @property
    def name(self) -> str:
        return self.plan.role


class ActionModule(DevserverAction):
    """The action of the task."""

    def _run(self) -> Result:
        """Return the roles to run, and the reasons by role."""
        self._play = _play_of(self._task)
        # Roles that share variables are validated once.
        self._validated: set[str] = set()
        # With invalid variables, the modules would report the same again for each of their options.
        self._has_invalid_variables = False
        roles: dict[str, _Role] = {}
        for role in self._play.get_roles():
            # What import_role adds is a part of the role that imports it.
            if not role.from_include:
                name = role.get_name(include_role_fqcn=False)
                self._collect(role, roles.setdefault(name, _Role(RolePlan(name))))
        return self._plan(list(roles.values()))

    def _collect(self, role: t.Any, collected: _Role) -> None:
        """Add what a role declares for this host, in the tasks that the tags of the run select."""
        unplanned = []
        templar_of_role = None
        for task in _tasks_in(role.compile(play=self._play)):
            module = _planned_module(task)
            if not module and task.action != _VALIDATION:
                unplanned.append(task)
                continue
            variables = self._variables_of(task)
            if not self._is_selected(task, variables):
                continue
            templar = Templar(loader=self._loader, variables=variables)
            # An imported role has variables of its own.
            if module and task._role.get_name() == role.get_name():
                templar_of_role = templar
            collected.planned = collected.planned or bool(module)
            with _collecting_errors(collected, f"the task {task.get_name()}"):
                if not module:
                    self._validate_variables(collected, task, templar)
                elif not self._has_invalid_variables:
                    self._add_task(collected, task, module, templar)
        if templar_of_role and not self._has_invalid_variables:
            with _collecting_errors(collected, f"{collected.name}_plan_reasons or {collected.name}_plan_errors"):
                _add_declared(collected, templar_of_role)
        collected.selected = collected.planned or any(
            self._is_selected(task, self._variables_of(task)) for task in unplanned
        )

    def _variables_of(self, task: t.Any) -> Result:
        manager = self._task.get_variable_manager()
        host = manager._inventory.get_host(self._vars["inventory_hostname"])
        variables: Result = manager.get_vars(play=self._play, host=host, task=task)
        return resolve_aliases(variables, variables)

    def _is_selected(self, task: t.Any, variables: Result) -> bool:
        """Return whether the tags of the run select a task."""
        return bool(task.evaluate_tags(self._play.only_tags, self._play.skip_tags, all_vars=variables))

    def _add_task(self, collected: _Role, task: t.Any, module: str, templar: Templar) -> None:
        """Add a task of one of MODULES with its options; plan it here if it is delegated to the controller."""
        if task.loop:
            raise DevserverError(
                f"the task {task.get_name()} has a loop, which cannot be planned",
                expected="one call of the module with a list",
                remedy="remove the loop, or run the role without host_plan",
            )
        options = _with_defaults(task, templar)
        args = evaluate_options(task.get_name(), options, templar)
        matches = {name: ONE_VARIABLE.match(str(value)) for name, value in options.items()}
        collected.variables.update({(module, name): match.group(1) for name, match in matches.items() if match})
        if module == _BUNDLE and args.get("file") and args.get("state") != "absent":
            with open_declared_bundle(args) as (bundle, _signer):
                args["_delivery"] = {"sha256": bundle.sha256, "report_missing": True}
        planned = {"module": module, "args": args}
        collected.secrets |= secrets_of([planned])
        if task.delegate_to:
            _plan_on_controller(collected, planned, str(templar.template(task.delegate_to)))
        else:
            collected.tasks.append(planned)

    def _validate_variables(self, collected: _Role, task: t.Any, templar: Templar) -> None:
        """Validate a role's variables by its argument spec."""
        spec, parameters = task.args["argument_spec"], evaluate(task.args.get("provided_arguments", {}), templar)
        role = task._role.get_name()
        if not parameters and role in self._validated:
            return
        self._validated.add(role)
        variables = {**templar.available_variables, **parameters}
        values, errors = evaluate_variables({name: variables[name] for name in spec if name in variables}, templar)
        collected.secrets |= {str(values[name]) for name in values if spec[name].get("no_log")}
        problems = [problem for name, value in values.items() for problem in find_problems(name, spec[name], value)]
        messages = ArgumentSpecValidator(spec).validate(values).error_messages
        # Roles of others get what Ansible accepts.
        if role.startswith(_COLLECTION) or messages:
            errors += problems or [_error_of_spec(role, messages)] if problems or messages else []
        collected.plan.errors += [dict(error.result(), role=collected.name) for error in errors]
        self._has_invalid_variables = self._has_invalid_variables or bool(errors)

    def _plan(self, roles: list[_Role]) -> Result:
        """Plan on the host, and add what is planned here."""
        tasks = [{"role": role.name, "tasks": role.tasks} for role in roles if role.tasks]
        result: Result = {"changed": False, "reasons": {}}
        if tasks:
            result = self._execute_module(module_args={"roles": tasks}, task_vars=self._vars)
        host_reasons = result.get("reasons", {})
        for role in roles:
            role.plan.reasons += host_reasons.get(role.name, [])
            if role.name in host_reasons:
                self._verify_bundle(role)
        secrets = set[str]().union(*(role.secrets for role in roles))
        errors = [
            presentable(dict(error, msg=without_secrets(error["msg"], secrets)), secrets)
            for role in roles
            for error in role.plan.errors
        ]
        variables = {role.name: role.variables for role in roles}
        errors += [_with_variable(error, variables[error["role"]]) for error in result.get("errors", [])]
        warnings = [
            *result.pop("plan_warnings", []),
            *(presentable(text, secrets) for role in roles for text in role.plan.warnings),
            *map(_describe_unplanned, _roles_in_tasks(self._play)),
            *self._find_misspelt(),
        ]
        if boolean(self._templar.template(self._vars.get("devserver_strict", False)), strict=False):
            errors += [{"role": "", "msg": text} for text in warnings]
        if errors:
            # Ansible shows it in place of the message, and it has the errors of one module alone.
            result.pop("exception", None)
            return dict(result, failed=True, errors=errors, msg=join_messages(errors))
        if result.get("failed"):
            return result
        reasons = {role.name: [without_secrets(text, secrets) for text in role.plan.reasons] for role in roles}
        return dict(
            result,
            reasons={name: texts for name, texts in reasons.items() if texts},
            roles=_roles_to_run(roles),
            warnings=[*result.get("warnings", []), *warnings],
        )

    def _find_misspelt(self) -> list[str]:
        """Return warnings of variables that no role knows, and whose names are similar to those of known ones."""
        internal = {
            name
            for role in self._play.get_roles()
            for name in (*role.get_vars(include_params=False), *role.get_default_vars())
        }
        return find_misspelt(self._vars.keys() - internal)

    def _verify_bundle(self, role: _Role) -> None:
        """Verify all that a host needs of a bundle, so that a damaged one is an error of the plan."""
        for task in role.tasks:
            if task["module"] == _BUNDLE:
                result = self._check_bundle(task["args"])
                if result.get("failed"):
                    role.plan.errors.append({**result, "role": role.name, "module": _BUNDLE})

    def _check_bundle(self, args: Result) -> Result:
        """Run the task's own action in check mode, which reads what the host lacks."""
        task = self._task.copy()
        # The action runs the module of its task.
        task.action = f"{_COLLECTION}{_BUNDLE}"
        task.args = {name: value for name, value in args.items() if name != "_delivery"}
        task.check_mode = True
        action = self._shared_loader_obj.action_loader.get(
            task.action,
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        result: Result = action.run(task_vars=self._vars)
        return result


def _play_of(task: t.Any) -> t.Any:
    parent = task._parent
    while not isinstance(parent, Block):
        parent = parent._parent
    return parent._play


def _tasks_in(blocks: t.Iterable[t.Any]) -> t.Iterator[t.Any]:
    """Yield the tasks of ``blocks``.

    Tasks that are included at run time are not known yet. Those of a rescue run only after a failure.
    """
    for part in blocks:
        if isinstance(part, Block):
            yield from _tasks_in([*part.block, *part.always])
        elif not part.implicit:
            yield part


def _planned_module(task: t.Any) -> str:
    """Return the name of a task's module without its collection; empty for one that cannot be planned."""
    name: str = task.action[len(_COLLECTION) :] if task.action.startswith(_COLLECTION) else ""
    return name if name in MODULES else ""


def _roles_in_tasks(play: t.Any) -> list[str]:
    """Return the roles of the collection that the play's own tasks import or include, which are not planned."""
    names: dict[str, None] = {}
    for task in _tasks_in([*play.pre_tasks, *play.tasks, *play.post_tasks]):
        name = task.args.get("name") or task.args.get("role") if task.action in _INCLUDE_ROLE else task._role
        if name and str(name).startswith(_COLLECTION):
            names[str(name)] = None
    return list(names)


def _describe_unplanned(role: str) -> str:
    return (
        f"{role} is imported or included in the tasks of the play, so it is not part of the plan. To plan it: list it"
        " in the roles of the play; otherwise run it without a condition on the plan"
    )


def _with_defaults(task: t.Any, templar: Templar) -> Result:
    """Return a task's options, with the module_defaults of its module and of the module's action groups."""
    apply: t.Callable[..., Result] | None = getattr(module_common, "_apply_action_arg_defaults", None)
    if apply is not None:
        return apply(task.action, task, task.args, templar)
    # ansible-core before 2.19.
    groups = task._parent._play._action_groups
    args: Result = module_common.get_action_args_with_defaults(
        task.action, task.args, task.module_defaults, templar, action_groups=groups
    )
    return args


@contextlib.contextmanager
def _collecting_errors(collected: _Role, part: str) -> t.Iterator[None]:
    """Turn an error into one of the role's plan; ``part`` is what is evaluated of the role."""
    role = collected.name
    try:
        yield
    except DevserverError as error:
        collected.plan.errors.append(dict(error.result(), role=role))
    except OSError as error:
        collected.plan.errors.append({"role": role, "msg": f"cannot read a file on the controller: {error}"})
    except AnsibleError as error:
        collected.plan.errors.append({"role": role, "msg": f"{part} of the role {role} cannot be evaluated: {error}"})


def _error_of_spec(role: str, messages: t.Sequence[str]) -> DevserverError:
    return DevserverError(
        f"invalid variables of the role {role}: {'; '.join(messages)}",
        expected=f"values as in the argument spec, which ansible-doc -t role {role} shows",
        remedy="correct them in the inventory or the play",
    )


def _with_variable(error: Result, variables: t.Mapping[tuple[str, str], str]) -> Result:
    """Return an error of a module that names the variable of the play, if that is the value of the invalid option."""
    variable = variables.get((error["module"], error.get("option", "")))
    return dict(error, msg=f"{variable}, option {error['msg']}") if variable else error


def _plan_on_controller(collected: _Role, task: Result, host: str) -> None:
    if host not in _CONTROLLER:
        raise DevserverError(
            f"the task of {task['module']} is delegated to {host}",
            expected="a task for the host of the play, or for localhost",
            remedy="run the role without host_plan",
        )
    plan = plan_role(collected.name, [task])
    collected.plan.reasons += plan.reasons
    collected.plan.errors += plan.errors
    collected.plan.warnings += plan.warnings


def _add_declared(collected: _Role, templar: Templar) -> None:
    """Add what the role itself finds on the controller: the lists <role>_plan_reasons and <role>_plan_errors."""
    variables = templar.available_variables
    collected.plan.reasons += templar.template(variables.get(f"{collected.name}_plan_reasons", []))
    errors = templar.template(variables.get(f"{collected.name}_plan_errors", []))
    collected.plan.errors += [{"role": collected.name, "msg": text} for text in errors]


def _roles_to_run(roles: t.Sequence[_Role]) -> list[str]:
    """Return the first role that differs and all after it; and roles without a planned task, which may differ."""
    selected = [role for role in roles if role.selected]
    first = next((index for index, role in enumerate(selected) if role.plan.reasons), len(selected))
    return [role.name for index, role in enumerate(selected) if index >= first or not role.planned]
