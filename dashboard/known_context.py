"""What the utility knows of a customer beside its readings, in a line."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from dashboard import texts
from dashboard.browser import link
from dashboard.navigation import address_of


def known_of(customer: str, known: Mapping[str, Any]) -> str:
    """Return the HTML of a line with what is known of a customer; '' = nothing is.

    ``known``: a ``ContextoCliente``.
    """
    power = known.get("potencia_contratada_kw")
    facts = [
        known.get("direccion"),
        known.get("actividad"),
        power and f"{texts.number(power, 2)} kW contratados",
        known.get("tarifa") and f"tarifa {known['tarifa']}",
        known.get("transformador") and f"transformador {known['transformador']}",
    ]
    parts = [html.escape(fact) for fact in facts if fact]
    if known.get("latitud") is not None:
        parts.append(link(address_of("mapa", de=customer), "en el mapa"))
    return " · ".join(parts)
