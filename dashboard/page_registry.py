"""The registry of pages: what there is, what it is called, and where it is written."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True, slots=True)
class Pagina:
    """A page.

    Parameters
    ----------
    modulo : str
        Its file in ``dashboard/views``, imported when it is first opened; also its URL.
    """

    modulo: str
    titulo: str
    icono: str
    seccion: str

    @property
    def url(self) -> str:
        """Return its path in the browser; the first page has none, as Streamlit wants it."""
        return "" if self is PAGINAS[0] else self.modulo.replace("_", "-")

    def draw(self) -> None:
        """Draw the page."""
        import_module(f"dashboard.pages.{self.modulo}").pagina()


_VIGILANCIA, _ANALISIS, _MODELO = "Vigilancia", "Análisis", "Detector"

PAGINAS = (
    Pagina("principal", "Dashboard principal", ":material/space_dashboard:", _VIGILANCIA),
    Pagina("buscar_cliente", "Buscar cliente", ":material/person_search:", _VIGILANCIA),
    Pagina("anomalias", "Anomalías", ":material/notification_important:", _VIGILANCIA),
    Pagina("mensual", "Consumo mensual", ":material/calendar_month:", _ANALISIS),
    Pagina("avanzado", "Análisis avanzado", ":material/query_stats:", _ANALISIS),
    Pagina("modelos", "Modelos", ":material/deployed_code:", _MODELO),
    Pagina("deriva", "Deriva", ":material/trending_up:", _MODELO),
)
"""The first one opens first."""


def pagina_de(modulo: str) -> Pagina:
    """Return a page by its file."""
    return next(pagina for pagina in PAGINAS if pagina.modulo == modulo)
