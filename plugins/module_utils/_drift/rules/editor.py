# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of VS Code: settings, launch configurations, dev containers."""

from __future__ import annotations

import dataclasses
import difflib
import os
import typing as t

from ..._core.provenance import Source
from ..._editor.vscode_go import DEPRECATED, FICTIONAL, LAUNCH_ATTRIBUTES, SETTINGS, TYPES
from ..._environment.declaration import UserEnvironment
from ..cells import in_order, plain_path, same_value
from ..finding import Finding, Remedy, Rule
from ..records.editor_settings import EditorSettings, Setting
from ..snapshot import PROVISION_AGAIN, Snapshot

FICTIONAL_SETTING = Rule(
    "GD801",
    severity="warning",
    title="A setting that the Go extension does not have",
    impact="The setting has no effect, and VS Code shows no message.",
    why="""\
VS Code ignores unknown names that begin with `go.`. Some guides and assistants name settings that never existed, such
as `go.delvePath`. The known names are those of the extension's versions 0.42 to 0.57.""",
    fix="Delete the setting, or use the one that the remedy names.",
    example="/home/alice/.vscode-server/data/Machine/settings.json:7: go.delvePath does not exist",
)
DEPRECATED_SETTING = Rule(
    "GD802",
    severity="note",
    title="A deprecated setting of the Go extension",
    impact="A later version of the extension may ignore it.",
    why="The extension's package.json marks the setting as deprecated.",
    fix="Use the replacement that the remedy names.",
    example="/home/alice/.vscode-server/data/Machine/settings.json:9: go.logging.level is deprecated",
)
SHADOWING_SETTING = Rule(
    "GD803",
    severity="warning",
    title="An editor setting overrides the declaration",
    impact="The editor uses other paths or another Go than the terminal.",
    why="""\
`go.goroot`, `go.gopath`, `go.toolsGopath` and `go.alternateTools` override the environment. `go.toolsEnvVars`,
`go.testEnvVars`, the file that `go.testEnvFile` names, `build.env` of gopls, `terminal.integrated.env.linux` and the
`env` of a terminal profile set other values. A setting with the declared value is not reported, nor is a PATH that
contains `${env:PATH}`.""",
    fix="Delete the setting, or set the declared value.",
    example="/home/bob/.vscode-server/data/Machine/settings.json:4: go.goroot is /opt/go; expected /usr/local/go",
)
CONTAINER_DISAGREES = Rule(
    "GD804",
    severity="error",
    title="go.toolsEnvVars and remoteEnv differ",
    impact="In the dev container the editor's tools and the terminal build with different settings.",
    why="""\
remoteEnv applies to every process that VS Code starts in a dev container, including terminals. go.toolsEnvVars applies
to the Go tools alone, and overrides remoteEnv there. The variables that select module sources, the module mode and
directories must be equal. A variable in the go.toolsEnvVars of a dev container that neither its remoteEnv nor its
containerEnv sets is reported too: terminals do not have it. Values with references `${…}` are not compared.""",
    fix="Set the variable in remoteEnv alone, or set the same value in both places.",
    example="GOPROXY is off in go.toolsEnvVars (settings.json:12) and https://goproxy.example.com in remoteEnv",
)
TOOLS_UPDATED = Rule(
    "GD805",
    severity="warning",
    title="The Go extension updates tools automatically",
    impact="The editor runs the latest tools in place of the pinned ones after the next update.",
    why="""\
`go.toolsManagement.autoUpdate` installs new versions into GOBIN without confirmation, and with GOTOOLCHAIN=auto, even
if the environment sets another value.""",
    fix="Set `go.toolsManagement.autoUpdate` to false and `go.toolsManagement.checkForUpdates` to off.",
    example="/home/alice/hello/.vscode/settings.json:5: go.toolsManagement.autoUpdate is true; expected false",
)
LAUNCH_ATTRIBUTE = Rule(
    "GD806",
    severity="warning",
    title="A launch configuration has an attribute or a mode that does not exist",
    impact="The debug session starts without the attribute, or does not start.",
    why="""\
The known attributes of configurations of type `go` are those of the extension's versions 0.42 to 0.57, and VS Code's
own. `dlv-dap` is a value of `debugAdapter`, not of `mode`. The request `launch` has the modes auto, debug, test, exec,
replay and core, the request `attach` has local and remote. Attributes in `linux` replace those of the same name.""",
    fix="Delete the attribute, or use the attribute or the value that the remedy names.",
    example="/home/alice/hello/.vscode/launch.json:8: dlvToolPath does not exist",
)
WRONG_TYPE = Rule(
    "GD807",
    severity="warning",
    title="An editor setting has a value of the wrong type",
    impact="The Go extension or VS Code ignores the value, or fails with a message that names neither file nor line.",
    why="""\
Variables are strings: a number or a boolean in `go.toolsEnvVars`, in the `env` of a launch configuration or in a dev
container's `containerEnv` is wrong, and so is a list in place of `go.toolsEnvVars`. The other settings of the extension
have the types of its own schema (0.42): `go.useLanguageServer` is a boolean, `go.buildFlags` a list. A null is correct
where it removes a variable.""",
    fix='Write the value with the expected type, for example `"CGO_ENABLED": "0"`.',
    example="/home/alice/hello/.vscode/launch.json:8: env has GOARM as a number; expected a string",
)

