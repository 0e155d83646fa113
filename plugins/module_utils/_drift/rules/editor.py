# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of VS Code: settings, launch configurations, dev containers. Pure reading of what was parsed."""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Source
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.cells import in_order, plain_path, same_value
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.go_files import text_of
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.finding import Finding, Remedy, Rule
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records import EditorSettings, Setting
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.snapshot import CONVERGE, Snapshot
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.vscode_go import (
    DEPRECATED,
    FICTIONAL,
    LAUNCH_ATTRIBUTES,
    SETTINGS,
    TYPES,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.editor_files import (
    filled,
    places_of,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import UserEnvironment

FICTIONAL_SETTING = Rule(
    "GD801",
    "warning",
    "A setting that no version of the Go extension knows",
    "The setting has no effect, and nothing says so.",
    why="""\
VS Code passes over unknown names that begin with `go.`. Guides and assistants name some that never existed, such as
`go.delvePath`. The names are those of the extension's versions 0.42 to 0.57.""",
    mend="Delete it, or use the setting that the remedy names.",
    example="/home/alice/.vscode-server/data/Machine/settings.json:7: go.delvePath does not exist",
)
DEPRECATED_SETTING = Rule(
    "GD802",
    "note",
    "A deprecated setting of the Go extension",
    "It may stop to have an effect with the next update of the extension.",
    why="The extension's own package.json marks it as deprecated.",
    mend="Use what takes its place, which the remedy names.",
    example="/home/alice/.vscode-server/data/Machine/settings.json:9: go.logging.level is deprecated",
)
SHADOWING_SETTING = Rule(
    "GD803",
    "warning",
    "A setting of the editor overrules the declaration",
    "The editor works with other paths or another Go than the terminal.",
    why="""\
`go.goroot`, `go.gopath`, `go.toolsGopath` and `go.alternateTools` take the place of what the environment says, and
`go.toolsEnvVars`, `go.testEnvVars`, the file that `go.testEnvFile` names, gopls' own `build.env`,
`terminal.integrated.env.linux` and the `env` of a terminal's profile put other values into it. One with the declared
value is no finding, nor is a PATH that has `${env:PATH}` in it.""",
    mend="Delete the setting, or give it the declared value.",
    example="/home/bob/.vscode-server/data/Machine/settings.json:4: go.goroot is /opt/go instead of /usr/local/go",
)
CONTAINER_DISAGREES = Rule(
    "GD804",
    "error",
    "go.toolsEnvVars and remoteEnv disagree",
    "In the dev container the editor's tools and the terminal build with different settings.",
    why="""\
remoteEnv reaches what VS Code starts in a dev container, terminals included; go.toolsEnvVars reaches the Go tools
alone and wins there. The variables that decide where modules come from and where things lie must agree. Values that
refer to others by `${…}` are left out.""",
    mend="Set the variable in one of the two places, or give both the same value.",
    example="GOPROXY is off in go.toolsEnvVars (settings.json:12) and https://goproxy.example.com in remoteEnv",
)
TOOLS_UPDATED = Rule(
    "GD805",
    "warning",
    "The Go extension updates the tools by itself",
    "The editor runs the latest tools instead of the pinned ones, as soon as it has fetched them.",
    why="""\
`go.toolsManagement.autoUpdate` installs new versions into GOBIN without asking, and with GOTOOLCHAIN=auto, whatever
the environment says.""",
    mend="Set `go.toolsManagement.autoUpdate` to false and `go.toolsManagement.checkForUpdates` to off.",
    example="/home/alice/.vscode-server/data/Machine/settings.json:5: go.toolsManagement.autoUpdate is true",
)
LAUNCH_ATTRIBUTE = Rule(
    "GD806",
    "warning",
    "A launch configuration has an attribute that does not exist",
    "The debug session starts without it, and nothing says so.",
    why="""\
The attributes of configurations of type `go` are those of the extension's versions 0.42 to 0.57, and VS Code's own.
`dlv-dap` is a value of `debugAdapter` and no `mode`.""",
    mend="Delete it, or use what the remedy names.",
    example="/home/alice/hello/.vscode/launch.json:8: dlvToolPath does not exist",
)
WRONG_TYPE = Rule(
    "GD807",
    "warning",
    "A setting of the editor has a value of another type",
    "The Go extension or VS Code drops the value, or fails with a message that names neither file nor line.",
    why="""\
Variables are texts: a number or a true in `go.toolsEnvVars`, in the `env` of a launch configuration or in a dev
container's `containerEnv` is none, nor is a list in `go.toolsEnvVars` itself. The other settings of the extension have
the types that its own schema (0.42) gives them: `go.useLanguageServer` is true or false, `go.buildFlags` a list. A
null is right where it takes a variable back.""",
    mend='Put the value in quotes: `"CGO_ENABLED": "0"`.',
    example="/home/alice/hello/.vscode/launch.json:8: env has GOARM as a number instead of a text",
)
RULES = (
    FICTIONAL_SETTING,
    DEPRECATED_SETTING,
    SHADOWING_SETTING,
    CONTAINER_DISAGREES,
    TOOLS_UPDATED,
    LAUNCH_ATTRIBUTE,
    WRONG_TYPE,
)

_MUST_AGREE = ["GOROOT", "GOPATH", "GOMODCACHE", "GOBIN", "GOPROXY", "GOSUMDB", "GOPRIVATE", "GOTOOLCHAIN", "GOFLAGS"]
_CONTEXTS = {"launch": "vscode_debug", "settings": "vscode_server", "devcontainer": "devcontainer"}
_TERMINALS = "terminal.integrated.env.linux"
_ENVIRONMENTS = ("go.toolsEnvVars", "go.testEnvVars", _TERMINALS)
# Environments within a setting's object: gopls has two names for its own, and any key of profiles may be one.
_GOPLS = {"gopls": ("build.env", "env"), "gopls.build.env": ("",), "gopls.env": ("",), "gopls.build": ("env",)}
_PROFILES = "terminal.integrated.profiles.linux"
_PROFILE = "terminal.integrated.automationProfile.linux"
# What holds texts by name, and what is one value, of which types.
_TABLES = (*_ENVIRONMENTS, "go.alternateTools", "env", "containerEnv", "remoteEnv")
_TYPES: dict[str, tuple[type, ...]] = {**TYPES, "envFile": (str, list)}
_IN_WORDS = {
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
}
# What go_env writes, or corrects, in the settings of a server.
_RENDERED = ("go.goroot", "go.gopath", "go.toolsEnvVars", "go.alternateTools", "go.toolsManagement.", _TERMINALS)
_PATHS = {"go.goroot": "GOROOT", "go.gopath": "GOPATH"}


def findings(snapshot: Snapshot) -> t.Iterator[Finding]:
    for file in snapshot.editor_files:
        if file.kind == "settings":
            yield from (
                _with_provisioning(snapshot, one)
                for one in (*_settings(file, snapshot.declaration.goroot), *_types(file))
            )
        elif file.kind == "launch":
            yield from (*_launch(file), *_types(file))
        else:
            yield from _types(file)
    yield from _disagreements(snapshot.editor_files)


def _with_provisioning(snapshot: Snapshot, found: Finding) -> Finding:
    """Return a finding whose remedy says so where provisioning renders what is wrong."""
    rendered = found.source and found.source.file in snapshot.repaired and found.variable.startswith(_RENDERED)
    text = f"{found.remedy.text}; or {CONVERGE}" if rendered else found.remedy.text
    return dataclasses.replace(found, remedy=dataclasses.replace(found.remedy, text=text))


def _settings(file: EditorSettings, goroot: str) -> t.Iterator[Finding]:
    for setting in file.settings:
        name = setting.name
        if name.startswith("go.") and name not in SETTINGS:
            yield _unknown(FICTIONAL_SETTING, file, setting, SETTINGS)
        elif name in DEPRECATED:
            yield _deprecated(file, setting)
        elif name == "go.toolsManagement.autoUpdate" and setting.value is True:
            remedy = Remedy("set it to false, and go.toolsManagement.checkForUpdates to off")
            yield _finding(TOOLS_UPDATED, file, setting, "is true", remedy)
        yield from _shadowing(file, setting, dict(file.user.variables, GOROOT=goroot))


def _launch(file: EditorSettings) -> t.Iterator[Finding]:
    for setting in file.settings:
        if setting.name in DEPRECATED:
            yield _deprecated(file, setting)
        elif setting.name not in LAUNCH_ATTRIBUTES:
            yield _unknown(LAUNCH_ATTRIBUTE, file, setting, LAUNCH_ATTRIBUTES)
        elif setting.name == "mode" and setting.value == "dlv-dap":
            remedy = Remedy('write "debugAdapter": "dlv-dap", and a mode such as "auto"')
            yield _finding(LAUNCH_ATTRIBUTE, file, setting, "is dlv-dap, which is a debugAdapter", remedy)


def _types(file: EditorSettings) -> t.Iterator[Finding]:
    for setting in file.settings:
        if setting.name in _TABLES:
            yield from _table(file, setting)
        elif setting.name in _TYPES and not isinstance(setting.value, _TYPES[setting.name]):
            yield _wrong_type(file, setting, setting.value, _TYPES[setting.name][0])


def _table(file: EditorSettings, setting: Setting) -> t.Iterator[Finding]:
    if not isinstance(setting.value, dict):
        # VS Code takes null for a setting that is not there.
        yield from () if setting.value is None else [_wrong_type(file, setting, setting.value, dict)]
        return
    for name, value in setting.value.items():
        if value is not None and not isinstance(value, str):
            yield _wrong_type(file, setting, value, str, name)


def _wrong_type(file: EditorSettings, setting: Setting, value: t.Any, wanted: type, inner: str = "") -> Finding:
    state = f"has {inner} as" if inner else "is"
    remedy = Remedy("put it in quotes" if wanted is str else f"write {_IN_WORDS[wanted]}")
    what = f"{state} {_IN_WORDS.get(type(value), 'null')} instead of {_IN_WORDS[wanted]}"
    return _finding(WRONG_TYPE, file, setting, what, remedy, inner)


def _unknown(rule: Rule, file: EditorSettings, setting: Setting, known: t.Iterable[str]) -> Finding:
    near = difflib.get_close_matches(setting.name, list(known), 1, 0.8)
    better = FICTIONAL.get(setting.name) or (near[0] if near else "")
    remedy = Remedy(f"use {better}" if better else "delete it")
    return _finding(rule, file, setting, "does not exist", remedy)


def _deprecated(file: EditorSettings, setting: Setting) -> Finding:
    return _finding(DEPRECATED_SETTING, file, setting, "is deprecated", Remedy(f"use {DEPRECATED[setting.name]}"))


def _shadowing(file: EditorSettings, setting: Setting, declared: t.Mapping[str, str]) -> t.Iterator[Finding]:
    remedy = Remedy("delete it, or give it the declared value")
    wanted = declared.get(_PATHS.get(setting.name, ""))
    if setting.name in _PATHS and setting.value and _leads_elsewhere(file, str(setting.value), wanted):
        yield _finding(SHADOWING_SETTING, file, setting, f"is {setting.value} instead of {wanted}", remedy)
    elif setting.name == "go.toolsGopath" and setting.value:
        yield _finding(SHADOWING_SETTING, file, setting, f"is {setting.value}, where the pinned tools are not", remedy)
    elif setting.name == "go.alternateTools" and isinstance(setting.value, dict):
        go, wanted = setting.value.get("go"), os.path.join(declared["GOROOT"], "bin/go")
        if go and _leads_elsewhere(file, str(go), wanted, os.path.realpath):
            yield _finding(SHADOWING_SETTING, file, setting, f"has go {go} instead of {wanted}", remedy, "go")
    elif setting.name == "go.testEnvFile" and isinstance(setting.value, str):
        yield from _test_file(file, setting, declared)
    for inner, environment in _environments(setting):
        for name, value in environment.items():
            wanted = _declared_instead(file.user, name, "" if value is None else str(value), declared)
            if wanted is not None:
                given = f"takes {name} away" if value is None else f"has {name}={value}"
                what = f"{given}, declared is {wanted}"
                yield _finding(SHADOWING_SETTING, file, setting, what, remedy, f"{inner}{name}")


def _leads_elsewhere(
    file: EditorSettings, value: str, wanted: str | None, plain: t.Callable[[str], str] = plain_path
) -> bool:
    """Return whether a path, or a list of some, is another than the declared; False where it is not known."""
    account = file.user.account
    given = {"HOME": account.home, "USER": account.name, "LOGNAME": account.name}
    unknown = {name for name in re.findall(r"\$\{env:([^}:]*)", value) if name not in given}
    if unknown:
        return False
    # Folders of a workspace are not those of the machine's settings.
    text = filled(value, given, {"userHome": account.home, "pathSeparator": "/"})
    text = re.sub(r"(?:\A|(?<=:))~(?=/|:|\Z)", lambda _tilde: account.home, text)
    return "${" not in text and [plain(part) for part in text.split(":")] != [
        plain(part) for part in (wanted or "").split(":")
    ]


def _declared_instead(user: UserEnvironment, name: str, value: str, declared: t.Mapping[str, str]) -> str | None:
    """Return what is declared where a setting gives a variable something else; None where that is not known."""
    if name == "PATH":
        # What stands around the PATH that there is leaves that as it is.
        around = "${env:PATH}" in value
        return None if around or in_order(user.path, value.split(":")) else ":".join(user.path)
    known = name in declared and "${" not in value
    return declared[name] if known and not same_value(name, value, declared[name]) else None


def _environments(setting: Setting) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
    """Return the environments that a setting gives to something, each with what stands before the names in it."""
    value = setting.value
    inner: list[tuple[str, t.Any]] = []
    if setting.name in _ENVIRONMENTS:
        inner = [("", value)]
    elif setting.name in _GOPLS and isinstance(value, dict):
        inner = [(f"{key}." if key else "", value.get(key) if key else value) for key in _GOPLS[setting.name]]
    elif setting.name == _PROFILE and isinstance(value, dict):
        inner = [("env.", value.get("env"))]
    elif setting.name == _PROFILES and isinstance(value, dict):
        inner = [(f"{key}.env.", one.get("env")) for key, one in value.items() if isinstance(one, dict)]
    yield from ((before, environment) for before, environment in inner if isinstance(environment, dict))


def _test_file(file: EditorSettings, setting: Setting, declared: t.Mapping[str, str]) -> t.Iterator[Finding]:
    """Judge the file whose variables every test of the editor's gets."""
    folder = os.path.dirname(os.path.dirname(setting.source.file or ""))
    path = filled(setting.value, {"HOME": file.user.account.home}, places_of(folder, file.user.account))
    try:
        lines = (text_of(path, file.user.account) or "").split("\n") if os.path.isabs(path) else []
    except DevserverError:
        lines = []  # The editor passes over it, too.
    for number, line in enumerate(lines, 1):
        name, _sep, value = (part.strip().strip("'\"") for part in line.partition("="))
        wanted = _declared_instead(file.user, name, value, declared)
        if wanted is not None:
            what = f"names {path}:{number}, which has {name}={value}, declared is {wanted}"
            found = _finding(SHADOWING_SETTING, file, setting, what, Remedy(f"delete or correct {path}:{number}"), name)
            yield dataclasses.replace(found, source=Source("file", path, number))


def _disagreements(files: t.Sequence[EditorSettings]) -> t.Iterator[Finding]:
    for one in files:
        for other in files:
            tools, remote = _named(one, "go.toolsEnvVars"), _named(other, "remoteEnv")
            if tools and remote and one.user == other.user:
                yield from _disagreement(one.user, tools, remote)


def _named(file: EditorSettings, name: str) -> Setting | None:
    # A dev container's own settings stand in its file too.
    found = (one for one in file.settings if one.name == name and isinstance(one.value, dict))
    return next(found, None) if file.kind != "launch" else None


def _disagreement(user: UserEnvironment, tools: Setting, remote: Setting) -> t.Iterator[Finding]:
    for name in _MUST_AGREE:
        one, other = tools.value.get(name), remote.value.get(name)
        if None not in (one, other) and not same_value(name, str(one), str(other)) and "${" not in f"{one}{other}":
            source, there = tools.inner.get(name, tools.source), remote.inner.get(name, remote.source)
            cause = f"{name} is {one} in go.toolsEnvVars ({source}) and {other} in remoteEnv ({there})"
            remedy = Remedy(f"set {name} in one of the two places")
            place = (user.account.name, "devcontainer", name, source)
            yield Finding(CONTAINER_DISAGREES, cause, remedy, *place, subject=f"{source.file} {there.file}")


def _finding(rule: Rule, file: EditorSettings, setting: Setting, what: str, remedy: Remedy, inner: str = "") -> Finding:
    context = _CONTEXTS[file.kind]
    source: Source = setting.inner.get(inner, setting.source)
    cause = f"{source}: {setting.name} {what}"
    variable = f"{setting.name}.{inner}" if inner else setting.name
    subject = f"{source.file} {file.title}".rstrip()
    return Finding(rule, cause, remedy, file.user.account.name, context, variable, source, subject=subject)
