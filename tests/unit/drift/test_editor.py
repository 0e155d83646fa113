# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules about an editor's files, on parsed settings."""

from __future__ import annotations

import dataclasses
import pathlib
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Source
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect import editor_settings
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.editor_settings import (
    missing_extensions,
    with_test_file,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records.editor_settings import (
    EditorSettings,
    Setting,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records.observation import Observation
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.rules import editor
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.snapshot import Snapshot
from ansible_collections.gopherops.devserver.plugins.module_utils._editor.vscode_go import SETTINGS as SETTINGS_KNOWN
from ansible_collections.gopherops.devserver.plugins.module_utils._editor.vscode_go import TYPES
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.vscode_debug import (
    VscodeDebugKind,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.vscode_server import (
    VscodeServerContext,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import UserEnvironment
from ansible_collections.gopherops.devserver.plugins.module_utils._host import records
from ansible_collections.gopherops.devserver.plugins.module_utils._host.managed_files import plan_edits, write_all

PATH = "/h/settings.json"


def evaluate(fake_host: t.Any, *files: tuple[str, dict[str, t.Any]]) -> list[tuple[str, str, int | None]]:
    """Return rule, variable and line of each finding; the settings of a file are in lines 1, 2 and so on."""
    user = fake_host.declaration.users[0]
    made = [
        EditorSettings(user, kind, [_setting(*item) for item in enumerate(values.items(), 1)]) for kind, values in files
    ]
    found = editor.evaluate(Snapshot(fake_host.declaration, [], [], editor_files=made))
    return [(finding.rule.id, finding.variable, finding.source.line) for finding in found if finding.source]


def _setting(line: int, item: tuple[str, t.Any]) -> Setting:
    inner = (
        {name: Source("file", PATH, line * 10 + n) for n, name in enumerate(item[1])}
        if isinstance(item[1], dict)
        else {}
    )
    return Setting(*item, Source("file", PATH, line), inner)


def file_of(user: UserEnvironment, settings: list[Setting]) -> EditorSettings:
    return with_test_file(EditorSettings(user, "settings", settings))


SETTINGS: dict[str, tuple[dict[str, t.Any], list[tuple[str, str, int]]]] = {
    "what is real": ({"go.useLanguageServer": True, "gopls": {}, "editor.tabSize": 4}, []),
    "no update": ({"go.toolsManagement.autoUpdate": False, "go.toolsManagement.buildEnvVars": {}}, []),
    "an invention": ({"go.delvePath": "/x"}, [("GD801", "go.delvePath", 1)]),
    "a slip of the pen": ({"x": 1, "go.toolEnvVars": {}}, [("GD801", "go.toolEnvVars", 2)]),
    "deprecated": ({"go.buildOnSave": "off"}, [("GD802", "go.buildOnSave", 1)]),
    "another GOROOT": ({"go.goroot": "/opt/go"}, [("GD803", "go.goroot", 1)]),
    "no GOROOT": ({"go.goroot": None, "go.gopath": ""}, []),
    "another GOPATH": ({"go.gopath": "/x"}, [("GD803", "go.gopath", 1)]),
    "a place of its own for tools": ({"go.toolsGopath": "/x"}, [("GD803", "go.toolsGopath", 1)]),
    "another go": ({"go.alternateTools": {"dlv": "/d", "go": "/x"}}, [("GD803", "go.alternateTools.go", 11)]),
    "other variables": ({"go.toolsEnvVars": {"A": "1", "GOPATH": "/x"}}, [("GD803", "go.toolsEnvVars.GOPATH", 11)]),
    "variables that refer to others": ({"terminal.integrated.env.linux": {"GOPATH": "${env:HOME}/go"}}, []),
    "variables of tests": ({"go.testEnvVars": {"GOPATH": "/x"}}, [("GD803", "go.testEnvVars.GOPATH", 10)]),
    "variables of gopls": (
        {"gopls": {"build.env": {"GOPATH": "/x"}, "env": {"GOPATH": "/x"}}, "gopls.build.env": {"GOPATH": "/x"}},
        [
            ("GD803", "gopls.build.env.GOPATH", 1),
            ("GD803", "gopls.env.GOPATH", 1),
            ("GD803", "gopls.build.env.GOPATH", 20),
        ],
    ),
    "another PATH in terminals": (
        {"terminal.integrated.env.linux": {"PATH": "/usr/bin"}},
        [("GD803", "terminal.integrated.env.linux.PATH", 10)],
    ),
    "more in the PATH of terminals": ({"terminal.integrated.env.linux": {"PATH": "/x:${env:PATH}"}}, []),
    "variables of a profile": (
        {
            "terminal.integrated.profiles.linux": {"a": None, "b": {"path": "/b", "env": {"GOPATH": "/x", "C": None}}},
            "terminal.integrated.automationProfile.linux": {"env": {"GOPATH": "/x"}},
        },
        [
            ("GD803", "terminal.integrated.profiles.linux.b.env.GOPATH", 1),
            ("GD803", "terminal.integrated.automationProfile.linux.env.GOPATH", 2),
        ],
    ),
    "wrong types": (
        {"go.useLanguageServer": "yes", "go.testFlags": 1, "go.buildFlags": "-v", "gopls": 7, "go.testTags": None},
        [("GD807", name, line) for line, name in enumerate(["go.useLanguageServer", "go.testFlags"], 1)]
        + [("GD807", "go.buildFlags", 3), ("GD807", "gopls", 4)],
    ),
    "right types": (
        {"go.testFlags": ["-v"], "go.lintTool": "revive", "go.lintOnSave": "off", "go.delveConfig": {}},
        [],
    ),
    "updates": ({"go.toolsManagement.autoUpdate": True}, [("GD805", "go.toolsManagement.autoUpdate", 1)]),
    "values of any form": (
        {"go.toolsEnvVars": [1], "go.alternateTools": "x", "terminal.integrated.env.linux": None},
        [("GD807", "go.toolsEnvVars", 1), ("GD807", "go.alternateTools", 2)],
    ),
    "a number for a text": (
        {"go.toolsEnvVars": {"CGO_ENABLED": 0, "GOFLAGS": None, "CC": "gcc"}},
        [("GD807", "go.toolsEnvVars.CGO_ENABLED", 10)],
    ),
    "a list for a text": ({"go.goroot": ["/x"]}, [("GD803", "go.goroot", 1), ("GD807", "go.goroot", 1)]),
    "a text for a switch": (
        {"go.toolsManagement.autoUpdate": "false", "go.toolsManagement.checkForUpdates": False},
        [("GD807", "go.toolsManagement.autoUpdate", 1), ("GD807", "go.toolsManagement.checkForUpdates", 2)],
    ),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_settings(fake_host: t.Any, case: str) -> None:
    values, expected = SETTINGS[case]
    assert evaluate(fake_host, ("settings", values)) == expected


def test_settings_with_the_declared_values_are_none(fake_host: t.Any) -> None:
    gopath = fake_host.declaration.users[0].variables["GOPATH"]
    values = {
        "go.goroot": str(fake_host.goroot),
        "go.gopath": gopath,
        "go.toolsEnvVars": {"GOPATH": gopath + "/"},
        "go.alternateTools": {"go": f"{fake_host.goroot}/bin/go"},
    }
    assert evaluate(fake_host, ("settings", values)) == []


@pytest.mark.parametrize("written", ["${env:HOME}/go", "~/go", "${userHome}/go/", "${env:SOMETHING}/go"])
def test_paths_are_compared_as_the_editor_fills_them_in(fake_host: t.Any, written: str) -> None:
    user = fake_host.declaration.users[0]
    home = user.account.home
    user.variables["GOPATH"] = f"{home}/go"
    declaration = dataclasses.replace(fake_host.declaration, goroot=f"{home}/go")
    fake_host.declaration = declaration
    values = {"go.goroot": written, "go.gopath": written, "go.alternateTools": {"go": f"{written}/bin/go"}}
    assert evaluate(fake_host, ("settings", values)) == []


def test_a_reference_to_the_home_does_not_hide_another_path(fake_host: t.Any) -> None:
    values = {"go.goroot": f"{fake_host.goroot}/", "go.gopath": "${env:HOME}/x", "go.alternateTools": {"go": "~/x"}}
    found = [("GD803", "go.gopath", 2), ("GD803", "go.alternateTools.go", 30)]
    assert evaluate(fake_host, ("settings", values)) == found


def test_a_null_removes_a_variable(fake_host: t.Any) -> None:
    user = fake_host.declaration.users[0]
    settings = [_setting(1, ("terminal.integrated.env.linux", {"GOPATH": None, "OTHER": None}))]
    host = Snapshot(fake_host.declaration, [], [], editor_files=[file_of(user, settings)])
    (finding,) = editor.evaluate(host)
    assert f"removes GOPATH; expected {user.variables['GOPATH']}" in finding.cause


def test_the_variables_file_of_tests(fake_host: t.Any, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "test.env"
    gopath = fake_host.declaration.users[0].variables["GOPATH"]
    file.write_text(f"# comment\nGOPATH={gopath}\nGOPATH = '/x'\nOTHER=1\n")
    user = fake_host.declaration.users[0]
    source = Source("file", str(tmp_path / ".vscode/settings.json"), 1)
    settings = [Setting("go.testEnvFile", "${workspaceFolder}/test.env", source)]
    found = list(editor.evaluate(Snapshot(fake_host.declaration, [], [], editor_files=[file_of(user, settings)])))
    assert [(one.rule.id, one.source) for one in found] == [("GD803", Source("file", str(file), 3))]
    settings = [Setting("go.testEnvFile", "/gone", source)]
    assert not list(editor.evaluate(Snapshot(fake_host.declaration, [], [], editor_files=[file_of(user, settings)])))


def test_each_type_belongs_to_a_known_setting() -> None:
    assert set(TYPES) <= SETTINGS_KNOWN


LAUNCH: dict[str, tuple[dict[str, t.Any], list[tuple[str, str, int]]]] = {
    "what is real": ({"name": "x", "type": "go", "request": "launch", "mode": "auto", "debugAdapter": "dlv-dap"}, []),
    "an invention": ({"name": "x", "dlvToolPath": "/x"}, [("GD806", "dlvToolPath", 2)]),
    "an adapter as a mode": ({"mode": "dlv-dap"}, [("GD806", "mode", 1)]),
    "deprecated": ({"remotePath": "/x"}, [("GD802", "remotePath", 1)]),
    "a remote launch": ({"type": "go", "request": "launch", "mode": "remote"}, [("GD806", "mode", 3)]),
    "a local launch": ({"mode": "local", "request": "launch"}, [("GD806", "mode", 1)]),
    "a remote attach": ({"mode": "remote", "request": "attach"}, []),
    "an attach to a test": ({"mode": "test", "request": "attach"}, [("GD806", "mode", 1)]),
    "an unknown mode": ({"mode": "run", "request": "launch"}, [("GD806", "mode", 1)]),
    "a mode of any form": ({"mode": "", "request": []}, []),
    "a replay": ({"mode": "replay", "request": "launch"}, []),
    "a number in an env": ({"env": {"A": "1", "B": 2}, "envFile": ["/x"]}, [("GD807", "env.B", 11)]),
    "no list of files": ({"envFile": {}}, [("GD807", "envFile", 1)]),
}


@pytest.mark.parametrize("case", LAUNCH)
def test_launch_configurations(fake_host: t.Any, case: str) -> None:
    values, expected = LAUNCH[case]
    assert evaluate(fake_host, ("launch", values)) == expected


def test_the_remedy_for_a_mode_names_the_request_that_has_it(fake_host: t.Any) -> None:
    user = fake_host.declaration.users[0]
    settings = [_setting(line, item) for line, item in enumerate({"request": "launch", "mode": "remote"}.items(), 1)]
    files = [EditorSettings(user, "launch", settings)]
    (finding,) = editor.evaluate(Snapshot(fake_host.declaration, [], [], editor_files=files))
    assert finding.remedy.text == 'write "request": "attach"'


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ({"GOPROXY": "off"}, []),
        ({"GOPROXY": "direct"}, [("GD804", "GOPROXY", 10)]),
        ({"GOPROXY": "${containerEnv:GOPROXY}"}, []),
        ({"GOFLAGS": "-x"}, []),
        ("nothing", [("GD807", "remoteEnv", 1)]),
    ],
)
def test_tools_and_container(fake_host: t.Any, remote: t.Any, expected: list[tuple[str, str, int]]) -> None:
    settings = {"go.toolsEnvVars": {"GOPROXY": "off"}}
    assert evaluate(fake_host, ("settings", settings), ("devcontainer", {"remoteEnv": remote})) == expected


ONE_SIDED: dict[str, tuple[dict[str, t.Any], dict[str, t.Any], list[str]]] = {
    "in the tools alone": ({"GOFLAGS": "-x"}, {}, ["GOFLAGS"]),
    "the module mode alone": ({"GO111MODULE": "off"}, {"remoteEnv": {}}, ["GO111MODULE"]),
    "two module modes": ({"GO111MODULE": "off"}, {"remoteEnv": {"GO111MODULE": "on"}}, ["GO111MODULE"]),
    "one module mode": ({"GO111MODULE": "on"}, {"remoteEnv": {"GO111MODULE": "on"}}, []),
    "in terminals alone": ({}, {"remoteEnv": {"GOFLAGS": "-x"}}, []),
    "for every process": ({"GOFLAGS": "-x"}, {"containerEnv": {"GOFLAGS": "-x"}}, []),
    "other for every process": ({"GOFLAGS": "-x"}, {"containerEnv": {"GOFLAGS": "-y"}}, ["GOFLAGS"]),
    "corrected for terminals": (
        {"GOFLAGS": "-x"},
        {"containerEnv": {"GOFLAGS": "-y"}, "remoteEnv": {"GOFLAGS": "-x"}},
        [],
    ),
    "no variable of modules": ({"EDITOR": "vi", "GOPROXY": "${localEnv:P}", "GOBIN": None}, {}, []),
}


@pytest.mark.parametrize("case", ONE_SIDED)
def test_settings_of_one_side_of_a_container(fake_host: t.Any, case: str) -> None:
    tools, environment, expected = ONE_SIDED[case]
    user = fake_host.declaration.users[0]
    files = [
        EditorSettings(user, "devcontainer", [_setting(*item) for item in enumerate(values.items(), 1)], path=PATH)
        for values in (environment, {"go.toolsEnvVars": tools})
    ]
    found = list(editor.evaluate(Snapshot(fake_host.declaration, [], [], editor_files=files)))
    assert [(finding.rule.id, finding.variable) for finding in found] == [("GD804", name) for name in expected]


def test_two_containers_of_a_workspace_are_not_compared(fake_host: t.Any) -> None:
    user = fake_host.declaration.users[0]
    files = [
        EditorSettings(
            user, "devcontainer", [_setting(1, (name, {"GOFLAGS": value}))], path=f"/w/.devcontainer/{value}"
        )
        for value in ("-x", "-y")
        for name in ("remoteEnv", "go.toolsEnvVars")
    ]
    assert list(editor.evaluate(Snapshot(fake_host.declaration, [], [], editor_files=files))) == []


def test_each_file_and_each_launch_configuration_has_findings_of_its_own(fake_host: t.Any) -> None:
    user = fake_host.declaration.users[0]
    files = [
        EditorSettings(user, kind, [Setting("gone", 1, Source("file", path, 1)), Setting("go.gone", 1, source)], title)
        for kind, path, title in [
            ("settings", "/a.json", ""),
            ("settings", "/b.json", ""),
            ("launch", "/l.json", "/w (x)"),
            ("launch", "/l.json", "/w (y)"),
        ]
        for source in [Source("file", path, 2)]
    ]
    found = list(editor.evaluate(Snapshot(fake_host.declaration, [], [], editor_files=files)))
    assert len({finding.result("h")["fingerprint"] for finding in found}) == len(found) == 6


LAUNCH_FILE = """\
{"configurations": [
  {"type": "go", "request": "launch", "mode": "remote", "program": "${workspaceRoot}",
   "remotePath": "${workspaceRoot}", "port": 40000, "host": "127.0.0.1", "useApiV1": false},
  {"type": "go", "request": "attach",
   "mode": "debug"},
  {"type": "go", "request": "attach", "mode": "local", "processId": "42",
   "dlvToolPath": "/x"},
  {"type": "go", "request": "launch", "mode": "auto",
   "linux": {
     "mode": "remote",
     "env": {"GOBIN": "/b",
             "GOARM": 7},
     "dlvToolPath": "/x"}},
  {"type": "go", "request": "launch", "mode": "remote",
   "linux": {"mode": "exec"}},
  {"type": "go", "request": "launch", "mode": "local",
   "linux": {"request": "attach"}},
  {"type": "node", "request": "attach", "mode": "debug"}
]}
"""


@pytest.mark.parametrize("name", [".vscode/launch.json", ".vscode/settings.json", "mono.code-workspace"])
def test_every_configuration_of_go_is_evaluated_as_it_is_on_linux(fake_host: t.Any, name: str) -> None:
    file, first = fake_host.tmp / name, 0 if name.endswith("launch.json") else 1
    file.parent.mkdir(exist_ok=True)
    file.write_text(f'{{"launch":\n{LAUNCH_FILE}}}' if first else LAUNCH_FILE)
    user = dataclasses.replace(fake_host.declaration.users[0], workspaces=[str(fake_host.tmp)])
    server = VscodeServerContext()
    contexts = VscodeDebugKind().contexts_of(user, [server])
    files = editor_settings.files_of([user], [Observation(user, context, {}) for context in contexts])
    found = [*editor.evaluate(Snapshot(fake_host.declaration, [], [], editor_files=files))]
    assert sorted((one.source.line - first, one.rule.id, one.variable) for one in found if one.source) == [
        (2, "GD806", "mode"),
        (3, "GD802", "remotePath"),
        (3, "GD806", "useApiV1"),
        (5, "GD806", "mode"),
        (7, "GD806", "dlvToolPath"),
        (10, "GD806", "mode"),
        (12, "GD807", "env.GOARM"),
        (13, "GD806", "dlvToolPath"),
    ]
    remedies = {(one.source.line - first): one.remedy.text for one in found if one.variable == "mode" and one.source}
    assert remedies == {
        2: 'write "request": "attach"',
        5: 'write "request": "launch"',
        10: 'write "request": "attach"',
    }


def test_a_pinned_extension_that_is_gone_or_not_listed(
    fake_host: t.Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "DIRECTORY", str(tmp_path / "records"))
    settings = [f"{tmp_path}/s/data/Machine/settings.json"]
    user = dataclasses.replace(fake_host.declaration.users[0], vscode_settings=settings)
    name = user.account.name
    write_all(plan_edits([records.record_file("editor", {"users": [name], "extensions": ["golang.go@0.42.1"]})]))
    directory = tmp_path / "s/extensions/golang.go-0.42.1"
    snapshot = Snapshot(fake_host.declaration, [], [])

    def found() -> list[tuple[str, str, str, str | None]]:
        findings = editor.evaluate(dataclasses.replace(snapshot, missing_extensions=list(missing_extensions([user]))))
        return [(one.rule.id, one.user, one.variable, one.source and one.source.file) for one in findings]

    gone = [("GD808", name, "golang.go", str(directory))]
    assert found() == gone
    directory.mkdir(parents=True)
    (directory / "package.json").write_text("{}")
    assert found() == []
    listed = directory.parent / "extensions.json"
    for text in ("[]", "{", '[{"identifier": {"id": "golang.go"}, "version": "0.57.2"}]'):
        listed.write_text(text)
        assert found() == gone
    listed.write_text('[{"identifier": {"id": "golang.Go"}, "version": "0.42.1"}]')
    assert found() == []
    # Another user has not got it from the role.
    assert list(missing_extensions([dataclasses.replace(user, account=user.account._replace(name="other"))])) == []