EXTENSION = Rule(
    "GD808",
    severity="warning",
    title="A pinned extension of VS Code is missing",
    impact="The editor works without it, or with another version, whose settings and tools may differ.",
    why="""\
The role `editor` has installed this version for the user. It is missing if its directory is gone, or if the server's
list of extensions, `extensions.json`, does not have it, as after an update by the editor.""",
    fix="Provision again with `--tags editor`, or declare the desired version in `editor_extensions`.",
    example="/home/alice/.vscode-server/extensions/golang.go-0.42.1 is not installed; golang.go 0.42.1 is declared",
)

# The modes of a launch configuration, by its request.
_MODES = {
    "launch": ("auto", "debug", "test", "exec", "replay", "core"),
    "attach": ("local", "remote"),
}
_MODULE_SETTINGS = "GOPROXY GOSUMDB GOPRIVATE GOTOOLCHAIN GOFLAGS GO111MODULE"
_MUST_AGREE = ("GOROOT", "GOPATH", "GOMODCACHE", "GOBIN", *_MODULE_SETTINGS.split())
_CONTEXTS = {"launch": "vscode_debug", "settings": "vscode_server", "devcontainer": "devcontainer"}
_TERMINALS = "terminal.integrated.env.linux"
_ENVIRONMENTS = ("go.toolsEnvVars", "go.testEnvVars", _TERMINALS)
# Environments within a setting's object: gopls has two names for its own, and any key of profiles may be one.
_GOPLS = {"gopls": ("build.env", "env"), "gopls.build.env": ("",), "gopls.env": ("",), "gopls.build": ("env",)}
_PROFILES = "terminal.integrated.profiles.linux"
_PROFILE = "terminal.integrated.automationProfile.linux"
# Objects with strings by name, and the types of all other settings.
_TABLES = (*_ENVIRONMENTS, "go.alternateTools", "env", "containerEnv", "remoteEnv")
_TYPES: dict[str, tuple[type, ...]] = {**TYPES, "envFile": (str, list)}
_TYPE_NAMES = {
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
}
# Settings of a server that go_env writes or corrects.
_RENDERED = ("go.goroot", "go.gopath", "go.toolsEnvVars", "go.alternateTools", "go.toolsManagement.", _TERMINALS)
_PATHS = {"go.goroot": "GOROOT", "go.gopath": "GOPATH"}
_RESTORE = Remedy("delete the setting, or set the declared value")


