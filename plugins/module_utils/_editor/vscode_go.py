# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data: the settings of VS Code's Go extension (0.42 to 0.57), from its package.json; add those of later versions."""

from __future__ import annotations

# Types in the schema of version 0.42; null is valid for settings with a default of null.
_TEXTS = """
go.buildOnSave go.buildTags go.coverMode go.coverageOptions go.diagnostic.vulncheck go.formatTool go.lintOnSave
go.lintTool go.logging.level go.testEnvFile go.testExplorer.packageDisplayMode go.testTimeout
go.toolsManagement.checkForUpdates go.toolsManagement.go go.trace.server go.vetOnSave
"""
_TEXTS_OR_NULL = "go.gopath go.goroot go.testTags go.toolsGopath"
_SWITCHES = """
go.coverOnSave go.coverOnSingleTest go.coverOnSingleTestFile go.coverOnTestPackage go.coverShowCounts
go.disableConcurrentTests go.inferGopath go.inlayHints.assignVariableTypes go.inlayHints.compositeLiteralFields
go.inlayHints.compositeLiteralTypes go.inlayHints.constantValues go.inlayHints.functionTypeParameters
go.inlayHints.parameterNames go.inlayHints.rangeVariableTypes go.installDependenciesWhenBuilding go.showWelcome
go.survey.prompt go.tasks.provideDefault go.terminal.activateEnvironment
go.testExplorer.alwaysRunBenchmarks go.testExplorer.concatenateMessages go.testExplorer.enable
go.testExplorer.showDynamicSubtestsInEditor go.testExplorer.showOutput go.testOnSave go.toolsManagement.autoUpdate
go.useLanguageServer
"""
_LISTS = "go.buildFlags go.formatFlags go.generateTestsFlags go.languageServerFlags go.lintFlags go.vetFlags"
_LISTS_OR_NULL = "go.testFlags"
_OBJECTS = """
go.addTags go.coverageDecorator go.delveConfig go.editorContextMenuCommands go.enableCodeLens go.playground
go.removeTags gopls
"""
TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(_TEXTS.split(), (str,)),
    **dict.fromkeys(_TEXTS_OR_NULL.split(), (str, type(None))),
    **dict.fromkeys(_SWITCHES.split(), (bool,)),
    **dict.fromkeys(_LISTS.split(), (list,)),
    **dict.fromkeys(_LISTS_OR_NULL.split(), (list, type(None))),
    **dict.fromkeys(_OBJECTS.split(), (dict,)),
}
_UNTYPED = "go.alternateTools go.experiments go.inlayHints.ignoredError go.testEnvVars go.toolsEnvVars"
# The extension reads buildEnvVars too, though its package.json does not list it.
SETTINGS = frozenset((*TYPES, *_UNTYPED.split(), "go.toolsManagement.buildEnvVars"))

# The values of those with a list of values.
VALUES = {
    "go.buildOnSave": ("package", "workspace", "off"),
    "go.coverMode": ("default", "set", "count", "atomic"),
    "go.coverageOptions": ("showCoveredCodeOnly", "showUncoveredCodeOnly", "showBothCoveredAndUncoveredCode"),
    "go.diagnostic.vulncheck": ("Imports", "Off", "Prompt"),
    "go.formatTool": ("default", "gofmt", "goimports", "goformat", "gofumpt", "custom"),
    "go.lintOnSave": ("file", "package", "workspace", "off"),
    "go.lintTool": ("staticcheck", "golint", "golangci-lint", "golangci-lint-v2", "revive"),
    "go.testExplorer.packageDisplayMode": ("flat", "nested"),
    "go.toolsManagement.checkForUpdates": ("proxy", "local", "off"),
    "go.trace.server": ("off", "messages", "verbose"),
    "go.vetOnSave": ("package", "workspace", "off"),
}
# The first versions of settings, and of values, that 0.42 does not have.
SINCE: dict[tuple[str, str | None], tuple[int, ...]] = {
    ("go.experiments", None): (0, 44),
    ("go.inlayHints.ignoredError", None): (0, 50),
    ("go.lintTool", "golangci-lint-v2"): (0, 48),
    ("go.diagnostic.vulncheck", "Prompt"): (0, 52),
}

# With their replacements.
DEPRECATED = {
    "go.buildOnSave": "the diagnostics of the language server",
    "go.logging.level": "the command 'Developer: Set Log Level'",
    "remotePath": "substitutePath",
}

_LAUNCH = """
apiVersion args asRoot backend buildFlags console coreFilePath cwd debugAdapter dlvFlags dlvLoadConfig env envFile
followExec followExecRegex goroutineFilters hideSystemGoroutines host logDest logOutput maxArrayValues maxStringLen
mode output outputMode port processId program remotePath showGlobalVariables showLog showPprofLabels showRegisters
stackTraceDepth stderrTo stdinFrom stdoutTo stopOnEntry substitutePath trace traceDirPath waitFor
"""
# Attributes of VS Code itself, valid in every launch configuration.
_EDITOR = """
name type request preLaunchTask postDebugTask internalConsoleOptions presentation debugServer serverReadyAction linux
osx windows
"""
LAUNCH_ATTRIBUTES = frozenset(_LAUNCH.split()) | frozenset(_EDITOR.split())

# Names in guides that no version has, with the settings that have their purpose.
FICTIONAL = {
    "go.delvePath": "go.alternateTools with the key dlv",
    "go.dlvPath": "go.alternateTools with the key dlv",
    "dlvPath": "go.alternateTools with the key dlv, in the settings",
    "dlvArgs": "dlvFlags",
    "dlvToolPath": "go.alternateTools with the key dlv, in the settings",
}
