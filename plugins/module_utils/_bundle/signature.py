# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs a manifest with an ssh key, and verifies a signature, by ssh-keygen."""

from __future__ import annotations

import os
import subprocess
import tempfile
import typing as t

from .._core.errors import DevserverError
from .._host.files import read_text

# The purpose of a signature: one by the same key for another purpose is invalid.
NAMESPACE = "gopherops.devserver.bundle"


class InvalidSignature(DevserverError):
    """A signature that is missing, or not by one of the allowed signers."""


def sign_manifest(text: str, key: str) -> str:
    """Return the signature of ``text`` by the private key in the file ``key``, or by ssh-agent if that is public.

    Raises DevserverError if ssh-keygen cannot sign, for example with a passphrase and no agent.
    """
    with tempfile.TemporaryDirectory(prefix="go-bundle-") as directory:
        path = _write(directory, "manifest", text)
        result = _ssh_keygen(["sign", "-f", key, "-n", NAMESPACE, path])
        if result.returncode != 0:
            raise DevserverError(
                f"the bundle cannot be signed by {key}: {_last_line(result)}",
                expected="a private key without a passphrase, or a public one whose private key is in ssh-agent",
                remedy="correct bundle_signing_key (signing_key), or add the key to the agent with ssh-add",
            )
        with open(path + ".sig", encoding="utf-8") as file:
            return file.read()


def verify_signature(text: str, signature: str, allowed_signers: str) -> str:
    """Return which signer in the file ``allowed_signers`` signed ``text``; raise InvalidSignature if none did."""
    if not signature:
        raise _invalid("it has none", allowed_signers)
    with tempfile.TemporaryDirectory(prefix="go-bundle-") as directory:
        signed = ["-s", _write(directory, "signature", signature), "-f", allowed_signers]
        principals = _ssh_keygen(["find-principals", *signed])
        if principals.returncode != 0:
            raise _invalid(_last_line(principals), allowed_signers)
        # The first line with that key may have several principals, separated by commas.
        signer = principals.stdout.decode("utf-8", "replace").splitlines()[0].split(",")[0]
        result = _ssh_keygen(["verify", *signed, "-I", signer, "-n", NAMESPACE], text)
        if result.returncode != 0:
            raise _invalid(_last_line(result), allowed_signers)
    return signer


def is_signed_by(text: str, signature: str, key: str) -> bool:
    """Return whether ``signature`` is one of ``text`` by the key in the file ``key``.

    Raises DevserverError if ssh-keygen does not run.
    """
    with tempfile.TemporaryDirectory(prefix="go-bundle-") as directory:
        allowed = _write(directory, "allowed", f"self {_public(key)}\n")
        try:
            return bool(verify_signature(text, signature, allowed))
        except InvalidSignature:
            return False


def _public(key: str) -> str:
    """Return the public key in the file ``key``, or of the private key there; an empty text if there is none."""
    text = read_text(key) or ""
    if " PRIVATE KEY-" not in text:
        return text.strip()
    return _ssh_keygen([], options=["-y", "-P", "", "-f", key]).stdout.decode("utf-8", "replace").strip()


def _invalid(reason: str, allowed_signers: str) -> DevserverError:
    return InvalidSignature(
        f"the signature of the bundle is invalid: {reason}",
        expected=f"a signature of its manifest by one of {allowed_signers}, for the namespace {NAMESPACE}",
        remedy="get a signed bundle, or add the signer's key to bundle_allowed_signers (allowed_signers)",
    )


def _write(directory: str, name: str, text: str) -> str:
    path = os.path.join(directory, name)
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    return path


def _ssh_keygen(
    action: t.Sequence[str], text: str = "", options: t.Sequence[str] = ()
) -> subprocess.CompletedProcess[bytes]:
    argv = ["ssh-keygen", *options, *(["-Y", *action] if action else [])]
    # Without a terminal and without an askpass program: nobody can type a passphrase.
    env = dict(os.environ, SSH_ASKPASS_REQUIRE="never", LC_ALL="C")
    try:
        return subprocess.run(
            argv, input=text.encode(), env=env, capture_output=True, check=False, start_new_session=True
        )
    except OSError as error:
        raise DevserverError(
            f"cannot run ssh-keygen: {error.strerror}",
            expected="OpenSSH's client, 8.2 or later",
            remedy="install openssh-client",
        ) from error


def _last_line(result: subprocess.CompletedProcess[bytes]) -> str:
    lines = (result.stderr or result.stdout).decode("utf-8", "replace").strip().splitlines()
    return lines[-1].rstrip("\r") if lines else f"ssh-keygen exited with {result.returncode}"