def evaluate(snapshot: Snapshot) -> t.Iterator[Finding]:
    for file in snapshot.editor_files:
        if file.kind == "settings":
            findings = (*_settings(file, snapshot), *_types(file))
            yield from (_with_provisioning(snapshot, finding) for finding in findings)
        elif file.kind == "launch":
            yield from (*_launch(file), *_types(file))
        else:
            yield from _types(file)
    yield from _disagreements(snapshot.editor_files)
    for extension in snapshot.missing_extensions:
        cause = f"{extension.path} is not installed; {extension.name} {extension.version} is declared"
        remedy = Remedy("provision the host again with --tags editor")
        source, user = Source("file", extension.path), extension.user.account.name
        yield Finding(
            EXTENSION, cause, remedy, user, "", variable=extension.name, source=source, subject=extension.path
        )


def _with_provisioning(snapshot: Snapshot, finding: Finding) -> Finding:
    """Return a finding whose remedy offers provisioning if that renders the setting."""
    rendered = snapshot.managed_files.repairs(finding.source) and finding.variable.startswith(_RENDERED)
    text = f"{finding.remedy.text}; or {PROVISION_AGAIN}" if rendered else finding.remedy.text
    return dataclasses.replace(finding, remedy=dataclasses.replace(finding.remedy, text=text))


def _settings(file: EditorSettings, snapshot: Snapshot) -> t.Iterator[Finding]:
    for setting in file.settings:
        name = setting.name
        if name.startswith("go.") and name not in SETTINGS:
            yield _unknown(FICTIONAL_SETTING, file, setting, SETTINGS)
        elif name in DEPRECATED:
            yield _deprecated(file, setting)
        elif name == "go.toolsManagement.autoUpdate" and setting.value is True:
            remedy = Remedy("set it to false, and go.toolsManagement.checkForUpdates to off")
            yield _finding(TOOLS_UPDATED, file, setting, "is true; expected false", remedy)
        yield from _shadowing(file, setting, dict(file.user.variables, GOROOT=snapshot.declaration.goroot), snapshot)


def _launch(file: EditorSettings) -> t.Iterator[Finding]:
    for setting in file.settings:
        if setting.name in DEPRECATED:
            yield _deprecated(file, setting)
        elif setting.name not in LAUNCH_ATTRIBUTES:
            yield _unknown(LAUNCH_ATTRIBUTE, file, setting, LAUNCH_ATTRIBUTES)
        elif setting.name == "mode" and setting.value == "dlv-dap":
            remedy = Remedy('write "debugAdapter": "dlv-dap", and a mode such as "auto"')
            yield _finding(LAUNCH_ATTRIBUTE, file, setting, "is dlv-dap, which is a debugAdapter", remedy)
        elif setting.name == "mode" and isinstance(setting.value, str):
            yield from _mode(file, setting, setting.value)


def _mode(file: EditorSettings, setting: Setting, mode: str) -> t.Iterator[Finding]:
    """Evaluate a mode by the request of its configuration; an empty one is that of the extension."""
    request = next((other.value for other in file.settings if other.name == "request"), None)
    modes = _MODES.get(str(request), ())
    if not mode or not modes or mode in modes or "${" in mode:
        return
    other_request = next((name for name, others in _MODES.items() if mode in others), "")
    action = f'write "request": "{other_request}"' if other_request else f'write a mode such as "{modes[0]}"'
    problem = f"is {mode}; expected {', '.join(modes)} for the request {request}"
    yield _finding(LAUNCH_ATTRIBUTE, file, setting, problem, Remedy(action))


def _types(file: EditorSettings) -> t.Iterator[Finding]:
    for setting in file.settings:
        if setting.name in _TABLES:
            yield from _table(file, setting)
        elif setting.name in _TYPES and not isinstance(setting.value, _TYPES[setting.name]):
            yield _wrong_type(file, setting, setting.value, _TYPES[setting.name][0])


def _table(file: EditorSettings, setting: Setting) -> t.Iterator[Finding]:
    if not isinstance(setting.value, dict):
        # VS Code treats null as a setting that is not set.
        if setting.value is not None:
            yield _wrong_type(file, setting, setting.value, dict)
        return
    for name, value in setting.value.items():
        if value is not None and not isinstance(value, str):
            yield _wrong_type(file, setting, value, str, name)


