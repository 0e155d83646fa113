# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of the host's sshd: the lines of its files, and the values in force for a user."""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import itertools
import os
import re
import typing as t

from .._core.errors import DevserverError
from .._core.provenance import Assignment, Source
from .._host.accounts import Account
from .._host.assignments import find_assignments
from .._host.command import SYSTEM_PATH, run
from .._host.files import numbered_lines, read_text_or_empty
from .._host.remembered import remembered
from .._host.user_access import call_as
from .._host.user_texts import read_texts

SSHD = "/usr/sbin/sshd"
CONFIGURATION = "/etc/ssh/sshd_config"

# Includes within includes; sshd itself ends at 16.
_DEPTH = 16
# The connection that a Match is compared with; without one of its parts sshd rejects a configuration that has it.
_CONNECTION = "user={},host=UNKNOWN,addr=127.0.0.1,laddr=127.0.0.1,lport=22"
# Characters that sshd removes from a line, or adds in its output.
_QUOTING = re.compile(r"""["'\\\s]""")


_VARIABLE = re.compile(r"\s*(?P<name>[A-Za-z_]\w*)=(?P<value>.*)")
# An option of a key. Values with a quote or a backslash are left out.
_OF_KEY = re.compile(r'(?:^|,|\s)environment="([A-Za-z_]\w*)=([^"\\\x00-\x1f]*)"')
# Without a second quote it is the rest of the line.
_QUOTED = re.compile(r'"(?:\\.?|[^"\\])*"?')
# Keys of one user, and characters of each line, that are read.
_MOST_KEYS, _LONGEST_KEY = 1000, 16_384
_FORCED = re.compile(r"(?:^|,)command=(?:,|$)", re.IGNORECASE)
_STANDARD_FILES = {"authorizedkeysfile": ".ssh/authorized_keys .ssh/authorized_keys2"}


class Line(t.NamedTuple):
    """One line: ``keyword`` in small letters, ``value`` as it is written, ``match`` the condition of its block.

    The condition is empty outside of a block.
    """

    source: Source
    keyword: str
    value: str
    match: str = ""


def lines(path: str = "", match: str = "", depth: int = 0) -> t.Iterator[Line]:
    """Yield each line with a keyword of sshd's configuration, with those of included files in their place."""
    path = path or CONFIGURATION
    for number, text in enumerate(read_text_or_empty(path).split("\n"), 1):
        parts = re.match(r"\s*(\w+)(?:\s*=\s*|\s+)(.*)", text)
        if not parts:
            continue
        keyword, value = parts.group(1).lower(), parts.group(2).rstrip()
        if keyword == "include" and depth < _DEPTH:
            for pattern in value.split():
                for included in sorted(glob.glob(os.path.join(os.path.dirname(CONFIGURATION), pattern.strip('"')))):
                    yield from lines(included, match, depth + 1)
        match = value if keyword == "match" else match
        yield Line(Source("file", path, number), keyword, value, match)


def effective(account: Account, timeout: float) -> list[tuple[str, str]]:
    """Return keywords, in small letters, and the values in force for a login as ``account``.

    There are none without an sshd, or if sshd rejects its configuration.
    """
    if not os.path.exists(SSHD):
        return []
    argv = [SSHD, "-T", "-f", CONFIGURATION, "-C", _CONNECTION.format(account.name)]
    output = run(argv, env={"PATH": SYSTEM_PATH}, timeout=timeout).stdout
    pairs = (line.partition(" ") for line in output.split("\n"))
    return [(keyword.lower(), value) for keyword, _blank, value in pairs]


def variables(account: Account, timeout: float) -> list[Assignment]:
    """Return the variables that sshd itself sets for ``account`` (``SetEnv``), with file and line.

    Variables whose line is not found are left out.
    """
    # Most hosts have none, so that sshd does not run.
    candidates = [line for line in lines() if line.keyword == "setenv"]
    values = [value for keyword, value in effective(account, timeout) if keyword == "setenv"] if candidates else []
    source = _line_of(values, account, candidates)
    named = (value.partition("=") for value in values if source)
    return [Assignment(name, value, source) for name, _sign, value in named if source]


@remembered
def without_pam() -> Source | None:
    """Return the line by which sshd starts sessions without PAM; None if they have it."""
    line = next((line for line in lines() if line.keyword == "usepam"), None)
    without = line and line.value.strip('"').lower() == "no"
    return line.source._replace(by="UsePAM no") if line and without else None


@remembered
def forced_command(account: Account, timeout: float) -> tuple[str, Source | None]:
    """Return the program that sshd runs in place of a user's command, and its line; empty and None without one."""
    candidates = [line for line in lines() if line.keyword == "forcecommand"]
    # Most hosts have none, so that sshd does not run.
    command = dict(effective(account, timeout)).get("forcecommand", "none") if candidates else "none"
    if command == "none":
        return "", None
    source = next((line.source for line in candidates if line.value.strip('"') == command), None)
    return command, source and source._replace(by=f"ForceCommand {command}")


