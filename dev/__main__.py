# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands; `make <command>` is the way to call them."""

from __future__ import annotations

import argparse
import sys
import typing as t

from dev import bench, checks, clean, devserver, python_env, release, rules
from dev.checkout import Failure, only_one
from dev.command import run
from dev.console import printable
from dev.phases import Phases

HELP = """make devserver     a running, provisioned and checked dev server; how to connect to it
                   HOST=user@host does the same to a machine of your own;
                   ASK_BECOME_PASS=1 where sudo needs a password there
make check         lint, syntax under the oldest ansible-core, and the unit tests that build nothing: minutes
make test          every check there is
make lint          ruff, mypy, yamllint, ansible-lint, actionlint, antsibull-changelog, codespell, vocabulary, layers
make sanity        ansible-test sanity, also with every Python of managed hosts that is installed
make units         the unit tests
make molecule      the molecule scenarios, in containers
make arm64         a molecule scenario in a container for arm64, whose programs qemu runs; needs root, takes long
make docs          the documentation of plugins, modules and roles; builds the site; Galaxy's import checks
make compatibility the syntax of the playbooks under the oldest ansible-core, 2.16
make end-to-end    the steps of a new user in a fresh clone, with `make devserver` and `make clean`
make bench         what runs cost on the embedded dev server; PARTS='runs hosts' measures these parts only
make clean         removes what these commands made
make requirements  pins requirements/*.in anew, with hashes
make rules         writes the pages of the drift rules and of the roles from their code
make release-pins  VERSION=1.22.12 adds a Go release to the manifest; SOURCES='URL URL' where not go.dev's own
"""


def main() -> int:
    """Run one command; 0 where it did what it should."""
    arguments = _parse()
    if arguments.command == "help":
        print(HELP, end="")
        return 0
    try:
        with only_one():
            return 1 if COMMANDS[arguments.command](arguments) is False else 0
    # An OSError here is the machine's: no space left, no permission.
    except (Failure, OSError) as failure:
        print(printable(f"\nfailed: {failure}"), file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print("\ninterrupted; run it again to go on", file=sys.stderr)
    return 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m dev")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("help", *COMMANDS):
        command = commands.add_parser(name)
        if name == "devserver":
            command.add_argument("--host", default="", help="user@host; the embedded dev server where it is not given")
            command.add_argument("--ask-become-pass", action="store_true", help="prompt for the password of sudo")
        if name == "bench":
            command.add_argument(
                "--parts", default="", help=f"what to measure, of: {' '.join(bench.PARTS)}; all if empty"
            )
        if name == "release-pins":
            command.add_argument("--version", default="", help="the release to add")
            command.add_argument(
                "--sources", default=" ".join(release.SOURCES), help="two URLs or files that must agree"
            )
    return parser.parse_args()


def _requirements() -> None:
    with Phases().phase("Requirements") as log:
        python_env.ensure(log)
        python_env.compile_requirements(log)


def _rules() -> None:
    phases = Phases()
    devserver.prepare(phases)
    rules.write()
    with phases.phase("Role pages") as log:
        run([python_env.BIN / "python", "-m", "dev.role_pages"], log=log)


# False counts as failed; so does a Failure.
COMMANDS: dict[str, t.Callable[[argparse.Namespace], bool | None]] = {
    "devserver": lambda arguments: devserver.up(arguments.host, ask_become_pass=arguments.ask_become_pass),
    "check": lambda _arguments: checks.run_checks("lint", "compatibility", checks.QUICK),
    "test": lambda _arguments: checks.run_checks(),
    "lint": lambda _arguments: checks.run_checks("lint"),
    "sanity": lambda _arguments: checks.run_checks("sanity"),
    "units": lambda _arguments: checks.run_checks("units"),
    "molecule": lambda _arguments: checks.run_checks("molecule"),
    "arm64": lambda _arguments: checks.run_checks(checks.EMULATED),
    "docs": lambda _arguments: checks.run_checks("docs"),
    "compatibility": lambda _arguments: checks.run_checks("compatibility"),
    "end-to-end": lambda _arguments: checks.run_checks("end-to-end"),
    "bench": lambda arguments: bench.bench(arguments.parts.split()),
    "clean": lambda _arguments: clean.clean(),
    "requirements": lambda _arguments: _requirements(),
    "rules": lambda _arguments: _rules(),
    "release-pins": lambda arguments: release.add(arguments.version, arguments.sources.split()),
}

if __name__ == "__main__":
    sys.exit(main())
