# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures of manifests, with real keys and the real ssh-keygen."""

from __future__ import annotations

import pathlib
import subprocess
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._bundle.signature import (
    NAMESPACE,
    is_signed_by,
    sign_manifest,
    verify_signature,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError

TEXT = '{"files": []}\n'


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A directory with the keys ``own`` and ``other``, and ``locked``, which has a passphrase."""
    directory = tmp_path_factory.mktemp("keys")
    for name, passphrase in (("own", ""), ("other", ""), ("locked", "secret")):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "", "-f", directory / name]
        subprocess.run(argv, check=True)
    return directory


def allowed(keys: pathlib.Path, options: str = "", name: str = "own") -> str:
    path = keys / f"allowed-{name}{abs(hash(options))}"
    path.write_text(f"builds@example.com {options} {(keys / name).with_suffix('.pub').read_text()}")
    return str(path)


@pytest.mark.parametrize("options", ["", f'namespaces="{NAMESPACE}"'], ids=["any", "namespace"])
def test_the_signer_is_reported(keys: pathlib.Path, options: str) -> None:
    signature = sign_manifest(TEXT, str(keys / "own"))
    assert verify_signature(TEXT, signature, allowed(keys, options)) == "builds@example.com"
    assert sign_manifest(TEXT, str(keys / "own")) == signature


def test_a_key_may_have_several_principals(keys: pathlib.Path, tmp_path: pathlib.Path) -> None:
    key = (keys / "own.pub").read_text()
    (tmp_path / "allowed").write_text(f'a@x,b@x namespaces="git,{NAMESPACE}" {key}')
    assert verify_signature(TEXT, sign_manifest(TEXT, str(keys / "own")), str(tmp_path / "allowed")) == "a@x"


Change = t.Callable[[pathlib.Path], tuple[str, str, str]]
INVALID: dict[str, Change] = {
    "not signed": lambda keys: (TEXT, "", allowed(keys)),
    "no signature": lambda keys: (TEXT, "x\n", allowed(keys)),
    "signed by another": lambda keys: (TEXT, sign_manifest(TEXT, str(keys / "other")), allowed(keys)),
    "another text": lambda keys: (TEXT + " ", sign_manifest(TEXT, str(keys / "own")), allowed(keys)),
    "for other uses": lambda keys: (TEXT, sign_manifest(TEXT, str(keys / "own")), allowed(keys, 'namespaces="git"')),
    "expired": lambda keys: (TEXT, sign_manifest(TEXT, str(keys / "own")), allowed(keys, 'valid-before="20200101"')),
    "nobody is allowed": lambda keys: (TEXT, sign_manifest(TEXT, str(keys / "own")), "/dev/null"),
    "no such file": lambda keys: (TEXT, sign_manifest(TEXT, str(keys / "own")), "/nowhere"),
}


@pytest.mark.parametrize("case", INVALID)
def test_a_bundle_without_a_valid_signature_is_rejected(keys: pathlib.Path, case: str) -> None:
    with pytest.raises(DevserverError, match="signature of the bundle is invalid"):
        verify_signature(*INVALID[case](keys))


def test_a_signature_by_the_same_key_for_another_purpose_is_invalid(keys: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "text").write_text(TEXT)
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-f", keys / "own", "-n", "git", tmp_path / "text"], check=True)
    with pytest.raises(DevserverError, match="signature of the bundle is invalid"):
        verify_signature(TEXT, (tmp_path / "text.sig").read_text(), allowed(keys))


def test_a_missing_ssh_keygen_raises_an_error(keys: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signature = sign_manifest(TEXT, str(keys / "own"))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(DevserverError, match="cannot run ssh-keygen"):
        is_signed_by(TEXT, signature, str(keys / "own.pub"))


def test_a_signature_is_recognized_by_either_half_of_the_key(keys: pathlib.Path) -> None:
    signature = sign_manifest(TEXT, str(keys / "own"))
    assert is_signed_by(TEXT, signature, str(keys / "own"))
    assert is_signed_by(TEXT, signature, str(keys / "own.pub"))
    assert not is_signed_by(TEXT, signature, str(keys / "other"))
    assert not is_signed_by(TEXT, "", str(keys / "own"))


@pytest.mark.parametrize("name", ["locked", "nowhere"])
def test_a_key_that_cannot_sign_is_named(keys: pathlib.Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(DevserverError, match=f"cannot be signed by {keys}/{name}"):
        sign_manifest(TEXT, str(keys / name))
