# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the most demanding sample position in a workspace: a call across modules, else across packages.

It searches the sources with regular expressions, which is enough to find one sample; no command runs.
"""

from __future__ import annotations

import itertools
import os
import re
import typing as t

from ..._core.errors import DevserverError
from ..._host.files import read_text
from ..._protocols.lsp import Place
from ..._toolchain.modules_of_workspace import local_directories

# Limits of the search: a large workspace has a sample among its first files.
_MAX_FILES = 5000
_MAX_DIRECTORIES = 20000
_MAX_SIZE = 1024 * 1024
_SKIPPED = ("vendor", "testdata", "node_modules")
# Files that only some platforms or tags build: a server for this platform ignores them.
_CONSTRAINT = re.compile(r"^//(go:build| \+build) ", re.MULTILINE)
_PLATFORM = re.compile(r"_(aix|android|darwin|dragonfly|freebsd|illumos|ios|js|netbsd|openbsd|plan9|solaris|windows)")
_NO_CODE = re.compile(r"""//[^\n]*|/\*.*?(?:\*/|\Z)|"(?:\\.|[^"\\\n])*"?|`[^`]*`|'(?:\\.|[^'\\\n])*'?""", re.DOTALL)
_IMPORTS = re.compile(r"^import\s*(?:\(([^)]*)|([^\n(]+))", re.MULTILINE)
_IMPORT = re.compile(r"(?:^|[\s;(])(?:([\w.]+)\s+)?[\"`]([^\"`\n]+)[\"`]")
_FUNCTION = re.compile(r"^func\s+([A-Za-z_]\w*)\s*[\[(]", re.MULTILINE)
_MODULE = re.compile(r'^module\s+"?([^\s"]+)', re.MULTILINE)


class Use(t.NamedTuple):
    """A call at ``place`` of the function ``symbol``, declared in ``directory`` (empty if unknown).

    ``across`` is what separates the two: modules or packages, or package if both are in the same one.
    """

    place: Place
    symbol: str
    across: str = ""
    directory: str = ""


class _Module(t.NamedTuple):
    path: str
    directory: str
    # The directories of other modules that go.work or a replace directive uses as they are.
    linked: frozenset[str]


class _Source(t.NamedTuple):
    """One Go file; in ``code`` spaces replace comments and strings, so that offsets are the same as in ``text``."""

    file: str
    text: str
    code: str

    @property
    def functions(self) -> set[str]:
        return set(_FUNCTION.findall(self.code))


class _Package(t.NamedTuple):
    name: str
    module: _Module
    sources: t.Sequence[_Source]

    @property
    def exported(self) -> set[str]:
        return {name for source in self.sources for name in source.functions if name[0].isupper()}


def find_use(workspace: str, files: t.Collection[str] = ()) -> Use:
    """Return the best sample in a workspace, or in ``files`` (absolute) alone; raise DevserverError without one."""
    packages = _read_packages(workspace)
    best: Use | None = None
    for package in packages.values():
        for source in package.sources:
            if files and source.file not in files:
                continue
            best = min(filter(None, [best, *_find_calls(source, package, packages)]), key=_rank_use, default=None)
    if best is None:
        raise DevserverError(
            f"no function call found in {workspace}",
            expected="a directory with go.work or go.mod, and a call of a function that the workspace declares",
            remedy="correct workspace, or set files and symbol",
            workspace=workspace,
        )
    return best


def locate_symbol(file: str, symbol: str, line: int | None = None) -> Use:
    """Return the first place of ``symbol``, such as ``stock.NewShelf``, in a file or in one line of it."""
    text = read_source(file)
    pattern = re.compile(rf"(?<![\w.]){re.escape(symbol)}(?!\w)")
    for match in pattern.finditer(_blank_out(text)):
        place = _locate(file, text, match.end() - len(symbol.rpartition(".")[2]))
        if line in (None, place.line):
            return Use(place, symbol)
    where = f"line {line} of {file}" if line else file
    raise DevserverError(
        f"symbol {symbol} not found in {where}",
        expected="a name as the code spells it, such as fmt.Println, outside of comments and strings",
        remedy="correct symbol, line or files",
        file=file,
    )


def _rank_use(use: Use) -> tuple[int, bool, Place]:
    return ("modules", "packages", "package").index(use.across), use.place.file.endswith("_test.go"), use.place


