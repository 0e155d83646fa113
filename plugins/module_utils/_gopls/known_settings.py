# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data: the settings of gopls 0.14 to 0.24, for hosts where it is not installed yet. From ``gopls api-json``.

Each line has the hierarchy of settings (``-`` for none), their type (``any`` where versions differ or list the values),
and their names.
"""

from __future__ import annotations

SETTINGS = """
- any fileWatcher maxFileCacheBytes memoryLimit
- bool verboseOutput
build []string buildFlags directoryFilters standaloneTags templateExtensions workspaceFiles
build any memoryMode
build bool allowImplicitNetworkAccess allowModfileModifications expandWorkspaceToModule
build map env
formatting bool gofumpt
formatting string local
ui any codelenses
ui bool moveDeclaration moveType newGoFileHeader noSemanticNumber noSemanticString renameMovesSubpackages
ui bool semanticTokens
ui map semanticTokenModifiers semanticTokenTypes
ui.completion any matcher
ui.completion bool completeFunctionCalls experimentalPostfixCompletions usePlaceholders
ui.completion time.Duration completionBudget
ui.diagnostic any annotations diagnosticsTrigger vulncheck
ui.diagnostic bool analysisProgressReporting staticcheck staticcheckProvided
ui.diagnostic map analyses
ui.diagnostic time.Duration diagnosticsDelay
ui.documentation any hoverKind linksInHover
ui.documentation string linkTarget
ui.inlayhint any hints
ui.navigation any importShortcut symbolMatcher symbolScope symbolStyle
"""
