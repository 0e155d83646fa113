# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds, places and links tools so that a failure leaves the host as it was, and a kill the old tool or the new one.

What an older declaration left stays beside the new, so that going back to it is a matter of the link.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import tempfile
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.destinations import (
    check_own_directory,
    check_shared_directory,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import (
    Changes,
    open_at_once,
    replacing,
    sha256_of_file,
    sync_directory,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.lock import locked_folder
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.build import (
    Builder,
    build_key,
    copy_binary,
    installed_go,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.build_info import read_build_info
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.pins import Tool
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.plan import (
    Places,
    Plan,
    digest_file,
    plan_tools,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.support import reservation
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.workshop import open_workshop

_WORKSHOP = ".build-"


class Delivery(t.NamedTuple):
    """How builds are shared: ``ask`` says what would be built instead of building it; otherwise ``files`` are at hand.

    They are mappings with ``path`` and ``sha256``, by the keys of the builds.
    """

    ask: bool = False
    files: t.Mapping[str, t.Mapping[str, str]] = {}


class Outcome(t.NamedTuple):
    """What changed; the tools of the result; where asked the keys of ``wanted`` builds; what was ``built`` to share."""

    changes: Changes
    tools: list[dict[str, t.Any]]
    wanted: list[str]
    built: list[dict[str, str]]


def install_tools(
    tools: t.Sequence[Tool],
    places: Places,
    *,
    goproxy: str,
    build_user: str,
    timeout: float,
    check: bool,
    delivery: Delivery,
    coming: t.Mapping[str, str],
    verify: bool = False,
) -> Outcome:
    """Make every tool present and linked.

    ``timeout``, in seconds, is for each build, and for the wait for another run. ``coming`` is for check mode: which
    version of Go, by goroot, the run itself would meet. ``verify`` judges every byte of what is there. All tools are
    built before the first is placed: where one fails, DevserverError is raised and nothing has changed.
    """
    with _explained(places.root):
        _check_paths(places, tools)
        plans = plan_tools(tools, places, check=check, verify=verify, coming=coming)
        _refuse_unfit(plans)
        _check_links(plans)
        wanted = [build_key(plan.wanted) for plan in plans if plan.build and not plan.wanted.tool.cgo]
        if delivery.ask and not check and wanted:
            return Outcome(Changes(), [], list(dict.fromkeys(wanted)), [])
        leftovers = _leftovers(places.root)
        if not check and (any(plan.reason for plan in plans) or leftovers):
            plans, leftovers = _install(
                tools,
                places,
                goproxy=goproxy,
                build_user=build_user,
                timeout=timeout,
                files=delivery.files,
                verify=verify,
            )
        changes = Changes()
        for folder in leftovers:
            changes.add(folder, "left by an interrupted run\n", "")
        for plan in plans:
            plan.note(changes)
        return Outcome(changes, [plan.result(check=check) for plan in plans], [], _built_to_share(plans))


@contextlib.contextmanager
def _explained(root: str) -> t.Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DevserverError(
            f"cannot install tools in {root}: {error}", remedy="mend what it names", path=root
        ) from error


def _built_to_share(plans: t.Sequence[Plan]) -> list[dict[str, str]]:
    """Return what others of this platform can use; cgo ties a tool to the libraries of its host."""
    built = [plan for plan in plans if plan.source == "built" and not plan.wanted.tool.cgo]
    return [{"key": build_key(plan.wanted), "path": plan.path, "sha256": plan.digest} for plan in built]


def _check_paths(places: Places, tools: t.Sequence[Tool]) -> None:
    check_own_directory("devserver_tools_root (root)", places.root)
    check_shared_directory("devserver_bin_dir (bin_dir)", places.bin_dir)
    for tool in tools:
        if not os.path.isabs(tool.goroot):
            raise DevserverError(f"{tool.goroot!r} is not an absolute path", expected="a goroot from / on")
    if os.path.isabs(places.user_bin_dir) or ".." in places.user_bin_dir.split("/"):
        raise DevserverError(f"user_bin_dir is {places.user_bin_dir!r}", expected="a path below every home, as go/bin")


def _check_links(plans: t.Sequence[Plan]) -> None:
    for link in (link for plan in plans for link in plan.links):
        link.check("devserver_user_bin_dir (user_bin_dir)" if link.account else "devserver_bin_dir (bin_dir)")


def _refuse_unfit(plans: t.Sequence[Plan]) -> None:
    wanted = [plan.wanted for plan in plans if not plan.wanted.tool.force]
    refused = [reservation(one.tool.package, one.tool.version, one.go) for one in wanted]
    if any(refused):
        raise DevserverError(
            "; ".join(filter(None, refused)),
            remedy="declare another version, none for the known-good one, another goroot, or force",
        )


def _install(
    tools: t.Sequence[Tool],
    places: Places,
    *,
    goproxy: str,
    build_user: str,
    timeout: float,
    files: t.Mapping[str, t.Mapping[str, str]],
    verify: bool,
) -> tuple[list[Plan], list[str]]:
    """Plan again and carry it out, alone; return what was done, and what of killed runs was removed."""
    account = find_account(build_user) if os.geteuid() == 0 else None
    with locked_folder(places.root, timeout=timeout) as lock:
        leftovers = _leftovers(places.root)
        for folder in leftovers:
            shutil.rmtree(folder)
        plans = plan_tools(tools, places, check=False, verify=verify)
        _check_links(plans)
        with _temporary(places.root) as top, open_workshop(top, account, lock) as workshop:
            builder = Builder(workshop, goproxy, timeout)
            plans = [_made(plan, builder, files) if plan.build else plan for plan in plans]
            for plan in plans:
                _place(plan, workshop.done)
    return plans, leftovers


def _leftovers(root: str) -> list[str]:
    """Return the folders of runs that were killed; only who holds the lock knows that none of them is in use."""
    return glob.glob(os.path.join(glob.escape(root), _WORKSHOP + "*"))


@contextlib.contextmanager
def _temporary(root: str) -> t.Iterator[str]:
    top = tempfile.mkdtemp(prefix=_WORKSHOP, dir=root)
    try:
        yield top
    finally:
        shutil.rmtree(top)


def _made(plan: Plan, builder: Builder, files: t.Mapping[str, t.Mapping[str, str]]) -> Plan:
    """Copy the tool, or build it, into the workshop; return the plan with what the binary says about itself."""
    binary, given = _finished(plan, builder.workshop.done), files.get(build_key(plan.wanted))
    if given and not os.path.exists(binary):
        _receive(given["path"], given["sha256"], binary)
    elif not os.path.exists(binary):
        builder.build(plan.wanted.tool, plan.go or installed_go(plan.wanted.tool.goroot), binary)
    info = read_build_info(binary)
    difference = plan.wanted.difference(info)
    if difference:
        raise DevserverError(
            f"what was {'copied' if given else 'built'} as {plan.wanted.tool} is not that: {difference}",
            expected=plan.wanted.lines().strip().replace("\n", ", "),
            remedy="look at what differs in built",
            built=plan.wanted.described(info).splitlines(),
        )
    return plan._replace(info=info, source="copied" if given else "built", digest=sha256_of_file(binary))


def _receive(path: str, digest: str, destination: str) -> None:
    descriptor = open_at_once(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as source:
        copy_binary(source, destination)
    if sha256_of_file(destination) != digest:
        raise DevserverError(
            f"the copy of a tool that came to {path} is damaged: its SHA-256 is {sha256_of_file(destination)}",
            expected=digest,
            remedy="run again",
        )


def _finished(plan: Plan, done: str) -> str:
    """Return the path in ``done`` of a tool that was built; two entries with other users may mean the same one."""
    folder = os.path.basename(os.path.dirname(plan.path))
    return os.path.join(done, f"{plan.name}-{folder}")


def _place(plan: Plan, done: str) -> None:
    """Put what was built, if anything was, where it belongs, and point the links there."""
    if plan.build and os.path.exists(_finished(plan, done)):
        folder = os.path.dirname(plan.path)
        os.makedirs(folder, exist_ok=True)
        # Out of the workshop, which the next run removes, where this one is killed.
        with replacing(digest_file(plan.path), mode=0o644, folder=done) as file:
            file.write(f"{plan.digest}\n".encode())
        os.replace(_finished(plan, done), plan.path)
        sync_directory(folder)
    for link in plan.links if plan.reason else []:
        link.make()
