"""Files like those of which people who load curves report: the right hours, or a refusal."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lector_archivos import Leido, leer

CARPETA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "formatos_publicos"
# «o…» in the README: a clear refusal in which nothing doubtful is sent is right too.
PUEDE_RECHAZAR = {
    "01_datadis_cuartohoraria.csv",
    "09_edistribucion.zip",
    "10c_eredes_dos_consumos.csv",
    "11_cnmc_hora_0_a_23.csv",
    "12_octubre_con_24_filas.csv",
    "13_datadis_utf16.csv",
    "14_millares.csv",
    "15_tabla_media_hora.csv",
    "21_greenbutton_dos_tramos.xml",
    "24_greenbutton_decimales.xml",
    "25_nem12_dia_revisado.csv",
    "36b_datadis_repetido_estimada_detras.csv",
    "40_consumo_sin_unidad_en_wh.csv",
    "43_datadis_marzo_sin_la_24.csv",
}
# Files whose answers the folder leaves empty: start of the first hour, and Wh of each, added up by
# hand from their rows.
MEDIAS_HORAS = [330, 560, 500, 440, 380, 610, 550, 490, 430, 370]
DIA = [200, 570, 940, 310, 680, 1050, 420, 790, 1160, 530, 900, 270, 640, 1010, 380, 750, 1120, 490,
       860, 230, 600, 970, 340, 710]  # fmt: skip
A_MANO: dict[str, tuple[str, list[int]]] = {
    "27_octopus.csv": ("2025-01-15T00:00:00Z", MEDIAS_HORAS),
    "34_lcl.csv": ("2025-01-15T00:00:00Z", MEDIAS_HORAS),
    "28_fluvius.csv": ("2025-06-09T22:00:00Z", [520, 580, 470, 530]),
    "30_sdat.xml": ("2025-06-09T22:00:00Z", [520, 580]),
    "31_pge.csv": ("2025-06-10T07:00:00Z", DIA),
    # kW of two half hours: ends from 14:30 to 24:00 in Ireland, summer time.
    "33_esb_hdf.csv": ("2025-06-10T13:00:00Z", [550, 350, 400, 450, 250, 550, 350, 400, 450, 250]),
}


def expected_of(archivo: Path) -> dict[datetime, float]:
    if archivo.name == "29_edistribuzione.csv":
        return quarters_of_two_days(archivo)
    if archivo.name in A_MANO:
        inicio, wh = A_MANO[archivo.name]
        primera = datetime.fromisoformat(inicio)
        return {primera + timedelta(hours=i): w / 1000 for i, w in enumerate(wh)}
    with archivo.with_name(f"{archivo.name}.esperado.csv").open() as respuesta:
        return {
            datetime.fromisoformat(f["timestamp"]): float(f["consumo_kwh"])
            for f in csv.DictReader(respuesta)
        }


def quarters_of_two_days(archivo: Path) -> dict[datetime, float]:
    """Two days of summer in Italy, a row each: the hour is the sum of four columns."""
    horas: dict[datetime, float] = {}
    primera = datetime(2025, 6, 9, 22, tzinfo=UTC)
    for dia, fila in enumerate(archivo.read_text().splitlines()[1:]):
        valores = [float(v.replace(",", ".")) for v in fila.split(";")[1:97]]
        for hora in range(24):
            suma = round(sum(valores[4 * hora : 4 * hora + 4]), 9)
            horas[primera + timedelta(days=dia, hours=hora)] = suma
    return horas


def casos() -> list[str]:
    if not CARPETA.is_dir():
        return []
    return sorted(
        ruta.name
        for ruta in CARPETA.iterdir()
        if ruta.name != "README.md" and not ruta.name.endswith(".esperado.csv")
    )


def only_hours(leido: Leido) -> dict[datetime, float]:
    assert len(leido.clientes) == 1
    return {hora: kwh for (_, hora), kwh in leido.horas.items()}


@pytest.mark.skipif(not casos(), reason=f"no existe la carpeta de muestras {CARPETA}")
@pytest.mark.parametrize("nombre", casos() or ["ninguno"])
def test_a_public_case_gives_the_right_hours_or_is_refused(nombre: str) -> None:
    """Never a wrong hour; all of them, or where its row allows it, a refusal with its reason."""
    archivo = CARPETA / nombre
    esperado = expected_of(archivo)
    leido = leer(archivo)
    assert leido.repetidas == 0, "the same hour was sent twice"
    if nombre in PUEDE_RECHAZAR and not leido.horas:
        assert leido.motivos
        return
    horas = only_hours(leido)
    assert {h: k for h, k in horas.items() if esperado.get(h) != pytest.approx(k)} == {}
    if nombre in PUEDE_RECHAZAR and len(horas) < len(esperado):
        assert leido.motivos, "hours are missing and nothing says why"
        return
    assert set(horas) == set(esperado)


@pytest.mark.skipif(not casos(), reason=f"no existe la carpeta de muestras {CARPETA}")
@pytest.mark.parametrize(
    ("nombre", "cliente"),
    [
        ("06_F5D_0021_0999_20250701.0", "ES0021999900001234ZX"),
        ("08_datadis_api.json", "ES0021999900001234ZX"),
        ("10_eredes.xlsx", "PT0002000099991234ZX"),
        ("26_enedis_horodate.csv", "09999912345678"),
        ("28_fluvius.csv", "541449999900001234"),
        ("31_pge.csv", "9990001112"),
        ("33_esb_hdf.csv", "10099990001"),
        ("34_lcl.csv", "MAC009999"),
        ("19_ha_panel_energia.csv", "red_importada"),
    ],
)
def test_a_public_case_says_whose_it_is(nombre: str, cliente: str) -> None:
    """The customer is the one that the file names."""
    assert leer(CARPETA / nombre).clientes == {cliente}


@pytest.mark.skipif(not casos(), reason=f"no existe la carpeta de muestras {CARPETA}")
def test_what_is_refused_is_told() -> None:
    """March's phantom hour, and a day that contradicts the calendar, with their lines."""
    fantasma = leer(CARPETA / "38_marzo_hora_fantasma.csv")
    assert len(fantasma.horas) == 23
    assert len(fantasma.motivos) == 1
    octubre = leer(CARPETA / "12_octubre_con_24_filas.csv")
    assert any("25" in motivo for motivo in octubre.motivos)
