"""Days that are not what they seem: another unit, a total, a counter, hours beside quarters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from apoyo_tiempos import (
    CNMC,
    DATADIS,
    DUDOSO,
    JUNIO,
    OTRO,
    clock,
    cnmc,
    datadis,
    days_with,
    hours_of,
    motives,
)
from disposiciones import CUPS
from lector_archivos import Leido, leer_texto

from pipeline.ingest.files.blocks import MotivoArchivo

IDE = "CUPS;FECHA-HORA;INV / VER;CONSUMO Wh;GENERACION Wh;\n"
PARIS = ZoneInfo("Europe/Paris")
TABLA = "propietario_id,timestamp,consumo_kwh\n"
CASA = [200 + (h * 7) % 24 * 40 for h in range(24)]
"""Wh of a day's hours, of which none is the sum of the others nor follows from the one before."""


def coma(valor: float, decimales: int = 3) -> str:
    return f"{valor:.{decimales}f}".replace(".", ",")


def day(dia: int, valores: Sequence[str], cups: str = CUPS, metodos: Sequence[str] = ()) -> str:
    """Return numbered hours of a day of June."""
    return "".join(
        f"{cups};{dia:02}/06/2025;{hora};{valor};{metodos[hora - 1] if metodos else 'R'}\n"
        for hora, valor in enumerate(valores, 1)
    )


def home(dia: int, cups: str = CUPS, como: Callable[[int], str] = lambda v: coma(v / 1000)) -> str:
    """Return a day of a home, each hour a little different from the other days' one."""
    return day(dia, [como(wh + dia) for wh in CASA], cups)


def ide(
    primera: datetime, horas: int, como: Callable[[int], str] = str, estacion: str = "1"
) -> str:
    """Return i-DE's rows from a time on."""
    return "".join(
        f"{CUPS};{primera + timedelta(hours=i):%Y/%m/%d %H:%M};{estacion};"
        f"{como(CASA[i % 24] + i // 24)};0;\n"
        for i in range(horas)
    )


def refused(leido: Leido, texto: str) -> bool:
    return not leido.horas and any(texto in motivo for motivo in leido.motivos)


# ---- Units


def test_a_day_in_another_unit_is_refused(tmp_path: Path) -> None:
    """Of five days one is in Wh, in a column of kWh; and one in kWh, in a column of Wh."""
    texto = CNMC + "".join(home(dia, como=str) if dia == 12 else home(dia) for dia in range(10, 15))
    leido = leer_texto(tmp_path, texto)
    assert days_with(leido) == {0, 1, 3, 4}
    assert motives(leido) == {MotivoArchivo.UNIDAD_DUDOSA}
    fin = datetime(2025, 6, 10, 1)
    texto = IDE + ide(fin, 96) + ide(fin + timedelta(days=4), 24, lambda wh: coma(wh / 1000))
    leido = leer_texto(tmp_path, texto)
    assert days_with(leido) == {0, 1, 2, 3}
    assert motives(leido) == {MotivoArchivo.UNIDAD_DUDOSA}


@pytest.mark.parametrize("rara", [5, 9])
def test_a_day_in_another_unit_that_is_another_zone_s_day_is_refused(
    rara: int, tmp_path: Path
) -> None:
    """Ten days in UTC, one of them in Wh: its last hours are the next local day's first ones."""
    texto = TABLA + "".join(
        f"C,2025-06-{1 + d:02}T{h:02}:00:00Z,{wh + d if d == rara else (wh + d) / 1000}\n"
        for d in range(10)
        for h, wh in enumerate(CASA)
    )
    leido = leer_texto(tmp_path, texto)
    assert max(leido.horas.values()) < 2
    assert len(leido.horas) == 240 - 24 * (2 if rara < 9 else 1) - 2 * (rara == 9)
    assert motives(leido) == {MotivoArchivo.UNIDAD_DUDOSA}


