# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle that differs from what was signed off is rejected, and the host is unchanged."""

from __future__ import annotations

import functools
import os
import pathlib
import shutil
import subprocess

import pytest

DIRECTORY = pathlib.Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])


def flipped(tmp_path: pathlib.Path, part: float) -> pathlib.Path:
    """Return a copy of the bundle in which one bit differs, at this part of its length."""
    path = tmp_path / "flipped.tar"
    shutil.copy(DIRECTORY / "bundle.tar", path)
    with path.open("r+b") as file:
        file.seek(int(path.stat().st_size * part))
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    return path


@pytest.fixture
def reject(expect_rejection):
    """Provision into a directory where nothing is yet, so that there would be much to do."""
    return functools.partial(expect_rejection, devserver_bundle_root="/opt/go-bundle")


# The toolchain is in the middle, near the end a tool.
@pytest.mark.parametrize(("part", "kind"), [(0.5, "toolchains/"), (0.99, "tools/")], ids=["toolchain", "tool"])
def test_a_flipped_bit(reject, tmp_path, part, kind):
    bundle = flipped(tmp_path, part)
    reject([kind, "differs from its manifest", "SHA-256"], devserver_bundle_file=str(bundle))


def test_a_truncated_bundle(reject, tmp_path):
    bundle = flipped(tmp_path, 0.5)
    os.truncate(bundle, bundle.stat().st_size // 2)
    reject(["bundle", "copy"], devserver_bundle_file=str(bundle))


def test_another_digest(reject):
    reject(["is another bundle", "bundle_sha256"], bundle_sha256="0" * 64)


def test_a_stranger_who_signs(reject, tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    allowed = tmp_path / "allowed"
    allowed.write_text("other@example.com " + (tmp_path / "key.pub").read_text())
    reject(["signature of the bundle is invalid", "allowed_signers"], bundle_allowed_signers=str(allowed))


def test_no_bundle(reject):
    reject(["a file on the controller that this user can read", "/nowhere.tar"], devserver_bundle_file="/nowhere.tar")
