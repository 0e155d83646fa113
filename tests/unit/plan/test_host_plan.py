# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a plan runs what differs, validates what is declared, changes nothing and shows no secret."""

from __future__ import annotations

import json
import os
import pathlib
import pwd
import sys
import typing as t

import pytest
import yaml
from ansible_collections.gopherops.devserver.plugins.module_utils._host.lock import locked_directory
from ansible_collections.gopherops.devserver.plugins.module_utils._plan.host_plan import (
    MODULES,
    find_overlaps,
    plan_role,
    secrets_of,
    without_pending,
)

from tests.support.playbooks import Playbooks

MODULE_NAME = "gopherops.devserver.kernel_parameters"
ROLES = pathlib.Path(__file__).parents[3] / "roles"
TASK_FILES = sorted(ROLES.glob("*/tasks/*.yml"))
# These write nothing on a managed host.
READERS = {"go_bundle", "go_env_drift", "go_verify", "ssh_client_config", "support_bundle"}


class Project:
    """A directory with roles, each of which keeps one file of kernel parameters, and a play that plans them.

    Roles and tasks have ``when: false``: the tests read the plan, and nothing is to run after it.
    """

    def __init__(self, root: pathlib.Path, playbooks: Playbooks) -> None:
        self.root = root
        self._playbooks = playbooks
        # Keywords of the play, and the order of the roles if it is not that of their names.
        self.play: dict[str, t.Any] = {}
        self.order: list[str] = []

    def file(self, role: str) -> pathlib.Path:
        return self.root / f"{role}.conf"

    def add(
        self, role: str, *tasks: dict[str, t.Any], options: dict[str, t.Any] | None = None, **variables: t.Any
    ) -> None:
        own = {MODULE_NAME: {"path": str(self.file(role)), "parameters": f"{{{{ {role}_parameters }}}}"}, "when": False}
        contents = {
            "tasks": list(tasks) or [own],
            "defaults": {f"{role}_parameters": {}},
            "vars": variables,
            "meta": {},
        }
        for name, content in contents.items():
            path = self.root / "roles" / role / name / "main.yml"
            path.parent.mkdir(parents=True)
            path.write_text(yaml.safe_dump(content))
        specs = {"argument_specs": {"main": {"options": {f"{role}_parameters": {"type": "dict"}, **(options or {})}}}}
        (self.root / "roles" / role / "meta/argument_specs.yml").write_text(yaml.safe_dump(specs))

    def outdate(self, role: str) -> None:
        """Write the role's file as an earlier run with other parameters has left it, so that the role differs."""
        header = "# Managed by gopherops.devserver (kernel_parameters); changes made here are lost.\n"
        self.file(role).write_text(f"{header}-vm.swappiness = 1\n")

    def plan(self, *arguments: str, **variables: t.Any) -> dict[str, t.Any]:
        """Run the play as a new process, and return the result of the plan; ``output`` is all that Ansible printed."""
        names = sorted(path.name for path in (self.root / "roles").iterdir())
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars": {"ansible_python_interpreter": sys.executable, **variables},
            "pre_tasks": [
                {"gopherops.devserver.host_plan": None, "register": "plan", "ignore_errors": True, "tags": ["always"]},
                {"ansible.builtin.debug": {"var": "plan"}, "tags": ["always"]},
            ],
            "roles": [{"role": name, "tags": [name], "when": False} for name in self.order or names],
            **self.play,
        }
        path = self.root / "play.yml"
        path.write_text(yaml.safe_dump([play]))
        _code, output = self._playbooks.run("-i", "localhost,", str(path), *arguments, directory=self.root)
        shown = output.partition('"plan": ')[2]
        assert shown, output
        result, _end = json.JSONDecoder().raw_decode(shown)
        return dict(result, output=output)


@pytest.fixture(scope="module")
def playbooks(
    tmp_path_factory: pytest.TempPathFactory, shared_directory: t.Callable[[str], pathlib.Path]
) -> t.Iterator[Playbooks]:
    settings = {"ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_PIPELINING": "True"}
    runner = Playbooks(tmp_path_factory.mktemp("ansible"), shared_directory("code"), settings, ["host_plan"])
    yield runner
    runner.close()


