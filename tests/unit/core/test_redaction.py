# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that looks like a secret is hidden everywhere, and the rest can still be read."""

from __future__ import annotations

import json

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.redaction import (
    is_secret_name,
    reject_short_secrets,
    secret_values,
    without_secrets,
)
from hypothesis import given
from hypothesis import strategies as st

SECRET = "hunter2hunter2"
TEXTS = [
    "GOPROXY=https://build:{}@proxy.example.com,direct",
    "fetch https://{}@forge.example.com/x.git: 403",
    "Authorization: Bearer {}",
    '{{"headers": {{"Authorization": "token {}"}}, "status": 401}}',
    "map[Authorization:[Basic {}] Accept:[*/*]]",
    "Cookie: session={}; theme=dark",
    "SHOP_API_TOKEN={}",
    'Environment=PATH=/usr/bin "SHOP_PASSWORD={} and more" HOME=/home/alice',
    "Environment=PATH=/usr/bin SHOP_PASSWORD={} HOME=/home/alice",
    "export DB_PASSWORD={}",
    "DB_PASSWORD=first {} last",
    'password: "{}"',
    "{{'clientSecret': '{}'}}",
    '{{"apiKey":"{}","n":1}}',
    'msg="{{\\"api_key\\":\\"{}\\"}}" level=info',
    "ExecStart=/srv/api --token {} -listen :80",
    "ExecStart=/srv/api -api-key={} -listen :80",
    "GET /x?access_token={}&page=2 HTTP/1.1",
    "machine forge.example.com login alice password {}",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n{}\n-----END RSA PRIVATE KEY-----\nafter",
    "-----BEGIN PRIVATE KEY-----\n{}",
    "MIIE\n{}\nMIIE\n-----END EC PRIVATE KEY-----\nafter",
    "curl -H 'X-Auth-Token: {}' https://x",
]
VALUES = st.text(alphabet="abcdefgXYZ0123456789+_.-~", min_size=6, max_size=40).filter(lambda text: text[0] not in "-.")


@pytest.mark.parametrize("text", TEXTS)
def test_it_is_hidden(text):
    shown = without_secrets(text.format(SECRET))
    assert SECRET not in shown
    assert "***" in shown


@given(value=VALUES, text=st.sampled_from(TEXTS))
def test_any_value_is_hidden(value, text):
    # In front of what goes with it, so that nothing else of the text is met.
    shown = without_secrets(
        text.format(f"#{value}#" if "Basic" not in text and "Bearer" not in text else SECRET + value)
    )
    assert f"#{value}" not in shown and SECRET + value not in shown


@pytest.mark.parametrize(
    "token",
    [
        "ghp_abcdefghijklmnopqrstuvwx",
        "github_pat_11ABCDEFG0abcdefghijkl",
        "glpat-abcdefghijklmnopqrst",
        "AKIAABCDEFGHIJKLMNOP",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "xoxb-1234567890-abcdef",
    ],
)
def test_it_is_known_by_its_form(token):
    assert without_secrets(f"the result of {token} was no") == "the result of *** was no"


@pytest.mark.parametrize(
    "text",
    [
        "KeyringMode=private",
        "PWD=/home/alice OLDPWD=/",
        "GOPATH=/home/alice/go GOTOOLCHAIN=local",
        "ExecStart={ path=/usr/local/bin/gopls ; argv[]=/usr/local/bin/gopls serve }",
        "2026/01/31 12:00:00 main.go:12: undefined: monkey",
        "goroutine 1 [chan receive]:\n\tmain.main()\n\t\t/home/alice/main.go:12 (0x4a)",
        "MemoryMax=2147483648",
        "https://proxy.example.com/mod/@v/list",
    ],
)
def test_the_rest_can_be_read(text):
    assert without_secrets(text) == text


def test_a_value_that_would_not_be_hidden_is_rejected_by_its_number():
    reject_short_secrets([SECRET, "sixsix"])
    with pytest.raises(DevserverError, match="number 2 has 5 characters") as caught:
        reject_short_secrets([SECRET, "fives"])
    assert "fives" not in str(caught.value)


def test_known_values_are_hidden_everywhere():
    assert without_secrets(f"panic: {SECRET}x, xx{SECRET}", [SECRET, "x"]) == "panic: ***x, xx***"


def test_json_stays_json():
    text = json.dumps({"token": SECRET, "nested": {"Authorization": SECRET}, "list": [1]})
    assert json.loads(without_secrets(text)) == {"token": "***", "nested": {"Authorization": "***"}, "list": [1]}


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("GITHUB_TOKEN", True),
        ("apiKey", True),
        ("db-password", True),
        ("AWS_SECRET_ACCESS_KEY", True),
        ("SSH_AUTH_SOCK", False),
        ("PWD", False),
        ("DB_PASS", True),
        ("PassSecurity", False),
        ("MONKEY", False),
        ("GOPROXY", False),
    ],
)
def test_secrets_are_recognised_by_name(name, secret):
    assert is_secret_name(name) is secret


def test_values_of_variables():
    found = secret_values({"GOPROXY": f"https://ci:{SECRET}@p.example.com", "A_TOKEN": "abcdef", "HOME": "/home/a"})
    assert {SECRET, f"ci:{SECRET}", "abcdef"} == set(found)