def _wrong_type(file: EditorSettings, setting: Setting, value: t.Any, expected: type, inner: str = "") -> Finding:
    state = f"has {inner} as" if inner else "is"
    remedy = Remedy("put the value in quotes" if expected is str else f"write {_TYPE_NAMES[expected]}")
    problem = f"{state} {_TYPE_NAMES.get(type(value), 'null')}; expected {_TYPE_NAMES[expected]}"
    return _finding(WRONG_TYPE, file, setting, problem, remedy, inner)


def _unknown(rule: Rule, file: EditorSettings, setting: Setting, known: t.Iterable[str]) -> Finding:
    near = difflib.get_close_matches(setting.name, list(known), 1, 0.8)
    better = FICTIONAL.get(setting.name) or (near[0] if near else "")
    remedy = Remedy(f"use {better}" if better else f"delete {setting.name}")
    return _finding(rule, file, setting, "does not exist", remedy)


def _deprecated(file: EditorSettings, setting: Setting) -> Finding:
    return _finding(DEPRECATED_SETTING, file, setting, "is deprecated", Remedy(f"use {DEPRECATED[setting.name]}"))


def _shadowing(
    file: EditorSettings, setting: Setting, declared: t.Mapping[str, str], snapshot: Snapshot
) -> t.Iterator[Finding]:
    expected = declared.get(_PATHS.get(setting.name, ""))
    if setting.name in _PATHS and setting.value and _is_other_path(file, str(setting.value), expected):
        yield _finding(SHADOWING_SETTING, file, setting, f"is {setting.value}; expected {expected}", _RESTORE)
    elif setting.name == "go.toolsGopath" and setting.value:
        problem = f"is {setting.value}; expected no value, as the pinned tools are elsewhere"
        yield _finding(SHADOWING_SETTING, file, setting, problem, _RESTORE)
    elif setting.name == "go.alternateTools" and isinstance(setting.value, dict):
        go, expected = setting.value.get("go"), os.path.join(declared["GOROOT"], "bin/go")
        if go and _is_other_path(file, str(go), expected, snapshot.real_path):
            yield _finding(SHADOWING_SETTING, file, setting, f"has go {go}; expected {expected}", _RESTORE, "go")
    elif setting.name == "go.testEnvFile":
        yield from _test_file(file, setting, declared)
    for inner, environment in _environments(setting):
        for name, value in environment.items():
            expected = _expected_instead(file.user, name, "" if value is None else str(value), declared)
            if expected is not None:
                state = f"removes {name}" if value is None else f"has {name}={value}"
                problem = f"{state}; expected {expected}"
                finding = _finding(SHADOWING_SETTING, file, setting, problem, _RESTORE, f"{inner}{name}")
                # The declared value alone has no system directories.
                delete = Remedy(f"delete {finding.variable} at {finding.source}")
                yield dataclasses.replace(finding, remedy=delete) if name == "PATH" else finding


def _is_other_path(
    file: EditorSettings, value: str, expected: str | None, plain: t.Callable[[str], str] = plain_path
) -> bool:
    """Return whether a path, or a list of paths, differs from the declared one; False if that is not known."""
    text = file.filled(value)
    if text is None:
        return False
    return list(map(plain, text.split(":"))) != list(map(plain, (expected or "").split(":")))


def _expected_instead(user: UserEnvironment, name: str, value: str, declared: t.Mapping[str, str]) -> str | None:
    """Return the declared value if a setting has another one; None if it has not, or if that is not known."""
    if name == "PATH":
        # A reference to the existing PATH keeps that.
        keeps = "${env:PATH}" in value
        return None if keeps or in_order(user.path, value.split(":")) else ":".join(user.path)
    known = name in declared and "${" not in value
    return declared[name] if known and not same_value(name, value, declared[name]) else None


