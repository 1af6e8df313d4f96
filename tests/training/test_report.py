"""The report says what the verdicts are worth: as data, as tables and as a page of its own."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from training.evaluation.html_report import (
    delay_figure,
    make_html,
    precision_figure,
    roc_figure,
    score_figure,
    type_figure,
)
from training.evaluation.metrics import Casos
from training.evaluation.report import (
    CABECERA_COMPARACION,
    CABECERA_TIPOS,
    NOMBRE_MEZCLA,
    Opiniones,
    comparison_rows,
    make_informe,
    make_tablas,
    say_cifra,
    summary_rows,
    type_rows,
)

HORAS, SEMIVIDA_DIAS = 240, 7.0
ATAQUE = range(100, 200)
TIPOS = ["", "picos", "", "cannabis"]
"""Customers 1 and 3 are attacked; 1 is found in its third hour, alta in its sixth, 3 never."""


@pytest.fixture(scope="module")
def casos() -> Casos:
    hora = np.repeat(np.arange(HORAS), len(TIPOS))
    cliente = np.tile(np.arange(len(TIPOS)), HORAS)
    atacada = np.isin(hora, ATAQUE) & (cliente % 2 == 1)
    return Casos(cliente, hora, atacada, atacada | (cliente % 2 == 0), atacada * 0.5, TIPOS)


@pytest.fixture(scope="module")
def opiniones(casos: Casos) -> Opiniones:
    score = np.full(casos.cliente.size, 10, np.uint8)
    score[(casos.cliente == 1) & casos.atacada & (casos.hora_utc >= 102)] = 70
    score[(casos.cliente == 1) & casos.atacada & (casos.hora_utc >= 105)] = 85
    score[(casos.cliente == 0) & (casos.hora_utc == 7)] = 70
    severidad = np.digitize(score, [50, 65, 80, 90]).astype(np.uint8)
    return Opiniones(
        score, severidad,
        {
            "sabio": casos.atacada.astype(np.float32),
            "mudo": np.full(score.size, np.nan, np.float32),
        },
    )  # fmt: skip


@pytest.fixture(scope="module")
def informe(casos: Casos, opiniones: Opiniones) -> dict[str, Any]:
    return make_informe(casos, opiniones, 1, SEMIVIDA_DIAS)


def test_se_cuenta_lo_que_hay(informe: dict[str, Any]) -> None:
    """Judged, attacked, customers: by hand."""
    assert informe["lecturas_juzgadas"] == 2 * HORAS + 2 * len(ATAQUE)
    assert informe["lecturas_atacadas"] == 2 * len(ATAQUE)
    assert (informe["clientes"], informe["clientes_atacados"]) == (4, 2)


def test_las_cifras_a_mano(informe: dict[str, Any]) -> None:
    """95 of 200 attacked readings above all 480 clean ones, 3 tied with one, the rest with 479."""
    ganados = 95 * 480 + 3 * (479 + 0.5) + 102 * 0.5 * 479
    assert informe["por_lectura"]["roc_auc"]["valor"] == pytest.approx(ganados / (200 * 480))
    precision = (95 * 1.0 + 3 * 98 / 99 + 102 * 200 / 680) / 200
    assert informe["por_lectura"]["precision_media"]["valor"] == pytest.approx(precision)


def test_los_eventos_por_severidad(informe: dict[str, Any]) -> None:
    """One of two is found, two or five hours late, at half a kWh an hour; of fifty kWh each."""
    for severidad, kwh_antes in (("media", 51.0), ("alta", 52.5)):
        assert informe["eventos"][severidad] == {
            "eventos": 2, "hallados": 0.5, "retraso_mediana_h": None, "retraso_p90_h": None,
            "kwh_antes": kwh_antes, "kwh_total": 100.0,
        }  # fmt: skip
    assert sorted(informe["retrasos"]) == [5.0, 1e9]


def test_cada_tipo_frente_a_los_limpios(informe: dict[str, Any]) -> None:
    """The kind found from alta on, and the one that is not, against the same clean customers."""
    picos, cannabis = informe["tipos"]["picos"], informe["tipos"]["cannabis"]
    assert (picos["clientes"], picos["lecturas"], picos["hallados"]) == (1, 100, 1.0)
    assert (picos["retraso_mediana_h"], cannabis["retraso_mediana_h"]) == (5.0, None)
    assert cannabis["hallados"] == 0.0
    assert cannabis["roc_auc"]["valor"] == pytest.approx(0.5 * 479 / 480)
    assert [fila[:2] for fila in type_rows(informe)] == [("cannabis", "1"), ("picos", "1")]
    assert {len(fila) for fila in type_rows(informe)} == {len(CABECERA_TIPOS)}


def test_las_falsas_alarmas_de_cada_severidad(informe: dict[str, Any]) -> None:
    """One of media in two clean customers' ten days each is one and a half a month."""
    alarmas = informe["falsas_alarmas"]
    assert alarmas["media"]["valor"] == pytest.approx(1.5)
    assert [alarmas[s]["valor"] for s in ("baja", "alta", "crítica", "alta_o_crítica")] == [0.0] * 4


