"""The pages: what there is, what it is called, where it is drawn, and how one leads to another."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import streamlit as st

_CUSTOMER = "cliente"
MAX_ID = 20
"""Characters of a customer's name, by contract."""


@dataclass(frozen=True, slots=True)
class DashboardPage:
    """A page."""

    # Its file in ``dashboard/views``, imported when it is first opened; also its URL. It has
    # ``draw_`` and its name.
    module: str
    title: str
    icon: str
    section: str
    about: str

    @property
    def url(self) -> str:
        """Return its path in the browser; the first page has none, as Streamlit wants it."""
        return "" if self is PAGES[0] else self.module.replace("_", "-")

    def draw(self) -> None:
        """Draw the page under its title."""
        st.title(self.title, anchor=False)
        st.caption(self.about)
        getattr(import_module(f"dashboard.views.{self.module}"), f"draw_{self.module}")()


_WATCH, _ANALYSIS, _DETECTOR = "Vigilancia", "Análisis", "Detector"

PAGES = (
    DashboardPage("principal", "Dashboard principal", ":material/space_dashboard:", _WATCH,
                  "La última semana frente a la anterior, y lo que llega ahora."),
    DashboardPage("buscar_cliente", "Buscar cliente", ":material/person_search:", _WATCH,
                  "Su consumo frente a lo esperado, sus anomalías y por qué lo son."),
    DashboardPage("anomalias", "Anomalías", ":material/notification_important:", _WATCH,
                  "Los filtros van en la dirección: cópiela y un compañero verá lo mismo."),
    DashboardPage("mensual", "Consumo mensual", ":material/calendar_month:", _ANALYSIS,
                  "Mes a mes, frente al año anterior, de noche y en punta."),
    DashboardPage("avanzado", "Análisis avanzado", ":material/query_stats:", _ANALYSIS,
                  "Compare clientes, detectores y umbrales."),
    DashboardPage("modelos", "Modelos", ":material/deployed_code:", _DETECTOR,
                  "Qué versión puntúa, cómo de buena es, y cuál podría sustituirla."),
    DashboardPage("deriva", "Deriva", ":material/trending_up:", _DETECTOR,
                  "Si las lecturas recientes aún se parecen a las que el modelo conoce."),
)  # fmt: skip
"""The first one opens first."""


def page_of(module: str) -> DashboardPage:
    """Return a page by its file."""
    return next(page for page in PAGES if page.module == module)


def _for_streamlit(page: DashboardPage) -> Any:
    """Return what Streamlit calls a page; it hides the class."""
    return st.Page(
        page.draw, title=page.title, icon=page.icon, url_path=page.url or None,
        default=page is PAGES[0],
    )  # fmt: skip


def page_menu() -> dict[str, list[Any]]:
    """Return Streamlit's pages by the section of the menu that they stand in."""
    sections: dict[str, list[Any]] = {}
    for page in PAGES:
        sections.setdefault(page.section, []).append(_for_streamlit(page))
    return sections


def chosen_customer() -> str | None:
    """Return the chosen customer: that of the URL, or else the last one of this session."""
    in_url = st.query_params.get(_CUSTOMER, "")
    if not 0 < len(in_url) <= MAX_ID or not in_url.isprintable():
        remembered: str | None = st.session_state.get("_cliente")
        if remembered:
            st.query_params[_CUSTOMER] = remembered
        return remembered
    st.session_state["_cliente"] = in_url
    return in_url


def choose_customer(name: str) -> None:
    """Choose a customer."""
    st.session_state["_cliente"] = name
    st.query_params[_CUSTOMER] = name


def forget_customer() -> None:
    """Choose none."""
    st.session_state.pop("_cliente", None)
    st.query_params.pop(_CUSTOMER, None)


def open_customer(name: str) -> None:
    """Open a customer's page."""
    choose_customer(name)
    st.switch_page(_for_streamlit(page_of("buscar_cliente")), query_params={_CUSTOMER: name})


def customer_button(name: str, label: str = "", key: str | None = None) -> None:
    """Draw the button that opens a customer's page."""
    if st.button(label or name, key=key, icon=":material/person_search:"):
        open_customer(name)
