"""Streamlit's own files as browsers are given them: read and compressed once, announced early.

Streamlit reads each of them from the disk for every visitor and sends it as it is, and a first
visit asks for about a hundred; and a browser finds out that it needs another one only when it is
to draw with it. Here they wait in memory, and every page says with its first bytes what all pages
draw with.
"""

from __future__ import annotations

import gzip
import json
import mimetypes
from asyncio import get_running_loop
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import streamlit as st
from starlette.middleware import Middleware

_ELEMENTS = (
    "elements/Html/Html",
    "widgets/BidiComponent/BidiComponent",
    "widgets/ButtonGroup/ButtonGroup",
    "widgets/TextInput/TextInput",
)
"""What nearly all pages draw with, as Streamlit 1.67 names it in its manifest."""
_SOURCE = "../lib/src/components/{}.tsx"
_ENTRY = "index.html"
_SMALL = 1000
"""Bytes that are not worth compressing. By hand, 2026-12-01."""
_LEVEL = 6
"""Of 9: what is above costs seconds and saves one byte in a hundred. By hand, 2026-12-01."""
_COMPRESSED = frozenset({".js", ".css"})
"""The others are compressed already."""
_FOR_A_YEAR = b"public, immutable, max-age=31536000"
"""Their names say what is in them. The same as Streamlit says."""

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_Asgi = Callable[[_Message, _Receive, _Send], Awaitable[None]]


class Asset(NamedTuple):
    """A file as it is sent."""

    body: bytes
    media_type: str
    gzipped: bool  # whether the body is compressed: then only for who takes it so


Assets = dict[str, Asset]
"""Path of an address -> its file."""


def streamlit_folder() -> Path:
    """Return where Streamlit keeps what it gives to browsers."""
    return Path(st.__file__).parent / "static"


def read_assets(folder: Path, into: Assets) -> None:
    """Read the files of a folder of Streamlit's; each may be given as soon as it has been read."""
    for path in sorted((folder / "static").rglob("*")):
        if path.is_file():
            body = path.read_bytes()
            gzipped = path.suffix in _COMPRESSED and len(body) > _SMALL
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            into[f"/{path.relative_to(folder).as_posix()}"] = Asset(
                gzip.compress(body, _LEVEL, mtime=0) if gzipped else body, kind, gzipped
            )


def announced(folder: Path) -> list[str]:
    """Return the files that all pages draw with and that Streamlit's first page does not name.

    Their paths are relative to ``folder``. Of an element that this Streamlit does not have, none.
    """
    manifest: dict[str, dict[str, Any]] = json.loads((folder / "manifest.json").read_bytes())

    def needed(key: str, known: dict[str, None]) -> dict[str, None]:
        part = manifest.get(key)
        if part is not None and part["file"] not in known:
            known[part["file"]] = None
            for one in part.get("imports", ()):
                needed(one, known)
        return known

    named = needed(_ENTRY, {})
    wanted = dict(named)
    for element in _ELEMENTS:
        needed(_SOURCE.format(element), wanted)
    return [file for file in wanted if file not in named]


class AssetServer:
    """ASGI middleware that gives what has been read, and announces what a page will draw with.

    Parameters
    ----------
    app : ASGI application
        Streamlit's, which answers to all the rest.
    assets : dict of str to Asset
        What has been read so far.
    links : list of str
        Files that every page announces.
    opened : callable
        Called in a thread of its own with the path and the query of each page that is asked for.
    """

    def __init__(
        self, app: _Asgi, assets: Assets, links: list[str], opened: Callable[[str, str], object]
    ) -> None:
        self._app = app
        self._opened = opened
        self._assets = assets
        self._link = ", ".join(f"<./{file}>; rel=modulepreload" for file in links).encode()

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        asset = self._assets.get(scope["path"])
        if asset is not None and _fits(asset, dict(scope["headers"])):
            await _give(asset, send)
        else:
            await self._app(scope, receive, self._announcing(scope, send))

    def _announcing(self, scope: _Message, send: _Send) -> _Send:
        async def announce(message: _Message) -> None:
            if message["type"] == "http.response.start" and any(
                name == b"content-type" and value.startswith(b"text/html")
                for name, value in message["headers"]
            ):
                query = scope["query_string"].decode("latin-1")
                get_running_loop().run_in_executor(None, self._opened, scope["path"], query)
                message["headers"] = [*message["headers"], (b"link", self._link)]
            await send(message)

        return announce


def _fits(asset: Asset, asked: dict[bytes, bytes]) -> bool:
    """Return whether a file may be sent as it is to who asks with some headers."""
    takes = not asset.gzipped or b"gzip" in asked.get(b"accept-encoding", b"")
    return takes and b"range" not in asked


async def _give(asset: Asset, send: _Send) -> None:
    headers = [
        (b"content-type", asset.media_type.encode()),
        (b"content-length", str(len(asset.body)).encode()),
        (b"cache-control", _FOR_A_YEAR),
        (b"vary", b"accept-encoding"),
        *([(b"content-encoding", b"gzip")] if asset.gzipped else []),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": asset.body})


def streamlit_app(
    script: Path, started: Callable[[Assets], object], opened: Callable[[str, str], object]
) -> st.App:
    """Return Streamlit's application of a script, with an ``AssetServer`` in front of it.

    Parameters
    ----------
    started : callable
        Called in a thread of its own once the application runs; what it reads is given from then.
    opened : callable
        As ``AssetServer`` wants it.
    """
    assets: Assets = {}

    @asynccontextmanager
    async def running(_: st.App) -> AsyncIterator[None]:
        Thread(target=started, args=(assets,), name="importaciones", daemon=True).start()
        yield

    links = announced(streamlit_folder())
    first = Middleware(AssetServer, assets=assets, links=links, opened=opened)
    return st.App(script, middleware=[first], lifespan=running)