def test_los_atacados_van_delante(informe: dict[str, Any]) -> None:
    """The found one is first; the other ties with a clean customer, below the false alarm."""
    cliente = informe["por_cliente"]
    assert cliente["primeros_k"]["k"] == 2
    assert cliente["primeros_k"]["valor"] == 0.5
    assert cliente["roc_auc"]["valor"] == pytest.approx((2 + 0.5) / 4)
    assert cliente["primeros"] == {"10": None, "50": None, "100": None}


def test_frente_a_lo_demas(informe: dict[str, Any]) -> None:
    """Who knows everything is better by what we lack; who says nothing has no figure at all."""
    sabio, mudo = informe["comparacion"]["sabio"], informe["comparacion"]["mudo"]
    nuestra = informe["comparacion"][NOMBRE_MEZCLA]["roc_auc"]["valor"]
    assert sabio["roc_auc"]["valor"] == 1.0
    assert sabio["ventaja_roc_auc"]["valor"] == pytest.approx(nuestra - 1.0)
    assert sabio["ventaja_roc_auc"]["hasta"] <= 0.0
    assert mudo["roc_auc"]["valor"] is None
    assert set(mudo) == set(sabio)
    assert set(informe["curvas"]) == {NOMBRE_MEZCLA, "sabio"}
    filas = {fila[0]: fila for fila in comparison_rows(informe)}
    assert filas["mudo"] == ("mudo", "–", "–", "–", "–")
    assert filas["sabio"][4].startswith("−")
    assert {len(fila) for fila in filas.values()} == {len(CABECERA_COMPARACION)}


def test_la_distribucion_suma_todas_las_juzgadas(informe: dict[str, Any]) -> None:
    """A hundredth has the readings that it has."""
    limpias, atacadas = (informe["distribucion"][c] for c in ("limpias", "atacadas"))
    assert (len(limpias), len(atacadas)) == (101, 101)
    assert (limpias[10], limpias[70], sum(limpias)) == (479, 1, 480)
    assert (atacadas[10], atacadas[70], atacadas[85], sum(atacadas)) == (102, 3, 95, 200)


def test_lleva_semilla_y_se_escribe_como_json(
    casos: Casos, opiniones: Opiniones, informe: dict[str, Any]
) -> None:
    """The same readings and seed give the same report, of numbers, texts and None alone."""
    otro = make_informe(casos, opiniones, 1, SEMIVIDA_DIAS)
    assert json.dumps(otro, allow_nan=False) == json.dumps(informe, allow_nan=False)
    assert json.loads(json.dumps(informe)) == informe


@pytest.mark.parametrize(
    ("cifra", "decimales", "texto"),
    [
        (None, 3, "–"),
        (1234.5, 1, "1.234,5"),
        (-0.25, 2, "−0,25"),
        ({"valor": None, "desde": None, "hasta": None}, 3, "–"),
        ({"valor": 0.5, "desde": None, "hasta": None}, 2, "0,50"),
        ({"valor": 0.5, "desde": -0.25, "hasta": 0.75}, 2, "0,50 (−0,25 a 0,75)"),
    ],
)
def test_una_cifra_se_dice_en_espanol(cifra: Any, decimales: int, texto: str) -> None:
    """Decimal comma, and a minus as wide as a figure; what cannot be had is a dash."""
    assert say_cifra(cifra, decimales) == texto


