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
from .._host.destinations import GO_PROGRAM, GO_TREE
from .._host.files import Changes, remove, sync_filesystem
from .checksum_database import Verifier
from .filelist import Differences, digest_of, dump
from .in_use import await_exit, find_processes
from .platform import Platform
from .request import VARIABLES, ExpectedToolchains, ToolchainRequest, resolve_request, unusable
from .sources import Offer, Release, check_directories, list_offers, obtain, unpack
from .staging import note_leftovers
from .store import InstallRecord, Staged, ToolchainStore, find_fault, own_places


@dataclasses.dataclass(frozen=True)
class _ToolchainPlan:
    """How the host differs from what is expected.

    ``changes`` has the removed trees only after ``_note_removals``: those that are in use stay.
    """

    present: dict[str, InstallRecord]
    leftovers: list[str]
    altered: dict[str, Differences]
    missing: dict[Release, list[Offer]]
    links: list[symlinks.Link]
    removed: list[InstallRecord]
    changes: Changes


class _Applied(t.NamedTuple):
    """A plan and its result; ``in_use`` are the removed versions that processes, by ID, still run."""

    plan: _ToolchainPlan
    installed: dict[str, InstallRecord]
    in_use: dict[str, list[int]]


def install_toolchains(request: ToolchainRequest, platform: Platform, *, check: bool) -> dict[str, t.Any]:
    """Install what is missing, switch the links, and return the module's result; with ``check`` change nothing.

    Raises DevserverError with the host unchanged, unless the filesystem itself fails while links are switched.
    """
    expected = resolve_request(request, platform)
    store = ToolchainStore(request.root)
    try:
        plan, installed, in_use = _apply(request, expected, store, check)
    except OSError as error:
        raise unusable(error, request) from error
    _note_removals(plan, store, in_use)
    toolchains = [_describe_toolchain(version, expected, store, plan, installed) for version in expected.requested]
    return dict(
        plan.changes.result(),
        toolchains=toolchains,
        default={"version": expected.default, "path": store.path(expected.default), "link": request.link},
        removed=[record.version for record in plan.removed if record.version not in in_use],
        in_use=list(in_use),
        moved_aside=[{"path": link.path, "to": link.aside} for link in plan.links if link.aside],
        warnings=[
            *(
                f"{link.path} is moved aside to {link.aside}; a removal restores it"
                for link in plan.links
                if link.aside
            ),
            *(in_use_warning(store.path(version), processes) for version, processes in in_use.items()),
        ],
    )


def in_use_warning(tree: str, processes: t.Sequence[int]) -> str:
    """Return the warning about a tree that stays because ``processes`` run programs in it."""
    numbers = ", ".join(map(str, processes))
    return f"{tree} is not removed while programs in it run (process {numbers}); a later run removes it"


def _apply(request: ToolchainRequest, expected: ExpectedToolchains, store: ToolchainStore, check: bool) -> _Applied:
    plan = _plan(request, expected, store)
    if check or not (plan.changes or plan.removed):
        return _Applied(plan, {}, _find_in_use(plan, store, find_processes))
    with store.locked():
        # Another run may have done the work while this one waited.
        plan = _plan(request, expected, store)
        for leftover in plan.leftovers:
            remove(leftover)
        installed = _install(request, plan.missing, store)
        for link in plan.links:
            link.make()
        for record in plan.removed:
            _unlink(record.version, request)
        in_use = _find_in_use(plan, store, await_exit)
        for record in plan.removed:
            if record.version not in in_use:
                store.discard(record.version)
    return _Applied(plan, installed, in_use)


def _unlink(version: str, request: ToolchainRequest) -> None:
    link, target = request.version_link(version)
    if symlinks.is_link_to(link, target):
        os.unlink(link)


def _find_in_use(
    plan: _ToolchainPlan, store: ToolchainStore, find: t.Callable[[t.Sequence[str]], t.Mapping[str, list[int]]]
) -> dict[str, list[int]]:
    """Return the removed versions that are in use, with the IDs of their processes.

    Before a removal, call it after the links were removed: otherwise a go could be started from a tree that is being
    removed.
    """
    trees = {record.version: store.path(record.version) for record in plan.removed}
    processes = find(list(trees.values()))
    return {version: processes[tree] for version, tree in trees.items() if tree in processes}


def _note_removals(plan: _ToolchainPlan, store: ToolchainStore, in_use: t.Container[str]) -> None:
    for record in plan.removed:
        if record.version not in in_use:
            plan.changes.add(store.path(record.version), f"go{record.version} {record.platform}\n", "")


