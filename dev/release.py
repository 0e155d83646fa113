# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make release-pins VERSION=1.22.12`: adds a Go release to the manifest, on the word of more than one.

The SHA-256 of its archives must be the same in two sources; the h1 of its toolchain modules is what the checksum
database states, which `go` checks by the database's signature and its proofs.
"""

from __future__ import annotations

import ast
import http.client
import json
import os
import re
import tempfile
import typing as t
import urllib.error
import urllib.request
from pathlib import Path

from dev.checkout import ROOT, Failure
from dev.command import query

MANIFEST = ROOT / "plugins" / "module_utils" / "_toolchain" / "manifest.py"
# {file} is replaced by an archive's name; such a source has the digest of this file alone.
SOURCES = ("https://go.dev/dl/?mode=json&include=all", "https://dl.google.com/go/{file}.sha256")
TIMEOUT = 60
# Bytes; Go's own list of all releases has 3 MB.
LARGEST = 64 * 1024 * 1024

_VERSION = re.compile(r"1\.\d+\.\d+")
_LINE = re.compile(r"([0-9a-f]{64})(?:\s+\*?(\S+))?\s*")
# Proxies respond with 403 for modules that their operator does not deliver.
_ABSENT = re.compile(r"\b(403|404|410)\b|not found|unknown revision")

# By platform and version: SHA-256 and h1, either of which may be "-".
Pins = dict[str, dict[str, tuple[str, str]]]


def add(version: str, sources: t.Sequence[str], manifest: Path = MANIFEST) -> None:
    """Write a release's digests into the manifest; nothing is written where any two that must agree do not."""
    if not _VERSION.fullmatch(version):
        raise Failure(f"VERSION is {version!r}; name a release, such as make release-pins VERSION=1.22.12")
    text = manifest.read_text()
    pins = parse(text)
    sha256 = agreed(version, sources, list(pins)) if sources else {}
    for platform, known in pins.items():
        print(f"    {platform}", flush=True)
        found = (sha256.get(platform, "-"), h1(version, platform))
        if found != ("-", "-"):
            known[version] = merged(known.get(version, ("-", "-")), found, f"Go {version} on {platform}")
    manifest.write_text(render(text, pins))


def parse(manifest: str) -> Pins:
    """Read the manifest's text."""
    table: dict[str, str] = ast.literal_eval(manifest.partition("\nPINS = ")[2])
    lines = {platform: [line.split() for line in text.split("\n")[1:-1]] for platform, text in table.items()}
    return {p: {version: (sha256, h1) for version, sha256, h1 in rows} for p, rows in lines.items()}


def render(manifest: str, pins: Pins) -> str:
    """Return the manifest's text with other pins, in the one form that these pins have."""
    head = manifest.partition("\nPINS = ")[0]
    parts = [f'    "{platform}": """\n{_rows(pins[platform])}""",\n' for platform in sorted(pins)]
    return f"{head}\nPINS = {{\n{''.join(parts)}}}\n"


def _rows(known: dict[str, tuple[str, str]]) -> str:
    versions = sorted(known, key=lambda version: [int(part) for part in version.split(".")])
    return "".join(f"{version} {known[version][0]} {known[version][1]}\n" for version in versions)


def merged(old: tuple[str, str], new: tuple[str, str], whose: str) -> tuple[str, str]:
    """Fill what is not known yet; a digest that is known and another than the new one is a Failure."""
    for known, found in zip(old, new, strict=True):
        if "-" not in (known, found) and known != found:
            raise Failure(
                f"{whose}: the manifest has {known}, now it is {found}; a release never changes, find out why"
            )
    sha256, h1 = (found if known == "-" else known for known, found in zip(old, new, strict=True))
    return sha256, h1


