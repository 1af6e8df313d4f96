"""What several pages draw: figures, cards, tables, empty and broken states, exports."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard import texts
from dashboard.browser import link
from dashboard.charts.shared import CONFIG
from dashboard.client import ApiError, api_request, download, forget_answers
from dashboard.navigation import address_of, customer_address, open_address
from dashboard.theme import Palette, palette_of

_START_THE_API = (
    "Compruebe que la API está en marcha («consumo api», o «consumo salud» para ver qué falta) y "
    "que la variable API_URL lleva hasta ella."
)
_ADVICE = {
    "unreachable": ("La API no responde", _START_THE_API),
    "busy": ("Falta una parte del sistema", "Volverá sola cuando responda; puede reintentarlo."),
    "permission": ("Hace falta una clave", "Escríbala en «Entrar», en la barra lateral."),
    "not_found": ("No se encuentra", ""),
    "conflict": ("Ya ha cambiado", "Vuelva a mirar y repita si sigue haciendo falta."),
    "invalid": ("No se puede mostrar", "Cambie los filtros."),
    "failure": ("Algo ha fallado en la API", "Su registro dice qué ha sido."),
}


def palette() -> Palette:
    """Return the colours of the theme that the browser shows."""
    return palette_of(st.context.theme.type)


def figure(
    description: str,
    chart: Callable[..., Any],
    *data: Any,
    opens: Callable[[Mapping[str, Any]], str | None] | None = None,
) -> None:
    """Draw the figure that a chart makes of some data, in the colours of the theme.

    Its description is its name on the page, and what who cannot see it is told.

    ``opens``: from a point of it, as Plotly tells of it, to the address that a click on it opens.
    """
    drawn = chart(*data, palette())
    options: dict[str, Any] = {"theme": None, "config": CONFIG, "alt": description}
    if opens is None:
        st.plotly_chart(drawn, key=description, **options)
        return
    chosen = st.plotly_chart(
        drawn, key=description, on_select="rerun", selection_mode="points", **options
    )
    for point in chosen["selection"]["points"][:1]:
        if address := opens(point):
            open_address(address)


@contextmanager
def section(key: str, missing: tuple[str, str] | None = None) -> Iterator[None]:
    """Draw a part of a page; if the API does not give it, say why, and offer another try.

    ``missing``: the empty state to draw where what is asked for does not exist.
    """
    try:
        yield
    except ApiError as error:
        if missing is not None and error.kind == "not_found":
            empty(*missing)
        else:
            api_error(error, key)


@contextmanager
def panel(box: Any, title: str, small: bool = False) -> Iterator[None]:
    """Draw a part of a page in a box of its own, under its title."""
    with box:
        if small:
            st.markdown(f"**{title}**")
        else:
            st.subheader(title, anchor=False)
        with section(title):
            yield


def api_error(error: ApiError, key: str) -> None:
    """Draw what is away and what to do about it."""
    title, advice = _ADVICE[error.kind]
    detail = str(error)
    icon = ":material/cloud_off:" if error.transient else ":material/info:"
    with st.container(border=True):
        st.markdown(f"{icon} **{title}**")
        st.text(f"{detail[:1].upper()}{detail[1:]}{'' if detail.endswith('.') else '.'}")
        if advice:
            st.caption(advice)
        if error.transient and st.button(
            "Reintentar", key=f"reintentar_{key}", icon=":material/refresh:"
        ):
            forget_answers()
            st.rerun()


def empty(title: str, advice: str) -> None:
    """Draw an empty state: what is not there, and what to do next."""
    st.html(f'<div class="vacio"><b>{html.escape(title)}</b>{html.escape(advice)}</div>')


@dataclass(frozen=True, slots=True)
class Kpi:
    """A figure of a card."""

    # name, value, note: what, how much, and a note below.
    name: str
    value: str
    note: str = ""
    sign: int = 0  # how the note is meant: 1 better, -1 worse, 0 neither
    address: str = ""  # what it opens; '' = nothing


def kpis(*cards: Kpi) -> None:
    """Draw cards that share the width and break into rows of their own."""
    classes = {1: "mejor", -1: "peor", 0: ""}
    with_notes = any(card.note for card in cards)
    drawn = []
    for card in cards:
        note = f'<small class="{classes[card.sign]}">{html.escape(card.note) or "&nbsp;"}</small>'
        inner = (
            f"<b>{html.escape(card.name)}</b>"
            f"<strong>{html.escape(card.value)}</strong>{note if with_notes else ''}"
        )
        if card.address:
            drawn.append(link(card.address, inner, "kpi"))
        else:
            drawn.append(f'<div class="kpi">{inner}</div>')
    # Six would leave one alone in a second row.
    st.html(f'<div class="kpis{" de-tres" * (len(cards) == 6)}">{"".join(drawn)}</div>')


def stake_card(row: Mapping[str, Any]) -> Kpi:
    """Return the card of what is at stake in an anomaly, or with a customer."""
    kwh = texts.energy(row["energia_en_juego_kwh"])
    return Kpi("En juego (estimado)", texts.money(row["energia_en_juego_eur"]), kwh)


def week_change(name: str, figure: Mapping[str, Any], text: str, more_is_worse: bool = True) -> Kpi:
    """Return a card with its change against the week before.

    Parameters
    ----------
    figure : mapping
        A ``Variacion`` of the API.
    text : str
        Its value as it is shown.
    more_is_worse : bool
        Whether a rise is bad news; otherwise it is no news at all.
    """
    change = figure["variacion"]
    if change is None:
        return Kpi(name, text, "" if figure["anterior"] else "sin semana anterior completa")
    if round(change, 2) == 0:
        return Kpi(name, text, "como la semana anterior")
    arrow = "▲" if change > 0 else "▼"
    sign = 0 if not more_is_worse else -1 if change > 0 else 1
    return Kpi(name, text, f"{arrow} {texts.percent(abs(change))} en una semana", sign)


def severity_badge(name: str | None) -> str:
    """Return a severity as HTML: its mark and its name."""
    if name is None:
        return texts.MISSING
    colour = palette().severity.get(name, "#888888")
    return (
        f'<span class="sev"><i class="s-{html.escape(name.replace("í", "i"))}" '
        f'style="background:{colour}"></i>{html.escape(name.capitalize())}</span>'
    )


def state_badge(state: str) -> str:
    """Return the state of an anomaly as HTML."""
    return f'<span class="rotulo {html.escape(state)}">{html.escape(state.capitalize())}</span>'


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table."""

    head: str
    # The field of a row, or from a row to what is shown.
    value: str | Callable[[Mapping[str, Any]], Any]
    # "der": a number, to the right; "ancha": left out on a telephone; "no-partir": never broken
    # into lines.
    css: str = ""
    shown: Callable[[Any], str] = str  # from the field to its text
    is_html: bool = False  # whether that is HTML, not text
    address: Callable[[Mapping[str, Any]], str] | None = None  # what a row's cell opens

    def cell(self, row: Mapping[str, Any]) -> str:
        """Return what a row has in this column, as HTML."""
        value = row[self.value] if isinstance(self.value, str) else self.value(row)
        text = self.shown(value)
        inner = text if self.is_html else html.escape(text)
        if self.address is not None:
            inner = link(self.address(row), inner)
        return f'<td class="{self.css}">{inner}</td>'


