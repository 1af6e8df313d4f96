"""What we write we read: every name that a customer may have comes back from every file of ours."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from fakes import hacer_lote
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from pipeline.ingest.files.hourly_file import OpcionesLectura
from pipeline.ingest.files.meter_file import open_meter_file
from pipeline.ingest.validation import LARGO_MAXIMO_ID
from pipeline.stores.record_columns import columns, csv_pieces
from serving.csv_cells import protect, unprotect
from training.evaluation.labelled_file import read_labelled_file
from training.evaluation.verdict_file import open_verdict_file

HORA = 491_000
ZONA = "Europe/Madrid"
_PELIGROS = ("=1+1", "+34", "-5", "@x", "'", "''", "'=1+1", "''=1", "' =", " A", "A ", " ' ",
             "'A ", '"', 'a"b', "a,b", "a;b", "ñ€", "́", "nan", "NULL", "0", "1,5",
             "#N/A", "|")  # fmt: skip
nombres = st.one_of(
    st.sampled_from(_PELIGROS),
    st.text(st.sampled_from("='+-@ \"',;|aA0é€\U0001f600"), min_size=1, max_size=LARGO_MAXIMO_ID),
    st.text(min_size=1, max_size=LARGO_MAXIMO_ID),
).filter(lambda texto: texto.strip() != "" and texto.isprintable())


class Fila(BaseModel):
    """A row as the API exports it."""

    propietario_id: str
    timestamp: str
    consumo_kwh: float


def leidos(ruta: Path) -> tuple[set[str], set[str]]:
    """Return the names that each of the two readers finds."""
    trozos = list(open_meter_file(ruta, OpcionesLectura(ZONA, 100.0, HORA + 48)).trozos())
    assert not [x for trozo in trozos for x in trozo.rechazadas]
    archivo = read_labelled_file(ruta, ZONA, 100.0)
    assert not archivo.rechazos
    return {p for trozo in trozos for p in trozo.lecturas.propietario_id}, set(archivo.clientes)


@given(st.text())
def test_proteger_y_desproteger_son_inversas(texto: str) -> None:
    """Any text comes back, and what is protected is no formula."""
    celda = protect(texto)
    assert unprotect(celda) == texto
    assert not celda.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@settings(max_examples=60, deadline=None)
@given(st.lists(nombres, min_size=1, max_size=5, unique=True), st.booleans())
def test_una_exportacion_de_la_api_vuelve_con_los_mismos_clientes(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str], excel: bool
) -> None:
    """CSV and CSV for Excel, by ``consumo producir`` and by ``consumo evaluar``."""
    ruta = tmp_path_factory.mktemp("ida") / "e.csv"
    filas = [
        Fila(propietario_id=p, timestamp="2026-01-05T09:00:00+01:00", consumo_kwh=1.5) for p in ids
    ]
    ruta.write_bytes(b"".join(csv_pieces(columns(Fila), [filas], excel=excel)))
    assert leidos(ruta) == (set(ids), set(ids))


@settings(max_examples=60, deadline=None)
@given(st.lists(nombres, min_size=1, max_size=5, unique=True), st.sampled_from(["csv", "parquet"]))
def test_los_veredictos_de_evaluar_vuelven_con_los_mismos_clientes(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str], formato: str
) -> None:
    """The file that ``evaluar`` writes is a file that it and ``producir`` read; no cell runs."""
    ruta = tmp_path_factory.mktemp("ida") / f"v.{formato}"
    lecturas, veredictos = hacer_lote([(p, HORA) for p in ids], np.ones(len(ids)))
    with open_verdict_file(ruta, ZONA) as salida:
        salida.write(lecturas, veredictos)
    assert leidos(ruta) == (set(ids), set(ids))
    if formato == "csv":
        with ruta.open(newline="") as archivo:
            assert not any(fila[0].startswith(("=", "+", "-", "@")) for fila in csv.reader(archivo))
