"""``consumo leer``: what a file is and what is in it, with nothing sent."""

from __future__ import annotations

import csv
from datetime import date, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from disposiciones import CUPS, DISPOSICIONES, MADRID, Curva, cnmc, make_curva
from test_perfiles import COMPANIA, CURVA

import consumo
from serving.cli import FALLO, HECHO, MAL_USO


def run(*argumentos: str | Path) -> int:
    return consumo.main(["leer", *map(str, argumentos)])


def table_of(ruta: Path) -> dict[datetime, float]:
    with ruta.open() as archivo:
        return {
            datetime.fromisoformat(fila["timestamp"]): float(fila["consumo_kwh"])
            for fila in csv.DictReader(archivo)
        }


def write(carpeta: Path, nombre: str, curva: Curva) -> Path:
    ruta = carpeta / "curva.dat"
    ruta.write_bytes(DISPOSICIONES[nombre].escribir(curva))
    return ruta


@pytest.mark.parametrize("nombre", ["UFD", "i-DE", "Datadis web en cuartos", "Datadis JSON", "F5D"])
def test_the_table_that_is_written_has_the_right_hours(nombre: str, tmp_path: Path) -> None:
    """``--salida P.csv`` is the product's own table, which is read again as it is."""
    d = DISPOSICIONES[nombre]
    curva = make_curva(d.zona, date(2025, 10, 24), 5, d.minutos[0], 5)
    salida, otra = tmp_path / "horas.csv", tmp_path / "otra_vez.csv"
    assert run(write(tmp_path, nombre, curva), "--salida", salida) == HECHO
    assert table_of(salida) == pytest.approx(curva.horas)
    assert run(salida, "--salida", otra) == HECHO
    assert table_of(otra) == table_of(salida)


def test_the_table_may_be_a_parquet(tmp_path: Path) -> None:
    """``--salida P.parquet`` holds the same hours."""
    curva = make_curva(MADRID, date(2025, 3, 28), 4, 60, 5)
    salida = tmp_path / "horas.parquet"
    assert run(write(tmp_path, "CNMC", curva), "--salida", salida) == HECHO
    columnas = pq.read_table(salida).to_pydict()
    assert set(columnas["propietario_id"]) == {CUPS}
    assert sorted(columnas["consumo_kwh"]) == pytest.approx(sorted(curva.horas.values()))


def test_the_preview_says_what_the_file_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Format, customer, hours and what goes out, in Spanish and on the standard output."""
    curva = make_curva(MADRID, date(2025, 6, 2), 3, 60, 5)
    assert run(write(tmp_path, "UFD", curva)) == HECHO
    texto = capsys.readouterr().out
    for dicho in ("UFD", CUPS, "72", "kWh", "Europe/Madrid"):
        assert dicho in texto


def test_what_is_refused_is_told_with_its_line_and_leaves_with_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is lost in silence: exit status 1, and the line."""
    curva = make_curva(MADRID, date(2025, 6, 2), 1, 60, 5)
    ruta = tmp_path / "curva.csv"
    ruta.write_bytes(cnmc(curva).replace(b";R", b"x;R", 1))
    assert run(ruta) == FALLO
    capturado = capsys.readouterr()
    assert "línea 2" in capturado.out + capturado.err


def test_a_unit_that_the_file_does_not_say_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A median that no home has is refused with what it looks like; ``--unidad`` decides."""
    curva = make_curva(MADRID, date(2025, 6, 2), 2, 60, 5)
    filas = cnmc(curva).decode().splitlines()[1:]
    ruta, salida = tmp_path / "curva.csv", tmp_path / "horas.csv"
    en_wh = "\n".join(
        ";".join([*campos[:3], str(round(float(campos[3].replace(",", ".")) * 1000)), campos[4]])
        for campos in (fila.split(";") for fila in filas)
    )
    ruta.write_text(f"CUPS;Fecha;Hora;Consumo;Metodo_obtencion\n{en_wh}\n")
    assert run(ruta, "--salida", salida) == FALLO
    assert "Wh" in capsys.readouterr().err
    assert not salida.exists()
    assert run(ruta, "--unidad", "Wh", "--salida", salida) == HECHO
    assert table_of(salida) == pytest.approx(curva.horas)


def test_an_unknown_file_shows_its_first_line_and_what_is_closest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """«parece …; falta …»: who has one column wrong finds it."""
    ruta = tmp_path / "curva.csv"
    ruta.write_text("cups;fecha;hora;consumo_kWh;metodo_raro\nES1;2025/01/01;01:00;1;R\n")
    assert run(ruta) == FALLO
    error = capsys.readouterr().err
    assert "cups;fecha;hora;consumo_kWh;metodo_raro" in error
    assert "parece" in error
    assert "falta" in error


def test_several_files_and_a_profile_of_ones_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--perfil`` reads what the product does not know; each file is told."""
    perfil, curva = tmp_path / "compania.toml", tmp_path / "curva.txt"
    perfil.write_text(COMPANIA)
    curva.write_text("\n".join(CURVA.splitlines()[:-1]) + "\n")
    salida = tmp_path / "horas.csv"
    assert run(curva, "--perfil", perfil, "--salida", salida) == HECHO
    assert list(table_of(salida).values()) == [1.0]
    uno = write(tmp_path, "CNMC", make_curva(MADRID, date(2025, 6, 2), 1, 60, 5))
    otro = tmp_path / "otro.csv"
    otro.write_bytes(uno.read_bytes().replace(CUPS.encode(), b"ES0021000000000000BB"))
    capsys.readouterr()
    assert run(uno, otro) == HECHO
    texto = capsys.readouterr().out
    assert CUPS in texto
    assert "ES0021000000000000BB" in texto


def test_wrong_usage(tmp_path: Path) -> None:
    """No file is wrong usage; one that is not there fails."""
    with pytest.raises(SystemExit) as salida:
        run()
    assert salida.value.code == MAL_USO
    assert run(tmp_path / "no_existe.csv") == FALLO


def test_the_hours_that_are_missing_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """How many, and which: of whom, from when to when, in the file's time."""
    curva = make_curva(MADRID, date(2025, 6, 2), 2, 60, 5)
    ruta = tmp_path / "curva.csv"
    lineas = cnmc(curva).splitlines(keepends=True)
    for sin, dicho in (
        ((4,), f"1 hora entre la primera y la última: {CUPS} de 2025-06-02 03:00 a 04:00"),
        ((24, 25), f"2 horas entre la primera y la última: {CUPS} de 2025-06-02 23:00 a"),
        ((), "0 horas entre la primera y la última"),
    ):
        ruta.write_bytes(b"".join(fila for i, fila in enumerate(lineas) if i not in sin))
        assert run(ruta) == HECHO
        assert dicho in " ".join(capsys.readouterr().out.split())