@pytest.fixture
def project(tmp_path: pathlib.Path, playbooks: Playbooks) -> Project:
    return Project(tmp_path, playbooks)


def test_the_first_role_that_differs_and_all_after_it_are_to_run(project: Project) -> None:
    for role in ("a", "b", "c"):
        project.add(role)
    project.outdate("b")
    before = project.file("b").read_bytes()
    result = project.plan()
    assert (result["roles"], result["reasons"]) == (["b", "c"], {"b": [str(project.file("b"))]})
    assert not result["changed"]
    assert project.file("b").read_bytes() == before


def test_nothing_is_to_run_where_nothing_differs(project: Project) -> None:
    project.add("a")
    result = project.plan()
    assert (result["roles"], result["reasons"]) == ([], {})


@pytest.mark.parametrize(
    ("arguments", "roles"),
    [(["--tags", "b"], ["b"]), (["--skip-tags", "a"], ["b"]), (["--tags", "other"], []), (["--check"], ["a", "b"])],
)
def test_tags_limit_the_plan(project: Project, arguments: list[str], roles: list[str]) -> None:
    for role in ("a", "b"):
        project.add(role)
        project.outdate(role)
    assert project.plan(*arguments)["roles"] == roles


def test_all_invalid_options_are_reported_before_anything_runs(project: Project) -> None:
    project.add("a")
    project.add("b")
    result = project.plan(a_parameters={"bad name": 1}, b_parameters={"worse name": 2})
    assert result["failed"]
    assert [(error["role"], error["module"]) for error in result["errors"]] == [
        ("a", "kernel_parameters"),
        ("b", "kernel_parameters"),
    ]
    assert "'bad name'" in result["msg"] and "'worse name'" in result["msg"]


def test_variables_that_a_roles_spec_rejects_are_named(project: Project) -> None:
    project.add("a", options={"a_level": {"type": "int"}})
    result = project.plan(a_level="high")
    assert result["failed"]
    assert result["msg"] == "a_level is 'high'. Expected: a whole number. To fix this: write a_level: 1."
    assert [error["role"] for error in result["errors"]] == ["a"]


def test_roles_of_others_get_what_ansible_accepts(project: Project) -> None:
    project.add("a", options={"a_text": {"type": "str"}, "a_words": {"type": "dict"}})
    assert project.plan(a_text=None, a_words="b=c")["roles"] == []


def test_all_undefined_variables_are_reported_by_name(project: Project) -> None:
    project.add("a")
    project.add("b")
    project.add("c", options={"c_level": {"type": "int"}})
    undefined = {"a_parameters": "nowhere", "b_parameters": "nothing", "c_parameters": "nobody", "c_level": "neither"}
    result = project.plan(**{name: f"{{{{ {missing} }}}}" for name, missing in undefined.items()})
    assert result["failed"]
    texts = result["msg"].replace("; ", "\n").split("\n")
    for name, missing in undefined.items():
        assert any(f"the variable {name} cannot be" in text and f"'{missing}'" in text for text in texts)


def test_an_option_that_cannot_be_evaluated_names_task_and_role(project: Project) -> None:
    project.add("a", {"name": "Write it", MODULE_NAME: {"path": "{{ nowhere }}", "parameters": {}}})
    result = project.plan()
    assert result["failed"]
    assert "the option path of the task a : Write it cannot be evaluated: 'nowhere' is undefined" in result["msg"]


def test_an_option_that_cannot_be_evaluated_names_the_variables_to_correct(project: Project) -> None:
    path = "{{ lookup('ansible.builtin.file', a_source) if a_source else '' }}"
    project.add("a", {"name": "Write it", MODULE_NAME: {"path": path, "parameters": {}}}, a_source="/none")
    assert "To fix this: correct a_source, in the inventory or the play." in project.plan()["msg"]


