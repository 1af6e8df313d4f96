"""When a reading is, and how long: what a file does not say for certain is refused, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from disposiciones import CUPS, MADRID, workbook
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lector_archivos import Leido, leer, leer_texto

from pipeline.ingest.files.blocks import MotivoArchivo
from pipeline.ingest.validation import Motivo

OTRO = "ES0031000000000000BB"
CNMC = "CUPS;Fecha;Hora;Consumo_kWh;Metodo_obtencion\n"
UFD = "CUPS;FECHA;HORA;EHCR (kWh)\n"
DATADIS = "cups;fecha;hora;consumo_kWh;metodoObtencion;energiaVertida_kWh\n"
JUNIO = ["10/06/2025", "11/06/2025", "12/06/2025"]
"""Of summer time: their first hour begins at 22:00 UTC of the day before."""
PRIMERA = datetime(2025, 6, 9, 22, tzinfo=UTC)
DUDOSO = MotivoArchivo.TIEMPO_DUDOSO


def cnmc(fechas: Iterable[str], numeros: Sequence[int], cups: str = CUPS) -> str:
    """Return rows without header; the value tells the number: 0,001 kWh for each."""
    return "".join(f"{cups};{fecha};{n};0,{n + 100:03};R\n" for fecha in fechas for n in numeros)


def datadis(fecha: str, horas: Iterable[str], metodo: str = "Real", desde: int = 100) -> str:
    """Return rows without header, each with a value of its own."""
    return "".join(
        f"{CUPS};{fecha};{hora};0,{desde + i:03};{metodo};\n" for i, hora in enumerate(horas)
    )


def clock(horas: Iterable[int]) -> list[str]:
    return [f"{h:02}:00" for h in horas]


def hours_of(leido: Leido, cups: str = CUPS) -> dict[int, float]:
    """Return kWh by the hours that have passed since the first one of 10 June 2025."""
    return {
        int((hora - PRIMERA) / timedelta(hours=1)): kwh
        for (cliente, hora), kwh in leido.horas.items()
        if cliente == cups
    }


def days_with(leido: Leido, cups: str = CUPS) -> set[int]:
    return {h // 24 for h in hours_of(leido, cups)}


def motives(leido: Leido) -> set[str]:
    return {motivo for _, motivo in leido.rechazadas}


# ---- How the intervals of a day are numbered


def test_each_customer_has_its_own_step_and_its_own_first_number(tmp_path: Path) -> None:
    """Hours beside quarters, 0 to 23 beside 1 to 24: each is right, none spoils the other."""
    cuartos, cero = "ES0031000000000000CC", "ES0031000000000000DD"
    leido = leer_texto(
        tmp_path,
        CNMC
        + cnmc(JUNIO, range(1, 25))
        + cnmc(JUNIO, range(1, 97), cuartos)
        + cnmc(JUNIO, range(24), cero),
    )
    assert leido.motivos == []
    assert hours_of(leido) == {h: (h % 24 + 101) / 1000 for h in range(72)}
    assert hours_of(leido, cero) == {h: (h % 24 + 100) / 1000 for h in range(72)}
    assert hours_of(leido, cuartos) == pytest.approx(
        {h: sum(h % 24 * 4 + n + 101 for n in range(4)) / 1000 for h in range(72)}
    )


def test_hours_may_become_quarters_and_not_the_other_way_round(tmp_path: Path) -> None:
    """24 numbers in front of 96 are hours; behind them, hours or a quarter of the day."""
    dias = [cnmc(JUNIO[:1], range(1, 25)), cnmc(JUNIO[1:2], range(1, 97))]
    leido = leer_texto(tmp_path, CNMC + "".join(dias))
    assert leido.motivos == []
    assert hours_of(leido)[0] == 0.101
    assert hours_of(leido)[24] == pytest.approx((101 + 102 + 103 + 104) / 1000)
    leido = leer_texto(
        tmp_path, CNMC + cnmc(JUNIO[:1], range(1, 97)) + cnmc(JUNIO[1:2], range(1, 25))
    )
    assert days_with(leido) == {0}
    assert leido.rechazadas == [(linea, DUDOSO) for linea in range(98, 122)]
    assert all(CUPS in m and "2025-06-11" in m and "horas" in m for m in leido.motivos)


def test_half_a_day_of_quarters_is_not_a_day_of_halves(tmp_path: Path) -> None:
    """1 to 48 may be either; three such days are no accident, and behind 96 they are quarters."""
    leido = leer_texto(tmp_path, CNMC + cnmc(JUNIO[:1], range(1, 49)))
    assert not leido.horas
    assert motives(leido) == {DUDOSO}
    assert "medias horas o cuartos" in leido.motivos[0]
    leido = leer_texto(tmp_path, CNMC + cnmc(JUNIO, range(1, 49)))
    assert leido.motivos == []
    assert len(leido.horas) == 72
    # Also in a layout of which nobody has seen halves.
    medio = "".join(f"{CUPS};{JUNIO[1]};{n};0,1\n" for n in range(1, 49))
    assert not leer_texto(tmp_path, UFD + medio).horas
    entero = "".join(f"{CUPS};{JUNIO[0]};{n};0,1\n" for n in range(1, 97))
    leido = leer_texto(tmp_path, UFD + entero)
    assert hours_of(leido) == dict.fromkeys(range(24), 0.4)
    # Behind days of 96 they may be either again.
    assert days_with(leer_texto(tmp_path, UFD + entero + medio)) == {0}


@pytest.mark.parametrize("numeros", [range(8, 21), [5], range(1, 24), range(2, 24)])
def test_a_day_that_does_not_show_where_it_begins_is_refused(
    numeros: Sequence[int], tmp_path: Path
) -> None:
    """Hours 8 to 20, a single one, 1 to 23: from 0 or from 1 on, an hour lies between them."""
    leido = leer_texto(tmp_path, CNMC + cnmc(JUNIO[:1], list(numeros)))
    assert not leido.horas
    assert motives(leido) == {DUDOSO}
    assert all("desde 0 o desde 1" in m and "2025-06-10" in m for m in leido.motivos)


@pytest.mark.parametrize(("base", "primero"), [(0, 100), (1, 101)])
def test_a_first_and_a_last_day_that_are_cut_are_read(
    base: int, primero: int, tmp_path: Path
) -> None:
    """The customer's whole days tell how the others are numbered."""
    dias = [range(base + 8, base + 24), range(base, base + 24), range(base, base + 11)]
    leido = leer_texto(
        tmp_path, CNMC + "".join(cnmc([f], list(n)) for f, n in zip(JUNIO, dias, strict=True))
    )
    assert leido.motivos == []
    assert hours_of(leido) == {h: (h % 24 + primero) / 1000 for h in range(8, 59)}


