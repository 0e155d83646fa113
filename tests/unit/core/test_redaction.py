# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that looks like a secret is hidden everywhere, and the rest can still be read."""

from __future__ import annotations

import json
import time

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.redaction import (
    is_secret_name,
    masked_by_name,
    printable,
    redacted,
    reject_short_secrets,
    secret_values,
    secrets_in,
    without_secrets,
)
from hypothesis import given, settings
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
        "GOCSPX-abcdefghijklmnopqrstuvwxyz12",
        f"dop_v1_{'0123456789abcdef' * 4}",
        f"shpat_{'0123456789abcdef' * 2}",
        f"ATATT3xFfGF0{'abcXYZ_-' * 10}=1A2B3C4D",
        f"AKCp{'aB1' * 23}",
        f"cmVmd{'aB1' * 20}",
        f"tskey-auth-{'aB1' * 8}-{'aB1' * 8}",
        f"abc8Q~{'aB1.' * 8}",
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
        ("PGPASSWORD", True),
        ("GITHUB_PAT", True),
        ("MYSQL_PWD", True),
        ("SSHPASS", True),
        ("authToken", True),
        ("CI_KEY", True),
        ("NPM_AUTH", True),
        ("GOAUTH", False),
        ("GOPATH", False),
        ("TOKEN_FILE", False),
        ("BYPASS", False),
        ("LDAP_BINDPW", True),
        ("rootpwd", True),
        ("OLDPWD", False),
        ("BW_SESSION", True),
        ("OP_SESSION_corp", True),
        ("XDG_SESSION_ID", False),
        ("DESKTOP_SESSION", False),
    ],
)
def test_secrets_are_recognised_by_name(name, secret):
    assert is_secret_name(name) is secret


def test_values_of_variables():
    found = secret_values({"GOPROXY": f"https://ci:{SECRET}@p.example.com", "A_TOKEN": "abcdef", "HOME": "/home/a"})
    assert {SECRET, f"ci:{SECRET}", "abcdef"} == found


def test_the_arguments_of_a_command_in_goauth_are_secret():
    assert secret_values({"GOAUTH": f"helper {SECRET}"}) == {f"helper {SECRET}"}
    assert masked_by_name("GOAUTH", f"helper {SECRET}") == "***"
    for value in ("", "off", "netrc", "git /home/alice/x; netrc", "/usr/bin/helper"):
        assert secret_values({"GOAUTH": value}) == set() and masked_by_name("GOAUTH", value) == value


def test_values_of_flags_in_a_list_of_words():
    assert secrets_in(["-v", "--token", SECRET, "--listen", ":8080", "-api-key=abcdefgh", "x"]) == {SECRET, "abcdefgh"}


