# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each rule on one observation, or a few, that break it and nothing else."""

from __future__ import annotations

import dataclasses
import getpass
import os
import pathlib
import pwd
import subprocess
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Assignment, Source
from ansible_collections.gopherops.devserver.plugins.module_utils._drift import snapshot
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.cells import Cell
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect import observations
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.cells import cells
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.finding import Finding, Remedy
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records import GoResult, PinnedTool
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.rules import (
    building,
    directories,
    findings,
    rights,
    startup,
    values,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.snapshot import CONVERGE, Snapshot
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import login, pam
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.base import Probe
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.bash import BashContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.login import LoginContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    Declaration,
    UserEnvironment,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.managed_files import ManagedFile, whole_file
from ansible_collections.gopherops.devserver.plugins.module_utils._host.mounts import Mount
from ansible_collections.gopherops.devserver.plugins.module_utils._shells.startup import Startup
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.workspaces import Offered

PROFILE = "/h/.profile"
# As it is where no host is made up.
LACKS = snapshot._lacks


def declare(world: t.Any, **variables: str) -> None:
    """Add to what is declared for the world's user."""
    world.declaration.users[0].variables.update(variables)


def set_by(name: str, value: str, line: int = 3) -> list[Assignment]:
    return [Assignment(name, value, Source("file", PROFILE, line))]


ANSWERS = {
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


@pytest.mark.parametrize("case", ANSWERS)
def test_what_go_answers(world: t.Any, case: str) -> None:
    answer, expected = ANSWERS[case]
    assert world.ids(world(answer=answer), world("goenv", answer=answer)) == expected


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
def test_what_is_declared_is_decided_but_for_what_protects_everyone(world: t.Any, variable: str) -> None:
    value, expected = DECLARED[variable]
    declare(world, **{variable: value})
    assert world.ids(world(answer={variable: value}, environment={variable: value})) == expected


@pytest.mark.parametrize(
    ("value", "proposed"),
    [
        ("direct,https://a.example", {"environment_variables": {"GOPROXY": "https://a.example,direct"}}),
        ("https://a.example", {"environment_variables": {"GOPROXY": "https://a.example,direct"}}),
        ("direct", {}),
    ],
)
def test_the_users_own_proxy_is_proposed_in_the_right_order(world: t.Any, value: str, proposed: t.Any) -> None:
    (finding,) = world.judge(world(answer={"GOPROXY": value}))[1]
    assert finding.remedy.variables == proposed


def test_a_declared_proxy_over_http_is_told(world: t.Any) -> None:
    declare(world, GOPROXY="http://a.example")
    assert world.ids(world(answer={"GOPROXY": "http://a.example"})) == ["GD503"]


def test_a_policy_that_drifts_is_told_once(world: t.Any) -> None:
    declare(world, GOSUMDB="sum.example.com")
    assert world.ids(world(answer={"GOSUMDB": "off"})) == ["GD101"]


def test_one_finding_for_all_contexts_names_them(world: t.Any) -> None:
    answer = {"GOSUMDB": "off"}
    (finding,) = world.judge(world(answer=answer), world("bash", answer=answer))[1]
    assert (finding.context, finding.variable) == ("", "GOSUMDB")
    assert finding.cause.endswith("(in login, bash)")


@pytest.mark.parametrize(("folder", "expected"), [(0o755, ["GD506"]), (0o711, ["GD506"]), (0o700, [])])
def test_a_password_that_everybody_can_read(
    world: t.Any, monkeypatch: pytest.MonkeyPatch, folder: int, expected: list[str]
) -> None:
    above = world.goroot.parent
    stat = os.stat

    def opened(path: t.Any, **more: t.Any) -> os.stat_result:
        # Folders of tests are their user's alone.
        status = stat(path, **more)
        above_all = pathlib.Path(os.fsdecode(path)) in above.parents if isinstance(path, (str, os.PathLike)) else False
        return os.stat_result((status.st_mode | 0o001, *status[1:])) if above_all else status

    monkeypatch.setattr(os, "stat", opened)
    above.chmod(folder)
    (world.goroot / "go.env").chmod(0o644)
    assert world.ids(world()) == expected


def test_a_path_that_could_not_be_walked_is_told_as_such(world: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(*_args: t.Any, **_more: t.Any) -> t.NoReturn:
        raise DevserverError("the directories of PATH could not be walked: timed out")

    monkeypatch.setattr(observations, "executables", hangs)
    monkeypatch.setattr(observations, "CONTEXTS", [Bare()])
    (seen,) = observations.observe(world.declaration, [], timeout=5)
    found = world.judge(seen)[1]
    assert [(finding.rule.id, "could not be walked" in finding.cause) for finding in found] == [("GD901", True)]


def test_a_proxy_with_a_name_and_no_password_is_no_secret(world: t.Any) -> None:
    (world.goroot / "go.env").write_text("GOPROXY=https://alice@a.example,direct\n")
    (world.goroot / "go.env").chmod(0o644)
    assert world.ids(world(answer={"GOPROXY": "https://alice@a.example,direct"})) == []


STARTS = {
    "it prints": ({"noise": "Welcome"}, ["GD701"]),
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
def test_how_a_shell_starts(world: t.Any, case: str) -> None:
    changes, expected = STARTS[case]
    assert world.ids(world(**changes)) == expected


REMEDIES = {
    "a line that prints": ("hello", "A=1\necho hello\n", 2, 2, "delete what "),
    "a program that complains": ("tput: no terminal", "A=1\ntput bold\n", 2, 2, "correct "),
    "a mistake": ("/h/x: line 2: syntax error", "A=1\nif true\n", 2, 2, "correct "),
    "line ends of Windows": ("$'foo\\r': command not found", "A=1\nB=2\r\nfoo\r\n", 3, 2, "convert "),
    "a file that is not the user's": ("bash: /h/x: Permission denied", "", None, None, "make "),
}


@pytest.mark.parametrize("case", REMEDIES)
def test_what_to_do_about_a_start_up_that_prints_fits_the_line(world: t.Any, case: str) -> None:
    noise, text, line, told, remedy = REMEDIES[case]
    file = world.tmp / "start-up"
    file.write_text(text, newline="")
    (finding,) = world.judge(world(noise=noise, printing=Source("file", str(file), line)))[1]
    assert (finding.rule.id, finding.source) == ("GD701", Source("file", str(file), told))
    assert finding.remedy.text.startswith(remedy)
    assert str(finding.source) in finding.cause


NO_LINE = "mend what the cause names"
# By why there is no answer: what to do where the line is known, and where it is not.
WAYS = {
    "timed out": ("take out of /h/.profile:3 what waits", "ask again when the host has less to do"),
    "ended early": ("correct /h/.profile:3: a start-up file must not leave", NO_LINE),
    "not let in": ("correct /h/.profile:3; 'sshd -t' must be silent", "see whether the account has expired"),
    "forced command": ("correct /h/.profile:3; 'sshd -t' must be silent", NO_LINE),
    "broken sshd": ("correct /h/.profile:3; 'sshd -t' must be silent", NO_LINE),
    "": ("correct /h/.profile:3", NO_LINE),
}


@pytest.mark.parametrize("failure", WAYS)
def test_what_to_do_about_a_context_that_does_not_answer(world: t.Any, failure: str) -> None:
    at = Source("file", PROFILE, 3)
    dead = dataclasses.replace(world(), environment=None, problem="oh", failure=failure)
    (none,) = world.judge(dead)[1]
    (finding,) = world.judge(dataclasses.replace(dead, culprit=at))[1]
    assert (finding.rule.id, finding.source) == ("GD901", at)
    assert finding.remedy.text.startswith(WAYS[failure][0])
    assert (none.source, none.remedy.text.startswith(WAYS[failure][1])) == (None, True)


@pytest.mark.parametrize(
    ("text", "way"),
    [("exec >/dev/null", "send elsewhere"), ("exec &>log", "send elsewhere"), ("exec zsh", "leave the")],
)
def test_what_to_do_about_an_exec_is_told_by_what_it_does(world: t.Any, text: str, way: str) -> None:
    file = world.tmp / "profile"
    file.write_text(f"A=1\n{text}\n")
    at = Source("file", str(file), 2)
    (finding,) = world.judge(dataclasses.replace(world(), environment=None, failure="ended early", culprit=at))[1]
    assert finding.remedy.text.startswith(f"correct {at}: a start-up file must not {way}")


def test_a_start_up_that_line_ends_of_windows_break_is_told_with_the_first_of_them(world: t.Any) -> None:
    file = world.tmp / "profile"
    file.write_text("A=1\nif true; then\r\nB=2\r\nfi\r\n", newline="")
    for line in (3, 5):
        dead = dataclasses.replace(world(), environment=None, culprit=Source("file", str(file), line))
        (finding,) = world.judge(dead)[1]
        assert finding.source == Source("file", str(file), 2)
        assert finding.remedy.text.startswith(f"convert {file}")


def test_what_is_not_rendered_leaves_gos_own_file_as_it_is(world: t.Any) -> None:
    declare(world, GOPROXY="https://b.example")
    (finding,) = world.judge(world())[1]
    assert (finding.rule.id, finding.source.file) == ("GD101", str(world.goroot / "go.env"))
    assert finding.remedy.text == "provision the host again with --tags environment"


def test_the_line_that_takes_the_time_is_named(world: t.Any) -> None:
    at = Source("file", PROFILE, 3)
    (finding,) = world.judge(world(seconds=4.0, slowest=at))[1]
    assert (finding.rule.id, finding.source) == ("GD702", at)
    assert finding.cause.endswith("took 4.0 s, most of them at /h/.profile:3")
    assert "what /h/.profile:3 starts" in finding.remedy.text
    both = world.judge(world(seconds=4.0, noise="hello", slowest=at))[1]
    assert [(one.rule.id, one.source) for one in both] == [("GD701", None), ("GD702", at)]


def test_a_context_that_does_not_answer_is_followed_to_its_line(world: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Login(Slow):
        name = "login"

        def probe(self, account: t.Any, _declaration: t.Any, _timeout: float) -> Probe:
            return Probe(None, "sh ended with 3 before the command ran: x")

        def start_up(self, account: Account, timeout: float) -> Startup:
            return LoginContext().start_up(account, timeout)

    class Ssh(Login):
        name = "ssh"

    home = world.tmp / "home"
    home.mkdir()
    (home / ".profile").write_text("A=1\nexit 3\n")
    user = world.declaration.users[0]
    account = user.account._replace(home=str(home), shell="/bin/sh")
    world.declaration.users[0] = dataclasses.replace(user, account=account)
    monkeypatch.setattr(observations, "CONTEXTS", [Login(), Ssh()])
    monkeypatch.setattr(observations.blame, "sshd_complaint", lambda _timeout: "/etc/x: line 7: Bad option")
    login, ssh = observations.observe(world.declaration, [], timeout=5)
    assert login.culprit == Source("file", str(home / ".profile"), 2)
    assert (ssh.culprit, ssh.problem) == (
        Source("file", "/etc/x", 7),
        "sshd refuses its configuration: /etc/x: line 7: Bad option",
    )


class Slow:
    """A context whose start-ups take the times that it is given."""

    name, workspace, gives_environment, asks_go, unknown = "slow", "", True, False, ()

    def __init__(self, *seconds: float) -> None:
        self._seconds = list(seconds)

    def for_user(self, _user: t.Any, _outer: t.Any) -> list[Slow]:
        return [self]

    def applies_to(self, _account: t.Any) -> bool:
        return True

    def assignments(self, _account: t.Any, _timeout: float) -> list[Assignment]:
        return []

    def forget(self) -> None:
        return

    def start_up(self, _account: Account, _timeout: float) -> Startup | None:
        return None

    def probe(self, _account: t.Any, _declaration: t.Any, _timeout: float) -> Probe:
        return Probe({"PATH": ""}, seconds=self._seconds.pop(0))


class Bare(Slow):
    """A context whose environment is what is declared, and nothing else."""

    name, asks_go = "bare", True

    def expected(self, user: UserEnvironment) -> t.Mapping[str, str]:
        return user.variables

    def probe(self, _account: t.Any, declaration: t.Any, _timeout: float) -> Probe:
        user = declaration.users[0]
        return Probe({**user.variables, "PATH": ":".join(user.path)})


@pytest.mark.parametrize(("times", "slow"), [([1.0], 1.0), ([3.5, 0.5], 0.5), ([3.5, 4.5], 3.5)])
def test_what_is_slow_is_asked_again_alone(
    world: t.Any, monkeypatch: pytest.MonkeyPatch, times: list[float], slow: float
) -> None:
    monkeypatch.setattr(observations, "CONTEXTS", [Slow(*times)])
    (seen,) = observations.observe(world.declaration, [], timeout=5)
    assert seen.seconds == slow


def test_of_contexts_that_disagree_the_line_that_somebody_wrote_is_named(world: t.Any) -> None:
    proxy = {"GOPROXY": "https://b.example,direct"}
    written = [
        world(name, environment=proxy, answer=proxy, set_by=set_by("GOPROXY", proxy["GOPROXY"]))
        for name in ("login", "bash")
    ]
    (finding,) = world.judge(world("goenv"), *written)[1]
    assert (finding.rule.id, finding.source) == ("GD102", Source("file", PROFILE, 3))


def test_a_conflict_is_settled_for_its_user(world: t.Any) -> None:
    off = world("bash", answer={"GOSUMDB": "sum.example.net"})
    (finding,) = world.judge(world(answer={"GOSUMDB": "sum.example.com"}), world("goenv", answer=off.go.values), off)[1]
    user = {"name": world.declaration.users[0].account.name, "variables": {"GOSUMDB": "sum.example.net"}}
    assert (finding.rule.id, finding.remedy.variables) == ("GD102", {"environment_users": [user]})


def test_versions_that_differ_are_no_conflict_that_a_declaration_settles(world: t.Any) -> None:
    other = world("bash", programs={"go": ["/opt/go/bin/go"]}, answer={"GOVERSION": "go1.19"})
    matrix = cells(world.declaration, [world(), other], "")
    found = findings(Snapshot(world.declaration, [world(), other], matrix))
    assert [finding.rule.id for finding in found] == ["GD202"]


def test_an_alias_is_told_with_the_line_that_makes_it(world: t.Any) -> None:
    made = set_by("alias go", "go1.19")
    (finding,) = world.judge(world(go_is="go is aliased to `go1.19'", set_by=made))[1]
    assert finding.source == Source("file", PROFILE, 3)


def test_what_a_manager_has_not_seen_is_not_told_again(world: t.Any) -> None:
    stale = frozenset({"PATH", "GOPATH"})
    late = world(stale=stale, environment={"GOPATH": "/x", "PATH": "/y"}, programs={"go": []}, go=GoResult({}, "none"))
    (finding,) = world.judge(late)[1]
    assert finding.rule.id == "GD703"
    assert "has other values of GOPATH, PATH than its files" in finding.cause


def test_what_is_amiss_beside_an_environment_is_no_matter_of_a_manager(world: t.Any) -> None:
    assert world.ids(world(problem="something about GOPATH", environment={"GOPATH": "/x"})) == ["GD101"]


def test_a_start_up_with_line_ends_of_windows(world: t.Any) -> None:
    declare(world, GOBIN="/h/bin", GOTMPDIR="/h/tmp")
    values = {"GOBIN": "/h/bin\r", "GOTMPDIR": "/h/tmp\r"}
    seen = world(
        environment=values, answer=values, set_by=set_by("GOBIN", "/h/bin\r") + set_by("GOTMPDIR", "/h/tmp\r", 4)
    )
    (finding,) = [found for found in world.judge(seen)[1] if found.rule.id != "GD301"]
    assert (finding.rule.id, finding.source) == ("GD106", Source("file", PROFILE, 3))
    assert "GOBIN of login, GOTMPDIR of login" in finding.cause


def test_a_settings_file_with_line_ends_of_windows_is_why_go_fails(world: t.Any) -> None:
    (world.tmp / ".config/go").mkdir(parents=True)
    (world.tmp / ".config/go/env").write_text("# c\r\nGOTOOLCHAIN=local\r\n", newline="")
    failing = world("goenv", environment={"HOME": str(world.tmp)}, go=GoResult({}, "go: invalid GOTOOLCHAIN"))
    found = [(finding.rule.id, finding.source.line) for finding in world.judge(failing)[1]]
    assert ("GD106", 2) in found
    assert "GD205" not in {rule for rule, _line in found}


@pytest.mark.parametrize(
    ("name", "meant"),
    [("GOPAHT", "GOPATH"), ("GO_PROXY", "GOPROXY"), ("GOMODCAHCE", "GOMODCACHE"), ("CGO_ENABLE", "CGO_ENABLED")],
)
def test_a_misspelt_variable(world: t.Any, name: str, meant: str) -> None:
    declare(world, **{name: "x"})
    (finding,) = world.judge(world(environment={name: "x"}, set_by=set_by(name, "x")))[1]
    assert (finding.rule.id, finding.variable, finding.source) == ("GD105", name, Source("file", PROFILE, 3))
    assert meant in finding.cause


@pytest.mark.parametrize(
    "name", ["GOMEMLIMIT", "GOLANGCI_LINT_CACHE", "GOOGLE_CLOUD_PROJECT", "GO_ENV", "GO_VERSION", "GOPHER", "HOME"]
)
def test_a_name_of_somebody_elses(world: t.Any, name: str) -> None:
    declare(world, **{name: "x"})
    assert world.ids(world(environment={name: "x"})) == []


def test_the_debug_session_and_the_terminals(world: t.Any) -> None:
    debug = dataclasses.replace(world("bash", answer={"GOPROXY": "off"}), context=Debug())
    assert world.ids(world(), debug) == ["GD104"]


class Debug(BashContext):
    """Stands for the context of debug sessions."""

    name = "vscode_debug"


RELATIVE = {"": "an empty entry", ".": "'.'", "bin": "'bin'", "~/bin": "'~/bin'"}


@pytest.mark.parametrize("entry", RELATIVE)
@pytest.mark.parametrize("place", ["{}:{path}", "{path}:{}"])
def test_a_path_with_the_current_folder_in_it(world: t.Any, entry: str, place: str) -> None:
    whole = ":".join([*world.declaration.users[0].path, "/usr/bin"])
    path = place.format(entry, path=whole)
    before, at, after = set_by("PATH", whole, 1), set_by("PATH", path, 5), set_by("PATH", path + ":/x", 7)
    (finding,) = world.judge(world(environment={"PATH": path + ":/x"}, set_by=before + at + after))[1]
    assert (finding.rule.id, finding.context) == ("GD107", "")
    # A ~ may be one that the file's own program fills in, so what is written there says nothing.
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
def test_a_version_manager_is_named(world: t.Any, go: str) -> None:
    root = os.path.dirname(os.path.dirname(go))
    (first,) = world.judge(world(programs={"go": [go]}))[1]
    (root_differs,) = world.judge(world(environment={"GOROOT": root}, answer={"GOROOT": root}))[1]
    (behind,) = world.judge(world(programs={"go": [str(world.goroot / "bin/go"), go]}))[1]
    assert [first.rule.id, root_differs.rule.id, behind.rule.id] == ["GD202", "GD204", "GD208"]
    for finding in (first, root_differs, behind):
        named = [name for name in MANAGED.values() if name and f" of {name} " in f"{finding.cause} "]
        assert named == ([MANAGED[go]] if MANAGED[go] else [])
        assert finding.remedy.text.startswith(f"take the lines that start {MANAGED[go]} out") == bool(MANAGED[go])


def test_a_user_whose_home_is_missing_has_one_finding(world: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observations, "CONTEXTS", [Bare()])
    user = world.declaration.users[0]
    gone = user.account._replace(home=str(world.tmp / "gone"))
    variables = {"GOPATH": f"{gone.home}/go", "GOCACHE": f"{gone.home}/cache"}
    world.declaration.users.append(dataclasses.replace(user, account=gone, variables=variables))
    seen = observations.observe(world.declaration, [], timeout=5)
    assert [one.context.name for one in seen] == ["bare", "goenv"]
    matrix = cells(world.declaration, seen[1:], "")
    assert {cell.status for cell in matrix} == {"unknown"}
    found = findings(Snapshot(world.declaration, seen[1:], matrix))
    assert [(one.rule.id, one.user, one.cause) for one in found] == [
        ("GD905", gone.name, f"the home {gone.home} is missing")
    ]


def test_the_copy_of_a_distribution(world: t.Any) -> None:
    assert world.ids(world(programs={"go": ["/usr/bin/go"]})) == ["GD207"]


def test_a_copy_behind_the_declared_one(world: t.Any) -> None:
    go = str(world.goroot / "bin/go")
    (world.tmp / "link").symlink_to(go)
    assert world.ids(world(programs={"go": [go, str(world.tmp / "link")]})) == []
    (finding,) = world.judge(world(programs={"go": [go, "/usr/bin/true"]}))[1]
    assert finding.rule.id == "GD208"
    assert os.path.realpath("/usr/bin/true") in finding.cause


def test_a_persisted_goroot_is_the_finding_whatever_go_says(world: t.Any) -> None:
    settings = world.tmp / ".config/go/env"
    settings.parent.mkdir(parents=True)
    settings.write_text("GOFLAGS=\nGOROOT=/old\n")
    home = {"HOME": str(world.tmp)}
    dead = [world(name, environment=home, go=GoResult({}, "go: cannot find GOROOT")) for name in ("login", "bash")]
    found = [finding for finding in world.judge(*dead)[1] if finding.rule.id != "GD211"]
    assert [(finding.rule.id, finding.source) for finding in found] == [("GD209", Source("file", str(settings), 2))]
    user = pwd.getpwuid(os.getuid()).pw_name
    assert [command.partition("sed")[0] for command in found[0].remedy.commands] == [f"runuser -u {user} -- "]


def test_a_goroot_that_is_right_today(world: t.Any) -> None:
    seen = world(environment={"GOROOT": str(world.goroot)}, set_by=set_by("GOROOT", str(world.goroot)))
    assert world.ids(seen) == ["GD210"]
    declare(world, GOROOT=str(world.goroot))
    assert world.ids(seen) == []


@pytest.mark.parametrize(("variable", "value"), [("GOENV", "off"), ("GOENV", "/x/env"), ("XDG_CONFIG_HOME", "/x")])
def test_a_settings_file_that_go_does_not_read(world: t.Any, variable: str, value: str) -> None:
    answer = {"GOENV": value if variable == "GOENV" else f"{value}/go/env"}
    (finding,) = world.judge(world(environment={variable: value}, answer=answer, set_by=set_by(variable, value)))[1]
    assert (finding.rule.id, finding.variable) == ("GD211", variable)
    assert finding.source == Source("file", PROFILE, 3)


def fingerprints(found: t.Iterable[Finding], rule: str) -> set[str]:
    return {finding.result("h")["fingerprint"] for finding in found if finding.rule.id == rule}


BAD_SETTINGS = {"GD106": "GOFLAGS=\r\n", "GD209": "GOROOT=/x\n", "GD902": "x\n", "GD903": "#\udce9\n"}


@pytest.mark.parametrize("rule", BAD_SETTINGS)
def test_two_settings_files_of_one_user_are_two_findings(world: t.Any, rule: str) -> None:
    for name in ("env", "other"):
        (world.tmp / name).write_bytes(BAD_SETTINGS[rule].encode("utf-8", "surrogateescape"))
    found = world.judge(world(), world("goenv", answer={"GOENV": str(world.tmp / "other")}))[1]
    assert len(fingerprints(found, rule)) == 2


def test_two_start_up_files_with_line_ends_of_windows_are_two_findings(world: t.Any) -> None:
    declare(world, GOA="/a", GOB="/b")
    values = {"GOA": "/a\r", "GOB": "/b\r"}
    other = Assignment("GOB", "/b\r", Source("file", "/etc/profile", 1))
    found = world.judge(world(environment=values, set_by=[*set_by("GOA", "/a\r"), other]))[1]
    assert len(fingerprints(found, "GD106")) == 2


def test_each_line_of_a_workspace_that_is_not_met_is_a_finding(world: t.Any) -> None:
    for name in ("one", "two"):
        (world.tmp / name).mkdir()
        (world.tmp / name / "go.mod").write_text("module x\n\ngo 1.99\n\ntoolchain go1.99.1\n")
    folders = [str(world.tmp / name) for name in ("one", "two")]
    world.declaration.users[0] = dataclasses.replace(world.declaration.users[0], workspaces=folders)
    found = world.judge(world())[1]
    assert len(fingerprints(found, "GD605")) == 4
    assert {finding.variable for finding in found} == {""}


MINIMA = {"": 0, "1.22": 0, "1.22.12": 0, "1.22.13": 1, "1.23": 1}


@pytest.mark.parametrize("minimum", MINIMA)
@pytest.mark.parametrize("workspaces", [0, 1])
def test_a_minimum_is_judged_once_for_the_host(world: t.Any, minimum: str, workspaces: int) -> None:
    user = dataclasses.replace(world.declaration.users[0], workspaces=[str(world.tmp)] * workspaces)
    declaration = dataclasses.replace(world.declaration, users=[user, user])
    host = Snapshot(declaration, [], [], go_minimum=minimum)
    found = [finding for finding in findings(host) if finding.rule.id == "GD605"]
    assert [(finding.user, finding.source) for finding in found] == [("", None)] * MINIMA[minimum]
    assert all(f"Go {minimum} is the minimum; {world.goroot} is 1.22.12" in finding.cause for finding in found)


def test_a_workspace_that_asks_for_less_than_the_minimum(world: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.tmp / ".go-version").write_text("1.21\n")
    monkeypatch.setattr(building, "_offered", lambda _goroot: Offered(["1.21.5", "1.22.12"], "1.22.12"))
    user = dataclasses.replace(world.declaration.users[0], workspaces=[str(world.tmp)])
    declaration = dataclasses.replace(world.declaration, users=[user])
    (finding,) = building.findings(Snapshot(declaration, [], [], go_minimum="1.22"))
    assert (finding.rule.id, finding.user, finding.source.line) == ("GD605", user.account.name, 1)


def test_a_minimum_that_is_no_version_is_an_error(world: t.Any) -> None:
    with pytest.raises(DevserverError, match="minimum is 'new'"):
        findings(Snapshot(world.declaration, [], [], go_minimum="new"))


def test_which_settings_file_a_container_reads_is_no_matter_of_this_host(world: t.Any) -> None:
    elsewhere = {"XDG_CONFIG_HOME": "/container/config"}
    assert world.ids(world("devcontainer", environment=elsewhere, answer={"GOENV": ""})) == []


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
def test_the_settings_file(world: t.Any, case: str) -> None:
    text, expected = SETTINGS[case]
    (world.tmp / "env").write_bytes(text.encode("utf-8", "surrogateescape"))
    found = world.judge(world("goenv"), world())[1]
    lines = [(finding.rule.id, finding.source.line) for finding in found if finding.rule.id.startswith("GD9")]
    assert lines == expected


def test_a_line_without_effect_is_not_shown(world: t.Any) -> None:
    (world.tmp / "env").write_text("GOAUTH_TOKEN=s3cret\ns3cret\n")
    (finding,) = world.judge(world())[1]
    assert finding.cause == f"{world.tmp}/env:1 has no effect; the same goes for line 2"


def test_a_settings_file_of_another_end_hides_no_file_of_this_host(world: t.Any) -> None:
    (world.tmp / "env").write_text("GOFLAGS=-x\r\n", newline="")
    container = world("devcontainer", environment={"HOME": ""}, answer={"GOENV": ""})
    other = world("goenv", answer={"GOENV": str(world.tmp / "other")})
    found = world.judge(world(), other, container)[1]
    assert ("GD106", str(world.tmp / "env")) in [(finding.rule.id, finding.source.file) for finding in found]


def test_a_settings_file_that_is_a_link_to_nothing(world: t.Any) -> None:
    (world.tmp / "env").symlink_to("gone/env")
    (finding,) = world.judge(world("goenv"))[1]
    assert finding.rule.id == "GD904"
    assert f"is a link to {world.tmp}/gone/env, which is missing" in finding.cause
    (world.tmp / "gone").mkdir()
    (world.tmp / "gone/env").write_text("")
    assert world.ids(world("goenv")) == []


def test_a_settings_file_that_cannot_be_read(world: t.Any) -> None:
    (world.tmp / "env").mkdir()
    assert world.ids(world("goenv")) == ["GD904"]


@pytest.fixture
def nobody(tmp_path: t.Any) -> t.Iterator[UserEnvironment]:
    """A user that is not root, with directories of its own where these tests may make some."""
    account = find_account(pwd.getpwuid(os.geteuid()).pw_name if os.geteuid() else "nobody")
    # Every folder above must let it pass.
    # pytest keeps others out of its folder, which lies one deeper where tests run side by side.
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o777 == 0o700:
            folder.chmod(0o711)
    (tmp_path / "cache").mkdir()
    os.chown(tmp_path / "cache", account.uid, account.gid)
    yield UserEnvironment(account, {"GOCACHE": str(tmp_path / "cache")}, [])
    (tmp_path / "cache").chmod(0o755)


MODES = {0o755: [], 0o700: [], 0o555: ["GD303"], 0o777: ["GD307"], 0o1777: []}


@pytest.mark.parametrize("mode", MODES)
def test_the_rights_to_a_directory(world: t.Any, nobody: UserEnvironment, mode: int) -> None:
    os.chmod(nobody.variables["GOCACHE"], mode)
    declaration = dataclasses.replace(world.declaration, users=[nobody])
    found = findings(Snapshot(declaration, [], []))
    assert [finding.rule.id for finding in found] == MODES[mode]
    commands = [command for finding in found for command in finding.remedy.commands]
    assert len(commands) == len(found)
    assert all(command.startswith("runuser -u nobody -- chmod ") for command in commands)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the commands of findings about users")


def swap(folder: pathlib.Path, target: pathlib.Path) -> None:
    """Put a link to ``target`` in the folder's place, as its user can at any moment."""
    folder.rename(folder.with_name("moved"))
    folder.symlink_to(target)


@needs_root
@pytest.mark.parametrize("mode", [0o555, 0o777])
def test_a_safe_command_changes_nothing_of_roots_through_a_planted_link(
    world: t.Any, nobody: UserEnvironment, mode: int
) -> None:
    (world.tmp / "roots").mkdir()
    (world.tmp / "roots").chmod(mode)
    os.chmod(nobody.variables["GOCACHE"], mode)
    (finding,) = findings(Snapshot(dataclasses.replace(world.declaration, users=[nobody]), [], []))
    swap(world.tmp / "cache", world.tmp / "roots")
    for command in finding.remedy.commands:
        subprocess.run(["/bin/sh", "-c", command], check=False, capture_output=True)
    assert (world.tmp / "roots").stat().st_mode & 0o777 == mode
    (world.tmp / "cache").unlink()
    (world.tmp / "moved").rename(world.tmp / "cache")


@needs_root
def test_removing_a_copy_removes_nothing_of_roots_through_a_planted_link(world: t.Any, nobody: UserEnvironment) -> None:
    folder = world.tmp / "cache" / "it's"
    folder.mkdir()
    (folder / "gopls").write_text("")
    (folder / "gopls").chmod(0o755)
    os.chown(folder, nobody.account.uid, nobody.account.gid)
    user = dataclasses.replace(nobody, variables={"GOBIN": str(folder)})
    declaration = dataclasses.replace(world.declaration, users=[user])
    found = findings(Snapshot(declaration, [], [], tools=[tool(world)]))
    (command,) = [command for finding in found if finding.rule.id == "GD403" for command in finding.remedy.commands]
    (world.tmp / "roots").mkdir()
    (world.tmp / "roots/gopls").write_text("")
    swap(folder, world.tmp / "roots")
    subprocess.run(["/bin/sh", "-c", command], check=False, capture_output=True)
    assert (world.tmp / "roots/gopls").exists()
    folder.unlink()
    (world.tmp / "cache/moved").rename(folder)
    subprocess.run(["/bin/sh", "-c", command], check=True)
    assert not (folder / "gopls").exists()


@needs_root
def test_a_directory_that_root_left_is_given_back_by_provisioning_alone(world: t.Any, nobody: UserEnvironment) -> None:
    home = world.tmp / "cache"
    (home / "go").mkdir()
    account = nobody.account._replace(home=str(home))
    user = dataclasses.replace(nobody, account=account, variables={"GOPATH": str(home / "go")})
    (finding,) = findings(Snapshot(dataclasses.replace(world.declaration, users=[user]), [], []))
    assert (finding.rule.id, finding.remedy.text, list(finding.remedy.commands)) == ("GD301", CONVERGE, [])


@pytest.mark.parametrize(("mode", "rule"), [(0o777, "GD307"), (0o555, "GD303")])
def test_the_rights_to_what_a_link_leads_to_are_left_alone(
    world: t.Any, nobody: UserEnvironment, mode: int, rule: str
) -> None:
    os.chmod(nobody.variables["GOCACHE"], mode)
    (world.tmp / "link").symlink_to("cache")
    linked = dataclasses.replace(nobody, variables={"GOCACHE": str(world.tmp / "link")})
    (finding,) = findings(Snapshot(dataclasses.replace(world.declaration, users=[linked]), [], []))
    assert (finding.rule.id, list(finding.remedy.commands)) == (rule, [])


@pytest.mark.parametrize("value", ["relative", "~/go", "off", "./x"])
def test_a_directory_that_is_no_absolute_path(world: t.Any, value: str) -> None:
    seen = world(environment={"GOPATH": value}, answer={"GOPATH": value}, set_by=set_by("GOPATH", value))
    (finding,) = world.judge(seen)[1]
    assert (finding.rule.id, finding.source) == ("GD304", Source("file", PROFILE, 3))


def test_a_declared_path_without_gobin(world: t.Any) -> None:
    user = dataclasses.replace(world.declaration.users[0], path=[str(world.goroot / "bin")])
    world.declaration.users[0] = user
    seen = world(user=user, environment={"PATH": f"{world.goroot}/bin:/usr/bin"})
    assert world.ids(seen) == ["GD302"]


@pytest.mark.parametrize("kind", ["nfs4", "ext4"])
def test_on_a_network_file_system_nothing_is_looked_at(
    world: t.Any, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    far = Mount(str(world.tmp), kind, frozenset())
    monkeypatch.setattr(directories, "mounts", lambda: [Mount("/", "ext4", frozenset()), far])
    declare(world, GOPATH=str(world.tmp / "gone"))
    asked = []
    monkeypatch.setattr(os.path, "realpath", lambda path, **_more: asked.append(path) or path)
    found = [finding.rule.id for finding in directories.findings(Snapshot(world.declaration, [], []))]
    assert found == (["GD305"] if kind == "nfs4" else ["GD301"])
    assert (str(world.tmp / "gone") in asked) == (kind == "ext4")


def disk(bavail: int, files: int = 1000, favail: int = 500) -> os.statvfs_result:
    return os.statvfs_result((1 << 20, 1 << 20, 10000, bavail, bavail, files, favail, favail, 0, 255))


@pytest.mark.parametrize(
    ("status", "left"),
    [
        (disk(1023), "1023 MiB"),
        (disk(1024), ""),
        (disk(9000, favail=19), "19 of 1000 inodes"),
        (disk(9000, favail=20), ""),
        (disk(9000, files=0, favail=0), ""),
    ],
)
def test_a_disk_that_is_nearly_full(
    world: t.Any, monkeypatch: pytest.MonkeyPatch, status: os.statvfs_result, left: str
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _path: status)
    found = world.judge(world())[1]
    assert [finding.cause for finding in found] == ([f"GOPATH={world.tmp} has {left} left"] if left else [])
    assert {finding.rule.id for finding in found} <= {"GD306"}


@pytest.mark.parametrize(
    ("mount", "expected"),
    [
        (Mount("/", "nfs4", frozenset()), ["GD305"]),
        (Mount("/", "ext4", frozenset({"rw", "noexec"})), ["GD308"]),
        (Mount("/", "ext4", frozenset({"rw"})), []),
    ],
)
def test_the_file_system_of_a_directory(
    world: t.Any, monkeypatch: pytest.MonkeyPatch, mount: Mount, expected: list[str]
) -> None:
    monkeypatch.setattr(directories, "mounts", lambda: [mount])
    assert world.ids(world()) == expected


def tool(world: t.Any, **changes: t.Any) -> PinnedTool:
    (world.tmp / "gopls").write_text("")
    return PinnedTool("gopls", "p", "v1", "go1.22.12", str(world.tmp / "gopls"), "")._replace(**changes)


def test_programs_run_where_the_declared_temporary_files_are(world: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = [Mount("/", "ext4", frozenset()), Mount("/scratch", "tmpfs", frozenset({"noexec"}))]
    monkeypatch.setattr(directories, "mounts", lambda: mounted)
    declare(world, TMPDIR="/scratch")
    (finding,) = world.judge()[1]
    assert (finding.rule.id, finding.cause.partition(" ")[0]) == ("GD308", "GOTMPDIR=/scratch")


def test_a_tool_that_another_go_built(world: t.Any) -> None:
    assert world.ids(world(), tools=[tool(world, reason="built by another Go")]) == ["GD404"]


def test_a_tool_that_is_not_for_this_go(world: t.Any) -> None:
    assert world.ids(world(), tools=[tool(world, reservation="dlv takes Go 1.21")]) == ["GD405"]


def test_a_copy_where_editors_look_first(world: t.Any) -> None:
    pinned = tool(world)
    copy = world.tmp / "bin/gopls"
    copy.parent.mkdir()
    copy.symlink_to(pinned.path)
    assert world.ids(world(), tools=[pinned]) == []
    copy.unlink()
    copy.write_text("")
    assert world.ids(world(), tools=[pinned]) == []
    copy.chmod(0o755)
    (finding,) = world.judge(world(), tools=[pinned])[1]
    user = pwd.getpwuid(os.getuid()).pw_name
    assert (finding.rule.id, finding.remedy.commands) == ("GD403", [f"runuser -u {user} -- rm -f {copy}"])
    assert world.ids(world(), tools=[pinned._replace(users=["somebody-else"])]) == []


def test_a_copy_in_a_folder_that_a_link_leads_to_is_left_there(world: t.Any) -> None:
    (world.tmp / "elsewhere").mkdir()
    (world.tmp / "elsewhere/gopls").write_text("")
    (world.tmp / "elsewhere/gopls").chmod(0o755)
    (world.tmp / "bin").symlink_to("elsewhere")
    (finding,) = world.judge(world(), tools=[tool(world)])[1]
    assert (finding.rule.id, list(finding.remedy.commands)) == ("GD403", [])


def test_a_tool_of_some_users_is_no_matter_of_the_others(world: t.Any) -> None:
    go = str(world.goroot / "bin/go")
    seen = world(programs={"go": [go], "gopls": ["/x/gopls"]})
    assert world.ids(seen, tools=[tool(world)]) == ["GD402"]
    assert world.ids(seen, tools=[tool(world, users=["somebody-else"])]) == []


def test_a_server_that_runs_with_old_values(world: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    user = world.declaration.users[0]
    current = dict(user.variables, PATH=":".join([*user.path, "/usr/bin"]))

    def hosts(**changes: str) -> list[startup.Process]:
        return [startup.Process(7, user.account.uid, dict(current, **changes))]

    monkeypatch.setattr(startup, "extension_hosts", hosts)
    assert world.ids(world()) == []
    monkeypatch.setattr(startup, "extension_hosts", lambda: hosts(GOPATH="/old", PATH="/usr/bin"))
    (finding,) = world.judge(world())[1]
    assert finding.rule.id == "GD704"
    assert finding.cause.endswith("has other values of GOPATH, PATH")
    monkeypatch.setattr(startup, "extension_hosts", lambda: hosts(GOPATH=current["GOPATH"] + "/"))
    assert world.ids(world()) == []
    foreign = [startup.Process(7, user.account.uid + 1, {})]
    monkeypatch.setattr(startup, "extension_hosts", lambda: foreign)
    assert world.ids(world()) == []


def test_another_mode_of_a_file_of_the_collections_own_is_found(tmp_path, monkeypatch):
    class OneFile(rights.CONTEXTS[0].__class__):
        def managed_files(self, declaration):
            return [whole_file(f"{tmp_path}/own", "x\n"), whole_file(f"{tmp_path}/stale", None)]

    (tmp_path / "own").write_text("x\n")
    (tmp_path / "stale").write_text("x\n")
    (tmp_path / "own").chmod(0o666)
    (tmp_path / "stale").chmod(0o666)
    monkeypatch.setattr(rights, "CONTEXTS", [OneFile()])
    monkeypatch.setattr(rights, "OWN_FOLDERS", [])
    bare = Snapshot(Declaration([], "/g", []), [], [])
    found = list(rights.findings(bare))
    assert [(one.rule.id, one.source) for one in found] == [("GD108", Source("file", f"{tmp_path}/own"))]
    assert "mode 0666 instead of" in found[0].cause
    (tmp_path / "own").chmod(0o644)
    assert list(rights.findings(bare)) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_file_of_a_user_that_is_not_the_users_is_found(tmp_path, monkeypatch):
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == 0 and parent != parent.parent and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    nobody = find_account("nobody")._replace(home=str(tmp_path / "home"))
    inside, kept, changed = (tmp_path / name for name in ("home/env", "shared", "changed"))
    (tmp_path / "home").mkdir()

    class Files(rights.CONTEXTS[0].__class__):
        def managed_files(self, declaration):
            paths = {inside: "x", kept: "x", changed: "y", tmp_path / "none": "x"}
            return [
                ManagedFile(str(path), lambda _now, text=text: text, whole=False, owner=nobody, as_owner=True)
                for path, text in paths.items()
            ]

    for path in (inside, kept, changed):
        path.write_text("x")
    monkeypatch.setattr(rights, "CONTEXTS", [Files()])
    monkeypatch.setattr(rights, "OWN_FOLDERS", [])
    scene_of = Snapshot(Declaration([UserEnvironment(nobody, {}, [])], "/g", []), [], [])
    found = list(rights.findings(scene_of))
    assert [(one.rule.id, one.user, one.subject) for one in found] == [
        ("GD109", "nobody", str(inside)),
        ("GD109", "nobody", str(changed)),
    ]
    assert found[0].cause == f"{inside} belongs to uid 0, so it cannot be written for user nobody"
    assert f"chown nobody: {inside}" in found[0].remedy.text
    # Of a user who is no longer listed it matters only where something is to be taken out.
    gone = Snapshot(Declaration([], "/g", []), [], [])
    assert [one.subject for one in rights.findings(gone)] == [str(changed)]
    for path in (inside, changed):
        os.chown(path, nobody.uid, nobody.gid)
    assert list(rights.findings(scene_of)) == []


LACKING = {
    "the distribution's own line": (Source("file", "/etc/profile", 7), "login", True),
    "whatever starts the process": (Source("process"), "login", True),
    "a line of the user's own": ("own", "login", False),
    "a context that the file does not feed": (Source("file", "/etc/profile", 7), "cron", False),
}


@pytest.mark.parametrize("case", LACKING)
def test_a_managed_file_that_lacks_its_lines_is_at_fault(
    world: t.Any, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    source, context, blamed = LACKING[case]
    home = world.declaration.users[0].account.home
    source = Source("file", f"{home}/.profile", 9) if source == "own" else source
    monkeypatch.setattr(snapshot, "_lacks", lambda file: file.path == login.HOOK)
    (finding,) = world.judge(
        world(context, environment={"PATH": "/bin"}, set_by=[Assignment("PATH", "/bin", t.cast("Source", source))])
    )[1]
    assert finding.source == (Source("file", login.HOOK) if blamed else source)
    assert ("provision the host again" in finding.remedy.text) == (blamed or source == Source("process"))
    assert (f"{login.HOOK} is not as it was" in finding.cause) == blamed


def test_a_value_that_no_file_can_hold_ends_no_report(world: t.Any) -> None:
    declare(world, GOFLAGS='-ldflags="-s"')
    host = Snapshot(world.declaration, [], [])
    with pytest.raises(DevserverError):
        pam.managed_files(world.declaration)
    assert host.repaired
    assert host._lacking_for(world.declaration.users[0])["ssh"] == []


def test_what_a_start_up_prints_is_told_without_its_secrets(world: t.Any) -> None:
    (finding,) = world.judge(world(noise="+ export API_TOKEN=abc"))[1]
    told = finding.result("h")
    assert "abc" not in str(told)
    assert "API_TOKEN=***" in told["cause"]


def test_a_proposal_with_a_secret_in_it_is_left_out() -> None:
    remedy = Remedy("r", variables={"environment_variables": {"GITHUB_TOKEN": "abc"}})
    assert Finding(values.DIFFERS, "c", remedy).result("h")["remedy"]["vars"] == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root reads what a user cannot")
def test_a_file_is_looked_into_with_its_users_rights_alone(world: t.Any) -> None:
    file = world.tmp / "settings.json"
    file.write_text('{"go.gopath": "${workspaceFolder}"}\n')
    file.chmod(0o600)
    account = world.declaration.users[0].account
    assert snapshot._refers(Source("file", str(file), 1), account)
    assert not snapshot._refers(Source("file", str(file), 1), find_account("nobody"))


def test_what_another_user_lacks_is_nobody_elses_fault(world: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One is provisioned, the other is declared since: the services for both lack the second one's lines."""
    monkeypatch.setattr(snapshot, "_lacks", LACKS)
    for name in ("FOLDER", "SERVICE", "USERS_SERVICE", "ENVIRONMENT"):
        monkeypatch.setattr(pam, name, str(world.tmp / name))
    (first,) = world.declaration.users
    # By its name alone the file for all PAM services of users would be taken for this one's.
    second = dataclasses.replace(first, account=first.account._replace(name="USERS_SERVICE", uid=first.account.uid + 1))
    (world.tmp / "FOLDER").mkdir()
    for file in pam.managed_files(world.declaration):
        pathlib.Path(file.path).write_text(file.content(None) or "")
        pathlib.Path(file.path).chmod(file.mode)
    world.declaration.users.append(second)
    host = Snapshot(world.declaration, [], [])

    def lacking(user: UserEnvironment) -> list[str]:
        return [path for path in host._lacking_for(user)["cron"] if path.startswith(str(world.tmp))]

    own = str(world.tmp / "FOLDER" / "user-USERS_SERVICE.conf")
    assert (lacking(first), lacking(second)) == ([], [own, pam.USERS_SERVICE])
    for path in (world.tmp / "FOLDER").iterdir():
        path.write_text("")
    assert lacking(first) == [str(world.tmp / "FOLDER" / name) for name in _configurations(first)]


def _configurations(user: UserEnvironment) -> list[str]:
    return ["everyone.conf", f"user-{user.account.name}.conf"]


def test_files_are_compared_for_those_of_whom_something_differs(world: t.Any) -> None:
    (first,) = world.declaration.users
    world.declaration.users.append(dataclasses.replace(first, account=first.account._replace(name="second")))
    made = Cell(first.account.name, "login", "GOPATH", "/a", "/b", "drift", None)
    assert list(Snapshot(world.declaration, [], [made])._lacking) == [first.account.name]


@pytest.mark.parametrize(
    ("now", "lacking"), [("", True), ("a\n", True), ("b\nmine\n# x\na\n", False), (None, True), ("a\nb\n", False)]
)
def test_what_is_more_in_a_file_is_not_lacking(tmp_path: pathlib.Path, now: str | None, lacking: bool) -> None:
    file = tmp_path / "f"
    if now is not None:
        file.write_text(now)
    assert LACKS(ManagedFile(str(file), lambda _now: "a\nb\n", whole=False)) == lacking
    assert not LACKS(ManagedFile(str(file), lambda _now: None))


def test_a_file_that_nobody_can_read_is_not_as_it_was_rendered(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "f"
    file.write_text("a\n")
    file.chmod(0o600)
    assert LACKS(ManagedFile(str(file), lambda _now: "a\n"))
    assert not LACKS(ManagedFile(str(file), lambda _now: "a\n", whole=False))


def test_what_a_start_up_takes_away_is_told_with_its_line(world: t.Any) -> None:
    gone = world(environment={"PATH": None, "GOPATH": ""}, set_by=[*set_by("PATH", ""), *set_by("GOPATH", "", 4)])
    del gone.environment["PATH"]
    found = {f.rule.id: f for f in world.judge(dataclasses.replace(gone, go=GoResult({}), programs={"go": []}))[1]}
    path = found["GD103"]
    assert path.cause.startswith(f"PATH is not set, since {PROFILE}:3 takes it away; it must hold")
    assert path.source == Source("file", PROFILE, 3)
    assert path.remedy.text.startswith(f"delete or correct {PROFILE}:3")


def test_what_the_process_has_counts_where_go_gives_no_answer(world: t.Any) -> None:
    seen = world(environment={"GOROOT": "/gone", "GOPATH": "/x"}, set_by=set_by("GOPATH", "/x"))
    matrix, found = world.judge(dataclasses.replace(seen, go=GoResult({}, "go: cannot find GOROOT")))
    assert [finding.rule.id for finding in found] == ["GD101", "GD204"]
    assert (matrix["login", "GOPATH"].status, matrix["login", "GOPROXY"].status) == ("drift", "unknown")


def test_a_reference_that_provisioning_leaves_alone_is_to_be_replaced(world: t.Any, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "devcontainer.json"
    file.write_text('{"remoteEnv": {\n"GOPATH": "${userHome}/x",\n"GOBIN": "/x"}}')
    made = Snapshot(world.declaration, [], [])
    made.__dict__["repaired"] = frozenset([str(file)])
    user = world.declaration.users[0].account.name
    cell = Cell(user, "devcontainer", "GOPATH", "/x", "/y", "drift", Source("file", str(file), 2))
    assert made.mend(cell) == f"write the declared value in the place of the reference at {file}:2"
    assert made.mend(dataclasses.replace(cell, source=Source("file", str(file), 3))) == snapshot.CONVERGE


def test_a_function_of_fishs_is_told_in_one_line(world: t.Any) -> None:
    (finding,) = world.judge(world(go_is="go is a function with definition"))[1]
    assert finding.cause == "in login go is a function"


@pytest.mark.parametrize(("users", "told"), [(["a", "b"], [""]), (["a", "b", "c"], ["a", "b"])])
def test_what_every_user_has_from_one_line_is_told_once(users: list[str], told: list[str]) -> None:
    remedy = Remedy("declare it", variables={"environment_users": [{"name": "x", "variables": {"V": "1"}}]})
    source = Source("file", "/etc/environment", 3)
    found = [Finding(values.CONTEXTS_DISAGREE, "c", remedy, user, "", "V", source) for user in ("a", "b")]
    folded = list(values._once_for_all(found, set(users)))
    assert [finding.user for finding in folded] == told
    if told == [""]:
        assert folded[0].remedy.variables == {"environment_variables": {"V": "1"}}


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
def test_a_users_crontab_is_as_much_the_users_own_as_what_lies_in_the_home(path: str, own: bool) -> None:
    assert snapshot._is_own(path, Account("alice", 1000, 1000, "/home/alice", "/bin/sh")) is own


@pytest.mark.parametrize(("mode", "hidden"), [(0o600, False), (0o666, False), (0o200, True)])
def test_rights_that_are_too_wide_hide_nothing(tmp_path: pathlib.Path, mode: int, hidden: bool) -> None:
    file = whole_file(str(tmp_path / "f"), "x\n", mode=0o600, owner=find_account(getpass.getuser()))
    (tmp_path / "f").write_text("x\n")
    (tmp_path / "f").chmod(mode)
    assert snapshot._hides(file) is hidden


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
def test_a_path_of_the_host_that_pam_cannot_use_is_found_once_for_all(world: t.Any, value: str, cause: str) -> None:
    line = Assignment("PATH", value, Source("file", "/etc/environment", 3))
    found = findings(Snapshot(world.declaration, [], [], host_path=line))
    expected = [("GD110", "", "PATH", cause, line.source)] if cause else []
    assert [(one.rule.id, one.user, one.variable, one.cause, one.source) for one in found] == expected
