# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the package on Galaxy contains: what users need, and nothing of the developers' own."""

from __future__ import annotations

import fnmatch
import pathlib

import yaml

ROOT = pathlib.Path(__file__).parents[3]
FOR_USERS = {
    "CHANGELOG.md", "LICENSE", "README.md", "SECURITY.md", "changelogs", "docs", "galaxy.yml", "inventory", "meta",
    "playbooks", "plugins", "roles",
}  # fmt: skip
# Of each checkout alone; the build skips .git by itself.
UNTRACKED = {".git", "env.sh", "__pycache__"}


def ignored_by_the_build() -> list[str]:
    patterns: list[str] = yaml.safe_load((ROOT / "galaxy.yml").read_text())["build_ignore"]
    return patterns


def test_each_entry_is_either_for_users_or_ignored_by_the_build() -> None:
    ignored = ignored_by_the_build()
    entries = {path.name for path in ROOT.iterdir()} - UNTRACKED
    packaged = {name for name in entries if not any(fnmatch.fnmatch(name, pattern) for pattern in ignored)}
    assert packaged <= FOR_USERS, "list it in build_ignore of galaxy.yml, or here where users need it"
    assert packaged >= FOR_USERS


def test_support_bundles_made_in_a_checkout_are_neither_packaged_nor_committed() -> None:
    defaults = yaml.safe_load((ROOT / "roles/support_bundle/defaults/main.yml").read_text())
    assert defaults["support_bundle_dir"] in ignored_by_the_build()
    assert f"/{defaults['support_bundle_dir']}/" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_workflows_grant_nothing_and_pin_what_they_use() -> None:
    for path in (ROOT / ".github/workflows").glob("*.yml"):
        workflow = yaml.safe_load(path.read_text())
        assert workflow["permissions"] == {"contents": "read"}, path.name
        assert "concurrency" in workflow, path.name
        used = [step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step]
        assert used
        assert all(fnmatch.fnmatch(name, "actions/*@v[0-9]*") for name in used), path.name
