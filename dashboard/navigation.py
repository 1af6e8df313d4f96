"""The pages: what there is, what it is called, where it is drawn, and how one leads to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import streamlit as st
from streamlit.errors import StreamlitAPIException

from dashboard import texts

CUSTOMER = "cliente"
CASE = "caso"
_AWAY = "_adonde"
"""Where a session keeps an address that the browser is to go to."""
MAX_ID = 20
"""Characters of a customer's name, by contract."""


@dataclass(frozen=True, slots=True)
class DashboardPage:
    """A page."""

    # Its file in ``dashboard/views``, imported when it is first opened; also its URL. It has
    # ``draw_`` and its name; and ``asked_first``, if what it asks the API can be told from its URL.
    module: str
    title: str
    icon: str
    section: str
    about: str
    in_menu: bool = True  # otherwise it is reached from other pages only

    @property
    def url(self) -> str:
        """Return its path in the browser; the first page has none, as Streamlit wants it."""
        return "" if self is PAGES[0] else self.module.replace("_", "-")

    def view(self) -> ModuleType:
        """Return its file."""
        return import_module(f"dashboard.views.{self.module}")

    def draw(self) -> None:
        """Draw the page under its title."""
        st.title(self.title, anchor=False)
        if self.about:
            st.caption(self.about)
        getattr(self.view(), f"draw_{self.module}")()


_CASES, _WATCH, _ANALYSIS, _DETECTOR = "Casos", "Vigilancia", "Análisis", "Detector"

PAGES = (
    DashboardPage("hoy", "Mi lista de hoy", ":material/checklist:", _CASES,
                  "Los casos que merece la pena visitar, primero donde más se recupera."),
    DashboardPage("casos", "Todos los casos", ":material/folder_open:", _CASES,
                  "Los filtros van en la dirección: cópiela y un compañero verá lo mismo."),
    DashboardPage("calendario", "Calendario", ":material/calendar_view_month:", _CASES,
                  "Qué días fue anómalo cada cliente; la raya marca dónde empezó su caso."),
    DashboardPage("mapa", "Mapa", ":material/map:", _CASES,
                  "Dónde están los casos, para ir a verlos."),
    DashboardPage("aciertos", "Aciertos", ":material/target:", _CASES,
                  "Qué se halló en las visitas, y cuánto se recuperó."),
    DashboardPage("caso", "Caso", ":material/description:", _CASES, "", in_menu=False),
    DashboardPage("resumen", "Resumen", ":material/space_dashboard:", _WATCH,
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


def page_at(path: str) -> DashboardPage | None:
    """Return the page at a path of the dashboard's address; None = there is none."""
    url = path.removeprefix("./").strip("/")
    return next((page for page in PAGES if page.url == url), None)


def page_of(module: str) -> DashboardPage:
    """Return a page by its file."""
    return next(page for page in PAGES if page.module == module)


def _for_streamlit(page: DashboardPage) -> Any:
    """Return what Streamlit calls a page; it hides the class."""
    return st.Page(
        page.draw, title=page.title, icon=page.icon, url_path=page.url or None,
        default=page is PAGES[0], visibility="visible" if page.in_menu else "hidden",
    )  # fmt: skip


def page_menu() -> dict[str, list[Any]]:
    """Return Streamlit's pages by the section of the menu that they stand in."""
    sections: dict[str, list[Any]] = {}
    for page in PAGES:
        sections.setdefault(page.section, []).append(_for_streamlit(page))
    return sections


def chosen_customer() -> str | None:
    """Return the chosen customer: that of the URL, or else the last one of this session."""
    in_url = st.query_params.get(CUSTOMER, "")
    if not 0 < len(in_url) <= MAX_ID or not in_url.isprintable():
        remembered: str | None = st.session_state.get("_cliente")
        if remembered:
            st.query_params[CUSTOMER] = remembered
        return remembered
    st.session_state["_cliente"] = in_url
    return in_url


def choose_customer(name: str) -> None:
    """Choose a customer."""
    st.session_state["_cliente"] = name
    st.query_params[CUSTOMER] = name


def forget_customer() -> None:
    """Choose none."""
    st.session_state.pop("_cliente", None)
    st.query_params.pop(CUSTOMER, None)


def address_of(module: str, **query: object) -> str:
    """Return where a page is, relative to the dashboard's address; None is left out.

    Examples
    --------
    >>> address_of("anomalias", de="CLI_00001", tipo=None)
    './anomalias?de=CLI_00001'
    """
    params = {name: value for name, value in query.items() if value is not None}
    return f"./{page_of(module).url}{f'?{urlencode(params, doseq=True)}' if params else ''}"


def customer_address(name: str, **query: object) -> str:
    """Return where a customer's page is."""
    return address_of("buscar_cliente", **{CUSTOMER: name}, **query)


def case_address(case_id: str) -> str:
    """Return where a case's page is."""
    return address_of("caso", **{CASE: case_id})


def day_address(point: Mapping[str, Any]) -> str:
    """Return where the anomalies of a bar of a day are.

    Examples
    --------
    >>> day_address({"x": "2026-11-03", "curve_number": 0}).partition("&")[2]
    'desde=2026-11-03&hasta=2026-11-03&severidad=Baja'
    """
    day = str(point["x"])[:10]
    severity = texts.ANOMALY_SEVERITIES[point["curve_number"]].capitalize()
    return address_of("anomalias", periodo="A medida", desde=day, hasta=day, severidad=severity)


def open_address(address: str) -> None:
    """Open a page by its address within the dashboard; of none that is known, the first one.

    Streamlit sets no parameter that a filter of the present page holds: then the browser goes.
    """
    parts = urlsplit(address)
    page = page_at(parts.path) or PAGES[0]
    try:
        st.switch_page(_for_streamlit(page), query_params=parse_qs(parts.query))
    except StreamlitAPIException:
        st.session_state[_AWAY] = address
        st.rerun()


def pending_address() -> str | None:
    """Return where the browser itself is to go now, once."""
    address: str | None = st.session_state.pop(_AWAY, None)
    return address


def customer_button(name: str, label: str = "", key: str | None = None) -> None:
    """Draw the button that opens a customer's page."""
    if st.button(label or name, key=key, icon=":material/person_search:"):
        choose_customer(name)
        open_address(customer_address(name))
