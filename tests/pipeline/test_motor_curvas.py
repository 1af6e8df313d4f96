"""The parts of the reader of meter files that a file alone does not show."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pytest

from pipeline.ingest.files.interval_store import FILA, Filas, IntervalStore
from pipeline.ingest.files.local_days import CORRIDA, RELOJ, RELOJ_DEL_FIN, load_day, place_day
from pipeline.ingest.files.moments import EPOCA
from pipeline.ingest.files.number_marks import Marcas, NumberReader
from pipeline.ingest.files.steps import CustomerSteps, Pasos, measure

MADRID = ZoneInfo("Europe/Madrid")


def rows(cuantas: int, clientes: int) -> Filas:
    """Return hours of some customers in turn, from the beginning of 2025 on."""
    filas = np.zeros(cuantas, FILA)
    filas["momento"] = 1_735_689_600 + np.arange(cuantas) // clientes * 3600
    filas["cliente"] = np.arange(cuantas) % clientes
    filas["linea"] = np.arange(cuantas)
    filas["segundos"], filas["exacto"] = 3600, True
    return filas


@pytest.mark.parametrize(("en_memoria", "partes"), [(10_000, 1), (4_000, 3), (500, 13)])
def test_a_long_file_waits_on_disk_by_months(en_memoria: int, partes: int) -> None:
    """Every row comes back once, and no customer's day is in two parts."""
    todas = rows(6_000, 5)
    with IntervalStore(en_memoria) as guardadas:
        for i in range(0, 6_000, 1_000):
            guardadas.add(todas[i : i + 1_000])
        dadas = list(guardadas.parts())
    assert len(dadas) == partes
    assert dadas[-1][1] == 1.0
    assert np.array_equal(np.sort(np.concatenate([f["linea"] for f, _ in dadas])), todas["linea"])
    dias = [{(c, m // 86_400) for c, m in zip(f["cliente"].tolist(), f["momento"].tolist(),
                                              strict=True)} for f, _ in dadas]  # fmt: skip
    assert sum(map(len, dias)) == len(set().union(*dias))


@pytest.mark.parametrize(
    ("vistos", "decimal", "leidos"),
    [
        (["0,5"], "", {"1,234": 1.234, "1.234": None, "2": 2.0}),
        (["0.5"], "", {"1.234": 1.234, "1,234": None}),
        (["1.012,25"], "", {"1.234": 1234.0, "0,5": 0.5, "0.5": None}),
        (["1,012.25"], "", {"1,234": 1234.0, "1.234": 1.234}),
        (["1.234.567"], "", {"1.234": 1234.0, "1,234": 1.234}),
        (["7"], ",", {"1,234": 1.234, "1.234": None}),
        (["7"], "", {"1,234": None, "1.234": None, "1e-3": 0.001}),
        (["0,5", "0.5"], ",", {"1,234": None, "1.234": None, "2,5": 2.5, "2.5": 2.5}),
    ],
)
def test_what_a_number_means_is_proved_by_the_others(
    vistos: list[str], decimal: str, leidos: dict[str, float | None]
) -> None:
    """A mark that may be either is read by proof, by the layout, or not at all."""
    marcas = Marcas()
    marcas.see(vistos)
    lector = NumberReader(marcas, decimal)
    for texto, valor in leidos.items():
        leido = lector.read(texto)
        assert (leido if isinstance(leido, float) else None) == valor, texto


MARZO, OCTUBRE = (load_day(d - EPOCA, MADRID) for d in (739_340, 739_550))  # 2025-03-30, 2025-10-26
RELOJES = (CORRIDA, RELOJ, RELOJ_DEL_FIN)


@pytest.mark.parametrize(
    ("octubre", "numeros", "forma"),
    [
        (False, [*range(1, 24)], CORRIDA),
        (False, [1, 2, *range(4, 25)], RELOJ),
        (False, [1, *range(3, 25)], RELOJ_DEL_FIN),
        (False, [1, 2, *range(4, 24)], None),
        (True, [*range(1, 26)], CORRIDA),
        (True, [1, 2, 3, *range(3, 25)], RELOJ),
        (True, [1, 2, *range(2, 25)], RELOJ_DEL_FIN),
        (True, [*range(1, 25)], None),
        (True, [3, 1, 2, *range(3, 25)], None),
    ],
)
def test_how_a_day_of_the_change_is_numbered(
    octubre: bool, numeros: list[int], forma: str | None
) -> None:
    """The day itself shows it, or is refused whole."""
    dia = OCTUBRE if octubre else MARZO
    minutos = [(n - 1) * 60 for n in numeros]
    valores = [float(i + 1) for i in range(len(numeros))]
    colocacion = place_day(dia, minutos, valores, 60, RELOJES)
    if forma is None:
        assert colocacion.motivo
    else:
        assert colocacion.forma == forma
        assert colocacion.minutos == [i * 60 for i in range(dia.minutos // 60)]


def steps_of(minutos: list[list[int]], pasos: tuple[int, ...] = (15, 60)) -> list[list[int]]:
    """Return the steps that are measured on days of one customer."""
    dias = np.repeat(np.arange(len(minutos)), [len(m) for m in minutos])
    todos = np.concatenate([np.array(m, np.int64) for m in minutos])
    medidos = measure(
        np.zeros(todos.size, np.int64), dias, todos, Pasos(pasos, 0, 15), CustomerSteps()
    )
    return [sorted(set(medidos[dias == d].tolist())) for d in range(len(minutos))]


def test_a_step_is_measured_and_does_not_grow_back() -> None:
    """Hours that become quarters are both; hours behind quarters are quarters that lost rows."""
    horas, cuartos = [h * 60 for h in range(24)], [q * 15 for q in range(96)]
    assert steps_of([horas, cuartos]) == [[60], [15]]
    assert steps_of([cuartos, horas]) == [[15], [15]]
    assert steps_of([[60]]) == [[0]]
    assert steps_of([[60, 120]]) == [[15]]
