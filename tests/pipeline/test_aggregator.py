"""Monthly documents: every field by another way, only what changed, and nothing lost to a death.

Which months a run touched is seen by ``agregado_en``, which every document that is written gets
anew, and by what the run says that it did.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import forks
import pytest
from apoyo_meses import (
    AHORA,
    ENERO,
    FEBRERO,
    PUNTA,
    Casa,
    documentos_de,
    hora,
    lote_de,
    lote_variado,
)
from contracts.sondas import conectar

from detection.domain import instante
from pipeline import aggregator
from pipeline.jobs.aggregate import Agregado, expected_hours
from pipeline.stores.months import mes_str
from serving.settings import Settings, horas_de


@pytest.fixture
def casa(entorno: Settings) -> Iterator[Casa]:
    abierta = Casa(entorno)
    yield abierta
    abierta.close()


# ---- The fields ----


def test_cada_campo_es_el_de_un_calculo_independiente(casa: Casa) -> None:
    """All fields of the specification and their values, month by month, over a new year."""
    lote = lote_variado("2025-12-20", "2026-02-10")
    casa.guardar(*lote)
    hecho = casa.agregar()
    assert [mes_str(mes) for mes in hecho.meses] == ["2025-12", "2026-01", "2026-02"]
    assert (hecho.documentos, hecho.lecturas) == (12, len(lote[0]))
    assert casa.documentos() == documentos_de(lote)
    assert {"CLI_00000_2026-01", "CLI_00003_2026-02"} < casa.documentos().keys()


def test_el_mes_es_el_local(casa: Casa) -> None:
    """2026-01-31T23:00Z is already February in Madrid, and 22:00Z is still January."""
    lote = lote_de([("A", hora("2026-01-31T22:00")), ("A", hora("2026-01-31T23:00"))], [1.0, 5.0])
    casa.guardar(*lote)
    casa.agregar()
    totales = {i: d["consumo_total"] for i, d in casa.documentos().items()}
    assert totales == {"A_2026-01": 1.0, "A_2026-02": 5.0}


@pytest.mark.parametrize(
    ("desde", "hasta", "mes", "horas"),
    [
        ("2026-09-30T22:00", "2026-10-31T23:00", "2026-10", 745),
        ("2026-02-28T23:00", "2026-03-31T22:00", "2026-03", 743),
    ],
)
def test_los_meses_con_cambio_de_hora(
    casa: Casa, desde: str, hasta: str, mes: str, horas: int
) -> None:
    """The 25-hour day has two readings with hour 2 and the 23-hour day none; both are complete."""
    claves = [("A", h) for h in range(hora(desde), hora(hasta))]
    lote = lote_de(claves, [1 + i % 24 / 10 for i in range(len(claves))])
    casa.guardar(*lote)
    casa.agregar()
    documento = casa.documentos()[f"A_{mes}"]
    assert documento["lecturas"] == documento["horas_esperadas"] == horas
    assert casa.documentos() == documentos_de(lote)


def test_sin_lecturas_de_noche_no_hay_promedio_de_noche(casa: Casa) -> None:
    """An average of nothing is null, not 0."""
    casa.guardar(*lote_de([("A", hora("2026-01-10T15:00"))]))
    casa.agregar()
    documento = casa.documentos()["A_2026-01"]
    assert documento["consumo_noche_promedio"] is None
    assert documento["consumo_punta_promedio"] is None
    assert documento["consumo_promedio"] == 1.0


def test_las_horas_de_noche_y_de_punta_se_eligen(casa: Casa) -> None:
    """Other hours are other averages, and every month is made again with them."""
    lote = lote_de([("A", hora(f"2026-01-10T{h:02d}:00")) for h in range(23)], [*range(1, 24)])
    casa.guardar(*lote)
    casa.agregar()
    casa.entorno = casa.entorno.model_copy(update={"horas_noche": "23-1", "horas_punta": "9"})
    assert casa.agregar().meses == (ENERO,)
    documento = casa.documentos()["A_2026-01"]
    # Local 1 and 23 are 0 and 22 UTC; local 9 is 8 UTC.
    assert documento["consumo_noche_promedio"] == (1 + 23) / 2
    assert documento["consumo_punta_promedio"] == 9
    assert casa.agregar().meses == ()


@pytest.mark.parametrize(
    ("texto", "horas"),
    [("0-5", (0, 1, 2, 3, 4, 5)), ("10-13,18-21", PUNTA), (" 7 , 22-1", (0, 1, 7, 22, 23))],
)
def test_horas_como_se_escriben(texto: str, horas: tuple[int, ...]) -> None:
    """Hours and ranges, over midnight too."""
    assert horas_de(texto) == horas


@pytest.mark.parametrize("texto", ["", "24", "0-24", "a", "1-", "5,,6", "1-2-3", "-1", "²"])
def test_horas_mal_escritas(texto: str) -> None:
    """Anything else is refused in Spanish, with what was given."""
    with pytest.raises(ValueError, match="se esperaban horas de 0 a 23") as error:
        horas_de(texto)
    assert f"«{texto}»" in str(error.value)


# ---- A month still running ----


def test_un_mes_en_curso_es_parcial_hasta_que_acaba(casa: Casa) -> None:
    """Marked while it runs, with the hours so far; when it ends it is made again, unasked."""
    lote = lote_de([("A", h) for h in range(hora("2026-10-31T23:00"), hora("2026-11-24T10:00"))])
    casa.guardar(*lote)
    casa.agregar()
    documento = casa.documentos()["A_2026-11"]
    assert documento["parcial"] is True
    assert documento["lecturas"] == documento["horas_esperadas"] == 23 * 24 + 11
    assert casa.agregar(ahora=AHORA.replace(minute=59)).meses == ()
    despues = datetime(2026, 11, 30, 23, tzinfo=UTC)  # December in Madrid
    assert casa.agregar(ahora=despues).meses == (date(2026, 11, 1),)
    assert casa.documentos() == documentos_de(lote, despues)
    assert casa.documentos()["A_2026-11"]["parcial"] is False
    assert casa.agregar(ahora=AHORA.replace(year=2027)).meses == ()


def test_las_horas_de_un_mes_que_no_ha_empezado() -> None:
    """A month ahead (a reading may be of tomorrow) expects nothing yet."""
    assert expected_hours(date(2026, 12, 1), "Europe/Madrid", AHORA) == (0, True)


# ---- Only what changed ----


def test_dos_veces_es_una(casa: Casa) -> None:
    """Again without changes touches nothing; a month that is asked for gives the same documents."""
    lote = lote_variado("2026-01-01", "2026-02-20", clientes=3)
    casa.guardar(*lote)
    casa.agregar()
    antes = casa.escritos()
    assert casa.agregar() == Agregado((), 0, 0, 0, 2)
    assert casa.escritos() == antes
    casa.agregar(ENERO)
    assert casa.documentos() == documentos_de(lote)
    escritos = casa.escritos()
    assert {i for i in antes if escritos[i] > antes[i]} == {i for i in antes if "2026-01" in i}


def test_una_correccion_rehace_solo_su_mes(casa: Casa) -> None:
    """A corrected reading changes its month's documents; no other month is written."""
    casa.guardar(*lote_variado("2026-01-05", "2026-03-20", clientes=2))
    casa.agregar()
    antes = casa.escritos()
    previo = casa.documentos()["CLI_00001_2026-02"]
    corregida = lote_de([("CLI_00001", hora("2026-02-10T12:00"))], [777.125], severidad=[4])
    casa.guardar(*corregida)
    assert casa.agregar().meses == (FEBRERO,)
    documento = casa.documentos()["CLI_00001_2026-02"]
    assert documento["consumo_maximo"] == 777.125
    assert documento["anomalias_criticas"] >= previo["anomalias_criticas"]
    assert {i for i, t in casa.escritos().items() if t > antes[i]} == {
        "CLI_00000_2026-02", "CLI_00001_2026-02",
    }  # fmt: skip
    casa.guardar(*corregida)
    assert casa.agregar().meses == ()


