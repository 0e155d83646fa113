# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of the Debug Adapter Protocol for sessions without a user.

Source: the protocol's specification; a session is initialize, launch or attach, the event ``initialized`` (which may
come before the response to launch), breakpoints, configurationDone, stops, disconnect.
"""

from __future__ import annotations

import collections
import time
import typing as t

from .._core.errors import DevserverError, TimedOut
from .framing import Connection, Message, as_dict

# Characters of output events; a program that prints without end must not fill the memory.
_LONGEST_OUTPUT = 65536
# Seconds that sending may take after the deadline.
_LEAST = 0.1


class ErrorResponse(DevserverError):
    """The adapter returned an error for a request; ``reason`` is its message."""

    def __init__(self, peer: str, command: str, reason: str) -> None:
        super().__init__(f"{peer} rejected {command}: {reason}", remedy="look at the log of the debug adapter")
        self.reason = reason


class DapClient:
    """One session over ``connection``; every deadline is one of the monotonic clock.

    ``output`` is the text of the adapter's output events.
    """

    def __init__(self, connection: Connection) -> None:
        self.output = ""
        self._connection = connection
        self._sent = 0
        self._responses: dict[int, Message] = {}
        self._events: collections.deque[Message] = collections.deque()

    def request(self, command: str, arguments: t.Mapping[str, t.Any] | None = None, *, deadline: float) -> Message:
        """Send a request and return the body of its response; raise ErrorResponse for an error."""
        return self.read_response(self.send(command, arguments, deadline), command, deadline)

    def send(self, command: str, arguments: t.Mapping[str, t.Any] | None, deadline: float) -> int:
        """Send a request and return its number, without waiting for the response."""
        self._sent += 1
        message = {"seq": self._sent, "type": "request", "command": command, "arguments": dict(arguments or {})}
        self._connection.send(message, max(_LEAST, deadline - time.monotonic()))
        return self._sent

    def read_response(self, number: int, command: str, deadline: float) -> Message:
        """Return the body of the response to request ``number``, like ``request``."""
        while number not in self._responses:
            self._receive(f"the response to {command}", deadline)
        return self._body(self._responses.pop(number), command)

    def begin(self, command: str, arguments: t.Mapping[str, t.Any], *, deadline: float) -> int:
        """Launch or attach and wait until breakpoints can be set; return the request's number.

        An adapter may respond to the request only after configurationDone, so call ``read_response`` after that.
        Raises ErrorResponse if the response is an error and comes before.
        """
        number = self.send(command, arguments, deadline)
        while not self._pop_event("initialized"):
            if not self._responses.get(number, {}).get("success", True):
                self._body(self._responses.pop(number), command)
            self._receive(f"the event initialized after {command}", deadline)
        return number

    def event(self, *names: str, deadline: float) -> Message:
        """Return the next event of these ``names``, with its name and body; drop those before it."""
        while True:
            while self._events:
                event = self._events.popleft()
                if event.get("event") in names:
                    return event
            self._receive("the event {}".format(" or ".join(names)), deadline)

    @property
    def greeting(self) -> bytes:
        """The first bytes that the adapter sent."""
        return self._connection.greeting

    def close(self) -> None:
        self._connection.close()

    def _pop_event(self, name: str) -> bool:
        for event in self._events:
            if event.get("event") == name:
                self._events.remove(event)
                return True
        return False

    def _receive(self, expected: str, deadline: float) -> None:
        left = deadline - time.monotonic()
        # Without time left, the messages of an adapter that sends without pause would be read for ever.
        message = self._connection.receive(left) if left > 0 else None
        if message is None:
            raise TimedOut(
                f"{self._connection.peer} did not send {expected} in time", remedy="allow more time, or look at its log"
            )
        kind = message.get("type")
        if kind == "response":
            number = message.get("request_seq")
            self._connection.count_kept()
            self._responses[number if isinstance(number, int) else 0] = message
        elif kind == "event":
            self._record_event(message)

    def _record_event(self, event: Message) -> None:
        body = event["body"] = as_dict(event.get("body"))
        if event.get("event") == "output":
            self.output = (self.output + str(body.get("output", "")))[-_LONGEST_OUTPUT:]
        else:
            self._connection.count_kept()
            self._events.append(event)

    def _body(self, response: Message, command: str) -> Message:
        body = as_dict(response.get("body"))
        if response.get("success"):
            return body
        # The error has the text for users, the message a text for programs.
        error = as_dict(body.get("error"))
        raise ErrorResponse(
            self._connection.peer, command, str(error.get("format") or response.get("message") or "no reason")
        )