def test_a_customer_whose_days_are_half_in_each_unit_is_refused(tmp_path: Path) -> None:
    """It is not known which of them are right; another customer's hours go."""
    texto = CNMC + home(10) + home(11) + home(12, como=str) + home(13, como=str) + home(10, OTRO)
    leido = leer_texto(tmp_path, texto)
    assert leido.clientes == {OTRO}
    assert len(leido.rechazadas) == 96


def test_a_shop_that_closes_and_an_empty_home_are_read(tmp_path: Path) -> None:
    """Days may differ by a factor of hundreds: what is in one unit stays."""
    abierta = "".join(home(dia, como=lambda wh: coma(wh / 9)) for dia in (10, 12, 14))
    cerrada = "".join(home(dia, como=lambda wh: coma(wh / 20_000)) for dia in (11, 13))
    assert len(leer_texto(tmp_path, CNMC + abierta + cerrada).horas) == 120
    vacia = IDE + ide(datetime(2025, 6, 10, 1), 48) + ide(
        datetime(2025, 6, 12, 1), 48, lambda wh: str(1 + wh % 2)
    )  # fmt: skip
    assert len(leer_texto(tmp_path, vacia).horas) == 96


@pytest.mark.parametrize(
    ("como", "parece"),
    [
        (lambda wh: coma(wh + wh % 9 / 10 + 0.1, 1), "Wh"),
        (lambda wh: coma(wh / 1e6, 6), "MWh"),
    ],
)
def test_decimals_tell_the_unit_of_what_no_home_has(
    como: Callable[[int], str], parece: str, tmp_path: Path
) -> None:
    """Wh with a tenth, and MWh, in a column of kWh: --unidad says it."""
    texto = CNMC + home(10, como=como) + home(11, como=como)
    assert refused(leer_texto(tmp_path, texto), f"--unidad {parece}")
    leido = leer_texto(tmp_path, texto, unidad=parece)
    assert sum(leido.horas.values()) == pytest.approx(2 * sum(CASA) / 1000, rel=0.05)
    nave = CNMC + home(10, como=lambda wh: coma(wh / 9))
    assert len(leer_texto(tmp_path, nave).horas) == 24


def test_units_of_kwh_in_a_column_of_wh_are_refused(tmp_path: Path) -> None:
    """0 to 3 in all hours of days are no Wh of a home."""
    texto = IDE + ide(datetime(2025, 6, 10, 1), 72, lambda wh: str(wh % 4))
    assert refused(leer_texto(tmp_path, texto), "parecen kWh")


def test_what_the_user_says_does_not_stand_against_what_the_numbers_prove(tmp_path: Path) -> None:
    """A unit that the column contradicts is taken where the numbers are of it, and only there."""
    texto = IDE + ide(datetime(2025, 6, 10, 1), 72)
    assert len(leer_texto(tmp_path, texto).horas) == 72
    for unidad in ("kWh", "MWh"):
        assert refused(leer_texto(tmp_path, texto, unidad=unidad), "no son de")
    texto = CNMC + home(10) + home(11) + home(10, OTRO, str)
    leido = leer_texto(tmp_path, texto, unidad="Wh")
    assert leido.clientes == {OTRO}
    assert sum(leido.horas.values()) == pytest.approx((sum(CASA) + 240) / 1000)
    nave = CNMC + day(10, [str(43 + (7 * h) % 70) for h in range(24)])
    assert refused(leer_texto(tmp_path, nave), "--unidad Wh (o kWh, si lo son)")
    assert len(leer_texto(tmp_path, nave, unidad="kWh").horas) == 24


# ---- Steps and times


@pytest.mark.parametrize(
    ("cada", "dura", "hay"),
    [(60, 60, 48), (30, 30, 24), (60, 30, 0), (30, 60, 0), (30, 15, 0), (1440, 1440, 0)],
)
def test_the_stated_end_is_the_step(cada: int, dura: int, hay: int, tmp_path: Path) -> None:
    """Enedis' debut;fin: what ends before the next one begins is no whole hour."""
    principio = datetime(2025, 6, 10)
    texto = "debut;fin;kW\n" + "".join(
        f"{t:%Y-%m-%dT%H:%M};{t + timedelta(minutes=dura):%Y-%m-%dT%H:%M};1,{i % 9}00\n"
        for i in range(48)
        for t in [principio + timedelta(minutes=cada * i)]
    )
    leido = leer_texto(tmp_path, texto)
    assert len(leido.horas) == hay
    assert bool(leido.motivos) == (not hay)


