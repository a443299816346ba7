"""Sends one HTTP request per event."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from bowstream import __version__
from bowstream.config.sinks import WebhookSettings, place_of
from bowstream.events import Event
from bowstream.health.counters import Health
from bowstream.output.values import record_fields
from bowstream.records import Record, StreamInfo
from bowstream.sinks.worker import PermanentError, RetryableError, Sink

if TYPE_CHECKING:
    from bowstream.sinks.deadline import Deadline, LimitedRequest

# Answers that ask to try again later; every other 3xx or 4xx means that the request itself is wrong.
TRY_AGAIN = (408, 425, 429)


class Webhook(Sink[bytes]):
    """Posts events, in order; what the server cannot take now waits."""

    def __init__(self, settings: WebhookSettings, info: StreamInfo, health: Health) -> None:
        super().__init__("webhook")
        self._settings = settings
        self._deadline_now: Deadline | None = None

    def convert(self, record: Record) -> Iterator[bytes]:
        """Return the request's body for an event that is chosen."""
        if isinstance(record, Event) and self._settings.chooses(record.tag, "on" if record.offset_s is None else "off"):
            yield json.dumps(record_fields(record)).encode()

    def deliver(self, item: bytes) -> None:
        """Post a body and wait for the answer, for at most `timeout_s` in all."""
        # Here, since it is slow to import and large, and most listeners have no such sink.
        from bowstream.sinks.deadline import Deadline, LimitedRequest

        headers = {"Content-Type": "application/json", "User-Agent": f"bowstream/{__version__}"}
        if self._settings.authorization:
            headers["Authorization"] = self._settings.authorization
        request = LimitedRequest(self._settings.url, item, headers, method="POST")
        with Deadline(self._settings.timeout_s) as self._deadline_now:
            request.deadline = self._deadline_now
            problem = post(request, self._settings.timeout_s)
        if self._deadline_now.passed:  # before anything else: what has been cut off may look whole
            raise RetryableError(f"{request.host}: no answer within {self._settings.timeout_s:g} s") from problem
        if problem:
            raise problem

    def abort(self) -> None:
        """Cut the present request off."""
        if self._deadline_now:
            self._deadline_now.cut()


def post(request: LimitedRequest, timeout_s: float) -> RetryableError | PermanentError | None:
    """Send a request; return what is wrong with the answer, if anything is."""
    import http.client
    import urllib.error

    from bowstream.sinks.deadline import opener

    try:
        opener().open(request, timeout=timeout_s).close()
    except urllib.error.HTTPError as error:
        text = f"{request.host} answered {error.code} {error.reason}"
        error.close()
        if error.code < 400 and (location := error.headers["Location"]):
            text += f": moved to {place_of(urljoin(request.full_url, location))!r}: use that one in url"
        is_final = error.code < 500 and error.code not in TRY_AGAIN
        return PermanentError(text) if is_final else RetryableError(text)
    except urllib.error.URLError as error:
        return RetryableError(f"{request.host}: {error.reason}")
    except http.client.HTTPException as error:
        return RetryableError(f"{request.host} sent an invalid answer: {error!r}")
    except OSError as error:
        return RetryableError(f"{request.host}: {error}")
    return None
