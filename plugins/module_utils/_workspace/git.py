# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Git as the user of a workspace. What a hostile repository makes it do, it does with that user's rights."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import typing as t

from .._environment.workspace_entry import WorkspaceEntry
from .._host.command import SYSTEM_PATH, Completed
from .._host.files import split_lines
from .programs import UserPrograms

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# Digits of a number, and characters of a line of the output, which a program such as core.fsmonitor can forge.
_MOST_DIGITS, _LONGEST_LINE = 9, 5000
_POINTER = "^version https://git-lfs.github.com/spec/v1$"
# Seconds that a query may take, also one of the remote: each plan makes some, for all users.
_QUERY_TIMEOUT = 20
# Seconds without a byte from a server, after which it is given up.
_SILENCE = 60
_SSH = ("ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=10")
# By default git overwrites files that it ignores.
_KEEPING = ("--no-overwrite-ignore",)
# Clones beside the destination, and renames: a killed clone is no workspace.
_CLONE = """set -e
path=$1 new=$2 key=$3 commit=$4 depth=$5; shift 5
mkdir -p -- "$(dirname -- "$path")"
rm -rf -- "$new"
git clone --quiet ${key:+-c core.sshCommand="$key"} "$@" "$new"
if [ -n "$commit" ]; then
    git -C "$new" cat-file -e "$commit^{commit}" 2>/dev/null ||
        git -C "$new" fetch --quiet ${depth:+--depth="$depth"} origin "$commit"
    git -C "$new" checkout --quiet --detach "$commit"
fi
mv -T -- "$new" "$path"
"""


class Target(t.NamedTuple):
    """What a workspace is expected to be at: the ``commit`` of a branch, a tag, or one without a ``name``."""

    kind: str
    name: str
    commit: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name or self.commit}"


class Status(t.NamedTuple):
    """The commit and branch of a checkout, ``(detached)`` for none, and its files that differ from the commit."""

    commit: str
    branch: str
    changed: t.Sequence[str]


def has_git() -> bool:
    """Return whether git is installed."""
    return shutil.which("git", path=SYSTEM_PATH) is not None