def _environments(setting: Setting) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
    """Yield the environments within a setting, each with the prefix of its names."""
    value = setting.value
    inner: list[tuple[str, t.Any]] = []
    if setting.name in _ENVIRONMENTS:
        inner = [("", value)]
    elif setting.name in _GOPLS and isinstance(value, dict):
        inner = [(f"{key}." if key else "", value.get(key) if key else value) for key in _GOPLS[setting.name]]
    elif setting.name == _PROFILE and isinstance(value, dict):
        inner = [("env.", value.get("env"))]
    elif setting.name == _PROFILES and isinstance(value, dict):
        inner = [(f"{key}.env.", profile.get("env")) for key, profile in value.items() if isinstance(profile, dict)]
    yield from ((prefix, environment) for prefix, environment in inner if isinstance(environment, dict))


def _test_file(file: EditorSettings, setting: Setting, declared: t.Mapping[str, str]) -> t.Iterator[Finding]:
    """Evaluate the file with variables for each test that the editor runs."""
    path = file.test_file
    for number, line in enumerate(file.test_lines, 1):
        name, _sep, value = (part.strip().strip("'\"") for part in line.partition("="))
        expected = _expected_instead(file.user, name, value, declared)
        if expected is not None:
            problem = f"names {path}:{number}, which has {name}={value}; expected {expected}"
            remedy = Remedy(f"delete or correct {path}:{number}")
            finding = _finding(SHADOWING_SETTING, file, setting, problem, remedy, name)
            yield dataclasses.replace(finding, source=Source("file", path, number))


def _disagreements(files: t.Sequence[EditorSettings]) -> t.Iterator[Finding]:
    for file in files:
        tools = _setting_of(file, "go.toolsEnvVars")
        for other in files if tools else ():
            other_container = file.kind == other.kind == "devcontainer" and file.path != other.path
            if tools and other is not file and file.user == other.user and not other_container:
                # A devcontainer.json contains the settings of its own container too.
                alone = file.kind == "devcontainer" and file.path == other.path
                remote = [_setting_of(other, name) for name in ("containerEnv", "remoteEnv")]
                yield from _disagreement(file.user, tools, list(filter(None, remote)), alone=alone)


def _setting_of(file: EditorSettings, name: str) -> Setting | None:
    settings = (setting for setting in file.settings if setting.name == name and isinstance(setting.value, dict))
    return next(settings, None) if file.kind != "launch" else None


def _disagreement(
    user: UserEnvironment, tools: Setting, remote: t.Sequence[Setting], *, alone: bool
) -> t.Iterator[Finding]:
    """Compare the tools' variables with those of a container, the strongest last; with ``alone`` no other has any."""
    for name in (name for name in _MUST_AGREE if tools.value.get(name) is not None):
        value, source = tools.value[name], tools.inner.get(name, tools.source)
        setting = next((setting for setting in reversed(remote) if setting.value.get(name) is not None), None)
        other = setting.value[name] if setting else None
        if "${" in f"{value}{other}" or (not alone and setting is None):
            continue
        if setting is None or not same_value(name, str(value), str(other)):
            there = setting.inner.get(name, setting.source) if setting else None
            terminals = f"{other} in {setting.name} ({there})" if setting else "not set in remoteEnv"
            yield Finding(
                CONTAINER_DISAGREES,
                f"{name} is {value} in go.toolsEnvVars ({source}) and {terminals}",
                Remedy(f"set {name} in one of the two places" if setting else f"move {name} to remoteEnv"),
                user=user.account.name,
                context="devcontainer",
                variable=name,
                source=source,
                subject=f"{source.file} {there.file if there else source.file}",
            )


def _finding(
    rule: Rule, file: EditorSettings, setting: Setting, problem: str, remedy: Remedy, inner: str = ""
) -> Finding:
    context = _CONTEXTS[file.kind]
    source: Source = setting.inner.get(inner, setting.source)
    cause = f"{source}: {setting.name} {problem}"
    variable = f"{setting.name}.{inner}" if inner else setting.name
    subject = f"{source.file} {file.title}".rstrip()
    user = file.user.account.name
    return Finding(rule, cause, remedy, user, context, variable=variable, source=source, subject=subject)
