# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each rule on observations that break only this rule."""

from __future__ import annotations

import dataclasses
import getpass
import os
import pathlib
import pwd
import shlex
import subprocess
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Assignment, Source
from ansible_collections.gopherops.devserver.plugins.module_utils._drift import snapshot
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.causes import by_cause
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.cells import Cell
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.directories import directories_of
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.requirements import (
    unmet_by,
    unmet_requirements,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.unresponsive import unresponsive_users
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.finding import Finding, Remedy
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records.directories import Disk
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records.files import ManagedFiles
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records.observation import ForcedKeys, GoResult
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records.tools import (
    AlteredToolchain,
    PinnedTool,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.rules import (
    building,
    directories,
    values,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.snapshot import PROVISION_AGAIN, Snapshot
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import login
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.bash import BashContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.devcontainer import (
    DevcontainerContext,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.editor_files import EditorFile
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    UserEnvironment,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.mounts import Mount
from ansible_collections.gopherops.devserver.plugins.module_utils._host.procfs import Process
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.filelist import Differences
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.workspaces import AvailableGo

PROFILE = "/h/.profile"


def declare(fake_host: t.Any, **variables: str) -> None:
    """Add to the declared variables of the host's user."""
    fake_host.declaration.users[0].variables.update(variables)


def set_by(name: str, value: str, line: int = 3) -> list[Assignment]:
    return [Assignment(name, value, Source("file", PROFILE, line))]


GO_VALUES = {
    "a single proxy": ({"GOPROXY": "https://a.example"}, ["GD501"]),
    "a single proxy that is off": ({"GOPROXY": "off"}, []),
    "direct alone": ({"GOPROXY": "direct"}, ["GD502"]),
    "direct first": ({"GOPROXY": "direct,https://a.example"}, ["GD502"]),
    "direct first, by the other separator": ({"GOPROXY": "direct|https://a.example"}, ["GD502"]),
    "a proxy and a fallback": ({"GOPROXY": "https://a.example|direct"}, []),
    "plain http": ({"GOPROXY": "http://a.example,direct"}, ["GD503"]),
    "plain http second": ({"GOPROXY": "https://a.example,http://b.example"}, ["GD503"]),
    "plain http on this host": ({"GOPROXY": "http://localhost:3000,http://127.0.0.1,http://[::1]:80/x"}, []),
    "plain http to a name that begins so": ({"GOPROXY": "http://localhost.example,direct"}, ["GD503"]),
    "no checksum database": ({"GOSUMDB": "off"}, ["GD504"]),
    "another checksum database": ({"GOSUMDB": "sum.example.net"}, []),
    "everything private": ({"GOPRIVATE": "*", "GONOSUMDB": "*"}, ["GD504"]),
    "everything without checksums": ({"GONOSUMDB": "a.example,*"}, ["GD504"]),
    "some without checksums": ({"GOPRIVATE": "a.example/*", "GONOSUMDB": "a.example/*"}, []),
    "insecure": ({"GOINSECURE": "a.example"}, ["GD505"]),
    "go may switch": ({"GOTOOLCHAIN": "auto"}, ["GD601"]),
    "go may switch from a minimum on": ({"GOTOOLCHAIN": "go1.22.1+auto"}, ["GD601"]),
    "go may not switch": ({"GOTOOLCHAIN": "local"}, []),
    "flags": ({"GOFLAGS": "-mod=mod"}, ["GD602"]),
    "modules off": ({"GO111MODULE": "off"}, ["GD603"]),
    "modules on": ({"GO111MODULE": "on"}, []),
    "another target": ({"GOOS": "windows", "GOHOSTOS": "linux"}, ["GD604"]),
    "the host as target": ({"GOOS": "linux", "GOHOSTOS": "linux"}, []),
}


@pytest.mark.parametrize("case", GO_VALUES)
def test_values_of_go_env(fake_host: t.Any, case: str) -> None:
    go_values, expected = GO_VALUES[case]
    assert fake_host.ids(fake_host(go_values=go_values), fake_host("goenv", go_values=go_values)) == expected


DECLARED = {
    "GOPROXY": ("https://a.example", []),
    "GOTOOLCHAIN": ("auto", []),
    "GOFLAGS": ("-mod=mod", []),
    "GO111MODULE": ("off", []),
    "GOPRIVATE": ("a.example/*", []),
    "GOSUMDB": ("off", ["GD504"]),
    "GOINSECURE": ("a.example", ["GD505"]),
}


@pytest.mark.parametrize("variable", DECLARED)
def test_declared_values_are_reported_only_if_they_remove_a_protection(fake_host: t.Any, variable: str) -> None:
    value, expected = DECLARED[variable]
    declare(fake_host, **{variable: value})
    assert fake_host.ids(fake_host(go_values={variable: value}, environment={variable: value})) == expected


@pytest.mark.parametrize(
    ("value", "proposed"),
    [
        ("direct,https://a.example", {"devserver_variables": {"GOPROXY": "https://a.example,direct"}}),
        ("https://a.example", {"devserver_variables": {"GOPROXY": "https://a.example,direct"}}),
        ("direct", {}),
    ],
)
def test_the_users_own_proxy_is_proposed_in_the_right_order(fake_host: t.Any, value: str, proposed: t.Any) -> None:
    (finding,) = fake_host.evaluate(fake_host(go_values={"GOPROXY": value}))[1]
    assert finding.remedy.variables == proposed


def test_a_declared_proxy_over_http_is_reported(fake_host: t.Any) -> None:
    declare(fake_host, GOPROXY="http://a.example")
    assert fake_host.ids(fake_host(go_values={"GOPROXY": "http://a.example"})) == ["GD503"]


@pytest.mark.parametrize("value", ["direct", "direct,https://a.example", "direct|https://a.example"])
def test_a_declared_proxy_with_direct_first_is_a_note(fake_host: t.Any, value: str) -> None:
    declare(fake_host, GOPROXY=value)
    (finding,) = fake_host.findings(fake_host(go_values={"GOPROXY": value}, environment={"GOPROXY": value}))
    assert (finding.rule.id, finding.rule.severity) == ("GD507", "note")


def test_a_policy_that_drifts_is_one_finding(fake_host: t.Any) -> None:
    declare(fake_host, GOSUMDB="sum.example.com")
    assert fake_host.ids(fake_host(go_values={"GOSUMDB": "off"})) == ["GD101"]


def test_one_finding_for_all_contexts_names_them(fake_host: t.Any) -> None:
    go_values = {"GOSUMDB": "off"}
    (finding,) = fake_host.evaluate(fake_host(go_values=go_values), fake_host("bash", go_values=go_values))[1]
    assert (finding.context, finding.variable) == ("", "GOSUMDB")
    assert finding.cause.endswith("(in login, bash)")


@pytest.mark.parametrize("readable", [True, False])
def test_a_world_readable_password(fake_host: t.Any, readable: bool) -> None:
    file = str(fake_host.goroot / "go.env")
    found = fake_host.ids(fake_host(), world_readable=frozenset([file] if readable else []))
    assert found == (["GD506"] if readable else [])


def test_a_proxy_with_a_name_and_no_password_is_no_secret(fake_host: t.Any) -> None:
    (fake_host.goroot / "go.env").write_text("GOPROXY=https://alice@a.example,direct\n")
    (fake_host.goroot / "go.env").chmod(0o644)
    assert fake_host.ids(fake_host(go_values={"GOPROXY": "https://alice@a.example,direct"})) == []


STARTS = {
    "it prints": ({"unexpected_output": "Welcome"}, ["GD701"]),
    "it is slow": ({"seconds": 3.5}, ["GD702"]),
    "it is not slow": ({"seconds": 2.5}, []),
    "it keeps a session open": ({"held": True}, ["GD705"]),
    "a manager that has seen nothing": ({"stale": frozenset({"GOPATH"})}, ["GD703"]),
    "an alias of bash": ({"go_is": "go is aliased to `go1.19'"}, ["GD206"]),
    "an alias of zsh": ({"go_is": "go is an alias for go1.19"}, ["GD206"]),
    "a function of bash": ({"go_is": "go is a function"}, ["GD206"]),
    "a function of zsh": ({"go_is": "go is a shell function from /h/.zshrc"}, ["GD206"]),
    "a function of fish": ({"go_is": "go is a function with definition"}, ["GD206"]),
    "a program": ({"go_is": "go is /usr/local/go/bin/go"}, []),
    "a program that ksh remembers": ({"go_is": "go is a tracked alias for /usr/local/go/bin/go"}, []),
    "a program that bash remembers": ({"go_is": "go is hashed (/usr/local/go/bin/go)"}, []),
}


@pytest.mark.parametrize("case", STARTS)
def test_findings_about_startups(fake_host: t.Any, case: str) -> None:
    changes, expected = STARTS[case]
    assert fake_host.ids(fake_host(**changes)) == expected


REMEDIES = {
    "a line that prints": ("hello", "A=1\necho hello\n", 2, 2, "delete the command at "),
    "a program that complains": ("tput: no terminal", "A=1\ntput bold\n", 2, 2, "correct "),
    "a mistake": ("/h/x: line 2: syntax error", "A=1\nif true\n", 2, 2, "correct "),
    "line ends of Windows": ("$'foo\\r': command not found", "A=1\nB=2\r\nfoo\r\n", 3, 2, "convert "),
    "a file that is not the user's": ("bash: /h/x: Permission denied", "", None, None, "make "),
}


@pytest.mark.parametrize("case", REMEDIES)
def test_the_remedy_for_a_noisy_startup_depends_on_the_line(fake_host: t.Any, case: str) -> None:
    output, text, line, expected, remedy = REMEDIES[case]
    file = fake_host.tmp / "startup"
    file.write_text(text, newline="")
    (finding,) = fake_host.evaluate(fake_host(unexpected_output=output, printing=Source("file", str(file), line)))[1]
    assert (finding.rule.id, finding.source) == ("GD701", Source("file", str(file), expected))
    assert finding.remedy.text.startswith(remedy)
    assert str(finding.source) in finding.cause


NO_LINE = "correct the error in the cause, and run the report again"
# By failure: the remedy with a known line, and without.
WAYS = {
    "timed out": ("remove the command at /h/.profile:3 that waits", "run the report again when the host is less busy"),
    "ended early": ("correct /h/.profile:3: a startup file must not exit", NO_LINE),
    "not let in": (
        "correct /h/.profile:3; 'sshd -t' must be silent",
        "run 'chage -l ",
    ),
    "forced command": (f"exclude {getpass.getuser()} from the ForceCommand at /h/.profile:3, and", "exclude "),
    "broken sshd": ("correct /h/.profile:3; 'sshd -t' must be silent", NO_LINE),
    "no system bus": ("correct /h/.profile:3", "install the package dbus and run"),
    "no user bus": ("correct /h/.profile:3", "install the package dbus-user-session"),
    "": ("correct /h/.profile:3", NO_LINE),
}


@pytest.mark.parametrize("failure", WAYS)
def test_the_remedy_for_a_failed_probe_depends_on_the_failure(fake_host: t.Any, failure: str) -> None:
    at = Source("file", PROFILE, 3)
    dead = dataclasses.replace(fake_host(), environment=None, problem="oh", failure=failure)
    (none,) = fake_host.evaluate(dead)[1]
    (finding,) = fake_host.evaluate(dataclasses.replace(dead, stopping=at))[1]
    assert (finding.rule.id, finding.source) == ("GD901", at)
    assert finding.remedy.text.startswith(WAYS[failure][0])
    assert (none.source, none.remedy.text.startswith(WAYS[failure][1])) == (None, True)


def test_the_process_that_keeps_a_session_open_is_named(fake_host: t.Any) -> None:
    (finding,) = fake_host.evaluate(fake_host(held=True))[1]
    assert (finding.rule.id, finding.source, "leaves a process that keeps" in finding.cause) == ("GD705", None, True)
    at = Source("file", PROFILE, 3)
    (finding,) = fake_host.evaluate(fake_host(held=True, holder="sleep 300", holding=at))[1]
    assert (finding.source, f"'sleep 300' that keeps the session open, started at {at}" in finding.cause) == (at, True)
    assert f"at {at}" in finding.remedy.text


def test_a_missing_shell_is_installed_or_replaced(fake_host: t.Any) -> None:
    problem = "sshd denies bob: User bob not allowed because shell /bin/none does not exist"
    denied = dataclasses.replace(fake_host(), environment=None, problem=problem, failure="not let in")
    (finding,) = fake_host.evaluate(denied)[1]
    assert finding.remedy.text.startswith("install that shell, or run 'chsh -s /bin/bash ")


def test_an_account_that_is_denied_everywhere_has_one_finding(fake_host: t.Any) -> None:
    denied = dataclasses.replace(fake_host(), environment=None, problem="PAM denies it", failure="not let in")
    (finding,) = fake_host.evaluate(denied, dataclasses.replace(denied, problem="sshd denies it"))[1]
    assert "PAM denies it" in finding.cause and "sshd denies it" in finding.cause
    assert "set an expired password again ('passwd " in finding.remedy.text


@pytest.mark.parametrize("problem", ["dash: 4: export: GOBIN: is read only", "dash: 2: .: cannot open ./.missing"])
def test_a_line_at_which_dash_ends_is_no_exit(fake_host: t.Any, problem: str) -> None:
    dead = dataclasses.replace(fake_host(), environment=None, problem=problem, failure="ended early")
    (finding,) = fake_host.evaluate(dataclasses.replace(dead, stopping=Source("file", PROFILE, 3)))[1]
    assert finding.remedy.text == f"correct {PROFILE}:3"


@pytest.mark.parametrize(
    ("offender", "remedy"),
    [
        ("GOEXPERIMENT", "delete or correct GOEXPERIMENT at /h/.profile:3: without it, go works"),
        ("ulimit", "raise the resource limit at /h/.profile:3: go needs more"),
    ],
)
def test_the_line_that_lets_go_fail_is_the_source(fake_host: t.Any, offender: str, remedy: str) -> None:
    at = Source("file", PROFILE, 3)
    result = GoResult({}, "it fails", offender=offender)
    (finding,) = fake_host.evaluate(fake_host(go=result, set_by=[Assignment(offender, "x", at)]))[1]
    assert (finding.rule.id, finding.source, finding.remedy.text) == ("GD205", at, remedy)


@pytest.mark.parametrize(
    ("line", "replaces"),
    [("exec zsh", True), ("[ -t 1 ] && exec fish -l", True), ("exec </dev/null", False), ("read -r x", False)],
)
def test_a_startup_that_waits_in_another_shell_replaces_its_own(fake_host: t.Any, line: str, replaces: bool) -> None:
    file = fake_host.tmp / "profile"
    file.write_text(f"A=1\n{line}\n")
    at = Source("file", str(file), 2)
    (finding,) = fake_host.findings(
        dataclasses.replace(fake_host(), environment=None, failure="timed out", stopping=at)
    )
    assert ("must not exit the shell" in finding.remedy.text) == replaces


def test_a_file_that_no_shell_can_read_is_replaced(fake_host: t.Any) -> None:
    at = Source("file", "/h/.bashrc")
    waiting = dataclasses.replace(fake_host(), environment=None, failure="timed out", stopping=at)
    printing = fake_host(unexpected_output="bash: /h/.bashrc: is a directory", printing=at)
    for observation in (waiting, printing):
        (finding,) = fake_host.findings(observation)
        assert (finding.source, finding.remedy.text) == (at, "replace /h/.bashrc by a regular file")


@pytest.mark.parametrize(
    ("text", "action"),
    [("exec >/dev/null", "redirect"), ("exec &>log", "redirect"), ("exec zsh", "exit the")],
)
def test_the_remedy_for_an_exec_depends_on_its_arguments(fake_host: t.Any, text: str, action: str) -> None:
    file = fake_host.tmp / "profile"
    file.write_text(f"A=1\n{text}\n")
    at = Source("file", str(file), 2)
    (finding,) = fake_host.evaluate(
        dataclasses.replace(fake_host(), environment=None, failure="ended early", stopping=at)
    )[1]
    assert finding.remedy.text.startswith(f"correct {at}: a startup file must not {action}")


def test_a_crontab_that_cron_ignores_gets_a_line_feed(fake_host: t.Any) -> None:
    at = Source("file", "/crontabs/x", 2)
    problem = f"{at.file}: line {at.line}: cron ignores this crontab"
    dead = dataclasses.replace(fake_host(), environment=None, problem=problem, stopping=at)
    (finding,) = fake_host.evaluate(dead)[1]
    assert (finding.source, finding.remedy.text) == (at, f"end {at} with a line feed, or provision again")


def test_a_startup_broken_by_crlf_is_reported_at_the_first_such_line(fake_host: t.Any) -> None:
    file = fake_host.tmp / "profile"
    file.write_text("A=1\nif true; then\r\nB=2\r\nfi\r\n", newline="")
    for line in (3, 5):
        dead = dataclasses.replace(fake_host(), environment=None, stopping=Source("file", str(file), line))
        (finding,) = fake_host.evaluate(dead)[1]
        assert finding.source == Source("file", str(file), 2)
        assert finding.remedy.text.startswith(f"convert {file}")


def test_a_value_that_was_not_rendered_leaves_go_env_of_the_tree_alone(fake_host: t.Any) -> None:
    declare(fake_host, GOPROXY="https://b.example")
    (finding,) = fake_host.evaluate(fake_host())[1]
    assert (finding.rule.id, finding.source.file) == ("GD101", str(fake_host.goroot / "go.env"))
    assert finding.remedy.text == "provision the host again with --tags environment"


def test_the_slow_line_of_a_startup_is_named(fake_host: t.Any) -> None:
    at = Source("file", PROFILE, 3)
    (finding,) = fake_host.evaluate(fake_host(seconds=4.0, slowest=at))[1]
    assert (finding.rule.id, finding.source) == ("GD702", at)
    assert finding.cause.endswith("took 4.0 s, most of it at /h/.profile:3; expected at most 3 s")
    assert "the command at /h/.profile:3 on first use" in finding.remedy.text
    both = fake_host.evaluate(fake_host(seconds=4.0, unexpected_output="hello", slowest=at))[1]
    assert [(one.rule.id, one.source) for one in both] == [("GD701", None), ("GD702", at)]


@pytest.mark.parametrize(
    ("context", "at", "words"),
    [
        ("cron", Source("file", "/etc/pam.d/cron", 9), "delete the line /etc/pam.d/cron:9"),
        ("cron", None, "session module in /etc/pam.d/cron"),
        ("systemd_user", None, "systemd-analyze --user blame"),
        ("systemd_system", None, "systemctl list-jobs"),
        ("zsh", None, "run 'zsh -lixc exit'"),
        ("fish", None, "run 'fish --profile-startup=/dev/stderr -lic exit'"),
    ],
)
def test_a_slow_startup_is_examined_where_its_context_begins(
    fake_host: t.Any, context: str, at: Source | None, words: str
) -> None:
    found = fake_host.findings(fake_host(context, seconds=5.0, slowest=at))
    assert [words in finding.remedy.text for finding in found if finding.rule.id == "GD702"] == [True]


def test_only_a_directory_of_path_that_hangs_is_to_be_removed(fake_host: t.Any) -> None:
    own, managed = Source("file", "/h/.profile", 3), Source("file", "/etc/gopherops/go-environment.sh", 18)
    paths = [Assignment("PATH", "/mnt:/usr/bin", own), Assignment("PATH", "/go:/mnt:/usr/bin", managed)]
    searched = "the directories of PATH=/mnt could not be searched"
    for problem, source, words in (
        (f"{searched}: the directory /mnt does not respond", own, "remove /mnt from PATH"),
        (f"{searched}, and none of them hangs", None, "when the host is less busy"),
    ):
        seen = dataclasses.replace(fake_host(set_by=paths), programs={}, go=GoResult({}, problem))
        (finding,) = [one for one in fake_host.findings(seen) if one.rule.id == "GD901"]
        assert (finding.source, words in finding.remedy.text) == (source, True)


def test_a_conflict_names_a_written_line_rather_than_a_default(fake_host: t.Any) -> None:
    proxy = {"GOPROXY": "https://b.example,direct"}
    written = [
        fake_host(name, environment=proxy, go_values=proxy, set_by=set_by("GOPROXY", proxy["GOPROXY"]))
        for name in ("login", "bash")
    ]
    (finding,) = fake_host.evaluate(fake_host("goenv"), *written)[1]
    assert (finding.rule.id, finding.source) == ("GD102", Source("file", PROFILE, 3))
    assert finding.remedy.text.startswith("declare GOPROXY")


def test_a_line_that_differs_from_a_default_is_deleted(fake_host: t.Any) -> None:
    """A declared default has no effect against it."""
    written = {"GODEBUG": "netdns=go"}
    one = fake_host(environment=written, go_values=written, set_by=set_by("GODEBUG", "netdns=go"))
    (finding,) = fake_host.findings(one, fake_host("bash"), fake_host("goenv"))
    assert finding.remedy.text.startswith(f"delete {PROFILE}:3, or declare GODEBUG")
    assert finding.remedy.variables == {}


PROGRAM_FLAGS = ["-toolexec=/tmp/x", "-v --toolexec=/tmp/x", "'-exec=/tmp/x -v'", "-tags=a -vettool=/tmp/x"]


@pytest.mark.parametrize("flags", PROGRAM_FLAGS)
@pytest.mark.parametrize("names", [["login"], ["login", "bash", "cron"]])
def test_flags_that_run_a_program_are_not_offered_for_declaration(
    fake_host: t.Any, flags: str, names: list[str]
) -> None:
    value = {"GOFLAGS": flags}
    written = [fake_host(name, environment=value, go_values=value, set_by=set_by("GOFLAGS", flags)) for name in names]
    for finding in fake_host.findings(fake_host("goenv"), *written):
        assert finding.rule.id in ("GD102", "GD602")
        assert finding.remedy.text.startswith("delete ")
        assert "exec, go runs the program" in finding.remedy.text or "-vettool" in finding.remedy.text
        assert (finding.source, finding.remedy.variables) == (Source("file", PROFILE, 3), {})


def test_a_conflict_is_settled_for_its_user(fake_host: t.Any) -> None:
    off = fake_host("bash", go_values={"GOSUMDB": "sum.example.net"})
    (finding,) = fake_host.evaluate(
        fake_host(go_values={"GOSUMDB": "sum.example.com"}), fake_host("goenv", go_values=off.go.values), off
    )[1]
    user = {"name": fake_host.declaration.users[0].account.name, "variables": {"GOSUMDB": "sum.example.net"}}
    assert (finding.rule.id, finding.remedy.variables) == ("GD102", {"devserver_users": [user]})


def test_versions_that_differ_are_no_conflict_that_a_declaration_settles(fake_host: t.Any) -> None:
    other = fake_host("bash", programs={"go": ["/opt/go/bin/go"]}, go_values={"GOVERSION": "go1.19"})
    assert fake_host.ids(fake_host(), other) == ["GD202"]


def test_an_alias_is_reported_with_its_line(fake_host: t.Any) -> None:
    made = set_by("alias go", "go1.19")
    (finding,) = fake_host.evaluate(fake_host(go_is="go is aliased to `go1.19'", set_by=made))[1]
    assert finding.source == Source("file", PROFILE, 3)


@pytest.mark.parametrize(("line", "expected"), [(7, ["GD202"]), (9, ["GD202", "GD204"])])
def test_a_goroot_that_a_version_manager_exports_is_in_the_first_report(
    fake_host: t.Any, line: int, expected: list[str]
) -> None:
    shims, tree = "/home/a/.asdf/shims", "/home/a/.asdf/installs/golang/1.19/go"
    exported = [
        Assignment("PATH", f"{shims}:/usr/bin", Source("file", "/home/a/.bashrc", 7)),
        Assignment("GOROOT", tree, Source("file", "/home/a/.bashrc", line)),
    ]
    environment = {"PATH": f"{shims}:/usr/bin", "GOROOT": tree}
    values = {"GOROOT": tree, "GOVERSION": "go1.19"}
    programs = {"go": [f"{shims}/go"]}
    by_asdf = fake_host(set_by=exported, environment=environment, go_values=values, programs=programs)
    only_path = {"PATH": environment["PATH"]}
    by_path = fake_host(set_by=exported[:1], environment=only_path, go_values=values, programs=programs)
    of_go = [one for one in fake_host.findings(by_asdf) if one.variable in ("go", "GOROOT")]
    assert [(one.rule.id, one.source.line) for one in of_go] == [("GD202", 7), ("GD204", line)]
    assert "GOROOT is" in of_go[1].cause and "of asdf" in of_go[1].cause
    # One line is one cause.
    assert [one.rule.id for one in by_cause(of_go, [])] == expected
    assert [one.rule.id for one in fake_host.findings(by_path) if one.variable == "GOROOT"] == []


@pytest.mark.parametrize("setter", ["its own files", "a line of the user"])
def test_what_a_version_manager_sets_is_one_finding_with_its_remedy(fake_host: t.Any, setter: str) -> None:
    root = "/home/a/.asdf/installs/golang/1.19"
    values = {"GOBIN": f"{root}/bin", "GOROOT": f"{root}/go", "GOPATH": f"{root}/packages"}
    by_own = setter == "its own files"
    file = "/home/a/.asdf/plugins/golang/set-env.zsh" if by_own else "/home/a/.bashrc"
    exported = [
        Assignment(name, value, Source("file", file, number if by_own else 116))
        for number, (name, value) in enumerate(values.items(), 2)
    ]
    by_asdf = fake_host(set_by=exported, environment=values, go_values=values)
    found = [one for one in fake_host.findings(by_asdf) if one.variable != "GOBIN"]
    assert [(one.rule.id, one.variable) for one in found] == [("GD101", "GOPATH"), ("GD204", "GOROOT")]
    (merged,) = by_cause(found, [])
    assert (merged.rule.id, merged.source.file) == ("GD204", file)
    assert {one.remedy.text.partition(" from")[0] for one in found} == {"remove the lines that start asdf"}
    # Its own directory is not to be declared for the user.
    assert [one.remedy.variables for one in found] == [{}, {}]


def test_a_line_of_the_user_with_a_path_of_a_version_manager_is_to_be_corrected(fake_host: t.Any) -> None:
    file = fake_host.tmp / "rc"
    file.write_text("export GOPATH=$HOME/.asdf/x\n")
    line = Assignment("GOPATH", "/home/a/.asdf/x", Source("file", str(file), 1))
    (finding,) = fake_host.findings(fake_host(set_by=[line], environment={"GOPATH": line.value}))
    assert finding.remedy.text.startswith(f"delete or correct {file}:1")


def test_a_missing_path_in_a_running_manager_is_removed_there(fake_host: t.Any) -> None:
    (finding,) = fake_host.findings(fake_host("systemd_system", environment={"CC": "/no/cc"}))
    command = "run 'systemctl unset-environment CC' as root, or install the program"
    assert (finding.rule.id, finding.remedy.text) == ("GD606", command)


def test_keys_with_a_command_are_one_note_of_their_user(fake_host: t.Any) -> None:
    lines = [Source("file", "/home/a/.ssh/authorized_keys", number) for number in (2, 5)]
    (finding,) = fake_host.findings(fake_host(), forced_keys={"a": ForcedKeys(lines, 3)})
    assert (finding.rule.id, finding.user, finding.context, finding.source) == ("GD707", "a", "ssh", lines[0])
    assert finding.cause == f"2 of 3 keys of a run commands of their own: {lines[0]}, {lines[1]}"


MISSING = {
    "a program": ("CC", "/no/cc -x"),
    "one that no directory of PATH has": ("CXX", "no-such-program"),
    "one with a blank": ("AR", "'/no/my ar' -x"),
    "one that is no program": ("PKG_CONFIG", "/etc/passwd"),
    "the directory of builds": ("GOTMPDIR", "/no/tmp"),
    "the one of all programs": ("TMPDIR", "/no/tmp"),
}
PRESENT = {
    "with options": ("CC", "/bin/sh -x"),
    "on PATH": ("FC", "sh"),
    "relative to a package": ("CC", "./cc"),
    "a directory": ("GOTMPDIR", "/tmp"),
    "of a session": ("TMPDIR", "/run/user/4711/x"),
    "without cgo": ("CC", "/no/cc"),
}


@pytest.mark.parametrize("case", [*MISSING, *PRESENT])
@pytest.mark.parametrize("persisted", [False, True])
def test_a_path_of_builds_that_does_not_exist(fake_host: t.Any, case: str, persisted: bool) -> None:
    name, value = {**MISSING, **PRESENT}[case]
    if persisted and name != "TMPDIR":
        (fake_host.tmp / "env").write_text(f"GOPATH=/x\n{name}={value}\n")
    go_values = {"CGO_ENABLED": "0"} if case == "without cgo" else {}
    environment = {} if persisted and name != "TMPDIR" else {name: value}
    made = [
        fake_host(context, environment=environment, set_by=set_by(name, value), go_values=go_values)
        for context in ("login", "bash")
    ]
    found = [one for one in fake_host.findings(*made) if one.rule.id == "GD606"]
    place = Source("file", PROFILE, 3) if environment else Source("file", str(fake_host.tmp / "env"), 2)
    assert [(one.variable, one.source) for one in found] == ([(name, place)] if case in MISSING else [])
    assert all("(in login, bash)" in one.cause and value in one.cause for one in found)


def test_outdated_values_of_a_manager_are_one_finding(fake_host: t.Any) -> None:
    stale = frozenset({"PATH", "GOPATH"})
    late = fake_host(
        stale=stale, environment={"GOPATH": "/x", "PATH": "/y"}, programs={"go": []}, go=GoResult({}, "none")
    )
    (finding,) = fake_host.evaluate(late)[1]
    assert finding.rule.id == "GD703"
    assert "has outdated values of GOPATH, PATH; expected" in finding.cause


def test_a_problem_beside_an_environment_does_not_hide_differences(fake_host: t.Any) -> None:
    assert fake_host.ids(fake_host(problem="something about GOPATH", environment={"GOPATH": "/x"})) == ["GD101"]


def test_a_startup_file_with_crlf(fake_host: t.Any) -> None:
    declare(fake_host, GOBIN="/h/bin", GOTMPDIR="/h/tmp")
    values = {"GOBIN": "/h/bin\r", "GOTMPDIR": "/h/tmp\r"}
    seen = fake_host(
        environment=values, go_values=values, set_by=set_by("GOBIN", "/h/bin\r") + set_by("GOTMPDIR", "/h/tmp\r", 4)
    )
    (finding,) = [found for found in fake_host.evaluate(seen)[1] if found.rule.id != "GD301"]
    assert (finding.rule.id, finding.source) == ("GD106", Source("file", PROFILE, 3))
    assert "GOBIN of login, GOTMPDIR of login" in finding.cause


def test_a_settings_file_with_crlf_explains_why_go_fails(fake_host: t.Any) -> None:
    (fake_host.tmp / ".config/go").mkdir(parents=True)
    (fake_host.tmp / ".config/go/env").write_text("# c\r\nGOTOOLCHAIN=local\r\n", newline="")
    failing = fake_host("goenv", environment={"HOME": str(fake_host.tmp)}, go=GoResult({}, "go: invalid GOTOOLCHAIN"))
    found = [(finding.rule.id, finding.source.line) for finding in fake_host.evaluate(failing)[1] if finding.source]
    assert ("GD106", 2) in found
    assert "GD205" not in {rule for rule, _line in found}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("GOPAHT", "GOPATH"),
        ("GO_PROXY", "GOPROXY"),
        ("GOMODCAHCE", "GOMODCACHE"),
        ("CGO_ENABLE", "CGO_ENABLED"),
        ("GOPROXYS", "GOPROXY"),
        ("GO111MODULES", "GO111MODULE"),
        ("GOFLAG", "GOFLAGS"),
        ("GOTOLCHIAN", "GOTOOLCHAIN"),
    ],
)
def test_a_misspelt_variable(fake_host: t.Any, name: str, meant: str) -> None:
    declare(fake_host, **{name: "x"})
    (finding,) = fake_host.evaluate(fake_host(environment={name: "x"}, set_by=set_by(name, "x")))[1]
    assert (finding.rule.id, finding.variable, finding.source) == ("GD105", name, Source("file", PROFILE, 3))
    assert meant in finding.cause


@pytest.mark.parametrize(
    "name",
    [
        *["GOMEMLIMIT", "GOLANGCI_LINT_CACHE", "GOOGLE_CLOUD_PROJECT", "GO_ENV", "GO_VERSION", "GOPHER", "HOME"],
        *["GOENV_VERSION", "GOLANG_VERSION", "GOSUM", "GOMODULE", "GOTAGS", "GOCMD", "GOTEST", "GOFILES", "GOVERSION"],
        *["GOARGS", "GOBUILD", "GOSRC", "GOLINT", "GOVET", "GOFMT", "GODIR", "GOTOOL", "GOPKG", "GOROOT_1_22"],
    ],
)
def test_similar_names_of_other_programs_are_not_reported(fake_host: t.Any, name: str) -> None:
    declare(fake_host, **{name: "x"})
    assert fake_host.ids(fake_host(environment={name: "x"})) == []


def test_the_debug_session_and_the_terminals(fake_host: t.Any) -> None:
    debug = dataclasses.replace(fake_host("bash", go_values={"GOPROXY": "off"}), context=Debug())
    assert fake_host.ids(fake_host(), debug) == ["GD104"]


def test_another_tree_of_a_debug_session_is_the_cause_of_its_defaults(fake_host: t.Any) -> None:
    line = Assignment("GOROOT", "/other", Source("file", "/w/.vscode/launch.json", 7))
    values = {"GOPROXY": "", "GOSUMDB": "", "GOROOT": "/other"}
    debug = fake_host("bash", environment={"GOROOT": "/other"}, go_values=values, set_by=[line])
    debug = dataclasses.replace(debug, context=Debug())
    found = [(one.rule.id, one.source) for one in fake_host.findings(fake_host(), debug)]
    assert found == [("GD204", line.source)]


LIMIT_LINES = [
    ("nofile", "ulimit -Sc 0 -Hn 60", "ulimit -u 5"),
    ("nofile", "nofile 60", "core 0"),
    ("nproc", "limit maxproc 60", "ulimit -n 5"),
    ("as", "ulimit -v 60", "limit descriptors 9"),
]


@pytest.mark.parametrize(("resource", "command", "other"), LIMIT_LINES)
def test_a_low_limit_is_at_the_line_for_that_resource(
    fake_host: t.Any, resource: str, command: str, other: str
) -> None:
    lines = [Assignment("ulimit", text, Source("file", PROFILE, n)) for n, text in enumerate([command, other], 1)]
    limited = [fake_host(name, limits={resource: 60}, set_by=lines) for name in ("bash", "login")]
    (finding,) = fake_host.findings(*limited)
    assert (finding.rule.id, finding.source) == ("GD706", lines[0].source)
    assert finding.cause.endswith("(in bash, login)")
    failing = [dataclasses.replace(one, go=GoResult({}, "x", offender="ulimit")) for one in limited]
    found = {(finding.rule.id, finding.source) for finding in fake_host.findings(*failing)}
    assert found == {("GD205", lines[0].source)}


class Debug(BashContext):
    """A substitute for the context of debug sessions."""

    name = "vscode_debug"
    in_terminal = False


def test_the_line_that_puts_another_go_first_is_the_cause(fake_host: t.Any) -> None:
    (fake_host.tmp / "shims").mkdir()
    other = fake_host.tmp / "shims/go"
    other.write_text("")
    declared = ":".join([*fake_host.declaration.users[0].path, "/usr/bin"])
    written = [
        ("/h/.early", f"{other.parent}/:/usr/bin"),
        ("/etc/bash.bashrc", declared),
        ("/h/.bashrc", f"{other.parent}:{declared}"),
        ("/h/.profile", f"/h/.local/bin:{other.parent}:{declared}"),
    ]
    lines = [Assignment("PATH", value, Source("file", file, 5)) for file, value in written]
    seen = fake_host("bash", environment={"PATH": written[-1][1]}, set_by=lines, programs={"go": [str(other)]})
    (finding,) = fake_host.findings(seen)
    assert (finding.rule.id, finding.source) == ("GD202", Source("file", "/h/.bashrc", 5))


def test_another_value_of_an_editor_is_reported_beside_a_debug_session(fake_host: t.Any) -> None:
    setting = Assignment("GOPROXY", "off", Source("file", "/w/c.code-workspace", 3))
    debug = dataclasses.replace(fake_host("bash", go_values={"GOPROXY": "https://b.example,direct"}), context=Debug())
    server = fake_host("cron", environment={"GOPROXY": "off"}, go_values={"GOPROXY": "off"}, set_by=[setting])
    of_editor, of_debug = fake_host.findings(fake_host(), server, debug)
    assert (of_debug.rule.id, of_editor.rule.id, of_editor.source) == ("GD104", "GD102", setting.source)


@pytest.mark.parametrize(("file", "expected"), [("/w/c.code-workspace", "delete or correct"), ("/w/x.env", "remove")])
def test_the_remedy_of_a_debug_session_fits_the_place_of_its_value(fake_host: t.Any, file: str, expected: str) -> None:
    """A session gets what the editor's server has, unless its own configuration replaces that."""
    values = {"GOPROXY": "off"}
    setting = Assignment("GOPROXY", "off", Source("file", "/w/c.code-workspace", 3))
    line = [Assignment("GOPROXY", "off", Source("file", file, 3))]
    server = fake_host("cron", environment=values, go_values=values, set_by=[setting])
    debug = fake_host("bash", environment=values, go_values=values, set_by=line)
    found = fake_host.findings(fake_host(), server, dataclasses.replace(debug, context=Debug()))
    (of_debug,) = [finding for finding in found if finding.rule.id == "GD104"]
    assert of_debug.remedy.text.startswith(expected)


def test_the_remedy_names_every_line_with_another_value(fake_host: t.Any) -> None:
    values = {"GOFLAGS": "-tags=x"}
    lines = [Assignment("GOFLAGS", "-tags=x", Source("file", file, 5)) for file in ("/w/a.json", "/w/b.json")]
    others = [fake_host(name) for name in ("login", "zsh", "ssh")]
    first, second = [
        fake_host(name, environment=values, go_values=values, set_by=[line])
        for name, line in zip(("bash", "cron"), lines, strict=True)
    ]
    (finding,) = [one for one in fake_host.findings(*others, first, second) if one.rule.id == "GD102"]
    assert finding.remedy.text.startswith("delete /w/a.json:5 and delete /w/b.json:5, or declare GOFLAGS")


def test_each_container_without_a_declared_variable_is_a_finding(fake_host: t.Any) -> None:
    declare(fake_host, GOPROXY="https://a.example")
    files = ["/w/.devcontainer.json", "/w/.devcontainer/x/devcontainer.json"]
    seen = [
        dataclasses.replace(fake_host("bash"), context=DevcontainerContext(EditorFile(path), f"/w{n}"))
        for n, path in enumerate(files)
    ]
    assert [finding.source for finding in by_cause(fake_host.findings(*seen), [])] == [
        Source("file", path) for path in files
    ]


RELATIVE = {"": "an empty entry", ".": "'.'", "bin": "'bin'", "~/bin": "'~/bin'"}


@pytest.mark.parametrize("entry", RELATIVE)
@pytest.mark.parametrize("place", ["{}:{path}", "{path}:{}"])
def test_a_path_with_the_current_directory(fake_host: t.Any, entry: str, place: str) -> None:
    whole = ":".join([*fake_host.declaration.users[0].path, "/usr/bin"])
    path = place.format(entry, path=whole)
    before, at, after = set_by("PATH", whole, 1), set_by("PATH", path, 5), set_by("PATH", path + ":/x", 7)
    (finding,) = fake_host.evaluate(fake_host(environment={"PATH": path + ":/x"}, set_by=before + at + after))[1]
    assert (finding.rule.id, finding.context) == ("GD107", "")
    # The program that reads the file may expand ~, so the written text is not compared.
    assert finding.source == Source("file", PROFILE, 7 if "~" in entry else 5)
    assert RELATIVE[entry] in finding.cause


MANAGED = {
    "/home/a/.asdf/shims/go": "asdf",
    "/home/a/.goenv/versions/1.19/bin/go": "goenv",
    "/home/a/.gvm/gos/go1.19/bin/go": "gvm",
    "/home/a/.local/share/mise/installs/go/1.19/bin/go": "mise",
    "/home/a/mise/bin/go": "",
    "/opt/go/bin/go": "",
}


@pytest.mark.parametrize("go", MANAGED)
def test_a_version_manager_is_named(fake_host: t.Any, go: str) -> None:
    root = os.path.dirname(os.path.dirname(go))
    (first,) = fake_host.evaluate(fake_host(programs={"go": [go]}))[1]
    (root_differs,) = fake_host.evaluate(fake_host(environment={"GOROOT": root}, go_values={"GOROOT": root}))[1]
    (behind,) = fake_host.evaluate(fake_host(programs={"go": [str(fake_host.goroot / "bin/go"), go]}))[1]
    assert [first.rule.id, root_differs.rule.id, behind.rule.id] == ["GD202", "GD204", "GD208"]
    for finding in (first, root_differs, behind):
        named = [name for name in MANAGED.values() if name and f" of {name} " in f"{finding.cause} ".replace(",", " ")]
        assert named == ([MANAGED[go]] if MANAGED[go] else [])
        assert finding.remedy.text.startswith(f"remove the lines that start {MANAGED[go]} from") == bool(MANAGED[go])


def test_the_copy_of_a_distribution(fake_host: t.Any) -> None:
    assert fake_host.ids(fake_host(programs={"go": ["/usr/bin/go"]})) == ["GD207"]


def test_a_copy_behind_the_declared_one(fake_host: t.Any) -> None:
    go = str(fake_host.goroot / "bin/go")
    (fake_host.tmp / "link").symlink_to(go)
    assert fake_host.ids(fake_host(programs={"go": [go, str(fake_host.tmp / "link")]})) == []
    (finding,) = fake_host.evaluate(fake_host(programs={"go": [go, "/usr/bin/true"]}))[1]
    assert finding.rule.id == "GD208"
    assert os.path.realpath("/usr/bin/true") in finding.cause


def test_a_persisted_goroot_replaces_the_failure_of_go(fake_host: t.Any) -> None:
    settings = fake_host.tmp / ".config/go/env"
    settings.parent.mkdir(parents=True)
    settings.write_text("GOFLAGS=\nGOROOT=/old\n")
    home = {"HOME": str(fake_host.tmp)}
    dead = [fake_host(name, environment=home, go=GoResult({}, "go: cannot find GOROOT")) for name in ("login", "bash")]
    found = [finding for finding in fake_host.evaluate(*dead)[1] if finding.rule.id != "GD211"]
    assert [(finding.rule.id, finding.source) for finding in found] == [("GD209", Source("file", str(settings), 2))]
    user = pwd.getpwuid(os.getuid()).pw_name
    assert [command.partition("sed")[0] for command in found[0].remedy.commands] == [f"runuser -u {user} -- "]


def test_a_goroot_that_is_right_today(fake_host: t.Any) -> None:
    seen = fake_host(environment={"GOROOT": str(fake_host.goroot)}, set_by=set_by("GOROOT", str(fake_host.goroot)))
    assert fake_host.ids(seen) == ["GD210"]
    declare(fake_host, GOROOT=str(fake_host.goroot))
    assert fake_host.ids(seen) == []


@pytest.mark.parametrize(
    ("variable", "value", "file"),
    [
        ("GOENV", "off", "off"),
        ("GOENV", "/x/env", "/x/env"),
        ("XDG_CONFIG_HOME", "/x", "/x/go/env"),
        ("HOME", "/srv/h", "/srv/h/.config/go/env"),
    ],
)
def test_a_settings_file_that_go_does_not_read(fake_host: t.Any, variable: str, value: str, file: str) -> None:
    go_values = {"GOENV": file}
    (finding,) = fake_host.evaluate(
        fake_host(environment={variable: value}, go_values=go_values, set_by=set_by(variable, value))
    )[1]
    assert (finding.rule.id, finding.variable) == ("GD211", variable)
    assert finding.source == Source("file", PROFILE, 3)


def test_a_directory_in_the_place_of_a_settings_file_is_ignored_by_go(fake_host: t.Any) -> None:
    (fake_host.tmp / ".goenv").mkdir()
    value = str(fake_host.tmp / ".goenv")
    seen = fake_host(environment={"GOENV": value}, go_values={"GOENV": value}, set_by=set_by("GOENV", value))
    assert fake_host.ids(seen) == ["GD211"]


def test_a_denial_by_sshds_methods_is_no_reason_to_unlock_an_account(fake_host: t.Any) -> None:
    problem = "sshd denies x: no authentication methods enabled"
    seen = dataclasses.replace(fake_host("ssh"), environment=None, problem=problem, failure="not let in")
    (finding,) = fake_host.evaluate(seen)[1]
    assert "sshd -T" in finding.remedy.text and "usermod" not in finding.remedy.text


def fingerprints(found: t.Iterable[Finding], rule: str) -> set[str]:
    return {finding.result("h")["fingerprint"] for finding in found if finding.rule.id == rule}


BAD_SETTINGS = {"GD106": "GOFLAGS=\r\n", "GD209": "GOROOT=/x\n", "GD902": "x\n", "GD903": "#\udce9\n"}


@pytest.mark.parametrize("rule", BAD_SETTINGS)
def test_two_settings_files_of_one_user_are_two_findings(fake_host: t.Any, rule: str) -> None:
    for name in ("env", "other"):
        (fake_host.tmp / name).write_bytes(BAD_SETTINGS[rule].encode("utf-8", "surrogateescape"))
    found = fake_host.evaluate(fake_host(), fake_host("goenv", go_values={"GOENV": str(fake_host.tmp / "other")}))[1]
    assert len(fingerprints(found, rule)) == 2


def test_two_startup_files_with_crlf_are_two_findings(fake_host: t.Any) -> None:
    declare(fake_host, GOA="/a", GOB="/b")
    values = {"GOA": "/a\r", "GOB": "/b\r"}
    other = Assignment("GOB", "/b\r", Source("file", "/etc/profile", 1))
    found = fake_host.evaluate(fake_host(environment=values, set_by=[*set_by("GOA", "/a\r"), other]))[1]
    assert len(fingerprints(found, "GD106")) == 2


def test_each_line_of_a_workspace_that_is_not_met_is_a_finding(fake_host: t.Any) -> None:
    for name in ("one", "two"):
        (fake_host.tmp / name).mkdir()
        (fake_host.tmp / name / "go.mod").write_text("module x\n\ngo 1.99\n\ntoolchain go1.99.1\n")
    directories = [str(fake_host.tmp / name) for name in ("one", "two")]
    fake_host.declaration.users[0] = dataclasses.replace(fake_host.declaration.users[0], workspaces=directories)
    unmet = unmet_requirements(fake_host.declaration, "")
    found = fake_host.findings(fake_host(), requirements=unmet)
    assert len(fingerprints(found, "GD605")) == 4
    assert {finding.variable for finding in found} == {""}


MINIMA = {"": 0, "1.22": 0, "1.22.12": 0, "1.22.13": 1, "1.23": 1}


@pytest.mark.parametrize("minimum", MINIMA)
@pytest.mark.parametrize("workspaces", [0, 1])
def test_a_minimum_is_one_finding_of_the_host(fake_host: t.Any, minimum: str, workspaces: int) -> None:
    user = dataclasses.replace(fake_host.declaration.users[0], workspaces=[str(fake_host.tmp)] * workspaces)
    declaration = dataclasses.replace(fake_host.declaration, users=[user, user])
    unmet = unmet_requirements(declaration, minimum)
    found = [finding for finding in fake_host.findings(requirements=unmet) if finding.rule.id == "GD605"]
    assert [(finding.user, finding.source) for finding in found] == [("", None)] * MINIMA[minimum]
    assert all(f"{fake_host.goroot} is 1.22.12; expected Go {minimum} or later" in finding.cause for finding in found)


def test_a_workspace_that_requires_less_than_the_minimum(fake_host: t.Any) -> None:
    (fake_host.tmp / ".go-version").write_text("1.21\n")
    user = dataclasses.replace(fake_host.declaration.users[0], workspaces=[str(fake_host.tmp)])
    declaration = dataclasses.replace(fake_host.declaration, users=[user])
    unmet = unmet_by(AvailableGo(["1.21.5", "1.22.12"], "1.22.12"), declaration, "1.22")
    (finding,) = building.evaluate(Snapshot(declaration, [], [], requirements=unmet))
    assert (finding.rule.id, finding.user, finding.source.line) == ("GD605", user.account.name, 1)


@pytest.mark.parametrize(("gotoolchain", "count"), [("local", 1), ("path", 0), ("", 0)])
def test_an_installed_version_is_enough_only_if_go_switches_to_it(
    fake_host: t.Any, gotoolchain: str, count: int
) -> None:
    (fake_host.tmp / "go.mod").write_text("module x\n\ngo 1.23.4\n")
    declare(fake_host, GOTOOLCHAIN=gotoolchain)
    user = dataclasses.replace(fake_host.declaration.users[0], workspaces=[str(fake_host.tmp)])
    declaration = dataclasses.replace(fake_host.declaration, users=[user])
    unmet = unmet_by(AvailableGo(["1.22.12", "1.23.4"], "1.22.12"), declaration, "")
    found = list(building.evaluate(Snapshot(declaration, [], [], requirements=unmet)))
    assert [(finding.rule.id, finding.source.line) for finding in found] == [("GD605", 3)] * count
    assert all("go is 1.22.12 and does not switch" in finding.cause for finding in found)


def test_a_workspace_that_takes_too_long_is_a_finding_of_its_user(fake_host: t.Any, slow_workspace: str) -> None:
    user = dataclasses.replace(fake_host.declaration.users[0], workspaces=[slow_workspace])
    declaration = dataclasses.replace(fake_host.declaration, users=[user])
    unmet = unmet_requirements(declaration, "")
    (finding,) = building.evaluate(Snapshot(declaration, [], [], requirements=unmet))
    assert f"{slow_workspace} of user {user.account.name} took longer than 0.2 s" in finding.cause
    assert [found for found, _problem in unresponsive_users([user], 5)] == [user]


def test_a_minimum_that_is_no_version_is_an_error(fake_host: t.Any) -> None:
    with pytest.raises(DevserverError, match="minimum is 'new'"):
        unmet_requirements(fake_host.declaration, "new")


def test_the_settings_file_of_a_container_is_not_read_on_this_host(fake_host: t.Any) -> None:
    elsewhere = {"XDG_CONFIG_HOME": "/container/config"}
    assert fake_host.ids(fake_host("devcontainer", environment=elsewhere, go_values={"GOENV": ""})) == []


SETTINGS = {
    "all is well": ("# c\n\nGOFLAGS=-x\nCGO_ENABLED=\n", []),
    "no equals sign": ("GOFLAGS -x\n", [("GD902", 1)]),
    "a small letter": ("\ngoflags=-x\n", [("GD902", 2)]),
    "an export": ("export GOFLAGS=-x\n", [("GD902", 1)]),
    "not one of Go's": ("GOMEMLIMIT=1GiB\n", [("GD902", 1)]),
    "several, one finding": ("x\ny\n", [("GD902", 1)]),
    "not UTF-8": ("GOPRIVATE=caf\udce9\n", [("GD903", 1)]),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_the_settings_file(fake_host: t.Any, case: str) -> None:
    text, expected = SETTINGS[case]
    (fake_host.tmp / "env").write_bytes(text.encode("utf-8", "surrogateescape"))
    found = fake_host.evaluate(fake_host("goenv"), fake_host())[1]
    lines = [(finding.rule.id, finding.source.line) for finding in found if finding.rule.id.startswith("GD9")]
    assert lines == expected


def test_a_line_without_effect_is_not_shown(fake_host: t.Any) -> None:
    (fake_host.tmp / "env").write_text("GOAUTH_TOKEN=s3cret\ns3cret\n")
    (finding,) = fake_host.evaluate(fake_host())[1]
    assert finding.cause == f"{fake_host.tmp}/env:1 has no effect; the same applies to line 2"


@pytest.mark.parametrize("names", [["go.env"], [f"f{number}" for number in range(7)]])
def test_an_altered_toolchain_is_a_finding_of_the_host(fake_host: t.Any, names: list[str]) -> None:
    altered = AlteredToolchain("/usr/local/lib/go/1.22.12", Differences(names, [], ["VERSION"]))
    (finding,) = fake_host.findings(altered_toolchains=[altered])
    assert (finding.rule.id, finding.user) == ("GD212", "")
    assert finding.source == Source("file", f"/usr/local/lib/go/1.22.12/{names[0]}")
    ending = "changed go.env, missing VERSION" if len(names) == 1 else "changed f4 and 3 more"
    assert finding.cause.endswith(ending)
    assert finding.remedy.variables == {"toolchain_verify": True}


def test_a_settings_file_in_a_container_hides_no_file_of_this_host(fake_host: t.Any) -> None:
    (fake_host.tmp / "env").write_text("GOFLAGS=-x\r\n", newline="")
    container = fake_host("devcontainer", environment={"HOME": ""}, go_values={"GOENV": ""})
    other = fake_host("goenv", go_values={"GOENV": str(fake_host.tmp / "other")})
    found = fake_host.evaluate(fake_host(), other, container)[1]
    assert ("GD106", str(fake_host.tmp / "env")) in [(finding.rule.id, finding.source.file) for finding in found]


def test_a_settings_file_that_is_a_link_to_nothing(fake_host: t.Any) -> None:
    (fake_host.tmp / "env").symlink_to("gone/env")
    (finding,) = fake_host.evaluate(fake_host("goenv"))[1]
    assert finding.rule.id == "GD904"
    assert f"is a link to {fake_host.tmp}/gone/env, which is missing" in finding.cause
    (fake_host.tmp / "gone").mkdir()
    (fake_host.tmp / "gone/env").write_text("")
    assert fake_host.ids(fake_host("goenv")) == []


def test_a_settings_file_that_cannot_be_read(fake_host: t.Any) -> None:
    (fake_host.tmp / "env").mkdir()
    assert fake_host.ids(fake_host("goenv")) == ["GD904"]


@pytest.fixture
def nobody(tmp_path: t.Any) -> t.Iterator[UserEnvironment]:
    """A user other than root, with its own directories."""
    account = find_account(pwd.getpwuid(os.geteuid()).pw_name if os.geteuid() else "nobody")
    # The user must be able to pass every directory above.
    # pytest creates a private directory, which is one level deeper with parallel tests.
    for directory in (tmp_path, *tmp_path.parents):
        if directory.stat().st_mode & 0o777 == 0o700:
            directory.chmod(0o711)
    (tmp_path / "cache").mkdir()
    os.chown(tmp_path / "cache", account.uid, account.gid)
    yield UserEnvironment(account, {"GOCACHE": str(tmp_path / "cache")}, [])
    (tmp_path / "cache").chmod(0o755)


# In a directory with the sticky bit others can add a file.
MODES = {0o755: [], 0o700: [], 0o555: ["GD303"], 0o777: ["GD307"], 0o1777: ["GD307"]}


@pytest.mark.parametrize("mode", MODES)
def test_the_rights_to_a_directory(fake_host: t.Any, nobody: UserEnvironment, mode: int) -> None:
    os.chmod(nobody.variables["GOCACHE"], mode)
    declaration = dataclasses.replace(fake_host.declaration, users=[nobody])
    found = fake_host.findings(declaration=declaration)
    assert [finding.rule.id for finding in found] == MODES[mode]
    commands = [command for finding in found for command in finding.remedy.commands]
    assert len(commands) == len(found)
    assert all(command.startswith("runuser -u nobody -- chmod ") for command in commands)


@pytest.mark.parametrize("mode", [0o755, 0o777, 0o1777])
def test_a_directory_in_a_cache_that_others_can_change(fake_host: t.Any, nobody: UserEnvironment, mode: int) -> None:
    below = pathlib.Path(nobody.variables["GOCACHE"], "00")
    below.mkdir()
    os.chown(below, nobody.account.uid, nobody.account.gid)
    below.chmod(mode)
    found = fake_host.findings(declaration=dataclasses.replace(fake_host.declaration, users=[nobody]))
    assert [finding.rule.id for finding in found] == ([] if mode == 0o755 else ["GD307"])
    assert all(str(below) in finding.cause for finding in found)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the commands of findings about users")


def swap(directory: pathlib.Path, target: pathlib.Path) -> None:
    """Replace the directory by a link to ``target``, as its user can do at any moment."""
    directory.rename(directory.with_name("moved"))
    directory.symlink_to(target)


@needs_root
@pytest.mark.parametrize("mode", [0o555, 0o777])
def test_a_safe_command_changes_nothing_of_roots_through_a_planted_link(
    fake_host: t.Any, nobody: UserEnvironment, mode: int
) -> None:
    (fake_host.tmp / "roots").mkdir()
    (fake_host.tmp / "roots").chmod(mode)
    os.chmod(nobody.variables["GOCACHE"], mode)
    (finding,) = fake_host.findings(declaration=dataclasses.replace(fake_host.declaration, users=[nobody]))
    swap(fake_host.tmp / "cache", fake_host.tmp / "roots")
    for command in finding.remedy.commands:
        subprocess.run(["/bin/sh", "-c", command], check=False, capture_output=True)
    assert (fake_host.tmp / "roots").stat().st_mode & 0o777 == mode
    (fake_host.tmp / "cache").unlink()
    (fake_host.tmp / "moved").rename(fake_host.tmp / "cache")


@needs_root
def test_removing_a_copy_removes_nothing_of_roots_through_a_planted_link(
    fake_host: t.Any, nobody: UserEnvironment
) -> None:
    directory = fake_host.tmp / "cache" / "it's"
    directory.mkdir()
    (directory / "gopls").write_text("")
    (directory / "gopls").chmod(0o755)
    os.chown(directory, nobody.account.uid, nobody.account.gid)
    user = dataclasses.replace(nobody, variables={"GOBIN": str(directory)})
    declaration = dataclasses.replace(fake_host.declaration, users=[user])
    found = fake_host.findings(declaration=declaration, tools=[tool(fake_host)])
    (command,) = [command for finding in found if finding.rule.id == "GD403" for command in finding.remedy.commands]
    (fake_host.tmp / "roots").mkdir()
    (fake_host.tmp / "roots/gopls").write_text("")
    swap(directory, fake_host.tmp / "roots")
    subprocess.run(["/bin/sh", "-c", command], check=False, capture_output=True)
    assert (fake_host.tmp / "roots/gopls").exists()
    directory.unlink()
    (fake_host.tmp / "cache/moved").rename(directory)
    subprocess.run(["/bin/sh", "-c", command], check=True)
    assert not (directory / "gopls").exists()


@needs_root
def test_only_provisioning_gives_back_a_directory_of_root(fake_host: t.Any, nobody: UserEnvironment) -> None:
    home = fake_host.tmp / "cache"
    (home / "go").mkdir()
    account = nobody.account._replace(home=str(home))
    user = dataclasses.replace(nobody, account=account, variables={"GOPATH": str(home / "go")})
    (finding,) = fake_host.findings(declaration=dataclasses.replace(fake_host.declaration, users=[user]))
    assert (finding.rule.id, finding.remedy.text, list(finding.remedy.commands)) == ("GD301", PROVISION_AGAIN, [])


@needs_root
@pytest.mark.parametrize("way", ["group", "directory above"])
def test_a_directory_that_another_user_can_change(fake_host: t.Any, nobody: UserEnvironment, way: str) -> None:
    cache = pathlib.Path(nobody.variables["GOCACHE"])
    if way == "group":
        os.chown(cache, -1, find_account("games").gid)
        cache.chmod(0o775)
    else:
        (cache / "go").mkdir()
        os.chown(cache / "go", nobody.account.uid, nobody.account.gid)
        os.chown(cache, find_account("games").uid, -1)
        nobody.variables["GOCACHE"] = f"{cache}/go"
    found = fake_host.findings(declaration=dataclasses.replace(fake_host.declaration, users=[nobody]))
    assert [finding.rule.id for finding in found] == ["GD307"]
    assert ("games can write to" if way == "group" else f"{cache} belongs to games") in found[0].cause
    assert list(found[0].remedy.commands) == []


@pytest.mark.parametrize(("mode", "rule"), [(0o777, "GD307"), (0o555, "GD303")])
def test_no_command_changes_the_mode_of_a_link_target(
    fake_host: t.Any, nobody: UserEnvironment, mode: int, rule: str
) -> None:
    os.chmod(nobody.variables["GOCACHE"], mode)
    (fake_host.tmp / "link").symlink_to("cache")
    linked = dataclasses.replace(nobody, variables={"GOCACHE": str(fake_host.tmp / "link")})
    (finding,) = fake_host.findings(declaration=dataclasses.replace(fake_host.declaration, users=[linked]))
    assert (finding.rule.id, list(finding.remedy.commands)) == (rule, [])


@pytest.mark.parametrize("value", ["relative", "~/go", "off", "./x"])
def test_a_directory_that_is_no_absolute_path(fake_host: t.Any, value: str) -> None:
    seen = fake_host(environment={"GOPATH": value}, go_values={"GOPATH": value}, set_by=set_by("GOPATH", value))
    (finding,) = fake_host.evaluate(seen)[1]
    assert (finding.rule.id, finding.source) == ("GD304", Source("file", PROFILE, 3))


# Commands that root has run in a user's cache, the variable of it, and the first entry that hinders go.
LEFT_IN_CACHES = {
    "the parts of a build cache": ("mkdir {0}/00 {0}/01 {0}/fuzz", "GOCACHE", "00"),
    "a part of the download cache": (
        "install -d -o nobody {0}/cache {0}/cache/download; mkdir {0}/cache/download/github.com",
        "GOMODCACHE",
        "cache/download/github.com",
    ),
    "a module host": ("mkdir {0}/example.com", "GOMODCACHE", "example.com"),
    "an owner of modules": (
        "install -d -o nobody {0}/cache {0}/cache/download {0}/cache/download/a; mkdir {0}/cache/download/a/b",
        "GOMODCACHE",
        "cache/download/a/b",
    ),
    "packages": ("mkdir {0}/pkg", "GOPATH", "pkg"),
    "the checksum database": ("install -d -o nobody {0}/pkg; mkdir {0}/pkg/sumdb", "GOPATH", "pkg/sumdb"),
    # That is GOMODCACHE, which has a finding of its own.
    "the module cache": ("install -d -o nobody {0}/pkg; mkdir {0}/pkg/mod", "GOPATH", ""),
    "a program": ("touch {0}/gopls", "GOBIN", "gopls"),
    "a directory for everybody": ("mkdir -m 777 {0}/00", "GOCACHE", ""),
    "the user's own": ("install -d -o nobody {0}/00 {0}/[1]", "GOCACHE", ""),
    "modules are read-only on purpose": ("install -d -o nobody -m 555 {0}/example.com@v1.0.0", "GOMODCACHE", ""),
    "a link": ("ln -s /usr/bin/true {0}/gopls", "GOBIN", ""),
}


@needs_root
@pytest.mark.parametrize("case", LEFT_IN_CACHES)
def test_what_root_left_in_a_cache_is_found_and_its_remedy_works(
    fake_host: t.Any, nobody: UserEnvironment, case: str
) -> None:
    commands, variable, expected = LEFT_IN_CACHES[case]
    cache = fake_host.tmp / "cache/it's"
    cache.mkdir()
    os.chown(cache, nobody.account.uid, nobody.account.gid)
    subprocess.run(["/bin/sh", "-ec", commands.format(shlex.quote(str(cache)))], check=True)
    user = dataclasses.replace(nobody, variables={variable: str(cache)})
    declaration = dataclasses.replace(fake_host.declaration, users=[user])
    found = fake_host.findings(declaration=declaration)
    assert [(one.rule.id, one.source.file) for one in found] == ([("GD303", f"{cache}/{expected}")] if expected else [])
    if expected:
        (command,) = found[0].remedy.commands
        subprocess.run(["/bin/sh", "-c", command], check=True)
        assert not os.path.lexists(cache / expected)
        cache.mkdir(exist_ok=True)
        os.chown(cache, nobody.account.uid, nobody.account.gid)
        assert fake_host.findings(declaration=declaration) == []


@needs_root
@pytest.mark.parametrize(
    ("obstacle", "action"),
    [
        ("ln -s loop {}/loop", "remove the link {}/loop; then provision"),
        ("ln -s gone {}/loop", "remove the link {}/loop; then provision"),
        ("touch {}/loop", "move {}/loop away; then provision"),
        ("mkdir -m 700 {}/loop", "give nobody access to {}/loop; then provision"),
        ("true", "provision the host again"),
    ],
)
def test_the_remedy_for_a_missing_directory_removes_what_is_in_its_way(
    fake_host: t.Any, nobody: UserEnvironment, obstacle: str, action: str
) -> None:
    home = fake_host.tmp / "cache"
    subprocess.run(["/bin/sh", "-c", obstacle.format(home)], check=True)
    user = dataclasses.replace(nobody, variables={"GOMODCACHE": str(home / "loop/mod")})
    (finding,) = fake_host.findings(declaration=dataclasses.replace(fake_host.declaration, users=[user]))
    assert finding.rule.id == "GD301"
    assert finding.remedy.text.startswith(action.format(home))


def test_a_read_only_file_system_is_mounted_writable(fake_host: t.Any) -> None:
    (directory,) = fake_host.snapshot().directories
    state = t.cast("t.Any", directory.state)._replace(writable=False)
    found = directory._replace(mount=Mount("/mnt/a b", "ext4", frozenset({"ro"})), state=state)
    (finding,) = fake_host.findings(fake_host(), directories=[found])
    assert (finding.rule.id, list(finding.remedy.commands)) == ("GD303", [])
    assert "mount -o remount,rw '/mnt/a b'" in finding.remedy.text


@pytest.mark.parametrize("variable", ["GOMODCACHE", "GOCACHE"])
def test_the_full_disk_of_a_cache_is_emptied_by_its_own_command(fake_host: t.Any, variable: str) -> None:
    (directory,) = fake_host.snapshot().directories
    full = directory._replace(variable=variable, mount=Mount("/", "ext4", frozenset()), disk=disk(1))
    (finding,) = fake_host.findings(fake_host(), directories=[full])
    option = "-modcache" if variable == "GOMODCACHE" else "-cache"
    assert f"'go clean {option}'" in finding.remedy.text


def test_a_declared_path_without_gobin(fake_host: t.Any) -> None:
    user = dataclasses.replace(fake_host.declaration.users[0], path=[str(fake_host.goroot / "bin")])
    fake_host.declaration.users[0] = user
    seen = fake_host(user=user, environment={"PATH": f"{fake_host.goroot}/bin:/usr/bin"})
    assert fake_host.ids(seen) == ["GD302"]


@pytest.mark.parametrize("kind", ["nfs4", "ext4"])
def test_on_a_network_file_system_nothing_is_read(fake_host: t.Any, kind: str) -> None:
    mounted = [Mount("/", "ext4", frozenset()), Mount(str(fake_host.tmp), kind, frozenset())]
    (fake_host.tmp / "link").symlink_to("gone")
    declare(fake_host, GOPATH=str(fake_host.tmp / "link"))
    (directory,) = directories_of(fake_host.declaration.users, mounted)
    found = [finding.rule.id for finding in directories.evaluate(fake_host.snapshot(directories=[directory]))]
    assert found == (["GD305"] if kind == "nfs4" else ["GD301"])
    assert (directory.real_path, bool(directory.error)) == (
        (f"{fake_host.tmp}/link", False) if kind == "nfs4" else (f"{fake_host.tmp}/gone", True)
    )


def disk(mebibytes: int, inodes: int = 1000, free: int = 500) -> Disk:
    return Disk(mebibytes << 20, inodes, free)


@pytest.mark.parametrize(
    ("status", "left"),
    [
        (disk(1023), "1023 MiB"),
        (disk(1024), ""),
        (disk(9000, free=19), "19 of 1000 inodes"),
        (disk(9000, free=20), ""),
        (disk(9000, inodes=0, free=0), ""),
    ],
)
def test_a_disk_that_is_nearly_full(fake_host: t.Any, status: Disk, left: str) -> None:
    (directory,) = fake_host.snapshot().directories
    full = directory._replace(mount=Mount("/", "ext4", frozenset()), disk=status)
    found = fake_host.findings(fake_host(), directories=[full])
    assert [finding.cause for finding in found] == (
        [f"GOPATH={fake_host.tmp} has {left} left; expected at least 1 GiB and 2 % of the inodes"] if left else []
    )
    assert {finding.rule.id for finding in found} <= {"GD306"}


@pytest.mark.parametrize(
    ("mount", "expected"),
    [
        (Mount("/", "nfs4", frozenset()), ["GD305"]),
        (Mount("/", "ext4", frozenset({"rw", "noexec"})), ["GD308"]),
        (Mount("/", "ext4", frozenset({"rw"})), []),
    ],
)
def test_the_file_system_of_a_directory(fake_host: t.Any, mount: Mount, expected: list[str]) -> None:
    found = fake_host.findings(fake_host(), mounted=[mount])
    assert [finding.rule.id for finding in found if finding.rule.id != "GD306"] == expected


def tool(fake_host: t.Any, **changes: t.Any) -> PinnedTool:
    (fake_host.tmp / "gopls").write_text("")
    return PinnedTool("gopls", "p", "v1", "go1.22.12", str(fake_host.tmp / "gopls"), "")._replace(**changes)


def test_a_mount_without_execution_is_one_finding_of_all_users(fake_host: t.Any) -> None:
    (user,) = fake_host.declaration.users
    others = [dataclasses.replace(user, account=user.account._replace(name=name)) for name in ("a", "b")]
    declaration = dataclasses.replace(fake_host.declaration, users=[user, *others])
    mounted = [Mount("/", "ext4", frozenset()), Mount("/tmp", "tmpfs", frozenset({"noexec"}))]
    found = [one for one in fake_host.findings(mounted=mounted, declaration=declaration) if one.variable == "GOTMPDIR"]
    (finding,) = by_cause([one for one in found if one.rule.id == "GD308"], [user.account.name, "a", "b"])
    assert (finding.user, {*finding.users}) == ("", {user.account.name, "a", "b"})
    assert finding.cause.startswith("for all users: GOTMPDIR=/tmp is on the file system at /tmp")


def test_programs_run_where_the_declared_temporary_files_are(fake_host: t.Any) -> None:
    mounted = [Mount("/", "ext4", frozenset()), Mount("/scratch", "tmpfs", frozenset({"noexec"}))]
    declare(fake_host, TMPDIR="/scratch")
    (finding,) = [one for one in fake_host.findings(mounted=mounted) if one.rule.id != "GD306"]
    assert (finding.rule.id, finding.cause.partition(" ")[0]) == ("GD308", "GOTMPDIR=/scratch")


def test_a_tool_that_another_go_built(fake_host: t.Any) -> None:
    assert fake_host.ids(fake_host(), tools=[tool(fake_host, reason="built by another Go")]) == ["GD404"]


def test_the_cause_has_the_actual_and_the_expected_build(fake_host: t.Any) -> None:
    other = tool(fake_host, reason="other version", actual="p v0, go1.21.13")
    (finding,) = fake_host.evaluate(fake_host(), tools=[other])[1]
    assert finding.cause == f"{other.path}: other version (p v0, go1.21.13); expected p v1, go1.22.12"


def test_a_tool_that_is_not_for_this_go(fake_host: t.Any) -> None:
    assert fake_host.ids(fake_host(), tools=[tool(fake_host, incompatibility="dlv supports Go 1.21")]) == ["GD405"]


def test_a_copy_where_editors_look_first(fake_host: t.Any) -> None:
    pinned = tool(fake_host)
    copy = fake_host.tmp / "bin/gopls"
    copy.parent.mkdir()
    copy.symlink_to(pinned.path)
    assert fake_host.ids(fake_host(), tools=[pinned]) == []
    copy.unlink()
    copy.write_text("")
    assert fake_host.ids(fake_host(), tools=[pinned]) == []
    copy.chmod(0o755)
    (finding,) = fake_host.evaluate(fake_host(), tools=[pinned])[1]
    user = pwd.getpwuid(os.getuid()).pw_name
    assert (finding.rule.id, finding.remedy.commands) == ("GD403", [f"runuser -u {user} -- rm -f {copy}"])
    assert fake_host.ids(fake_host(), tools=[pinned._replace(users=["somebody-else"])]) == []


def test_a_tool_that_nobody_has_declared(fake_host: t.Any) -> None:
    pinned, directory = tool(fake_host), fake_host.tmp / "bin"
    directory.mkdir()
    for name in ("staticcheck", "own-program", "govulncheck"):
        (directory / name).write_text("")
        (directory / name).chmod(0o755 if name != "govulncheck" else 0o644)
    (finding,) = fake_host.evaluate(fake_host(), tools=[pinned])[1]
    assert (finding.rule.id, finding.variable, finding.rule.severity) == ("GD406", "staticcheck", "warning")
    assert "declare staticcheck in devserver_tools" in finding.remedy.text
    # Where no tool is pinned, the play leaves them to the users.
    assert fake_host.ids(fake_host()) == []
    (command,) = finding.remedy.commands
    subprocess.run(["/bin/sh", "-c", command], check=True)
    assert sorted(path.name for path in directory.iterdir()) == ["govulncheck", "own-program"]
    (directory / "gopls").symlink_to(pinned.path)
    assert fake_host.ids(fake_host(), tools=[pinned]) == []


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        ("local", True),
        ("path", True),
        ("go1.26.2", True),
        ("go1.26.1", False),
        ("go1.22.1+auto", False),
        ("auto", False),
    ],
)
def test_a_toolchain_that_the_declaration_does_not_allow(fake_host: t.Any, declared: str, found: bool) -> None:
    cache = fake_host.tmp / "modules"
    toolchain = cache / "golang.org/toolchain@v0.0.1-go1.26.1.linux-amd64"
    (toolchain / "bin").mkdir(parents=True)
    (cache / "golang.org/x").mkdir()
    for directory in (toolchain / "bin", toolchain):
        directory.chmod(0o555)
    (user,) = fake_host.declaration.users
    user = dataclasses.replace(user, variables={"GOMODCACHE": str(cache), "GOTOOLCHAIN": declared})
    declaration = dataclasses.replace(fake_host.declaration, users=[user])
    findings = [one for one in fake_host.findings(declaration=declaration) if one.rule.id == "GD407"]
    assert [one.source.file for one in findings] == ([str(toolchain)] if found else [])
    for command in (command for one in findings for command in one.remedy.commands):
        subprocess.run(["/bin/sh", "-c", command], check=True)
    assert toolchain.exists() is not found


def test_no_command_removes_a_copy_behind_a_link(fake_host: t.Any) -> None:
    (fake_host.tmp / "elsewhere").mkdir()
    (fake_host.tmp / "elsewhere/gopls").write_text("")
    (fake_host.tmp / "elsewhere/gopls").chmod(0o755)
    (fake_host.tmp / "bin").symlink_to("elsewhere")
    (finding,) = fake_host.evaluate(fake_host(), tools=[tool(fake_host)])[1]
    assert (finding.rule.id, list(finding.remedy.commands)) == ("GD403", [])


def test_a_tool_of_some_users_is_not_evaluated_for_others(fake_host: t.Any) -> None:
    go = str(fake_host.goroot / "bin/go")
    seen = fake_host(programs={"go": [go], "gopls": ["/x/gopls"]})
    assert fake_host.ids(seen, tools=[tool(fake_host)]) == ["GD402"]
    at = Source("file", PROFILE, 3)
    path = (seen.environment or {})["PATH"]
    (finding,) = fake_host.evaluate(
        dataclasses.replace(seen, assignments=[Assignment("PATH", path, at)]), tools=[tool(fake_host)]
    )[1]
    assert (finding.source, f"its place in PATH is from {at}" in finding.cause) == (at, True)
    assert fake_host.ids(seen, tools=[tool(fake_host, users=["somebody-else"])]) == []


def test_a_server_that_runs_with_old_values(fake_host: t.Any) -> None:
    user = fake_host.declaration.users[0]
    current = dict(user.variables, PATH=":".join([*user.path, "/usr/bin"]))

    def hosts(**changes: str) -> list[Process]:
        return [Process(7, user.account.uid, dict(current, **changes))]

    assert fake_host.ids(fake_host(), extension_hosts=hosts()) == []
    (finding,) = fake_host.findings(fake_host(), extension_hosts=hosts(GOPATH="/old", PATH="/usr/bin"))
    assert finding.rule.id == "GD704"
    assert finding.cause.endswith("has outdated values of GOPATH, PATH; expected the declared ones")
    assert fake_host.ids(fake_host(), extension_hosts=hosts(GOPATH=current["GOPATH"] + "/")) == []
    foreign = [Process(7, user.account.uid + 1, {})]
    assert fake_host.ids(fake_host(), extension_hosts=foreign) == []


LACKING = {
    "the distribution's own line": (Source("file", "/etc/profile", 7), "login", True),
    "the process that starts it": (Source("process"), "login", True),
    "a line of the user's own": ("own", "login", False),
    "a context that the file does not feed": (Source("file", "/etc/profile", 7), "cron", False),
}


@pytest.mark.parametrize("case", LACKING)
def test_a_managed_file_that_lacks_its_lines_is_at_fault(fake_host: t.Any, case: str) -> None:
    source, context, blamed = LACKING[case]
    home = fake_host.declaration.users[0].account.home
    source = Source("file", f"{home}/.profile", 9) if source == "own" else source
    user = fake_host.declaration.users[0].account.name
    managed = ManagedFiles(outdated={user: {"login": [login.HOOK]}})
    (finding,) = fake_host.findings(
        fake_host(context, environment={"PATH": "/bin"}, set_by=[Assignment("PATH", "/bin", t.cast("Source", source))]),
        managed_files=managed,
    )
    assert finding.source == (Source("file", login.HOOK) if blamed else source)
    assert ("provision the host again" in finding.remedy.text) == (blamed or source == Source("process"))
    assert (f"{login.HOOK} lacks lines" in finding.cause) == blamed


@pytest.mark.parametrize(
    ("outdated", "again"),
    [({}, True), ({"cron": ["/etc/x"]}, True), ({"cron": []}, False), ({"login": []}, True)],
)
@pytest.mark.parametrize("source", [Source("process"), Source("file", "/etc/gopherops/x.sh", 3)])
def test_no_remedy_orders_to_provision_where_that_changes_nothing(
    fake_host: t.Any, outdated: dict[str, list[str]], again: bool, source: Source
) -> None:
    user = fake_host.declaration.users[0].account.name
    managed = ManagedFiles(frozenset(["/etc/gopherops/x.sh"]), outdated={user: outdated} if outdated else {})
    (finding,) = fake_host.findings(
        fake_host("cron", environment={"GOPATH": "/x"}, set_by=[Assignment("GOPATH", "/x", source)]),
        managed_files=managed,
    )
    assert finding.rule.id == "GD101"
    assert ("provision the host again" in finding.remedy.text) == again


def test_output_of_a_startup_is_reported_without_secrets(fake_host: t.Any) -> None:
    (finding,) = fake_host.evaluate(fake_host(unexpected_output="+ export API_TOKEN=abc"))[1]
    expected = finding.result("h")
    assert "abc" not in str(expected)
    assert "API_TOKEN=***" in expected["cause"]


def test_a_proposal_with_a_secret_in_it_is_left_out() -> None:
    remedy = Remedy("r", variables={"devserver_variables": {"GITHUB_TOKEN": "abc"}})
    assert Finding(values.DIFFERS, "c", remedy).result("h")["remedy"]["vars"] == {}


def test_a_removed_variable_is_reported_with_its_line(fake_host: t.Any) -> None:
    gone = fake_host(environment={"PATH": None, "GOPATH": ""}, set_by=[*set_by("PATH", ""), *set_by("GOPATH", "", 4)])
    del gone.environment["PATH"]
    found = {
        f.rule.id: f for f in fake_host.evaluate(dataclasses.replace(gone, go=GoResult({}), programs={"go": []}))[1]
    }
    path = found["GD103"]
    assert path.cause.startswith(f"PATH is not set, because {PROFILE}:3 removes it; expected, in this order")
    assert path.source == Source("file", PROFILE, 3)
    assert path.remedy.text.startswith(f"delete or correct {PROFILE}:3")


def test_values_of_the_process_count_if_go_fails(fake_host: t.Any) -> None:
    seen = fake_host(environment={"GOROOT": "/gone", "GOPATH": "/x"}, set_by=set_by("GOPATH", "/x"))
    matrix, found = fake_host.evaluate(dataclasses.replace(seen, go=GoResult({}, "go: cannot find GOROOT")))
    assert [finding.rule.id for finding in found] == ["GD101", "GD204"]
    assert (matrix["login", "GOPATH"].status, matrix["login", "GOPROXY"].status) == ("drift", "unknown")


def test_a_reference_that_provisioning_leaves_alone_is_to_be_replaced(fake_host: t.Any, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "devcontainer.json"
    file.write_text('{"remoteEnv": {\n"GOPATH": "${userHome}/x",\n"GOBIN": "/x"}}')
    user = fake_host.declaration.users[0].account.name
    managed = ManagedFiles(frozenset([str(file)]))
    texts = {(user, str(file)): file.read_text().split("\n")}
    made = Snapshot(fake_host.declaration, [], [], managed_files=managed, texts=texts)
    cell = Cell(user, "devcontainer", "GOPATH", "/x", "/y", "drift", Source("file", str(file), 2))
    assert made.fix(cell) == f"replace the reference at {file}:2 by the declared value"
    assert made.fix(dataclasses.replace(cell, source=Source("file", str(file), 3))) == PROVISION_AGAIN


def test_a_function_of_fish_is_reported_in_one_line(fake_host: t.Any) -> None:
    (finding,) = fake_host.evaluate(fake_host(go_is="go is a function with definition"))[1]
    assert finding.cause == "in login, go is a function"


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("/home/alice/.profile", True),
        ("/var/spool/cron/crontabs/alice", True),
        ("/var/spool/cron/alice", True),
        ("/var/spool/cron/crontabs/alice2", False),
        ("/home/alice2/.profile", False),
        ("/etc/profile", False),
    ],
)
def test_a_crontab_belongs_to_its_user_as_files_in_the_home_do(path: str, own: bool) -> None:
    assert snapshot._is_own(path, Account("alice", 1000, 1000, "/home/alice", "/bin/sh")) is own


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        ("$PATH:/x", "PAM does not expand $PATH in the PATH of /etc/environment; it lacks /usr/bin"),
        ("${PATH}:/usr/bin", "PAM does not expand ${PATH} in the PATH of /etc/environment"),
        ("~/bin:/usr/bin", "PAM does not expand ~/bin in the PATH of /etc/environment"),
        ("/usr/local/go/bin", "PATH lacks /usr/bin"),
        ("", "PATH lacks /usr/bin"),
        ("/usr/bin:/bin", ""),
        ("/usr/bin::/snap/bin", ""),
        ("/usr/bin:/bin\r", ""),
    ],
)
def test_a_path_of_the_host_that_pam_cannot_use_is_found_once_for_all(fake_host: t.Any, value: str, cause: str) -> None:
    line = Assignment("PATH", value, Source("file", "/etc/environment", 3))
    found = fake_host.findings(host_path=line)
    expected = [("GD110", "", "PATH", cause, line.source)] if cause else []
    assert [(one.rule.id, one.user, one.variable, one.cause, one.source) for one in found] == expected
