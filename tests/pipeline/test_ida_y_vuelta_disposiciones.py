"""A curve written in any layout and read again is the same, hour for hour, or is refused."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from disposiciones import DISPOSICIONES, ENVASES, MADRID, Curva, Disposicion, make_curva
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lector_archivos import Leido, leer

NOMBRES = sorted(DISPOSICIONES)
POR_FILAS = [nombre for nombre in NOMBRES if DISPOSICIONES[nombre].por_filas]
# Seconds of writing each, before anything is read: one layout of each build, the others at length.
DOS_ANIOS = [
    nombre
    if nombre in {"CNMC", "Datadis JSON", "Enedis debut;fin", "Octopus", "P5D", "i-DE con periodo"}
    else pytest.param(nombre, marks=pytest.mark.lenta)
    for nombre in NOMBRES
]
# A year before the last change of the clock there was one like it: any year shows both.
ANIOS = st.integers(2016, 2025)
SEMILLAS = st.integers(0, 2**32 - 1)
RAPIDO = settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def curva_of(d: Disposicion, desde: date, dias: int, semilla: int, minutos: int = 0) -> Curva:
    paso = minutos or d.minutos[semilla % len(d.minutos)]
    return make_curva(d.zona, desde, dias, paso, semilla, d.tramo_wh)


def read_bytes(carpeta: Path, contenido: bytes, d: Disposicion, **opciones: Any) -> Leido:
    ruta = carpeta / "curva.dat"
    ruta.write_bytes(contenido)
    # Of layouts that say no zone, the product's own: that of Spain.
    return leer(ruta, **opciones)


def check_same(leido: Leido, curva: Curva, d: Disposicion) -> None:
    """Every hour, and nothing but right ones."""
    check_none_is_wrong(leido, curva)
    horas = {hora for _, hora in leido.horas}
    faltan = set(curva.horas) - horas
    if d.sin_cambios:
        cambios = {h for h in faltan if changes(h, curva)}
        assert leido.motivos or not cambios
        faltan -= cambios
    assert not faltan, (len(faltan), sorted(faltan)[:3], leido.motivos[:3])
    assert d.sin_cambios or not leido.motivos
    assert len(leido.clientes) == 1


def check_none_is_wrong(leido: Leido, curva: Curva) -> None:
    assert leido.repetidas == 0
    buenas = curva.horas
    malas = {
        hora: (kwh, buenas.get(hora))
        for (_, hora), kwh in leido.horas.items()
        if hora not in buenas or abs(kwh - buenas[hora]) > 1e-9
    }
    assert not malas, (len(malas), sorted(malas.items())[:3])


def changes(hora: datetime, curva: Curva) -> bool:
    """Whether a local day is one on which the clock changes."""
    dia = hora.astimezone(curva.zona).replace(hour=0)
    return dia.utcoffset() != dia.replace(hour=23).utcoffset()


@pytest.mark.parametrize("nombre", NOMBRES)
@given(anio=ANIOS, semilla=SEMILLAS)
@RAPIDO
def test_both_changes_of_the_clock_come_back_in_every_layout(
    nombre: str, anio: int, semilla: int, tmp_path: Path
) -> None:
    """The days around a change, written and read: the same hours, all of them."""
    d = DISPOSICIONES[nombre]
    for desde in first_days(d, anio):
        curva = curva_of(d, desde, 8, semilla)
        check_same(read_bytes(tmp_path, d.escribir(curva), d), curva, d)


def first_days(d: Disposicion, anio: int) -> list[date]:
    """Return days before the changes in Europe, or in the United States."""
    if d.zona.key.startswith("America"):
        return [date(anio, 3, 7), date(anio, 10, 31)]
    return [date(anio, 3, 24), date(anio, 10, 24)]


@pytest.mark.parametrize("nombre", DOS_ANIOS)
def test_two_years_come_back_in_every_layout(nombre: str, tmp_path: Path) -> None:
    """Two years with their four changes of the clock, hour for hour."""
    d = DISPOSICIONES[nombre]
    curva = curva_of(d, date(2023, 1, 1), 731, NOMBRES.index(nombre) * len(d.minutos), d.minutos[0])
    check_same(read_bytes(tmp_path, d.escribir(curva), d), curva, d)


@pytest.mark.lenta
@pytest.mark.parametrize("nombre", NOMBRES)
@given(anio=ANIOS, semilla=SEMILLAS)
@settings(RAPIDO, max_examples=5)
def test_two_years_of_any_curve_come_back(
    nombre: str, anio: int, semilla: int, tmp_path: Path
) -> None:
    """The same with other years, other curves and every step of the layout."""
    d = DISPOSICIONES[nombre]
    for minutos in d.minutos:
        curva = curva_of(d, date(anio - 1, 6, 1), 731, semilla, minutos)
        check_same(read_bytes(tmp_path, d.escribir(curva), d), curva, d)


@pytest.mark.parametrize("envase", sorted(ENVASES))
@pytest.mark.parametrize("nombre", ["CNMC", "Datadis web en cuartos", "Octopus", "P5D"])
def test_a_curve_comes_back_out_of_every_container(
    nombre: str, envase: str, tmp_path: Path
) -> None:
    """Packed, and in any encoding: told by the content."""
    d = DISPOSICIONES[nombre]
    curva = curva_of(d, date(2025, 3, 24), 8, 7)
    contenido = ENVASES[envase](d.escribir(curva))
    check_same(read_bytes(tmp_path, contenido, d), curva, d)


# --- What is damaged never yields a wrong hour ---------------------------------------------------


DANIOS = ["quitada", "doblada", "barajada", "salteada", "cortada"]


def first_row(d: Disposicion, lineas: list[bytes], curva: Curva) -> int:
    """Return where the rows begin: behind what the same layout writes of a curve of no row."""
    vacia = d.escribir(Curva(curva.zona, curva.intervalos[:1])).splitlines(keepends=True)
    return next(
        (i for i, (a, b) in enumerate(zip(lineas, vacia, strict=False)) if a != b), len(vacia) - 1
    )


def damage(d: Disposicion, curva: Curva, cual: str, semilla: int) -> bytes:
    """Return a file with rows taken out, doubled, in another order or with another step."""
    rng = np.random.default_rng(semilla)
    lineas = d.escribir(curva).splitlines(keepends=True)
    desde = first_row(d, lineas, curva)
    filas = lineas[desde:]
    if cual == "quitada":
        for i in sorted(rng.choice(len(filas), int(rng.integers(1, 5)), False), reverse=True):
            del filas[i]
    elif cual == "doblada":
        for i in sorted(rng.choice(len(filas), int(rng.integers(1, 5)), False), reverse=True):
            filas.insert(i, filas[i])
    elif cual == "barajada":
        filas = [filas[i] for i in rng.permutation(len(filas))]
    elif cual == "salteada":
        # Every second row, from a place on: twice the step, or half of the hours.
        corte = int(rng.integers(0, len(filas)))
        filas = filas[:corte] + filas[corte::2]
    elif cual == "cortada":
        filas = filas[int(rng.integers(0, len(filas))) :][: int(rng.integers(1, 60))]
    return b"".join(lineas[:desde] + filas)


@pytest.mark.parametrize("cual", DANIOS)
@pytest.mark.parametrize("nombre", POR_FILAS)
@given(anio=ANIOS, semilla=SEMILLAS)
@settings(RAPIDO, max_examples=1)
def test_a_damaged_file_never_yields_a_wrong_hour(
    nombre: str, cual: str, anio: int, semilla: int, tmp_path: Path
) -> None:
    """Rows out, twice, in another order or with another step: right hours or none."""
    cambio = (NOMBRES.index(nombre) + DANIOS.index(cual)) % 2
    check_damaged(nombre, cual, first_days(DISPOSICIONES[nombre], anio)[cambio], semilla, tmp_path)


@pytest.mark.lenta
@pytest.mark.parametrize("cual", DANIOS)
@pytest.mark.parametrize("nombre", POR_FILAS)
@given(anio=ANIOS, semilla=SEMILLAS)
@settings(RAPIDO, max_examples=25)
def test_a_damaged_file_never_yields_a_wrong_hour_however_often(
    nombre: str, cual: str, anio: int, semilla: int, tmp_path: Path
) -> None:
    """The same with many more years, curves and damages."""
    for desde in first_days(DISPOSICIONES[nombre], anio):
        check_damaged(nombre, cual, desde, semilla, tmp_path)


def check_damaged(nombre: str, cual: str, desde: date, semilla: int, carpeta: Path) -> None:
    d = DISPOSICIONES[nombre]
    curva = curva_of(d, desde, 5, semilla)
    check_none_is_wrong(read_bytes(carpeta, damage(d, curva, cual, semilla), d), curva)


@pytest.mark.parametrize("nombre", ["CNMC", "P5D", "Enedis", "Octopus", "tabla propia"])
def test_a_row_that_comes_twice_is_counted_and_sent_once(nombre: str, tmp_path: Path) -> None:
    """With the same value nothing is lost; with another one neither of both is sent."""
    d = DISPOSICIONES[nombre]
    curva = curva_of(d, date(2025, 6, 2), 3, 11, d.minutos[0])
    lineas = d.escribir(curva).splitlines(keepends=True)
    ultima = lineas[-1]
    check_same(read_bytes(tmp_path, b"".join([*lineas, ultima]), d), curva, d)
    otra = d.escribir(Curva(curva.zona, (curva.intervalos[-1]._replace(wh=7_000),))).splitlines()
    leido = read_bytes(tmp_path, b"".join([*lineas, otra[-1], b"\n"]), d)
    check_none_is_wrong(leido, curva)
    assert len(leido.horas) == len(curva.horas) - 1
    assert leido.motivos


@given(contenido=st.binary(max_size=400), nombre=st.sampled_from(NOMBRES), semilla=SEMILLAS)
@settings(RAPIDO, max_examples=100)
def test_bytes_anywhere_in_a_file_never_crash_it(
    contenido: bytes, nombre: str, semilla: int, tmp_path: Path
) -> None:
    """Alone, or in the middle of a file of any layout: readings or an error of ours."""
    d = DISPOSICIONES[nombre]
    entero = d.escribir(curva_of(d, date(2025, 3, 28), 2, 3))
    corte = semilla % len(entero)
    read_bytes(tmp_path, contenido, d)
    read_bytes(tmp_path, entero[:corte] + contenido + entero[corte:], d)
    read_bytes(tmp_path, entero[:corte] + contenido, d)


def test_hours_of_another_zone_are_those_of_the_setting(tmp_path: Path) -> None:
    """A layout without a zone is read in that of the product, whatever it is."""
    canarias = make_curva(MADRID, date(2025, 10, 24), 5, 60, 3)
    leido = read_bytes(
        tmp_path, DISPOSICIONES["CNMC"].escribir(canarias), DISPOSICIONES["CNMC"], zona="UTC"
    )
    assert min(h for _, h in leido.horas).hour == 0