def test_invalid_variables_are_reported_once_and_not_by_each_module(project: Project) -> None:
    project.add("a")
    project.add("b")
    result = project.plan(a_parameters="none")
    assert [error["role"] for error in result["errors"]] == ["a"]
    assert "a_parameters is 'none'. Expected: a dictionary." in result["msg"] and "***" not in result["msg"]


SITE = ("bundle", "trust", "toolchain", "tools", "environment", "language_server", "debugger")
WRONG: dict[str, t.Any] = {"str": {}, "path": [], "list": {}, "int": "x", "float": "x", "bool": "x", "dict": "x"}


def test_a_wrong_value_of_every_variable_is_one_message_before_anything_is_written(project: Project) -> None:
    paths = [ROLES / role / "meta/argument_specs.yml" for role in ("common", *SITE)]
    specs = [yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]["main"] for path in paths]
    variables = {name: WRONG[option["type"]] for spec in specs for name, option in spec["options"].items()}
    project.add("a")
    project.play = {"roles": [{"role": f"gopherops.devserver.{role}", "when": False} for role in SITE]}
    lines = project.plan(**variables)["msg"].split("\n")
    assert sorted(line.partition(" is ")[0] for line in lines) == sorted(variables)


def test_invalid_input_is_rejected_by_the_plan_of_a_new_host(project: Project) -> None:
    project.add("a")
    project.play = {"roles": [{"role": f"gopherops.devserver.{role}", "when": False} for role in SITE[1:]]}
    root = project.root / "host"
    result = project.plan(
        devserver_goroot=f"{root}/go",
        devserver_bin_dir=f"{root}/bin",
        devserver_toolchain_root=f"{root}/lib/go",
        devserver_tools_root=f"{root}/lib/tools",
        devserver_toolchain_archive_dir="/nonexistent",
        toolchain_sources=["archive"],
        trust_ca_bundle="/nonexistent.pem",
        devserver_tools_build_user="nobdy",
        language_server_settings={"ui.diagnostic.staticchek": True},
        debugger_tls_clients="c i",
        debugger_tls_lifetime="long",
        debugger_services_memory="1",
        debugger_kernel_parameters={"x y": 1},
        devserver_vscode_tools={"dlv": None},
        environment_user=[],
    )
    expected = [
        "trust_ca_bundle is /nonexistent.pem, which is no file",
        "no source serves Go 1.22.12: devserver_toolchain_archive_dir (archive_dir) is /nonexistent",
        "the user 'nobdy' does not exist on this host: devserver_tools_build_user (build_user)",
        "ui.diagnostic.staticchek is not a setting of this gopls (did you mean ui.diagnostic.staticcheck?). Expected",
        "the client name 'c i' is invalid",
        "debugger_services_memory (memory) is '1'. Expected: at least 64M",
        "kernel parameter 'x y' is '1'",
        "dlv of devserver_vscode_tools (vscode_tools) is ''. Expected: an absolute path",
        "debugger_tls_lifetime: 'long' is not a relative length of time",
    ]
    for text in expected:
        assert result["msg"].count(text) == 1, result["msg"]
    assert len(result["msg"].split("\n")) == len(expected)
    assert not root.exists()


@pytest.mark.parametrize("strict", [False, True])
def test_a_misspelt_variable_is_a_warning_and_on_request_an_error(project: Project, strict: bool) -> None:
    project.add("a")
    result = project.plan(toolchain_goprxy="https://proxy", devserver_strict=strict)
    message = "no role has a variable toolchain_goprxy. To fix this: rename it to devserver_toolchain_goproxy"
    assert result.get("failed", False) == strict
    texts = [result["msg"]] if strict else result["warnings"]
    assert any(text.startswith(message) for text in texts), result


def test_an_invalid_option_names_the_variable_that_is_its_value(project: Project) -> None:
    task = {"gopherops.devserver.gopls_service": {"users": [], "memory": "{{ a_memory }}"}}
    project.add("a", task, options={"a_memory": {"type": "str"}})
    assert "a_memory, option memory: 'lots' is not a size" in project.plan(a_memory="lots")["msg"]


