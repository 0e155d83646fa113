# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones a workspace and brings it to its declared commit, unless that would touch anything of its user's own."""

from __future__ import annotations

import functools
import os
import typing as t

from .._core.errors import DevserverError
from .._environment.go_command import first_error
from .._environment.workspace_entry import WorkspaceEntry
from .._host.accounts import Account
from .._host.planned import plan_directory
from .._host.user_access import call_as, may_access
from .git import Git, Status, Target, has_git


class CheckoutChange(t.NamedTuple):
    """A change of a workspace for a difference: the states before and after, and whether the workspace exists now."""

    before: str
    after: str
    exists: bool


def converge_checkout(
    git: Git, entry: WorkspaceEntry, account: Account, warnings: list[str], *, check: bool
) -> CheckoutChange | None:
    """Clone or update a workspace; with ``check`` only return what that would change.

    Raises DevserverError if it cannot be cloned. What prevents an update is one of ``warnings``.
    """
    present = call_as(account, functools.partial(_find, entry.path))
    if present == "other":
        raise DevserverError(
            f"{git} is no clone: it contains other files",
            expected="a clone with a .git in it, or a path that is free",
            remedy="move it away, or remove repo from this workspace in devserver_users",
        )
    if present == "absent":
        change: CheckoutChange | None = CheckoutChange("", f"{entry.repo} at {entry.ref or 'HEAD'}\n", not check)
        if check:
            plan_directory(entry.path)
            return change
        _clone(git, entry, account)
        if entry.ref:
            # Of a branch and a tag of one name, git clones the branch; an update expects the tag.
            _update(git, entry, warnings, check=True)
    elif has_git():
        change = _update(git, entry, warnings, check=check)
    else:
        return None
    warnings += [f"{git}: {part}" for part in git.find_missing_parts()]
    return change


def _find(path: str) -> str:
    """Return whether a path is a clone, other or absent. Runs with the user's rights."""
    if os.path.lexists(os.path.join(path, ".git")):
        return "clone"
    is_free = not os.path.lexists(path) or (os.path.isdir(path) and not os.listdir(path))
    return "absent" if is_free else "other"


def _clone(git: Git, entry: WorkspaceEntry, account: Account) -> None:
    key = entry.deploy_key
    if not has_git():
        raise DevserverError("git is not installed", remedy="install the package git on the host")
    if key and not call_as(account, lambda: may_access(key, os.R_OK)):
        raise DevserverError(
            f"deploy_key {key} cannot be read by user {account.name}, with the rights of which git runs",
            expected="a private key of ssh that belongs to the user, with mode 0600",
            remedy=f"put it there (install -o {account.name} -m 600), or correct deploy_key of {git}",
        )
    completed = git.clone()
    if not completed.ok:
        reason = first_error(completed)
        raise DevserverError(
            f"{git} cannot be cloned: {reason}",
            expected="a repository that this user can read without a prompt",
            remedy=completed.extend_remedy(_remedy(reason, entry)),
            user=account.name,
        )


def _remedy(reason: str, entry: WorkspaceEntry) -> str:
    if "Host key verification" in reason:
        return "add the host key of the server to /etc/ssh/ssh_known_hosts, from a source that you trust"
    if "ermission denied" in reason or "Authentication" in reason or "could not read Username" in reason:
        return "give the user a deploy_key, a key in an ssh agent (SSH_AUTH_SOCK), or an entry in .netrc"
    if "transport" in reason and "not allowed" in reason:
        return "correct repo: only https and ssh are used, and file where repo begins with file"
    return f"run 'git clone' of {entry.repo} as this user, and correct what it reports"


def _update(git: Git, entry: WorkspaceEntry, warnings: list[str], *, check: bool) -> CheckoutChange | None:
    status = git.status()
    reason, change = "", None
    if status is None:
        reason = "git cannot read it; 'git status' in it shows the cause"
    elif git.origin() != entry.repo:
        reason = "it was cloned from another repository"
    else:
        target = git.find_target()
        if not isinstance(target, Target):
            reason = f"the remote does not respond as expected: {first_error(target)}"
        elif status.commit != target.commit:
            reason = _reason_to_keep(git, status, target)
            completed = None if reason or check else git.update(target)
            if completed and not completed.ok:
                reason = f"git does not update it without a loss: {first_error(completed)}"
            change = None if reason else CheckoutChange(f"{status.commit}\n", f"{target.commit} ({target})\n", True)
    if reason:
        warnings.append(
            f"{git} stays as it is: {reason}. To fix this: let the user bring it to"
            f" {entry.ref or 'the default branch'}, or correct ref and repo of this workspace in devserver_users"
        )
    return change


def _reason_to_keep(git: Git, status: Status, target: Target) -> str:
    """Return why an update would touch work of the user; empty if it does not."""
    if status.changed:
        return f"it has local changes, such as in {status.changed[0]}"
    expected = target.name if target.kind == "branch" else "(detached)"
    if status.branch != expected:
        at = "has a detached HEAD" if status.branch == "(detached)" else f"is on the branch {status.branch}"
        return f"it {at}, not at the {target}"
    unpushed = git.count_unpushed()
    return f"it has {unpushed} commits that were not pushed" if unpushed else ""
