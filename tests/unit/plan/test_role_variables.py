# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether values of wrong types in any variable of any role, and misspelt names, have one clear message each."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.near_names import nearest_name
from ansible_collections.gopherops.devserver.plugins.plugin_utils.role_variables import (
    example,
    find_misspelt,
    find_problems,
    reject_facts,
)

ROLES = pathlib.Path(__file__).parents[3] / "roles"
OPTIONS = {
    name: option
    for path in sorted(ROLES.glob("*/meta/argument_specs.yml"))
    for entry_point in yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"].values()
    for name, option in entry_point["options"].items()
}
GARBAGE = {"a": [{"b": None}]}
# Values that no option of a type accepts. Text is a list with commas, as in --extra-vars, and a number is a text.
WRONG: dict[str, list[t.Any]] = {
    "str": [None, True, [], ["a"], {}, GARBAGE, "a\nb", "a\0b"],
    "path": [None, True, 7, ["/a"], GARBAGE, "/a\nb", "/a\0b"],
    "int": [None, True, "many", "", 1.5, "1.5", [1], GARBAGE, float("inf")],
    "float": [None, True, "many", "", [1.5], GARBAGE, float("nan"), "inf"],
    "bool": [None, "maybe", "", 7, [True], GARBAGE],
    "dict": [None, True, "", "a=b", "{}", 7, ["a"], [GARBAGE]],
    "list": [None, True, GARBAGE, [None], [["a"]]],
}
WRONG_ELEMENTS: dict[str, list[t.Any]] = {
    "str": [[True], [GARBAGE], ["a\nb"]],
    "path": [[7], [GARBAGE], ["/a\0b"]],
    "int": [["many"], [1.5], [GARBAGE]],
    "dict": ["gopls", ["gopls"], [7], [GARBAGE, "x"]],
    "raw": [],
}
# Words of Python, and of Ansible's own messages.
INTERNAL = ("NoneType", "<class", "could not parse", "unable to convert", "Traceback", "object is not")


@pytest.mark.parametrize("name", OPTIONS)
def test_every_wrong_value_has_one_message_with_name_expectation_and_example(name: str) -> None:
    option = OPTIONS[name]
    elements = WRONG_ELEMENTS[option["elements"]] if option["type"] == "list" else []
    for value in [*WRONG[option["type"]], *elements]:
        if isinstance(value, list) and value == [None] and option.get("elements") == "raw":
            continue
        problems = list(find_problems(name, option, value))
        assert problems, value
        assert len({str(problem) for problem in problems}) == len(problems)
        for problem in problems:
            message = str(problem)
            assert message.startswith(name)
            assert ". Expected: " in message and ". To fix this: " in message
            assert not any(word in message for word in INTERNAL), message


@pytest.mark.parametrize("name", OPTIONS)
def test_the_example_of_a_message_is_valid(name: str) -> None:
    assert list(find_problems(name, OPTIONS[name], example(OPTIONS[name]))) == []
    default = OPTIONS[name]["default"]
    assert "{{" in str(default) or list(find_problems(name, OPTIONS[name], default)) == []


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "devserver_go_versions",
            None,
            "devserver_go_versions is null, as YAML reads an empty value. Expected: a list of texts. To fix this: write"
            ' devserver_go_versions: ["1.22.12"], or remove devserver_go_versions to have its default.',
        ),
        (
            "devserver_tools",
            ["gopls"],
            "devserver_tools[0] is 'gopls'. Expected: a dictionary. To fix this: write"
            ' devserver_tools: [{"name": "gopls"}, {"name": "dlv"}].',
        ),
        (
            "devserver_goproxy",
            False,
            "devserver_goproxy is false, as YAML reads off and no. Expected: text. To fix this: put it in quotes, as in"
            ' devserver_goproxy: "https://proxy.example.com", or remove devserver_goproxy to have its default.',
        ),
        (
            "devserver_users",
            [{"names": "alice", "name": "alice"}],
            "devserver_users[0] has the unknown key 'names'. Expected: the keys name, variables, workspaces,"
            " editor_settings, state, create, shell, authorized_keys. To fix this: correct the key to name.",
        ),
        (
            "devserver_users",
            [{"name": None}],
            'devserver_users[0] has no name. Expected: text. To fix this: write name: "alice".',
        ),
        (
            "toolchain_sources",
            ["mirrors"],
            "toolchain_sources[0] is 'mirrors'. Expected: one of 'bundle', 'archive', 'mirror', 'official', 'goproxy'."
            ' To fix this: write toolchain_sources: ["bundle", "archive", "mirror", "official", "goproxy"].',
        ),
    ],
)
def test_messages_are_complete(name: str, value: t.Any, message: str) -> None:
    assert [str(problem) for problem in find_problems(name, OPTIONS[name], value)] == [message]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("devserver_go_versions", "1.22.12"),
        ("devserver_go_versions", [1.22]),
        ("devserver_tools_timeout", "60"),
        ("devserver_vscode_create", "yes"),
        ("devserver_users", [{"name": "alice", "variables": None, "workspaces": ["/a", {"path": "/b"}]}]),
        ("drift_crash_days", "0.5"),
        ("toolchain_sources", "archive,mirror"),
        ("devserver_variables", {"GOTOOLCHAIN": None}),
    ],
)
def test_values_that_ansible_converts_stay_valid(name: str, value: t.Any) -> None:
    assert list(find_problems(name, OPTIONS[name], value)) == []


