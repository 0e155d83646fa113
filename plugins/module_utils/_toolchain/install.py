# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installs the requested toolchains and links: validates everything, fetches everything, then switches."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from .._core.errors import DevserverError
from .._core.redaction import redacted
from .._host import symlinks
from .._host.destinations import GO_PROGRAM, GO_TREE, check_own_directory, check_path, check_shared_directory
from .._host.files import Changes, remove, sync_filesystem
from .._host.path_names import is_below
from .fetch import check_timeout
from .filelist import Differences, digest_of, dump
from .in_use import await_exit, find_processes
from .platform import Platform
from .releases import load_pins, resolve_versions
from .requirements import version_key
from .sources import Obtained, Offer, Release, list_offers, obtain, unpack, validate_bases
from .staging import note_leftovers
from .store import InstallRecord, Staged, Store, find_fault

# The variables of the options, as messages name them.
_VARIABLES = {
    "root": "devserver_toolchain_root (root)",
    "bin_dir": "devserver_bin_dir (bin_dir)",
    "link": "devserver_goroot (link)",
}


@dataclasses.dataclass(frozen=True)
class ToolchainRequest:
    """What the user declares: versions as requested, where they go, and where they may come from.

    ``default`` is None for the first of the versions. ``bases`` gives each source its location, empty for none.
    ``timeout`` is the seconds a server may stay silent. ``exclusive`` removes what was installed here, is not among
    the versions and is not in use; ``verify`` compares every file of installed trees and replaces one that was edited.
    """

    versions: t.Sequence[str]
    default: str | None
    root: str
    link: str
    bin_dir: str
    order: t.Sequence[str]
    bases: t.Mapping[str, str]
    checksums: t.Mapping[str, t.Any]
    timeout: float
    exclusive: bool = False
    verify: bool = False

    def version_link(self, version: str) -> tuple[str, str]:
        """Return the link by which a version is found, and its target."""
        return os.path.join(self.bin_dir, f"go{version}"), os.path.join(self.root, version, "bin", "go")


@dataclasses.dataclass(frozen=True)
class _Expected:
    """A valid request, with every version resolved."""

    requested: dict[str, str]
    releases: list[Release]
    bases: dict[str, str]
    default: str
    links: dict[str, str]


@dataclasses.dataclass(frozen=True)
class _ToolchainPlan:
    """How the host differs from what is expected.

    The removal of the obsolete trees is added to ``changes`` when it is known which of them are in use.
    """

    present: dict[str, InstallRecord]
    leftovers: list[str]
    altered: dict[str, Differences]
    missing: dict[Release, list[Offer]]
    links: list[symlinks.Link]
    obsolete: list[InstallRecord]
    changes: Changes


class _Applied(t.NamedTuple):
    """A plan and its result; ``in_use`` are the obsolete versions that stay, with the processes that run them."""

    plan: _ToolchainPlan
    installed: dict[str, InstallRecord]
    in_use: dict[str, list[int]]


def install_toolchains(request: ToolchainRequest, platform: Platform, *, check: bool) -> dict[str, t.Any]:
    """Install what is missing, switch the links, and return the module's result; with ``check`` change nothing.

    Raises DevserverError with the host unchanged, unless the filesystem itself fails while links are switched.
    """
    expected = _resolve(request, platform)
    store = Store(request.root)
    try:
        plan, installed, in_use = _apply(request, expected, store, check)
    except OSError as error:
        raise _unusable(error, request) from error
    toolchains = [_toolchain(version, expected, store, plan, installed) for version in expected.requested]
    return dict(
        plan.changes.result(),
        toolchains=toolchains,
        default={"version": expected.default, "path": store.path(expected.default), "link": request.link},
        removed=[record.version for record in plan.obsolete if record.version not in in_use],
        in_use=list(in_use),
        moved_aside=[{"path": link.path, "to": link.aside} for link in plan.links if link.aside],
        warnings=[_in_use_warning(store.path(version), processes) for version, processes in in_use.items()],
    )


def _in_use_warning(tree: str, processes: t.Sequence[int]) -> str:
    numbers = ", ".join(map(str, processes))
    return f"{tree} is not removed while programs in it run (process {numbers}); a later run removes it"


def _apply(request: ToolchainRequest, expected: _Expected, store: Store, check: bool) -> _Applied:
    plan = _plan(request, expected, store)
    if check or not (plan.changes or plan.obsolete):
        return _Applied(plan, {}, _note_removals(plan, store, find_processes))
    with store.locked():
        # Another run may have done the work while this one waited.
        plan = _plan(request, expected, store)
        for leftover in plan.leftovers:
            remove(leftover)
        installed = _install(plan.missing, store, request.timeout)
        for link in plan.links:
            link.make()
        for record in plan.obsolete:
            _unlink(record.version, request)
        in_use = _note_removals(plan, store, await_exit)
        for record in plan.obsolete:
            if record.version not in in_use:
                store.discard(record.version)
    return _Applied(plan, installed, in_use)


