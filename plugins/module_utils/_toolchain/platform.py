# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platforms of Go."""

from __future__ import annotations

import platform
import re
import struct
import typing as t

from .._core.errors import DevserverError
from .._core.near_names import nearest_name

_ARCHITECTURES = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "armv6l": "arm",
    "armv7l": "arm",
    "armv8l": "arm",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
    "loongarch64": "loong64",
}
# What a 32-bit userland on a 64-bit kernel can run.
_NARROW = {"amd64": "386", "arm64": "arm"}


class Platform(t.NamedTuple):
    """A platform of Go, named by its GOARCH; the operating system is always Linux."""

    goarch: str

    @property
    def module(self) -> str:
        """The name in the toolchain module's version."""
        return f"linux-{self.goarch}"

    @property
    def archive(self) -> str:
        """The name in the official archive's file name, and in the manifest."""
        return "linux-armv6l" if self.goarch == "arm" else self.module

    @property
    def reported(self) -> str:
        """The name in the output of ``go version``."""
        return f"linux/{self.goarch}"


def platform_of(machine: str, bits: int) -> Platform:
    """Return the platform of a kernel's ``machine`` name and the userland's pointer size in ``bits``.

    Raises DevserverError if Go has no archive for it.
    """
    goarch = "386" if re.fullmatch("i[3-6]86", machine) else _ARCHITECTURES.get(machine)
    if goarch and bits == 32:
        goarch = _NARROW.get(goarch, goarch)
    if not goarch:
        raise DevserverError(
            f"there is no Go archive for a {bits}-bit userland on {machine!r}",
            expected=", ".join([*sorted(_ARCHITECTURES), "i386", "i686"]),
            remedy="remove this host from the play",
        )
    return Platform(goarch)


def platform_named(name: str, option: str) -> Platform:
    """Return the platform of an archive's name such as ``linux-amd64``; raise DevserverError for an unknown one.

    ``option`` is where the name is declared, for the message.
    """
    known = {platform.archive: platform for platform in map(Platform, {*_ARCHITECTURES.values(), *_NARROW.values()})}
    if name not in known:
        near = nearest_name(name, known)
        raise DevserverError(
            f"{option} has the platform {name!r}",
            expected="a platform of Go's archives: " + ", ".join(sorted(known)),
            remedy=f"correct it to {near}" if near else f"correct {option}",
        )
    return known[name]


def this_platform() -> Platform:
    """Return the platform that this Python runs on: its pointer size is that of the userland."""
    return platform_of(platform.machine(), struct.calcsize("P") * 8)
