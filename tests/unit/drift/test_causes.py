# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings with one cause are one."""

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import (
    BUILT_IN,
    SET_ENVIRONMENT,
    Assignment,
    Source,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.causes import by_cause
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.finding import (
    Finding,
    Remedy,
    complete_variables,
    propose_value,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records.files import ManagedFiles
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records.observation import GoResult
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.report import report, summary
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.rules import (
    building,
    go,
    modules,
    rights,
    startup,
    tools,
    values,
)

PROFILE = Source("file", "/etc/profile.d/x.sh", 3)


def finding(rule: t.Any = values.DIFFERS, user: str = "a", context: str = "login", **changes: t.Any) -> Finding:
    made = Finding(rule, "c", Remedy("r"), user, context, "V", PROFILE)
    return dataclasses.replace(made, **changes)


def declared(user: str, value: str = "1") -> Remedy:
    return propose_value("declare it", "V", value, user)


@pytest.mark.parametrize("users", [["a", "b"], ["a", "b", "c"]])
def test_a_line_that_concerns_several_users_is_one_finding_of_the_host(users: list[str]) -> None:
    found = [finding(values.CONTEXTS_DISAGREE, user, "", remedy=declared(user)) for user in ("a", "b")]
    (merged,) = by_cause(found, users)
    assert (merged.user, list(merged.users), [one.user for one in merged.follows]) == ("", ["a", "b"], ["a", "b"])
    assert merged.cause == f"for {'all users' if len(users) == 2 else 'a, b'}: c"
    entries = [{"name": user, "variables": {"V": "1"}} for user in ("a", "b")]
    shared = {"devserver_variables": {"V": "1"}} if len(users) == 2 else {"devserver_users": entries}
    assert merged.remedy.variables == shared


def test_the_cause_for_several_users_is_the_one_that_most_of_them_have() -> None:
    causes = {"a": "bash has x from /home/a/.bashrc:3; cron has y", "b": "cron has y", "c": "cron has y"}
    found = [finding(user=user, cause=cause) for user, cause in causes.items()]
    (merged,) = by_cause(found, list(causes))
    assert merged.cause == "for all users: b has: cron has y"


@pytest.mark.parametrize("entry", ["~/bin", "bin", ""])
def test_an_entry_of_the_path_of_the_host_is_one_finding_of_the_host(fake_host: t.Any, entry: str) -> None:
    line = Assignment("PATH", f"{entry}:/usr/bin", Source("file", "/etc/environment", 4))
    path = f"{':'.join(fake_host.declaration.users[0].path)}:{entry}:/usr/bin"
    rendered = Assignment("PATH", path, Source("file", "/etc/gopherops/users/a.sh", 2))
    (user,) = fake_host.declaration.users
    other = dataclasses.replace(user, account=user.account._replace(name="b"))
    both = dataclasses.replace(fake_host.declaration, users=[user, other])
    observations = [
        fake_host(context, environment={"PATH": path}, set_by=[rendered], user=user)
        for user in both.users
        for context in ("login", "cron")
    ]
    found = fake_host.findings(*observations, declaration=both, host_path=line)
    of_path = [one for one in found if one.variable == "PATH"]
    (merged,) = by_cause(of_path, [user.account.name for user in both.users])
    assert (merged.rule.id, merged.user, merged.source) == ("GD110" if entry else "GD107", "", line.source)
    assert {finding.rule.id for finding in merged.follows} == {"GD107"}


def test_what_provisioning_resolves_follows_from_a_user_who_is_not_provisioned() -> None:
    again = Remedy("provision the host again with --tags environment")
    source = Source("file", "/etc/gopherops/users/a.sh")
    missing = finding(rights.NOT_PROVISIONED, "a", "", variable="", remedy=again, source=source)
    following = [
        finding(user=user, context=context, remedy=again, source=BUILT_IN, cause=context)
        for user in ("a", "b")
        for context in ("login", "cron")
    ]
    own_line = finding(source=Source("file", "/home/a/.profile", 2))
    found = by_cause([*following, own_line, missing], ["a", "b"])
    assert [(one.rule.id, one.user, len(one.follows)) for one in found] == [
        ("GD113", "a", 2),
        ("GD101", "b", 0),
        ("GD101", "b", 0),
        ("GD101", "a", 0),
    ]


def test_what_provisioning_resolves_follows_from_a_variable_that_is_not_provisioned() -> None:
    again = Remedy("provision the host again with --tags environment")
    source = Source("file", "/etc/gopherops/users/a.sh")
    missing = finding(rights.NOT_PROVISIONED, "", "", variable="V, PATH", remedy=again, source=source, users=["a", "b"])
    following = [
        finding(user=user, variable=variable, remedy=again, source=Source("file", f"/home/{user}/{variable}"))
        for user in ("a", "b", "c")
        for variable in ("V", "go", "W")
    ]
    found = by_cause([*following, missing], ["a", "b", "c"])
    assert [(one.rule.id, one.user, one.variable, len(one.follows)) for one in found] == [
        ("GD113", "", "V, PATH", 4),
        ("GD101", "a", "W", 0),
        ("GD101", "b", "W", 0),
        *(("GD101", "c", variable, 0) for variable in ("V", "go", "W")),
    ]


@pytest.mark.parametrize("file", ["/home/b/.zshrc", "/srv/team/profile", PROFILE.file])
@pytest.mark.parametrize(
    "of_b",
    [
        finding(startup.NOISY, "b", variable="", remedy=Remedy("remove the line")),
        finding(values.CONTEXTS_DISAGREE, "b", remedy=declared("b", "2")),
        finding(values.HOST_PATH, ""),
    ],
    ids=["a warning of another user", "the same variable", "the host"],
)
def test_a_place_that_a_user_claims_changes_no_finding_of_anybody_else(file: str, of_b: Finding) -> None:
    source = PROFILE._replace(file=file)
    forged = [
        finding(variable=name, remedy=declared("a", "/tmp/x"), source=source, context=context, cause=context)
        for name in ("V", "W")
        for context in ("login", "cron")
    ]
    of_b = dataclasses.replace(of_b, source=source)
    of_a, other = by_cause([*forged, of_b], ["a", "b"])
    assert (of_a, other) == (dataclasses.replace(forged[0], follows=tuple(forged[1:])), of_b)


@pytest.mark.parametrize(("file", "merged"), [(PROFILE.file, True), ("/home/b/.zshrc", False), ("/srv/x", False)])
def test_only_in_files_of_the_host_users_have_a_common_cause(file: str, merged: bool) -> None:
    source = PROFILE._replace(file=file)
    found = [finding(user=user, remedy=declared(user, user), source=source, cause=user) for user in ("a", "b")]
    assert [list(one.users) for one in by_cause(found, ["a", "b"])] == ([["a", "b"]] if merged else [[], []])


@pytest.mark.parametrize("other", [{"V": "2"}, {}])
def test_a_value_is_proposed_for_all_users_only_if_each_has_it(other: dict[str, str]) -> None:
    of_b = Remedy("declare it", variables={"devserver_users": [{"name": "b", "variables": other}]} if other else {})
    same = [finding(user=user, remedy=declared(user)) for user in ("a", "b")]
    (merged,) = by_cause([*same[:1], finding(user="b", remedy=of_b), *(same[1:] if other else [])], ["a", "b"])
    assert list(merged.users) == ["a", "b"]
    assert "devserver_variables" not in merged.remedy.variables


def test_each_user_keeps_an_own_value_in_the_remedy_of_a_shared_line() -> None:
    (merged,) = by_cause([finding(user=user, remedy=declared(user, user)) for user in ("a", "b")], ["a", "b"])
    assert merged.remedy.variables == {
        "devserver_users": [{"name": user, "variables": {"V": user}} for user in ("a", "b")]
    }


def test_the_worst_finding_of_a_line_represents_it() -> None:
    found = [
        finding(modules.DIRECT_FIRST),
        finding(values.DIFFERS, context="ssh"),
        finding(values.DIFFERS, context="login", variable="W"),
        finding(values.DIFFERS, context="login", source=PROFILE._replace(line=4)),
    ]
    one, other = by_cause(found, ["a", "b"])
    assert (one, [entry.rule.id for entry in one.follows]) == (
        dataclasses.replace(found[1], follows=(found[2], found[0])),
        ["GD101", "GD502"],
    )
    assert other == found[3]


SEPARATE = {
    "a process": [finding(source=Source("process"), cause=cause) for cause in "xy"],
    "two problems of one file": [
        finding(rule, source=Source("file", "/x"), remedy=Remedy(rule.title))
        for rule in (tools.TOOL, tools.TOOL_UNSUPPORTED)
    ],
    "two files": [finding(source=Source("file", path, 1)) for path in ("/x", "/y")],
    "two causes without a place": [finding(startup.UNKNOWN, source=None, cause=cause) for cause in "xy"],
}


@pytest.mark.parametrize("case", SEPARATE)
def test_other_causes_stay_apart(case: str) -> None:
    assert by_cause(SEPARATE[case], ["a"]) == SEPARATE[case]


def test_values_that_one_file_lacks_are_one_finding() -> None:
    rules = (values.DIFFERS, values.DIFFERS, values.PATH_ORDER)
    found = [finding(rule, variable=name, source=Source("file", "/x")) for rule, name in zip(rules, "VWX", strict=True)]
    (merged,) = by_cause(found, ["a"])
    assert [one.variable for one in (merged, *merged.follows)] == ["V", "W", "X"]


def test_a_version_that_differs_everywhere_is_one_finding() -> None:
    found = [finding(go.GO_VERSION, user, context, source=BUILT_IN) for user in "ab" for context in ("login", "ssh")]
    (merged,) = by_cause(found, ["a", "b"])
    assert (merged.user, merged.context, len(merged.follows)) == ("", "", 4)


def test_what_follows_from_an_unusable_settings_file_is_listed_under_it(fake_host: t.Any) -> None:
    (fake_host.tmp / "env").mkdir()
    dead = [
        fake_host(name, go=GoResult({}, "go: read error"), environment={"GOENV": str(fake_host.tmp / "env")})
        for name in ("login", "bash", "ssh")
    ]
    found = [one for one in fake_host.findings(*dead) if one.rule.id != "GD211"]
    assert sorted(one.rule.id for one in found) == ["GD205"] * 3 + ["GD904"]
    (merged,) = by_cause(found, [])
    assert (merged.rule.id, [one.rule.id for one in merged.follows]) == ("GD904", ["GD205"] * 3)


def test_what_provisioning_would_resolve_follows_from_a_file_that_it_leaves_alone() -> None:
    file, remedy = Source("file", "/home/a/.config/go/env"), Remedy("provision the host again with --tags environment")
    foreign = finding(rights.NOT_THE_USERS, context="", variable="", source=file, remedy=Remedy("give it to a"))
    lacking = [finding(context=context, source=file, remedy=remedy) for context in ("goenv", "login")]
    old = finding(source=file._replace(line=3), remedy=remedy)
    of_other = finding(user="b", source=file, remedy=remedy)
    own_line = finding(source=file._replace(line=4), remedy=Remedy("delete it"))
    merged, *others = by_cause([*lacking, old, own_line, of_other, foreign], ["a", "b"])
    assert (merged.rule.id, merged.remedy.text, merged.follows) == ("GD109", "give it to a", (*lacking, old))
    assert others == [own_line, of_other]


def test_a_go_that_the_host_does_not_have_is_one_finding(fake_host: t.Any) -> None:
    (user,) = fake_host.declaration.users
    users = [user, dataclasses.replace(user, account=user.account._replace(name="b"))]
    declaration = dataclasses.replace(fake_host.declaration, users=users, goroot="/usr/local/no-go")
    without = [
        fake_host(
            context, programs={"go": []}, go=GoResult({}), user=one, environment={"PATH": ":".join([*one.path, end])}
        )
        for one in users
        for context, end in (("login", "/usr/games"), ("bash", "/snap/bin"))
    ]
    found = fake_host.findings(*without, declaration=declaration, goroot_version="")
    (merged,) = by_cause([one for one in found if one.variable == "go"], ["b", user.account.name])
    assert (merged.rule.id, merged.user, len(merged.follows)) == ("GD201", "", 4)
    assert merged.cause == "for all users: this host has no /usr/local/no-go/bin/go"
    # The directories of one user, on a host that has it.
    found = fake_host.findings(without[0], declaration=declaration, goroot_version="1.22.12")
    assert [one.source for one in found if one.variable == "go"] == [None]


def test_users_with_one_uid_are_one_finding_that_names_it(fake_host: t.Any) -> None:
    (user,) = fake_host.declaration.users
    twin = dataclasses.replace(user, account=user.account._replace(name="twin"))
    declaration = dataclasses.replace(fake_host.declaration, users=[user, twin])
    wrong = fake_host(environment={"GOPATH": "/x"}, set_by=[Assignment("GOPATH", "/x", PROFILE)])
    noisy = fake_host(unexpected_output="hello", user=twin)
    found = fake_host.findings(wrong, noisy, declaration=declaration)
    (merged,) = by_cause(found, [user.account.name, "twin"])
    assert (merged.rule.id, merged.user, list(merged.users)) == ("GD111", "", [user.account.name, "twin"])
    assert merged.cause == f"{user.account.name}, twin have the uid {user.account.uid}; expected a uid for each user"
    assert {"GD101", "GD701"} <= {one.rule.id for one in merged.follows}


def test_a_value_of_any_length_makes_a_short_report(fake_host: t.Any) -> None:
    long = "-tags=" + "x" * 1_000_000
    contexts = ("login", "bash", "zsh", "ssh", "cron", "vscode_server", "goenv")
    rows = [
        fake_host(
            name,
            environment={"GOFLAGS": long, "GOPATH": "/" + "y" * 100_000, "GOPROXY": "z" * 100_000},
            go_values={"GOFLAGS": long, "GOPROXY": "z" * 100_000},
            set_by=[Assignment("GOFLAGS", long, PROFILE)],
            unexpected_output="w" * 100_000,
            problem="v" * 100_000,
        )
        for name in contexts
    ]
    made = fake_host.snapshot(*rows)
    found = by_cause(fake_host.findings(*rows), [])
    document = report(made, found, "h")
    assert {"GD101", "GD602"} <= {one["rule_id"] for one in document["findings"]}
    assert len(json.dumps(document)) < 200_000
    assert max(map(len, summary(document))) < 10_000
    assert "[... 1000006 characters ...]" in json.dumps(document)


@pytest.mark.parametrize(
    ("variable", "declared", "value", "shown"),
    [
        ("GOPROXY", "https://a:secret-1@p.example", "https://a:secret-2@p.example", "https://***@p.example"),
        ("CORP_API_TOKEN", "xyz", "xyw", "***"),
    ],
)
def test_values_that_differ_in_a_secret_are_reported_without_it(
    fake_host: t.Any, variable: str, declared: str, value: str, shown: str
) -> None:
    user = fake_host.declaration.users[0]
    user.variables[variable] = declared
    row = fake_host(environment={variable: value}, go_values={"GOPROXY": value} if variable == "GOPROXY" else {})
    document = report(fake_host.snapshot(row), fake_host.findings(row), "h")
    causes = [finding["cause"] for finding in document["findings"] if finding["variable"] == variable]
    assert [cause for cause in causes if f"; expected {shown}, which differs in a part that is not shown" in cause]
    assert declared not in json.dumps(document) and value not in json.dumps(document)


@pytest.mark.parametrize("repeated", [10, 100, 100_000])
def test_a_secret_in_a_long_value_is_no_half_secret(fake_host: t.Any, repeated: int) -> None:
    value = "https://user:" + "s3cret" * repeated + "@proxy.example.com"
    row = fake_host(environment={"GOPROXY": value}, go_values={"GOPROXY": value})
    made = fake_host.snapshot(row)
    assert "s3cret" not in json.dumps(report(made, fake_host.findings(row), "h"))


@pytest.mark.parametrize(
    ("value", "declarable"),
    [
        ("-mod=mod", True),
        ("-v -x", True),
        ("-mod=mod\r", False),
        ("mod=mod", False),
        ("-x\0", False),
        ("-" * 600, False),
    ],
)
def test_only_a_value_that_can_be_declared_is_proposed(fake_host: t.Any, value: str, declarable: bool) -> None:
    name = fake_host.declaration.users[0].account.name
    (one,) = [one for one in fake_host.findings(fake_host(go_values={"GOFLAGS": value})) if one.rule is building.FLAGS]
    expected = {"devserver_users": [{"name": name, "variables": {"GOFLAGS": value}}]}
    assert one.remedy.variables == (expected if declarable else {})


def test_proposed_variables_keep_what_is_declared() -> None:
    users = [{"name": "a", "variables": {"GOPROXY": "off"}, "workspaces": ["/w"]}, {"name": "b", "variables": None}]
    proposed = {
        "devserver_variables": {"V": "1"},
        "devserver_users": [{"name": name, "variables": {"V": "1"}} for name in ("a", "b")],
    }
    assert complete_variables(proposed, {"GOPROXY": "off"}, users) == {
        "devserver_variables": {"GOPROXY": "off", "V": "1"},
        "devserver_users": [
            {"name": "a", "variables": {"GOPROXY": "off", "V": "1"}, "workspaces": ["/w"]},
            {"name": "b", "variables": {"V": "1"}},
        ],
    }
    assert complete_variables({"devserver_export_goroot": True}, {}, users) == {"devserver_export_goroot": True}


def test_the_summary_lists_what_follows() -> None:
    following = [finding(context=f"c{number}", source=PROFILE) for number in range(12)]
    (merged,) = by_cause(following, ["a"])
    entry = merged.result("h")
    lines = summary({"findings": [entry], "cells": [], "language_servers": []})
    assert lines[-1].strip().startswith("Follows from this: GD101 a c1 V, GD101 a c2 V")
    assert lines[-1].endswith(", and 3 more")


def test_provisioning_is_recommended_only_for_lines_that_it_changes() -> None:
    managed = ManagedFiles(frozenset(["/s.json", "/etc/x"]), kept={"/s.json": frozenset([4])})
    assert managed.repairs(Source("file", "/s.json", 3))
    assert managed.repairs(Source("file", "/etc/x", 4))
    assert not managed.repairs(Source("file", "/s.json", 4))
    assert not managed.repairs(Source("file", "/other", 3))
    assert not managed.repairs(None)


def test_a_variable_of_a_manager_is_one_finding_with_one_remedy() -> None:
    as_root = Remedy("run 'systemctl unset-environment V' as root")
    system = [finding(user=user, source=SET_ENVIRONMENT, cause=user, remedy=as_root) for user in ("a", "b")]
    of_user = finding(source=SET_ENVIRONMENT, remedy=Remedy("run 'systemctl --user unset-environment V' as a"))
    merged = by_cause([*system, of_user], ["a", "b"])
    assert [(one.user, len(one.follows)) for one in merged] == [("", 2), ("a", 0)]
