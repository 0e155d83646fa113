# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The remedies of findings are carried out as they are written, on injected faults, and the findings are gone.

Real shells, a real go and real files of an unprivileged user. The scenarios of Molecule carry out remedies that order
to provision, and those about services.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.causes import by_cause
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect import managed_files
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.host import Options, collect
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.finding import Finding
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.rules import RULES, evaluate
from ansible_collections.gopherops.devserver.plugins.module_utils._environment import apply
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import vscode_server
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.bash import BashContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.devcontainer import (
    DevcontainerKind,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.goenv import GoEnvContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.login import LoginContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.vscode_debug import (
    VscodeDebugKind,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.vscode_server import (
    VscodeServerKind,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    Declaration,
    UserEnvironment,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account

from tests.support.directories import public_directory

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs programs as another user")

SHELLS = (GoEnvContext(), LoginContext(), BashContext())
EDITORS = (VscodeServerKind(), VscodeDebugKind(), DevcontainerKind())
# What is a matter of the host here, such as its disk and its sudoers, and of services that other tests have started.
OF_THE_HOST = ("GD112", "GD306", "GD1101", "GD1102")
MACHINE = ".vscode-server/data/Machine/settings.json"
LAUNCH = "shop/.vscode/launch.json"
CONTAINER = "shop/.devcontainer.json"
GOENV = ".config/go/env"


@dataclasses.dataclass
class Host:
    """A host of one user, with the declared values in the startup files and in the settings file of go."""

    home: pathlib.Path
    declaration: Declaration

    @property
    def user(self) -> UserEnvironment:
        return self.declaration.users[0]

    def render(self) -> None:
        """Write what provisioning would write."""
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in self.user.variables.items()]
        path = ":".join([*self.user.path, "/usr/bin", "/bin"])
        for name in (".profile", ".bashrc"):
            self.put(name, "".join([*lines, f"export PATH={shlex.quote(path)}\n"]))
        self.put(GOENV, "".join(f"{name}={value}\n" for name, value in self.user.variables.items()))
        for directory in self.user.directories.values():
            os.makedirs(directory, exist_ok=True)
        self.own()

    def put(self, name: str, text: str) -> None:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))

    def append(self, name: str, *lines: str) -> None:
        with open(self.home / name, "a", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.writelines(f"{line}\n" for line in lines)

    def own(self) -> None:
        account = self.user.account
        subprocess.run(["chown", "-R", f"{account.uid}:{account.gid}", str(self.home)], check=True)

    def run(self, command: str) -> None:
        subprocess.run(["/bin/sh", "-ec", command], check=True, cwd=self.home, capture_output=True)

    def findings(self) -> list[Finding]:
        kinds = EDITORS if (self.home / MACHINE).exists() else SHELLS
        _snapshot, findings = collect(self.declaration, Options(timeout=20), evaluate, kinds)
        return [finding for finding in by_cause(findings, []) if finding.rule.id not in OF_THE_HOST]

    def carry_out(self, finding: Finding) -> None:
        """Do what the remedy of a finding orders."""
        remedy, source = finding.remedy, finding.source
        change_of_owner = re.search(r": (chown \S+ .*)", remedy.text)
        filter_of_lines = re.search(r"\bby (sed -i '[^']*')", remedy.text)
        if remedy.commands:
            for command in remedy.commands:
                self.run(command)
        elif change_of_owner:
            self.run(change_of_owner.group(1))
        elif filter_of_lines and source:
            self.run(f"{filter_of_lines.group(1)} {shlex.quote(str(source.file))}")
        elif re.match(r"(delete|remove|correct|write|use|put|move|set it)\b", remedy.text) and source and source.file:
            self.remove(source.file, source.line)
        elif re.match(r"give .* or move it away", remedy.text) and source and source.file:
            os.rename(source.file, f"{source.file}.away")
            self.render()
        elif remedy.text.startswith("provision the host again"):
            # Of the contexts, only those that are files of the user.
            apply.apply(self.declaration, check=False)
        elif remedy.text.startswith("declare "):
            (entry,) = remedy.variables["devserver_users"]
            self.user.variables.update(entry["variables"])
            self.render()
        else:
            pytest.fail(f"{finding.rule.id}: nobody can do this: {remedy.text}")

    @staticmethod
    def remove(path: str, line: int | None) -> None:
        """Remove a line, without a change of the numbers of the others; without a line, the file."""
        if line is None:
            os.unlink(path)
            return
        with open(path, "rb") as file:
            lines = file.read().split(b"\n")
        lines[line - 1] = b""
        with open(path, "wb") as file:
            file.write(b"\n".join(lines))


@pytest.fixture
def remedy_host(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Host]:
    # The home of this test is not the one that an sshd would find.
    monkeypatch.setattr(vscode_server.SshContext, "applies_to", lambda _self, _account: False)
    monkeypatch.setattr(apply, "KINDS", EDITORS)
    # What these tests render is not what provisioning renders for a user.
    for name in ("_unprovisioned", "_unrendered"):
        monkeypatch.setattr(managed_files, name, lambda *_arguments: {})
    goroot = os.path.dirname(os.path.dirname(os.path.realpath(shutil.which("go") or "")))
    with public_directory() as directory:
        home = directory / "home"
        home.mkdir()
        account = find_account("nobody")._replace(home=str(home), shell="/bin/bash")
        variables = {
            "GOPATH": f"{home}/go",
            "GOMODCACHE": f"{home}/go/pkg/mod",
            "GOBIN": f"{home}/go/bin",
            "GOCACHE": f"{home}/.cache/go-build",
            "GOTOOLCHAIN": "local",
        }
        path = [f"{goroot}/bin", f"{home}/go/bin"]
        user = UserEnvironment(account, variables, path, [f"{home}/shop"], [f"{home}/{MACHINE}"])
        host = Host(home, Declaration([user], goroot, []))
        (home / "shop").mkdir()
        host.render()
        yield host


def lines(name: str, *texts: str) -> t.Callable[[Host], None]:
    return lambda host: host.append(name, *texts)


def settings(name: str, *texts: str) -> t.Callable[[Host], None]:
    return lambda host: host.put(name, "\n".join(texts))


def commands(*texts: str) -> t.Callable[[Host], None]:
    return lambda host: host.run("\n".join(texts))


# What is injected at once, and the rules of which a finding appears, also among those that follow.
FAULTS: dict[str, tuple[t.Callable[[Host], None], set[str]]] = {
    "lines of a startup file": (
        lines(
            ".profile",
            "export GOBIN=/tmp/b",
            "export GOPAHT=/x",
            "export GOROOT=$(dirname $(dirname $(readlink -f $(command -v go))))",
            "export GOPROXY=http://proxy.example.com",
            "export GOINSECURE=git.example.com",
            "export GOFLAGS=-mod=mod",
            "export GO111MODULE=off",
            "export GOOS=windows",
            "export GOSUMDB=off",
            "PATH=$PATH:.",
        ),
        {"GD101", "GD102", "GD105", "GD107", "GD210", "GD501", "GD503", "GD504", "GD505", "GD602", "GD603", "GD604"},
    ),
    "a proxy behind direct": (lines(".profile", "export GOPROXY=direct,https://a.example"), {"GD102", "GD502"}),
    "an undeclared variable": (lines(".profile", "export GODEBUG=netdns=go"), {"GD102"}),
    "paths of builds that do not exist": (
        lines(".profile", "export CC=/no/cc", "export AR=no-such-ar", "export GOTMPDIR=/no/tmp"),
        {"GD102", "GD606"},
    ),
    "output": (lines(".profile", "echo hello"), {"GD701"}),
    "a low limit, and a directory that is gone": (
        lambda host: (
            host.append(".bashrc", "ulimit -n 60", "ulimit -c 0"),
            host.append(".profile", "d=$(mktemp -d)", "cd $d", "rmdir $d"),
        )[-1],
        {"GD701", "GD706"},
    ),
    "an alias": (lines(".bashrc", "alias go=/usr/bin/true"), {"GD206"}),
    "a startup that exits": (lines(".bashrc", "exit 3"), {"GD901"}),
    "a relative cache": (lines(".profile", "export GOCACHE=cache"), {"GD304"}),
    "another settings file": (lines(".profile", "export GOENV=off"), {"GD211"}),
    "another home": (lines(".profile", "export HOME=/"), {"GD211"}),
    "another PATH": (lines(".profile", "PATH=/usr/bin:/bin"), {"GD103", "GD201"}),
    "another tree": (lines(".profile", "export GOROOT=/opt/old"), {"GD204"}),
    "line ends of Windows": (lines(".profile", "export GOMODCACHE=$GOPATH/pkg/mod\r"), {"GD106"}),
    "another go first": (
        lambda host: (
            host.run("mkdir own; printf '#!/bin/sh\\nexec %s \"$@\"\\n' $(command -v go) >own/go; chmod 755 own/go"),
            host.append(".profile", "PATH=$HOME/own:$PATH"),
        )[1],
        {"GD202"},
    ),
    "lines of the settings file": (
        lines(GOENV, "export GOFLAGS=-v", "GOVCS=caf\udce9.example:git", "GOROOT=/opt/old"),
        {"GD209", "GD902", "GD903"},
    ),
    "a directory as settings file": (commands(f"rm {GOENV}; mkdir {GOENV}"), {"GD101", "GD904"}),
    "the settings file of root": (commands(f"chown root: {GOENV}; chmod 644 {GOENV}"), {"GD109"}),
    "a directory of settings that is closed": (
        commands("chown root: .config; chmod 700 .config"),
        {"GD101", "GD904"},
    ),
    "a directory of settings with another mode": (commands("chmod 0 .config/go"), {"GD101", "GD904"}),
    "modes of directories": (commands("chmod 555 go/bin; chmod 1777 .cache/go-build"), {"GD303", "GD307"}),
    "what root left": (
        commands(
            "d=go/pkg/mod/cache/download; mkdir -p .cache/go-build/00 .cache/go-build/.00.foreign/x .cache/go-build/fe",
            "mkdir -p $d/github.com/a/b/@v $d/github.com/c $d/golang.org/x/mod/@v go/pkg/mod/golang.org/x/mod@v0.1.0",
            "mkdir -p go/pkg/mod/github.com/a go/pkg/sumdb; touch go/bin/tool go/bin/tool2 go/pkg/mod/cache/lock",
            "chown nobody: go/pkg go/pkg/mod go/pkg/mod/cache $d $d/github.com $d/github.com/a go/pkg/mod/github.com",
            "chown nobody: $d/golang.org $d/golang.org/x $d/golang.org/x/mod go/pkg/mod/golang.org",
        ),
        {"GD303"},
    ),
    "settings of an editor": (
        lambda host: (
            host.put(
                MACHINE,
                '{\n"go.delvePath": "/x",\n"go.logging.level": "off",\n"go.gopath": "/x",\n'
                '"go.toolsEnvVars": {\n"PATH": "/usr/bin",\n"CGO_ENABLED": 0\n},\n'
                '"go.toolsManagement.autoUpdate": true,\n"go.useLanguageServer": "yes",\n}',
            ),
            host.put(
                LAUNCH,
                '{"configurations": [{"type": "go", "request": "launch", "name": "x",\n"dlvToolPath": "/x",\n'
                '"mode": "remote",\n"remotePath": "/x",\n"env": {\n"GOBIN": "/x"\n}}]}',
            ),
            host.put(
                CONTAINER,
                '{"customizations": {"vscode": {"settings": {"go.toolsEnvVars": {\n"GOFLAGS": "-x"\n}}}},\n'
                '"containerEnv": {"GOTOOLCHAIN": "local"}}',
            ),
            host.own(),
        )[-1],
        {"GD101", "GD103", "GD201", "GD801", "GD802", "GD803", "GD804", "GD805", "GD806", "GD807"},
    ),
}
_PROVISIONING = "its remedy is to provision: molecule/default/tests, faults that are managed"
_DECLARATION = "its remedy is another declaration"
_SERVICES = "it is about services: molecule/services/tests/test_drift.py"
ELSEWHERE = {
    **dict.fromkeys(("GD108", "GD113", "GD203", "GD212", "GD301", "GD401", "GD404"), _PROVISIONING),
    **dict.fromkeys(("GD302", "GD305", "GD308", "GD405", "GD507", "GD601", "GD605", "GD905"), _DECLARATION),
    **{rule.id: _SERVICES for rule in RULES if len(rule.id) == len("GD1001")},
    "GD104": "it needs a terminal beside the debug session; its line is removed as that of GD101 is here",
    "GD110": "a file of the host: test_host_path.py of molecule/default",
    "GD111": "it needs another account",
    "GD112": "a file of the host",
    "GD205": "a go that is none is removed as that of GD202 is here",
    "GD207": "as GD202",
    "GD208": "as GD202",
    "GD306": "it needs a full disk",
    "GD402": "as GD202",
    "GD403": "test_rules.py carries out its command",
    "GD808": "test_editor.py shows it, and tests/unit/editor installs it again",
    "GD406": "test_rules.py carries out its command",
    "GD407": "test_rules.py carries out its commands",
    "GD506": "a file of the host",
    "GD702": "it takes seconds",
    "GD703": "it needs a user manager",
    "GD704": "it needs an editor",
    "GD705": "it needs a server of ssh",
    "GD707": "a key is the user's decision",
}


def test_the_remedy_of_each_rule_is_carried_out_somewhere() -> None:
    carried_out = {rule for _inject, rules in FAULTS.values() for rule in rules}
    assert carried_out.isdisjoint(ELSEWHERE)
    assert {rule.id for rule in RULES} == carried_out | {*ELSEWHERE}


@pytest.mark.parametrize("case", FAULTS)
def test_a_finding_is_gone_when_its_remedy_was_carried_out(remedy_host: Host, case: str) -> None:
    inject, rules = FAULTS[case]
    assert remedy_host.findings() == []
    inject(remedy_host)
    found = remedy_host.findings()
    assert {finding.rule.id for one in found for finding in (one, *one.follows)} == rules
    # A declaration is rendered into the files, whose lines are others afterwards.
    for finding in sorted(found, key=lambda one: one.remedy.text.startswith(("declare", "provision"))):
        try:
            remedy_host.carry_out(finding)
        except (OSError, IndexError) as error:
            pytest.fail(f"{finding.rule.id} at {finding.source}: {finding.cause}: {error}")
    assert [(one.rule.id, one.cause, one.remedy.text) for one in remedy_host.findings()] == []
