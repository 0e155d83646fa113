# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages: what is missing is installed where we may, and named where we may not; and where its mirror is."""

from __future__ import annotations

import os
import shutil
import threading
import typing as t
from pathlib import Path

from dev.checkout import Failure
from dev.command import run
from dev.console import show

# apt-get waits for another one only where both install, not while it reads the lists.
_one_apt = threading.Lock()
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def which(command: str) -> str | None:
    """Return the path of ``command``, also where it is in a directory that only root searches."""
    return shutil.which(command) or shutil.which(command, path=SYSTEM_PATH)


def require(commands: t.Mapping[str, str], log: Path) -> None:
    """Install the packages of those ``commands`` (command: package) that are not there."""
    install([package for command, package in commands.items() if not which(command)], log)


def install(packages: t.Sequence[str], log: Path) -> None:
    """Install ``packages``; raises Failure, with the command to type, where we are not root on a Debian-like system."""
    if not packages:
        return
    if os.geteuid() != 0 or not which("apt-get"):
        raise Failure(
            f"this needs the packages {' '.join(packages)}, and only root on a Debian-like system can install them "
            f"from here. To fix this: sudo apt-get install --no-install-recommends {' '.join(packages)}"
        )
    show(f"    installing {' '.join(packages)}")
    apt = ["apt-get", "-y", "-o", "DPkg::Lock::Timeout=120"]
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with _one_apt:
        run([*apt, "update"], log=log, env=env)
        run([*apt, "install", "--no-install-recommends", *packages], log=log, env=env)


def mirror(suite: str, etc: Path = Path("/etc/apt")) -> str:
    """Return the http(s) URI from which this machine itself takes ``suite``, else the first that it has."""
    sources = [source for file in _files(etc) for source in _sources(file)]
    uris = [(suite in suites, uri) for uri, suites in sources if uri.startswith(("http://", "https://"))]
    if not uris:
        raise Failure(f"no http(s) mirror in {etc}/sources.list or {etc}/sources.list.d; name one there")
    return next((uri for serves, uri in uris if serves), uris[0][1])


def _files(etc: Path) -> list[Path]:
    directory = etc / "sources.list.d"
    files = [etc / "sources.list", *sorted(directory.glob("*.list")), *sorted(directory.glob("*.sources"))]
    return [file for file in files if file.is_file()]


def _sources(file: Path) -> list[tuple[str, list[str]]]:
    """Return (URI, suites) of every binary source in a file of either format."""
    text = file.read_text()
    if file.suffix == ".sources":
        return [source for stanza in _stanzas(text) for source in _deb822(stanza)]
    return [_one_line(line) for line in text.splitlines() if line.split("[")[0].split()[:1] == ["deb"]]


def _one_line(line: str) -> tuple[str, list[str]]:
    # deb [option=value option=value] URI suite component...
    words = line.split("]", 1)[1].split() if "[" in line else line.split()[1:]
    return words[0], words[1:2]


def _stanzas(text: str) -> list[dict[str, str]]:
    """Parse deb822: fields until an empty line; an indented line continues the field above."""
    stanzas: list[dict[str, str]] = [{}]
    name = ""
    for line in text.splitlines():
        if not line.strip():
            stanzas.append({})
        elif line[0] in " \t":
            stanzas[-1][name] = f"{stanzas[-1].get(name, '')} {line.strip()}"
        elif not line.startswith("#"):
            name, _colon, value = line.partition(":")
            name = name.lower()
            stanzas[-1][name] = value.strip()
    return stanzas


def _deb822(stanza: t.Mapping[str, str]) -> list[tuple[str, list[str]]]:
    enabled = stanza.get("enabled", "yes").lower() not in ("no", "false", "0")
    if not enabled or "deb" not in stanza.get("types", "").split():
        return []
    return [(uri, stanza.get("suites", "").split()) for uri in stanza.get("uris", "").split()]
