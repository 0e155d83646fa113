# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the build info of a Go binary (an ELF file) from the file itself, without running it.

The linker puts it into the section ``.go.buildinfo``: 14 bytes of magic, the size of a pointer, a byte of flags,
padding to 32 bytes, then the Go version and the module information, each after its length as a varint. The module
information is enclosed in two sentinels of 16 bytes.
"""

from __future__ import annotations

import os
import stat
import struct
import typing as t

from .._core.errors import DevserverError
from .._host.files import open_nonblocking

_MAGIC = b"\xff Go buildinf:"
_HEADER = 32
_SENTINEL = 16
_INLINE = 0x2
# gopls's section has 10 KB; the linker never writes more than this.
_MAX_SIZE = 4 * 1024 * 1024


class BuildInfo(t.NamedTuple):
    """The output of ``go version -m``: Go's version, the main package, its module and version, the build settings.

    ``text`` is that output without the name of the file.
    """

    go: str
    package: str
    module: str
    version: str
    settings: dict[str, str]
    text: str


class _Section(t.NamedTuple):
    name: int
    offset: int
    size: int


def read_build_info(path: str) -> BuildInfo:
    """Return the build info of the binary at ``path``; raise DevserverError if it has none or is unreadable."""
    return _read_section(path, b".go.buildinfo", _parse)


def read_build_id(path: str) -> str:
    """Return Go's build ID of the binary at ``path``, a name for its inputs; raise DevserverError if it has none."""
    return _read_section(path, b".note.go.buildid", _build_id)


_T = t.TypeVar("_T")


def _read_section(path: str, name: bytes, parse: t.Callable[[bytes], _T]) -> _T:
    try:
        with open(path, "rb", opener=open_nonblocking) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise _Unreadable("it is not a regular file")
            return parse(_section(file, status.st_size, name))
    except (OSError, _Unreadable) as error:
        raise DevserverError(
            f"cannot read the build info of {path}: {getattr(error, 'strerror', None) or error}",
            expected="an ELF executable built by Go 1.18 or later",
            remedy=f"rebuild {path}",
            path=path,
        ) from error


class _Unreadable(Exception):
    pass


def _section(file: t.BinaryIO, size: int, name: bytes) -> bytes:
    """Return the content of the section ``name``; raise _Unreadable if the file ends before a section does."""
    sections, names = _sections(file)
    if any(section.offset + section.size > size for section in sections):
        raise _Unreadable("the file is truncated")
    table = _read(file, names.offset, names.size)
    for section in sections:
        if table.startswith(name + b"\0", section.name):
            return _read(file, section.offset, section.size)
    raise _Unreadable(f"it has no section {name.decode()}")


def _sections(file: t.BinaryIO) -> tuple[list[_Section], _Section]:
    """Return the sections of an ELF file that occupy bytes of it, and the one that holds their names."""
    identity = _read(file, 0, 16)
    if identity[:4] != b"\x7fELF" or identity[4] not in (1, 2) or identity[5] not in (1, 2):
        raise _Unreadable("it is not an ELF file")
    order = "<" if identity[5] == 1 else ">"
    header, entry = (order + "HHIIIIIHHHHHH", "6I") if identity[4] == 1 else (order + "HHIQQQIHHHHHH", "2I4Q")
    fields = struct.unpack(header, _read(file, 16, struct.calcsize(header)))
    start, entry_size, count, names = fields[5], fields[10], fields[11], fields[12]
    layout = struct.Struct(order + entry)
    if entry_size < layout.size or names >= count:
        raise _Unreadable("its section table is broken")
    table = _read(file, start, entry_size * count)
    entries = [layout.unpack_from(table, number * entry_size) for number in range(count)]
    # Sections of these types (none, no bits) have no bytes in the file.
    present = [_Section(e[0], e[4], e[5]) for e in entries if e[1] not in (0, 8)]
    return present, _Section(*(entries[names][index] for index in (0, 4, 5)))


def _read(file: t.BinaryIO, offset: int, size: int) -> bytes:
    if size > _MAX_SIZE or offset >= 1 << 62:
        raise _Unreadable("its section table is broken")
    file.seek(offset)
    content = file.read(size)
    if len(content) != size:
        raise _Unreadable("the file is truncated")
    return content


def _build_id(section: bytes) -> str:
    """Return the text of an ELF note: sizes of name and text and a type in 4 bytes each, the name ``Go`` in 4."""
    return _text(section[16:].rstrip(b"\0"))


def _parse(section: bytes) -> BuildInfo:
    start = section.find(_MAGIC)
    if start < 0 or len(section) < start + _HEADER:
        raise _Unreadable("its build info has no header")
    if not section[start + len(_MAGIC) + 1] & _INLINE:
        raise _Unreadable("it was built by Go 1.17 or earlier")
    go, position = _string(section, start + _HEADER)
    framed, _position = _string(section, position)
    return _build_info(_text(go), _text(framed[_SENTINEL:-_SENTINEL]))


def _string(section: bytes, position: int) -> tuple[bytes, int]:
    """Return the string at ``position`` and the position after it."""
    length = shift = 0
    for number in range(position, min(position + 10, len(section))):
        length |= (section[number] & 0x7F) << shift
        shift += 7
        if section[number] < 0x80:
            end = number + 1 + length
            if end <= len(section):
                return section[number + 1 : end], end
            break
    raise _Unreadable("its build info is incomplete")


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def _build_info(go: str, lines: str) -> BuildInfo:
    """Parse the lines of the module information; a main module that was replaced has no version."""
    package = module = version = ""
    settings = {}
    before = ""
    for line in lines.split("\n"):
        words = line.split("\t")
        if words[0] == "path" and len(words) == 2:
            package = words[1]
        elif words[0] == "mod" and len(words) >= 3:
            module, version = words[1], words[2]
        elif words[0] == "=>" and before == "mod":
            version = ""
        elif words[0] == "build" and len(words) == 2:
            name, _separator, value = words[1].partition("=")
            settings[name] = value
        before = words[0]
    if not go or not package:
        raise _Unreadable("it was built without modules")
    text = "".join(f"\n\t{line}" for line in lines.split("\n") if line)
    return BuildInfo(go, package, module, version, settings, go + text)
