"""How a file numbers its intervals: step and first number, or the names of a day's columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from apoyo_tiempos import (
    CNMC,
    DUDOSO,
    JUNIO,
    OTRO,
    UFD,
    cnmc,
    days_with,
    hours_of,
    motives,
)
from disposiciones import CUPS, MADRID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lector_archivos import Leido, leer_texto

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


def test_a_clock_s_midnight_is_no_number(tmp_path: Path) -> None:
    """01:00 to 24:00 are 1 to 24; 00:00 to 23:00 may be beginnings or ends."""
    for desde in (0, 1):
        filas = cnmc(JUNIO, range(desde, desde + 24))
        for n in range(25):
            filas = filas.replace(f";{n};", f";{n:02}:00;")
        leido = leer_texto(tmp_path, CNMC + filas)
        assert len(leido.horas) == 72 * desde
        assert leido.rechazado == (not desde)


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
