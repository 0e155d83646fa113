# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a language server what an editor asks, takes the time, and judges the answers."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.session_probe.sample_positions import Use
from ansible_collections.gopherops.devserver.plugins.module_utils._protocols.lsp import (
    Client,
    Diagnostic,
    Place,
    Server,
)

# In the order in which they are done.
STEPS = ("initialize", "diagnostics", "hover", "definition", "references", "edit")
# No Go builds this, wherever in a file it stands.
_MISTAKE = '\nvar _ int = "this is no number"\n'


@dataclasses.dataclass(frozen=True)
class Task:
    """What to ask about: the texts of the files to open (absolute paths), and a use in the first of them."""

    workspace: str
    use: Use
    texts: t.Mapping[str, str]


@dataclasses.dataclass
class Answers:
    """What a server answered as far as it came; ``seconds`` by step."""

    server: Server | None = None
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


def examine(client: Client, task: Task, answers: Answers) -> None:
    """Go through all steps and fill ``answers``; raises DevserverError where the server fails at one, or errs."""
    with answers.timed("initialize"):
        answers.server = client.initialize(task.workspace)
    with answers.timed("diagnostics"):
        for file, text in task.texts.items():
            client.open(file, text)
        answers.diagnostics = [found for file in task.texts for found in client.diagnostics(file)]
    _ask(client, task.use, answers)
    _edit(client, task, answers)


def _ask(client: Client, use: Use, answers: Answers) -> None:
    """Ask about the use, and judge each answer."""
    with answers.timed("hover"):
        answers.hover = client.hover(use.place)
    name = use.symbol.rpartition(".")[2]
    if name not in answers.hover:
        raise _wrong(use, "hover", f"says {answers.hover[:80]!r}", f"words about {name}")
    with answers.timed("definition"):
        answers.definition = next(iter(client.definition(use.place)), None)
    if answers.definition is None:
        raise _wrong(use, "definition", "leads nowhere", f"the place where {name} is declared")
    folder = os.path.dirname(answers.definition.file)
    if use.folder and not _same(folder, use.folder):
        raise _wrong(use, "definition", f"leads to {answers.definition.file}", f"a file in {use.folder}")
    with answers.timed("references"):
        answers.references = client.references(use.place)
    for file in (use.place.file, answers.definition.file):
        if not any(_same(place.file, file) for place in answers.references):
            raise _wrong(use, "references", f"leaves out {file}", "the declaration, and the place that was asked about")


def _same(path: str, other: str) -> bool:
    """Return whether two paths lead to one place; the server may spell it without the links of the workspace."""
    return os.path.realpath(path) == os.path.realpath(other)


def _edit(client: Client, task: Task, answers: Answers) -> None:
    """Make a mistake in the first file, without saving it, and wait until the server tells it.

    A file in which something is wrong already shows that diagnostics come, and may hide a further mistake.
    """
    file, text = next(iter(task.texts.items()))
    if any(found.severity == "error" for found in answers.diagnostics):
        return
    length = text.count("\n") + 1
    with answers.timed("edit"):
        client.change(file, text + _MISTAKE)
        found = client.diagnostics(file, lambda found: any(one.line > length for one in found))
    wrong = [one for one in found if one.severity == "error" and one.line <= length]
    answers.diagnostics += [one for one in wrong if one not in answers.diagnostics]


def _wrong(use: Use, step: str, what: str, expected: str) -> DevserverError:
    return DevserverError(
        f"{step} of {use.symbol} in line {use.place.line} of {use.place.file}: it {what}",
        expected=expected,
        remedy="look at the diagnostics and popups: the workspace may not load; see that 'go build ./...' works there",
    )
