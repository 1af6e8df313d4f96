"""Colours, light and dark; severities stay apart for colour-blind eyes too."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Paleta:
    """The colours of a theme; every one is ``#rrggbb``.

    Parameters
    ----------
    severidad : dict of str to str
        Colour of each severity, ``normal`` included.
    rampa : tuple of str
        From little to much, for heat maps; its first colour lies near the background.
    """

    oscura: bool
    fondo: str
    texto: str
    suave: str
    rejilla: str
    principal: str
    segunda: str
    tercera: str
    bien: str
    aviso: str
    mal: str
    severidad: dict[str, str]
    rampa: tuple[str, ...]


# By hand, 2026-11-24; tests/dashboard/test_charts.py measures how far apart they are for
# normal, protan, deutan and tritan eyes.
CLARA = Paleta(
    oscura=False,
    fondo="#ffffff",
    texto="#1b2a32",
    suave="#5d6f7a",
    rejilla="#e6ebee",
    principal="#0b7285",
    segunda="#8a5a9e",
    tercera="#94a3ad",
    bien="#1b7f79",
    aviso="#b36b00",
    mal="#b3261e",
    severidad={
        "normal": "#94a3ad",
        "baja": "#6fb3e3",
        "media": "#e0a020",
        "alta": "#d4561a",
        "crítica": "#7a1152",
    },
    rampa=("#f1f6f7", "#bfdde1", "#74b7c1", "#2b8c9c", "#0b5b6b", "#06323c"),
)
OSCURA = Paleta(
    oscura=True,
    fondo="#10181d",
    texto="#e3eaee",
    suave="#9db0bb",
    rejilla="#25323a",
    principal="#52bccd",
    segunda="#c59adb",
    tercera="#7d909b",
    bien="#5cc4bb",
    aviso="#f0b458",
    mal="#ff8a7a",
    severidad={
        "normal": "#71848f",
        "baja": "#4f8fd0",
        "media": "#f2cf66",
        "alta": "#e8702a",
        "crítica": "#ff8fd0",
    },
    rampa=("#16232a", "#164652", "#1d7284", "#3fa3b3", "#8ccfd8", "#e0f5f7"),
)


def paleta(tema: str | None) -> Paleta:
    """Return the colours of a theme that the browser names: 'dark', or anything else for light."""
    return OSCURA if tema == "dark" else CLARA


def opciones_streamlit() -> dict[str, str]:
    """Return Streamlit's own options for both themes."""
    opciones = {"theme.baseRadius": "0.6rem", "theme.showWidgetBorder": "true"}
    barra = {False: "#f4f7f8", True: "#151f25"}
    borde = {False: "#d9e1e5", True: "#2b3a43"}
    for nombre, p in (("light", CLARA), ("dark", OSCURA)):
        opciones |= {
            f"theme.{nombre}.primaryColor": p.principal,
            f"theme.{nombre}.backgroundColor": p.fondo,
            f"theme.{nombre}.secondaryBackgroundColor": barra[p.oscura],
            f"theme.{nombre}.textColor": p.texto,
            f"theme.{nombre}.linkColor": p.principal,
            f"theme.{nombre}.borderColor": borde[p.oscura],
            f"theme.{nombre}.sidebar.backgroundColor": barra[p.oscura],
        }
    return opciones
