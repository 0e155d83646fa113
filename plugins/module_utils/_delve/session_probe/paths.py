# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the rule of substitutePath from the path of a source in the editor to its path in the binary."""

from __future__ import annotations

import re
import typing as t

_VERSION = re.compile(r"@v[^/]*")


class PathRule(t.NamedTuple):
    """A path mapping of dlv from ``editor`` to ``binary``, and the reason for it."""

    editor: str
    binary: str
    kind: str


def find_path_rule(
    file: str, sources: t.Sequence[str], *, real: str, module: str = "", usable: t.Collection[str] = ()
) -> PathRule | None:
    """Return the rule that maps ``file`` to one of ``sources``, which have its base name; None without a match.

    ``real`` is the file without symbolic links, ``module`` the path of its module, ``usable`` the sources with code on
    the breakpoint's line. A source with only its base name in common must be one of them. Two sources with equally many
    common elements are ambiguous.
    """
    if not sources or file in sources:
        return None
    ranks = {
        path: (path == real or _is_trimmed(path, file, module), _count_common_elements(path, file), path in usable)
        for path in sources
    }
    ranked = sorted(((rank, path) for path, rank in ranks.items()), reverse=True)
    rank, best = ranked[0]
    ambiguous = len(ranked) > 1 and ranked[1][0] == rank
    if ambiguous or not (rank[0] or rank[1] > 1 or best in usable):
        return None
    return _shortest_rule(file, best, module, _rule_kind(file, best, real))


def _is_trimmed(path: str, file: str, module: str) -> bool:
    return bool(module) and path.startswith(module + "/") and file.endswith(path[len(module) :])


def _count_common_elements(first: str, second: str) -> int:
    """Return how many elements two paths have in common at their end, without the versions of modules."""
    pairs = zip(*(reversed(_VERSION.sub("", path).split("/")) for path in (first, second)))
    number = 0
    for left, right in pairs:
        if left != right:
            break
        number += 1
    return number


def _shortest_rule(file: str, best: str, module: str, kind: str) -> PathRule:
    """Return the rule without the longest common end of both paths, but with the whole path of the module."""
    editor, binary = file.split("/"), best.split("/")
    while (
        editor[-1] == binary[-1]
        and editor[:-1] != [""]
        and binary[:-1] not in ([], [""])
        and "/".join(binary) != module
    ):
        editor.pop()
        binary.pop()
    return PathRule("/".join(editor), "/".join(binary), kind)


def _rule_kind(file: str, best: str, real: str) -> str:
    if not best.startswith("/"):
        return "trimpath"
    if best == real:
        return "symlink"
    if "/vendor/" in file or "/vendor/" in best:
        return "vendor"
    return "elsewhere"
