# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of the debug adapter protocol, against adapters that respond in any order, reject requests, or hang."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError, TimedOut
from ansible_collections.gopherops.devserver.plugins.module_utils._protocols.dap import DapClient, ErrorResponse
from ansible_collections.gopherops.devserver.plugins.module_utils._protocols.framing import Connection


@pytest.fixture
def adapter():
    """Return a client of an adapter; a function makes the messages that it sends after each request."""
    near, far = socket.socketpair()

    def client(respond) -> DapClient:
        def serve():
            connection = Connection(far, "the client")
            # The test may be over, and its client gone, at any of its messages.
            with contextlib.suppress(DevserverError, OSError):
                while True:
                    request = connection.receive(10)
                    for message in respond(request) if request else ():
                        connection.send(message)

        threading.Thread(target=serve, daemon=True).start()
        return DapClient(Connection(near, "the adapter"))

    yield client
    near.close()
    far.close()


def soon() -> float:
    return time.monotonic() + 5


def event(name, **body):
    return {"type": "event", "event": name, "body": body}


def response(request, success=True, **rest):
    return {
        "type": "response",
        "request_seq": request["seq"],
        "success": success,
        "command": request["command"],
        **rest,
    }


def test_a_request_has_its_own_response(adapter):
    def respond(request):
        yield event("output", output="building\n")
        yield {"type": "response", "request_seq": 99, "success": True, "body": {"other": True}}
        yield response(request, body={"echo": request["arguments"]})

    client = adapter(respond)
    assert client.request("initialize", {"adapterID": "go"}, deadline=soon()) == {"echo": {"adapterID": "go"}}
    assert client.output == "building\n"


@pytest.mark.parametrize("initialized_first", [True, False])
def test_begins_whichever_comes_first(adapter, initialized_first):
    def respond(request):
        both = [event("initialized"), response(request)]
        return both if initialized_first else both[::-1]

    client = adapter(respond)
    number = client.begin("launch", {}, deadline=soon())
    assert client.read_response(number, "launch", soon()) == {}


def test_begins_if_the_response_to_launch_comes_last(adapter):
    """As the specification has it: only configurationDone brings the response to launch."""
    launch = []

    def respond(request):
        if request["command"] == "launch":
            launch.append(request)
            return [event("initialized")]
        return [response(request), response(launch[0])]

    client = adapter(respond)
    number = client.begin("launch", {}, deadline=soon())
    client.request("configurationDone", deadline=soon())
    assert client.read_response(number, "launch", soon()) == {}


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        (
            {"message": "Failed", "body": {"error": {"format": "Failed to launch: because"}}},
            "Failed to launch: because",
        ),
        ({"message": "cancelled"}, "cancelled"),
        ({"body": None}, "no reason"),
    ],
)
def test_a_rejection_is_reported_in_the_adapters_words(adapter, rest, reason):
    client = adapter(lambda request: [response(request, success=False, **rest)])
    with pytest.raises(ErrorResponse) as caught:
        client.begin("launch", {}, deadline=soon())
    assert caught.value.reason == reason
    assert "the adapter rejected launch" in str(caught.value)


def test_events_wait_until_they_are_read(adapter):
    def respond(request):
        return [event("thread"), event("stopped", threadId=7), response(request), event("terminated")]

    client = adapter(respond)
    client.request("configurationDone", deadline=soon())
    assert client.event("stopped", "terminated", deadline=soon())["body"] == {"threadId": 7}
    assert client.event("stopped", "terminated", deadline=soon())["event"] == "terminated"


def test_silence_is_bounded(adapter):
    client = adapter(lambda request: [])
    begin = time.monotonic()
    with pytest.raises(TimedOut, match="the adapter did not send the response to initialize in time"):
        client.request("initialize", deadline=begin + 0.2)
    with pytest.raises(TimedOut, match="the event stopped"):
        client.event("stopped", deadline=begin + 0.2)


def test_output_without_end_is_not_kept_whole(adapter):
    def respond(request):
        yield from (event("output", output="x" * 10_000) for _time in range(20))
        yield event("output", output="the last")
        yield response(request)

    client = adapter(respond)
    client.request("configurationDone", deadline=soon())
    assert len(client.output) <= 65536
    assert client.output.endswith("xthe last")


def test_who_floods_is_not_listened_to_for_longer(adapter):
    def respond(request):
        for number in range(500):
            yield event("output", output=f"{number}\n")

    client = adapter(respond)
    number = client.send("configurationDone", {}, soon())
    time.sleep(0.3)
    with pytest.raises(TimedOut):
        client.read_response(number, "configurationDone", time.monotonic())
    assert client.output == ""


def test_who_takes_nothing_is_not_waited_for_beyond_the_deadline():
    near, far = socket.socketpair()
    with near, far, pytest.raises(DevserverError, match="closed the connection"):
        DapClient(Connection(near, "the adapter")).request("evaluate", {"a": "b" * 10_000_000}, deadline=0)


@pytest.mark.parametrize("odd", [None, [], "text", 7])
def test_bodies_that_are_no_objects_are_empty_ones(adapter, odd):
    def respond(request):
        yield {"type": "event", "event": "output", "body": odd}
        yield {"type": "event", "event": "stopped", "body": odd}
        yield event("capabilities", capabilities=odd)
        yield response(request, body=odd)
        yield response(request | {"seq": []})
        yield response(request | {"seq": 2}, success=False, message="odd", body={"error": odd})

    client = adapter(respond)
    assert client.request("threads", deadline=soon()) == {}
    assert client.event("stopped", deadline=soon())["body"] == {}
    with pytest.raises(ErrorResponse, match="odd"):
        client.read_response(2, "evaluate", soon())


@pytest.mark.parametrize("kind", ["event", "response"])
@pytest.mark.parametrize(("count", "size"), [(20_000, 0), (40, 1_000_000)])
def test_messages_without_end_are_not_all_kept(adapter, kind, count, size):
    def respond(request):
        for number in range(count):
            yield event("thread", text="x" * size) | {"type": kind, "request_seq": -number}
        yield response(request)

    client = adapter(respond)
    with pytest.raises(DevserverError, match="the adapter sent more than the 10000 messages, or 16 MiB, that"):
        client.request("configurationDone", deadline=time.monotonic() + 30)