def test_las_tablas_del_terminal_dicen_lo_mismo(informe: dict[str, Any]) -> None:
    """Three tables, with the rows of the report."""
    tablas = make_tablas(informe)
    assert [t.row_count for t in tablas] == [
        len(summary_rows(informe)), len(type_rows(informe)), len(comparison_rows(informe)),
    ]  # fmt: skip
    assert "680 lecturas juzgadas, 200 atacadas" in str(tablas[0].title)


class _Pagina(HTMLParser):
    """What a page asks for, its headings and its cells."""

    def __init__(self, texto: str) -> None:
        super().__init__()
        self.pedidos: list[str] = []
        self.textos: dict[str, list[str]] = {"h1": [], "h2": [], "td": [], "p": []}
        self._en: str | None = None
        self.feed(texto)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.pedidos += [v or "" for n, v in attrs if n in {"src", "href"}]
        self._en = tag if tag in self.textos else None

    def handle_data(self, data: str) -> None:
        if self._en is not None:
            self.textos[self._en].append(data)
            self._en = None


def test_la_pagina_no_pide_nada_y_lo_dice_todo(informe: dict[str, Any]) -> None:
    """One file that opens without the net: the sections in Spanish, every row, and escaped text."""
    html = make_html(informe, "Evaluación de <a&b>.csv", ["Una nota & otra"])
    pagina = _Pagina(html)
    assert pagina.pedidos == []
    assert pagina.textos["h1"] == ["Evaluación de <a&b>.csv"]
    assert pagina.textos["p"][0] == "Una nota & otra"
    assert pagina.textos["h2"][0] == "Resumen"
    for fila in (*summary_rows(informe), *type_rows(informe)):
        assert set(filter(None, fila)) <= set(pagina.textos["td"])
    assert len(re.findall(r"Plotly\.newPlot\(", html)) >= 5
    assert html.count("plotly.js v") == 1
    raro = {**informe, "tipos": {"<i>": informe["tipos"]["picos"]}}
    assert "<td>&lt;i&gt;</td>" in make_html(raro, "t", [])


def test_las_figuras_dan_las_cifras(informe: dict[str, Any]) -> None:
    """The blend is on top of all and first in the key; no two curves look the same."""
    for figura in (roc_figure(informe), precision_figure(informe)):
        assert figura.data[-1].name == NOMBRE_MEZCLA
        assert min(figura.data, key=lambda d: d.legendrank).name == NOMBRE_MEZCLA
        trazos = [(d.line.color, d.line.dash) for d in figura.data]
        assert len(set(trazos)) == len(trazos)
    assert precision_figure(informe).data[0].line.shape == "vh"
    barras = type_figure(informe).data[0]
    assert dict(zip(barras.x, barras.y, strict=True)) == {
        t: v["roc_auc"]["valor"] for t, v in informe["tipos"].items()
    }
    assert sum(score_figure(informe).data[1].y) == pytest.approx(1.0)
    retrasos = delay_figure(informe).data[0]
    assert (retrasos.x[:2], retrasos.y[:2]) == ((1, 6.0), (0.0, 0.5))
    assert retrasos.y[-1] == 0.5, "half is never found"


def test_los_once_que_se_comparan_se_distinguen(informe: dict[str, Any]) -> None:
    """Eight detectors and three simpler methods have eleven traces that differ."""
    curva = informe["curvas"][NOMBRE_MEZCLA]
    doce = {**informe, "curvas": {NOMBRE_MEZCLA: curva, **{f"m{k}": curva for k in range(11)}}}
    colores = [d.line.color for d in roc_figure(doce).data]
    assert len(set(colores)) == 12


def test_sin_ningun_ataque_hallado_hay_informe(casos: Casos) -> None:
    """All silent: figures of chance, no delay, and a page all the same."""
    nada = np.zeros(casos.cliente.size, np.uint8)
    informe = make_informe(casos, Opiniones(nada, nada, {}), 1, SEMIVIDA_DIAS)
    assert informe["por_lectura"]["roc_auc"]["valor"] == 0.5
    assert informe["eventos"]["alta"]["hallados"] == 0.0
    assert delay_figure(informe).data[0].y[-1] == 0.0
    assert "–" in make_html(informe, "t", [])
