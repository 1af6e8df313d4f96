"""``consumo casos``: a table that can be read, and a file with all of it."""

from __future__ import annotations

import csv
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from apoyo_archivo import poner_entorno
from contracts.fakes import hacer_caso
from contracts.sondas import CasosMongo

from pipeline.jobs.cases import main
from serving.cli import FALLO, HECHO, run
from serving.settings import Settings

CASOS = [
    hacer_caso("A", energia_en_juego_kwh=100.0),
    hacer_caso("[red]B", energia_en_juego_kwh=300.0, tipo="fraude", frase="[b]Menos.[/b]"),
    hacer_caso("=C", energia_en_juego_kwh=900.0, fecha_cierre=date(2026, 11, 18)),
]


@pytest.fixture
def con_casos(entorno_mongo: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Give three cases, of which two are open, to whoever is called like a verb."""
    with closing(CasosMongo(entorno_mongo)) as sonda:
        sonda.store.save(CASOS)
        suyo = {"estado": "asignado", "asignado_a": "ana"}
        sonda.coleccion.update_one({"_id": CASOS[0].clave}, {"$set": suyo})
    poner_entorno(monkeypatch, entorno_mongo)
    return entorno_mongo


@pytest.mark.usefixtures("con_casos")
def test_los_abiertos_primero_donde_mas_se_recupera(capsys: pytest.CaptureFixture[str]) -> None:
    """A row each with its figures, its sentence below, nothing taken for markup."""
    assert run(main, []) == HECHO
    lineas = capsys.readouterr().out.splitlines()
    assert lineas[0] == "2 casos abiertos"
    filas = [linea for linea in lineas if linea.lstrip().startswith(("A ", "[red]B "))]
    assert [fila.split()[0] for fila in filas] == ["[red]B", "A"]
    for texto in ("2026-11-03", "Posible fraude", "nuevo", "18", "8,0 → 88,0", "90 %"):
        assert texto in filas[0]
    assert "300 kWh (1.200 a 1.600)" in filas[0]
    assert "asignado" in filas[1]
    assert "ana" in lineas[lineas.index(filas[1]) + 1].split()
    assert "[red]B: [b]Menos.[/b]" in lineas
    assert "A: Desde el 3 de noviembre gasta 88 kWh al día y no 8." in lineas
    assert all(len(linea) <= 110 for linea in lineas)


@pytest.mark.usefixtures("con_casos")
def test_todos_y_unos_pocos(capsys: pytest.CaptureFixture[str]) -> None:
    """Those that are over where they are asked for; where there are more it is said."""
    assert run(main, ["--todos", "--limite", "2", "--orden", "antiguedad"]) == HECHO
    salida = capsys.readouterr().out
    assert salida.startswith("2 casos\n")
    assert "terminado" in salida
    assert salida.rstrip().endswith("--salida P.csv los escribe todos.")


@pytest.mark.usefixtures("con_casos")
def test_a_un_archivo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every field of every case, harmless to spreadsheets; a place that is none is one line."""
    ruta = tmp_path / "casos.csv"
    assert run(main, ["--todos", "--salida", str(ruta)]) == HECHO
    assert capsys.readouterr().out == f"3 casos en {ruta}\n"
    with ruta.open(encoding="utf-8", newline="") as archivo:
        filas = list(csv.DictReader(archivo))
    assert [fila["propietario_id"] for fila in filas] == ["'=C", "[red]B", "A"]
    assert (filas[0]["abierto"], filas[1]["abierto"]) == ("false", "true")
    assert (filas[0]["fecha_cierre"], filas[1]["fecha_cierre"]) == ("2026-11-18", "")
    assert (filas[2]["asignado_a"], filas[2]["veredicto_motivo"]) == ("ana", "")
    assert run(main, ["--salida", str(tmp_path / "no" / "hay.csv")]) == FALLO
    assert capsys.readouterr().err.startswith("error: no se puede escribir")


def test_sin_casos_se_dice(
    entorno_mongo: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing open is no failure."""
    poner_entorno(monkeypatch, entorno_mongo)
    assert run(main, []) == HECHO
    assert capsys.readouterr().out == "ningún caso abierto\n"
