# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepares the modules of a workspace: go.work, the module cache, and on request the build cache.

What is prepared is remembered by the content of the module files and the module cache that has them, in a stamp in the
user's own cache. A later run with the same content needs no network.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import json
import os
import re
import typing as t

from .._core.errors import DevserverError
from .._core.redaction import without_secrets
from .._environment.go_command import first_error
from .._environment.workspace_entry import WorkspaceEntry
from .._host.command import Completed
from .._host.files import Changes, numbered_lines, read_text_or_empty, replacing, unlink, write_text
from .._host.path_names import is_below
from .._host.user_access import call_as
from .._toolchain.modules_of_workspace import MODULE_FILES, TooLargeError, local_directories, read_workspace
from .._toolchain.store import ToolchainStore, version_named
from .._toolchain.workspaces import AvailableGo, mismatches_as
from .programs import UserPrograms

_MISMATCH = re.compile(
    r"verifying (?P<module>[^\s@]+@[^\s:/]+)(?:/go\.mod)?: checksum mismatch"
    r"\s+downloaded: +(?P<downloaded>\S+)\s+\S+: +(?P<sum>\S+)"
)
# Characters of the output of go that are searched, and lines without a module that are reported.
_LONGEST, _MOST_PROBLEMS = 100_000, 5
# Modules with a wrong checksum that are repaired in one run.
_MOST_REPAIRS = 50


class ModuleFiles(t.NamedTuple):
    """The texts of the module files of a workspace by path, and its directories that have a vendor directory.

    ``cache`` identifies the module cache; ``outside`` are files that are links out of the workspace.
    """

    top: str
    texts: t.Mapping[str, str]
    vendored: t.Sequence[str]
    cache: int
    outside: t.Sequence[str]


