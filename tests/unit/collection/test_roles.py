# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each role declares the variables that it reads, and their defaults."""

from __future__ import annotations

import itertools
import pathlib
import typing as t

import jinja2
import jinja2.meta
import pytest
import yaml

ROLES = sorted((pathlib.Path(__file__).parents[3] / "roles").iterdir())
COMMON = next(role for role in ROLES if role.name == "common")
# Ansible itself defines these.
MAGIC = {
    *(
        "ansible_check_mode",
        "ansible_facts",
        "ansible_playbook_python",
        "groups",
        "hostvars",
        "inventory_dir",
        "inventory_hostname",
    ),
    *("omit", "role_path"),
}
FUNCTIONS = {"dict", "lookup", "query"}
# Keywords of a task whose values are expressions without braces.
CONDITIONS = ("when", "that", "changed_when", "failed_when", "until")


def load(path: pathlib.Path) -> t.Any:
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}


def options_of(role: pathlib.Path) -> dict[str, t.Any]:
    specs = load(role / "meta/argument_specs.yml")["argument_specs"]
    return {name: option for spec in specs.values() for name, option in spec["options"].items()}


class AnyFunction(dict[str, t.Any]):
    """The filters and tests of Ansible, which do not have to exist to find the variables of a template."""

    def get(self, _name: str, _default: t.Any = None) -> t.Any:
        return str


def names_in(templates: t.Iterable[str]) -> set[str]:
    """Return the variables that templates read and do not define themselves."""
    environment = jinja2.Environment()
    environment.filters = environment.tests = AnyFunction()
    return {name for text in templates for name in jinja2.meta.find_undeclared_variables(environment.parse(text))}


def templates_in(value: t.Any, key: str = "") -> t.Iterator[str]:
    """Return the texts of ``value`` that Ansible evaluates; a bare condition gets its braces."""
    if isinstance(value, dict):
        for inner, content in value.items():
            yield from templates_in(content, inner)
    elif isinstance(value, list):
        for content in value:
            yield from templates_in(content, key)
    elif isinstance(value, str):
        yield f"{{{{ {value} }}}}" if key in CONDITIONS else value


def defined_in(tasks: t.Any) -> set[str]:
    """Return the variables that tasks register, set as facts or as their own ``vars``."""
    if isinstance(tasks, list):
        return set().union(*map(defined_in, tasks))
    if not isinstance(tasks, dict):
        return set()
    own = {tasks["register"]} if isinstance(tasks.get("register"), str) else set()
    own |= set(tasks.get("vars") or {}) | set(tasks.get("ansible.builtin.set_fact") or {})
    own |= {"ansible_failed_result"} if "rescue" in tasks else set()
    loop = (tasks.get("loop_control") or {}).get("loop_var", "item")
    return own.union({loop} if "loop" in tasks else set(), *map(defined_in, tasks.values()))


def needs_of(role: pathlib.Path) -> list[str]:
    return [entry["role"].rpartition(".")[2] for entry in load(role / "meta/main.yml")["dependencies"]]


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_defaults_equal_argument_specs(role: pathlib.Path) -> None:
    options = options_of(role)
    promised = {name: option["default"] for name, option in options.items() if "default" in option}
    defaults = load(role / "defaults/main.yml")
    assert defaults == promised


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_variables_carry_the_roles_name(role: pathlib.Path) -> None:
    names = set(options_of(role))
    prefix = "devserver" if role == COMMON else role.name
    assert all(name.startswith(f"{prefix}_") for name in names)
    # The variables of the environment are all shared.
    assert names or role.name == "environment"


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_role_reads_only_its_own_variables_and_the_shared_ones(role: pathlib.Path) -> None:
    files = [load(path) for path in (*role.glob("tasks/*.yml"), role / "vars/main.yml", role / "defaults/main.yml")]
    # What the entry point of another role registers is part of its interface.
    used = {*needs_of(role), *(["drift"] if role.name in ("verify", "support_bundle") else [])}
    others = [one for one in ROLES if one.name in used]
    declared = [set(options_of(one)) for one in (role, *others)]
    registered = [defined_in(load(path)) for one in (role, *others) for path in one.glob("tasks/*.yml")]
    # The report compares what is declared for debug services with what runs; their memory counts in the sum of limits.
    debug_services = {
        "drift": {"debugger_services", "debugger_services_state"},
        "language_server": {
            "debugger_services",
            "debugger_services_memory",
            "debugger_services_state",
            "debugger_state",
        },
    }
    known = MAGIC.union(
        debug_services.get(role.name, ()), FUNCTIONS, *declared, *registered, load(role / "vars/main.yml")
    )
    assert names_in(itertools.chain.from_iterable(map(templates_in, files))) - known == set()


@pytest.mark.parametrize("role", [role for role in ROLES if role != COMMON], ids=lambda role: role.name)
def test_every_role_depends_on_the_shared_variables(role: pathlib.Path) -> None:
    assert needs_of(role) == ["common"]


PLAYBOOKS = sorted((COMMON.parents[1] / "playbooks").glob("*.yml"))


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: path.stem)
def test_no_playbook_lists_a_role_only_for_its_variables(playbook: pathlib.Path) -> None:
    roles = [role for play in load(playbook) for role in play.get("roles", [])]
    assert [role for role in roles if role.get("when") is False] == []


def test_no_fact_of_a_host_decides_what_the_controller_reads_and_writes() -> None:
    directories = [*(role / name for role in ROLES for name in ("tasks", "vars")), ROLES[0].parents[1] / "playbooks"]
    files = [path for directory in directories for path in directory.glob("*.yml")]
    texts = {path: path.read_text(encoding="utf-8") for path in files}
    local = [path for path in files if "delegate_to: localhost" in texts[path] or "builtin.file'," in texts[path]]
    # The variables of TLS depend on the first one, which has the condition.
    guards = ("| gopherops.devserver.without_role_variables", "debugger_tls_")
    assert len(local) > 8
    assert [path for path in local if not any(guard in texts[path] for guard in guards)] == []