# Where secrets of any form are in texts of the collection itself, with the characters that they can contain there.
PLAIN = "abcdefgXYZ0123456789-_."
WORD = PLAIN + "+/~:@!%^*=$#?"
FORMS = [
    ("https://goproxy.example.com?token={}", PLAIN + "/+~%"),
    ("https://goproxy.example.com/mod?a=1&access_token={}&b=2", PLAIN + "/+~%"),
    ("GET https://s3.example.com/x?X-Amz-Signature={}", PLAIN + "%"),
    ("https://alice:{}@goproxy.example.com,direct", WORD + ","),
    ("https://a.example.com:8080,https://alice:{}@b.example.com|off", WORD + ","),
    ("GOPROXY=https://alice:{}@goproxy.example.com/mod/@v/list", PLAIN + "/:+~%!$"),
    ("postgres://app:{}@db.example.com:5432/shop?sslmode=disable", WORD + ",;()"),
    ("app:{}@tcp(db.example.com:3306)/shop?parseTime=true", WORD),
    ("dsn=app:{}@unix(/run/mysqld.sock)/shop", WORD),
    ("app:{}@/shop", PLAIN + ":+!"),
    ("GOFLAGS=-mod=mod -ldflags=-X=main.token={}", WORD + ",;()&"),
    ("GOFLAGS=-ldflags=-X=example.com/shop/build.apiKey={} -tags=x", WORD + ",;()&"),
    ("go build -ldflags \"-s -X 'main.dbPassword={}'\" ./...", WORD + " ,;()&"),
    ("{{'GOFLAGS': '-ldflags=-X=main.secret={}'}}", WORD),
    ("curl -u alice:{} https://example.com", WORD + ",;()&"),
    ("curl -sSu 'alice:{}' https://example.com", WORD + ",;()&"),
    ("curl --user alice:{} https://example.com", WORD + ",;()&"),
    ("Authorization: Bearer {}", PLAIN + "+/=~"),
    ('curl -H "Authorization: token {}" https://example.com', WORD),
    ("machine git.example.com login alice password {}", WORD + "\"'&,"),
    ("machine git.example.com\n  login alice\n  password {}\n", WORD + "\"'&,"),
    ("default login alice password {}", WORD + "\"'&,"),
    ("PGPASSWORD={}", WORD + " \"'&,;()"),
    ("export GITHUB_PAT='{}'", WORD + ' "&,;()'),
    ("set -gx CORP_API_TOKEN '{}'", WORD + ' "&,;()'),
    ('CORP_API_TOKEN DEFAULT="{}"', WORD + " '&,;()"),
    ('"CORP_API_TOKEN": "{}",', WORD + " '&,;()"),
    ("Environment='SSH_PASSPHRASE={}' HOME=/home/alice", WORD + ' "&,;()'),
    ("PATH=/bin DB_PASS={} MYSQL_PWD=x REDISCLI_AUTH=y go test", WORD + ",;()&"),
    ("mysql -u root -p{} shop", WORD + "&,;()"),
    ("redis-cli -h cache -a {} ping", WORD + "&,;()"),
    ("HTTPS_PROXY=alice:{}@proxy.example.com:3128", PLAIN + "!$%+:"),
    ("https://hooks.slack.com/services/T0/B0/{}", "abcXYZ0123456789"),
    ("git -c http.extraheader='Authorization: Basic {}' fetch", PLAIN + "+/="),
    ("sshpass -p {} ssh alice@dev1", WORD + "&,;()"),
    ("docker login -u alice -p {} registry.example.com", WORD + "&,;()"),
    ("-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----", PLAIN + "+/=\n"),
    ("https://app.example.com/callback?code={}&state=1", PLAIN + "/%~+"),
    ("curl --header 'PRIVATE-TOKEN: {}' https://x", WORD + ",;()&"),
    ("curl -H X-Api-Key:{} https://x", WORD + ",;()&"),
    ("Authorization:\\ Bearer\\ {}", WORD + ",;()&"),
    ("GOAUTH=helper --user alice --value {}", WORD + ",;()&"),
    ("GOFLAGS=-v GOAUTH='netrc; helper {}' GOPATH=/x", WORD + ",;()&"),
    ("LDAP_BINDPW={}", WORD + ",;()&"),
    ("export BW_SESSION={}", PLAIN + "+/="),
    ("the token ghp_{0} and glpat-{0} and github_pat_{0}", "abcXYZ0123456789"),
    ("xoxb-{0} AKIA0123456789ABCDEF npm_{0}{0} eyJ{0}.eyJ{0}.{0} ", "abcXYZ0123456789"),
]


@given(form=st.sampled_from(FORMS), data=st.data())
@settings(max_examples=1000)
def test_a_random_secret_is_masked_in_every_form(form, data):
    text, alphabet = form
    # :// begins another URL.
    words = st.text(alphabet=alphabet, min_size=18, max_size=40).filter(lambda text: "://" not in text)
    middle = data.draw(words)
    secret = f"Q{middle}Q"
    shown = redacted(text.format(secret))
    # No part of it that is longer than what any text has in common with another.
    parts = [secret[start : start + 6] for start in range(len(secret) - 5)]
    empty = text.format("")
    assert [part for part in parts if part in shown and part not in empty] == [], shown
    assert [part for part in parts if part in without_secrets(text.format(secret)) and part not in empty] == []
    assert any(secret.rstrip(",;)}") in found or found in secret for found in secrets_in(text.format(secret)))