def _plan(request: ToolchainRequest, expected: ExpectedToolchains, store: ToolchainStore) -> _ToolchainPlan:
    present, altered = _inspect_trees(request, expected, store)
    missing = {
        release: list_offers(release, request.order, expected.bases)
        for release in expected.releases
        if release.version not in present
    }
    for release, offers in missing.items():
        store.check_place(release.version)
        check_directories(release, offers, expected.bases)
    if missing and all(map(_needs_verifier, missing.values())):
        _reject_missing_verifier(missing, store)
    unlisted = [record for record in store.records() if record.version not in expected.requested]
    leftovers = store.leftovers()
    for record in unlisted:
        leftovers += symlinks.find_leftovers(request.version_link(record.version)[0])
    own_paths = own_places([request.root, *request.earlier_roots], [request.link, *request.earlier_links])
    links = [_inspect_link(request, path, target, own_paths) for path, target in expected.links.items()]
    removed = [record for record in unlisted if request.exclusive or record.version in request.absent]
    pending = [link for link in links if link.pending]
    plan = _ToolchainPlan(present, leftovers, altered, missing, pending, removed, Changes())
    _note_changes(plan, request, store)
    return plan


def _note_changes(plan: _ToolchainPlan, request: ToolchainRequest, store: ToolchainStore) -> None:
    note_leftovers(plan.leftovers, plan.changes)
    for release in plan.missing:
        before = _describe_tree(store.path(release.version), plan.altered.get(release.version))
        plan.changes.add(store.path(release.version), before, f"go{release.version} {release.platform.archive}\n")
    for link in plan.links:
        link.note(plan.changes)
    for record in plan.removed:
        path, target = request.version_link(record.version)
        if symlinks.is_link_to(path, target):
            plan.changes.add(path, f"link to {target}\n", "")


def _inspect_link(request: ToolchainRequest, path: str, target: str, own_paths: t.Collection[str]) -> symlinks.Link:
    """Return the state of a link; raise DevserverError for something in its place that must not be replaced."""
    if path == request.link:
        option, replaceable = "link", GO_TREE
    else:
        option, replaceable = "bin_dir", GO_PROGRAM
    link = symlinks.inspect_link(path, target, replaceable, own_paths)
    link.check(VARIABLES[option])
    return link


def _inspect_trees(
    request: ToolchainRequest, expected: ExpectedToolchains, store: ToolchainStore
) -> tuple[dict[str, InstallRecord], dict[str, Differences]]:
    """Return the toolchains that may stay, and the differences of those whose files were edited."""
    present, altered = {}, {}
    for release in expected.releases:
        record = store.intact_record(release.version, release.platform)
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


def _needs_verifier(offers: t.Sequence[Offer]) -> bool:
    """Return whether only the checksum database verifies the offers."""
    return not any(offer.digest for offer in offers)


def _reject_missing_verifier(missing: t.Iterable[Release], store: ToolchainStore) -> None:
    release = next(iter(missing))
    if not store.newest_go(release.platform):
        raise DevserverError(
            f"there is no go on this host to verify Go {release.version} by the checksum database",
            expected="an installed Go, or one with a pin that the same run installs",
            remedy="add a version that the collection knows to devserver_go_versions (versions), or declare the digest"
            f" of {release.version} in devserver_toolchain_checksums (checksums)",
        )


def _install(
    request: ToolchainRequest, missing: t.Mapping[Release, list[Offer]], store: ToolchainStore
) -> dict[str, InstallRecord]:
    """Fetch and verify everything that is missing before the first toolchain is moved to its place."""
    if not missing:
        return {}
    with store.stage() as stage:
        ready: list[Staged] = []
        # Those with a pin first: they can verify the others.
        for release, candidates in sorted(missing.items(), key=lambda item: _needs_verifier(item[1])):
            directory = os.path.join(stage, release.version)
            os.mkdir(directory)
            go = os.path.join(ready[0].tree, "bin/go") if ready else store.newest_go(release.platform)
            verifier = Verifier(go, request.checksum_database, request.timeout)
            ready.append(_stage(release, candidates, directory, verifier))
        sync_filesystem(stage)
        for staged in ready:
            store.put(staged)
    return {staged.record.version: staged.record for staged in ready}


def _stage(release: Release, candidates: t.Sequence[Offer], directory: str, verifier: Verifier) -> Staged:
    archive, tree = os.path.join(directory, "archive"), os.path.join(directory, "tree")
    offer, size = obtain(release, candidates, archive, timeout=verifier.timeout, verifier=verifier)
    os.mkdir(tree)
    text = dump(unpack(release, offer, archive, tree))
    os.unlink(archive)
    _check_tree(tree, release, offer)
    location, platform = redacted(offer.location), release.platform.archive
    record = InstallRecord(release.version, platform, offer.source, location, offer.digest, size, digest_of(text))
    staged = Staged(tree, text, record)
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


def _describe_toolchain(
    version: str,
    expected: ExpectedToolchains,
    store: ToolchainStore,
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
