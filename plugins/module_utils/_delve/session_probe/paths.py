# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rule of substitutePath leads from the path of a source in the editor to its path in the binary."""

from __future__ import annotations

import re
import typing as t

_VERSION = re.compile(r"@v[^/]*")


class Rule(t.NamedTuple):
    """A rule as dlv takes it, from ``editor`` to ``binary``, and what made it necessary."""

    editor: str
    binary: str
    kind: str


def mapping(
    file: str, sources: t.Sequence[str], *, real: str, module: str = "", usable: t.Collection[str] = ()
) -> Rule | None:
    """Return the rule that leads from ``file`` to one of ``sources``, which have its base name; None where none is.

    ``real`` is the file without symbolic links, ``module`` the path of its module, ``usable`` those of the sources
    that have code on the wanted line. A source that has no more than its base name in common must be one of these, and
    two that have as much in common are a riddle.
    """
    if not sources or file in sources:
        return None
    ranks = {
        path: (path == real or _trimmed(path, file, module), _common(path, file), path in usable) for path in sources
    }
    ranked = sorted(((rank, path) for path, rank in ranks.items()), reverse=True)
    rank, best = ranked[0]
    riddle = len(ranked) > 1 and ranked[1][0] == rank
    if riddle or not (rank[0] or rank[1] > 1 or best in usable):
        return None
    return _rule(file, best, module, _kind(file, best, real))


def _trimmed(path: str, file: str, module: str) -> bool:
    return bool(module) and path.startswith(module + "/") and file.endswith(path[len(module) :])


def _common(one: str, other: str) -> int:
    """Return how many elements two paths have in common at their end; the version of a module counts for nothing."""
    pairs = zip(reversed(_elements(_VERSION.sub("", one))), reversed(_elements(_VERSION.sub("", other))))
    number = 0
    for left, right in pairs:
        if left != right:
            break
        number += 1
    return number


def _rule(file: str, best: str, module: str, kind: str) -> Rule:
    """Return the rule that leaves out the longest end that both paths have, but not into a module's own path."""
    ours, theirs = _elements(file), _elements(best)
    while ours[-1] == theirs[-1] and ours[:-1] != [""] and theirs[:-1] not in ([], [""]) and "/".join(theirs) != module:
        ours.pop()
        theirs.pop()
    return Rule("/".join(ours), "/".join(theirs), kind)


def _elements(path: str) -> list[str]:
    return path.split("/")


def _kind(file: str, best: str, real: str) -> str:
    if not best.startswith("/"):
        return "trimpath"
    if best == real:
        return "symlink"
    if "/vendor/" in file or "/vendor/" in best:
        return "vendor"
    return "elsewhere"