def _unlink(version: str, request: ToolchainRequest) -> None:
    link, target = request.version_link(version)
    if symlinks.is_link_to(link, target):
        os.unlink(link)


def _note_removals(
    plan: _ToolchainPlan, store: Store, find_processes: t.Callable[[t.Sequence[str]], t.Mapping[str, list[int]]]
) -> dict[str, list[int]]:
    """Note the removal of the obsolete trees that are not in use; return the versions that are, with their processes.

    Call it when no link leads there any more: otherwise a go could be started from a tree that is being removed.
    """
    processes = find_processes([store.path(record.version) for record in plan.obsolete])
    in_use = {}
    for record in plan.obsolete:
        path = store.path(record.version)
        if path in processes:
            in_use[record.version] = processes[path]
        else:
            plan.changes.add(path, f"go{record.version} {record.platform}\n", "")
    return in_use


def _resolve(request: ToolchainRequest, platform: Platform) -> _Expected:
    check_timeout("devserver_toolchain_timeout (timeout)", request.timeout)
    _check_paths(request)
    known = load_pins(platform.archive, request.checksums)
    requested, default = resolve_versions(request.versions, request.default, known, platform.archive)
    expected = [Release(version, platform, known[version]) for version in requested]
    links = dict(request.version_link(version) for version in requested)
    links[request.link] = os.path.join(request.root, default)
    for program in ("go", "gofmt"):
        links[os.path.join(request.bin_dir, program)] = os.path.join(request.link, "bin", program)
    if len(links) < len(requested) + 3:
        raise DevserverError(
            f"devserver_goroot (link) is {request.link}, the path of a program's link in devserver_bin_dir (bin_dir)",
            expected="a path outside devserver_bin_dir, such as /usr/local/go",
            remedy="correct devserver_goroot (link) or devserver_bin_dir (bin_dir)",
        )
    return _Expected(requested, expected, validate_bases(request.bases), default, links)


def _check_paths(request: ToolchainRequest) -> None:
    paths = {"root": request.root, "bin_dir": request.bin_dir}
    for name, path in {**paths, "link": request.link}.items():
        check_path(_VARIABLES[name], path)
    for name, path in paths.items():
        if path == request.link or is_below(path, request.link):
            raise DevserverError(
                f"{_VARIABLES[name]} is {path}, inside devserver_goroot (link) {request.link}",
                expected="a path outside the link, whose place a real directory may have to leave",
                remedy=f"correct {_VARIABLES[name]} or devserver_goroot (link)",
            )
    for name in ("bin_dir", "link"):
        _check_outside_trees(name, getattr(request, name), request.root)
    try:
        check_own_directory(_VARIABLES["root"], request.root)
        check_shared_directory(_VARIABLES["bin_dir"], request.bin_dir)
        check_shared_directory(_VARIABLES["link"], os.path.dirname(request.link))
    except OSError as error:
        raise _unusable(error, request) from error


def _check_outside_trees(name: str, path: str, root: str) -> None:
    """Reject a path that is the tree of a version or in one: it would be replaced together with the tree."""
    directory, last = os.path.split(path)
    # The link itself leads into a tree; its directory must not.
    real = os.path.realpath(path) if name == "bin_dir" else os.path.join(os.path.realpath(directory), last)
    inside = os.path.relpath(real, os.path.realpath(root)).split(os.sep)[0]
    if _is_version(inside):
        raise DevserverError(
            f"{_VARIABLES[name]} is {path}, inside {os.path.join(root, inside)}, the tree of Go {inside}",
            expected="a path outside the trees of the versions",
            remedy=f"correct {_VARIABLES[name]} or devserver_toolchain_root (root)",
        )


def _is_version(name: str) -> bool:
    try:
        return bool(version_key(name))
    except ValueError:
        return False


def _plan(request: ToolchainRequest, expected: _Expected, store: Store) -> _ToolchainPlan:
    present, altered = _inspect(request, expected, store)
    missing = {r: list_offers(r, request.order, expected.bases) for r in expected.releases if r.version not in present}
    for release in missing:
        store.check_place(release.version)
    unlisted = [record for record in store.installed() if record.version not in expected.requested]
    leftovers = store.leftovers()
    for record in unlisted:
        leftovers += symlinks.find_leftovers(request.version_link(record.version)[0])
    links = [link for link in (_look(request, *ends) for ends in expected.links.items()) if link.pending]
    obsolete = unlisted if request.exclusive else []
    plan = _ToolchainPlan(present, leftovers, altered, missing, links, obsolete, Changes())
    _note_changes(plan, request, store)
    return plan