def test_quien_confirma_tarde_tambien_se_ve(casa: Casa) -> None:
    """A transaction that began before the last aggregation and committed after it is not missed."""
    h = hora("2026-01-10T10:00")
    casa.guardar(*lote_de([("A", h)]))
    with closing(conectar(casa.entorno)) as lenta, lenta.cursor() as cursor:
        cursor.execute("SELECT now()")
        casa.guardar(*lote_de([("A", h + 1)]))
        casa.agregar()
        cursor.execute(
            """UPDATE consumos_diarios SET consumo_kwh = 50, timestamp_procesado = now()
            AT TIME ZONE 'UTC' WHERE timestamp_consumo = %s""",
            (instante(h),),
        )
        lenta.commit()
    assert casa.agregar().meses == (ENERO,)
    assert casa.documentos()["A_2026-01"]["consumo_total"] == 51.0


def test_un_cliente_sin_lecturas_pierde_su_documento(casa: Casa) -> None:
    """Gone from one month, gone from its documents; a month that is empty leaves none."""
    casa.guardar(*lote_variado("2026-01-05", "2026-02-20", clientes=2))
    casa.agregar()
    casa.sql("DELETE FROM consumos_diarios WHERE propietario_id='CLI_00000' AND fecha<'2026-02-01'")
    hecho = casa.agregar()
    assert (hecho.meses, hecho.retirados) == ((ENERO,), 1)
    assert set(casa.documentos()) == {
        "CLI_00001_2026-01", "CLI_00000_2026-02", "CLI_00001_2026-02",
    }  # fmt: skip
    casa.sql("DELETE FROM consumos_diarios WHERE fecha >= '2026-02-01'")
    hecho = casa.agregar()
    assert (hecho.meses, hecho.documentos, hecho.retirados) == ((FEBRERO,), 0, 2)
    assert set(casa.documentos()) == {"CLI_00001_2026-01"}
    assert casa.agregar() == Agregado((), 0, 0, 0, 1)