@remembered
def user_variables(account: Account, timeout: float) -> tuple[list[Assignment], list[Assignment]]:
    """Return the variables that the user's keys (``environment=``) and ``~/.ssh/environment`` give a login.

    Those of keys are of the first key that gives some. There are none without PermitUserEnvironment.
    """
    if not any(line.keyword == "permituserenvironment" for line in lines()):
        return [], []
    keywords = dict(effective(account, timeout))
    allowed = keywords.get("permituserenvironment", "no")
    if allowed == "no":
        return [], []
    files = key_files(account, keywords)
    file = os.path.join(account.home, ".ssh/environment")
    texts = read_texts([*files, file], account, timeout)
    of_keys = (_variables_of_key(line, path, number) for path in files for number, line in _lines_of(texts, path))
    of_file = find_assignments(texts.get(file), file, _VARIABLE, str)
    first = next(filter(None, of_keys), [])
    return [item for item in first if _is_allowed(item.name, allowed)], [
        item for item in of_file if _is_allowed(item.name, allowed)
    ]


def key_files(account: Account, keywords: t.Mapping[str, str]) -> list[str]:
    """Return the files with the keys of ``account``; ``keywords`` are the effective values."""
    names = {"%h": account.home, "%u": account.name, "%U": str(account.uid), "%%": "%"}
    patterns = keywords.get("authorizedkeysfile", ".ssh/authorized_keys").split()
    return [os.path.join(account.home, re.sub("%.", lambda token: names.get(token[0], ""), path)) for path in patterns]


def includes(path: str) -> bool:
    """Return whether a line outside of Match blocks includes ``path``, which need not exist."""
    values = [line.value for line in lines() if line.keyword == "include" and not line.match]
    patterns = [os.path.join(os.path.dirname(CONFIGURATION), word.strip('"')) for word in " ".join(values).split()]
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def keys(account: Account, timeout: float) -> list[tuple[Source, bool]]:
    """Return the lines of the keys that a login as ``account`` may use, and whether sshd runs a command of the line.

    A login with such a key (``command=``) runs nothing else.
    """
    # Most hosts have the standard files, so that sshd does not run.
    is_set = any(line.keyword == "authorizedkeysfile" for line in lines())
    paths = key_files(account, dict(effective(account, timeout)) if is_set else _STANDARD_FILES)

    def read() -> list[tuple[str, int, bool]]:
        texts = read_texts(paths, account, timeout)
        lines_of_files = ((path, *numbered) for path in paths for numbered in _lines_of(texts, path))
        keys_of = ((path, number, _options(line[:_LONGEST_KEY])) for path, number, line in lines_of_files)
        lines_of_keys = (
            (path, number, _FORCED.search(options) is not None) for path, number, options in keys_of if options
        )
        return list(itertools.islice(lines_of_keys, _MOST_KEYS))

    # A user's file can take long.
    with contextlib.suppress(DevserverError, OSError):
        return [(Source("file", path, number), is_forced) for path, number, is_forced in call_as(account, read)]
    return []


def _options(line: str) -> str:
    """Return the first word of a line without its quoted values; empty without a key, as in a comment."""
    words = _QUOTED.sub("", line).split()
    return words[0] if len(words) > 1 and not words[0].startswith("#") else ""


def _lines_of(texts: t.Mapping[str, str], path: str) -> t.Iterator[tuple[int, str]]:
    return numbered_lines(texts.get(path, ""))


def _variables_of_key(line: str, path: str, number: int) -> list[Assignment]:
    source = Source("file", path, number)
    pairs = _OF_KEY.findall(line) if not line.lstrip().startswith("#") else []
    return [Assignment(name, value, source) for name, value in pairs]


def _is_allowed(name: str, patterns: str) -> bool:
    """Return whether PermitUserEnvironment, which is yes or a list of patterns, allows a variable."""
    return patterns == "yes" or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns.split(","))


def _line_of(values: t.Sequence[str], account: Account, candidates: t.Sequence[Line]) -> Source | None:
    """Return the line that has all the values: of several lines sshd uses one, that of a Match first."""
    reported = _QUOTING.sub("", "".join(values))
    bare = ((line, _QUOTING.sub("", line.value)) for line in candidates)
    same = [
        line for line, text in bare if reported and text.startswith(reported) and text[len(reported) :][:1] in ("", "#")
    ]
    theirs = [line for line in same if line.match and _may_be_of(account.name, line.match)]
    others = [line for line in same if not line.match]
    return next((line.source for line in [*theirs, *others]), None)


def _may_be_of(user: str, match: str) -> bool:
    """Return whether a block may be in force for ``user``; conditions other than the user name count as true."""
    words = match.replace("=", " ").split()
    patterns = [names.split(",") for kind, names in zip(words[::2], words[1::2]) if kind.lower() == "user"]
    return all(
        any(fnmatch.fnmatchcase(user, name) for name in names)
        and not any(fnmatch.fnmatchcase(user, name[1:]) for name in names if name.startswith("!"))
        for names in patterns
    )
