"""What a page asks the API first, asked when a browser begins to load it."""

from __future__ import annotations

from urllib.parse import parse_qs

from dashboard.client import PendingAnswer, fetch_all
from dashboard.navigation import page_at


def ask_ahead(path: str, query: str) -> list[PendingAnswer]:
    """Return the answers, still on their way, to what a page asks the API first; maybe none.

    The page is drawn once its browser has loaded all that it takes; by then they are there.

    ``path``, ``query``: of the address that a browser asks for.
    """
    page = page_at(path)
    asked_first = page and getattr(page.view(), "asked_first", None)
    return fetch_all(*asked_first(parse_qs(query))) if asked_first else []
