# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Go's version numbers and the digest that each release must have: from the manifest, and from the user."""

from __future__ import annotations

import re
import typing as t

from .._core.errors import DevserverError
from .manifest import PINS
from .platform import platform_named

OLDEST = (1, 21)

_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)(?:\.(0|[1-9]\d*))?")
_SHA256 = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})")
_H1 = re.compile(r"h1:[A-Za-z0-9+/]{43}=")


class Pin(t.NamedTuple):
    """The digests of one release on one platform: ``sha256`` of its archive in hex, ``h1`` of its module; or None.

    With ``by_database`` the checksum database verifies the module, whose h1 is unknown.
    """

    sha256: str | None = None
    h1: str | None = None
    by_database: bool = False


def parse_version(text: str, option: str = "") -> tuple[int, ...]:
    """Return ``1.22`` as (1, 22) and ``1.22.12`` as (1, 22, 12); raise DevserverError for anything else.

    ``option`` is where the version is declared, for the message.
    """
    match = _VERSION.fullmatch(text)
    if not match:
        problem = f"{text!r} is not a Go version" + (f", in {option}" if option else "")
        raise DevserverError(problem, expected="1.22.12 or 1.22", remedy=_spelling(text))
    version = tuple(int(part) for part in match.groups() if part is not None)
    if version[:2] < OLDEST:
        raise DevserverError(
            f"Go {text} is too old",
            expected="1.21.0 or later: before that Go has neither GOTOOLCHAIN nor a toolchain module to verify",
            remedy="choose a later version; put a version in quotes, since YAML reads an unquoted 1.30 as 1.3",
        )
    return version


def _spelling(text: str) -> str:
    if text.startswith("go"):
        return f"drop the prefix: {text[2:]}"
    if re.search(r"rc|beta", text):
        return "choose a release; release candidates and betas are not installed"
    return "write the number of a release as https://go.dev/dl lists it"


def load_pins(platform: str, checksums: t.Mapping[str, t.Any]) -> dict[str, Pin]:
    """Return the pins of every known version for ``platform`` (Go's name of it, such as ``linux-amd64``).

    ``checksums`` is ``{version: {platform: digest}}`` and wins over the manifest. Raises DevserverError if its
    shape is wrong for any platform, so that a mistake shows on every host.
    """
    known = {}
    for line in PINS.get(platform, "").split("\n")[1:-1]:
        version, sha256, h1 = line.split()
        known[version] = Pin(sha256 if sha256 != "-" else None, h1 if h1 != "-" else None)
    for version, digests in checksums.items():
        for name, digest in _parse_checksums(version, digests).items():
            if name == platform:
                known[version] = known.get(version, Pin())._replace(**digest)
    return known


def add_database(known: t.Mapping[str, Pin], versions: t.Sequence[str]) -> dict[str, Pin]:
    """Return the pins, with the database for unknown h1, also of those ``versions`` that are exact and have no pin."""
    option = "devserver_go_versions (versions)"
    exact = {version: Pin() for version in versions if len(parse_version(version, option)) == 3}
    return {version: pin._replace(by_database=not pin.h1) for version, pin in {**exact, **known}.items()}


def _parse_checksums(version: t.Any, digests: t.Any) -> dict[str, dict[str, t.Any]]:
    if len(parse_version(str(version), "devserver_toolchain_checksums (checksums)")) != 3 or not isinstance(
        digests, dict
    ):
        raise DevserverError(
            f"devserver_toolchain_checksums (checksums) has {digests!r} for {version!r}",
            expected='{"1.22.12": {"linux-amd64": "<digest>"}}, with an exact version',
            remedy="correct that entry of devserver_toolchain_checksums (checksums)",
        )
    for name in digests:
        platform_named(str(name), f"devserver_toolchain_checksums (checksums) for {version}")
    return {str(name): _parse_digest(f"Go {version} on {name}", digest) for name, digest in digests.items()}


def _parse_digest(release: str, digest: t.Any) -> dict[str, t.Any]:
    text = str(digest).strip()
    sha256 = _SHA256.fullmatch(text)
    if sha256:
        return {"sha256": sha256.group(1).lower()}
    if _H1.fullmatch(text):
        return {"h1": text}
    raise DevserverError(
        f"devserver_toolchain_checksums (checksums) has {text!r} for {release}",
        expected="the 64 hex digits of the archive's SHA-256, or the module's h1 as h1: and 44 characters of base64",
        remedy="correct that entry of devserver_toolchain_checksums (checksums)",
    )


def resolve(
    requested: str, known: t.Mapping[str, Pin], platform: str, option: str = "devserver_go_versions (versions)"
) -> str:
    """Return the exact version that ``requested`` means: itself, or the newest known patch of a minor version.

    Patches whose archive is pinned come first, because more sources can deliver them. Raises DevserverError for a
    version without any pin.
    """
    numbers = parse_version(requested, option)
    matching = [version for version in known if parse_version(version)[: len(numbers)] == numbers]
    if not matching:
        raise DevserverError(
            f"no checksum is known for Go {requested} on {platform}",
            expected=f"a version that the collection knows (the newest is {_newest(known) or 'none'}), or a checksum",
            remedy=f'add {{"{requested}": {{"{platform}": "<SHA-256 or h1>"}}}} to '
            "devserver_toolchain_checksums (checksums)",
        )
    return _newest([version for version in matching if known[version].sha256] or matching)


def resolve_versions(
    versions: t.Sequence[str], default: str | None, known: t.Mapping[str, Pin], platform: str
) -> tuple[dict[str, str], str]:
    """Return what was requested by exact version, and the exact default, which is the first where there is none."""
    if not versions:
        raise DevserverError(
            "devserver_go_versions (versions) is empty",
            expected="at least one version, such as 1.22.12",
            remedy="add a version to devserver_go_versions (versions)",
        )
    requested = {resolve(text, known, platform): text for text in versions}
    exact_default = resolve(default or versions[0], known, platform, "devserver_go_default (default)")
    if exact_default not in requested:
        raise DevserverError(
            f"devserver_go_default (default) is {exact_default}",
            expected=f"one of devserver_go_versions (versions): {', '.join(requested)}",
            remedy="add it to devserver_go_versions (versions), or correct devserver_go_default (default)",
        )
    return requested, exact_default


def resolve_minor(requested: str, platform: str) -> str:
    """Return the exact version for a minor version; anything else is returned unchanged."""
    return resolve(requested, load_pins(platform, {}), platform) if requested.count(".") == 1 else requested


def _newest(versions: t.Iterable[str]) -> str:
    return max(versions, key=parse_version, default="")
