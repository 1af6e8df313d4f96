"""Figures that set versions of the model side by side. Pure: data in, figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plotly.graph_objects import Figure

from dashboard import texts
from dashboard.charts import shared
from dashboard.charts.shared import ApiRows
from dashboard.theme import Palette

METRIC_GROUPS = {
    "hallados_clientes": "Clientes hallados, por ataque",
    "hallados_lecturas": "Lecturas halladas, por ataque",
    "falsas_alarmas": "Falsas alarmas por 1.000 clientes y día",
    "precision_sola": "Precisión de cada detector por sí solo",
    "precision_sin": "Precisión sin cada detector",
    "importancia": "Importancia de cada rasgo",
}
"""Metrics that come in groups, ``grupo.miembro``, in the order in which they are shown."""
MAX_VERSIONS = 3
"""Versions in one figure: as many colours as stay apart."""
_ALARM_ORDER = ("baja", "media", "alta", "critica")
_SHARES = frozenset({"hallados_clientes", "hallados_lecturas"})
"""Groups whose figures are shares, 0 to 1."""
_PRECISIONS = frozenset({"precision_sola", "precision_sin"})
"""Groups whose figures are average precisions: they mean little without what chance gives."""
_ATTACK_NAMES = {
    "cannabis": "Plantación",
    "congelado": "Contador congelado",
    "fraude_ceros": "Fraude: ceros",
    "fraude_escala": "Fraude: escala",
    "fraude_escala_aleatoria": "Fraude: escala al azar",
    "fraude_inversion": "Fraude: día al revés",
    "fraude_media": "Fraude: media",
    "fraude_media_aleatoria": "Fraude: media al azar",
    "picos": "Picos",
    "puente_nocturno": "Puente nocturno",
}
"""What the kinds of attack of ``detection.simulation`` are called on the screen."""
_SCORES = [-0.03, 1.03]


def metric_bars(versions: ApiRows, name: str, palette: Palette) -> Figure:
    """Return one metric of several versions as bars, the champion's in full colour.

    An average precision has its chance level beside it: a high one may be no better.
    """
    figure = shared.themed_figure(
        palette, 220, margin_t=12, hovermode="closest", showlegend=False,
        bargap=shared.bar_gap(len(versions)),
    )  # fmt: skip
    numbers = [f"v{version['version']}" for version in versions]
    figure.add_bar(
        x=numbers, y=[version["metricas"].get(name) for version in versions],
        marker={"color": [_role_colour(version, palette) for version in versions]},
        hovertemplate="%{x}: %{y:,.3f}<extra></extra>",
    )  # fmt: skip
    chance = [version.get("precision_azar") for version in versions]
    if name.startswith("precision") and any(value is not None for value in chance):
        figure.add_scatter(
            x=numbers, y=chance, mode="markers",
            marker={"symbol": "line-ew-open", "size": 26, "color": palette.text},
            hovertemplate="%{x}, al azar: %{y:,.3f}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(type="category", showgrid=False)
    return figure.update_yaxes(rangemode="tozero")


def _role_colour(version: Mapping[str, Any], palette: Palette) -> str:
    if "champion" in version["alias"]:
        return palette.primary
    return palette.second if "challenger" in version["alias"] else palette.third


def group_members(versions: ApiRows, group: str) -> list[str]:
    """Return the members of a group that some version was measured on, in their order.

    ``versions``: rows of ``/api/modelos``. ``group``: one of ``METRIC_GROUPS``.

    Examples
    --------
    >>> group_members([{"metricas": {"falsas_alarmas.media": 3.0, "falsas_alarmas.baja": 9.0}}],
    ...               "falsas_alarmas")
    ['baja', 'media']
    """
    found = {
        name.partition(".")[2]
        for version in versions
        for name, value in version["metricas"].items()
        if value is not None and name.startswith(f"{group}.")
    }
    if group == "falsas_alarmas":
        return [name for name in _ALARM_ORDER if name in found]
    if group == "importancia":
        return sorted(found, key=lambda name: -(_metric(versions[0], group, name) or 0.0))
    return sorted(found, key=_member_name)


def _member_name(member: str) -> str:
    return _ATTACK_NAMES.get(member) or texts.readable(member)


def _metric(version: Mapping[str, Any], group: str, member: str) -> float | None:
    value: float | None = version["metricas"].get(f"{group}.{member}")
    return value


def head_to_head(versions: ApiRows, group: str, palette: Palette) -> Figure:
    """Return a group of metrics as bars, one colour a version.

    ``versions``: up to ``MAX_VERSIONS`` rows of ``/api/modelos``; the first one in full colour.
    ``group``: one of ``METRIC_GROUPS``.
    """
    members = group_members(versions, group)
    height = 90 + (12 + 12 * len(versions)) * max(len(members), 3)
    figure = shared.themed_figure(
        palette, height, barmode="group", hovermode="y unified", bargap=0.3
    )
    is_share = group in _SHARES
    form = ",.0f" if is_share else ",.1f" if group == "falsas_alarmas" else ",.3f"
    hover = f"%{{x:{form}}}{' %' * is_share}"
    colours = (palette.primary, palette.second, palette.third)
    for version, colour in zip(versions, colours, strict=False):
        figure.add_bar(
            x=[
                value if value is None or not is_share else 100 * value
                for value in (_metric(version, group, member) for member in members)
            ],
            y=[_member_name(member) for member in members], orientation="h",
            name=f"v{version['version']}", marker={"color": colour}, hovertemplate=hover,
        )  # fmt: skip
        chance = version.get("precision_azar")
        if group in _PRECISIONS and chance is not None:
            figure.add_vline(
                x=chance, line={"dash": "dot", "color": colour},
                annotation={"text": "al azar", "font": {"size": 11}},
            )  # fmt: skip
    figure.update_yaxes(autorange="reversed", showgrid=False, type="category")
    return figure.update_xaxes(rangemode="tozero", **(shared.PERCENT if is_share else {}))


def shadow_matrix(pairs: ApiRows, palette: Palette) -> Figure:
    """Return how many readings each pair of severities has: champion's against challenger's."""
    severities = ("normal", *texts.ANOMALY_SEVERITIES)
    counts = {(pair["campeon"], pair["aspirante"]): pair["lecturas"] for pair in pairs}
    cells: Sequence[Sequence[int]] = [
        [counts.get((champion, challenger), 0) for challenger in severities]
        for champion in severities
    ]
    names = [severity.capitalize() for severity in severities]
    figure = shared.themed_figure(palette, margin_t=12)
    shared.add_heat_map(
        figure, names, names, cells, palette, xgap=2, ygap=2, showscale=False,
        texttemplate="%{z:,d}",
        hovertemplate="Campeón %{y}, aspirante %{x}: %{z:,d} lecturas<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title_text="Aspirante")
    return figure.update_yaxes(title_text="Campeón", autorange="reversed")


def shadow_scores(rows: ApiRows, palette: Palette) -> Figure:
    """Return readings by both scores, in the colour that the challenger gives them.

    ``rows``: rows of ``/api/modelos/sombra``.
    """
    figure = shared.themed_figure(palette, 380)
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", name="Iguales", hoverinfo="skip",
        line={"color": palette.third, "width": 1.2, "dash": "dash"},
    )  # fmt: skip
    shared.add_severity_points(
        figure, [(row["score_campeon"], row["score_aspirante"], row) for row in rows], palette,
        "campeón %{x:.2f}, aspirante %{y:.2f}<extra></extra>", "severidad_aspirante",
    )  # fmt: skip
    figure.update_xaxes(range=_SCORES, title_text="Puntuación del campeón")
    return figure.update_yaxes(range=_SCORES, title_text="Puntuación del aspirante")
