# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens the bundle that a task declares, on the controller, and verifies that it is the expected one."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..module_utils._bundle.archive import Bundle, open_bundle
from ..module_utils._bundle.signature import verify_signature
from ..module_utils._core.errors import DevserverError

# The variables of the options, as messages name them.
_VARIABLES = {"file": "devserver_bundle_file (file)", "allowed_signers": "bundle_allowed_signers (allowed_signers)"}


@contextlib.contextmanager
def open_declared_bundle(args: t.Mapping[str, t.Any]) -> t.Iterator[tuple[Bundle, str]]:
    """Open the bundle of the options ``file``, ``sha256`` and ``allowed_signers`` of go_bundle_unpack.

    Returns it with its signer, who is empty without allowed signers. Raises DevserverError for another bundle, and
    OSError if it cannot be read.
    """
    file, allowed_signers = _path(args, "file"), _path(args, "allowed_signers")
    with open_bundle(file) as bundle:
        expected = str(args.get("sha256") or "").lower()
        if expected and bundle.sha256 != expected:
            raise DevserverError(
                f"{file} is another bundle: the SHA-256 of its manifest is {bundle.sha256}",
                expected=expected,
                remedy="copy the right bundle, or correct bundle_sha256 (sha256) to the output of playbooks/bundle.yml",
            )
        yield bundle, verify_signature(bundle.text, bundle.signature, allowed_signers) if allowed_signers else ""


def _path(args: t.Mapping[str, t.Any], option: str) -> str:
    """Return the path in an option; raise DevserverError for one that is no readable file."""
    path = os.path.expanduser(str(args.get(option) or ""))
    if path and not (os.path.isabs(path) and os.access(path, os.R_OK) and os.path.isfile(path)):
        variable = _VARIABLES[option]
        raise DevserverError(
            f"{variable} is {path!r}",
            expected="the absolute path of a file on the controller that this user can read",
            remedy=f"correct {variable}, or copy the file there",
        )
    return path
