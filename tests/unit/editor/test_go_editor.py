# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Go extension installs nothing by itself, and what a user has set stays."""

from __future__ import annotations

import json
import os
import pathlib
import pwd
import shutil
import subprocess
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.result import Outcome
from ansible_collections.gopherops.devserver.plugins.module_utils._editor import extensions, go_editor
from ansible_collections.gopherops.devserver.plugins.module_utils._editor.vscode_go import (
    SETTINGS,
    SINCE,
    TYPES,
    VALUES,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host import records

ME = pwd.getpwuid(os.geteuid()).pw_name


class Host(t.NamedTuple):
    """A home of this process's user, in a directory with the collection's records."""

    directory: pathlib.Path

    @property
    def server(self) -> pathlib.Path:
        return self.directory / "home/.vscode-server"

    @property
    def settings(self) -> pathlib.Path:
        return self.server / "data/Machine/settings.json"

    def put(self, text: str) -> None:
        self.settings.parent.mkdir(parents=True, exist_ok=True)
        self.settings.write_text(text)

    def run(self, *, check: bool = False, **options: t.Any) -> Outcome:
        declared = {
            "users": [{"name": ME}],
            "vscode_settings": [str(self.settings)],
            "gopls": str(self.directory / "none"),
            "vscode_tools": {"gopls": "/bin/gopls"},
            **options,
        }
        validated = ArgumentSpecValidator(go_editor.ARGUMENT_SPEC).validate(declared)
        assert validated.error_messages == []
        return go_editor.converge(validated.validated_parameters, check=check)

    def rendered(self, **options: t.Any) -> dict[str, t.Any]:
        """Return the settings after a run; a second one changes nothing."""
        planned = self.run(check=True, **options)
        done = self.run(**options)
        assert planned.result == done.result
        assert self.run(**options).result["changed"] is False
        content: dict[str, t.Any] = json.loads(self.settings.read_text())
        return content


@pytest.fixture
def host(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(records, "DIRECTORY", str(tmp_path / "etc/records"))
    host = Host(tmp_path)
    host.put("{}")
    return host


# Of each version of the extension: the tools that it installs if a setting selects them, those that it always selects,
# and the linter and the formatter without a setting. From goTools.ts and package.json.
IMPORTANT = {"gopls", "goimports", "staticcheck", "golangci-lint", "revive"}
VERSIONS: dict[str, t.Any] = {
    "0.42.1": (IMPORTANT, {"gotests", "gomodifytags", "impl", "goplay", "dlv"}, "staticcheck"),
    "0.57.2": (IMPORTANT | {"golangci-lint-v2"}, {"impl", "goplay", "dlv"}, ""),
}
FORMATTERS = ("goimports", "gofumpt", "goformat")
# What the environment declares.
DECLARED = {"gopls": "/bin/sh", "go": "/bin/sh"}


def selected(version: str, settings: t.Mapping[str, t.Any]) -> set[str]:
    """Return the tools that the extension needs (getConfiguredTools, getRequiredTools)."""
    _important, always, linter = VERSIONS[version]
    formatter = settings.get("go.formatTool", "default")
    # The older version lets gopls format for these.
    own = formatter if version == "0.57.2" or formatter == "goformat" else ""
    return {"gopls", *always, settings.get("go.lintTool", linter), *([own] if own in FORMATTERS else [])} - {""}


def installed(version: str, settings: t.Mapping[str, t.Any], programs: t.Container[str]) -> set[str]:
    """Return the tools that the extension installs on activation (maybeInstallImportantTools)."""
    alternate = {**DECLARED, **settings.get("go.alternateTools", {})}
    missing = {name for name in selected(version, settings) if alternate.get(name, name) not in programs}
    return {name for name in missing & VERSIONS[version][0] if name not in alternate}


def linted(version: str, settings: t.Mapping[str, t.Any]) -> str:
    """Return the linter that the extension runs at each save (goCheck.ts)."""
    linter: str = settings.get("go.lintTool", VERSIONS[version][2])
    return "" if settings.get("go.lintOnSave", "package") == "off" else linter


@pytest.mark.parametrize("version", VERSIONS)
def test_without_these_settings_it_would_install_tools(version: str) -> None:
    """What the helpers of these tests know is what the extension has done."""
    assert installed(version, {}, ()) == ({"staticcheck"} if version == "0.42.1" else set())
    assert installed(version, {"go.lintTool": "golangci-lint"}, ()) == {"golangci-lint"}
    assert ("goimports" in installed(version, {"go.formatTool": "goimports"}, ())) is (version == "0.57.2")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("pinned", [[], ["staticcheck"], ["golangci-lint"], ["dlv", "gopls", "impl"]])
def test_the_extension_installs_nothing_and_shows_no_message(host: Host, version: str, pinned: list[str]) -> None:
    programs = [f"/usr/local/bin/{name}" for name in pinned]
    settings = host.rendered(pinned=pinned)
    assert installed(version, settings, programs) == set()
    linter = linted(version, settings)
    assert linter == "" or settings["go.alternateTools"][linter] in programs
    assert settings["go.survey.prompt"] is settings["go.showWelcome"] is False
    # A script in the place of a tool would cause an offer to compile it again.
    assert all(path.startswith("/usr/local/bin/") for path in settings["go.alternateTools"].values())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", sorted(IMPORTANT - {"gopls"} | {"golangci-lint-v2"}))
def test_nor_does_it_if_a_user_selects_a_tool_that_is_not_pinned(host: Host, version: str, name: str) -> None:
    kind = "go.formatTool" if name == "goimports" else "go.lintTool"
    settings = host.rendered()
    assert installed(version, {**settings, kind: name}, ()) == set()


def test_every_rendered_setting_exists_in_all_versions(host: Host) -> None:
    settings = host.rendered(pinned=["staticcheck"])
    assert settings.keys() <= SETTINGS
    wrong = [name for name, value in settings.items() if name in TYPES and not isinstance(value, TYPES[name])]
    assert wrong == []
    assert [name for name, value in settings.items() if name in VALUES and value not in VALUES[name]] == []
    newer = [(name, value) for name, value in SINCE if name in settings and value in (None, settings[name])]
    assert newer == []


def test_what_a_user_has_set_stays_and_all_else_goes_with_the_role(host: Host) -> None:
    lines = ["{", "  // mine", '  "go.lintOnSave": "file",', '  "go.testFlags": ["-v"],']
    own = "\n".join([*lines, '  "go.alternateTools": {"revive": "/r"}', "}"])
    host.put(own)
    host.run(settings={"go.coverMode": "count"})
    text = host.settings.read_text()
    values = json.loads(text.replace("// mine", ""))
    assert "  // mine\n" in text
    assert (values["go.lintOnSave"], values["go.testFlags"], values["go.coverMode"]) == ("file", ["-v"], "count")
    assert (values["go.alternateTools"]["revive"], "staticcheck" in values["go.alternateTools"]) == ("/r", True)
    host.run(state="absent", users=[])
    assert "".join(host.settings.read_text().split()) == "".join(own.replace("},\n}", "}}").split()).replace(
        "},}", "}}"
    )
    assert not (host.directory / "etc/records").exists()


def test_settings_of_the_play_and_of_one_user_replace_defaults_and_own_values(host: Host) -> None:
    host.put('{"go.testFlags": ["-v"], "gopls": {"build.buildFlags": ["-tags=mine"]}}')
    of_user = {"name": ME, "editor_settings": {"gopls": {"build.directoryFilters": ["-x"]}, "go.testTimeout": "60s"}}
    declared = {"go.testFlags": ["-short"], "gopls": {"build.env": {"A": "b"}}, "editor.formatOnSave": True}
    settings = host.rendered(settings=declared, users=[of_user])
    assert settings["go.testFlags"] == ["-short"]
    filters = {"build.env": {"A": "b"}, "build.directoryFilters": ["-x"], "build.buildFlags": ["-tags=mine"]}
    assert settings["gopls"] == filters
    assert (settings["go.testTimeout"], settings["editor.formatOnSave"]) == ("60s", True)


def test_a_workspace_gets_settings_of_its_own(host: Host) -> None:
    directory = host.directory / "shop"
    directory.mkdir()
    entry = {"path": str(directory), "manage": ["settings"], "settings": {"gopls": {"build.buildFlags": ["-tags=x"]}}}
    host.rendered(users=[{"name": ME, "workspaces": [entry]}])
    assert json.loads((directory / ".vscode/settings.json").read_text()) == entry["settings"]
    with pytest.raises(DevserverError, match=r"settings of the workspace .* is invalid"):
        host.run(users=[{"name": ME, "workspaces": [{**entry, "manage": []}]}])


@pytest.mark.parametrize(
    ("variables", "compiler", "race"),
    [({}, True, True), ({"CGO_ENABLED": "0"}, True, False), ({"GOARCH": "arm"}, True, False), ({}, False, False)],
)
def test_tests_use_the_race_detector_where_cgo_allows_it(
    host: Host, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], compiler: bool, race: bool
) -> None:
    (host.directory / "gcc").write_text("")
    (host.directory / "gcc").chmod(0o755)
    monkeypatch.setenv("PATH", str(host.directory) if compiler else "/none")
    settings = host.rendered(variables=variables)
    assert settings["go.testFlags"] == [*(["-race"] if race else []), "-count=1"]


INVALID: dict[str, tuple[dict[str, t.Any], str]] = {
    "unknown": ({"go.delvePath": "/d"}, "go.delvePath is not a setting of the Go extension"),
    "type": ({"go.testFlags": "-v"}, "go.testFlags has a value of a wrong type: '-v'"),
    "value": ({"go.lintOnSave": "never"}, "go.lintOnSave must be file, package, workspace, off, got 'never'"),
    "environment": ({"go.toolsEnvVars": {"A": "b"}}, "go.toolsEnvVars is declared by devserver_variables"),
    "updates": (
        {"go.toolsManagement.autoUpdate": True},
        "go.toolsManagement.autoUpdate is declared by devserver_tools",
    ),
    "gopls": ({"gopls": {"nothing": 1}}, "nothing is not a setting of this gopls"),
    "gopls is no object": ({"gopls": 1}, "gopls must be an object, got 1"),
    "later value": ({"go.diagnostic.vulncheck": "Prompt"}, "Prompt of go.diagnostic.vulncheck needs version 0.52"),
    "later setting": ({"go.experiments": {}}, "go.experiments needs version 0.44 of the Go extension; 0.42.1"),
}


@pytest.mark.parametrize("case", INVALID)
def test_settings_without_effect_are_rejected_before_anything_is_written(host: Host, case: str) -> None:
    settings, problem = INVALID[case]
    for options in ({"settings": settings}, {"users": [{"name": ME, "editor_settings": settings}]}):
        with pytest.raises(DevserverError) as caught:
            host.run(go_extension="0.42.1", **options)
        assert problem in str(caught.value)
    assert host.settings.read_text() == "{}"


def test_the_version_of_the_extension_is_a_version(host: Host) -> None:
    with pytest.raises(DevserverError, match=r"go_extension is '0\.42\.x'"):
        host.run(go_extension="0.42.x")


def test_an_unparseable_file_is_skipped_with_its_line(host: Host) -> None:
    host.put('{\n"a": ')
    outcome = host.run()
    (skipped,) = outcome.result["skipped_files"]
    assert (skipped["user"], skipped["file"], skipped["line"]) == (ME, str(host.settings), 2)
    assert outcome.failure
    assert host.settings.read_text() == '{\n"a": '


def test_the_extension_finds_a_helper_and_compiles_none(host: Host) -> None:
    extensions = host.server / "extensions"
    own = extensions / "golang.go-0.42.1/bin/vscgo"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"\x7fELF\xff")
    helper = extensions / "golang.go-0.57.2/bin/vscgo"
    helper.parent.parent.mkdir()
    (extensions / "golang.gopher-1").mkdir()
    host.rendered()
    # The extension gives it counters by standard input, and fails if that is closed.
    argv, counters = [helper, "inc_counters"], "a 1\n" * 100_000
    completed = subprocess.run(argv, input=counters, check=False, text=True, capture_output=True)
    assert (completed.returncode, completed.stdout) == (0, "")
    assert own.read_bytes() == b"\x7fELF\xff"
    assert not (extensions / "golang.gopher-1/bin").exists()
    host.run(state="absent", users=[])
    assert (helper.exists(), own.exists()) == (False, True)


def test_a_settings_file_is_made_only_where_that_is_declared(host: Host) -> None:
    shutil.rmtree(host.server)
    assert host.run().result["changed"]
    assert not host.settings.exists()
    host.run(vscode_create=True)
    assert json.loads(host.settings.read_text())["go.showWelcome"] is False
    host.run(state="absent", users=[])
    assert not host.settings.exists()


def test_a_removed_user_loses_the_settings(host: Host) -> None:
    host.run()
    host.run(users=[{"name": ME, "state": "absent"}])
    assert not pathlib.Path(host.settings).exists()


def test_a_home_that_cannot_be_read_is_one_users_finding(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one whose file system hangs: all other users get their settings."""

    def hangs(account: t.Any, function: t.Callable[[], t.Any]) -> t.NoReturn:
        raise DevserverError(f"the home of {account.name} does not respond")

    monkeypatch.setattr(extensions, "call_as", hangs)
    outcome = host.run()
    assert {(entry["user"], entry["reason"]) for entry in outcome.result["skipped_files"]} == {
        (ME, f"the home of {ME} does not respond.")
    }
    assert json.loads(host.settings.read_text())["go.showWelcome"] is False