def test_a_last_day_of_quarters_that_is_cut_is_read(tmp_path: Path) -> None:
    """Numbers 1 to 20 behind days of 96 are five hours, and 73 to 96 in front of them six."""
    leido = leer_texto(
        tmp_path,
        CNMC
        + cnmc(JUNIO[:1], range(73, 97))
        + cnmc(JUNIO[1:2], range(1, 97))
        + cnmc(JUNIO[2:], range(1, 21)),
    )
    assert leido.motivos == []
    assert sorted(hours_of(leido)) == list(range(18, 53))


def test_what_others_in_the_file_count_from_does_not_decide_against_a_customer(
    tmp_path: Path,
) -> None:
    """1 to 23 beside a customer of 0 to 23 is refused; beside customers of 1 to 24 it is cut."""
    leido = leer_texto(tmp_path, CNMC + cnmc(JUNIO, range(24)) + cnmc(JUNIO, range(1, 24), OTRO))
    assert leido.clientes == {CUPS}
    assert all(OTRO in motivo for motivo in leido.motivos)
    assert leido.rechazadas == [(linea, DUDOSO) for linea in range(74, 143)]
    leido = leer_texto(tmp_path, CNMC + cnmc(JUNIO, range(1, 25)) + cnmc(JUNIO, range(8, 21), OTRO))
    assert leido.motivos == []
    assert hours_of(leido, OTRO)[7] == 0.108


def test_a_day_that_is_cut_is_read_beside_customers_with_quarters(tmp_path: Path) -> None:
    """A whole day of hours tells what the customer's others are; without one nothing does."""
    cuartos = cnmc(JUNIO, range(1, 97), OTRO)
    leido = leer_texto(
        tmp_path, CNMC + cuartos + cnmc(JUNIO[:1], range(1, 25)) + cnmc(JUNIO[1:2], range(1, 15))
    )
    assert leido.motivos == []
    assert hours_of(leido) == {h: (h % 24 + 101) / 1000 for h in range(38)}
    # So do a day that is cut in front and the next one that is cut behind.
    unidos = cnmc(JUNIO[:1], range(5, 25)) + cnmc(JUNIO[1:2], range(1, 15))
    assert sorted(hours_of(leer_texto(tmp_path, CNMC + cuartos + unidos))) == list(range(4, 38))
    leido = leer_texto(tmp_path, CNMC + cuartos + cnmc(JUNIO[1:2], range(1, 15)))
    assert leido.clientes == {OTRO}
    assert len(leido.rechazadas) == 14


@st.composite
def mixed(dibujar: st.DrawFn) -> list[tuple[str, int, int, list[tuple[date, int, int]]]]:
    """Draw customers with their step, first number and days, of which the first and last are cut.

    A first day ends with the last number and a last one begins with the first: so files are cut.
    """
    clientes = []
    for k in range(dibujar(st.integers(1, 3))):
        paso, base = dibujar(st.sampled_from([60, 30, 15])), dibujar(st.integers(0, 1))
        n, cuantos = 1440 // paso, dibujar(st.integers(1, 4))
        primero = date(2025, 6, 1) + timedelta(days=dibujar(st.integers(0, 60)))
        dias = [[primero + timedelta(days=i), 0, n] for i in range(cuantos)]
        if cuantos > 1:
            dias[0][1] = dibujar(st.integers(0, n - 1))
            dias[-1][2] = dibujar(st.integers(1, n))
        clientes.append((f"ES0021{k:012}AA", paso, base, [tuple(d) for d in dias]))
    return clientes


