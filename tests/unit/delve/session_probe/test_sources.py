# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Markers in sources, the function around a line, and the rule that leads from one path to another."""

from __future__ import annotations

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.addresses import Address
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.paths import Rule, mapping
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.plan import address_from
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.session_probe.sources import (
    Function,
    function_around,
    markers,
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


def test_markers_mean_their_own_line_or_the_next_code():
    assert markers(SOURCE) == {"package": 1, "spaced": 4, "next": 10}
    assert markers("// breakpoint: last") == {"last": 1}
    assert markers("x() // a breakpoint, not a marker\n") == {}


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
        # What follows a function of one line cannot be told from it by braces alone.
        function = Function("shop.Shelf.Value", 18)
    if line == 999:
        function = Function("shop.Shelf.Value", 18)
    assert function_around(SOURCE, line) == function


@given(st.text(alphabet='func(s *T)[]{}\n"`/: breakpoint', max_size=200), st.integers(1, 50))
def test_any_text_is_read(text, line):
    assert all(1 <= number <= text.count("\n") + 1 for number in markers(text).values())
    function = function_around(text, line)
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
    found = mapping(HOME, sources, **{"real": HOME, **more})
    assert found == (Rule(*rule) if rule else None)


def test_mapping_of_a_vendored_module():
    copy = "/w/vendor/example.com/x/y/z.go"
    cached = "/go/pkg/mod/example.com/x@v1.2.0/y/z.go"
    assert mapping(copy, [cached], real=copy) == Rule(
        "/w/vendor/example.com/x", "/go/pkg/mod/example.com/x@v1.2.0", "vendor"
    )


name = st.sampled_from(["a", "b", "api", "x@v1.0.0", "main.go"])
path = st.lists(name, min_size=1, max_size=5).map(lambda parts: "/" + "/".join(parts))


@given(path, st.lists(path, max_size=4), st.booleans())
def test_a_rule_leads_to_the_source(file, sources, usable):
    rule = mapping(file, sources, real=file, usable=sources if usable else ())
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
    assert address_from(text, tls=False) == address
    assert address_from(str(address), tls=False) == address


@given(st.text(max_size=30))
def test_any_other_address_is_refused_in_words(text):
    try:
        found = address_from(text, tls=False)
    except DevserverError as error:
        assert error.remedy
    else:
        assert found.path or found.host in ("localhost", "::1") or found.host.startswith("127.")