def test_long_and_secret_values_are_not_shown() -> None:
    (long,) = find_problems("a", {"type": "int"}, "x" * 1000000)
    (secret,) = find_problems("a", {"type": "int", "no_log": True}, "hunter22")
    assert len(str(long)) < 200
    services = [{"name": "api", "user": "alice", "listen": "127.0.0.1:2345", "environment": "KEY_OF_API hunter22"}]
    (nested,) = find_problems("debugger_services", OPTIONS["debugger_services"], services)
    assert "hunter22" not in str(secret) + str(nested)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("toolchain_version", "devserver_go_versions"),
        ("toolchain_goprxy", "devserver_toolchain_goproxy"),
        ("environment_user", "devserver_users"),
        ("devserver_tools_goproxy", "tools_goproxy"),
        ("tools_build_user", "devserver_tools_build_user"),
        ("tools_list", "devserver_tools"),
        ("devserver_user", "devserver_users"),
        ("devserver_varaibles", "devserver_variables"),
        ("language_server_setings", "language_server_settings"),
        ("verify_modus", "verify_modes"),
    ],
)
def test_misspelt_and_earlier_names_are_named_with_the_present_one(name: str, meant: str) -> None:
    (message,) = find_misspelt([name, "ansible_user"])
    assert f" {name}. " in message and f"rename it to {meant}," in message


@pytest.mark.parametrize(
    "name",
    [
        "tools_dir",
        "tools_lib",
        "verify_email",
        "bundle_name",
        "devserver_plan",
        "devserver_roles",
        "toolchain",
        "drift_",
    ],
)
def test_names_of_others_are_no_warning(name: str) -> None:
    assert find_misspelt([name]) == []


def test_known_names_are_no_warning_and_each_earlier_name_is_one_with_a_known_name() -> None:
    assert find_misspelt(OPTIONS) == []
    renamed = yaml.safe_load((ROLES / "common/files/renamed_variables.yml").read_text(encoding="utf-8"))
    assert set(renamed.values()) <= set(OPTIONS) and not set(renamed) & set(OPTIONS)
    assert len(find_misspelt(renamed)) == len(renamed)
    # Every option can be meant.
    assert len(find_misspelt([f"{name}_" for name in OPTIONS])) == len(OPTIONS)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("GOFLGAS", "GOFLAGS"), ("GOFLAG", "GOFLAGS"), ("GOSUM", ""), ("GOFLAGS", ""), ("GOMODCAHCES", "GOMODCACHE")],
)
def test_names_are_near_in_one_letter_and_long_ones_in_two(name: str, nearest: str) -> None:
    assert nearest_name(name, ["GOFLAGS", "GOMODCACHE", "GOSUMDB"]) == nearest


def test_the_example_of_a_choice_is_the_default_even_if_that_is_empty() -> None:
    assert [example(OPTIONS[name]) for name in ("drift_fail_on", "verify_drift_fail_on")] == ["", "error"]


def test_facts_of_a_host_replace_no_variables_of_the_roles() -> None:
    reject_facts({"distribution": "Debian", "local": {"drift_report_dir": "/x"}, "tools_of_another_role": 1})
    with pytest.raises(DevserverError, match=r"roles: debugger_tls_dir, devserver_bundle_file\."):
        reject_facts({"devserver_bundle_file": "/etc/shadow", "debugger_tls_dir": "~", "a": 1})
