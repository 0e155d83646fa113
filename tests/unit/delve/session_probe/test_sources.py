# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Markers in sources, the function around a line, and the rules between paths."""

from __future__ import annotations

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.addresses import Address
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.paths import (
    PathRule,
    find_path_rule,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.plan import (
    parse_debugger_address,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.sources import (
    Function,
    find_enclosing_function,
    find_line_directive,
    parse_markers,
)
from hypothesis import given
from hypothesis import strategies as st

SOURCE = """\
package shop // breakpoint: package

func (s *Shelf[T]) take(n int) {
\tn++ //breakpoint:  spaced
}

// breakpoint: next
// A comment.

func init() {
\tn := 1
}

func count[T any](x T) int {
\treturn 2
}

func (Shelf) Value() int { return 3 }

var late = 4
"""


def test_markers_apply_to_their_line_or_the_next_code():
    assert parse_markers(SOURCE) == {"package": 1, "spaced": 4, "next": 10}
    assert parse_markers("// breakpoint: last") == {"last": 1}
    assert parse_markers("x() // a breakpoint, not a marker\n") == {}


@pytest.mark.parametrize(
    ("line", "function"),
    [
        (1, None),
        (3, Function("shop.(*Shelf).take", 3)),
        (4, Function("shop.(*Shelf).take", 3)),
        (5, Function("shop.(*Shelf).take", 3)),
        (6, None),
        (11, None),
        (15, Function("shop.count", 14)),
        (18, Function("shop.Shelf.Value", 18)),
        (20, None),
        (999, None),
    ],
)
def test_function_around(line, function):
    if line == 20:
        # Braces do not show the end of a function of one line.
        function = Function("shop.Shelf.Value", 18)
    if line == 999:
        function = Function("shop.Shelf.Value", 18)
    assert find_enclosing_function(SOURCE, line) == function


@given(st.text(alphabet='func(s *T)[]{}\n"`/: breakpoint', max_size=200), st.integers(1, 50))
def test_any_text_can_be_parsed(text, line):
    assert all(1 <= number <= text.count("\n") + 1 for number in parse_markers(text).values())
    function = find_enclosing_function(text, line)
    assert function is None or function.line <= line


HOME = "/home/alice/service/cmd/api/main.go"


@pytest.mark.parametrize(
    ("sources", "more", "rule"),
    [
        ([], {}, None),
        ([HOME, "/x/main.go"], {}, None),
        (["/src/cmd/api/main.go"], {}, ("/home/alice/service", "/src", "elsewhere")),
        (["/src/cmd/api/main.go", "/src/cmd/cli/main.go"], {}, ("/home/alice/service", "/src", "elsewhere")),
        (["/a/cmd/api/main.go", "/b/cmd/api/main.go"], {}, None),
        (
            ["/a/cmd/api/main.go", "/b/cmd/api/main.go"],
            {"usable": ["/b/cmd/api/main.go"]},
            ("/home/alice/service", "/b", "elsewhere"),
        ),
        (["/src/main.go"], {}, None),
        (["/src/main.go"], {"usable": ["/src/main.go"]}, ("/home/alice/service/cmd/api", "/src", "elsewhere")),
        (
            ["/data/service/cmd/api/main.go"],
            {"real": "/data/service/cmd/api/main.go"},
            ("/home/alice", "/data", "symlink"),
        ),
        (
            ["example.com/service/cmd/api/main.go"],
            {"module": "example.com/service"},
            ("/home/alice/service", "example.com/service", "trimpath"),
        ),
        (
            ["example.com/other/cmd/api/main.go"],
            {"module": "example.com/service"},
            ("/home/alice/service", "example.com/other", "trimpath"),
        ),
    ],
)
def test_mapping(sources, more, rule):
    actual = find_path_rule(HOME, sources, **{"real": HOME, **more})
    assert actual == (PathRule(*rule) if rule else None)


def test_mapping_of_a_vendored_module():
    copy = "/w/vendor/example.com/x/y/z.go"
    cached = "/go/pkg/mod/example.com/x@v1.2.0/y/z.go"
    assert find_path_rule(copy, [cached], real=copy) == PathRule(
        "/w/vendor/example.com/x", "/go/pkg/mod/example.com/x@v1.2.0", "vendor"
    )


name = st.sampled_from(["a", "b", "api", "x@v1.0.0", "main.go"])
path = st.lists(name, min_size=1, max_size=5).map(lambda parts: "/" + "/".join(parts))


@given(path, st.lists(path, max_size=4), st.booleans())
def test_a_rule_maps_the_file_to_a_source(file, sources, usable):
    rule = find_path_rule(file, sources, real=file, usable=sources if usable else ())
    if rule:
        assert file.startswith(rule.editor)
        assert rule.binary + file[len(rule.editor) :] in sources


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:2345", Address("127.0.0.1", 2345)),
        ("127.8.9.1:1", Address("127.8.9.1", 1)),
        ("localhost:2345", Address("localhost", 2345)),
        ("[::1]:2345", Address("::1", 2345)),
        ("unix:/run/x.sock", Address(path="/run/x.sock")),
        ("/run/x.sock", Address(path="/run/x.sock")),
    ],
)
def test_addresses(text, address):
    assert parse_debugger_address(text, tls=False) == address
    assert parse_debugger_address(str(address), tls=False) == address


@given(st.text(max_size=30))
def test_other_addresses_are_rejected(text):
    try:
        address = parse_debugger_address(text, tls=False)
    except DevserverError as error:
        assert error.remedy
    else:
        assert address.path or address.host in ("localhost", "::1") or address.host.startswith("127.")


LINES = {
    "none": ("package x\n\n\n", None),
    "of another file": ("//line a.y:10\n\n\n", (1, "/d/a.y", 12)),
    "with a column": ("//line a.y:10:3\n\n\n", (1, "/d/a.y", 12)),
    "the last one": ("//line a.y:10\n\n//line /b.y:1\n", (3, "/b.y", 1)),
    "of the same file": ("//line a.y:10\n//line :20\n\n", (2, "/d/a.y", 21)),
    "behind the line": ("\n\n\n//line a.y:10\n", None),
    "indented": (" //line a.y:10\n\n\n", None),
    "no number": ("//line a.y\n//line :x\n\n", None),
    "with colons": ("//line c:/a.y:10\n\n\n", (1, "/d/c:/a.y", 12)),
}


@pytest.mark.parametrize("case", LINES)
def test_line_directives(case: str) -> None:
    text, expected = LINES[case]
    found = find_line_directive(text, 4, "/d")
    assert (found and (found.line, *found.position)) == expected