class Modules:
    """The modules of one workspace."""

    def __init__(
        self, programs: UserPrograms, entry: WorkspaceEntry, params: t.Mapping[str, t.Any], warnings: list[str]
    ) -> None:
        self._programs = programs
        self._account = programs.user.account
        self._entry = entry
        self._warnings = warnings
        self._root = params["toolchain_root"]
        goroot = os.path.join(self._root, entry.go) if entry.go else params["goroot"]
        self._go = os.path.join(goroot, "bin/go")
        self._version = version_named(os.path.realpath(goroot)) if os.path.exists(self._go) else None
        self._where = f"the workspace {entry.path} of user {self._account.name}"

    def converge(self, changes: Changes, is_tracked: t.Callable[[str], bool], *, check: bool) -> None:
        """Prepare the modules; with ``check`` only add what that would change.

        Raises DevserverError for modules that cannot be downloaded.
        """
        files = self._read()
        if not files.texts and not self._entry.modules:
            return
        if self._version is None and not check:
            raise DevserverError(
                f"{self._where} cannot be prepared: {self._go} is not installed",
                expected="one of devserver_go_versions",
                remedy=f"add {self._entry.go or 'a version'} to devserver_go_versions",
            )
        lost = functools.partial(_lost_directories, files)
        problems = [*self._wrong_versions(), *call_as(self._account, lost)] if self._version else []
        problems = [f"{path} is a link out of the workspace" for path in files.outside] or problems
        if problems:
            # Go would fail, or download another Go.
            self._warnings += [f"{self._where}: its modules are not prepared: {problem}" for problem in problems]
            return
        words = self._work_command(files, is_tracked)
        if words:
            changes.add(os.path.join(files.top, "go.work"), "", f"{' '.join(words)}\n")
            if not check:
                self._succeed(self._run(files.top, *words), "go.work cannot be made")
                files = self._read()
        stamp = self._stamp()
        before, after = call_as(self._account, functools.partial(read_text_or_empty, stamp)), self._digest(files)
        if before == after and not words:
            return
        changes.add(f"modules of {self._entry.path}", "not prepared\n", "prepared\n")
        if not check:
            self._download(files, changes)
            self._warm_up(files)
            # A repair has changed them.
            text = self._digest(self._read())
            call_as(self._account, functools.partial(_write_stamp, stamp, text))

    def _read(self) -> ModuleFiles:
        variables = self._programs.user.variables
        gopath = variables.get("GOPATH") or os.path.join(self._account.home, "go")
        cache = variables.get("GOMODCACHE") or os.path.join(gopath.split(":")[0], "pkg/mod")
        return ModuleFiles(*call_as(self._account, functools.partial(_read_files, self._entry, cache)))

    def _run(self, directory: str, *words: str, low_priority: bool = False) -> Completed:
        return self._programs.run(directory, [self._go, *words], env={}, low_priority=low_priority)

    def _wrong_versions(self) -> list[str]:
        versions = [record.version for record in ToolchainStore(self._root).records()]
        variables = self._programs.user.variables
        available = AvailableGo(versions, self._version, variables.get("GOTOOLCHAIN", ""))
        wrong = mismatches_as(self._account, [self._entry.path], available, None, variables.get("GOWORK", ""))
        return [
            f"{entry.file}{f':{entry.line}' if entry.line else ''}: {entry.cause}"
            f"{f' {entry.required}, the Go here is {self._version}' if entry.required else ''}."
            f" To fix this: {entry.remedy}"
            for entry in wrong
        ]

    def _work_command(self, files: ModuleFiles, is_tracked: t.Callable[[str], bool]) -> list[str]:
        """Return the arguments of go that add the declared modules to go.work; none if it has them."""
        modules = list(self._entry.modules)
        path = os.path.join(files.top, "go.work")
        text = files.texts.get(path)
        if text is None:
            return ["work", "init", *(f"./{module}" for module in modules)] if modules not in ([], ["."]) else []
        used = {os.path.normpath(name) for name in local_directories(text)}
        missing = [module for module in modules if module not in used]
        if missing and is_tracked("go.work"):
            self._warnings.append(
                f"{self._where}: go.work does not use {', '.join(missing)}, and stays as it is, because it is under"
                f" version control. To fix this: run 'go work use {missing[0]}' in it, or correct modules"
            )
            return []
        return ["work", "use", *(f"./{module}" for module in missing)] if missing else []

    def _stamp(self) -> str:
        name = hashlib.sha256(self._entry.path.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        return os.path.join(self._account.home, ".cache/gopherops", f"workspace-{name}")

    def _digest(self, files: ModuleFiles) -> str:
        flags = self._programs.user.variables.get("GOFLAGS", "")
        described = [self._version, flags, self._entry.modules, self._entry.warm_up, sorted(files.texts.items())]
        return hashlib.sha256(json.dumps([*described, files.vendored, files.cache]).encode()).hexdigest()

    def _download(self, files: ModuleFiles, changes: Changes) -> None:
        has_work = os.path.join(files.top, "go.work") in files.texts
        for directory in [files.top] if has_work or not self._entry.modules else self._directories(files):
            if directory in files.vendored:
                completed = self._run(directory, "list", "-mod=vendor", "./...")
                if "inconsistent vendoring" in completed.stderr:
                    self._warnings.append(
                        f"{self._where}: {directory}/vendor does not match go.mod, so builds fail:"
                        f" {first_error(completed)}. To fix this: run 'go {'work' if has_work else 'mod'} vendor' in it"
                    )
                continue
            self._download_into_cache(directory, files, changes)

    def _directories(self, files: ModuleFiles) -> list[str]:
        return [os.path.normpath(os.path.join(files.top, module)) for module in self._entry.modules]

    def _download_into_cache(self, directory: str, files: ModuleFiles, changes: Changes) -> None:
        """Download modules, and leave go.sum as it is, to which go adds lines."""
        completed = self._run(directory, "mod", "download")
        for _number in range(_MOST_REPAIRS):
            mismatch = _MISMATCH.search(completed.stderr[:_LONGEST])
            if completed.ok or mismatch is None or not self._entry.repair_checksums:
                break
            path, lines = call_as(self._account, functools.partial(self._lines_of, mismatch["module"], files))
            call_as(self._account, functools.partial(_drop_lines, path, lines))
            self._succeed(self._run(os.path.dirname(path), "mod", "download", mismatch["module"]), path)
            changes.add(
                path, f"{mismatch['module']} {mismatch['sum']}\n", f"{mismatch['module']} {mismatch['downloaded']}\n"
            )
            files = self._read()
            completed = self._run(directory, "mod", "download")
        kept = {path: files.texts.get(path) for path in {**files.texts, os.path.join(directory, "go.sum"): ""}}
        changed = call_as(self._account, functools.partial(_restore_sums, kept))
        mismatch = _MISMATCH.search(completed.stderr[:_LONGEST])
        if mismatch:
            raise self._checksum_error(mismatch, files)
        self._succeed(completed, "its modules cannot be downloaded")
        for path in changed:
            self._warnings.append(f"{self._where}: {path} is incomplete. To fix this: run 'go mod tidy', and commit it")

    def _lines_of(self, module: str, files: ModuleFiles) -> tuple[str, list[int]]:
        """Return the file that has the checksums of a module, and the numbers of its lines."""
        name, _at, version = module.partition("@")
        for path, text in files.texts.items():
            lines = [
                n
                for n, line in numbered_lines(text)
                if line.split()[:2] in ([name, version], [name, f"{version}/go.mod"])
            ]
            if lines and path.endswith(".sum"):
                return path, lines
        return os.path.join(files.top, "go.sum"), []

    def _checksum_error(self, mismatch: re.Match[str], files: ModuleFiles) -> DevserverError:
        path, lines = call_as(self._account, functools.partial(self._lines_of, mismatch["module"], files))
        return DevserverError(
            f"{self._where}: {path}{f':{lines[0]}' if lines else ''}: the checksum of {mismatch['module']} is"
            f" {mismatch['sum']}, and that of the downloaded module is {mismatch['downloaded']}",
            expected="the same module as the one that was used when go.sum was written",
            remedy="find out whether the version was published twice, or the proxy or the line is wrong; to replace the"
            " line by what is downloaded, set repair_checksums: true for this workspace",
            path=path,
            line=lines[0] if lines else None,
        )

    def _succeed(self, completed: Completed, problem: str) -> None:
        if completed.ok:
            return
        reason = first_error(completed)
        remedy = f"run 'go {' '.join(completed.argv[1:])}' in it as this user, and correct what it reports"
        if re.search(r"\b(404|410)\b|terminal prompts disabled|could not read Username", completed.stderr):
            remedy = (
                "declare GOPRIVATE in devserver_variables for private modules, and give the user access to their"
                " repositories (.netrc, or a key of ssh)"
            )
        raise DevserverError(f"{self._where}: {problem}: {reason}", remedy=completed.extend_remedy(remedy))

    def _warm_up(self, files: ModuleFiles) -> None:
        """Build and vet packages, so that the first debug session does not; a program that is wrong is no failure.

        Without -buildvcs=false, go would run hg or svn where the repository contains a .hg or .svn.
        """
        packages = self._entry.warm_up
        for words in (["build", "-buildvcs=false", "-o", "/dev/null"], ["vet"]) if packages else ():
            completed = self._run(files.top, *words, *packages, low_priority=True)
            if not completed.ok:
                self._warnings.append(f"{self._where}: 'go {words[0]}' in advance failed: {first_error(completed)}")


def _read_files(entry: WorkspaceEntry, cache: str) -> tuple[str, dict[str, str], list[str], int, list[str]]:
    """Return the fields of ModuleFiles, without texts for a directory that is no workspace."""
    top, texts, inode = os.path.realpath(entry.path), {}, 0
    try:
        texts = read_workspace(top).files
    except TooLargeError:
        raise
    except DevserverError:
        pass
    directories = dict.fromkeys(os.path.dirname(path) for path in texts)
    vendored = [path for path in directories if os.path.isfile(os.path.join(path, "vendor/modules.txt"))]
    with contextlib.suppress(OSError):
        inode = os.stat(os.path.join(cache, "cache/download")).st_ino
    within = dict.fromkeys([top, *(os.path.normpath(os.path.join(top, name)) for name in entry.modules), *directories])
    paths = (os.path.join(place, name) for place in within if is_below(f"{place}/x", top) for name in MODULE_FILES)
    return top, texts, vendored, inode, [path for path in paths if not is_below(os.path.realpath(path), top)]


def _lost_directories(files: ModuleFiles) -> list[str]:
    """Return the first lines ``use`` and ``replace`` whose directories are no modules."""
    return list(itertools.islice(_each_lost_directory(files), _MOST_PROBLEMS))


def _each_lost_directory(files: ModuleFiles) -> t.Iterator[str]:
    for path, text in files.texts.items():
        for name in dict.fromkeys(local_directories(text) if not path.endswith(".sum") else ()):
            if os.path.normpath(os.path.join(os.path.dirname(path), name, "go.mod")) not in files.texts:
                line = next((number for number, content in numbered_lines(text) if name in content), 0)
                yield f"{path}:{line}: {without_secrets(name)} has no go.mod. To fix this: correct the line"


def _restore_sums(texts: t.Mapping[str, str | None]) -> list[str]:
    """Restore the go.sum files that have other texts by now, and return their paths."""
    changed = [
        path for path, text in texts.items() if path.endswith("/go.sum") and read_text_or_empty(path) != (text or "")
    ]
    for path in changed:
        text = texts[path]
        if text is None:
            unlink(path)
        else:
            _write(path, text)
    return changed


def _drop_lines(path: str, numbers: t.Sequence[int]) -> None:
    kept = [line for number, line in numbered_lines(read_text_or_empty(path)) if number not in numbers]
    _write(path, "".join(f"{line}\n" for line in kept))


def _write_stamp(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with replacing(path, mode=0o600) as file:
        file.write(text.encode())


def _write(path: str, text: str) -> None:
    write_text(path, text, mode=0o644, uid=os.geteuid(), gid=os.getegid())