class Git:
    """The git of one workspace."""

    def __init__(self, programs: UserPrograms, entry: WorkspaceEntry) -> None:
        self._programs = programs
        self._entry = entry
        scheme, _separator, rest = entry.repo.partition("://")
        self.host = (rest.partition("/")[0] or scheme.partition(":")[0]).rpartition("@")[2]
        key = ("-i", entry.deploy_key, "-o", "IdentitiesOnly=yes") if entry.deploy_key else ()
        self._ssh = shlex.join([*_SSH, *key])
        count = _parse_number(programs.user.variables.get("GIT_CONFIG_COUNT", ""), otherwise=0)
        self._env = {
            # First, because the declared path can have directories of the user.
            "PATH": ":".join([SYSTEM_PATH, *programs.user.path]),
            "GIT_CONFIG_COUNT": str(count + 1),
            f"GIT_CONFIG_KEY_{count}": "safe.bareRepository",
            f"GIT_CONFIG_VALUE_{count}": "explicit",
            "LC_ALL": "C",
            "GIT_TERMINAL_PROMPT": "0",
            "SSH_ASKPASS_REQUIRE": "never",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_SSH_COMMAND": self._ssh,
            # The settings of a user often replace https by ssh. No other transport is used, as by a submodule.
            "GIT_ALLOW_PROTOCOL": "file" if scheme == "file" else "https:ssh",
        }

    def __str__(self) -> str:
        return f"the workspace {self._entry.path} of user {self._programs.user.account.name}"

    def run(self, *words: str, timeout: float | None = None) -> Completed:
        """Run a command of git in the workspace; ``timeout`` 0 means that of the user's programs.

        Raises DevserverError for a query that times out, unless it is one of the remote: the user can make all hang.
        """
        limit = _QUERY_TIMEOUT if timeout is None else timeout
        run = self._run_remote if words[0] in ("ls-remote", "fetch") else self._programs.run
        completed = run(self._entry.path, ["git", *words], env=self._env, timeout=limit)
        if completed.returncode is None and words[0] != "ls-remote":
            remedy = f"find out as this user why 'git {words[0]}' does not finish there"
            raise completed.error(f"git {words[0]} in {self}", remedy=remedy)
        return completed

    def clone(self) -> Completed:
        """Make the workspace."""
        entry = self._entry
        commit = entry.ref if _COMMIT.fullmatch(entry.ref) else ""
        parent, name = os.path.split(entry.path)
        depth = [f"--depth={entry.depth}"] if entry.depth else []
        at = ["--no-checkout"] if commit else [f"--branch={entry.ref}"] if entry.ref else []
        # For what the user does later; the user decides about unknown hosts then.
        key = shlex.join(["ssh", "-i", entry.deploy_key, "-o", "IdentitiesOnly=yes"]) if entry.deploy_key else ""
        words = [entry.path, f"{parent}/.{name}.unfinished-clone", key, commit, str(entry.depth or "")]
        argv = ["/bin/sh", "-c", _CLONE, "sh", *words, *depth, *at, "--", entry.repo]
        return self._run_remote("/", argv, env=self._env)

    def _run_remote(self, directory: str, argv: t.Sequence[str], **options: t.Any) -> Completed:
        completed = self._programs.run(directory, argv, silence=_SILENCE, **options)
        if completed.returncode is None or "timed out" in completed.stderr:
            self._programs.silent_hosts.add(self.host)
        return completed

    def status(self) -> Status | None:
        """Return the state of the checkout; None if git cannot read it."""
        completed = self.run("status", "--porcelain=v2", "--branch", "--untracked-files=no")
        if not completed.ok:
            return None
        lines = _lines(completed)
        parts = [line[2:].partition(" ") for line in lines if line.startswith("# branch.")]
        heads = {name: value for name, _space, value in parts}
        changed = [line.split(" ", 8)[-1] for line in lines if not line.startswith("#")]
        commit = heads.get("branch.oid", "")
        return Status(commit if _COMMIT.fullmatch(commit) else "", heads.get("branch.head", ""), changed)

    def origin(self) -> str:
        """Return the address that the checkout was cloned from."""
        return self.run("config", "--get", "remote.origin.url").stdout.strip()

    def find_target(self) -> Target | Completed:
        """Return what the workspace is expected to be at; the failed command if the remote does not respond.

        It is not queried for a commit, and for a tag that is in the checkout: neither changes.
        """
        ref = self._entry.ref
        if _COMMIT.fullmatch(ref):
            return Target("commit", "", ref)
        local = self.run("rev-parse", "--verify", "--quiet", f"refs/tags/{ref}^{{commit}}") if ref else None
        commit = local.stdout.strip() if local else ""
        if _COMMIT.fullmatch(commit):
            return Target("tag", ref, commit)
        names = [f"refs/heads/{ref}", f"refs/tags/{ref}", f"refs/tags/{ref}^{{}}"] if ref else ["HEAD"]
        completed = self.run("ls-remote", "--symref", "origin", *names)
        if not completed.ok:
            return completed
        pairs = [(value, name) for value, _tab, name in (line.partition("\t") for line in _lines(completed))]
        # A tag with a message of its own is followed by its commit.
        refs = {name: value for value, name in pairs if _COMMIT.fullmatch(value)}
        head = next((value[len("ref: refs/heads/") :] for value, name in pairs if value.startswith("ref: ")), ref)
        for kind, name in (("branch", f"refs/heads/{ref}"), ("branch", "HEAD"), ("tag", f"refs/tags/{ref}^{{}}")):
            if name in refs:
                return Target(kind, head, refs[name])
        if f"refs/tags/{ref}" in refs:
            return Target("tag", ref, refs[f"refs/tags/{ref}"])
        return completed._replace(returncode=1, stderr=f"error: the remote has no branch or tag {ref or 'HEAD'}")

    def tracked(self, names: t.Sequence[str]) -> list[str]:
        """Return those of the files, relative to the workspace, that are under version control."""
        return self.run("ls-files", "-z", "--", *names).stdout.split("\0")[:-1]

    def count_unpushed(self) -> int:
        """Return the number of commits of HEAD that the remote did not have when it was last fetched."""
        counted = self.run("rev-list", "--count", "HEAD", "--not", "--remotes=origin", "--tags").stdout.strip()
        return _parse_number(counted, otherwise=1)

    def update(self, target: Target) -> Completed:
        """Bring the checkout to ``target``, and fail instead of losing a change."""
        if target.kind == "branch":
            refspec = f"+refs/heads/{target.name}:refs/remotes/origin/{target.name}"
            fetched = self.run("fetch", "--quiet", "origin", refspec, timeout=0)
            return (
                self.run("merge", "--ff-only", *_KEEPING, "--quiet", "FETCH_HEAD", timeout=0) if fetched.ok else fetched
            )
        if not self.run("cat-file", "-e", f"{target.commit}^{{commit}}").ok:
            refspec = f"refs/tags/{target.name}:refs/tags/{target.name}" if target.name else target.commit
            fetched = self.run("fetch", "--quiet", "origin", refspec, timeout=0)
            if not fetched.ok:
                return fetched
        return self.run("checkout", *_KEEPING, "--quiet", "--detach", target.commit, timeout=0)

    def find_missing_parts(self) -> t.Iterator[str]:
        """Yield what the checkout lacks of its commit, with the remedy."""
        modules = _lines(self.run("submodule", "status")) if self.tracked([".gitmodules"]) else []
        stale = [line.split()[1] for line in modules if line[:1] in ("-", "+") and len(line.split()) > 1]
        if stale:
            yield f"its submodule {stale[0]} is not at its commit. To fix this: run 'git submodule update --init' in it"
        if self.run("grep", "-q", "filter=lfs", "--", ":(glob)**/.gitattributes").ok:
            pointers = _lines(self.run("grep", "-l", _POINTER))
            if pointers:
                name = pointers[0]
                yield f"its file {name} is a pointer of Git LFS. To fix this: install git-lfs; run 'git lfs pull'"


def _lines(completed: Completed) -> list[str]:
    return [line[:_LONGEST_LINE] for line in split_lines(completed.stdout)]


def _parse_number(text: str, *, otherwise: int) -> int:
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else otherwise
