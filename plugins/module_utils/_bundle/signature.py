# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs a manifest by an ssh key and says who signed one, by ssh-keygen."""

from __future__ import annotations

import os
import subprocess
import tempfile
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import read_text


class _Refused(DevserverError):
    """A signature that does not count."""


# What a signature is for, so that one of the same key for something else does not count.
NAMESPACE = "gopherops.devserver.bundle"


def check_key(key: str) -> None:
    """Raise DevserverError where the key in the file ``key`` cannot sign."""
    sign("", key)


def sign(text: str, key: str) -> str:
    """Return the signature of ``text`` by the private key in the file ``key``, or by its agent's where it is public.

    Raises DevserverError where ssh-keygen does not sign, such as for a key with a passphrase and no agent.
    """
    with tempfile.TemporaryDirectory(prefix="go-bundle-") as folder:
        path = _written(folder, "manifest", text)
        done = _ssh_keygen(["sign", "-f", key, "-n", NAMESPACE, path])
        if done.returncode != 0:
            raise DevserverError(
                f"the bundle cannot be signed by {key}: {_said(done)}",
                expected="a private key without a passphrase, or a public one whose private half ssh-agent holds",
                remedy="correct bundle_signing_key (signing_key), or add the key to the agent by ssh-add",
            )
        with open(path + ".sig", encoding="utf-8") as file:
            return file.read()


def signer(text: str, signature: str, allowed_signers: str) -> str:
    """Return who of the file ``allowed_signers`` signed ``text``; raise DevserverError where none of them did."""
    if not signature:
        raise _refused("it is not signed", allowed_signers)
    with tempfile.TemporaryDirectory(prefix="go-bundle-") as folder:
        signed = ["-s", _written(folder, "signature", signature), "-f", allowed_signers]
        found = _ssh_keygen(["find-principals", *signed])
        if found.returncode != 0:
            raise _refused(_said(found), allowed_signers)
        # Those of the first line with that key, with commas between.
        who = found.stdout.decode("utf-8", "replace").splitlines()[0].split(",")[0]
        done = _ssh_keygen(["verify", *signed, "-I", who, "-n", NAMESPACE], text)
        if done.returncode != 0:
            raise _refused(_said(done), allowed_signers)
    return who


def signed_by_key(text: str, signature: str, key: str) -> bool:
    """Say whether ``signature`` is one of ``text`` by the key in the file ``key``.

    Raises DevserverError where that cannot be found out.
    """
    with tempfile.TemporaryDirectory(prefix="go-bundle-") as folder:
        allowed = _written(folder, "allowed", f"self {_public(key)}\n")
        try:
            return bool(signer(text, signature, allowed))
        except _Refused:
            return False


def _public(key: str) -> str:
    """Return the public key that is in the file ``key``, or goes with the private one there; nothing where none is."""
    text = read_text(key) or ""
    if " PRIVATE KEY-" not in text:
        return text.strip()
    return _ssh_keygen([], options=["-y", "-P", "", "-f", key]).stdout.decode("utf-8", "replace").strip()


def _refused(reason: str, allowed_signers: str) -> DevserverError:
    return _Refused(
        f"the bundle is not signed off: {reason}",
        expected=f"a signature of its manifest by one of {allowed_signers}, for the namespace {NAMESPACE}",
        remedy="get the bundle from who signs it, or add that key to bundle_allowed_signers (allowed_signers)",
    )


def _written(folder: str, name: str, text: str) -> str:
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    return path


def _ssh_keygen(
    action: t.Sequence[str], text: str = "", options: t.Sequence[str] = ()
) -> subprocess.CompletedProcess[bytes]:
    argv = ["ssh-keygen", *options, *(["-Y", *action] if action else [])]
    # Without a terminal and without a program that asks: nobody is there to type a passphrase.
    env = dict(os.environ, SSH_ASKPASS_REQUIRE="never", LC_ALL="C")
    try:
        return subprocess.run(
            argv, input=text.encode(), env=env, capture_output=True, check=False, start_new_session=True
        )
    except OSError as error:
        raise DevserverError(
            f"cannot run ssh-keygen: {error.strerror}", remedy="install OpenSSH's client, 8.2 or later"
        ) from error


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
    return lines[-1].rstrip("\r") if lines else f"ssh-keygen ended with {done.returncode}"