def severity_column(head: str, field: str) -> TableColumn:
    """Return a column of severities."""
    return TableColumn(head, field, shown=severity_badge, is_html=True)


def customer_column(head: str = "Cliente") -> TableColumn:
    """Return a column of customers, each of which opens its page."""
    return TableColumn(
        head,
        "propietario_id",
        "no-partir",
        address=lambda row: customer_address(row["propietario_id"]),
    )


def number_column(head: str, field: str, decimals: int = 0, css: str = "der") -> TableColumn:
    """Return a column of numbers."""
    return TableColumn(head, field, css, lambda value: texts.number(value, decimals))


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[TableColumn]) -> None:
    """Draw a table to read; every text in it is escaped."""
    heads = "".join(f'<th class="{c.css}">{html.escape(c.head)}</th>' for c in columns)
    lines = "".join(f"<tr>{''.join(c.cell(row) for c in columns)}</tr>" for row in rows)
    st.html(
        f'<div class="tabla"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div>"
    )


def page_link(module: str, text: str, **query: object) -> str:
    """Return a link to a page, as HTML."""
    return link(address_of(module, **query), html.escape(text))


def bullets(sentences: Sequence[str]) -> None:
    """Draw sentences as a list."""
    items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences)
    st.html(f'<ul class="motivos">{items}</ul>')


def export(path: str, name: str, key: str, **params: Any) -> None:
    """Draw the button that downloads a whole list for a Spanish spreadsheet.

    The list is fetched when the button is pressed, not before.

    ``path``: of the list; ``params`` are the API's. ``name``: of the file.
    """
    st.download_button(
        "Descargar CSV",
        data=lambda: download(*api_request(path, **params, formato="excel")),
        file_name=f"{name}.csv",
        mime="text/csv",
        key=key,
        icon=":material/download:",
        on_click="ignore",
    )