def agreed(version: str, sources: t.Sequence[str], platforms: t.Sequence[str]) -> dict[str, str]:
    """Return the SHA-256 by platform of the archives that both sources know; raise Failure where they differ."""
    if len(set(sources)) != 2:
        raise Failure(f"{len(set(sources))} different sources are given; two must agree (SOURCES='URL URL')")
    names = {f"go{version}.{platform}.tar.gz": platform for platform in platforms}
    one, other = (digests(source, list(names)) for source in sources)
    for name in sorted(names.keys() & one.keys() & other.keys()):
        if one[name] != other[name]:
            raise Failure(f"{name}: {sources[0]} has {one[name]}, {sources[1]} has {other[name]}; nothing is written")
    both = {names[name]: one[name] for name in names if name in one and name in other}
    if not both:
        raise Failure(f"the two sources have no archive of Go {version} in common; see whether it is released")
    return both


def digests(source: str, names: t.Sequence[str]) -> dict[str, str]:
    """Return the SHA-256 of these files from a source, a URL or a path; files that it does not know are left out."""
    if "{file}" in source:
        texts = {name: _read(source.replace("{file}", name)) for name in names}
        return {name: _sole(text, source) for name, text in texts.items() if text is not None}
    text = _read(source)
    if text is None:
        raise Failure(f"{source} is not there")
    found = _json(text, source) if text.lstrip().startswith("[") else _list(text)
    return {name: found[name] for name in names if name in found}


def _read(source: str) -> str | None:
    if "://" not in source:
        return Path(source).read_text() if Path(source).exists() else None
    try:
        with urllib.request.urlopen(source, timeout=TIMEOUT) as response:
            content: bytes = response.read(LARGEST + 1)
            if len(content) > LARGEST:
                raise Failure(f"{source} has more than {LARGEST} bytes")
            return content.decode()
    except urllib.error.HTTPError as error:
        if error.code in (404, 410):
            return None
        raise Failure(f"{source} responds with HTTP {error.code}") from error
    except (OSError, http.client.HTTPException, UnicodeDecodeError) as error:
        raise Failure(f"{source} cannot be read: {error}") from error


def _json(text: str, source: str) -> dict[str, str]:
    """Read the form of Go's own list of releases."""
    try:
        return {file["filename"]: file["sha256"] for release in json.loads(text) for file in release["files"]}
    except (ValueError, KeyError, TypeError) as error:
        raise Failure(f"{source} is not a list of releases as go.dev/dl/?mode=json gives it: {error!r}") from error


def _list(text: str) -> dict[str, str]:
    """Read the form of sha256sum."""
    matches = filter(None, map(_LINE.fullmatch, text.splitlines()))
    return {match[2]: match[1] for match in matches if match[2]}


def _sole(text: str, source: str) -> str:
    match = _LINE.fullmatch(text)
    if not match:
        raise Failure(f"{source} has no 64 hex digits in its response")
    return match[1]


def h1(version: str, platform: str) -> str:
    """Return the h1 of a toolchain module as the checksum database states it, "-" where there is no such module."""
    module = f"golang.org/toolchain@v0.0.1-go{version}.{platform.replace('armv6l', 'arm')}"
    settings = query(["go", "env", "GOPROXY", "GOSUMDB"])
    proxy, _newline, database = settings.output.strip().partition("\n")
    if not settings.ok or database in ("", "off"):
        raise Failure(f"go has no checksum database: GOSUMDB is {database or settings.output.strip()!r}")
    with tempfile.TemporaryDirectory() as directory:
        # Nothing else of what is set here counts: not what lets go trust the proxy alone, GONOSUMDB and the like.
        env = {name: value for name, value in os.environ.items() if not name.startswith("GO")} | {
            "GOENV": "off",
            "GOPROXY": proxy,
            "GOSUMDB": database,
            "GOMODCACHE": directory,
            "GOFLAGS": "-modcacherw",
            "GOTOOLCHAIN": "local",
        }
        done = query(["go", "mod", "download", "-json", module], env=env)
    if not done.ok:
        if _ABSENT.search(done.output):
            return "-"
        raise Failure(f"go cannot verify {module}:\n{done.output.strip()}")
    return str(json.loads(done.output)["Sum"])
