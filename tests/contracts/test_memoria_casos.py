"""One contract, every adapter: what the case clock remembers is stored with its batch."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from contracts.fakes import filas_de, hacer_lote
from contracts.memorias import HOY, MES, estado, memoria, valores
from contracts.sondas import Historial

from detection.cases.records import CaseMemory, DayPages
from detection.domain import hora_absoluta
from detection.memory.day_memory import NO_DAY

H = hora_absoluta(datetime(2050, 1, 15, 2, tzinfo=UTC))
NADA = hacer_lote([])
RAROS = ["ñandú", "Z", "a'b\\", 'x","y{},\\"', "NULL", "日本"]


def guardar(historial: Historial, suya: CaseMemory) -> None:
    historial.store.save(*NADA, (), suya)


def test_vuelve_como_se_guardo(historial: Historial) -> None:
    """States and pages come back byte by byte, in the order asked for, with days that are none."""
    estados = {cliente: estado(HOY - i, HOY - 200) for i, cliente in enumerate(RAROS)}
    inocente = HOY - 40, HOY - 30, HOY - 2, 5
    estados["Z"] = estado(HOY, HOY - 200, HOY - 3, HOY - 60, HOY - 50, inocente)
    meses = [(cliente, MES - k) for k in (0, 2, 1) for cliente in RAROS]
    suya = memoria(estados, meses)
    guardar(historial, suya)
    dichos, paginas = valores(suya)
    assert historial.store.load_case_memory([]).estados.propietario_id == []
    pedidos = [*RAROS[::-1], "nadie"]
    hay = valores(historial.store.load_case_memory(pedidos))
    assert hay[0] == dichos[::-1]
    assert hay[1] == sorted(paginas, key=lambda p: (pedidos.index(str(p[0])), p[1]))
    hay = valores(historial.store.load_case_memory(["Z"]))
    assert hay == ([dichos[1]], sorted(p for p in paginas if p[0] == "Z"))


def test_dos_veces_es_una(historial: Historial) -> None:
    """The same memory again changes nothing, and a page that is not in a batch stays."""
    suya = memoria({"A": estado()}, [("A", MES - 1), ("A", MES)])
    for _ in range(2):
        guardar(historial, suya)
    guardar(historial, memoria({"A": estado(HOY + 1)}, [("A", MES)], 1))
    estados, paginas = valores(historial.store.load_case_memory(["A"]))
    assert estados[0][1] == estado(HOY + 1)
    nueva = memoria({"A": estado()}, [("A", MES)], 1)
    assert paginas == [valores(suya)[1][0], valores(nueva)[1][0]]


def test_solo_vienen_los_meses_que_se_recuerdan(historial: Historial) -> None:
    """From the month of the oldest day in memory on: what lies before it is not looked at."""
    meses = [("A", MES - k) for k in range(20)]
    guardar(historial, memoria({"A": estado(HOY, HOY - 396)}, meses))
    hay = historial.store.load_case_memory(["A"]).paginas.mes.tolist()
    assert hay == list(range(MES - 13, MES + 1))
    guardar(historial, memoria({"A": estado(HOY + 5, HOY - 391)}))
    hay = historial.store.load_case_memory(["A"]).paginas.mes.tolist()
    assert hay == list(range(MES - 12, MES + 1))


def test_la_memoria_no_vuelve_atras(historial: Historial) -> None:
    """Who has lost a customer without knowing it leaves it as it is, with its pages; others not."""
    guardar(historial, memoria({"A": estado(), "B": estado()}, [("A", MES), ("B", MES)]))
    antes = valores(historial.store.load_case_memory(["A"]))
    tarde = memoria({"B": estado(HOY), "A": estado(HOY - 1)}, [("A", MES), ("B", MES)], 1)
    guardar(historial, tarde)
    assert valores(historial.store.load_case_memory(["A"])) == antes
    estados, paginas = valores(tarde)
    assert valores(historial.store.load_case_memory(["B"])) == (estados[:1], paginas[1:])


@pytest.mark.parametrize(
    ("guardado", "llega", "queda"),
    [
        (NO_DAY, HOY - 3, HOY - 3),
        (HOY - 3, HOY - 5, HOY - 5),
        (HOY - 5, HOY - 3, HOY - 5),
        (HOY - 5, NO_DAY, HOY - 5),
        (NO_DAY, NO_DAY, NO_DAY),
    ],
)
def test_una_correccion_pendiente_no_se_pierde(
    historial: Historial, guardado: int, llega: int, queda: int
) -> None:
    """On the same day the earliest changed day stays to be judged; the next day judges it."""
    guardar(historial, memoria({"A": estado(sucio=guardado)}))
    guardar(historial, memoria({"A": estado(sucio=llega, inicio=HOY - 9, apertura=HOY - 2)}))
    hay = historial.store.load_case_memory(["A"]).estados.dias
    assert hay.tolist() == [estado(sucio=queda, inicio=HOY - 9, apertura=HOY - 2)]
    guardar(historial, memoria({"A": estado(HOY + 1)}))
    assert historial.store.load_case_memory(["A"]).estados.dias.tolist() == [estado(HOY + 1)]


@pytest.mark.parametrize("lote", ["nuevo", "repetido", "vacío"])
def test_va_con_cualquier_lote(historial: Historial, lote: str) -> None:
    """New, seen before or empty: what a batch has changed is stored with it."""
    batch = hacer_lote([("A", H)] if lote != "vacío" else [])
    if lote == "repetido":
        historial.store.save(*batch)
    suya = memoria({"A": estado()}, [("A", MES)])
    historial.store.save(*batch, memoria=suya)
    assert valores(historial.store.load_case_memory(["A"])) == valores(suya)
    assert historial.filas() == filas_de(*batch)


@pytest.mark.parametrize("mezcla", [False, True], ids=["copia", "mezcla"])
def test_un_lote_y_su_memoria_van_juntos(historial: Historial, mezcla: bool) -> None:
    """If the batch cannot be stored, nothing of what it would have changed is remembered."""
    for _ in range(1 + mezcla):
        historial.store.save(*hacer_lote([("A", H)]))
    lote = hacer_lote([("A", H), ("B", H)], [9.0, -1.0])
    with pytest.raises(historial.imposible):
        historial.store.save(*lote, memoria=memoria({"A": estado()}, [("A", MES)]))
    assert historial.store.load_case_memory(["A"]).estados.propietario_id == []
    assert historial.filas() == filas_de(*hacer_lote([("A", H)]))


def test_de_miles_de_clientes_a_la_vez(historial: Historial) -> None:
    """At midnight all of them close a day: one call stores and one gives all of it."""
    clientes = [f"C{i:05d}" for i in np.random.default_rng(3).permutation(3_000)]
    suya = memoria(
        {cliente: estado(HOY + i % 3) for i, cliente in enumerate(clientes)},
        [(cliente, MES - i % 2) for i, cliente in enumerate(clientes)],
    )
    guardar(historial, suya)
    assert valores(historial.store.load_case_memory(clientes)) == valores(suya)
    guardar(historial, CaseMemory(suya.estados, DayPages.empty()))
    assert valores(historial.store.load_case_memory(clientes)) == valores(suya)
