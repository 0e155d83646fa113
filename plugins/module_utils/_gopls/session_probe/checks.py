# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of a session: sends the requests of an editor, measures the time, and validates the responses."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
import typing as t

from ..._core.errors import DevserverError
from ..._protocols.lsp import Diagnostic, LspClient, Place, ServerInfo
from .sample_positions import Use

# In the order in which they run.
STEPS = ("initialize", "diagnostics", "hover", "definition", "references", "edit")
# A compile error at any place in a Go file.
_MISTAKE = '\nvar _ int = "this is no number"\n'


@dataclasses.dataclass(frozen=True)
class Task:
    """What to request: the texts of the files to open (absolute paths), and a use in the first of them."""

    workspace: str
    use: Use
    texts: t.Mapping[str, str]


@dataclasses.dataclass
class Measurements:
    """What a server returned before the session ended or failed; ``seconds`` by step."""

    server: ServerInfo | None = None
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    diagnostics: list[Diagnostic] = dataclasses.field(default_factory=list)
    hover: str = ""
    definition: Place | None = None
    references: list[Place] = dataclasses.field(default_factory=list)

    @contextlib.contextmanager
    def timed(self, step: str) -> t.Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds[step] = round(time.monotonic() - began, 4)


def run_checks(client: LspClient, task: Task, measured: Measurements) -> None:
    """Run all steps and fill ``measured``; raise DevserverError at the first failure or wrong response."""
    with measured.timed("initialize"):
        measured.server = client.initialize(task.workspace)
    with measured.timed("diagnostics"):
        for file, text in task.texts.items():
            client.open(file, text)
        measured.diagnostics = [item for file in task.texts for item in client.diagnostics(file)]
    _check_use(client, task.use, measured)
    _check_edit(client, task, measured)


def _check_use(client: LspClient, use: Use, measured: Measurements) -> None:
    """Request hover, definition and references of the use, and validate each response."""
    with measured.timed("hover"):
        measured.hover = client.hover(use.place)
    name = use.symbol.rpartition(".")[2]
    if name not in measured.hover:
        raise _wrong_response(use, "hover", f"is {measured.hover[:80]!r}", f"a text with {name}")
    with measured.timed("definition"):
        measured.definition = next(iter(client.definition(use.place)), None)
    if measured.definition is None:
        raise _wrong_response(use, "definition", "is empty", f"the place where {name} is declared")
    directory = os.path.dirname(measured.definition.file)
    if use.directory and not _is_same(directory, use.directory):
        raise _wrong_response(use, "definition", f"is in {measured.definition.file}", f"a file in {use.directory}")
    with measured.timed("references"):
        measured.references = client.references(use.place)
    for file in (use.place.file, measured.definition.file):
        if not any(_is_same(place.file, file) for place in measured.references):
            raise _wrong_response(use, "references", f"lacks {file}", "the declaration and the use")


def _is_same(path: str, other: str) -> bool:
    """Return whether two paths are one file; the server may resolve the links in the workspace's path."""
    return os.path.realpath(path) == os.path.realpath(other)


def _check_edit(client: LspClient, task: Task, measured: Measurements) -> None:
    """Insert a compile error into the first file, without saving it, and wait for its diagnostic.

    With errors in the workspace the step is skipped: diagnostics work, and these errors may hide the new one.
    """
    file, text = next(iter(task.texts.items()))
    if any(item.severity == "error" for item in measured.diagnostics):
        return
    length = text.count("\n") + 1
    with measured.timed("edit"):
        client.change(file, text + _MISTAKE)
        diagnostics = client.diagnostics(file, lambda items: any(item.line > length for item in items))
    errors = [item for item in diagnostics if item.severity == "error" and item.line <= length]
    measured.diagnostics += [item for item in errors if item not in measured.diagnostics]


def _wrong_response(use: Use, step: str, problem: str, expected: str) -> DevserverError:
    return DevserverError(
        f"{step} of {use.symbol} at {use.place.file}:{use.place.line} {problem}",
        expected=expected,
        remedy="run 'go build ./...' in the workspace, and fix its errors; check diagnostics and popups in this result",
    )