def test_an_omitted_value_is_no_option(project: Project) -> None:
    task = {
        MODULE_NAME: {"path": str(project.file("a")), "parameters": {"vm.swappiness": "{{ none | default(omit) }}"}}
    }
    project.add("a", task)
    assert project.plan()["reasons"] == {}


def test_an_error_of_several_roles_is_one_message(project: Project) -> None:
    for role in ("a", "b"):
        project.add(role, {MODULE_NAME: {"path": str(project.file("a")), "parameters": {"bad name": 1}}})
    result = project.plan()
    assert len(result["errors"]) == 2
    assert result["msg"].count("'bad name'") == 1


def test_an_option_of_the_wrong_type_names_the_module(project: Project) -> None:
    project.add("a", {MODULE_NAME: {"path": str(project.file("a")), "parameters": [1]}})
    result = project.plan()
    assert result["failed"]
    assert "invalid options of kernel_parameters" in result["msg"]


def test_a_role_adds_what_differs_on_the_controller(project: Project) -> None:
    project.add("a", a_plan_reasons=["a certificate is due"])
    result = project.plan()
    assert (result["roles"], result["reasons"]) == (["a"], {"a": ["a certificate is due"]})


def test_a_role_adds_what_is_invalid_on_the_controller(project: Project) -> None:
    project.add("a", a_plan_errors=["a lifetime is too short"])
    result = project.plan()
    assert result["failed"]
    assert (result["msg"], result["errors"]) == (
        "a lifetime is too short",
        [{"role": "a", "msg": "a lifetime is too short"}],
    )


def test_a_task_for_the_controller_is_planned_there(project: Project) -> None:
    task = {MODULE_NAME: {"path": str(project.file("a")), "parameters": {}}, "delegate_to": "localhost"}
    project.add("a", task)
    project.outdate("a")
    assert project.plan()["reasons"] == {"a": [str(project.file("a"))]}


def test_a_role_with_tasks_for_the_controller_alone_adds_its_own_lists(project: Project) -> None:
    task = {MODULE_NAME: {"path": str(project.file("a")), "parameters": {}}, "delegate_to": "localhost"}
    project.add("a", task, a_plan_errors=["a lifetime is too short"])
    assert project.plan()["msg"] == "a lifetime is too short"


def test_a_role_that_is_listed_twice_keeps_all_reasons(project: Project) -> None:
    project.add("a", a_plan_reasons=["a certificate is due"])
    project.add("b")
    project.order = ["a", "b", "a"]
    assert project.plan()["roles"] == ["a", "b"]


def test_a_role_without_planned_tasks_always_runs(project: Project) -> None:
    project.add("a", {"ansible.builtin.command": "true"})
    project.add("b")
    assert project.plan()["roles"] == ["a"]
    assert project.plan("--tags", "b")["roles"] == []


def test_imported_roles_are_planned_with_the_role_that_imports_them(project: Project) -> None:
    project.add("a")
    project.add("b", {"ansible.builtin.import_role": {"name": "a"}})
    project.outdate("a")
    project.order = ["b"]
    assert project.plan()["roles"] == ["b"]


@pytest.mark.parametrize("action", ["import_role", "include_role"])
def test_a_role_in_the_tasks_of_the_play_causes_a_warning(project: Project, action: str) -> None:
    project.add("a")
    task = {f"ansible.builtin.{action}": {"name": "gopherops.devserver.trust"}, "when": False}
    project.play = {"tasks": [task, task]}
    result = project.plan()
    assert result["roles"] == []
    texts = [text for text in result["warnings"] if text.startswith("gopherops.devserver.trust is imported or inc")]
    assert len(texts) == 1, result["warnings"]


@pytest.mark.parametrize("name", [MODULE_NAME, "group/gopherops.devserver.all"])
def test_module_defaults_are_options_of_the_tasks(project: Project, name: str) -> None:
    project.add("a", {MODULE_NAME: {"path": str(project.file("a"))}})
    project.play = {"module_defaults": {name: {"parameters": "{{ defaults }}"}}}
    result = project.plan(defaults={"vm.swappiness": 99})
    assert result["reasons"] == {"a": [str(project.file("a")), "vm.swappiness"]}


