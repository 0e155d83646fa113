# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds, places and links tools: a failure leaves the host as it was, a kill leaves each tool old or new.

The tools of earlier declarations stay, so that a return to them only changes links.
"""

from __future__ import annotations

import dataclasses
import os
import typing as t

from .._core.errors import DevserverError
from .._environment.go_values import validate_proxies
from .._host import symlinks
from .._host.accounts import Account, find_known_account
from .._host.destinations import check_own_directory, check_shared_directory
from .._host.disk_space import full_disk_error
from .._host.files import Changes, open_nonblocking, remove, replacing, sha256_of_file, sync_directory
from .._host.lock import locked_directory
from .._host.skipped_files import SkippedFile, skip_errors
from .._toolchain.fetch import check_timeout
from .._toolchain.staging import find_leftovers, note_leftovers, staging_directory
from .build import Builder, build_key, copy_binary, find_go
from .build_directory import open_build_directory
from .pins import Tool
from .plan import ToolPaths, ToolPlan, digest_file, plan_tools
from .support import incompatibility

STAGE = ".build-"
# Bytes that the caches of one build need, at most.
_NEEDED = 1 << 30


@dataclasses.dataclass(frozen=True)
class ToolRequest:
    """What the user declares: the tools, where they go, and how they are built.

    ``timeout``, in seconds, is for each build, and for waiting for another run. ``planned_versions`` has, for check
    mode, the versions of Go that an earlier task installs, by goroot. ``verify`` reads every byte of installed tools.
    """

    tools: t.Sequence[Tool]
    paths: ToolPaths
    goproxy: str
    build_user: str
    timeout: float
    planned_versions: t.Mapping[str, str]
    verify: bool = False

    def plan(self, skipped: list[SkippedFile], *, check: bool) -> list[ToolPlan]:
        """Return the plans for the tools; raise DevserverError if a link would replace a file that must stay.

        Links of users for which that is so are added to ``skipped``.
        """
        plans = plan_tools(
            self.tools,
            self.paths,
            check=check,
            verify=self.verify,
            planned_versions=self.planned_versions,
            skipped=skipped,
        )
        return [_for_links(plan, _check_link, skipped) for plan in plans]


def _for_links(plan: ToolPlan, action: t.Callable[[symlinks.Link], None], skipped: list[SkippedFile]) -> ToolPlan:
    """Do ``action`` with each link; return the plan without the links of users for which it failed."""
    links = []
    for link in plan.links:
        with skip_errors(skipped, link.account.name if link.account else "", link.path):
            action(link)
            links.append(link)
    return plan._replace(links=links)


def _check_link(link: symlinks.Link) -> None:
    link.check("devserver_user_bin_dir (user_bin_dir)" if link.account else "devserver_bin_dir (bin_dir)")


class BuildSharing(t.NamedTuple):
    """How hosts share builds: ``report_missing`` returns the keys of missing builds instead of building.

    ``files`` has the ``path`` and ``sha256`` of the copies that were sent to this host, by the keys of the builds.
    """

    report_missing: bool = False
    files: t.Mapping[str, t.Mapping[str, str]] = {}


class InstallResult(t.NamedTuple):
    """What changed, the tools for the module's result, the keys of ``missing`` builds, and the ``built`` to share.

    ``skipped`` are the links of users that were left as they are.
    """

    changes: Changes
    tools: list[dict[str, t.Any]]
    missing: list[str]
    built: list[dict[str, str]]
    skipped: list[SkippedFile]


def install_tools(request: ToolRequest, sharing: BuildSharing, *, check: bool) -> InstallResult:
    """Make every tool present and linked.

    All tools are built before the first is placed: if one fails, DevserverError is raised and nothing has changed.
    """
    check_timeout("devserver_tools_timeout (timeout)", request.timeout)
    root = request.paths.root
    try:
        _check_paths(request)
        validate_proxies(request.goproxy, "tools_goproxy (goproxy)")
        _find_build_account(request)
        skipped: list[SkippedFile] = []
        plans = request.plan(skipped, check=check)
        _reject_incompatible(plans)
        missing = [build_key(plan.expected) for plan in plans if plan.build and not plan.expected.tool.cgo]
        if sharing.report_missing and not check and missing:
            return InstallResult(Changes(), [], list(dict.fromkeys(missing)), [], [])
        leftovers = find_leftovers(root, STAGE)
        if not check and (any(plan.reason for plan in plans) or leftovers):
            plans, leftovers, skipped = _install(request, sharing.files)
    except OSError as error:
        paths = [error.filename or root]
        remedy = "set devserver_tools_root (root) to a directory on another file system"
        raise full_disk_error(error, f"install tools in {root}", paths, _NEEDED, remedy) or DevserverError(
            f"cannot install tools in {root}: {error}",
            expected="paths that this user can write to, with about 1 GB of free space",
            remedy="set become: true, or correct devserver_tools_root (root) or devserver_bin_dir (bin_dir)",
            path=root,
        ) from error
    changes = Changes()
    note_leftovers(leftovers, changes)
    for plan in plans:
        plan.note(changes)
    return InstallResult(changes, [plan.result(check=check) for plan in plans], [], _list_shareable(plans), skipped)


def _list_shareable(plans: t.Sequence[ToolPlan]) -> list[dict[str, str]]:
    """Return the new builds that other hosts of this platform can use; cgo links a tool to the host's libraries."""
    built = [plan for plan in plans if plan.source == "built" and not plan.expected.tool.cgo]
    return [{"key": build_key(plan.expected), "path": plan.path, "sha256": plan.digest} for plan in built]


