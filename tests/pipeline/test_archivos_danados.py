"""Files that programs or people have damaged: what is not certain is not read."""

from __future__ import annotations

from pathlib import Path

import pytest
from disposiciones import CUPS
from lector_archivos import leer_texto

import consumo
from serving.cli import FALLO

COLUMNAS = "CUPS;Fecha;Hora;Consumo_kWh;Metodo_obtencion\n"


def cnmc(fechas: list[str], valor: str = "0,5") -> str:
    """Return whole days in the layout of the CNMC, dates written as they are given."""
    return COLUMNAS + "".join(
        f"{CUPS};{fecha};{hora};{valor};R\n" for fecha in fechas for hora in range(1, 25)
    )


def test_a_mark_that_cuts_a_number_in_two_sends_no_zero(tmp_path: Path) -> None:
    """A comma as separator and as decimal mark: the row has a cell too many, and is refused."""
    filas = "".join(f"{CUPS},10/06/2025,{hora},0,501,R\n" for hora in range(1, 25))
    leido = leer_texto(tmp_path, COLUMNAS.replace(";", ",") + filas)
    assert not leido.horas
    assert leido.rechazadas == [(linea, "registro_no_valido") for linea in range(2, 26)]


@pytest.mark.parametrize(
    ("entera", "cortada"),
    [
        (cnmc(["10/06/2025"]), f"{CUPS};11/06/2025;1;12"),
        ('"cups";"fecha";"hora";"consumo_kWh";"metodoObtencion";"energiaVertida_kWh"\n'
         + "".join(f'"{CUPS}";"2025/06/10";"{h:02}:00";"1,5";"Real";""\n' for h in range(1, 25)),
         f'"{CUPS}";"2025/06/11";"01:00";"1'),
        ("".join(f"{CUPS}1P;2025/06/10 {h:02}:00;1;1224;0\n" for h in range(1, 24)),
         f"{CUPS}1P;2025/06/11 00:00;1;12"),
    ],
    ids=["CNMC", "Datadis", "P5D"],
)  # fmt: skip
def test_a_last_line_that_was_cut_is_no_reading(entera: str, cortada: str, tmp_path: Path) -> None:
    """A download that broke off: half a number is not sent, and its line is told."""
    antes = leer_texto(tmp_path, entera)
    leido = leer_texto(tmp_path, entera + cortada)
    assert antes.horas
    assert leido.horas == antes.horas
    assert [linea for linea, _ in leido.rechazadas] == [entera.count("\n") + 1]


@pytest.mark.parametrize(
    "fechas",
    [[f"06/{dia:02}/2025" for dia in range(9, 15)], ["6/9/2025", "6/10/2025", "6/11/2025"]],
    ids=["una lo prueba", "ninguna lo prueba"],
)
def test_a_month_before_its_day_is_not_read_the_other_way_round(
    fechas: list[str], tmp_path: Path
) -> None:
    """Dates in the other order than the layout's: nothing of the file is sent."""
    leido = leer_texto(tmp_path, cnmc(fechas))
    assert leido.rechazado
    assert not leido.horas
    assert "mes/día" in leido.motivos[0]


def test_days_of_one_week_in_two_months_are_read(tmp_path: Path) -> None:
    """Dates that fit both orders, and follow each other as they are written."""
    leido = leer_texto(tmp_path, cnmc(["01/06/2025", "02/06/2025", "03/06/2025"]))
    assert len(leido.horas) == 72


def test_customers_that_a_spreadsheet_has_shortened_are_not_one(tmp_path: Path) -> None:
    """Two long codes look alike once Excel has written them as powers of ten."""
    leido = leer_texto(tmp_path, cnmc(["10/06/2025"]).replace(CUPS, "2,1E+17"))
    assert not leido.horas
    assert {motivo for _, motivo in leido.rechazadas} == {"registro_no_valido"}


def test_the_file_that_is_read_is_not_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--salida`` on the utility's own file is refused, and so is a folder."""
    ruta, carpeta = tmp_path / "curva.csv", tmp_path / "dir.csv"
    ruta.write_text(cnmc(["10/06/2025"]))
    carpeta.mkdir()
    for salida in (ruta, carpeta, tmp_path / "no_hay" / "x.csv"):
        assert consumo.main(["leer", str(ruta), "--salida", str(salida)]) == FALLO
        assert capsys.readouterr().err.startswith("error: ")
    assert ruta.read_text() == cnmc(["10/06/2025"])
    assert {p.name for p in tmp_path.iterdir()} == {"curva.csv", "dir.csv"}