def test_options_of_a_task_take_precedence_over_module_defaults(project: Project) -> None:
    project.add("a", {MODULE_NAME: {"path": str(project.file("a")), "parameters": {}}})
    groups = {"group/gopherops.devserver.all": {"parameters": {"bad name": 1}}}
    project.play = {"module_defaults": {**groups, MODULE_NAME: {"path": "/nowhere"}}}
    assert project.plan()["roles"] == []


def test_parameters_of_a_role_are_templated(project: Project) -> None:
    project.add("a", options={"a_level": {"type": "int"}})
    project.play = {"roles": [{"role": "a", "a_level": "{{ number }}", "when": False}]}
    assert project.plan(number=5)["roles"] == []


def test_a_loop_is_an_error_that_names_the_task(project: Project) -> None:
    project.add("a", {"name": "All", MODULE_NAME: {"path": "{{ item }}"}, "loop": ["/x"]})
    result = project.plan()
    assert result["failed"]
    assert "All has a loop" in result["msg"]


def test_a_task_for_another_host_is_an_error(project: Project) -> None:
    project.add("a", {MODULE_NAME: {"path": "/x"}, "delegate_to": "elsewhere"})
    assert "delegated to elsewhere" in project.plan()["msg"]


def test_secrets_that_a_role_finds_on_the_controller_are_masked(project: Project) -> None:
    project.add("a", a_plan_errors=["no access to https://user:s3cret-word@proxy"])
    project.add("b", options={"b_level": {"type": "int", "no_log": True}})
    result = project.plan(b_level="another-secret")
    assert len(result["errors"]) == 2
    assert "s3cret-word" not in result["output"] and "another-secret" not in str(result["errors"])


def test_no_secret_is_shown_at_any_verbosity(project: Project) -> None:
    project.add("a")
    result = project.plan("-vvv", a_parameters={"bad name": "https://user:s3cret-word@proxy"})
    assert result["failed"]
    assert "s3cret-word" not in result["output"]


def test_secrets_are_found_by_option_by_name_and_by_form() -> None:
    tasks = [
        {"module": "dlv_tls", "args": {"key": "-----PEM-----", "services": [{"name": "api"}]}},
        {"module": "dlv_service", "args": {"services": [{"environment": {"DB_PASSWORD": "hunter22", "PORT": "8080"}}]}},
        {"module": "go_env", "args": {"variables": {"GOPROXY": "https://me:letmein99@proxy"}}},
    ]
    found = secrets_of(tasks)
    assert {"-----PEM-----", "hunter22", "letmein99"} <= found
    assert not {"8080", "api"} & found


def test_a_lock_of_another_run_is_reported_before_the_role_waits_for_it(tmp_path: pathlib.Path) -> None:
    task = {"module": "go_tool", "args": {"tools": [], "root": str(tmp_path / "tools")}}
    assert plan_role("tools", [task]).warnings == []
    with locked_directory(str(tmp_path / "tools"), timeout=1):
        (warning,) = plan_role("tools", [task]).warnings
    assert f"another run holds the lock of {tmp_path / 'tools'}: process {os.getpid()} (" in warning
    assert plan_role("tools", [task]).warnings == []


