# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of executables, and which declarations are rejected."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.pins import executable_name, parse_tools


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("golang.org/x/tools/gopls", "gopls"),
        ("github.com/go-delve/delve/cmd/dlv", "dlv"),
        ("mvdan.cc/gofumpt", "gofumpt"),
        ("github.com/golangci/golangci-lint/v2/cmd/golangci-lint", "golangci-lint"),
        ("github.com/bazelbuild/buildtools/v7", "buildtools"),
        ("example.com/tool/v25", "tool"),
        ("example.com/tool/v1", "v1"),
        ("example.com/tool/v0", "v0"),
        ("example.com/tool/v01", "v01"),
        ("example.com/tool/v2beta", "v2beta"),
        ("gopkg.in/tool.v2", "tool.v2"),
        ("example.com", "example.com"),
    ],
)
def test_executable_is_named_as_go_install_does(package: str, name: str) -> None:
    assert executable_name(package) == name


@pytest.mark.parametrize(
    "version",
    [
        "v0.16.2",
        "v1.0.0-rc.1",
        "v0.0.0-20240112132812-db90d7bdb2cc",
        "v2.0.0+incompatible",
    ],
)
def test_exact_pins_are_accepted(version: str) -> None:
    (tool,) = parse_tools([{"package": "example.com/x", "version": version}], "/go")
    assert str(tool) == f"example.com/x@{version}"
    assert tool.goroot == "/go"


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("latest", "changes with the next release"),
        ("upgrade", "changes with the next release"),
        ("v0", "latest version that begins with it"),
        ("v0.16", "latest version that begins with it"),
        ("0.16.2", "begin with v"),
        ("master", "branch"),
        ("db90d7bdb2cc", "branch"),
        (">=v1.2.3", "branch"),
        ("v01.2.3", "branch"),
        ("v1.2.3+meta", "branch"),
        ("v1.2.3 ", "branch"),
    ],
)
def test_inexact_pins_are_rejected_with_the_reason(version: str, reason: str) -> None:
    with pytest.raises(DevserverError, match=reason) as caught:
        parse_tools([{"package": "example.com/x", "version": version}], "/go")
    assert "example.com/x" in str(caught.value)
    assert "v0.16.2" in caught.value.expected


@pytest.mark.parametrize(
    "package",
    [
        "gopls",
        "cmd/go",
        "./tool",
        "../tool",
        "/usr/tool",
        "-flag.com/x",
        "https://example.com/x",
        "example.com/x@v1.0.0",
        "example.com/x/...",
        "example.com/../x",
        "example.com/x/",
        "example.com/x y",
    ],
)
def test_an_invalid_package_is_rejected(package: str) -> None:
    with pytest.raises(DevserverError, match="not the import path"):
        parse_tools([{"package": package, "version": "v1.0.0"}], "/go")


@pytest.mark.parametrize(
    "extra",
    [
        {"name": "../x"},
        {"name": ".x"},
        {"name": "a/b"},
        {"name": "-x"},
        {"tags": ["a,b"]},
        {"tags": ["a b"]},
        {"flags": ["-o=/x"]},
        {"flags": ["-ldflags"]},
    ],
)
def test_names_and_tags_that_mean_something_else_are_rejected(extra: dict[str, t.Any]) -> None:
    with pytest.raises(DevserverError, match=r"example\.com/x is"):
        parse_tools([{"package": "example.com/x", "version": "v1.0.0", **extra}], "/go")


def test_two_tools_with_one_name_are_rejected() -> None:
    one = {"package": "example.com/x", "version": "v1.0.0"}
    two = {"package": "example.org/x/v2", "version": "v2.0.0"}
    with pytest.raises(DevserverError, match="both have the name x"):
        parse_tools([one, two], "/go")
    assert [tool.name for tool in parse_tools([one, dict(two, name="y")], "/go")] == ["x", "y"]


@pytest.mark.parametrize("name", ["go", "gofmt", "go1.22.12"])
def test_the_names_of_a_toolchains_links_are_rejected(name: str) -> None:
    with pytest.raises(DevserverError, match="a link to a toolchain"):
        parse_tools([{"package": "example.com/x", "version": "v1.0.0", "name": name}], "/go")


def test_several_users_share_a_name_but_no_user_has_two() -> None:
    one = {"package": "example.com/x", "version": "v1.0.0", "users": ["alice", "bob"]}
    other = dict(one, version="v1.1.0", users=["carol"])
    assert [tool.users for tool in parse_tools([one, other], "/go")] == [("alice", "bob"), ("carol",)]
    for users in (["bob"], []):
        with pytest.raises(DevserverError, match="both have the name x"):
            parse_tools([one, dict(other, users=users)], "/go")
    with pytest.raises(DevserverError, match="two packages have the name x"):
        parse_tools([one, dict(other, package="example.org/x")], "/go")


def test_a_repeated_flag_is_rejected() -> None:
    with pytest.raises(DevserverError, match="twice"):
        parse_tools([{"package": "example.com/x", "flags": ["-ldflags=-s", "-ldflags=-w"]}], "/go")


def test_a_known_name_implies_its_package() -> None:
    (tool,) = parse_tools([{"name": "dlv"}], "/go")
    assert (tool.package, tool.version, tool.name) == ("github.com/go-delve/delve/cmd/dlv", "", "dlv")


@pytest.mark.parametrize(("entry", "message"), [({"name": "dvl"}, "'dvl' has no package"), ({}, "no package")])
def test_a_tool_without_package_is_rejected_with_the_names_that_are_known(entry: dict[str, str], message: str) -> None:
    with pytest.raises(DevserverError, match=message) as caught:
        parse_tools([entry], "/go")
    assert "dlv" in caught.value.expected


def test_order_and_repetition_of_tags_do_not_matter() -> None:
    entries = [
        {"package": "example.com/x", "version": "v1.0.0", "tags": tags} for tags in (["b", "a", "a"], ["a", "b"])
    ]
    assert parse_tools(entries[:1], "/go") == parse_tools(entries[1:], "/go")
