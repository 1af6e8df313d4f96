"""How many requests a minute a key, or an address without one, may make."""

from __future__ import annotations

import math
import time
from ipaddress import IPv6Address, ip_address

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

_PREFIJO_V6 = 64
"""Bits of an IPv6 address that one household or machine has to itself (RFC 6177)."""


class RequestLimit:
    """A sliding window of a minute, in this process's memory.

    Parameters
    ----------
    por_minuto : int
        Requests; 0 = no limit.
    """

    def __init__(self, por_minuto: int) -> None:
        self._cuantas = RateLimitItemPerMinute(por_minuto) if por_minuto else None
        self._ventana = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def wait_s(self, quien: str) -> int:
        """Count a request; return 0, or the seconds to wait where it is one too many."""
        if self._cuantas is None or await self._ventana.hit(self._cuantas, quien):
            return 0
        vuelta = await self._ventana.get_window_stats(self._cuantas, quien)
        return max(1, math.ceil(vuelta.reset_time - time.time()))


def sender(nombre: str | None, direccion: str) -> str:
    """Return who a request is counted for: its key, or the network it comes from.

    Examples
    --------
    >>> sender("ana", "10.0.0.7"), sender(None, "10.0.0.7")
    ('clave ana', 'red 10.0.0.7')
    >>> sender(None, "2001:db8:1:2:3::4")
    'red 2001:db8:1:2::'
    """
    if nombre is not None:
        return f"clave {nombre}"
    try:
        ip = ip_address(direccion)
    except ValueError:
        return "red desconocida"
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped:
            return f"red {ip.ipv4_mapped}"
        resto = 128 - _PREFIJO_V6
        ip = IPv6Address(int(ip) >> resto << resto)
    return f"red {ip}"