def _find_calls(source: _Source, package: _Package, packages: t.Mapping[str, _Package]) -> t.Iterator[Use]:
    for name, path in _parse_imports(source.text):
        other = packages.get(path)
        if other is None or other is package:
            continue
        across = "packages" if other.module == package.module else "modules"
        if across == "modules" and other.module.directory not in package.module.linked:
            continue
        directory = os.path.dirname(other.sources[0].file)
        yield from _find_call(source, f"{name or other.name}.", other.exported, across, directory)
    names = {name for entry in package.sources for name in entry.functions}
    yield from _find_call(source, "", names, "package", os.path.dirname(source.file))


def _find_call(source: _Source, prefix: str, names: t.Collection[str], across: str, directory: str) -> t.Iterator[Use]:
    """Yield the first call of a function of ``names``, if there is one."""
    for match in re.finditer(rf"(?<![\w.]){re.escape(prefix)}(\w+)\s*[\[(]", source.code):
        declared = re.search(r"\bfunc\s*\Z", source.code[max(0, match.start() - 40) : match.start()])
        if match.group(1) in names and not declared:
            yield Use(_locate(source.file, source.text, match.start(1)), prefix + match.group(1), across, directory)
            return


def _locate(file: str, text: str, offset: int) -> Place:
    before = text[:offset]
    start = before.rfind("\n") + 1
    return Place(file, before.count("\n") + 1, len(before[start:].encode("utf-16-le", "surrogatepass")) // 2)


def _parse_imports(text: str) -> t.Iterator[tuple[str, str]]:
    """Yield name and path of each import of a file; the name is empty unless the file gives one."""
    code = _NO_CODE.sub(lambda match: match.group() if match.group()[0] in '"`' else " ", text)
    for block, single in _IMPORTS.findall(code):
        for name, path in _IMPORT.findall(block or single):
            if name not in ("_", "."):
                yield name, path


def _blank_out(text: str) -> str:
    return _NO_CODE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def read_source(file: str, largest: int = _MAX_SIZE) -> str:
    """Return the text of a file of at most ``largest`` bytes; raise DevserverError if it cannot be read."""
    text = read_text(file, largest=largest)
    if text is None:
        raise DevserverError(f"file {file} does not exist", expected="a file of the workspace", remedy="correct files")
    return text


def _read_packages(workspace: str) -> dict[str, _Package]:
    """Return the packages of a workspace by import path."""
    modules = _find_modules(workspace)
    packages: dict[str, _Package] = {}
    count = 0
    for module in modules:
        for directory, names in _walk_directories(module.directory):
            sources = list(filter(None, (_parse_file(os.path.join(directory, name)) for name in names)))
            count += len(sources)
            name = _parse_package_name(sources)
            if name:
                path = os.path.normpath(os.path.join(module.path, os.path.relpath(directory, module.directory)))
                packages[path] = _Package(name, module, sources)
            if count >= _MAX_FILES:
                return packages
    return packages


def _parse_package_name(sources: t.Sequence[_Source]) -> str:
    for source in sources:
        clause = re.search(r"^package\s+(\w+)", source.code, re.MULTILINE)
        if clause and not clause.group(1).endswith("_test"):
            return clause.group(1)
    return ""


def _parse_file(file: str) -> _Source | None:
    """Return a Go file without build constraints; None for any other file."""
    if not file.endswith(".go") or _PLATFORM.search(os.path.basename(file)):
        return None
    try:
        text = read_source(file)
    except DevserverError:
        return None
    return None if _CONSTRAINT.search(text) else _Source(file, text, _blank_out(text))


def _find_modules(workspace: str) -> list[_Module]:
    """Return the modules that a server loads together: those of go.work, else all below the workspace."""
    used = _read_linked(os.path.join(workspace, "go.work"))
    walked = _walk_directories(workspace, into_modules=True)
    modules = []
    for directory in sorted(used) or [directory for directory, names in walked if "go.mod" in names]:
        file = os.path.join(directory, "go.mod")
        name = _MODULE.search(read_text(file) or "")
        if name:
            modules.append(_Module(name.group(1), directory, frozenset(used | _read_linked(file))))
    return modules


def _read_linked(file: str) -> set[str]:
    text = read_text(file) or ""
    return {os.path.normpath(os.path.join(os.path.dirname(file), directory)) for directory in local_directories(text)}


def _walk_directories(top: str, *, into_modules: bool = False) -> t.Iterator[tuple[str, list[str]]]:
    """Yield each directory that Go searches, with the names of its files; other modules are left out by default."""
    for directory, below, names in itertools.islice(os.walk(top), _MAX_DIRECTORIES):
        if "go.mod" in names and directory != top and not into_modules:
            below.clear()
            continue
        below[:] = sorted(name for name in below if name[0] not in "._" and name not in _SKIPPED)
        yield directory, sorted(names)
