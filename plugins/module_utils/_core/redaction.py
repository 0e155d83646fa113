# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Masks secrets in results and messages, by their form and by the name of what they are assigned to.

Texts of users are hostile: each expression here takes a time that is proportional to the length of a text.
"""

from __future__ import annotations

import functools
import re
import typing as t
import urllib.parse

from .errors import DevserverError

_T = t.TypeVar("_T")

_HIDDEN = "***"
# Shorter values are also parts of other words.
SHORTEST = 6
# A user's name alone is no secret; a token may be in its place, and no name is so long.
_LONGEST_NAME = 20
# The longest text whose masked form is kept for the next time.
_LONGEST_KEPT = 1000

# What a name is made of: GOPROXY_TOKEN, apiKey, db-password.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_WORDS = """
token tokens secret secrets password passwords passwd passphrase key keys apikey credential credentials creds cookie
authorization bearer pat jwt otp
"""
_SECRET_WORDS = frozenset(_WORDS.split())
# PGPASSWORD, AUTHTOKEN, BINDPW, ROOTPWD; OLDPWD is a directory.
_SECRET_PART = re.compile(
    r"password|passwd|passphrase|secret|(?:token|apikey|accesskey|privatekey|sshpass|dbpass|userpass|\wpw)$|^(?!old)\w+pwd$"
)
# Sessions of the password managers Bitwarden and 1Password.
_SECRET_NAME = re.compile(r"(?:BW|OP)_SESSION(?:_|\Z)", re.IGNORECASE)
# GOAUTH is secret with arguments of a command; other variables of Go may follow in a line.
_GOAUTH = "GOAUTH"
_GOAUTH_METHOD = r"(?:git[ \t]+[^\s;]+|[\w./~-]+)"
_PLAIN_GOAUTH = re.compile(
    rf"\s*{_GOAUTH_METHOD}(?:\s*;\s*{_GOAUTH_METHOD})*\s*(?:\s(?:C?GO\w+|HOME|PATH)=.*)?", re.DOTALL
)
_SECRET_ENDS = frozenset(("pass", "auth", "pwd", "pw", "sig", "signature"))
# The value is the name of a file.
_FILE_ENDS = frozenset(("file", "path", "dir", "directory", "sock", "socket"))

_PLAIN_NAME = r"[A-Za-z_][\w.-]*"
_NAME = rf"(?<![\w.?&-])-{{0,2}}(?P<name>{_PLAIN_NAME})"
_QUOTED = r"(?:\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')"
# A word of a shell, a quoted text, or one in a quoted text.
_WORD_VALUE = re.compile(
    rf"\\\"(?:[^\"\\\n]|\\[^\"\n])*\\?\"|{_QUOTED}(?:{_QUOTED}|[^\s\"',;\])}}])*"
    r"|[^\s\"'](?:[^\s\"']|[\"'](?=\w))*|[\"']\S+"
)
_JSON_VALUE = re.compile(
    rf"\\\"(?:[^\"\\\n]|\\[^\"\n])*\\?\"|{_QUOTED}"
    r"|(?!null\b|true\b|false\b)[^\s,\"'\[\]{}]+|[\"'].+"
)
_LINE_VALUE = re.compile(r".+")
_PARAMETER_VALUE = re.compile(r"[^\s\"'&]+")
_FLAG_VALUE = re.compile(rf"{_QUOTED}|[^\s-]\S*")
_TO_QUOTE = {quote: re.compile(rf"(?:[^{quote}\\\n]|\\.)*") for quote in "\"'"}

# What comes before a value, and the value, if the name is that of a secret. Nothing else is written like this.
_ASSIGNMENTS = (
    # "NAME=a value", as in lists of variables.
    (re.compile(rf"(?P<quote>[\"'])(?P<name>{_PLAIN_NAME})="), None),
    # Lines of shells, pam_env and Dockerfiles, to their end.
    (
        re.compile(
            rf"^[ \t]*(?:(?:export|setenv|declare(?:[ \t]+-\w+)*|set(?:[ \t]+--?\w+)+|ENV)[ \t]+)?{_NAME}"
            r"(?:=|[ \t]+(?:DEFAULT|OVERRIDE)=)",
            re.MULTILINE,
        ),
        _LINE_VALUE,
    ),
    (re.compile(rf"\b(?:setenv|set(?:[ \t]+--?\w+)+|ENV)[ \t]+{_NAME}[ \t]+"), _LINE_VALUE),
    (re.compile(rf"[?&](?P<name>{_PLAIN_NAME})="), _PARAMETER_VALUE),
    (re.compile(rf"{_NAME}="), _WORD_VALUE),
    (re.compile(rf"\\?(?P<quote>[\"'])(?P<name>{_PLAIN_NAME})\\?(?P=quote)\s*:\s*"), _JSON_VALUE),
)
# "name: value", "name = value" and "-name value", which the collection's own texts contain with other meanings.
_LOOSE_ASSIGNMENTS = (
    (re.compile(rf"{_NAME}\\?[\"']?\s*[:=]\s*"), _WORD_VALUE),
    (re.compile(r"(?<![\w.-])--?(?P<name>[A-Za-z][\w.-]*)[ \t]+"), _FLAG_VALUE),
)

# The user and password of a URL. A password may contain / and @, which a path with a version of a module contains too.
_USERINFO = re.compile(
    r"(?<=://)(?:(?=[^/\s@]*[@:])(?:(?!://|[,|](?:https?:|direct\b|off\b))[^\s\"'<>`])+"
    r"@(?!v[\d/]|(?:latest|upgrade|patch|none)\b)|[^/\s]+@)"
)
# In one word, a user and password, and where they are for: data source names of Go's drivers such as
# user:password@tcp(host:3306)/name, and proxies such as user:password@host:3128.
_PLAIN_WORD = re.compile(r"[^\s\"']+")
_USER = re.compile(r"(?<![\w.%+-])[\w.%+-]+:(?!//)")
_PLACE = re.compile(r"@(?:\w{0,16}\([^\s()]*\)/|/\w|[\w-]{1,64}(?:\.[\w-]{1,64}){0,9}:\d{2,5}\b)")
_HEADER = (
    r"\b(?:proxy-authorization|authorization|set-cookie|cookie|(?:private|job|deploy)-token"
    r"|x-[a-z-]{0,40}?(?:key|token|secret|password|signature))"
)
_PRIVATE_KEY = r"[A-Z ]*PRIVATE KEY(?: BLOCK)?-----"
_UNUSUAL = re.compile(r"[^\n\t -~]")
# A trust store has hundreds, which are public.
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\r\n]*-----END CERTIFICATE-----")
# Each is replaced but for its group ``kept``, if it has one.
_FORMS = (
    re.compile(rf"-----BEGIN {_PRIVATE_KEY}.*?(?:-----END {_PRIVATE_KEY}|\Z)", re.DOTALL),
    # The end of a log may begin within one.
    re.compile(rf"\A.*?-----END {_PRIVATE_KEY}", re.DOTALL),
    # A header with its value in quotes ends with them, any other one with its line.
    re.compile(rf"(?P<kept>{_HEADER}\\?[\"']?\s*[:=]\s*\\?[\"'])[^\"'\\\n]*", re.IGNORECASE),
    re.compile(rf"(?P<kept>{_HEADER}\s*[:=](?:\s|\\[ \t])*)[^\"'\s\\][^\n]*", re.IGNORECASE),
    re.compile(r"(?P<kept>\bbearer\s+)[\w.~+/=-]{6,}", re.IGNORECASE),
    re.compile(r"(?P<kept>\bbasic\s+)[\w+/=-]{16,}", re.IGNORECASE),
    # Lines of .netrc, with its words in any order.
    re.compile(r"(?P<kept>\b(?:login|account|machine)\s+\S{1,256}\s+password\s+)\S+", re.IGNORECASE),
    re.compile(r"(?P<kept>^[ \t]*(?:default[ \t]+)?password[ \t]+)\S+(?=[ \t]*(?:login\b.*)?$)", re.MULTILINE),
    # curl -u user:password; numbers are a user and group of other programs.
    re.compile(
        r"(?P<kept>(?<![\w-])(?:-[A-Za-z]{0,8}[uU]|--(?:proxy-)?user)(?:[ \t]+|=)?[\"']?"
        r"(?!\d+:\d+\b)\w[\w.@+-]{0,63}:)(?!//)[^\s\"']+"
    ),
    re.compile(
        r"(?P<kept>\b(?:(?:sshpass|(?:docker|podman|helm)[ \t]+login\b[^\n]{0,100}?|(?:mysql|mariadb)\w*[^\n]{0,100}?)"
        r"[ \t]-p|redis-cli\b[^\n]{0,100}?[ \t]-a)[ \t]*)[^\s-]\S*"
    ),
    re.compile(r"(?P<kept>\b(?:hooks\.slack\.com/services|discord(?:app)?\.com/api/webhooks)/)[\w/-]+"),
    # The code of an OAuth login.
    re.compile(r"(?P<kept>[?&]code=)[^\s\"'&]{6,}"),
    # Those of forges, clouds, chats and registries, and JSON web tokens.
    re.compile(
        r"(?<![A-Za-z0-9])(?:gh[pousr]_\w{16,}|github_pat_\w{16,}|gl[a-z]{2,5}-[\w-]{16,}|xox[abceoprs]-[\w-]{10,}"
        r"|xapp-[\w-]{10,}|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[\w-]{30,}|ya29\.[\w-]{16,}|npm_\w{30,}|pypi-[\w-]{16,}"
        r"|dckr_[po]at_[\w-]{16,}|hf_\w{20,}|hv[sb]\.[\w-]{20,}|SG\.[\w-]{16,}\.[\w-]{16,}|[sr]k_(?:live|test)_\w{16,}"
        r"|(?:do[opr]_v1|shp(?:at|ca|pa|ss)|rubygems|sbp)_[0-9a-f]{32,}|GOCSPX-[\w-]{20,}|AT(?:ATT3x|CTT3x|BB)[\w=-]{20,}"
        r"|(?:AKCp|cmVmd)[A-Za-z0-9]{50,}|sq0[a-z]{3}-[\w-]{20,}|sq[apu]_[0-9a-f]{40}|lin_api_\w{32,}|gl(?:sa|c)_\w{32,}"
        r"|sntry[su]_[\w+/=-]{32,}|dapi[0-9a-f]{32}|tskey-[a-z]{3,8}-[\w-]{16,}|pul-[0-9a-f]{40}|NRAK-[A-Z0-9]{27}"
        r"|dp\.(?:pt|st\.[\w-]{1,35}|ct|sa|scim|audit)\.\w{40,}|xkeysib-[0-9a-f]{64}|PMAK-[0-9a-f-]{50,}|whsec_[\w+/=]{24,}"
        r"|\w{14}\.atlasv1\.[\w-]{60,}|pscale_(?:tkn|pw|oauth)_[\w.-]{32,}|ops_eyJ[\w+/=-]{100,}|fig[du]_[\w-]{32,}"
        r"|ntn_\w{40,}|bkua_[0-9a-f]{40}|fo1_[\w-]{43}|gsk_\w{40,}|oy2[a-z0-9]{43}|\w{3}\dQ~[\w.~-]{31,34}"
        r"|sk-[\w-]{20,}|AGE-SECRET-KEY-\w{16,}|(?<!-)eyJ[\w-]{8,1000}\.[\w-]+(?:\.[\w-]*)*)"
    ),
)


class _Masking:
    """Masks texts; ``secrets`` are what was masked in them."""

    def __init__(self) -> None:
        self.secrets: set[str] = set()

    def mask(self, text: str) -> str:
        """Mask what is a secret by its form, or is assigned to the name of one."""
        text = _USERINFO.sub(self._userinfo, text)
        text = _PLAIN_WORD.sub(self._login, text)
        for form in _FORMS:
            text = form.sub(self._form, text)
        return self.assignments(text, _ASSIGNMENTS)

    def assignments(self, text: str, kinds: t.Iterable[tuple[re.Pattern[str], re.Pattern[str] | None]]) -> str:
        for head, value in kinds:
            text = self._assigned(text, head, value)
        return text

    def _assigned(self, text: str, head: re.Pattern[str], value: re.Pattern[str] | None) -> str:
        parts, end = [], 0
        for match in head.finditer(text):
            # What is in a value that was masked is no name.
            name = match.group("name")
            if match.start() < end or not (name == _GOAUTH or is_secret_name(name)):
                continue
            pattern = value or _TO_QUOTE[match.group("quote")]
            assigned = pattern.match(text, match.end())
            if assigned and _is_secret(name, assigned.group()):
                parts += [text[end : match.end()], self._value(assigned.group())]
                end = assigned.end()
        return "".join([*parts, text[end:]])

    def _value(self, value: str) -> str:
        """Return a value as asterisks, with the quotes around it and the brackets that end a list."""
        quoted = re.match(r"\\?[\"']", value)
        quote = quoted.group() if quoted and len(value) > len(quoted.group()) and value.endswith(quoted.group()) else ""
        inner = value[len(quote) : len(value) - len(quote)] if quote else value.rstrip(",;)]}")
        self.secrets.add(inner)
        return f"{quote}{_HIDDEN}{quote}" + ("" if quote else value[len(inner) :])

    def _form(self, match: re.Match[str]) -> str:
        kept = match.groupdict().get("kept") or ""
        self.secrets.add(match.group()[len(kept) :])
        return kept + _HIDDEN

    def _login(self, match: re.Match[str]) -> str:
        word = match.group()
        user = _USER.search(word) if "@" in word else None
        end = max((place.start() for place in _PLACE.finditer(word)), default=0) if user else 0
        if not user or user.end() >= end or "://" in word[:end]:
            return word
        self.secrets.add(word[user.end() : end])
        return f"{word[: user.end()]}{_HIDDEN}{word[end:]}"

    def _userinfo(self, match: re.Match[str]) -> str:
        text = match.group()[:-1]
        user, colon, password = text.partition(":")
        if colon:
            self.secrets.update((text, password, urllib.parse.unquote(password)))
        elif len(user) >= _LONGEST_NAME:
            self.secrets.add(user)
        return f"{_HIDDEN}@"


def _keeping_short(function: t.Callable[[str], _T]) -> t.Callable[[str], _T]:
    """Keep the results for short texts; a decorator. A report has the same values in each context of each user."""
    of_short = functools.lru_cache(maxsize=4096)(function)
    return lambda text: of_short(text) if len(text) <= _LONGEST_KEPT else function(text)


def redacted(text: str) -> str:
    """Return ``text`` with asterisks for every secret that has the form of one, or that a secret's name precedes.

    For texts of the collection and its options. ``without_secrets`` is for texts of users and other programs.
    """
    return _mask(text)[0]


@_keeping_short
def _mask(text: str) -> tuple[str, t.Collection[str]]:
    """Return ``text`` without secrets, and these."""
    masking = _Masking()
    # A part of a text may match twice.
    return masking.mask(text), masking.secrets - {_HIDDEN}


@_keeping_short
def _mask_output(text: str) -> str:
    return _Masking().assignments(redacted(text), _LOOSE_ASSIGNMENTS)


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
    return _mask_output(without_values(text, values))


def without_values(text: str, values: t.Iterable[str]) -> str:
    """Return ``text`` with asterisks for each of ``values`` that is long enough to be no other word."""
    for value in sorted({value for value in values if len(value) >= SHORTEST}, key=len, reverse=True):
        text = text.replace(value, _HIDDEN)
    return text


def is_secret_name(name: str) -> bool:
    """Return whether a variable, field or flag of this name has a secret value."""
    if _SECRET_NAME.match(name):
        return True
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or words[-1] in _FILE_ENDS:
        return False
    # PWD is the working directory.
    is_last = words[-1] in _SECRET_ENDS and words != ["pwd"]
    return is_last or any(word in _SECRET_WORDS or _SECRET_PART.search(word) for word in words)


def _is_secret(name: str, value: str) -> bool:
    if name == _GOAUTH:
        return bool(value) and not _PLAIN_GOAUTH.fullmatch(value.strip("\\\"'"))
    return is_secret_name(name)


def masked_by_name(name: str, value: str) -> str:
    """Return the value of a variable, or asterisks if the name is that of a secret."""
    return _HIDDEN if value and _is_secret(name, value) else value


def shown_value(name: str, value: str) -> str:
    """Return the value of a variable as results show it."""
    return redacted(masked_by_name(name, value))


def secret_values(variables: t.Mapping[str, t.Any]) -> set[str]:
    """Return the values, or texts in values, that are secret by their names or forms."""
    return set().union(*(_secrets_of(str(name), value) for name, value in variables.items()))


def secrets_in(value: t.Any) -> set[str]:
    """Return the secrets in text or in a structure with texts and variables, as ``without_values`` takes them."""
    if isinstance(value, str):
        return set(_mask(_CERTIFICATE.sub("", value))[1])
    if isinstance(value, dict):
        return secrets_in(list(value)) | secret_values(value)
    if isinstance(value, (list, tuple)):
        # The words of a command line: --token, value.
        words = [word if isinstance(word, str) else "" for word in value]
        flags = {
            word for flag, word in zip(words, words[1:]) if flag[:1] == "-" and "=" not in flag and is_secret_name(flag)
        }
        return flags.union(*map(secrets_in, value))
    return set()


def texts_in(value: t.Any) -> list[str]:
    """Return all texts and numbers in a structure, without the names of dictionaries."""
    if isinstance(value, (dict, list, tuple)):
        return [text for item in (value.values() if isinstance(value, dict) else value) for text in texts_in(item)]
    return [] if value is None or isinstance(value, bool) else [str(value)]


def _secrets_of(name: str, value: t.Any) -> set[str]:
    return secrets_in(value) | {text for text in texts_in(value) if _is_secret(name, text)}


def presentable(value: t.Any, secrets: t.Collection[str] = ()) -> t.Any:
    """Return ``value``, text or a structure of it, as a result shows it: printable, and without secrets."""
    # A report has few texts, each of them very often.
    known: dict[str, str] = {}

    def shown(item: t.Any) -> t.Any:
        if isinstance(item, str):
            if item not in known:
                known[item] = _printable(redacted(without_values(item, secrets)))
            return known[item]
        if isinstance(item, dict):
            return {shown(name): shown(content) for name, content in item.items()}
        return [shown(content) for content in item] if isinstance(item, (list, tuple)) else item

    return shown(value)


def printable(value: t.Any) -> t.Any:
    """Return ``value``, text or a structure of it, with everything written out that a terminal does not show as it is.

    That is what is no UTF-8, which no result can hold, control characters, such as those that begin a terminal's escape
    sequences, and characters that change the order of others or have no width.
    """
    if isinstance(value, str):
        return _printable(value)
    if isinstance(value, dict):
        return {printable(key): printable(item) for key, item in value.items()}
    return [printable(item) for item in value] if isinstance(value, (list, tuple)) else value


def _printable(text: str) -> str:
    # Most texts.
    if text.isascii() and text.isprintable():
        return text
    try:
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        # Half of a pair, as JSON can name it, is no byte of any file.
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return _UNUSUAL.sub(_written_out, text)


def _written_out(match: re.Match[str]) -> str:
    char = match.group()
    return char if char.isprintable() else char.encode("unicode_escape").decode()