@given(clientes=mixed())
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_numbers_of_any_mixture_never_give_a_wrong_hour(
    clientes: list[tuple[str, int, int, list[tuple[date, int, int]]]], tmp_path: Path
) -> None:
    """Customers of hours, halves and quarters, from 0 and from 1 on, whole and cut days."""
    filas, sumas, minutos = [], Counter[tuple[str, datetime]](), Counter[tuple[str, datetime]]()
    for cups, paso, base, dias in clientes:
        for dia, desde, hasta in dias:
            medianoche = datetime(dia.year, dia.month, dia.day, tzinfo=MADRID).astimezone(UTC)
            for i in range(desde, hasta):
                wh = 100 + len(filas) * 7 % 800
                filas.append(f"{cups};{dia:%d/%m/%Y};{i + base};0,{wh};R\n")
                hora = medianoche + timedelta(minutes=i * paso)
                sumas[cups, hora.replace(minute=0)] += wh
                minutos[cups, hora.replace(minute=0)] += paso
    leido = leer_texto(tmp_path, CNMC + "".join(filas))
    esperado = {hora: wh / 1000 for hora, wh in sumas.items() if minutos[hora] == 60}
    assert leido.horas == pytest.approx({h: esperado[h] for h in leido.horas})
    assert leido.motivos or set(leido.horas) == set(esperado)
    # Hours and quarters of which some day is whole are told.
    for cups, paso, _, dias in clientes:
        if paso != 30 and any(hasta - desde == 1440 // paso for _, desde, hasta in dias[:-1]):
            primero = datetime.combine(dias[0][0], datetime.min.time(), MADRID)
            ultimo = datetime.combine(dias[-1][0], datetime.min.time(), MADRID)
            suyas = {h for c, h in esperado if c == cups and primero <= h < ultimo}
            assert suyas <= {h for c, h in leido.horas if c == cups}


def test_a_customer_with_both_ways_of_counting_is_read_by_whole_days(tmp_path: Path) -> None:
    """Two downloads put together: whole days tell, the one that is cut does not."""
    leido = leer_texto(
        tmp_path,
        CNMC
        + cnmc(JUNIO[:1], range(1, 25))
        + cnmc(JUNIO[1:2], range(24))
        + cnmc(JUNIO[2:], range(3, 20)),
    )
    assert hours_of(leido) == {
        **{h: (h + 101) / 1000 for h in range(24)},
        **{h: (h - 24 + 100) / 1000 for h in range(24, 48)},
    }
    assert leido.rechazadas == [(linea, DUDOSO) for linea in range(50, 67)]


def test_a_day_with_the_numbers_0_and_24_is_refused(tmp_path: Path) -> None:
    """25 numbers on a day of 24 hours: one of them is something else."""
    leido = leer_texto(tmp_path, CNMC + cnmc(JUNIO[:1], range(25)))
    assert not leido.horas
    assert motives(leido) == {DUDOSO}


@pytest.mark.parametrize(
    "filas",
    [
        cnmc(JUNIO, [*range(1, 24), 0]),
        cnmc(JUNIO[:1], range(1, 24)) + cnmc(JUNIO[1:2], range(24)) + cnmc(JUNIO[2:], [0]),
    ],
    ids=["detrás", "al día siguiente"],
)
def test_a_zero_that_may_be_the_day_s_last_hour_is_refused(filas: str, tmp_path: Path) -> None:
    """1 to 23 and then 0, on the same day or on the next one: midnight, written as 0."""
    leido = leer_texto(tmp_path, CNMC + filas)
    assert not leido.horas
    assert all("si el 0 es el último del día" in motivo for motivo in leido.motivos)


def test_parts_of_a_zip_are_decided_together(tmp_path: Path) -> None:
    """A month that is cut is numbered as the customer's other months."""
    import io
    import zipfile

    memoria = io.BytesIO()
    with zipfile.ZipFile(memoria, "w") as archivo:
        archivo.writestr("a.csv", CNMC + cnmc(JUNIO[:1], range(8, 21)))
        archivo.writestr("b.csv", CNMC + cnmc(JUNIO[1:], range(24)))
    leido = leer_texto(tmp_path, memoria.getvalue())
    assert leido.motivos == []
    assert hours_of(leido)[8] == 0.108


# ---- A row a day


POR_DIAS = """
nombre = "Por días"
separador = ";"
decimal = ","
[tiempo]
forma = "dia_por_fila"
{marca}
[columnas]
id = "CUPS"
fecha = "Fecha"
[[valor]]
columna = {columna}
unidad = "kWh"
"""


def read_wide(
    carpeta: Path, titulos: Sequence[str], valores: Sequence[int], columna: str, marca: str = ""
) -> Leido:
    """Return what is read of one day, 10 June 2025; each value in Wh."""
    perfil = carpeta / "dias.toml"
    perfil.write_text(POR_DIAS.format(columna=f'"{columna}"', marca=marca))
    textos = [f"{wh / 1000:.3f}".replace(".", ",") for wh in valores]
    return leer_texto(
        carpeta,
        f"CUPS;Fecha;{';'.join(titulos)}\n{CUPS};10/06/2025;{';'.join(textos)}\n",
        perfil=perfil,
    )


def clock_names(paso: int, desde: int = 0) -> list[str]:
    return [f"{m // 60:02}:{m % 60:02}" for m in range(desde, desde + 1440, paso)]


@pytest.mark.parametrize(
    ("titulos", "columna", "marca"),
    [
        ([f"H{n}" for n in range(1, 25)], "H#", ""),
        ([f"H{n:02}" for n in range(24)], "H##", ""),
        ([f"Q{n}" for n in range(1, 97)], "Q#", ""),
        (clock_names(60), "#:#", ""),
        (clock_names(60), "#:#", 'marca = "inicio"'),
        (clock_names(30, 30), "#:#", ""),
        (clock_names(15, 15), "#:#", 'marca = "fin"'),
        ([*clock_names(60, 60)[:-1], "00:00"], "#:#", ""),
        ([f"{n}:00-{(n + 1) % 24}:00" for n in range(24)], "#:#-#:#", ""),
        ([f"V{n.replace(':', '')}" for n in clock_names(15)], "V#", ""),
    ],
    ids=[
        "H1",
        "H00",
        "Q1",
        "00:00",
        "principio",
        "00:30",
        "fin",
        "00:00 al final",
        "tramo",
        "V0015",
    ],
)
def test_columns_of_a_day_are_where_their_names_say(
    titulos: list[str], columna: str, marca: str, tmp_path: Path
) -> None:
    """In order, the other way round, or with one missing: each value is in its own hour."""
    valores = [100 + i for i in range(len(titulos))]
    por_hora = len(titulos) // 24
    esperado = {h: sum(valores[h * por_hora : (h + 1) * por_hora]) / 1000 for h in range(24)}
    leido = read_wide(tmp_path, titulos, valores, columna, marca)
    assert leido.motivos == []
    assert hours_of(leido) == pytest.approx(esperado)
    if titulos[-1] != "00:00":
        girado = read_wide(tmp_path, titulos[::-1], valores[::-1], columna, marca)
        assert hours_of(girado) == pytest.approx(esperado)
    del titulos[5], valores[5]
    sin_una = read_wide(tmp_path, titulos, valores, columna, marca)
    assert hours_of(sin_una) == pytest.approx(
        {h: k for h, k in esperado.items() if h != 5 // por_hora}
    )


@pytest.mark.parametrize(
    ("titulos", "columna", "marca", "dice"),
    [
        ([f"H{n}" for n in range(1, 24)], "H#", "", "no se sabe cuáles faltan"),
        ([f"H{n}" for n in [*range(1, 24), 5, 24]], "H#", "", "dos columnas"),
        (clock_names(60, 60)[:-1], "#:#", "", "son principios o fines"),
        ([*clock_names(60), "24:00"], "#:#", "", "son principios o fines"),
        (clock_names(60), "#:#", 'marca = "fin"', 'marca = "fin"'),
        (clock_names(60, 60), "#:#", 'marca = "inicio"', 'marca = "inicio"'),
        (["00:00-00:15", "00:15-01:00"], "#:#-#:#", "", "no se sabe de qué hora"),
        (["H1", "H1_61"], "H*", "", "no se sabe de qué hora"),
    ],
)
def test_columns_of_a_day_whose_names_contradict_are_refused(
    titulos: list[str], columna: str, marca: str, dice: str, tmp_path: Path
) -> None:
    """Which hour is missing, the same one twice, ends that are beginnings: said in one line."""
    leido = read_wide(tmp_path, titulos, [100] * len(titulos), columna, marca)
    assert leido.rechazado
    assert dice in leido.motivos[0]


# ---- Ends that look like beginnings

FIN = """
nombre = "Fines"
separador = ";"
decimal = ","
[tiempo]
forma = "instante"
marca = "fin"
pasos = [15, 60]
[columnas]
id = "id"
instante = "t"
[[valor]]
columna = "kWh"
unidad = "kWh"
"""
ESB = "MPRN,Meter Serial Number,Read Value,Read Type,Read Date and End Time\n"


def instants(desde: datetime, hasta: datetime, minutos: int, cliente: str = "X") -> str:
    cuantos = (hasta - desde) // timedelta(minutes=minutos) + 1
    momentos = (desde + timedelta(minutes=minutos * i) for i in range(cuantos))
    return "".join(f"{cliente};{t:%d/%m/%Y %H:%M};0,1\n" for t in momentos)


def read_ends(carpeta: Path, filas: str) -> Leido:
    perfil = carpeta / "fines.toml"
    perfil.write_text(FIN)
    return leer_texto(carpeta, "id;t;kWh\n" + filas, perfil=perfil)


@pytest.mark.parametrize("primera", [0, 5])
@pytest.mark.parametrize("minutos", [15, 60])
def test_ends_that_look_like_beginnings_are_refused(
    minutos: int, primera: int, tmp_path: Path
) -> None:
    """From 00:00 to the last interval before midnight, also where the first day begins later."""
    ultima = datetime(2025, 6, 13) - timedelta(minutes=minutos)
    leido = read_ends(tmp_path, instants(datetime(2025, 6, 10, primera), ultima, minutos))
    assert leido.rechazado
    assert 'marca = "inicio"' in leido.motivos[0]
    primer_fin = datetime(2025, 6, 10, primera) + timedelta(minutes=minutos)
    leido = read_ends(tmp_path, instants(primer_fin, datetime(2025, 6, 13), minutos))
    assert leido.motivos == []
    assert sorted(hours_of(leido, "X")) == list(range(primera, 72))


def test_half_hours_that_look_like_beginnings_are_refused(tmp_path: Path) -> None:
    """The newest first, as ESB writes them."""
    filas = [
        f"10099990001,1,0.1,Active Import Interval (kW),{dia}-06-2025 {m // 60:02}:{m % 60:02}\n"
        for dia in (10, 11)
        for m in range(0, 1440, 30)
    ]
    leido = leer_texto(tmp_path, ESB + "".join(reversed(filas)))
    assert leido.rechazado
    assert "fin del intervalo" in leido.motivos[0]


def test_hours_of_the_clock_from_0_to_23_behind_a_day_that_is_cut_are_refused(
    tmp_path: Path,
) -> None:
    """Datadis' hours are ends: 05:00 to 23:00, and 00:00 to 23:00, are not."""
    texto = datadis("2025/06/10", clock(range(5, 24))) + datadis("2025/06/11", clock(range(24)))
    assert leer_texto(tmp_path, DATADIS + texto).rechazado
    # A last hour that is missing is no proof where the first one is there.
    texto = datadis("2025/06/10", clock(range(1, 25))) + datadis("2025/06/11", clock(range(1, 24)))
    leido = leer_texto(tmp_path, DATADIS + texto)
    assert leido.motivos == []
    assert sorted(hours_of(leido)) == list(range(47))


def test_of_two_customers_only_the_one_that_proves_its_ends_is_read(tmp_path: Path) -> None:
    """One that looks like beginnings leaves a third, which proves nothing, in doubt too."""
    principio, fin = datetime(2025, 6, 10), datetime(2025, 6, 12)
    leido = read_ends(
        tmp_path,
        instants(principio, fin - timedelta(hours=1), 60, "malo")
        + instants(principio + timedelta(hours=1), fin, 60, "bueno")
        + instants(principio + timedelta(hours=3), principio + timedelta(hours=9), 60, "mudo"),
    )
    assert leido.clientes == {"bueno"}
    assert motives(leido) == {DUDOSO}
    assert len(leido.rechazadas) == 48 + 7


# ---- What a file says of its steps


def enedis(paso: int, minutos: int) -> str:
    inicio = datetime(2025, 6, 10)
    filas = "".join(
        f"{inicio + timedelta(minutes=minutos * i):%Y-%m-%dT%H:%M:%S}+02:00;1000\n"
        for i in range(1, 1440 // minutos + 1)
    )
    return (
        "Identifiant PRM;Type de donnees;Date de debut;Date de fin;Grandeur physique;"
        "Grandeur metier;Etape metier;Unite;Pas en minutes\n"
        "09999912345678;Courbe de charge;10/06/2025;11/06/2025;Energie active;Consommation;"
        f"Comptage Brut;W;{paso}\nHorodate;Valeur\n{filas}"
    )


def test_rows_further_apart_than_the_file_says_are_what_is_left_of_others(tmp_path: Path) -> None:
    """Enedis' «Pas en minutes» 30 and rows on the hour: half of each hour is missing."""
    leido = leer_texto(tmp_path, enedis(30, 60))
    assert not leido.horas
    assert motives(leido) == {MotivoArchivo.HORA_INCOMPLETA}
    assert "30 de 60 minutos, sin el de :00" in leido.motivos[0]
    assert len(leer_texto(tmp_path, enedis(60, 60)).horas) == 24
    assert len(leer_texto(tmp_path, enedis(30, 30)).horas) == 24


PGE = "Account Number,9990001112\n\nTYPE,DATE,START TIME,END TIME,IMPORT (kWh),COST,NOTES\n"
SDGE = "Meter Number,Date,Start Time,Duration,Consumption,Generation,Net\n"
FLUVIUS = (
    "Van (datum);Van (tijdstip);Tot (datum);Tot (tijdstip);EAN-code;Register;Volume;Eenheid;"
    "Validatiestatus\n"
)


def pge(dia: int, desde: str, hasta: str) -> str:
    return f"Electric usage,2025-06-{dia},{desde},{hasta},0.5,$0,\n"


def sdge(hora: int, minuto: int, duracion: int) -> str:
    mitad = "AM" if hora < 12 else "PM"
    return f"1,6/10/2025,{hora % 12 or 12}:{minuto:02} {mitad},{duracion},0.1,0,0.1\n"


def fluvius(hora: int, minuto: int, largo: int) -> str:
    fin = hora * 60 + minuto + largo
    return (
        f"10-06-2025;{hora:02}:{minuto:02}:00;10-06-2025;{fin // 60 % 24:02}:{fin % 60:02}:00;"
        "541449999900001234;Afname Dag;0,05;kWh;Uitgelezen\n"
    )


@pytest.mark.parametrize(
    ("texto", "horas", "motivo"),
    [
        (PGE + "".join(pge(10, f"{h:02}:00", f"{h:02}:59") for h in range(24)), 24, None),
        (PGE + "".join(pge(10, f"{h:02}:00", f"{h:02}:14") for h in range(24)), 0,
         MotivoArchivo.HORA_INCOMPLETA),
        (PGE + "".join(pge(d, "00:00", "23:59") for d in range(10, 30)), 0,
         MotivoArchivo.INTERVALO_NO_HORARIO),
        (SDGE + "".join(sdge(h, 0, 60) for h in range(24)), 24, None),
        (SDGE + "".join(sdge(h, 0, 15) for h in range(24)), 0, MotivoArchivo.HORA_INCOMPLETA),
        (SDGE + "".join(sdge(h, m, 60) for h in range(24) for m in (0, 15, 30, 45)), 0,
         MotivoArchivo.INTERVALO_NO_HORARIO),
        (SDGE + sdge(0, 0, 1440), 0, MotivoArchivo.INTERVALO_NO_HORARIO),
        (SDGE + sdge(0, 0, 60).replace(",60,", ",una,"), 0, Motivo.TIEMPO_ILEGIBLE),
        (FLUVIUS + "".join(fluvius(h, 0, 60) for h in range(24)), 24, None),
        (FLUVIUS + "".join(fluvius(h, 0, 15) for h in range(24)), 0,
         MotivoArchivo.HORA_INCOMPLETA),
    ],
    ids=["PG&E", "PG&E de 15", "PG&E diario", "SDG&E", "SDG&E de 15", "SDG&E que se pisan",
         "SDG&E diario", "SDG&E sin duración", "Fluvius", "Fluvius de 15"],
)  # fmt: skip
def test_how_long_a_row_says_that_it_is_counts(
    texto: str, horas: int, motivo: str | None, tmp_path: Path
) -> None:
    """A quarter on the hour is no hour, a day is none either, and what overlaps is refused."""
    leido = leer_texto(tmp_path, texto)
    assert len(leido.horas) == horas
    assert motives(leido) == ({motivo} if motivo else set())


@pytest.mark.parametrize(
    "texto",
    [
        "propietario_id,timestamp,consumo_kwh\n"
        + "".join(f"C,2025-06-{d:02}T00:00:00Z,12.5\n" for d in range(1, 30)),
        "propietario_id,timestamp,consumo_kwh\nC,2025-06-10T00:00Z,12\nC,2025-06-11T00:00Z,13\n",
        CNMC + cnmc([f"{d:02}/06/2025" for d in range(1, 30)], [1]),
        DATADIS + "".join(datadis(f"2025/06/{d:02}", ["24:00"]) for d in range(1, 30)),
        "propietario_id,timestamp,consumo_kwh\n"
        + "".join(f"C,2025-06-{d:02}T{h:02}:00:00Z,3\n" for d in (1, 2) for h in (0, 8, 16)),
        "propietario_id,timestamp,consumo_kwh\n"
        + "".join(f"C,2025-{m:02}-01T00:00:00,300\n" for m in range(2, 7)),
        f"CUPS,{CUPS}\nFecha,Hora,Consumo (Wh)\n10/06/2025,00:00-24:00,9000\n",
    ],
    ids=["tabla", "dos días", "CNMC", "Datadis", "cada 8 horas", "meses", "Endesa"],
)
def test_totals_of_a_day_are_no_hours(texto: str, tmp_path: Path) -> None:
    """One row a day, or three, is never sent as an hour."""
    leido = leer_texto(tmp_path, texto)
    assert not leido.horas
    assert motives(leido) == {MotivoArchivo.INTERVALO_NO_HORARIO}


def test_hours_that_are_there_on_some_days_only_are_read(tmp_path: Path) -> None:
    """Two hours a day, at the same times, are no totals."""
    filas = "".join(f"C,2025-06-{d}T{h}:00:00Z,1\n" for d in (10, 11, 12) for h in (10, 11))
    leido = leer_texto(tmp_path, "propietario_id,timestamp,consumo_kwh\n" + filas)
    assert leido.motivos == []
    assert len(leido.horas) == 6


def test_more_values_than_their_time_can_hold_are_refused(tmp_path: Path) -> None:
    """A message of two hours with twelve quarters: none of them is certain."""

    def message(cuantos: int) -> str:
        valores = "".join(
            f"<r:Observation><r:Position><r:Sequence>{n}</r:Sequence></r:Position>"
            "<r:Volume>0.1</r:Volume></r:Observation>\n"
            for n in range(1, cuantos + 1)
        )
        return (
            '<r:ValidatedMeteredData_16 xmlns:r="http://www.strom.ch"><r:MeteringData><r:Interval>'
            "<r:StartDateTime>2025-06-09T22:00:00Z</r:StartDateTime>"
            "<r:EndDateTime>2025-06-10T00:00:00Z</r:EndDateTime></r:Interval><r:Resolution>"
            "<r:Resolution>15</r:Resolution><r:Unit>MIN</r:Unit></r:Resolution>"
            "<r:ConsumptionMeteringPoint><r:VSENationalID>CH99</r:VSENationalID>"
            "</r:ConsumptionMeteringPoint><r:Product><r:MeasureUnit>KWH</r:MeasureUnit></r:Product>"
            f"\n{valores}</r:MeteringData></r:ValidatedMeteredData_16>"
        )

    assert len(leer_texto(tmp_path, message(8)).horas) == 2
    leido = leer_texto(tmp_path, message(12))
    assert not leido.horas
    assert leido.rechazadas == [(2, DUDOSO)]
    assert "caben 8 valores" in leido.motivos[0]


def test_a_few_days_of_hours_in_front_of_quarters_are_not_certain(tmp_path: Path) -> None:
    """One day with rows on the hour may have lost the others; seven such days have not."""
    cuartos = [f"{m // 60:02}:{m % 60:02}" for m in range(15, 1441, 15)]

    def read(dias: int) -> Leido:
        texto = "".join(datadis(f"2025/06/{d:02}", clock(range(1, 25))) for d in range(1, dias + 1))
        return leer_texto(tmp_path, DATADIS + texto + datadis("2025/06/10", cuartos))

    leido = read(1)
    assert len(leido.horas) == 24
    assert leido.rechazadas == [(linea, DUDOSO) for linea in range(2, 26)]
    leido = read(7)
    assert leido.motivos == []
    assert len(leido.horas) == 24 * 8


# ---- Changes of the clock

MARZO, OCTUBRE = "2025/03/30", "2025/10/26"
RELOJ_DE_OCTUBRE = clock([1, 2, 3, *range(3, 25)])


def test_a_march_that_may_have_a_ghost_and_no_last_hour_is_refused(tmp_path: Path) -> None:
    """1 to 23 with a zero for the hour 3: a day by the clock without its 24, or one that runs."""

    def read(tercera: str, otros: str) -> Leido:
        filas = "".join(
            f"{CUPS};30/03/2025;{n};{tercera if n == 3 else '0,5'};R\n" for n in range(1, 24)
        )
        return leer_texto(tmp_path, CNMC + filas + otros)

    leido = read("0,000", "")
    assert not leido.horas
    assert motives(leido) == {MotivoArchivo.DIA_CONTRADICE_CALENDARIO}
    assert "a cero" in leido.motivos[0]
    assert len(read("0,100", "").horas) == 23
    # Of a house with hours of nothing it is an hour like others.
    otros = "".join(f"{CUPS};31/03/2025;{n};0,000;R\n" for n in range(1, 25))
    assert len(read("0,000", otros).horas) == 47


def test_a_ghost_hour_without_a_value_is_left_out(tmp_path: Path) -> None:
    """24 rows in March, the third one empty: 23 hours, and the row is told."""
    filas = "".join(f"{CUPS};30/03/2025;{n};{'' if n == 3 else '0,5'};R\n" for n in range(1, 25))
    leido = leer_texto(tmp_path, CNMC + filas)
    assert len(leido.horas) == 23
    assert {linea for linea, _ in leido.rechazadas} == {4}


def test_a_correction_beside_its_row_is_no_second_hour(tmp_path: Path) -> None:
    """24 rows by the clock, estimated, and a real 03:00 beside the estimated one."""
    estimadas = datadis(OCTUBRE, clock(range(1, 25)), "Estimada").splitlines(keepends=True)
    real = datadis(OCTUBRE, ["03:00"], "Real", 777)
    for filas in ([*estimadas[:3], real, *estimadas[3:]], [*estimadas, real]):
        leido = leer_texto(tmp_path, DATADIS + "".join(filas))
        assert not leido.horas
        assert motives(leido) == {MotivoArchivo.DIA_CONTRADICE_CALENDARIO}
        assert "una y su corrección" in leido.motivos[0]


def test_two_rows_of_october_alone_are_not_certain(tmp_path: Path) -> None:
    """Without the rest of the day, two rows at 03:00 may be one hour and another value of it."""
    leido = leer_texto(tmp_path, DATADIS + datadis(OCTUBRE, ["03:00", "03:00"]))
    assert not leido.horas
    assert "falta el resto del día" in leido.motivos[0]


def test_rows_that_all_come_twice_are_no_second_hour(tmp_path: Path) -> None:
    """24 hours, each row doubled: the two at 03:00 are one."""
    filas = datadis(OCTUBRE, clock(range(1, 25))).splitlines(keepends=True)
    leido = leer_texto(tmp_path, DATADIS + "".join(fila * 2 for fila in filas))
    assert not leido.horas


@pytest.mark.parametrize("real_delante", [False, True])
def test_the_better_method_wins_on_the_day_of_25_hours_too(
    real_delante: bool, tmp_path: Path
) -> None:
    """The whole day twice, estimated and real: the real one, both hours 2 among it."""
    partes = [
        datadis(OCTUBRE, RELOJ_DE_OCTUBRE, "Estimada", 500),
        datadis(OCTUBRE, RELOJ_DE_OCTUBRE, "Real", 100),
    ]
    leido = leer_texto(tmp_path, DATADIS + "".join(partes[::-1] if real_delante else partes))
    assert leido.motivos == []
    assert [kwh for *_, kwh, _ in leido.filas] == [(100 + i) / 1000 for i in range(25)]
    assert {metodo for *_, metodo in leido.filas} == {"real"}


def test_the_day_of_25_hours_in_two_downloads_is_one_day(tmp_path: Path) -> None:
    """The same rows twice, one file behind the other."""
    leido = leer_texto(tmp_path, DATADIS + datadis(OCTUBRE, RELOJ_DE_OCTUBRE) * 2)
    assert leido.motivos == []
    assert len(leido.horas) == 25


# ---- Workbooks


def test_midnight_is_a_time_in_a_workbook_too(tmp_path: Path) -> None:
    """A cell that is a day's midnight, and an hour that is a whole day: the 24th hour."""
    serie = (date(2025, 6, 10) - date(1899, 12, 30)).days
    por_instantes = excel_dates(
        ["CUPS", "FECHA-HORA", "INV / VER", "CONSUMO Wh", "GENERACION Wh"],
        [[CUPS, ("fecha y hora", serie + h / 24), 1, 200 + h, 0] for h in range(1, 25)],
    )
    por_horas = excel_dates(
        ["cups", "fecha", "hora", "consumo_kWh", "metodoObtencion"],
        [[CUPS, ("fecha", serie), ("hora", h / 24), 0.2 + h / 1000, "Real"] for h in range(1, 25)],
    )
    for contenido in (por_instantes, por_horas):
        leido = leer_texto(tmp_path, contenido, "libro.xlsx")
        assert leido.motivos == []
        assert hours_of(leido) == pytest.approx({h: (201 + h) / 1000 for h in range(24)})


def excel_dates(cabecera: list[str], filas: list[list[object]]) -> bytes:
    """Return a workbook in which a pair (kind, serial) is a cell with a date's format."""
    import io
    import zipfile

    formatos = {"fecha": 14, "hora": 20, "fecha y hora": 22}
    marca = "@@"
    planas = [
        [f"{marca}{v[0]}{marca}{v[1]}{marca}" if isinstance(v, tuple) else v for v in fila]
        for fila in filas
    ]
    with zipfile.ZipFile(io.BytesIO(workbook([list(cabecera), *planas]))) as antes:
        partes = {nombre: antes.read(nombre).decode() for nombre in antes.namelist()}
    hoja = partes["xl/worksheets/sheet1.xml"]
    for k, clase in enumerate(formatos, 1):
        hoja = hoja.replace(f'<c t="inlineStr"><is><t>{marca}{clase}{marca}', f'<c s="{k}"><v>')
    partes["xl/worksheets/sheet1.xml"] = hoja.replace(f"{marca}</t></is></c>", "</v></c>")
    espacio = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    estilos = "".join(f'<xf numFmtId="{n}" applyNumberFormat="1"/>' for n in formatos.values())
    partes["xl/styles.xml"] = (
        f'<styleSheet xmlns="{espacio}"><fonts count="1"><font/></fonts><fills count="1"><fill/>'
        '</fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
        f'<cellXfs count="{len(formatos) + 1}"><xf numFmtId="0"/>{estilos}</cellXfs></styleSheet>'
    )
    relacion = (
        '<Relationship Id="s" Target="styles.xml" Type="http://schemas.openxmlformats.org/'
        'officeDocument/2006/relationships/styles"/></Relationships>'
    )
    sitio = "xl/_rels/workbook.xml.rels"
    partes[sitio] = partes[sitio].replace("</Relationships>", relacion)
    memoria = io.BytesIO()
    with zipfile.ZipFile(memoria, "w") as libro:
        for nombre, texto in partes.items():
            libro.writestr(nombre, texto)
    return memoria.getvalue()


def test_a_profile_whose_lengths_cannot_be_says_so(tmp_path: Path) -> None:
    """An end beside numbers, minutes beside an instant: a wrong profile, said in one line."""
    perfil = tmp_path / "mal.toml"
    con_fin = 'fecha = "t"\nhora = "h"\nfin = "f"'
    for antes, ahora, dice in (
        ('instante = "t"', 'instante = "t"\nduracion = "d"', "columnas.duracion"),
        ('"instante"\n', '"fecha_y_hora"\n', "columnas.fecha"),
        ('instante = "t"', con_fin, "columnas.instante"),
        ("pasos =", "paso_encima = true\npasos =", "tiempo.paso_encima"),
    ):
        perfil.write_text(FIN.replace(antes, ahora))
        leido = leer(perfil, perfil=perfil)
        assert leido.rechazado
        assert dice in leido.motivos[0]