@pytest.mark.parametrize(("mes", "dia", "horas"), [(3, 30, 23), (10, 26, 25)])
@pytest.mark.parametrize(
    ("cada", "dura", "valen"), [(60, 60, 1), (15, 15, 1), (60, 30, 0), (30, 60, 0), (30, 15, 0)]
)
def test_the_stated_end_is_the_step_on_a_day_of_the_change_too(
    cada: int, dura: int, valen: int, mes: int, dia: int, horas: int, tmp_path: Path
) -> None:
    """What ends before the next one begins is no whole hour there either; local times jump."""
    principio = datetime(2025, mes, dia, tzinfo=PARIS).astimezone(UTC)
    texto = "debut;fin;kW\n"
    for i in range(horas * 60 // cada):
        desde = principio + timedelta(minutes=cada * i)
        ambos = [t.astimezone(PARIS) for t in (desde, desde + timedelta(minutes=dura))]
        texto += ";".join(f"{t:%Y-%m-%dT%H:%M}" for t in ambos) + f";1,{i % 9}00\n"
    leido = leer_texto(tmp_path, texto)
    assert len(leido.horas) == horas * valen
    assert bool(leido.motivos) == (not valen)


def test_the_hour_that_comes_twice_ends_when_it_began(tmp_path: Path) -> None:
    """Fluvius' hours of October: 02:00 to 02:00 is an hour, and 00:00 to 00:00 a day."""
    principio = datetime(2025, 10, 26, tzinfo=PARIS).astimezone(UTC)
    horas = [(principio + timedelta(hours=h)).astimezone(PARIS) for h in range(26)]
    cabecera = "Van (datum);Van (tijdstip);Tot (datum);Tot (tijdstip);EAN-code;Meter;Metertype;"
    cabecera += "Register;Volume;Eenheid;Validatiestatus;Omschrijving\n"
    for tramos, hay in (
        (pairwise(horas), 25),
        ([(horas[0], horas[-1])], 0),
    ):
        filas = "".join(
            f"{desde:%d-%m-%Y;%H:%M}:00;{hasta:%d-%m-%Y;%H:%M}:00;541449999900001234;1;Digitale "
            "meter;Afname Dag;0,400;kWh;Uitgelezen;\n"
            for desde, hasta in tramos
        )
        leido = leer_texto(tmp_path, cabecera + filas)
        assert len(leido.horas) == hay
        assert bool(leido.motivos) == (not hay)


def test_rows_closer_than_all_that_the_file_says_are_refused(tmp_path: Path) -> None:
    """Enedis says hours, and its rows are half hours apart."""
    cabeza = "Identifiant PRM;Type de donnees;Unite;Pas en minutes\n"
    filas = "".join(f"2025-06-10T{m // 60:02}:{m % 60:02}:00+02:00;{900 + m}\n"
                    for m in range(30, 1440, 30))  # fmt: skip
    for paso, hay in ((60, 0), (30, 23)):
        contrato = f"09999912345678;Courbe de charge;W;{paso}\nHorodate;Valeur\n"
        leido = leer_texto(tmp_path, cabeza + contrato + filas)
        assert len(leido.horas) == hay
        assert bool(leido.motivos)


@pytest.mark.parametrize("disposicion", ["i-DE", "P5D", "P1"])
def test_ends_with_a_season_that_look_like_beginnings_are_refused(
    disposicion: str, tmp_path: Path
) -> None:
    """00:00 to 23:00 over whole days; 01:00 to 00:00 are read."""

    def text(primera: datetime) -> str:
        if disposicion == "i-DE":
            return IDE + ide(primera, 48)
        filas = ide(primera, 48).splitlines()
        if disposicion == "P5D":
            return "".join(f"{fila.removesuffix(';')}\n" for fila in filas)
        partes = (fila.split(";") for fila in filas)
        return "".join(
            f"{c}1P;11;{t}:00;{e};{wh};128;0;128;0;128;0;128;0;128;0;128;0;128;0;128;1;1\n"
            for c, t, e, wh, *_ in partes
        )

    assert refused(leer_texto(tmp_path, text(datetime(2025, 6, 10))), 'marca = "inicio"')
    assert len(leer_texto(tmp_path, text(datetime(2025, 6, 10, 1))).horas) == 48


@pytest.mark.parametrize("estacion", ["0", "1"])
def test_a_day_of_the_change_whose_seasons_contradict_is_refused(
    estacion: str, tmp_path: Path
) -> None:
    """October with one season in all of its rows: not one of its hours is sent, the others are."""
    antes = ide(datetime(2025, 10, 25, 1), 24)
    etiquetas = [1, 2, 2, *range(3, 24)]
    dia = "".join(
        f"{CUPS};2025/10/26 {hora:02}:00;{estacion};{CASA[hora]};0;\n" for hora in etiquetas
    )
    dia += f"{CUPS};2025/10/27 00:00;{estacion};300;0;\n"
    leido = leer_texto(tmp_path, IDE + antes + dia)
    assert len(leido.horas) == 24
    assert max(hora for _, hora in leido.horas).day == 25


@pytest.mark.parametrize(
    ("etiquetas", "hay"),
    [([1, 3], 23), ([1, 2], 23), ([1, 2, 3], 0)],
    ids=["reloj", "fin", "ambas"],
)
def test_two_times_of_one_hour_are_one_hour_too_many(
    etiquetas: list[int], hay: int, tmp_path: Path
) -> None:
    """March's second hour ends at 02:00 of winter or at 03:00 of summer, and not at both."""
    dia = "".join(
        f"{CUPS};2025/03/30 {hora:02}:00;{int(hora > 2)};{CASA[hora]};0;\n"
        for hora in [*etiquetas, *range(4, 24)]
    )
    dia += f"{CUPS};2025/03/31 00:00;1;300;0;\n"
    leido = leer_texto(tmp_path, IDE + dia)
    assert len(leido.horas) == hay
    assert len(leido.motivos) == (0 if hay else 24)


def test_real_hours_beside_estimated_quarters_are_not_mixed(tmp_path: Path) -> None:
    """A real row at the full hour is an hour, or its last quarter: the day is refused."""
    marcas = [f"{m // 60:02}:{m % 60:02}" for m in range(15, 1441, 15)]
    cuartos = datadis("2025/06/10", marcas, "Estimada")
    horas = datadis("2025/06/10", clock(range(1, 25)), "Real", 600)
    leido = leer_texto(tmp_path, DATADIS + cuartos + horas)
    assert not leido.horas
    assert DUDOSO in motives(leido)
    # Real quarters beside estimated hours: the real ones are the day.
    leido = leer_texto(
        tmp_path,
        DATADIS
        + datadis("2025/06/10", marcas, "Real")
        + datadis("2025/06/10", clock(range(1, 25)), "Estimada", 600),
    )
    assert len(leido.horas) == 24
    # The same with numbered ones, 1 to 24 beside 1 to 96.
    numerados = cnmc(JUNIO[:1], range(1, 97)).replace(";R\n", ";E\n")
    texto = numerados + cnmc(JUNIO[:1], range(1, 25)).replace(";0,1", ";0,6")
    assert not leer_texto(tmp_path, CNMC + texto).horas
    assert len(leer_texto(tmp_path, CNMC + numerados).horas) == 24
    # One real quarter of an estimated day is no matter.
    una = DATADIS + cuartos.replace("01:00;0,103;Estimada", "01:00;0,500;Real")
    assert hours_of(leer_texto(tmp_path, una))[0] == pytest.approx(0.1 + 0.101 + 0.102 + 0.5)


# ---- Totals and counters


def test_an_hour_that_is_the_sum_of_the_others_is_a_total(tmp_path: Path) -> None:
    """The day's total in hour 24, day after day, with its method or without."""
    horas = [[(wh + dia) / 1000 for wh in CASA[:23]] for dia in range(3)]
    dias = [[coma(v) for v in [*suyas, sum(suyas)]] for suyas in horas]
    texto = CNMC + "".join(day(10 + i, valores) for i, valores in enumerate(dias))
    leido = leer_texto(tmp_path, texto)
    assert refused(leido, "total del día")
    assert len(leer_texto(tmp_path, CNMC + "".join(home(dia) for dia in (10, 11))).horas) == 48
    dicho = day(10, [*dias[0][:23], "0,400"], metodos=["R"] * 23 + ["TOTAL"])
    assert not leer_texto(tmp_path, CNMC + dicho).horas


@pytest.mark.parametrize("hora", [0, 5])
def test_a_counter_that_begins_anew_each_day_is_no_consumption(hora: int, tmp_path: Path) -> None:
    """Values that only grow from one reset to the next, at midnight or at another hour."""
    principio, lleva, texto = datetime(2025, 6, 10), 0, TABLA
    for i in range(96):
        lleva = CASA[i % 24] + (lleva if i % 24 != hora else 0)
        texto += f"C,{principio + timedelta(hours=i):%Y-%m-%dT%H:%M}Z,{lleva / 1000:.3f}\n"
    assert refused(leer_texto(tmp_path, texto), "contador")


def test_a_day_of_a_counter_above_what_a_home_takes_is_no_consumption(tmp_path: Path) -> None:
    """One day from 8,5 to 20: a home's consumption does not grow all day to more than 15 kWh."""
    dia = day(10, [coma(8.5 + 0.5 * h) for h in range(24)])
    assert refused(leer_texto(tmp_path, CNMC + dia), "contador")
    assert len(leer_texto(tmp_path, CNMC + day(10, [coma(h / 100) for h in range(24)])).horas) == 24


# ---- Dates and ends of files


@pytest.mark.parametrize(
    ("fechas", "hay"),
    [
        ([f"2025/0{dia}/06" for dia in (1, 2, 3)], 0),
        ([f"2025/06/0{dia}" for dia in (1, 2, 3)], 72),
        ([f"25/06/1{dia}" for dia in (0, 1, 2)], 0),
        ([f"1{dia}/06/25" for dia in (0, 1, 2)], 72),
        ([f"1{dia}/06/25" for dia in (0, 1)], 48),
        (["25/06/10"], 0),
        (["10/06/25"], 0),
        (["10/06/10"], 24),
        (["6/10/2025"], 0),
        (["06/10/2025"], 24),
        (["6/13/2025"], 0),
        (["6/6/2025"], 24),
    ],
)
def test_dates_whose_order_is_ambiguous_are_refused(
    fechas: list[str], hay: int, tmp_path: Path
) -> None:
    """Year and then day, two digits of the year first, a lone date, a few without zeros."""
    filas = "".join(datadis(fecha, clock(range(1, 25))) for fecha in fechas)
    leido = leer_texto(tmp_path, DATADIS + filas)
    assert len(leido.horas) == hay
    assert leido.rechazado == (not hay)


def test_a_last_number_without_its_line_end_is_not_certain(tmp_path: Path) -> None:
    """Of 0,512 a download that was cut leaves 0,5; a cell behind it shows that it is all."""
    sin_metodo = CNMC.replace(";Metodo_obtencion", "")
    dia = home(10).replace(";R\n", "\n")
    leido = leer_texto(tmp_path, sin_metodo + dia.rstrip("\n")[:-1])
    assert sorted(hours_of(leido)) == list(range(23))
    assert leido.rechazadas == [(25, MotivoArchivo.NUMERO_DUDOSO)]
    assert len(leer_texto(tmp_path, sin_metodo + dia).horas) == 24
    assert len(leer_texto(tmp_path, CNMC + home(10).rstrip("\n")).horas) == 24