@pytest.mark.parametrize(
    ("roots", "found"),
    [
        (("/opt/go", "/opt/tools", "/opt/bundle"), []),
        (("/opt/go", "/opt/go-tools", "/opt/g"), []),
        (("/opt/go", "/opt/go", "/opt/bundle"), [("tools", "devserver_toolchain_root (root) is /opt/go")]),
        (("/opt/go/x", "/opt/go", "/opt/bundle"), [("tools", "devserver_toolchain_root (root) is /opt/go/x")]),
        (("/opt/go", "/opt/tools", "/opt/go/b"), [("bundle", "devserver_toolchain_root (root) is /opt/go")]),
        # The directory of a link.
        (("{tmp}/link", "{tmp}/real/a", "/opt/b"), [("tools", "devserver_toolchain_root (root) is {tmp}/real")]),
        (("/opt/go", "{home}/tools", "/opt/b"), [("tools", "the home directory of {user} is {home}")]),
        (("{above}", "/opt/tools", "/opt/b"), [("toolchain", "the home directory of {user} is {home}")]),
    ],
)
def test_directories_of_the_collection_are_separate(
    tmp_path: pathlib.Path, roots: tuple[str, ...], found: list[tuple[str, str]]
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    account = next(entry for entry in pwd.getpwall() if entry.pw_dir.count("/") > 1)
    names = {"tmp": tmp_path, "user": account.pw_name, "home": account.pw_dir, "above": os.path.dirname(account.pw_dir)}
    modules = {"toolchain": "go_toolchain", "tools": "go_tool", "bundle": "go_bundle_unpack"}
    roles = [
        {"role": role, "tasks": [{"module": module, "args": {"root": root.format(**names)}}]}
        for (role, module), root in zip(modules.items(), roots, strict=True)
    ]
    users = [{"name": account.pw_name}]
    roles.append({"role": "environment", "tasks": [{"module": "go_env", "args": {"users": users}}]})
    errors = find_overlaps(roles)
    assert [(error["role"], error["module"]) for error in errors] == [(role, modules[role]) for role, _text in found]
    for error, (_role, text) in zip(errors, found, strict=True):
        assert f"and {text.format(**names)}: they overlap" in error["msg"]
    for role in roles:
        role["tasks"][0]["args"]["state"] = "absent"
    assert find_overlaps(roles) == []


def test_the_directory_of_bundles_is_validated_without_a_bundle(tmp_path: pathlib.Path) -> None:
    (tmp_path / "mine").touch()
    plan = plan_role("bundle", [{"module": "go_bundle_unpack", "args": {"root": str(tmp_path)}}])
    (error,) = plan.errors
    assert f"devserver_bundle_root (root) is {tmp_path}" in error["msg"]


def test_options_that_a_module_does_not_have_are_an_error() -> None:
    (error,) = plan_role("a", [{"module": "kernel_parameters", "args": {"path": "/x", "other": 1}}]).errors
    assert "other" in error["msg"]


@pytest.mark.parametrize("path", TASK_FILES, ids=lambda path: str(path.relative_to(ROLES)))
def test_every_module_that_a_role_runs_to_change_a_host_can_be_planned(path: pathlib.Path) -> None:
    names = {key.rpartition(".")[2] for key in _modules_in(yaml.safe_load(path.read_text(encoding="utf-8")))}
    assert names - READERS <= set(MODULES)


def _modules_in(tasks: t.Any) -> set[str]:
    if isinstance(tasks, list):
        return set().union(*map(_modules_in, tasks))
    if not isinstance(tasks, dict):
        return set()
    own = {key for key in tasks if key.startswith("gopherops.devserver.")}
    return own.union(*(_modules_in(tasks.get(key)) for key in ("block", "rescue", "always")))


def test_services_and_tools_of_accounts_to_be_created_are_left_to_their_roles() -> None:
    users = [{"name": "ds-missing", "create": "yes"}, {"name": "root", "create": True}, {"name": "ds-other"}]
    options = {
        "services": [{"name": "api", "user": "ds-missing"}, {"name": "shop", "user": "root"}],
        "tools": [{"name": "a", "users": ["root", "ds-missing"]}, {"name": "b"}],
        "path": ["/usr/bin"],
    }
    roles = [
        {"role": "environment", "tasks": [{"module": "go_env", "args": {"users": users}}]},
        {"role": "other", "tasks": [{"module": "dlv_service", "args": options}]},
    ]
    first, second = without_pending(roles)
    assert first == roles[0]
    assert second["tasks"][0]["args"] == {
        "services": [{"name": "shop", "user": "root"}],
        "tools": [{"name": "b"}],
        "path": ["/usr/bin"],
    }
    assert without_pending(roles[1:]) == roles[1:]
