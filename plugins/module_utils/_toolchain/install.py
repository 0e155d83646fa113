# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the wanted toolchains and links onto the host: judge everything, fetch everything, then switch."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.redaction import redacted
from ansible_collections.gopherops.devserver.plugins.module_utils._host import symlinks
from ansible_collections.gopherops.devserver.plugins.module_utils._host.destinations import (
    GO_PROGRAM,
    GO_TREE,
    check_own_directory,
    check_path,
    check_shared_directory,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import Changes, remove, sync_filesystem
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.filelist import (
    Differences,
    digest_of,
    dump,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.in_use import await_end, in_use
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.platform import Platform
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.releases import releases, resolve
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.requirements import order
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.sources import (
    Obtained,
    Offer,
    Release,
    checked_bases,
    obtain,
    offers,
    unpack,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.store import Receipt, Staged, Store, fault


@dataclasses.dataclass(frozen=True)
class Wish:
    """What the user wants: versions as requested, where they go, and where they may come from.

    ``default`` is None for the first of the versions. ``bases`` gives each source its location, empty for none.
    ``timeout`` is the seconds a server may stay silent. ``exclusive`` removes what was installed here, is not among
    the versions and is not in use; ``verify`` compares every file of what is there and replaces a tree that was edited.
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


@dataclasses.dataclass(frozen=True)
class _Goal:
    """A wish that was found sound, with every version resolved."""

    requested: dict[str, str]
    releases: list[Release]
    bases: dict[str, str]
    default: str
    links: dict[str, str]


@dataclasses.dataclass(frozen=True)
class _Plan:
    """How the host differs from the goal; the trees of the surplus become changes when it is known who uses them."""

    present: dict[str, Receipt]
    leftovers: list[str]
    altered: dict[str, Differences]
    missing: dict[Release, list[Offer]]
    links: list[symlinks.Link]
    surplus: list[Receipt]
    changes: Changes


class _Outcome(t.NamedTuple):
    """What became of a plan; ``used`` are the surplus versions that stay, with the processes that run them."""

    plan: _Plan
    installed: dict[str, Receipt]
    used: dict[str, list[int]]


def install_toolchains(wish: Wish, platform: Platform, *, check: bool) -> dict[str, t.Any]:
    """Install what is missing, turn the links, and return the module's result; in check mode only look.

    Raises DevserverError with the host as it was, unless the filesystem itself fails while links are turned.
    """
    goal = _goal(wish, platform)
    store = Store(wish.root)
    try:
        plan, installed, used = _carry_out(wish, goal, store, check)
    except OSError as error:
        raise _unusable(error, wish) from error
    toolchains = [_toolchain(version, goal, store, plan, installed) for version in goal.requested]
    return dict(
        plan.changes.result(),
        toolchains=toolchains,
        default={"version": goal.default, "path": store.path(goal.default), "link": wish.link},
        removed=[receipt.version for receipt in plan.surplus if receipt.version not in used],
        in_use=list(used),
        moved_aside=[{"path": link.path, "to": link.aside} for link in plan.links if link.aside],
        warnings=[_kept(store.path(version), processes) for version, processes in used.items()],
    )


def _kept(tree: str, processes: t.Sequence[int]) -> str:
    numbers = ", ".join(map(str, processes))
    return f"{tree} is not removed while programs in it run (process {numbers}); a later run removes it"


def _carry_out(wish: Wish, goal: _Goal, store: Store, check: bool) -> _Outcome:
    plan = _plan(wish, goal, store)
    if check or not (plan.changes or plan.surplus):
        return _Outcome(plan, {}, _dismiss(plan, store, in_use))
    os.umask(0o022)  # What every user must read would not be readable under a stricter one.
    with store.locked():
        # Another run may have done the work while this one waited.
        plan = _plan(wish, goal, store)
        for leftover in plan.leftovers:
            remove(leftover)
        installed = _install(plan.missing, store, wish.timeout)
        for link in plan.links:
            link.make()
        for receipt in plan.surplus:
            _unlink(receipt.version, wish)
        used = _dismiss(plan, store, await_end)
        for receipt in plan.surplus:
            if receipt.version not in used:
                store.discard(receipt.version)
    return _Outcome(plan, installed, used)


def _unlink(version: str, wish: Wish) -> None:
    link, target = _link(wish, version)
    if symlinks.leads(link, target):
        os.unlink(link)


def _dismiss(
    plan: _Plan, store: Store, users: t.Callable[[t.Sequence[str]], t.Mapping[str, list[int]]]
) -> dict[str, list[int]]:
    """Note the removal of the surplus trees that have no ``users``; return the versions that have, with these.

    To be called when no link leads there any more, or a go could be started from a tree that is being removed.
    """
    found = users([store.path(receipt.version) for receipt in plan.surplus])
    used = {}
    for receipt in plan.surplus:
        path = store.path(receipt.version)
        if path in found:
            used[receipt.version] = found[path]
        else:
            plan.changes.add(path, f"go{receipt.version} {receipt.platform}\n", "")
    return used


def _link(wish: Wish, version: str) -> tuple[str, str]:
    """Return the link by which a version is found, and where it leads."""
    return os.path.join(wish.bin_dir, f"go{version}"), os.path.join(wish.root, version, "bin", "go")


def _goal(wish: Wish, platform: Platform) -> _Goal:
    if not wish.versions:
        raise DevserverError("no version is asked for", expected="at least one, such as 1.22.12")
    if wish.timeout <= 0:
        raise DevserverError(
            f"timeout is {wish.timeout}",
            expected="a number of seconds above 0",
            remedy="correct toolchain_timeout (timeout)",
        )
    _refuse_overlap(wish)
    known = releases(platform.archive, wish.checksums)
    requested = {resolve(text, known, platform.archive): text for text in wish.versions}
    default = resolve(wish.default or wish.versions[0], known, platform.archive)
    if default not in requested:
        raise DevserverError(
            f"the default Go {default} is not among the versions {', '.join(requested)}",
            remedy="add it to toolchain_versions (versions), or choose a default from there",
        )
    wanted = [Release(version, platform, known[version]) for version in requested]
    tools = dict(_link(wish, version) for version in requested)
    current = {wish.link: os.path.join(wish.root, default)}
    for tool in ("go", "gofmt"):
        current[os.path.join(wish.bin_dir, tool)] = os.path.join(wish.link, "bin", tool)
    if wish.link in {**tools, f"{wish.bin_dir}/go": "", f"{wish.bin_dir}/gofmt": ""}:
        raise DevserverError(
            f"link {wish.link} is where bin_dir has the link to a program",
            expected="a link of its own for the tree of the default version, such as /usr/local/go",
            remedy="correct toolchain_link (link) or toolchain_bin_dir (bin_dir)",
        )
    return _Goal(requested, wanted, checked_bases(wish.bases), default, {**tools, **current})


def _refuse_overlap(wish: Wish) -> None:
    places = {"root": wish.root, "bin_dir": wish.bin_dir}
    for name, path in {**places, "link": wish.link}.items():
        check_path(f"toolchain_{name} ({name})", path)
    for name, path in places.items():
        if f"{path}/".startswith(f"{wish.link}/"):
            raise DevserverError(
                f"{name} {path} lies inside the link {wish.link}, whose place an own folder may have to leave",
                remedy="choose a place outside",
            )
    for name in ("bin_dir", "link"):
        _refuse_inside_tree(name, getattr(wish, name), wish.root)
    try:
        check_own_directory("toolchain_root (root)", wish.root)
        check_shared_directory("toolchain_bin_dir (bin_dir)", wish.bin_dir)
        check_shared_directory("toolchain_link (link)", os.path.dirname(wish.link))
    except OSError as error:
        raise _unusable(error, wish) from error


def _refuse_inside_tree(name: str, path: str, root: str) -> None:
    """Refuse a place that is the tree of a version or lies in one, where it would go with the tree."""
    folder, last = os.path.split(path)
    # The link itself may lead into a tree, and does; its folder may not.
    real = os.path.realpath(path) if name == "bin_dir" else os.path.join(os.path.realpath(folder), last)
    inside = os.path.relpath(real, os.path.realpath(root)).split(os.sep)[0]
    if _is_version(inside):
        raise DevserverError(
            f"{name} {path} lies inside {os.path.join(root, inside)}, the place of Go {inside}",
            expected="a place outside the trees of the versions",
            remedy=f"correct toolchain_{name} ({name}) or toolchain_root (root)",
        )


def _is_version(name: str) -> bool:
    try:
        return bool(order(name))
    except ValueError:
        return False


def _plan(wish: Wish, goal: _Goal, store: Store) -> _Plan:
    present, altered = _judge(wish, goal, store)
    missing = {r: offers(r, wish.order, goal.bases) for r in goal.releases if r.version not in present}
    for release in missing:
        store.check_place(release.version)
    others = [receipt for receipt in store.installed() if receipt.version not in goal.requested]
    surplus = others if wish.exclusive else []
    leftovers = store.leftovers()
    for other in others:
        leftovers += symlinks.leftovers(_link(wish, other.version)[0])
    turned = [link for link in (_look(wish, *ends) for ends in goal.links.items()) if link.pending]
    changes = Changes()
    for leftover in leftovers:
        changes.add(leftover, "left by an interrupted run\n", "")
    for release in missing:
        before = _before(store.path(release.version), altered.get(release.version))
        changes.add(store.path(release.version), before, f"go{release.version} {release.platform.archive}\n")
    for link in turned:
        link.note(changes)
    for receipt in surplus:
        _note_unlinking(receipt.version, wish, changes)
    return _Plan(present, leftovers, altered, missing, turned, surplus, changes)


def _look(wish: Wish, path: str, target: str) -> symlinks.Link:
    of_tree = path == wish.link
    link = symlinks.look(path, target, GO_TREE if of_tree else GO_PROGRAM)
    link.check("toolchain_link (link)" if of_tree else "toolchain_bin_dir (bin_dir)")
    return link


def _judge(wish: Wish, goal: _Goal, store: Store) -> tuple[dict[str, Receipt], dict[str, Differences]]:
    """Return the toolchains that may stay, and how those that may not, because of their files, were altered."""
    present, altered = {}, {}
    for release in goal.releases:
        receipt = store.present(release.version, release.platform)
        differences = store.differences(receipt) if receipt and wish.verify else None
        if differences and differences.total:
            altered[release.version] = differences
        elif receipt:
            present[release.version] = receipt
    return present, altered


def _before(tree: str, altered: Differences | None) -> str:
    if altered:
        return altered.text()
    return "not a whole Go of this version\n" if os.path.lexists(tree) else ""


def _note_unlinking(version: str, wish: Wish, changes: Changes) -> None:
    link, target = _link(wish, version)
    if symlinks.leads(link, target):
        changes.add(link, f"link to {target}\n", "")


def _install(missing: t.Mapping[Release, list[Offer]], store: Store, timeout: float) -> dict[str, Receipt]:
    """Fetch and check all that is missing, and only then put any of it into its place."""
    if not missing:
        return {}
    with store.stage() as stage:
        ready = []
        for release, candidates in missing.items():
            folder = os.path.join(stage, release.version)
            os.mkdir(folder)
            ready.append(_stage(release, candidates, folder, timeout))
        sync_filesystem(stage)
        for staged in ready:
            store.put(staged)
    return {staged.receipt.version: staged.receipt for staged in ready}


def _stage(release: Release, candidates: t.Sequence[Offer], folder: str, timeout: float) -> Staged:
    archive, tree = os.path.join(folder, "archive"), os.path.join(folder, "tree")
    obtained = obtain(release, candidates, archive, timeout=timeout)
    os.mkdir(tree)
    files = unpack(release, obtained.offer, archive, tree)
    os.unlink(archive)
    _refuse_fault(tree, release, obtained.offer)
    text = dump(files)
    staged = Staged(tree, text, _receipt(release, obtained, digest_of(text)))
    staged.write()
    return staged


def _refuse_fault(tree: str, release: Release, offer: Offer) -> None:
    reason = fault(tree, release.version, release.platform)
    if reason:
        raise DevserverError(
            f"what {offer.source} ({redacted(offer.location)}) delivered is not Go"
            f" {release.version} for this host: {reason}",
            expected=f"a go that runs here and answers go version go{release.version} {release.platform.reported}",
            remedy="correct the checksum or the archive; where it could not be run at all, see whether the folder is"
            " mounted noexec",
        )


def _receipt(release: Release, obtained: Obtained, files: str) -> Receipt:
    offer = obtained.offer
    location = redacted(offer.location)
    return Receipt(
        release.version, release.platform.archive, offer.source, location, offer.digest, obtained.size, files
    )


def _toolchain(
    version: str, goal: _Goal, store: Store, plan: _Plan, installed: t.Mapping[str, Receipt]
) -> dict[str, t.Any]:
    present, altered = plan.present.get(version), plan.altered.get(version)
    receipt = present or installed.get(version)
    return {
        "version": version,
        "requested": goal.requested[version],
        "path": store.path(version),
        "status": "present" if present else "installed" if receipt else "would_install",
        **{name: getattr(receipt, name, None) for name in ("source", "location", "digest", "bytes")},
        "altered": altered.result() if altered else None,
    }


def _unusable(error: OSError, wish: Wish) -> DevserverError:
    path = error.filename or wish.root
    return DevserverError(
        f"cannot use {path}: {error.strerror}",
        expected="a place that this user may write, with room for about 400 MB for each version",
        remedy="use become, or another toolchain_root, toolchain_link or toolchain_bin_dir",
        path=path,
    )
