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


def flipped(path: pathlib.Path, part: float) -> pathlib.Path:
    """Return a copy of the bundle in which one bit differs, at this part of its length."""
    shutil.copy(DIRECTORY / "bundle.tar", path)
    with path.open("r+b") as file:
        file.seek(int(path.stat().st_size * part))
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    return path


# The toolchain is in the middle, near the end a tool.
WORDS = {
    "a flipped bit in a toolchain": ["toolchains/", "differs from its manifest", "SHA-256"],
    "a flipped bit in a tool": ["tools/", "differs from its manifest", "SHA-256"],
    "a truncated bundle": ["bundle", "copy"],
    "another digest": ["is another bundle", "bundle_sha256"],
    "a stranger who signs": ["signature of the bundle is invalid", "allowed_signers"],
    "no bundle": ["a file on the controller that this user can read", "/nowhere.tar"],
}


@pytest.fixture(scope="module")
def runs(reject_each, tmp_path_factory):
    """Provision into directories where nothing is yet, so that there would be much to do."""
    directory = tmp_path_factory.mktemp("bundles")
    truncated = flipped(directory / "truncated", 0.5)
    os.truncate(truncated, truncated.stat().st_size // 2)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / "key"], check=True)
    allowed = directory / "allowed"
    allowed.write_text("other@example.com " + (directory / "key.pub").read_text())
    variables = {
        "a flipped bit in a toolchain": {"devserver_bundle_file": str(flipped(directory / "toolchain", 0.5))},
        "a flipped bit in a tool": {"devserver_bundle_file": str(flipped(directory / "tool", 0.99))},
        "a truncated bundle": {"devserver_bundle_file": str(truncated)},
        "another digest": {"bundle_sha256": "0" * 64},
        "a stranger who signs": {"bundle_allowed_signers": str(allowed)},
        "no bundle": {"devserver_bundle_file": "/nowhere.tar"},
    }
    return reject_each(
        {
            case: {"devserver_bundle_root": f"/opt/go-bundle-{number}", **variables[case]}
            for number, case in enumerate(WORDS)
        }
    )


@pytest.mark.parametrize("case", WORDS)
def test_another_bundle_is_rejected(runs, case):
    runs[case].expect_rejection(WORDS[case])