@pytest.mark.parametrize(
    "text",
    [
        "GOPROXY=https://goproxy.example.com,direct",
        "GOPROXY=https://goproxy.example.com:8443/mod|https://proxy.example.org:8080,off",
        "https://proxy.example.com:8080/example.com/x/@v/v1.2.3.mod",
        "https://proxy.example.com:8080/example.com/x@v1.2.3: not found",
        "GOFLAGS=-mod=mod -trimpath '-ldflags=-s -w -X=main.version=v1.2.3' -tags=integration,netgo",
        "GOPRIVATE=git.example.com/*,*.corp.example GONOSUMDB=git.example.com/* GOAUTH=netrc",
        "GOSUMDB=sum.example.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
        "GOTOOLCHAIN=go1.22.12+auto GOMODCACHE=/home/alice/go/pkg/mod GOTMPDIR=/var/tmp",
        "docker run -u 1000:1000 golang:1.22@sha256:abcdef",
        "date -u +%H:%M; tar -u /a:/b",
        '{"semanticTokens": true, "hints": {"parameterNames": true}}',
        "cannot read the key of alice: /etc/gopherops/debug/alice.key is missing",
        "expected: at least one key; to fix this: add one",
        "NETRC=/home/alice/.netrc SSH_AUTH_SOCK=/run/agent TOKEN_FILE=/run/token PWD=/srv",
        "gopls@alice.service: Main process exited, code=killed, status=9/KILL",
        'export GOPATH=/home/alice/go\nexport PATH="/usr/local/go/bin:$PATH"\n',
        "GOAUTH=netrc GOPRIVATE=git.example.com",
        "GOAUTH=git /home/alice/src;netrc",
        "GOAUTH=/usr/local/bin/go-login;off GOFLAGS=-mod=mod",
        "https://x.example.com/?code=404&page=2",
        "git@github.com:corp/shop.git alice@dev1:22 golang:1.22@sha256:1234567890abcdef dev1:/srv/alice@x",
    ],
)
def test_a_text_without_secrets_is_unchanged(text):
    assert redacted(text) == text
    assert secrets_in(text) == set()


def test_secrets_around_the_certificates_of_a_trust_store_are_found_without_a_search_in_these():
    certificate = f"-----BEGIN CERTIFICATE-----\n{'MIIFVzCC' * 1500}\n-----END CERTIFICATE-----\n"
    store = f"TOKEN={SECRET}\n{certificate * 50}password: {SECRET}\n"
    begin = time.process_time()
    assert secrets_in({"pem": store}) == {SECRET}
    middle = time.process_time()
    redacted(store)
    assert (middle - begin) * 5 < time.process_time() - middle


HOSTILE = r"""
://|a:|a:@|a=|a="|'a=|token=|token="|token='|token:|--token |-a |eyJ|-eyJ|a-|login |login a |password |curl -u |-u a:
{"token":"|\"token\":\"|bearer |cookie:|docker login |docker login -|set -x |://a:|@tcp(|a:b@tcp|ghp_|&token=|&
-----BEGIN |-----BEGIN A|-----END |mysql |mysql -|redis-cli |a:b@c.|a:b@c.d.e.f.|a@b:22|setenv |ENV a|-X main.|=|@|"|'|\
x-|x-key|x-key:|private-token:|authorization:\\ |?code=|GOAUTH=|GOAUTH=a;|GOAUTH=git |dp.st.|aaaaaaaaaaaaaa.atlasv1.|AT
"""


@pytest.mark.parametrize("part", [*HOSTILE.strip().replace("\n", "|").split("|"), "\n", " ", "\n "])
def test_a_hostile_text_takes_no_quadratic_time(part):
    text = part * (100_000 // len(part))
    start = time.process_time()
    without_secrets(text)
    assert time.process_time() - start < 2.5


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m red", "\\x9b31m red"),
        ("a\u202eb\u2066c\u200bd\ufeff", "a\\u202eb\\u2066c\\u200bd\\ufeff"),
        ("line\u2028line\rline", "line\\u2028line\\rline"),
        ("caf\udce9 \u2029", "caf\\xe9 \\u2029"),
        ("größe\t日本\n", "größe\t日本\n"),
    ],
)
def test_what_a_terminal_does_not_show_as_it_is_is_written_out(text, shown):
    assert printable({"a": [text]}) == {"a": [shown]}