def test_los_documentos_que_alguien_borra_se_rehacen(casa: Casa) -> None:
    """Somebody dropped a month, or the whole collection: the next run brings it back."""
    lote = lote_variado("2026-01-25", "2026-02-05", clientes=2)
    casa.guardar(*lote)
    casa.agregar()
    casa.base["consumos_mensuales"].delete_many({"mes_str": "2026-02"})
    assert casa.agregar().meses == (FEBRERO,)
    casa.base["consumos_mensuales"].drop()
    assert casa.agregar().meses == (ENERO, FEBRERO)
    assert casa.documentos() == documentos_de(lote)
    claves = [i["key"] for i in casa.base["consumos_mensuales"].index_information().values()]
    assert [("mes_str", 1)] in claves
    assert [("propietario_id", 1)] in claves


# ---- The archive ----


def test_lo_archivado_cuenta_igual(casa: Casa) -> None:
    """Archived days, part of a month or all of it, are in the sums; moving them is no change."""
    lote = lote_variado("2026-01-05", "2026-03-10", clientes=3)
    casa.guardar(*lote)
    assert casa.archivar(date(2026, 2, 11)) > 1000
    casa.agregar()
    assert casa.documentos() == documentos_de(lote)
    assert casa.archivar(date(2026, 2, 21)) > 500
    assert casa.agregar().meses == ()
    casa.agregar(FEBRERO)
    assert casa.documentos() == documentos_de(lote)


def test_lo_corregido_despues_de_archivado_cuenta_una_vez(casa: Casa) -> None:
    """Corrected after its day was archived: the correction counts, its older self does not."""
    h = hora("2026-01-10T10:00")
    casa.guardar(*lote_de([("A", h), ("A", h + 1)], [1.0, 2.0]))
    assert casa.archivar(date(2026, 2, 1)) == 2
    casa.agregar()
    casa.guardar(*lote_de([("A", h)], [40.0]))
    assert casa.agregar().meses == (ENERO,)
    documento = casa.documentos()["A_2026-01"]
    assert (documento["lecturas"], documento["consumo_total"]) == (2, 42.0)


# ---- The command ----


def _consumo(
    variables: Mapping[str, str], *argv: str, **mas: str
) -> subprocess.CompletedProcess[str]:
    return forks.run({**variables, **mas}, "agregar", *argv)