def _check_paths(request: ToolRequest) -> None:
    check_own_directory("devserver_tools_root (root)", request.paths.root)
    check_shared_directory("devserver_bin_dir (bin_dir)", request.paths.bin_dir)
    for tool in request.tools:
        if not os.path.isabs(tool.goroot):
            raise DevserverError(
                f"the goroot of {tool.package} is {tool.goroot!r}",
                expected="an absolute path",
                remedy="correct that goroot",
            )
    user_bin_dir = request.paths.user_bin_dir
    if os.path.isabs(user_bin_dir) or ".." in user_bin_dir.split("/") or not user_bin_dir.isprintable():
        raise DevserverError(
            f"devserver_user_bin_dir (user_bin_dir) is {user_bin_dir!r}",
            expected="a path below every home directory, such as go/bin",
            remedy="correct devserver_user_bin_dir (user_bin_dir)",
        )


def _find_build_account(request: ToolRequest) -> Account | None:
    """Return the account that builds; None for this process's own. Raises DevserverError if the host has none."""
    account = find_known_account(request.build_user)
    if account is None:
        raise DevserverError(
            f"the user {request.build_user!r} does not exist on this host: devserver_tools_build_user (build_user)",
            expected="the name of an unprivileged account, such as nobody",
            remedy="create the account first, or correct devserver_tools_build_user (build_user)",
        )
    return account if os.geteuid() == 0 else None


def _reject_incompatible(plans: t.Sequence[ToolPlan]) -> None:
    builds = [plan.expected for plan in plans if not plan.expected.tool.force]
    problems = [incompatibility(build.tool.package, build.tool.version, build.go) for build in builds]
    if any(problems):
        raise DevserverError(
            "; ".join(filter(None, problems)),
            expected="versions that support the Go that builds them",
            remedy="declare another version, no version for the known-good one, another goroot, or force",
        )


def _install(
    request: ToolRequest, files: t.Mapping[str, t.Mapping[str, str]]
) -> tuple[list[ToolPlan], list[str], list[SkippedFile]]:
    """Plan again under the lock, and apply; return the plans, what killed runs had left, and the skipped links."""
    root = request.paths.root
    account = _find_build_account(request)
    with locked_directory(root, timeout=request.timeout) as lock:
        leftovers = find_leftovers(root, STAGE)
        for leftover in leftovers:
            remove(leftover)
        skipped: list[SkippedFile] = []
        plans = request.plan(skipped, check=False)
        with staging_directory(root, STAGE) as top, open_build_directory(top, account, lock) as directory:
            builder = Builder(directory, request.goproxy, request.timeout)
            plans = [_make(plan, builder, files) if plan.build else plan for plan in plans]
            plans = [_place(plan, directory.output, skipped) for plan in plans]
    return plans, leftovers, skipped


def _make(plan: ToolPlan, builder: Builder, files: t.Mapping[str, t.Mapping[str, str]]) -> ToolPlan:
    """Copy or build the tool into the build directory; return the plan with the binary's build info and digest."""
    binary, copy = _output_file(plan, builder.directory.output), files.get(build_key(plan.expected))
    if copy and not os.path.exists(binary):
        _receive(copy["path"], copy["sha256"], binary)
    elif not os.path.exists(binary):
        builder.build(plan.expected.tool, plan.go or find_go(plan.expected.tool.goroot), binary)
    source = "copied" if copy else "built"
    info = plan.expected.verify(binary, source)
    return plan._replace(info=info, source=source, digest=sha256_of_file(binary))


def _receive(path: str, digest: str, destination: str) -> None:
    descriptor = open_nonblocking(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as source:
        copy_binary(source, destination)
    if sha256_of_file(destination) != digest:
        raise DevserverError(
            f"the copy of a tool in {path} is damaged: its SHA-256 is {sha256_of_file(destination)}",
            expected=digest,
            remedy="run again",
        )


def _output_file(plan: ToolPlan, output: str) -> str:
    """Return the path of a built tool in ``output``; entries that only differ in their users share it."""
    return os.path.join(output, f"{plan.name}-{os.path.basename(os.path.dirname(plan.path))}")


def _place(plan: ToolPlan, output: str, skipped: list[SkippedFile]) -> ToolPlan:
    """Move the new binary, if there is one, to its place, and set the links; return the plan without skipped ones."""
    if plan.build and os.path.exists(_output_file(plan, output)):
        directory = os.path.dirname(plan.path)
        os.makedirs(directory, exist_ok=True)
        # Written in the build directory, which the next run removes if this one is killed.
        with replacing(digest_file(plan.path), mode=0o644, directory=output) as file:
            file.write(f"{plan.digest}\n".encode())
        os.replace(_output_file(plan, output), plan.path)
        sync_directory(directory)
    return _for_links(plan, symlinks.Link.make, skipped) if plan.reason else plan
