"""A case's report: two pages that say it all, the same bytes by every road, made of the stores."""

from __future__ import annotations

import hashlib
import html
import io
import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from apoyo_api import es_problema, servir
from apoyo_cuadernos import RAIZ, de_corrido
from pypdf import PdfReader
from test_casos_cifras import DE_CASO, UNO, base, lote_de

from dashboard import case_texts
from dashboard.charts import caso as charts
from dashboard.theme import LIGHT
from detection.cases.innocent import Innocent
from detection.detector import DetectorConsumo
from detection.domain import Lecturas
from pipeline.evidence.facts import CaseDay, CaseFacts
from pipeline.evidence.report import facts_fingerprint, make_report
from pipeline.evidence.unstored import UnstoredCases
from pipeline.jobs.cases import main
from pipeline.stores.case_history import CambioVecino, CambioVecinos
from pipeline.stores.case_records import (
    CasoDetalle,
    EvidenciaDetector,
    EvidenciaDia,
    MovimientoCaso,
)
from pipeline.stores.postgres.queries import PostgresQueries
from pipeline.stores.presentation import make_presentacion
from serving.cli import FALLO, HECHO, run
from serving.local_time import load_calendario
from serving.settings import Settings

__all__ = ["base"]
INICIO = date(2026, 11, 3)
UN_DIA = timedelta(days=1)


@pytest.fixture(scope="module")
def cliente(base: Settings) -> Iterator[httpx.Client]:
    with servir(base) as http:
        yield http


def leer(pdf: bytes) -> list[str]:
    """Return the text of each page, in one line."""
    return [" ".join(pagina.extract_text().split()) for pagina in PdfReader(io.BytesIO(pdf)).pages]


# ---- Out of the stores ----


def test_el_informe_de_un_caso(cliente: httpx.Client) -> None:
    """The story, its days, what speaks for it and against it, what judged it, on two pages."""
    respuesta = cliente.get(f"/api/casos/{UNO}/informe.pdf")
    assert respuesta.status_code == 200, respuesta.text
    assert respuesta.headers["content-type"] == "application/pdf"
    assert f'filename="caso_{UNO}.pdf"' in respuesta.headers["content-disposition"]
    primera, segunda = leer(respuesta.content)
    caso = cliente.get(f"/api/casos/{UNO}").json()
    assert caso["frase"].rstrip(".") in primera
    assert "Empieza el 3 de noviembre de 2026" in primera
    assert "Posible plantación" in primera
    assert caso["contra"][0]["frase"].split(":")[0] in primera
    assert caso["detectores"][0]["frase"].split(":")[0] in primera
    dia = next(
        d for d in cliente.get(f"/api/casos/{UNO}/dias").json()["elementos"]
        if d["fecha"] == "2026-11-10"
    )  # fmt: skip
    cifra = f"{dia['consumo_kwh']:.1f}".replace(".", ",")
    assert f"10/11/2026 {cifra}" in segunda
    assert caso["version_modelo"] in segunda
    meta = PdfReader(io.BytesIO(respuesta.content)).metadata
    assert meta is not None
    assert meta.title == f"Informe del caso {UNO}"


