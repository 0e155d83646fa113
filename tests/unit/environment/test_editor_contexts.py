# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contexts that editors, dev containers and workflows make: what real processes get, from which line, and edits."""

from __future__ import annotations

import dataclasses
import getpass
import json
import os
import pathlib
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.causes import by_cause
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect import observations
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.host import Options, collect
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.finding import Finding
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.report import report
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.rules import evaluate
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.snapshot import Snapshot
from ansible_collections.gopherops.devserver.plugins.module_utils._environment import apply
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import (
    editor_files,
    vscode_server,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.base import Probe, probe_of
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.ci import CiKind
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.devcontainer import (
    DevcontainerKind,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.editor_files import (
    portable,
    read_editor_file,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.vscode_debug import (
    VscodeDebugKind,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.vscode_server import (
    VscodeServerContext,
    VscodeServerKind,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    Declaration,
    UserEnvironment,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.workspace_entry import CHECKOUT_FILES
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import run, session_environment
from ansible_collections.gopherops.devserver.plugins.module_utils._jsonc.document import parse
from ansible_collections.gopherops.devserver.plugins.module_utils._shells.shell_query import ShellQuery

# Prints what the real one does, from the environment alone.
GO = """\
#!/bin/sh
printf '{"GOPATH": "%s", "GOPROXY": "%s", "GOROOT": "%s", "GOVERSION": "go1.22.12", "GOENV": "off"}' \
  "$GOPATH" "$GOPROXY" "${0%/bin/go}"
"""
PROXY = "https://a.example,direct"

KINDS = [VscodeServerKind(), VscodeDebugKind(), DevcontainerKind(), CiKind()]


@dataclasses.dataclass
class Host:
    """A host of one user, whose home has a space and an é in it, with one workspace."""

    home: pathlib.Path
    declaration: Declaration

    @property
    def user(self) -> UserEnvironment:
        return self.declaration.users[0]

    @property
    def gopath(self) -> str:
        return self.user.variables["GOPATH"]

    @property
    def directory(self) -> pathlib.Path:
        return self.home / "hello"

    def put(self, name: str, text: str) -> pathlib.Path:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def declare(self, **changes: t.Any) -> None:
        self.declaration = dataclasses.replace(self.declaration, users=[dataclasses.replace(self.user, **changes)])

    def settings(self, text: str) -> pathlib.Path:
        return self.put(".vscode-server/data/Machine/settings.json", text)

    def seen(self) -> dict[tuple[str, str, str], tuple[t.Any, str, str]]:
        """Return value, status and source of each cell by context, workspace (below the home) and variable."""
        cells = self.report()["cells"]
        return {
            (cell["context"], cell["workspace"].replace(f"{self.home}/", ""), cell["variable"]): (
                cell["actual"],
                cell["status"],
                self.place(cell["source"]),
            )
            for cell in cells
        }

    def place(self, source: dict[str, t.Any] | None) -> str:
        if source is None or source["file"] is None:
            return source["kind"] if source else ""
        return f"{source['file']}:{source['line']}".replace(f"{self.home}/", "")

    def report(self) -> dict[str, t.Any]:
        snapshot, findings = self._collect()
        return report(snapshot, findings, "h")

    def findings(self) -> list[Finding]:
        return self._collect()[1]

    def _collect(self) -> tuple[Snapshot, list[Finding]]:
        return collect(self.declaration, Options(go_version="1.22.12", timeout=20), evaluate, KINDS)

    def apply(self, *, check: bool = False) -> list[str]:
        changes = apply.apply(self.declaration, check=check).changes.result()
        return [entry["after_header"].replace(f"{self.home}/", "") for entry in changes["diff"]]


@pytest.fixture
def editor_host(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(apply, "KINDS", KINDS)
    # The home of this test is not the one that an sshd would find.
    monkeypatch.setattr(vscode_server.SshContext, "applies_to", lambda _self, _account: False)
    home = tmp_path / "home é x"
    (home / "hello").mkdir(parents=True)
    for directory in ("go", "own"):
        go = tmp_path / directory / "bin/go"
        go.parent.mkdir(parents=True)
        go.write_text(GO)
        go.chmod(0o755)
    goroot = tmp_path / "go"
    (tmp_path / "p").mkdir()
    path = [f"{goroot}/bin", f"{tmp_path}/p/bin"]
    exports = [f"GOPATH={tmp_path}/p", f"GOPROXY={PROXY}", f"PATH={':'.join(path)}:$PATH"]
    (home / ".profile").write_text("".join(f"export {line}\n" for line in exports))
    account = find_account(getpass.getuser())._replace(home=str(home), shell="/bin/bash")
    settings = [f"{home}/.vscode-server/data/Machine/settings.json", f"{home}/other/settings.json"]
    variables = {"GOPATH": f"{tmp_path}/p", "GOPROXY": PROXY}
    manage = {f"{home}/hello": list(CHECKOUT_FILES)}
    user = UserEnvironment(account, variables, path, [f"{home}/hello"], settings, manage=manage)
    return Host(home, Declaration([user], str(goroot), [], {"dlv": "/usr/local/bin/dlv"}))


def test_the_server_has_what_the_login_shell_gives(editor_host: Host) -> None:
    editor_host.put(
        ".profile",
        (editor_host.home / ".profile").read_text() + '[ -n "$VSCODE_RESOLVING_ENVIRONMENT" ] && GOPATH=/q\necho hi\n',
    )
    seen = editor_host.seen()
    assert seen["vscode_server", "", "GOPATH"] == ("/q", "drift", ".profile:4")
    assert seen["vscode_server", "", "GOPROXY"] == (PROXY, "ok", ".profile:2")
    assert seen["vscode_server", "", "go"][1] == "ok"
    assert "GD701" not in {finding["rule_id"] for finding in editor_host.report()["findings"]}


OWN_SETTINGS = """\
{
  "go.alternateTools": {
    "go": "%s"
  },
  // mine
  "go.toolsEnvVars": {
    "GOPROXY": "${env:HOME}",
    "GOPATH": "/x"
  },
  "go.gopath": "${userHome}/y"
}
"""


def test_settings_are_laid_over_it(editor_host: Host) -> None:
    own = editor_host.home.parent / "own/bin/go"
    editor_host.settings(OWN_SETTINGS % own)
    seen = editor_host.seen()
    path = ".vscode-server/data/Machine/settings.json"
    assert seen["vscode_server", "", "GOPROXY"] == (str(editor_host.home), "drift", f"{path}:7")
    assert seen["vscode_server", "", "GOPATH"] == (f"{editor_host.home}/y", "drift", f"{path}:10")
    assert seen["vscode_server", "", "go"] == (str(own), "drift", f"{path}:3")
    assert seen["vscode_server", "", "PATH"][0].startswith(f"{own.parent}:")


@pytest.mark.parametrize(
    "text", ['{"go.alternateTools": {"go": "/gone/go"}}', '{"go.toolsEnvVars": [1], "go.gopath": null}', ""]
)
def test_settings_without_effect(editor_host: Host, text: str) -> None:
    editor_host.settings(text)
    assert {status for _value, status, _place in editor_host.seen().values()} == {"ok", "unmanaged"}


def test_what_no_process_can_have_counts_as_not_set(editor_host: Host) -> None:
    odd = r'{"GOPROXY": "a\u0000b", "A=B": "", "": "x", "C\u0000": "y", "FINE": "é"}'
    editor_host.settings('{"go.toolsEnvVars": %s}' % odd)
    editor_host.put(
        "hello/.vscode/launch.json", '{"configurations": [{"type": "go", "request": "launch", "env": %s}]}' % odd
    )
    assert {status for _value, status, _place in editor_host.seen().values()} == {"ok", "unmanaged"}


@pytest.mark.parametrize("name", ["go.\\ud800", "go.goroot", "go.toolsEnvVars"])
@pytest.mark.parametrize("value", ['"\\ud800\\u0000"', "[[]]", '{"GOPATH": [{}], "go": 1}', "-1e999", "{}"])
def test_odd_settings_are_no_traceback(editor_host: Host, name: str, value: str) -> None:
    editor_host.settings('{"%s": %s}' % (name, value))
    report = editor_host.report()
    assert json.loads(json.dumps(report, ensure_ascii=False).encode()) == report


def test_each_server_has_its_settings(editor_host: Host) -> None:
    editor_host.put("other/settings.json", '{"go.goroot": "%s"}' % (editor_host.home.parent / "own"))
    seen = editor_host.seen()
    assert seen["vscode_server", "", "go"][1] == "ok"
    assert seen["vscode_server", "other/settings.json", "go"][1:] == ("drift", "other/settings.json:1")


def test_a_workspaces_own_settings_count_also_without_a_launch_configuration(editor_host: Host) -> None:
    path = "hello/.vscode/settings.json"
    values = ['"go.toolsEnvVars": {"GOPROXY": "direct"}', '"go.gopath": "/w"', '"go.toolsManagement.autoUpdate": true']
    editor_host.put(path, "{\n" + ",\n".join([*values, '"go.dlvPath": "/x"']) + "\n}")
    editor_host.put(".profile", "echo oh >&2\n" + (editor_host.home / ".profile").read_text())
    seen = editor_host.seen()
    assert seen["vscode_server", "hello", "GOPROXY"] == ("direct", "drift", f"{path}:2")
    assert seen["vscode_server", "hello", "GOPATH"] == ("/w", "drift", f"{path}:3")
    assert seen["vscode_server", "", "GOPATH"][1] == "ok"
    found = {(f["rule_id"], editor_host.place(f["source"])) for f in editor_host.report()["findings"]}
    assert {("GD803", f"{path}:2"), ("GD803", f"{path}:3"), ("GD805", f"{path}:4"), ("GD801", f"{path}:5")} < found


def test_a_startup_problem_is_reported_once_for_all_workspaces(editor_host: Host) -> None:
    editor_host.put("hello/.vscode/settings.json", "{}")
    editor_host.put(".profile", "sleep 0.5\n" + (editor_host.home / ".profile").read_text())
    contexts = [context for context in observations._contexts(editor_host.user, KINDS) if context.over_ssh]
    probes = [context.probe(editor_host.user.account, editor_host.declaration, 20) for context in contexts]
    assert [probe.seconds > 0.3 for probe in probes] == [True, False]
    assert [context.workspace != "" for context in contexts] == [False, True]


def test_an_alias_does_not_concern_the_server_which_takes_the_environment_alone(editor_host: Host) -> None:
    editor_host.put(".profile", "alias go=true\nulimit -n 200\n" + (editor_host.home / ".profile").read_text())
    assert editor_host.report()["findings"] == []


LAUNCH = """\
{
  "configurations": [
    {"type": "go", "request": "launch", "name": "one", "env": {
      // For the tests.
      "GOPROXY": "off",
    }},
    {"type": "go", "request": "launch", "name": "two", "envFile": ["${workspaceFolder}/a.env", "${env:HOME}/b.env"],
     "env": {"GOPATH": "${workspaceFolder}/p"}},
    {"type": "go", "request": "launch", "name": "two", "env": {"GOPATH": "/x"}, "linux": {"env": {"GOPATH": "/l"}}},
    {"type": "go", "request": "attach", "name": "three", "env": {"GOPATH": "/x"}},
    {"type": "node", "request": "launch", "env": {"GOPATH": "/x"}}
  ]
}
"""


def test_debug_sessions(editor_host: Host) -> None:
    editor_host.put("hello/.vscode/launch.json", LAUNCH)
    editor_host.put("hello/.vscode/settings.json", '{"go.toolsEnvVars": {"GOPROXY": "direct"}, "go.gopath": "/w"}')
    editor_host.settings('{"go.gopath": "/m"}')
    editor_host.put("hello/a.env", "# comment\nGOPROXY='https://b.example'\r\nGOPATH=/e\n")
    editor_host.put("b.env", "\ufeffGOPROXY = ${HOME}/z\n")
    seen = editor_host.seen()
    launch = "hello/.vscode/launch.json"
    assert {workspace for context, workspace, _name in seen if context == "vscode_debug"} == {
        "hello (one)",
        "hello (two)",
        "hello (two 2)",
    }
    assert seen["vscode_debug", "hello (one)", "GOPROXY"] == ("off", "drift", f"{launch}:5")
    assert seen["vscode_debug", "hello (one)", "GOPATH"] == ("/w", "drift", "hello/.vscode/settings.json:1")
    assert seen["vscode_server", "", "GOPATH"][0] == "/m"
    assert seen["vscode_debug", "hello (two)", "GOPATH"] == (f"{editor_host.directory}/p", "drift", f"{launch}:8")
    assert seen["vscode_debug", "hello (two)", "GOPROXY"] == (f"{editor_host.home}/z", "drift", "b.env:1")
    assert seen["vscode_debug", "hello (two 2)", "GOPROXY"] == ("direct", "drift", "hello/.vscode/settings.json:1")
    assert seen["vscode_debug", "hello (two 2)", "GOPATH"][:2] == ("/l", "drift")
    assert seen["vscode_server", "", "GOPROXY"][:2] == (PROXY, "ok")


# Where the tools of a workspace of mallory's are named, by which file.
_LAUNCH = '{"configurations": [{"type": "go", "request": "launch", "name": "one", %s}]}'
_WORKSPACE = "hello/.vscode/settings.json"
_START = "hello/.vscode/launch.json"
UNTRUSTED = {
    "go.alternateTools": {_WORKSPACE: '{"go.alternateTools": {"go": "TOOLS/bin/go"}}'},
    "go.goroot": {_WORKSPACE: '{"go.goroot": "TOOLS"}'},
    "go.toolsEnvVars": {_WORKSPACE: '{"go.toolsEnvVars": {"PATH": "TOOLS/bin:${env:PATH}"}}'},
    "machine settings": {
        ".vscode-server/data/Machine/settings.json": '{"go.alternateTools": {"go": "TOOLS/bin/go"}}',
        _START: _LAUNCH % '"args": []',
    },
    "env": {_START: _LAUNCH % '"env": {"PATH": "TOOLS/bin:${env:PATH}"}'},
    "linux.env": {_START: _LAUNCH % '"linux": {"env": {"PATH": "TOOLS/bin"}}'},
    "envFile": {_START: _LAUNCH % '"envFile": "${workspaceFolder}/a.env"', "hello/a.env": "PATH=TOOLS/bin:${PATH}\n"},
}
MALLORY = 65534


def mallorys_tools(editor_host: Host, *names: str) -> pathlib.Path:
    """Return a tree of programs that are not root's, each of which leaves a file ``ran`` beside them."""
    tools = editor_host.directory / "tools"
    for name in names:
        program = editor_host.put(f"hello/tools/bin/{name}", f'#!/bin/sh\ntouch "{tools}/ran"\n')
        program.chmod(0o755)
        if os.geteuid() == 0:
            os.chown(program, MALLORY, MALLORY)
    return tools


@pytest.mark.parametrize("case", UNTRUSTED)
def test_a_program_that_a_file_of_a_workspace_names_is_compared_and_not_run(editor_host: Host, case: str) -> None:
    tools = mallorys_tools(editor_host, "go")
    for name, text in UNTRUSTED[case].items():
        editor_host.put(name, text.replace("TOOLS", str(tools)))
    document = editor_host.report()
    assert not (tools / "ran").exists()
    go = {(cell["actual"], cell["status"]) for cell in document["cells"] if cell["variable"] == "go"}
    assert (f"{tools}/bin/go", "drift") in go
    rules = [finding["rule_id"] for finding in document["findings"] if finding["variable"] == "go"]
    assert set(rules) == {"GD202"}


@pytest.mark.parametrize(
    "env",
    [
        {"GOTOOLCHAIN": "go1.99.9", "PATH": "TOOLS/bin:GOROOT/bin"},
        {"GOENV": "TOOLS/env", "PATH": "TOOLS/bin:GOROOT/bin"},
        {"GOTOOLCHAIN": "go1.99.9", "GOPROXY": "http://127.0.0.1:1", "GOAUTH": "TOOLS/bin/go1.99.9"},
        {"GOCACHEPROG": "TOOLS/bin/go1.99.9", "CC": "TOOLS/bin/go1.99.9", "GOFLAGS": "-toolexec=TOOLS/bin/go1.99.9"},
    ],
)
def test_a_trusted_go_starts_no_program_that_a_workspace_names(
    editor_host: Host, goroot: str, env: dict[str, str]
) -> None:
    tools = mallorys_tools(editor_host, "go1.99.9")
    (tools / "env").write_text("GOTOOLCHAIN=go1.99.9\n")
    given = json.dumps(env).replace("TOOLS", str(tools)).replace("GOROOT", goroot)
    editor_host.put(_START, _LAUNCH % f'"env": {given}')
    editor_host.put(".profile", f'export PATH="{goroot}/bin:/usr/bin:/bin"\n')
    declaration = dataclasses.replace(editor_host.declaration, goroot=goroot)
    seen = dataclasses.replace(editor_host, declaration=declaration).seen()
    assert not (tools / "ran").exists()
    assert seen["vscode_debug", "hello (one)", "GOVERSION"][0]
    if "CC" not in env:
        assert seen["vscode_debug", "hello (one)", "GOTOOLCHAIN"][0] == "go1.99.9"


def test_a_go_that_is_a_script_gets_the_users_own_path(editor_host: Host) -> None:
    tools = mallorys_tools(editor_host, "dirname")
    (editor_host.home.parent / "go/bin/go").write_text(GO + "dirname / >/dev/null\n")
    editor_host.put(_START, _LAUNCH % f'"env": {{"PATH": "{tools}/bin:${{env:PATH}}"}}')
    assert editor_host.seen()["vscode_debug", "hello (one)", "go"][1] == "ok"
    assert not (tools / "ran").exists()


def test_a_go_that_a_login_runs_too_is_run(editor_host: Host) -> None:
    if os.geteuid() == 0:
        os.chown(editor_host.home.parent / "go/bin/go", MALLORY, MALLORY)
    editor_host.put(_START, _LAUNCH % '"env": {"GOPROXY": "off"}')
    assert editor_host.seen()["vscode_debug", "hello (one)", "GOVERSION"][:2] == ("go1.22.12", "ok")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of root's")
def test_a_declared_go_that_others_can_change_is_unknown(editor_host: Host) -> None:
    profile = (editor_host.home / ".profile").read_text()
    editor_host.put(".profile", profile.replace(f"{editor_host.declaration.goroot}/bin:", ""))
    editor_host.settings('{"go.goroot": "%s"}' % editor_host.declaration.goroot)
    (editor_host.home.parent / "go").chmod(0o777)
    found = [finding for finding in editor_host.report()["findings"] if finding["rule_id"] == "GD901"]
    assert [finding["cause"].partition(" was not run")[0] for finding in found] == [
        f"{editor_host.declaration.goroot}/bin/go"
    ]


def test_a_dev_container(editor_host: Host) -> None:
    given = '"containerEnv": {"GOPROXY": "off", "GOSUMDB": "off", "GOROOT": "/r"}'
    text = f'{{\n{given},\n"remoteEnv": {{\n"GOPROXY": "direct", "GOPATH": "/c"}}}}'
    editor_host.put("hello/.devcontainer.json", text)
    seen = {name: cell for (context, _directory, name), cell in editor_host.seen().items() if context == "devcontainer"}
    path = "hello/.devcontainer.json"
    assert seen == {"GOPROXY": ("direct", "drift", f"{path}:4"), "GOSUMDB": ("off", "conflict", f"{path}:2")}
    editor_host.put("hello/.devcontainer/devcontainer.json", "{}")
    assert editor_host.seen()["devcontainer", "hello", "GOPROXY"] == (None, "missing", "")


@pytest.mark.parametrize(
    ("container", "remote", "expected"),
    [
        (PROXY, "${containerEnv:GOPROXY}", (PROXY, "ok", 2)),
        ("off", "${containerEnv:GOPROXY:direct}", ("off", "drift", 2)),
        ("off", "${containerEnv:GOPROXY},direct", ("off,direct", "drift", 3)),
        (PROXY, "${containerEnv:OTHER}", (None, "unknown", None)),
        (PROXY, "${localEnv:GOPROXY:off}", (None, "unknown", None)),
        ("${localEnv:GOPROXY}", "${containerEnv:GOPROXY}", (None, "unknown", None)),
    ],
)
def test_references_of_a_dev_container(editor_host: Host, container: str, remote: str, expected: t.Any) -> None:
    text = '{"containerEnv":\n{"GOPROXY": "%s"},\n"remoteEnv": {"GOPROXY": "%s"}}' % (container, remote)
    editor_host.put("hello/.devcontainer.json", text)
    value, status, line = expected
    place = f"hello/.devcontainer.json:{line}" if line else ""
    assert editor_host.seen()["devcontainer", "hello", "GOPROXY"] == (value, status, place)


MONO = """\
{
  "folders": [{"path": "."}],
  "settings": {
    "go.gopath": "/x",
    "go.toolsEnvVars": {
      "GOPROXY": "off"
    }
  },
  "launch": {"configurations": [
    {"type": "go", "request": "launch", "name": "one", "env": {
      "GOPROXY": "direct"
    }}
  ]}
}
"""


def test_the_file_of_a_multi_root_workspace_has_settings_and_debug_sessions(editor_host: Host) -> None:
    path = editor_host.put("hello/mono.code-workspace", MONO)
    seen = editor_host.seen()
    place = "hello/mono.code-workspace"
    assert seen["vscode_server", place, "GOPATH"] == ("/x", "drift", f"{place}:4")
    assert seen["vscode_server", place, "GOPROXY"] == ("off", "drift", f"{place}:6")
    assert seen["vscode_debug", f"{place} (one)", "GOPROXY"] == ("direct", "drift", f"{place}:11")
    found = {(one.rule.id, one.variable, one.source and one.source.line) for one in editor_host.findings()}
    assert found >= {
        ("GD101", "GOPATH", 4),
        ("GD803", "go.gopath", 4),
        ("GD803", "go.toolsEnvVars.GOPROXY", 6),
        ("GD101", "GOPROXY", 11),
    }
    texts = {one.remedy.text for one in editor_host.findings() if one.source and one.source.file == str(path)}
    assert not any("provision the host" in text for text in texts)
    path.write_text("{ broken")
    broken = [one for one in editor_host.findings() if one.rule.id == "GD901"]
    assert [(one.context, one.workspace, one.source and one.source.line) for one in broken] == [
        ("vscode_server", str(path), 1)
    ]
    path.write_text('{"folders": []}')
    assert [key for key in editor_host.seen() if key[1] == place] == []


def test_large_files_are_one_finding_of_their_user(editor_host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsed, 20 files of 8 MiB would take some 10 GiB of memory, and minutes."""
    monkeypatch.setattr(editor_files, "_characters", {})
    monkeypatch.setattr(editor_files, "_exceeded", {})
    read: list[str] = []
    monkeypatch.setattr(editor_files, "parse", lambda text, path: read.append(text) or parse(text, path=path))
    for number in range(20):
        editor_host.put(f"hello/{number:02}.code-workspace", f'{{"settings": {{"x": "{"y" * 200_000}"}}}}')
    environment_files = [
        {"type": "go", "request": "launch", "name": f"{n}", "envFile": "/proc/self/environ"} for n in "ab"
    ]
    editor_host.put("hello/.vscode/launch.json", json.dumps({"configurations": environment_files}))
    editor_host.put("hello/.github/workflows/ci.yml", "on: push\n")
    found = [one for one in editor_host.findings() if "exceed 2 MiB" in one.cause]
    (finding,) = by_cause(found, [])
    assert f"with {editor_host.directory}/10.code-workspace, the files of editors and workflows" in finding.cause
    assert sum(map(len, read)) < 2 << 20


def test_a_go_that_hangs_is_not_run_for_each_launch_configuration(editor_host: Host) -> None:
    """The user may have hundreds of configurations, each with another environment."""
    runs = editor_host.home / "runs"
    go = pathlib.Path(editor_host.declaration.goroot, "bin/go")
    go.write_text(f"#!/bin/sh\necho >>'{runs}'\nexec sleep 60\n")
    names = [str(number) for number in range(150)]
    sessions = [{"type": "go", "request": "launch", "name": name, "env": {"GOFLAGS": f"-p={name}"}} for name in names]
    editor_host.put("hello/.vscode/launch.json", json.dumps({"configurations": sessions}))
    found = observations.observe(editor_host.declaration, [], timeout=1, kinds=KINDS)
    assert 0 < len(runs.read_text()) < 60
    problems = {one.go.problem for one in found if one.context.name == "vscode_debug"}
    assert "go was not run: with other environments it took more than 3 s together" in problems
    assert len(problems) < 5


def test_each_container_of_a_workspace_is_a_context(editor_host: Host) -> None:
    text = '{\n"containerEnv": {"GOPROXY": "%s"},\n"remoteEnv": {"GOSUMDB": "off"}\n}'
    editor_host.put("hello/.devcontainer.json", text % PROXY)
    editor_host.put("hello/.devcontainer/go/devcontainer.json", text % "off")
    editor_host.put("hello/.devcontainer/old/devcontainer.json", text % PROXY)
    seen = {key[1:]: cell for key, cell in editor_host.seen().items() if key[0] == "devcontainer"}
    go = "hello/.devcontainer/go/devcontainer.json:2"
    assert seen["hello (go)", "GOPROXY"] == ("off", "drift", go)
    assert seen["hello", "GOPROXY"][1] == seen["hello (old)", "GOPROXY"][1] == "ok"
    (finding,) = [one for one in editor_host.findings() if one.rule.id == "GD101"]
    assert finding.remedy.text.startswith(f"delete or correct {editor_host.home}/{go}")


WORKFLOW = "on: push\nenv:\n  GOPROXY: off # why\n  X: ${{ x }}\njobs:\n  a:\n    env:\n      GOPROXY: direct\n  b: 1\n"


def test_workflows(editor_host: Host) -> None:
    editor_host.put("hello/.github/workflows/test.yml", WORKFLOW)
    editor_host.put("hello/.github/workflows/expression.yaml", "env:\n  GOPROXY: ${{ x }}\njobs: 1\n")
    seen = {key: cell for key, cell in editor_host.seen().items() if key[0] == "ci"}
    path = ".github/workflows/test.yml"
    assert seen == {
        ("ci", "hello (.github/workflows/expression.yaml)", "GOPROXY"): (None, "unknown", ""),
        ("ci", f"hello ({path})", "GOPROXY"): ("off", "drift", f"hello/{path}:3"),
        ("ci", f"hello ({path}, a)", "GOPROXY"): ("direct", "drift", f"hello/{path}:8"),
    }
    assert not [finding for finding in editor_host.report()["findings"] if finding["rule_id"] == "GD901"]


def test_what_only_the_service_knows_is_unknown_alone(editor_host: Host) -> None:
    jobs = "jobs:\n  a:\n    env:\n      GOPROXY: direct\n  b:\n    env:\n      GOFLAGS: ${{ x }}\n"
    editor_host.put("hello/.github/workflows/x.yml", "env:\n  GOPROXY: ${{ x }}\n  GOFLAGS: -x\n" + jobs)
    seen = {
        (directory, name): cell[:2]
        for (context, directory, name), cell in editor_host.seen().items()
        if context == "ci"
    }
    whole, a, b = (f"hello (.github/workflows/x.yml{job})" for job in ("", ", a", ", b"))
    assert {key: cell for key, cell in seen.items() if key[1] == "GOPROXY"} == {
        (whole, "GOPROXY"): (None, "unknown"),
        (a, "GOPROXY"): ("direct", "drift"),
        (b, "GOPROXY"): (None, "unknown"),
    }
    assert [seen.get((directory, "GOFLAGS"), (None,))[0] for directory in (whole, a, b)] == ["-x", "-x", None]


BROKEN = {
    ".vscode-server/data/Machine/settings.json": ("vscode_server", ""),
    "hello/.vscode/launch.json": ("vscode_debug", "hello"),
    "hello/.devcontainer.json": ("devcontainer", "hello"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_json_is_a_finding_with_its_place(editor_host: Host, name: str) -> None:
    path = editor_host.put(name, '{\n  "a": 1\n  "b": 2}')
    context, workspace = BROKEN[name]
    found = [finding for finding in editor_host.report()["findings"] if finding["rule_id"] == "GD901"]
    assert [finding["context"] for finding in found] == [context]
    assert found[0]["workspace"].replace(f"{editor_host.home}/", "") == workspace
    assert f"{path}:3:3: found '\"'" in found[0]["cause"]
    assert {status for key, (_value, status, _place) in editor_host.seen().items() if key[0] == context} == {"unknown"}
    (skipped,) = apply.apply(editor_host.declaration, check=False).skipped
    assert (skipped.file, skipped.line, skipped.column) == (str(path), 3, 3)
    assert path.read_text() == '{\n  "a": 1\n  "b": 2}'


def test_broken_settings_of_a_workspace_are_a_finding_with_their_place(editor_host: Host) -> None:
    editor_host.put("hello/.vscode/settings.json", "{\n broken")
    (finding,) = [finding for finding in editor_host.report()["findings"] if finding["rule_id"] == "GD901"]
    assert (finding["context"], editor_host.place(finding["source"])) == (
        "vscode_server",
        "hello/.vscode/settings.json:2",
    )
    assert editor_host.seen()["vscode_server", "", "GOPATH"][1] == "ok"


UNUSABLE = {
    "settings that are a list": ("hello/.vscode/settings.json", "// mine\n[]", "vscode_server", "hello", 2),
    "a server's settings that are a text": (
        *(".vscode-server/data/Machine/settings.json", '"go.gopath"', "vscode_server"),
        *("", 1),
    ),
    "a dev container that is a number": ("hello/.devcontainer.json", "\n7", "devcontainer", "hello", 2),
    "a launch.json that is null": ("hello/.vscode/launch.json", "null", "vscode_debug", "hello", 1),
    "configurations by name": (
        *("hello/.vscode/launch.json", '{"version": "0.2.0",\n"configurations": {"one": {"type": "go"}}}'),
        *("vscode_debug", "hello", 2),
    ),
    "no configurations": ("hello/.vscode/launch.json", '{"configurations":\nnull}', "vscode_debug", "hello", 2),
    "a configuration that is a list": (
        *("hello/.vscode/launch.json", '{"configurations": [{"type": "go", "request": "launch", "name": "n"},\n[]]}'),
        *("vscode_debug", "hello (1)", 2),
    ),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_what_is_no_object_or_list_where_one_belongs_is_a_finding(editor_host: Host, case: str) -> None:
    name, text, context, workspace, line = UNUSABLE[case]
    editor_host.put(name, text)
    (finding,) = (finding for finding in editor_host.report()["findings"] if finding["rule_id"] == "GD901")
    assert (finding["context"], editor_host.place(finding["source"])) == (context, f"{name}:{line}")
    assert finding["workspace"].replace(f"{editor_host.home}/", "") == workspace
    assert f"correct {editor_host.home}/{name}:{line}" in finding["remedy"]["text"]


def test_a_configuration_that_is_no_object_leaves_the_others_alone(editor_host: Host) -> None:
    text = '{"configurations": [null, {"type": "go", "request": "launch", "name": "0", "env": {"GOPROXY": "off"}}]}'
    editor_host.put("hello/.vscode/launch.json", text)
    seen = editor_host.seen()
    assert seen["vscode_debug", "hello (0)", "GOPROXY"][1] == "unknown"
    assert seen["vscode_debug", "hello (0 1)", "GOPROXY"][:2] == ("off", "drift")


@pytest.mark.parametrize("text", ["", "// nothing\n", "{}", '{"configurations": []}', '{"compounds": 1}'])
def test_a_launch_file_without_configurations_is_none(editor_host: Host, text: str) -> None:
    editor_host.put("hello/.vscode/launch.json", text)
    editor_host.put("hello/.vscode/settings.json", text)
    assert editor_host.report()["findings"] == []


def test_an_env_file_that_is_missing(editor_host: Host) -> None:
    editor_host.put(
        "hello/.vscode/launch.json", '{"configurations": [{"type": "go", "request": "launch", "envFile": "/gone"}]}'
    )
    (finding,) = editor_host.report()["findings"]
    assert (finding["rule_id"], finding["workspace"]) == ("GD901", f"{editor_host.directory} (0)")
    assert "launch.json:1: envFile /gone is missing" in finding["cause"]


@pytest.mark.parametrize(("line", "words"), [("sleep 60", "timed out"), ("exit 3", "ended with 3")])
def test_a_startup_that_fails_leaves_the_environment_of_ssh(
    editor_host: Host, line: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vscode_server, "_PATIENCE", 1)
    editor_host.put(".profile", line + "\n")
    (finding,) = editor_host.report()["findings"]
    assert (finding["rule_id"], finding["context"]) == ("GD901", "vscode_server")
    assert words in finding["cause"]
    assert "the environment of ssh alone" in finding["cause"]


@pytest.mark.parametrize(
    ("outer", "inner", "problem"),
    [
        ("sleep 2.5", ":", ""),
        (":", "sleep 2.5", "bash timed out; the server continues with the environment of ssh alone"),
    ],
)
def test_only_the_shells_own_time_counts_over_ssh_too(
    editor_host: Host, outer: str, inner: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def login(account: Account, timeout: float) -> Probe:
        query = ShellQuery()
        argv = [account.shell, "-c", f"{outer}; {query.command}"]
        return probe_of(query, run(argv, env=session_environment(account), timeout=timeout), waits=True)

    monkeypatch.setattr(vscode_server.SshContext, "applies_to", lambda _self, _account: True)
    monkeypatch.setattr(vscode_server, "probe_login", login)
    monkeypatch.setattr(vscode_server, "_PATIENCE", 2)
    editor_host.put(".profile", inner + "\n")
    got = VscodeServerContext().probe(editor_host.user.account, editor_host.declaration, 20)
    assert (got.problem, got.failure) == (problem, "timed out" if problem else "")


def test_the_servers_shell_starts_in_the_place_of_a_command_over_ssh(
    editor_host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {**session_environment(editor_host.user.account), "SHLVL": "1", "FROM_PAM": "x"}
    monkeypatch.setattr(vscode_server.SshContext, "applies_to", lambda _self, _account: True)
    monkeypatch.setattr(vscode_server, "probe_login", lambda _account, _timeout: Probe(environment))
    got = VscodeServerContext().probe(editor_host.user.account, editor_host.declaration, 20).environment or {}
    assert (got["SHLVL"], got["FROM_PAM"]) == ("1", "x")


def test_a_server_whose_login_fails_has_its_problem(editor_host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    denied = Probe(None, "sshd denies it", failure="not let in")
    monkeypatch.setattr(vscode_server.SshContext, "applies_to", lambda _self, _account: True)
    monkeypatch.setattr(vscode_server, "probe_login", lambda _account, _timeout: denied)
    got = VscodeServerContext().probe(editor_host.user.account, editor_host.declaration, 20)
    assert (got.failure, got.problem) == (
        "not let in",
        "sshd denies it; the server continues with the environment of ssh alone",
    )


def test_the_shell_is_probed_once_for_all_contexts_until_one_forgets_it(editor_host: Host) -> None:
    editor_host.put(".profile", (editor_host.home / ".profile").read_text() + "echo >> ~/probed\n")
    editor_host.put("hello/.vscode/launch.json", LAUNCH.replace('"envFile"', '"no"'))
    contexts = observations._contexts(editor_host.user, KINDS)
    for context in contexts:
        context.probe(editor_host.user.account, editor_host.declaration, 20)
    assert (len(contexts), (editor_host.home / "probed").read_text()) == (4, "\n")
    contexts[0].forget()
    contexts[0].probe(editor_host.user.account, editor_host.declaration, 20)
    assert (editor_host.home / "probed").read_text() == "\n\n"


def test_a_server_that_was_too_slow_beside_all_others_is_probed_once_more(
    editor_host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vscode_server, "_PATIENCE", 3)
    editor_host.put("hello/.vscode/settings.json", "{}")
    once = "[ -e ~/probed ] || { touch ~/probed; sleep 30; }\n"
    editor_host.put(".profile", once + (editor_host.home / ".profile").read_text())
    assert editor_host.report()["findings"] == []
    seen = editor_host.seen()
    assert (seen["vscode_server", "", "GOPATH"][1], seen["vscode_server", "hello", "GOPATH"][1]) == ("ok", "ok")


def test_rules_see_the_files(editor_host: Host) -> None:
    editor_host.settings('{\n"go.delvePath": "/x"}')
    editor_host.put("hello/.vscode/settings.json", '{\n\n"go.dlvPath": "/x"}')
    editor_host.put(
        "hello/.vscode/launch.json",
        '{"configurations": [{"type": "go", "request": "launch", "name": "n",\n"dlvToolPath": 1}]}',
    )
    found = {(f["rule_id"], editor_host.place(f["source"])) for f in editor_host.report()["findings"]}
    assert found == {
        ("GD801", ".vscode-server/data/Machine/settings.json:2"),
        ("GD801", "hello/.vscode/settings.json:3"),
        ("GD806", "hello/.vscode/launch.json:2"),
    }


def test_what_is_there_is_rendered_and_nothing_else(editor_host: Host) -> None:
    assert editor_host.apply() == []
    settings = editor_host.settings(
        '{\n  // mine\n  "go.toolsEnvVars": {"GOROOT": "/old", "X": "1"},\n  "go.gopath": "/x"\n}\n'
    )
    settings.chmod(0o640)
    launch = editor_host.put("hello/.vscode/launch.json", LAUNCH)
    container = editor_host.put(
        "hello/.devcontainer/devcontainer.json", '{\n\t"image": "x", // mine\n\t"remoteEnv": {"GOPROXY": "off"}\n}'
    )
    editor_host.put("hello/.devcontainer.json", "{}")
    workflow = editor_host.put("hello/.github/workflows/test.yml", WORKFLOW)
    names = sorted(str(path.relative_to(editor_host.home)) for path in (settings, launch, container))
    assert sorted(editor_host.apply(check=True)) == names
    assert launch.read_text() == LAUNCH
    assert sorted(editor_host.apply()) == names
    assert editor_host.apply() == []
    assert settings.stat().st_mode & 0o777 == 0o640
    text = settings.read_text()
    assert "  // mine\n" in text
    assert json.loads(text.replace("// mine", "")) == {
        "go.toolsEnvVars": {"GOROOT": editor_host.declaration.goroot, "X": "1", **editor_host.user.variables},
        "go.gopath": editor_host.gopath,
        "go.alternateTools": {"go": f"{editor_host.declaration.goroot}/bin/go", "dlv": "/usr/local/bin/dlv"},
        "go.toolsManagement.autoUpdate": False,
        "go.toolsManagement.checkForUpdates": "off",
    }
    expected = LAUNCH.replace('"off"', f'"{PROXY}"').replace('"/l"', f'"{editor_host.gopath}"')
    expected = expected.replace('"two", "env": {"GOPATH": "/x"', f'"two", "env": {{"GOPATH": "{editor_host.gopath}"')
    assert launch.read_text() == expected
    assert f'"remoteEnv": {{"GOPROXY": "{PROXY}"}}' in container.read_text()
    assert f'\t"containerEnv": {{\n\t\t"GOPROXY": "{PROXY}"\n\t}}\n' in container.read_text()
    assert workflow.read_text() == WORKFLOW


WORKSPACE_SETTINGS = """\
{
  // mine
  "go.goroot": "/old",
  "go.alternateTools": {"go": "/old/bin/go", "gopls": "/mine", "dlv": "${workspaceFolder}/dlv"},
  "go.toolsEnvVars": {"GOPROXY": "off", "GOFLAGS": "${env:F}", "X": "1"},
  "go.toolsManagement.checkForUpdates": "local"
}
"""


def test_of_settings_of_a_workspace_only_present_values_are_corrected(editor_host: Host) -> None:
    path = editor_host.put("hello/.vscode/settings.json", WORKSPACE_SETTINGS)
    assert editor_host.apply() == ["hello/.vscode/settings.json"]
    goroot = editor_host.declaration.goroot
    expected = WORKSPACE_SETTINGS.replace('"/old"', f'"{goroot}"').replace("/old/bin/go", f"{goroot}/bin/go")
    expected = expected.replace('"GOPROXY": "off"', f'"GOPROXY": "{PROXY}"').replace('"local"', '"off"')
    assert path.read_text() == expected
    assert editor_host.apply() == []


CHECKOUT = {
    "settings": (".vscode/settings.json", '{\n"go.toolsEnvVars": {\n"GOPROXY": "off"}}', 3),
    "launch": (".vscode/launch.json", LAUNCH, 5),
    "devcontainer": (".devcontainer.json", '{\n"containerEnv": {\n"GOPROXY": "off"}}', 3),
}


def test_a_checkout_is_edited_only_as_its_workspace_declares(editor_host: Host) -> None:
    files = {kind: editor_host.put(f"hello/{name}", text) for kind, (name, text, _line) in CHECKOUT.items()}
    for managed in CHECKOUT_FILES:
        editor_host.declare(manage={str(editor_host.directory): [managed]})
        assert editor_host.apply(check=True) == [str(files[managed].relative_to(editor_host.home))]
    editor_host.declare(manage={})
    assert editor_host.apply() == []
    assert {kind: path.read_text() for kind, path in files.items()} == {kind: one[1] for kind, one in CHECKOUT.items()}


@pytest.mark.parametrize("kind", CHECKOUT)
@pytest.mark.parametrize("managed", [True, False])
def test_drift_in_a_checkout_has_a_remedy_that_works(editor_host: Host, kind: str, managed: bool) -> None:
    name, text, line = CHECKOUT[kind]
    path = editor_host.put(f"hello/{name}", text)
    editor_host.declare(manage={str(editor_host.directory): [kind]} if managed else {})
    place = f"hello/{name}:{line}"
    findings = [finding for finding in editor_host.report()["findings"] if finding["rule_id"] == "GD101"]
    (text,) = {finding["remedy"]["text"] for finding in findings if editor_host.place(finding["source"]) == place}
    unmanaged = f"delete or correct {path}:{line}, or add {kind} to `manage` of the workspace {editor_host.directory}"
    assert text == ("provision the host again with --tags environment" if managed else unmanaged)


@pytest.mark.parametrize("setting", ["go.toolsEnvVars", "terminal.integrated.env.linux"])
def test_a_setting_that_provisioning_leaves_is_one_finding_about_it(editor_host: Host, setting: str) -> None:
    """The PATH of another Go in the settings; provisioning corrects the other two settings beside it."""
    own = editor_host.home.parent / "own"
    lines = ["{", '"go.gopath": "/x",', f'"go.goroot": "{own}",', f'"{setting}": {{', f'"PATH": "{own}/bin/"', "}}"]
    path = editor_host.settings("\n".join(lines))
    editor_host.apply()
    (line,) = [n for n, text in enumerate(path.read_text().split("\n"), 1) if '"PATH"' in text]
    findings = by_cause(editor_host.findings(), [])
    at_line = [one for one in findings if one.source and (one.source.file, one.source.line) == (str(path), line)]
    assert [one.remedy.text for one in at_line] == [f"delete {setting}.PATH at {path}:{line}"]
    assert [one for one in findings if "provision the host" in one.remedy.text] == []
    path.write_text(path.read_text().replace(f'"PATH": "{own}/bin/"', '"OTHER": "1"'))
    assert [one for one in editor_host.findings() if one.source and one.source.file == str(path)] == []


def test_what_an_unmanaged_file_lacks_is_to_be_set_there(editor_host: Host) -> None:
    container = editor_host.put("hello/.devcontainer.json", "{}")
    workflow = editor_host.put("hello/.github/workflows/test.yml", "jobs: {}\n")
    editor_host.declare(manage={})
    texts = {f["context"]: f["remedy"]["text"] for f in editor_host.report()["findings"] if f["rule_id"] == "GD101"}
    manage = f"add devcontainer to `manage` of the workspace {editor_host.directory}"
    assert texts == {
        "devcontainer": f"set GOPROXY in {container}, or {manage}",
        "ci": f"set GOPROXY in {workflow}",
    }
    editor_host.declare(manage={str(editor_host.directory): ["devcontainer"]})
    texts = {f["context"]: f["remedy"]["text"] for f in editor_host.report()["findings"] if f["rule_id"] == "GD101"}
    assert texts == {
        "devcontainer": "provision the host again with --tags environment",
        "ci": f"set GOPROXY in {workflow}",
    }


def test_settings_are_made_on_request_only(editor_host: Host) -> None:
    editor_host.declaration = dataclasses.replace(editor_host.declaration, vscode_create=True)
    assert editor_host.apply() == [".vscode-server/data/Machine/settings.json"]
    path = pathlib.Path(editor_host.user.vscode_settings[0])
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_uid == os.getuid()
    assert editor_host.apply() == []
    assert {status for _value, status, _place in editor_host.seen().values()} == {"ok", "unmanaged"}


def test_a_workflow_of_another_form_is_left_alone(editor_host: Host) -> None:
    editor_host.put("hello/.github/workflows/test.yml", "env: &own {GOPROXY: off}\njobs: 1\n")
    assert editor_host.apply() == []
    editor_host.put("hello/.github/workflows/test.yml", 'env:\n  GOPROXY: "\\ud800"\n')
    assert json.loads(json.dumps(editor_host.report(), ensure_ascii=False).encode())


def test_what_means_the_same_elsewhere() -> None:
    here = {"GOPATH": "/p", "GOBIN": "x", "CC": "/usr/bin/cc", "GOFLAGS": "-modfile=/x/y", "GOPROXY": "file:///m,off"}
    there = {"GOPROXY": "https://a.example/b,direct", "GOPRIVATE": "git.example/*", "GOFLAGS": "-mod=mod -tags=a/b"}
    assert portable(here) == {}
    assert portable(there) == there


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_the_users_rights_count_and_not_roots(editor_host: Host) -> None:
    for directory in [editor_host.home, *editor_host.home.parents]:
        directory.chmod(directory.stat().st_mode | 0o011)
    path = editor_host.put("settings.json", "{}")
    path.chmod(0o600)
    assert "cannot read" in read_editor_file(str(path), find_account("nobody")).problem
    path.chmod(0o644)
    assert read_editor_file(str(path), find_account("nobody")).value() == {}
