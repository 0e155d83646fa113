# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declared public keys of a user, as a managed block in ~/.ssh/authorized_keys; all other lines stay."""

from __future__ import annotations

import base64
import binascii
import os
import re
import struct
import typing as t

from .._core.errors import DevserverError
from .._environment import sshd_config
from .._host.accounts import Account
from .._host.files import split_lines
from .._host.managed_block import with_block, without_block
from .._host.managed_files import ManagedFile, users_file

FILE = ".ssh/authorized_keys"
# Seconds for sshd to print its configuration.
_TIMEOUT = 20
_KIND = re.compile(r"(?:ssh|ecdsa|sk)-[a-z0-9@.-]+")
# Other programs than sshd end a line at some of these.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


class PublicKey(t.NamedTuple):
    """One line of authorized_keys; ``blob`` is the key itself, without options and comment."""

    line: str
    blob: str


def parse_keys(entries: t.Sequence[str], place: str) -> list[PublicKey]:
    """Return the public keys in ``entries``; raise DevserverError, with their ``place``, for one that is none."""
    keys = {}
    for number, entry in enumerate(entries, 1):
        line = entry.strip()
        key = _parse(line)
        if key is None or _CONTROL.search(line):
            # A private key may have been declared by mistake, so the entry is not shown.
            raise DevserverError(
                f"entry {number} of {place} is not a public key",
                expected="one line such as 'ssh-ed25519 AAAA... alice@laptop', with or without options before it",
                remedy="copy the line from the .pub file of the key; never declare a private key",
            )
        keys[key.blob] = key
    return list(keys.values())


def bare_key(line: str) -> str:
    """Return the type and the key of a line without options; empty for any other line."""
    kind, key = _split_field(line.strip())[0], _parse(line.strip())
    return f"{kind} {key.blob}" if key and _KIND.fullmatch(kind) else ""


def keys_file(account: Account, keys: t.Sequence[PublicKey]) -> ManagedFile:
    """Return the file of a user with ``keys`` in it, and without those that earlier runs have added.

    A key that the user has added stays as it is, with its options.
    """
    path = os.path.join(account.home, FILE)

    def content(now: str | None) -> str | None:
        rest = without_block(now or "", path=path)
        existing = {key.blob for key in map(_parse, map(str.strip, split_lines(rest))) if key}
        added = [key.line for key in keys if key.blob not in existing]
        if added:
            return with_block(now or "", "\n".join(added), path=path, first=False)
        return rest or (None if now else now)

    return users_file(path, content, account, mode=0o600)


def reject_other_places(account: Account) -> None:
    """Raise DevserverError if sshd does not read the keys of a user from the user's own file."""
    lines = [line for line in sshd_config.lines() if line.keyword == "authorizedkeysfile"]
    if not lines or not os.path.exists(sshd_config.SSHD):
        return
    paths = sshd_config.key_files(account, dict(sshd_config.effective(account, _TIMEOUT)))
    if os.path.join(account.home, FILE) not in paths:
        source = lines[0].source
        raise DevserverError(
            f"sshd reads the keys of user {account.name} from {' '.join(paths)}, because of {source}",
            expected=f"{os.path.join(account.home, FILE)}, which this run would edit",
            remedy=f"add {FILE} to AuthorizedKeysFile in {source}, or remove authorized_keys of {account.name} from"
            " devserver_users and manage the keys in that place",
            user=account.name,
        )


def _parse(line: str) -> PublicKey | None:
    first, rest = _split_field(line)
    kind, rest = (first, rest) if _KIND.fullmatch(first) else _split_field(rest)
    blob = rest.split()[0] if rest else ""
    if line.startswith("#") or not _KIND.fullmatch(kind):
        return None
    try:
        content = base64.b64decode(blob, validate=True)
    except (binascii.Error, ValueError):
        return None
    # The key names its own type.
    prefix = struct.pack(">I", len(kind)) + kind.encode()
    return PublicKey(line, blob) if content.startswith(prefix) and len(content) > len(prefix) else None


def _split_field(line: str) -> tuple[str, str]:
    """Return what precedes the first blank outside of quotes, and what follows; options may have some in quotes."""
    quoted = False
    for number, character in enumerate(line):
        if character == '"' and line[number - 1 : number] != "\\":
            quoted = not quoted
        elif character in " \t" and not quoted:
            return line[:number], line[number:].strip()
    return line, ""