def _note_changes(plan: _ToolchainPlan, request: ToolchainRequest, store: Store) -> None:
    note_leftovers(plan.leftovers, plan.changes)
    for release in plan.missing:
        before = _describe_tree(store.path(release.version), plan.altered.get(release.version))
        plan.changes.add(store.path(release.version), before, f"go{release.version} {release.platform.archive}\n")
    for link in plan.links:
        link.note(plan.changes)
    for record in plan.obsolete:
        path, target = request.version_link(record.version)
        if symlinks.is_link_to(path, target):
            plan.changes.add(path, f"link to {target}\n", "")


def _look(request: ToolchainRequest, path: str, target: str) -> symlinks.Link:
    of_tree = path == request.link
    link = symlinks.inspect_link(path, target, GO_TREE if of_tree else GO_PROGRAM)
    link.check(_VARIABLES["link" if of_tree else "bin_dir"])
    return link


def _inspect(
    request: ToolchainRequest, expected: _Expected, store: Store
) -> tuple[dict[str, InstallRecord], dict[str, Differences]]:
    """Return the toolchains that may stay, and the differences of those whose files were edited."""
    present, altered = {}, {}
    for release in expected.releases:
        record = store.present(release.version, release.platform)
        differences = store.differences(record) if record and request.verify else None
        if differences and differences.total:
            altered[release.version] = differences
        elif record:
            present[release.version] = record
    return present, altered


def _describe_tree(tree: str, altered: Differences | None) -> str:
    if altered:
        return altered.text()
    return "not a complete Go of this version\n" if os.path.lexists(tree) else ""


def _install(missing: t.Mapping[Release, list[Offer]], store: Store, timeout: float) -> dict[str, InstallRecord]:
    """Fetch and verify everything that is missing before the first toolchain is moved to its place."""
    if not missing:
        return {}
    with store.stage() as stage:
        ready = []
        for release, candidates in missing.items():
            directory = os.path.join(stage, release.version)
            os.mkdir(directory)
            ready.append(_stage(release, candidates, directory, timeout))
        sync_filesystem(stage)
        for staged in ready:
            store.put(staged)
    return {staged.record.version: staged.record for staged in ready}


def _stage(release: Release, candidates: t.Sequence[Offer], directory: str, timeout: float) -> Staged:
    archive, tree = os.path.join(directory, "archive"), os.path.join(directory, "tree")
    obtained = obtain(release, candidates, archive, timeout=timeout)
    os.mkdir(tree)
    files = unpack(release, obtained.offer, archive, tree)
    os.unlink(archive)
    _check_tree(tree, release, obtained.offer)
    text = dump(files)
    staged = Staged(tree, text, _new_record(release, obtained, digest_of(text)))
    staged.write()
    return staged


def _check_tree(tree: str, release: Release, offer: Offer) -> None:
    reason = find_fault(tree, release.version, release.platform)
    if reason:
        raise DevserverError(
            f"{redacted(offer.location)} from {offer.source} is not Go {release.version} for this host: {reason}",
            expected=f"go version reports go{release.version} {release.platform.reported}",
            remedy="correct the archive or devserver_toolchain_checksums (checksums); if its go could not be started, "
            "choose a devserver_toolchain_root (root) that is not mounted noexec",
        )


def _new_record(release: Release, obtained: Obtained, files: str) -> InstallRecord:
    offer = obtained.offer
    location = redacted(offer.location)
    return InstallRecord(
        release.version, release.platform.archive, offer.source, location, offer.digest, obtained.size, files
    )


def _toolchain(
    version: str,
    expected: _Expected,
    store: Store,
    plan: _ToolchainPlan,
    installed: t.Mapping[str, InstallRecord],
) -> dict[str, t.Any]:
    present, altered = plan.present.get(version), plan.altered.get(version)
    record = present or installed.get(version)
    return {
        "version": version,
        "requested": expected.requested[version],
        "path": store.path(version),
        "status": "present" if present else "installed" if record else "would_install",
        **{name: getattr(record, name, None) for name in ("source", "location", "digest", "bytes")},
        "altered": altered.result() if altered else None,
    }


def _unusable(error: OSError, request: ToolchainRequest) -> DevserverError:
    path = error.filename or request.root
    return DevserverError(
        f"cannot use {path}: {error.strerror}",
        expected="a path that this user can write to, with about 400 MB of free space for each version",
        remedy="set become: true, or choose another devserver_toolchain_root (root), devserver_goroot (link) or"
        " devserver_bin_dir (bin_dir)",
        path=path,
    )
