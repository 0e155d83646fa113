# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merges members into a list of a JSON file with comments; a member is found by one of its values, or is a text."""

from __future__ import annotations

import typing as t

from .document import Key, parse
from .editor import Edit, Put, Remove, apply_edits

Member = t.Union[str, t.Mapping[str, t.Any]]


class MemberList(t.NamedTuple):
    """The list ``name`` of a file, whose members are identified by ``key``; those of a list of texts by themselves.

    ``defaults`` are the values in a new file before the list. A member gets each key of ``owned`` that the expected one
    does not have removed; all other keys of it stay.
    """

    name: str
    key: str = ""
    defaults: t.Mapping[str, t.Any] = {}
    owned: t.Sequence[str] = ()

    def merge(self, text: str, members: t.Iterable[Member], *, path: str) -> str:
        """Return ``text`` with the ``members``, each key by key."""
        if not text.strip():
            puts = [Put([name], value) for name, value in {**self.defaults, self.name: []}.items()]
            text = apply_edits(text, puts, path=path)
        for member in members:
            text = apply_edits(text, self._edits(text, member, path), path=path)
        return text

    def remove(self, text: str, names: t.Iterable[str], *, path: str) -> str:
        """Return ``text`` without the members of these names."""
        for name in names:
            edits = [Remove([self.name, number]) for number in reversed(self._find(text, name, path))]
            text = apply_edits(text, edits, path=path)
        return text

    def _edits(self, text: str, member: Member, path: str) -> list[Edit]:
        positions = self._find(text, member if isinstance(member, str) else member[self.key], path)
        if not positions:
            new = member if isinstance(member, str) else dict(member)
            return [Put([self.name, len(self._members(text, path))], new)]
        if isinstance(member, str):
            return []
        place: list[Key] = [self.name, positions[0]]
        removals = [Remove([*place, key]) for key in self.owned if key not in member]
        return [*removals, *(Put([*place, key], value) for key, value in member.items())]

    def _find(self, text: str, name: str, path: str) -> list[int]:
        numbered = enumerate(self._members(text, path))
        return [n for n, entry in numbered if (entry.get(self.key) if isinstance(entry, dict) else entry) == name]

    def _members(self, text: str, path: str) -> list[t.Any]:
        node = parse(text, path=path).node([self.name])
        return node.value if node and isinstance(node.value, list) else []
