# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle that differs from what was signed off is rejected, and the host is unchanged."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess

import pytest

DIRECTORY = pathlib.Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
# A place where nothing is yet, so that there would be much to do before the bundle is found wrong.
FRESH = {"devserver_bundle_root": "/opt/go-bundle"}
SNAPSHOT = (
    "find /etc /home /srv /opt /usr/local /var/lib -type d -printf '%p %m %u\\n' -o -printf '%p %m %u %s %T@\\n' | sort"
)


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


def expect_rejection(host, play, *words: str, **variables) -> None:
    before = host.check_output(SNAPSHOT)
    completed = play("site", **dict(FRESH, **variables))
    assert completed.returncode == 2, completed.output
    assert completed.output.count("fatal:") == 1
    assert "Traceback" not in completed.output
    folded = " ".join(completed.output.split())
    for word in words:
        assert word in folded, completed.output
    assert host.check_output(SNAPSHOT) == before


# The toolchain is in the middle, near the end a tool.
@pytest.mark.parametrize(("part", "kind"), [(0.5, "toolchains/"), (0.99, "tools/")], ids=["toolchain", "tool"])
def test_a_flipped_bit(host, play, tmp_path, part, kind):
    bundle = flipped(tmp_path, part)
    expect_rejection(host, play, kind, "differs from its manifest", "SHA-256", devserver_bundle_file=str(bundle))


def test_a_truncated_bundle(host, play, tmp_path):
    bundle = flipped(tmp_path, 0.5)
    os.truncate(bundle, bundle.stat().st_size // 2)
    expect_rejection(host, play, "bundle", "copy", devserver_bundle_file=str(bundle))


def test_another_digest(host, play):
    expect_rejection(host, play, "is another bundle", "bundle_sha256", bundle_sha256="0" * 64)


def test_a_stranger_who_signs(host, play, tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    allowed = tmp_path / "allowed"
    allowed.write_text("other@example.com " + (tmp_path / "key.pub").read_text())
    expect_rejection(
        host, play, "signature of the bundle is invalid", "allowed_signers", bundle_allowed_signers=str(allowed)
    )


def test_no_bundle(host, play):
    expect_rejection(host, play, "cannot be read", "/nowhere.tar", devserver_bundle_file="/nowhere.tar")
