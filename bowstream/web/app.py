"""The page's addresses, and what each answers: an ASGI application without a framework."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from bowstream.config.settings import TagSettings
from bowstream.errors import BowstreamError, UsageError
from bowstream.web.archive import Archive
from bowstream.web.guard import Guard
from bowstream.web.http import Answer, Receive, RefusedError, Request, Send, head
from bowstream.web.hub import Hub
from bowstream.web.messages import message
from bowstream.web.tuning import Tuning, tag_fields

FOLDER = Path(__file__).parent / "static"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
EVENT_ID = re.compile(r"[0-9a-z]{13}")
# Events that can be asked for at once.
IDS = 100
# A page that hears nothing for so long is sent a comment, so that its line stays open.
PULSE_S = 10.0

Found = TypeVar("Found")
Fields = dict[str, Any]
Judge = Callable[[str, str | None], None]


class App:
    """Answers requests, in the server's thread; what reads a disk does so in a worker's.

    Parameters
    ----------
    guard : says who may ask
    hub : has what is sent live
    tuning : the tags, as they are now
    archive : the past; None if no history is kept
    judge : takes an event's id and a verdict on it, to learn from
    greeting : returns what a page gets when it opens
    complain : takes a line about a bug
    """

    def __init__(
        self,
        guard: Guard,
        hub: Hub,
        tuning: Tuning,
        archive: Archive | None,
        judge: Judge,
        greeting: Callable[[], Fields],
        complain: Callable[[str], None],
    ) -> None:
        self._guard, self._hub, self._tuning, self._archive = guard, hub, tuning, archive
        self._judge_elsewhere, self._greeting, self._complain = judge, greeting, complain
        self._files = static_files()
        self._disk = ThreadPoolExecutor(2, "bowstream-web-disk")

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = Request.of(scope, receive)
        try:
            answer = await self._answer(request, send)
        except RefusedError as error:
            answer = refusal(error.status, error.reason, error.headers)
        except UsageError as error:
            answer = refusal(400, str(error))
        except BowstreamError as error:
            answer = refusal(503, str(error))
        except Exception as error:  # a bug of the page must end neither the server nor the listening
            self._complain(repr(error))
            answer = refusal(500, "this went wrong: see what the listener says")
        if answer:
            await answer.send(send, request.method != "HEAD")

    async def _answer(self, request: Request, send: Send) -> Answer | None:
        """Return the answer; None if it was sent already."""
        self._guard.check_origin(request)
        if request.method == "POST":
            return await self._post(request)
        if request.method not in ("GET", "HEAD"):
            raise RefusedError(405, "there is GET, HEAD and POST")
        if request.path == "/login" or (request.path in self._files and not request.path.endswith(".html")):
            return self._file("/login.html" if request.path == "/login" else request.path, request)
        if not self._guard.is_signed_in(request):
            if request.path == "/":
                return Answer(status=303, headers={"location": "/login", "cache-control": "no-store"})
            raise RefusedError(401, "sign in first")
        if request.path == "/":
            return self._file("/index.html", request)
        if request.path == "/api/live" and request.method == "GET":
            await self._stream(request, send)
            return None
        return await self._get(request)

    async def _get(self, request: Request) -> Answer:
        if request.path == "/api/tags":
            return Answer.json({"tags": tag_fields(self._tuning)})
        if request.path == "/api/day":
            return Answer.json(await self._read(self._past().day, request.query.get("day", "today")[:10]))
        if request.path == "/api/events":
            names = request.query.get("ids", "").split(",")
            if len(names) > IDS or not all(map(EVENT_ID.fullmatch, names)):
                raise RefusedError(400, f"ids must be of 1 … {IDS} events, with commas between")
            return Answer.json(await self._read(self._past().events, names))
        if request.path == "/api/heat":
            days = request.query.get("days", "7")
            if not days.isascii() or not days.isdecimal():
                raise RefusedError(400, "days must be a number")
            chosen = (request.query.get(name, "") for name in ("tag", "group"))
            groups = {tag.name: tag.group for tag in self._tuning.tags}
            return Answer.json(await self._read(self._past().heat, int(days[:4]), *chosen, groups))
        folder, _, name = request.path.rpartition("/")
        if folder == "/clips" and EVENT_ID.fullmatch(name):
            found = await self._read(self._past().clip, name)
            if found:
                named = {"content-disposition": f'inline; filename="{ascii_only(found[0])}"'}
                return Answer(found[1], "audio/flac", headers={"cache-control": "private, max-age=3600", **named})
        raise RefusedError(404, "there is no such page")

    async def _post(self, request: Request) -> Answer:
        if request.path == "/api/login" and self._guard.asks:
            password = (await request.fields()).get("password")
            if not isinstance(password, str):
                raise RefusedError(400, "password must be a string")
            return Answer.json({}, set_cookie=await self._guard.sign_in(request, password))
        if not self._guard.is_signed_in(request):
            raise RefusedError(401, "sign in first")
        if request.path == "/api/logout":
            return Answer.json({}, set_cookie=self._guard.sign_out(request))
        if request.path == "/api/verdict":
            return await self._judge(await request.fields())
        if request.path == "/api/tag":
            return await self._tune(await request.fields())
        raise RefusedError(404, "there is no such page")

    async def _judge(self, fields: Fields) -> Answer:
        name, verdict = fields.get("id"), fields.get("verdict")
        if not isinstance(name, str) or not EVENT_ID.fullmatch(name) or verdict not in ("right", "wrong", None):
            raise RefusedError(400, "id must be an event's, and verdict right, wrong or null")
        judged = await self._read(self._past().judge, name, verdict)
        self._judge_elsewhere(name, verdict)
        self._hub.tell(message("judged", judged))
        return Answer.json(judged)

    async def _tune(self, fields: Fields) -> Answer:
        """Set a tag's threshold and mute; `before` in the answer undoes it."""
        name, on, muted = fields.get("tag"), fields.get("on"), fields.get("muted", False)
        is_score = on is None or (isinstance(on, (int, float)) and not isinstance(on, bool))
        if not isinstance(name, str) or not is_score or not isinstance(muted, bool):
            raise RefusedError(400, "tag must be a name, on a score or null, and muted true or false")
        own = TagSettings(on=None if on is None else float(on), muted=muted)
        try:
            before = await self._read(self._tuning.set, name, own)
        except OSError as error:
            raise RefusedError(503, f"{self._tuning.file} cannot be written: {error.strerror}") from error
        self._hub.tell(message("tags", {"tags": tag_fields(self._tuning)}))
        return Answer.json({"before": {"tag": name, "on": before.own.on, "muted": before.own.muted}})

    async def _stream(self, request: Request, send: Send) -> None:
        """Send what is heard, until the page is closed."""
        page = self._hub.open()
        if page is None:
            raise RefusedError(503, "too many pages are open")
        gone = asyncio.ensure_future(disconnected(request.receive))
        gone.add_done_callback(lambda _: page.close())
        try:
            await send(head(200, {"content-type": "text/event-stream", "cache-control": "no-store"}))
            chunk, told = message("hello", self._greeting()), 0
            while not page.closing and self._guard.is_signed_in(request):
                if page.missed > told:
                    told = page.missed
                    chunk += message("missed", {"messages": told})
                await send({"type": "http.response.body", "body": chunk or b": \n\n", "more_body": True})
                chunk = await page.take(PULSE_S)
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            self._hub.leave(page)

    def _file(self, path: str, request: Request) -> Answer:
        """Return a file of the page."""
        content_type, body, tag = self._files[path]
        headers = {"cache-control": "no-cache", "etag": tag}
        if request.headers.get("if-none-match") == tag:
            return Answer(b"", content_type, 304, headers)
        return Answer(body, content_type, headers=headers)

    def _past(self) -> Archive:
        """Return the past; refuse if there is none."""
        if self._archive is None:
            raise RefusedError(404, "no history is kept: listen with --history")
        return self._archive

    async def _read(self, function: Callable[..., Found], *arguments: Any) -> Found:
        """Return what a function finds on a disk."""
        return await asyncio.get_running_loop().run_in_executor(self._disk, function, *arguments)


def static_files() -> dict[str, tuple[str, bytes, str]]:
    """Return the files of the page by their address: type, content and ETag."""
    found = {}
    for file in FOLDER.iterdir():
        if file.suffix in TYPES:
            body = file.read_bytes()
            found[f"/{file.name}"] = TYPES[file.suffix], body, f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    return found


def refusal(status: int, reason: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an error, as JSON."""
    answer = Answer.json({"error": reason}, status)
    return Answer(answer.body, answer.content_type, status, {**answer.headers, **(headers or {})})


def ascii_only(name: str) -> str:
    """Return a file's name without what a header cannot carry."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", name)


async def disconnected(receive: Receive) -> None:
    """Wait until the other side has gone."""
    with suppress(OSError):
        while (await receive())["type"] != "http.disconnect":
            pass