def test_dos_veces_son_los_mismos_bytes_por_cualquier_camino(
    cliente: httpx.Client,
    base: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The API twice, and the command: byte for byte; who has it already is told so."""
    ruta = f"/api/casos/{UNO}/informe.pdf"
    uno, otro = (cliente.get(ruta) for _ in range(2))
    assert uno.content == otro.content
    huella = hashlib.sha256(uno.content).hexdigest()
    assert uno.headers["etag"] == f'"{huella}"'
    igual = cliente.get(ruta, headers={"If-None-Match": uno.headers["etag"]})
    assert (igual.status_code, igual.content) == (304, b"")
    for campo, valor in base.model_dump().items():
        monkeypatch.setenv(campo.upper(), str(valor))
    fichero = tmp_path / "informe.pdf"
    assert run(main, ["--pdf", UNO, "--salida", str(fichero)]) == HECHO
    assert fichero.read_bytes() == uno.content
    assert capsys.readouterr().out == f"informe de {UNO} en {fichero} (SHA-256 {huella})\n"
    assert run(main, ["--pdf", "NADIE_2026-11-09"]) == FALLO
    assert capsys.readouterr().err == "error: no existe el caso NADIE_2026-11-09\n"
    assert run(main, ["--pdf", UNO, "--salida", str(tmp_path / "no" / "hay.pdf")]) == FALLO


def test_el_cuaderno_cuenta_lo_mismo(cliente: httpx.Client, base: Settings, tmp_path: Path) -> None:
    """Notebook 05 says of a case what its page and its report say, and draws the same."""
    variables = {campo.upper(): str(valor) for campo, valor in base.model_dump().items()}
    ruta = RAIZ / "notebooks" / "05_expediente.ipynb"
    dicho = de_corrido(ruta, tmp_path, CUADERNOS_CASO=UNO, **variables)
    assert dicho.quejas == ""
    texto = html.unescape(dicho.texto.replace("\\", ""))
    caso, dias, vecinos = (
        cliente.get(f"/api/casos/{UNO}{cual}").json() for cual in ("", "/dias", "/vecinos")
    )
    assert caso["contra"]
    for frase in (
        *(case_texts.sentence(caso), *case_texts.details(caso)),
        *(una["frase"] for una in (*caso["contra"], *caso["detectores"])),
        *(parte for figura in case_texts.figures(caso) for parte in figura[:3]),
    ):
        assert frase in texto
    (huella,) = re.findall(r"huella `([0-9a-f]{64})`", texto)
    informe = leer(cliente.get(f"/api/casos/{UNO}/informe.pdf").content)
    assert all(huella in pagina for pagina in informe)
    assert any("De los 3 clientes" in pagina for pagina in informe)
    assert "De los 3 clientes" in texto
    marcas = case_texts.marks(caso)
    iguales = [
        charts.days_of_case(dias["elementos"], caso["fecha_inicio"], marcas, LIGHT),
        charts.evidence_line(caso["evidencia"], LIGHT),
        charts.before_and_after(
            vecinos["propio"], vecinos["elementos"], caso["propietario_id"], LIGHT
        ),
    ]
    de_pagina = [json.loads(figura.to_json()) for figura in iguales]
    # Who has imported Streamlit has another template, whatever the figure.
    for figura in (*dicho.figuras, *de_pagina):
        figura["layout"].pop("template")
    assert [(f["data"], f["layout"]) for f in dicho.figuras] == [
        (f["data"], f["layout"]) for f in de_pagina
    ]


def test_lo_que_no_se_ha_guardado_se_pregunta_igual(base: Settings) -> None:
    """Days, hours and neighbours of readings in no store are those of the stored ones."""
    lotes = [lote_de(*cliente)[0] for cliente in DE_CASO]
    lecturas = Lecturas(
        [p for suyas in lotes for p in suyas.propietario_id],
        np.concatenate([suyas.hora_utc for suyas in lotes]),
        np.concatenate([suyas.consumo_kwh for suyas in lotes]),
    )
    detector = DetectorConsumo(load_calendario(base.zona_horaria))
    presenta = make_presentacion(base)
    sueltos = UnstoredCases(detector, lecturas, detector.score(lecturas), presenta)
    desde, hasta = INICIO - 7 * UN_DIA, INICIO + 10 * UN_DIA  # in winter time
    with closing(PostgresQueries(base)) as guardados:
        casos = guardados.cases
        np.testing.assert_allclose(
            sueltos.hours("A", desde, hasta), casos.hours("A", desde, hasta), rtol=1e-6
        )
        (suyos,), (otros,) = (uno.days(["A"], desde, hasta).values() for uno in (sueltos, casos))
        assert [(d.fecha, d.lecturas) for d in suyos] == [(d.fecha, d.lecturas) for d in otros]
        assert [d.consumo_kwh for d in suyos] == pytest.approx([d.consumo_kwh for d in otros])
        cambios = [uno.neighbours("A", INICIO, hasta).model_dump() for uno in (sueltos, casos)]
    assert [v["propietario_id"] for v in cambios[0]["elementos"]] == [
        v["propietario_id"] for v in cambios[1]["elementos"]
    ]
    assert cambios[0]["dias"] == cambios[1]["dias"]
    assert cambios[0]["propio"] == pytest.approx(cambios[1]["propio"])


def test_el_de_un_caso_que_no_hay(cliente: httpx.Client) -> None:
    """404, as a problem."""
    es_problema(cliente.get("/api/casos/NADIE_2026-11-09/informe.pdf"), 404, "no existe el caso")


def test_un_cliente_sin_lecturas_tiene_su_informe(cliente: httpx.Client) -> None:
    """A case of whom the history knows nothing: what is known, on two pages."""
    respuesta = cliente.get("/api/casos/C01_2026-11-09/informe.pdf")
    assert respuesta.status_code == 200, respuesta.text
    assert len(leer(respuesta.content)) == 2


# ---- Out of records ----


def _caso(**otros: Any) -> CasoDetalle:
    campos: dict[str, Any] = {
        "id": "CLI_00045_2026-11-09", "propietario_id": "CLI_00045", "fecha_inicio": INICIO,
        "fecha_apertura": date(2026, 11, 9), "fecha_cierre": None, "hasta": date(2026, 11, 29),
        "dias": 27, "abierto": True, "inocente": False, "tipo": "plantacion_cannabis",
        "estado": "nuevo", "probabilidad": 0.97, "consumo_antes_kwh": 8.1,
        "consumo_despues_kwh": 88.2,
        "energia_en_juego_kwh": 2162.7, "energia_minima_kwh": 1890.0,
        "energia_maxima_kwh": 2405.0, "energia_en_juego_eur": 324.41,
        "energia_minima_eur": 283.5, "energia_maxima_eur": 360.75, "recuperable_kwh": 2097.8,
        "recuperable_eur": 314.67, "frase": "Desde el 3 de noviembre gasta 88 kWh al día y no 8",
        "version_modelo": "consumo-detector-3+reglas-1a2b3c4d5e6f", "asignado_a": None,
        "visita": None, "veredicto": None, "resultado": None, "sorteo": False, "revision": "0",
        "evidencia": [], "comentarios": [], "historial": [],
    }  # fmt: skip
    return CasoDetalle(**{**campos, **otros})


def _hechos(dias: int = 27) -> CaseFacts:
    """Return a case with 60 days before its onset and some since."""
    return CaseFacts(
        _caso(),
        [
            CaseDay(INICIO + k * UN_DIA, 88.0 if k >= 0 else 8.0, 8.0, 6.0, 10.0, 8.5)
            for k in range(-60, dias)
        ],
        [], [], [0.3] * 24, [3.6] * 24,
        CambioVecinos(dias=27, propio=None, elementos=[]),
    )  # fmt: skip


def _lleno() -> CaseFacts:
    """Return a case of which there is as much to say as there can be."""
    largo = "Una frase larga, con sus cifras: 1.234,5 kWh, un 12 % más, de 18 a 24 h. " * 8
    movimiento = MovimientoCaso(
        anotacion=1, accion="comentario", quien="W" * 40,
        cuando=datetime(2026, 11, 27, 9, 30, tzinfo=UTC), antes={}, despues={},
        texto=largo, deshace=None,
    )  # fmt: skip
    evidencia = [EvidenciaDia(fecha=INICIO + k * UN_DIA, probabilidad=0.97) for k in range(60)]
    grande = 12_345_678.9
    caso = _caso(
        id="W" * 20 + "_2026-11-09", propietario_id="W" * 20, frase=largo,
        historial=[movimiento] * 60, evidencia=evidencia, consumo_despues_kwh=grande,
        estado="confirmado", fecha_cierre=date(2026, 11, 29),
        **dict.fromkeys(
            ("energia_en_juego_kwh", "energia_minima_kwh", "energia_maxima_kwh",
             "energia_en_juego_eur", "energia_minima_eur", "energia_maxima_eur",
             "recuperable_eur"), grande,
        ),
    )  # fmt: skip
    detector = EvidenciaDetector(
        detector="consumo_noche_anomalo", horas=12_345, score_medio=0.91, frase=largo
    )
    otro = CambioVecino(propietario_id="B", antes_kwh=8.0, despues_kwh=9.0)
    return replace(
        _hechos(500), caso=caso, detectores=[detector] * 8,
        contra=[Innocent("temporada", largo, False)] * 8,
        vecinos=CambioVecinos(dias=28, propio=otro, elementos=[otro] * 20),
    )  # fmt: skip


def test_son_siempre_dos_paginas() -> None:
    """However much or little there is to say, and whatever is not known."""
    nada = replace(_hechos(), dias=[], perfil_antes=[None] * 24, perfil_ahora=[None] * 24)
    ceros = [replace(dia, consumo_kwh=0.0, maximo_kwh=None) for dia in _hechos().dias]
    for hechos in (_hechos(), _hechos(1), _lleno(), nada, replace(_hechos(), dias=ceros)):
        assert len(leer(make_report(hechos))) == 2


def test_la_huella_cambia_con_cualquier_dato() -> None:
    """It is of the facts, and stands on both pages."""
    hechos = _hechos()
    huella = facts_fingerprint(hechos)
    assert all(huella in pagina for pagina in leer(make_report(hechos)))
    otro_dia = [*hechos.dias[:-1], replace(hechos.dias[-1], consumo_kwh=88.01)]
    for otros in (
        replace(hechos, dias=otro_dia),
        replace(hechos, caso=_caso(probabilidad=0.96)),
        replace(hechos, perfil_ahora=[3.7] * 24),
        replace(hechos, contra=[Innocent("temporada", "No es la época.", True)]),
    ):
        assert facts_fingerprint(otros) != huella


def test_lo_que_escriben_otros_es_texto() -> None:
    """No name and no comment is taken for a command of the page."""
    malo = '#panic("x") *negrita* $x$ \\ ] "'
    movimiento = MovimientoCaso(
        anotacion=1, accion="comentario", quien="ana",
        cuando=datetime(2026, 11, 27, 9, 30, tzinfo=UTC), antes={}, despues={}, texto=malo,
        deshace=None,
    )  # fmt: skip
    caso = _caso(frase=malo, historial=[movimiento], propietario_id="#x", id="#x_2026-11-09")
    primera, segunda = leer(make_report(replace(_hechos(), caso=caso)))
    assert '#panic("x") *negrita*' in primera
    assert '#panic("x") *negrita*' in segunda
