# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Masks credentials in results and messages, and everything that looks like a secret in texts of other programs."""

from __future__ import annotations

import re
import typing as t

from .errors import DevserverError

_CREDENTIALS = re.compile(r"(?<=://)[^/\s]+@")
# A user's name alone is no secret; a token may be in its place, and no name is so long.
_SECRET = re.compile(r"(?<=://)(?:[^/\s:@]*:[^/\s]*|[^/\s:@]{20,})(?=@)")

_HIDDEN = "***"
# What a name is made of: GOPROXY_TOKEN, apiKey, db-password.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_WORDS = """
token tokens secret secrets password passwords passwd passphrase key keys apikey credential credentials cookie
authorization bearer
"""
_SECRET_WORDS = frozenset(_WORDS.split())
# Shorter values are also parts of other words.
SHORTEST = 6

_NAME = r"(?<![\w.-])-{0,2}(?P<name>[A-Za-z_][\w.-]*)"
_HEADER = r"\b(?:proxy-authorization|authorization|set-cookie|cookie)"
# "NAME=a value", as in lists of variables; NAME=value and "name": "value"; -name value and --name value.
_PAIRS = (
    re.compile(r'(?P<head>(?P<quote>["\'])(?P<name>[A-Za-z_][\w.-]*)=)(?P<value>(?:(?!(?P=quote))[^\\\n]|\\.)*)'),
    re.compile(rf"(?P<head>^\s*(?:export\s+)?{_NAME}=)(?P<value>.+)$", re.MULTILINE),
    re.compile(
        rf"(?P<head>{_NAME}\\?[\"']?\s*[:=]\s*)"
        rf"(?P<value>\\?\"(?:[^\"\\\n]|\\[^\"\n])*\\?\"|'[^'\n]*'|[^\s,;&\"'\])}}]+)"
    ),
    re.compile(r"(?P<head>(?<![\w-])--?(?P<name>[A-Za-z][\w.-]*)[ \t]+)(?P<value>[^\s-]\S*)"),
)
# Each is replaced but for its group ``kept``, if it has one.
_SHAPES = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    # The end of a log may begin within one.
    re.compile(r"\A.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL),
    # A header with its value in quotes ends with them, any other one with its line.
    re.compile(rf"(?P<kept>{_HEADER}\\?[\"']?\s*[:=]\s*\\?[\"'])[^\"'\\\n]*", re.IGNORECASE),
    re.compile(rf"(?P<kept>{_HEADER}\s*[:=]\s*)[^\"'\s\\][^\n]*", re.IGNORECASE),
    re.compile(r"(?P<kept>\bbearer\s+)[\w.~+/=-]{6,}", re.IGNORECASE),
    re.compile(r"(?P<kept>\bbasic\s+)[\w+/=-]{16,}", re.IGNORECASE),
    re.compile(r"(?P<kept>\blogin\s+\S+\s+password\s+)\S+", re.IGNORECASE),
    # Those of forges, clouds, chats and registries, and JSON web tokens.
    re.compile(
        r"\b(?:gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|xox[abeoprs]-[\w-]{10,}|(?:AKIA|ASIA)[0-9A-Z]{16}"
        r"|npm_\w{30,}|sk-[\w-]{20,}|eyJ[\w-]{8,}\.[\w-]+\.[\w-]*)"
    ),
)


def redacted(text: str) -> str:
    """Return ``text`` with the user and password of every URL in it replaced by three asterisks.

    For texts of the collection and its options, such as URLs in messages and files that it renders itself, where a
    credential is only in a URL. ``without_secrets`` is for texts of users and other programs.
    """
    return _CREDENTIALS.sub("***@", text)


def reject_short_secrets(values: t.Iterable[str]) -> None:
    """Raise DevserverError for a value that ``without_secrets`` would leave in a text."""
    for number, value in enumerate(values, start=1):
        if len(value) < SHORTEST:
            raise DevserverError(
                f"secret number {number} has {len(value)} characters",
                expected=f"at least {SHORTEST}: shorter values are also parts of other words",
                remedy="leave it out, or extend it by the text around it",
            )


def without_secrets(text: str, values: t.Iterable[str] = ()) -> str:
    """Return ``text`` with asterisks for everything that looks like a secret, and for all of ``values``.

    These are the user and password of URLs, authorization headers, private keys, tokens of known formats, and values of
    variables, fields and flags with secret names. In doubt a value is masked, so this is for texts that users or other
    programs wrote: output, logs, and files that are only partly the collection's. Where every character matters and the
    text is the collection's own, use ``redacted``.
    """
    text = without_values(text, values)
    for shape in _SHAPES:
        text = shape.sub(_but_for_what_is_kept, text)
    text = redacted(text)
    for pair in _PAIRS:
        text = pair.sub(_without_value, text)
    return text


def without_values(text: str, values: t.Iterable[str]) -> str:
    """Return ``text`` with asterisks for each of ``values`` that is long enough to be no other word."""
    for value in sorted({value for value in values if len(value) >= SHORTEST}, key=len, reverse=True):
        text = text.replace(value, _HIDDEN)
    return text


def is_secret_name(name: str) -> bool:
    """Return whether a variable, field or flag of this name has a secret value."""
    words = [word.lower() for word in _WORD.findall(name)]
    # systemd passes this and that.
    return not _SECRET_WORDS.isdisjoint(words) or words[-1:] == ["pass"]


def secret_values(variables: t.Mapping[str, str]) -> list[str]:
    """Return the values that are secret by their names, and the credentials in URLs, with each password alone."""
    named = [value for name, value in variables.items() if is_secret_name(name)]
    secrets = credentials(list(variables.values()))
    return [*named, *secrets, *(secret.partition(":")[2] for secret in secrets if ":" in secret)]


def _but_for_what_is_kept(match: re.Match[str]) -> str:
    return (match.groupdict().get("kept") or "") + _HIDDEN


def _without_value(match: re.Match[str]) -> str:
    if not is_secret_name(match.group("name")):
        return match.group()
    value = match.group("value")
    end = re.search(r"\\?[\"']\Z", value)
    quote = end.group() if end and value.startswith(end.group()) and len(value) > len(end.group()) else ""
    return f"{match.group('head')}{quote}{_HIDDEN}{quote}"


def printable(value: t.Any) -> t.Any:
    """Return ``value``, text or a structure of it, with what is no UTF-8 written out: no result can hold that."""
    if isinstance(value, str):
        return _printable(value)
    if isinstance(value, dict):
        return {printable(key): printable(item) for key, item in value.items()}
    return [printable(item) for item in value] if isinstance(value, (list, tuple)) else value


def _printable(text: str) -> str:
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        # Half of a pair, as JSON can name it, is no byte of any file.
        return text.encode("utf-8", "backslashreplace").decode("utf-8")


def credentials(value: t.Any) -> list[str]:
    """Return the user and password of every URL in text, or in the texts of a structure, for no_log_values."""
    if isinstance(value, str):
        return _SECRET.findall(value)
    if isinstance(value, dict):
        return credentials([*value, *value.values()])
    return [secret for item in value for secret in credentials(item)] if isinstance(value, (list, tuple)) else []
