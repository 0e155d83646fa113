# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ELF files with a build info as Go's linker writes it, and nothing else."""

from __future__ import annotations

import struct

SENTINEL = b"0123456789abcdef"
LINES = (
    b"path\texample.com/x/cmd/y\nmod\texample.com/x\tv1.2.3\th1:a=\ndep\texample.com/z\tv1.0.0\th1:b=\n"
    b"build\t-tags=a,b\nbuild\tCGO_ENABLED=0\n"
)


def varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def string(content: bytes) -> bytes:
    return varint(len(content)) + content


def elf(build_info: bytes) -> bytes:
    """Return a little-endian 64-bit ELF file of three sections: none, the names, the build info as the last bytes."""
    names = b"\0.go.buildinfo\0.shstrtab\0"
    behind = 64 + 3 * 64
    header = b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 0, 64, 0, 64, 0, 0, 64, 3, 1)
    entries = [(0, 0, 0, 0), (15, 3, behind, len(names)), (1, 1, behind + len(names), len(build_info))]
    sections = [struct.pack("<IIQQQQIIQQ", name, kind, 0, 0, at, size, 0, 0, 0, 0) for name, kind, at, size in entries]
    return header + b"".join(sections) + names + build_info


def build_info(go: bytes = b"go1.22.12", lines: bytes = LINES, flags: int = 2) -> bytes:
    header = b"\xff Go buildinf:\x08" + bytes([flags]) + bytes(16)
    return header + string(go) + string(SENTINEL + lines + SENTINEL)
