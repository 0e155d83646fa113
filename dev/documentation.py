# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what users read, and of the package they install: change log, plugin documentation, site, Galaxy."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from dev import galaxy, python_env
from dev.checkout import CACHE, ROOT, Failure
from dev.command import run

CHANGE_LOG = ROOT / "CHANGELOG.md"
SITE = CACHE / "site"
SITE_SOURCE = CACHE / "site-source"
REPOSITORY = "https://github.com/gopherops/ansible-devserver/blob/main/"
PACKAGE = CACHE / "package"
# The checks that run on this machine: ansible-lint and ansible-test run by themselves, with the project's own versions.
IMPORTER = {
    "GALAXY_IMPORTER_RUN_ANSIBLE_LINT": "false",
    "GALAXY_IMPORTER_RUN_ANSIBLE_TEST": "false",
    "GALAXY_IMPORTER_CHECK_REQUIRED_TAGS": "true",
    "GALAXY_IMPORTER_ANSIBLE_LOCAL_TMP": str(CACHE / "ansible" / "tmp"),
}
_LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def change_log(log: Path) -> None:
    """Check the fragments and the released changes, and that CHANGELOG.md is what they generate."""
    _tool(["antsibull-changelog", "lint"], log)
    _tool(["antsibull-changelog", "lint-changelog-yaml", "--strict", "changelogs/changelog.yaml"], log)
    generated = CACHE / "CHANGELOG.md"
    _tool(["antsibull-changelog", "generate", "--output", generated], log)
    if generated.read_bytes() != CHANGE_LOG.read_bytes():
        raise Failure(f"{CHANGE_LOG} differs from its source. To fix this: antsibull-changelog generate")


def plugins(log: Path) -> None:
    """Check the documentation of every plugin, module and role, with its markup and references."""
    _tool(["antsibull-docs", "lint-collection-docs", "--plugin-docs", galaxy.HERE], log)


def site(log: Path) -> None:
    """Build the documentation site; a warning, such as a dead link, is a failure."""
    shutil.rmtree(SITE_SOURCE, ignore_errors=True)
    copy_pages(ROOT, SITE_SOURCE)
    reference = SITE_SOURCE / "collections"
    # antsibull-docs rejects a directory that others can write to.
    reference.mkdir(mode=0o755)
    options = ["--use-current", "--fail-on-error", "--squash-hierarchy", "--dest-dir", str(reference)]
    _tool(["antsibull-docs", "collection", *options, "gopherops.devserver"], log)
    shutil.rmtree(SITE, ignore_errors=True)
    _tool(["sphinx-build", "-W", "--keep-going", "-q", "-b", "html", SITE_SOURCE, SITE], log)


def copy_pages(root: Path, source: Path) -> None:
    """Copy Sphinx's configuration, and every page in Markdown with its links made to work on the site."""
    shutil.copytree(root / "dev" / "site", source)
    top = sorted(path.relative_to(root) for path in root.glob("*.md"))
    guides = _in_reading_order(root)
    for page in (*top, *guides):
        (source / page).parent.mkdir(parents=True, exist_ok=True)
        (source / page).write_text(_relinked((root / page).read_text(encoding="utf-8"), page), encoding="utf-8")
    index = (source / "index.md").read_text(encoding="utf-8")
    named = {
        "{pages}": [page for page in top if page.stem != "README"],
        "{guides}": [page for page in guides if page.parent.name != "rules"],
    }
    for placeholder, pages in named.items():
        index = index.replace(placeholder, "\n".join(str(page.with_suffix("")) for page in pages))
    (source / "index.md").write_text(index, encoding="utf-8")


def _in_reading_order(root: Path) -> list[Path]:
    """Return the pages of docs/ in the order of the table of contents, and after them those that it does not list."""
    contents = Path("docs", "index.md")
    listed = [match[1] for match in _LINK.finditer((root / contents).read_text(encoding="utf-8"))]
    order = [contents, *(Path(os.path.normpath(contents.parent / page)) for page in listed)]
    pages = sorted(path.relative_to(root) for path in (root / "docs").rglob("*.md"))
    return sorted(pages, key=lambda page: order.index(page) if page in order else len(order))


def _relinked(text: str, page: Path) -> str:
    """Return a page whose links to files that are not on the site lead to the repository."""

    def link(match: re.Match[str]) -> str:
        target = os.path.normpath(page.parent / match[1])
        on_site = target.endswith(".md") and target.split(os.sep)[0] in (target, "docs")
        return match[0] if on_site else f"]({REPOSITORY}{target}{match[2] or ''})"

    return _LINK.sub(link, text)


def package(log: Path) -> None:
    """Build the package and pass it through the checks of Galaxy's import."""
    shutil.rmtree(PACKAGE, ignore_errors=True)
    PACKAGE.mkdir()
    _tool(["ansible-galaxy", "collection", "build", "--output-path", PACKAGE, galaxy.HERE], log)
    (archive,) = PACKAGE.glob("*.tar.gz")
    _tool(["python", "-m", "galaxy_importer.main", archive], log, cwd=PACKAGE, **IMPORTER)


def _tool(argv: list[str | Path], log: Path, cwd: Path = ROOT, **environment: str) -> None:
    """Run a tool of the documentation's environment."""
    python_env.ensure_docs(log)
    tools = python_env.DOCS_VENV / "bin"
    env = python_env.tool_environment() | environment
    env |= {"PATH": f"{tools}:{env['PATH']}", "VIRTUAL_ENV": str(python_env.DOCS_VENV)}
    run([tools / argv[0], *argv[1:]], log=log, cwd=cwd, env=env)
