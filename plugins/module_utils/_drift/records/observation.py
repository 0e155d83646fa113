# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process of a user got in a context."""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t

from ..._core.errors import describe_unexpected
from ..._core.provenance import Assignment, Source
from ..._environment.contexts.base import Context, Failure
from ..._environment.declaration import DIRECTORY_VARIABLES, UserEnvironment
from ..._shells.shell_query import RESOURCES
from ..cells import plain_path

# Compared even if they are not declared: these decide how go builds.
_MODULES = ("GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE", "GOINSECURE", "GOVCS", "GOAUTH")
_BUILDS = ("GOTOOLCHAIN", "GOFLAGS", "GO111MODULE", "CGO_ENABLED", "GOOS", "GOARCH", "GODEBUG")
WATCHED = (*_MODULES, *_BUILDS, *DIRECTORY_VARIABLES, "GOTMPDIR")
# Compared too. It has a file of its own: go reads it from no variable.
TELEMETRY = "GOTELEMETRY"
# The name of an assignment that sets resource limits, as of the command.
LIMITS = "ulimit"
# A startup that takes longer is slow.
SLOW_SECONDS = 3.0


class GoResult(t.NamedTuple):
    """The values of ``go env``; without values ``problem`` has the reason. A ``skipped`` go was not run on purpose.

    ``offender`` is the variable without which go works, or LIMITS.
    """

    values: t.Mapping[str, str]
    problem: str = ""
    skipped: bool = False
    offender: str = ""


@dataclasses.dataclass(frozen=True)
class Observation:
    """What a process of ``user`` got in ``context``.

    ``environment`` is None, and ``problem`` has the reason, if the context could not be probed. ``programs`` lists, for
    each requested name, the programs on PATH that the user can run, first the one that runs. It is empty if PATH could
    not be searched; the problem of ``go`` has the reason then. ``seconds``, ``unexpected_output``, ``go_is``,
    ``stale``, ``limits``, ``held`` and ``given_by`` are those of the probe, and so is ``failure``, unless sshd reports
    a better reason.

    ``stopping`` is the line at which the startup stops, ``printing`` the line that prints ``unexpected_output``, and
    ``slowest`` the line that takes the most time; each is None if there is no such problem or if the line is not known.
    ``holder`` is the command of the process that keeps a session open, and ``holding`` the line that starts it.
    """

    user: UserEnvironment
    context: Context
    environment: t.Mapping[str, str] | None
    problem: str = ""
    programs: t.Mapping[str, t.Sequence[str]] = dataclasses.field(default_factory=dict)
    go: GoResult = dataclasses.field(default_factory=lambda: GoResult({}))
    assignments: t.Sequence[Assignment] = ()
    seconds: float = 0.0
    unexpected_output: str = ""
    go_is: str = ""
    stale: frozenset[str] = frozenset()
    stopping: Source | None = None
    printing: Source | None = None
    slowest: Source | None = None
    failure: Failure = ""
    limits: t.Mapping[str, int] = dataclasses.field(default_factory=dict)
    held: bool = False
    given_by: Source | None = None
    holder: str = ""
    holding: Source | None = None

    @property
    def walked(self) -> bool:
        """Whether the directories of PATH were searched."""
        return "go" in self.programs

    @property
    def workspace(self) -> str:
        """The workspace of the context, if its kind has one context for each workspace; else empty."""
        return self.context.workspace

    def source_of(self, *names: str) -> Source | None:
        """Return the source of the startup's last assignment to one of these names."""
        sources = [item.source for item in self.assignments if item.name in names]
        return sources[-1] if sources else None

    def source_before(self, directory: str, others: t.Container[str]) -> Source | None:
        """Return the line that puts a directory into PATH before the ``others``; None if no line shows that."""
        source = None
        for item in self.assignments:
            # A line that refers to other variables does not show its entries.
            if item.name == "PATH" and not set("$@~") & set(item.value):
                entries = map(plain_path, item.value.split(":"))
                first = next((entry for entry in entries if entry == directory or entry in others), None)
                source = (source or item.source) if first == directory else None
        return source

    def source_of_limit(self, resource: str) -> Source | None:
        """Return the source of the last command or line that limits a resource."""
        named = re.compile(rf"(?<!\S)(?:{RESOURCES[resource].in_commands}|{resource})(?!\S)")
        items = (item for item in reversed(self.assignments) if item.name == LIMITS and named.search(item.value))
        return next((item.source for item in items), None)

    @property
    def settings_path(self) -> str:
        """The user's settings file as go finds it, even if go itself fails; ``off`` if go reads none."""
        environment = self.environment or {}
        default = os.path.join(go_config_directory(environment), "env")
        return self.go.values.get("GOENV") or environment.get("GOENV") or default


class ForcedKeys(t.NamedTuple):
    """The lines of a user's keys that run a command of their own, of ``total`` keys."""

    lines: t.Sequence[Source]
    total: int


class MissingPath(t.NamedTuple):
    """A program or directory that a variable names for builds and that does not exist for the user of a process."""

    observation: Observation
    variable: str
    value: str
    source: Source | None


def failed(observation: Observation, error: Exception) -> Observation:
    """Return the observation of a context about which the text of its user causes an unexpected error.

    What users' files and processes contain is hostile input: it must not suppress the report of anybody else.
    """
    return Observation(observation.user, observation.context, None, describe_unexpected(error))


def protected(function: t.Callable[..., Observation], observation: Observation, *arguments: t.Any) -> Observation:
    """Return the result of ``function`` for an observation and ``arguments``; ``failed`` if it raises any error."""
    try:
        return function(observation, *arguments)
    except Exception as error:
        return failed(observation, error)


def go_config_directory(environment: t.Mapping[str, str]) -> str:
    """Return the directory of Go's own files in a process's environment, as go finds it."""
    directory = environment.get("XDG_CONFIG_HOME") or os.path.join(environment.get("HOME", ""), ".config")
    return os.path.join(directory, "go")