def test_la_orden_y_el_guion(
    casa: Casa, variables: dict[str, str], raiz: Path, tmp_path: Path
) -> None:
    """``consumo agregar`` and ``python pipeline/aggregator.py`` from any folder: one line."""
    lote = lote_variado("2026-01-05", "2026-02-20", clientes=2)
    casa.guardar(*lote)
    sin_ruta = {k: v for k, v in variables.items() if k != "PYTHONPATH"}
    guion = subprocess.run(
        [sys.executable, str(raiz / "pipeline" / "aggregator.py"), "2026-01"], env=sin_ruta,
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (guion.returncode, guion.stderr) == (0, "")
    assert guion.stdout.startswith("1 mes agregado (2026-01): ")
    assert set(casa.documentos()) == {"CLI_00000_2026-01", "CLI_00001_2026-01"}
    orden = _consumo(variables)
    assert (orden.returncode, orden.stderr) == (0, "")
    assert orden.stdout.startswith("1 mes agregado (2026-02): ")
    assert orden.stdout.endswith("; 1 mes sin cambios\n")
    assert casa.documentos() == documentos_de(lote)
    assert _consumo(variables).stdout == "nada que agregar: 2 meses al día\n"


def test_un_mes_sin_lecturas_se_dice_y_no_es_un_fallo(
    entorno: Settings, variables: dict[str, str]
) -> None:
    """On an empty database too: one line, status 0, as the help promises."""
    r = _consumo(variables, "2031-05")
    assert (r.returncode, r.stdout, r.stderr) == (0, "no hay lecturas de 2031-05\n", "")
    assert _consumo(variables).stdout == "nada que agregar: 0 meses al día\n"
    assert "estado de salida es 0" in " ".join(_consumo(variables, "--help").stdout.split())


@pytest.mark.parametrize(
    "mes", ["2026-13", "2026-00", "2026", "26-01", "2026-1", "enero", "0000-01"]
)
def test_un_mes_mal_escrito_es_mal_uso(mes: str) -> None:
    """Status 2 and a line that shows how a month is written."""
    r = _consumo(os.environ, mes)
    assert r.returncode == 2
    ultima = r.stderr.strip().splitlines()[-1]
    assert ultima == f"error: AAAA-MM: «{mes}» no es un mes; se espera AAAA-MM, como 2026-01"


@pytest.mark.parametrize("cual", ["POSTGRES", "MONGO"])
def test_sin_almacen_falla_con_una_linea(variables: dict[str, str], cual: str) -> None:
    """Status 1 and one Spanish line that says which store is away."""
    with socket.socket() as enchufe:
        enchufe.bind(("127.0.0.1", 0))
        puerto = str(enchufe.getsockname()[1])
    r = _consumo(variables, **{f"{cual}_PORT": puerto})
    servidor = {"POSTGRES": "PostgreSQL", "MONGO": "MongoDB"}[cual]
    assert r.returncode == 1
    assert r.stderr == f"error: {servidor} en 127.0.0.1:{puerto} no responde\n"


def test_unas_horas_imposibles_se_nombran(variables: dict[str, str]) -> None:
    """A wrong variable: status 2 and one line that names it."""
    r = _consumo(variables, HORAS_PUNTA="10-24")
    assert r.returncode == 2
    assert r.stderr.startswith(
        "error: variable HORAS_PUNTA no válida: se esperaban horas de 0 a 23"
    )


def test_las_frases_del_final() -> None:
    """What was made, removed and left alone, in the singular and the plural."""
    di = aggregator.say
    assert di(Agregado((ENERO, FEBRERO), 100, 72_000, 1, 3), None, 1.26) == (
        "2 meses agregados (2026-01 a 2026-02): 72000 lecturas en 100 documentos, 1,3 s; "
        "1 retirado por falta de lecturas; 3 meses sin cambios"
    )
    assert di(Agregado((ENERO,), 1, 1, 0, 0), ENERO, 0.1) == (
        "1 mes agregado (2026-01): 1 lectura en 1 documento, 0,1 s"
    )
    assert di(Agregado((ENERO,), 0, 0, 2, 0), ENERO, 0.1) == (
        "no hay lecturas de 2026-01; 2 retirados por falta de lecturas"
    )
    assert di(Agregado((), 0, 0, 0, 1), None, 0.1) == "nada que agregar: 1 mes al día"
