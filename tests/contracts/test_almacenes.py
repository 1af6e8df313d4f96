"""One contract, every adapter: what the consumer may rely on, in memory and on the real servers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

import numpy as np
import pytest
from contracts.fakes import Anomalia, explicar, filas_de, hacer_lote
from contracts.sondas import Anomalias, Historial
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from detection.domain import Historia, hora_absoluta

# Far ahead: MongoDB itself forgets hours of the past, whenever it comes round to it.
H = hora_absoluta(datetime(2050, 1, 15, 2, tzinfo=UTC))
# 02:00 summer time and, an hour later, 02:00 winter time in Madrid.
OCTUBRE = hora_absoluta(datetime(2026, 10, 25, 0, tzinfo=UTC))
OCTUBRE_LEJANO = hora_absoluta(datetime(2050, 10, 30, 0, tzinfo=UTC))
RAROS = ["'; DROP TABLE consumos_diarios--", "%s", "{}", "\\", "ñ€😀", "a\tb\nc", "$where", " "]
_NUMERO = count()


def _no(n: int) -> np.ndarray:
    return np.zeros(n, np.bool_)


def _lote_variado() -> tuple:
    claves = [("CLI_00002", H), ("CLI_00001", H + 1), ("CLI_00001", H), ("CLI_00003", H)]
    return hacer_lote(
        claves,
        [1.234, 0.0, 5.0, 123.45678901234567],
        score=[0, 55, 100, 83],
        severidad=[0, 1, 4, 3],
        tipos=[0, 0b00000001, 0b11111111, 0b00101000],
        sospechoso=[False, False, True, True],
        esperado=[np.nan, 1.1, 0.0, 3.3333333],
    )


# ---- History ----


def test_guarda_cada_columna_tal_como_es(historial: Historial) -> None:
    """What was saved is what is there, in every column."""
    lecturas, veredictos = _lote_variado()
    assert historial.store.save(lecturas, veredictos).repetida.tolist() == [False] * 4
    assert historial.filas() == filas_de(lecturas, veredictos)


def test_dos_veces_es_una(historial: Historial) -> None:
    """Saving a batch again leaves the same rows, and says that all were there."""
    lote = _lote_variado()
    historial.store.save(*lote)
    antes = historial.filas()
    for _ in range(3):
        assert historial.store.save(*lote).repetida.all()
        assert historial.filas() == antes


def test_una_correccion_reemplaza(historial: Historial) -> None:
    """The same identity with another kWh and verdict replaces the row."""
    historial.store.save(*hacer_lote([("A", H), ("B", H)], [1.0, 2.0]))
    corregida = hacer_lote([("A", H)], [9.5], score=[70], severidad=[2], tipos=[2], version="v2")
    assert historial.store.save(*corregida).repetida.tolist() == [True]
    filas = historial.filas()
    assert filas["A", H] == filas_de(*corregida)["A", H]
    assert filas["B", H].consumo_kwh == 2.0


def test_dice_cuales_estaban_en_cualquier_orden(historial: Historial) -> None:
    """The mask is in the batch's order, after any sequence of new, old and mixed batches."""
    guardadas: set = set()
    azar = np.random.default_rng(7)
    for tanda in range(12):
        claves = [(f"C{azar.integers(6)}", H + int(azar.integers(40))) for _ in range(30)]
        if tanda in {3, 4, 9}:  # whole batches of new readings between the others
            claves = [(f"N{tanda}", H + i) for i in range(10)]
        claves = list(dict.fromkeys(claves))
        repetida = historial.store.save(*hacer_lote(claves)).repetida
        assert repetida.tolist() == [clave in guardadas for clave in claves]
        guardadas |= set(claves)
    assert historial.filas().keys() == guardadas


def test_un_lote_vacio_no_hace_nada(historial: Historial) -> None:
    """An empty batch is no error."""
    assert historial.store.save(*hacer_lote([])).repetida.tolist() == []
    assert historial.filas() == {}


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.one_of(
            st.floats(0, allow_infinity=False),
            st.floats(0, 10_000),
            st.floats(0, 10_000, width=32),
            st.integers(0, 10**7).map(lambda n: n / 1000),
            st.integers(0, 10**15).map(lambda n: n / 1e8),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_los_kwh_vuelven_identicos(historial: Historial, kwh: list[float]) -> None:
    """Any finite double comes back as the same double, through both ways of writing."""
    cliente = f"K{next(_NUMERO)}"
    claves = [(cliente, H + i) for i in range(len(kwh))]
    lote = hacer_lote(claves, kwh)
    for _ in range(2):
        historial.store.save(*lote)
        filas = historial.filas()
        assert [filas[clave].consumo_kwh for clave in claves] == kwh


def test_las_dos_horas_2_de_octubre_sobreviven(historial: Historial) -> None:
    """The 25-hour day has two readings with local hour 2, and both are kept."""
    lote = hacer_lote([("A", OCTUBRE), ("A", OCTUBRE + 1)], [0.2, 0.3], desfase=[2, 1])
    assert not historial.store.save(*lote).repetida.any()
    filas = historial.filas()
    assert [filas["A", OCTUBRE + i].hora_local % 24 for i in (0, 1)] == [2, 2]
    assert [filas["A", OCTUBRE + i].consumo_kwh for i in (0, 1)] == [0.2, 0.3]


def test_un_cliente_es_solo_un_texto(historial: Historial) -> None:
    """Quotes, SQL, emoji and blanks in a customer are a customer."""
    lote = hacer_lote([(cliente[:20], H) for cliente in RAROS])
    historial.store.save(*lote)
    assert historial.store.save(*lote).repetida.all()
    assert historial.filas() == filas_de(*lote)
    historia = historial.store.load_latest(lote[0].propietario_id, 24)
    assert historia.indice.tolist() == list(range(len(RAROS)))


def test_de_clientes_desconocidos_no_hay_nada(historial: Historial) -> None:
    """Unknown customers have no rows, asked for alone or among others; nobody asks for nobody."""
    historial.store.save(*hacer_lote([("A", H)]))
    assert len(historial.store.load_latest(["X", "Y"], 672)) == 0
    assert len(historial.store.load_before(["X"], np.array([H + 1]), 672)) == 0
    assert len(historial.store.load_latest([], 672)) == 0
    assert historial.store.load_latest(["X", "A"], 672).indice.tolist() == [1]


def _comparar(historia: Historia, esperadas: list[tuple[int, str, int]], lote: tuple) -> None:
    """Check rows given as (index asked for, customer, hour) against the batch that was saved."""
    lecturas, veredictos = lote
    donde = {
        clave: i
        for i, clave in enumerate(
            zip(lecturas.propietario_id, lecturas.hora_utc.tolist(), strict=True)
        )
    }
    i = np.array([donde[cliente, hora] for _, cliente, hora in esperadas], np.int64)
    assert_array_equal(historia.indice, [indice for indice, _, _ in esperadas])
    assert_array_equal(historia.hora_utc, lecturas.hora_utc[i])
    assert_array_equal(historia.consumo_kwh, lecturas.consumo_kwh.astype(np.float32)[i])
    assert_array_equal(historia.score_centesimas, veredictos.score_centesimas[i])
    assert_array_equal(historia.tipos, veredictos.tipos[i])
    assert_array_equal(historia.con_referencia, ~np.isnan(veredictos.esperado_kwh[i]))
    assert_array_equal(historia.es_sospechoso, veredictos.es_sospechoso[i])
    assert [c.dtype for c in (historia.indice, historia.hora_utc, historia.consumo_kwh)] == [
        np.int64,
        np.int64,
        np.float32,
    ]
    assert historia.score_centesimas.dtype == historia.tipos.dtype == np.uint8


def _lote_largo() -> tuple:
    azar = np.random.default_rng(3)
    claves = [(f"C{i}", H + int(h)) for i in range(4) for h in azar.permutation(50 + i)]
    n = len(claves)
    return hacer_lote(
        claves,
        azar.gamma(2, 0.4, n).tolist(),
        score=azar.integers(0, 101, n).tolist(),
        tipos=azar.integers(0, 256, n).tolist(),
        sospechoso=(azar.random(n) < 0.5).tolist(),
        esperado=np.where(azar.random(n) < 0.3, np.nan, azar.random(n)).tolist(),
    )


def test_las_ultimas_horas_son_hasta_la_ultima_de_cada_cliente(historial: Historial) -> None:
    """load_latest gives exactly the last hours of each customer, ordered by customer and hour."""
    lote = _lote_largo()
    historial.store.save(*lote)
    historia = historial.store.load_latest(["C2", "X", "C0"], 30)
    esperadas = [(0, "C2", H + h) for h in range(22, 52)] + [
        (2, "C0", H + h) for h in range(20, 50)
    ]
    _comparar(historia, esperadas, lote)


def test_las_horas_anteriores_son_las_de_antes_de_cada_limite(historial: Historial) -> None:
    """load_before gives [limit - hours, limit) by customer; one may be asked for twice."""
    lote = _lote_largo()
    historial.store.save(*lote)
    limites = np.array([H + 10, H + 53, H, H + 40])
    historia = historial.store.load_before(["C1", "C3", "C0", "C1"], limites, 20)
    esperadas = [(0, "C1", H + h) for h in range(10)]
    esperadas += [(1, "C3", H + h) for h in range(33, 53)]
    esperadas += [(3, "C1", H + h) for h in range(20, 40)]
    _comparar(historia, esperadas, lote)


# ---- Anomalies ----


def _solo(anomalia: Anomalia) -> Anomalia:
    """Return an anomaly without what a document does not hold and the clock."""
    fila = replace(anomalia.fila, hora_local=-1)
    return replace(anomalia, fila=fila, timestamp_deteccion=datetime.min)


def test_guarda_las_anomalias_y_solo_ellas(anomalias: Anomalias) -> None:
    """Each anomaly is there with every field and its explanation; normal readings are not."""
    lecturas, veredictos = _lote_variado()
    explicaciones = explicar(veredictos)
    anomalias.store.save(lecturas, veredictos, explicaciones, _no(4), H + 10_000)
    hay = anomalias.anomalias()
    filas = filas_de(lecturas, veredictos)
    assert hay.keys() == {("CLI_00001", H + 1), ("CLI_00001", H), ("CLI_00003", H)}
    for i in (1, 2, 3):
        clave = lecturas.propietario_id[i], int(lecturas.hora_utc[i])
        anomalia = hay[clave]
        assert anomalia.fila == replace(filas[clave], hora_local=anomalia.fila.hora_local)
        assert anomalia.hora == filas[clave].hora_local % 24
        assert anomalia.estado == "abierta"
        assert hora_absoluta(anomalia.timestamp_consumo) == clave[1]
        assert anomalia.timestamp_deteccion.tzinfo is not None
        assert anomalia.explicacion == tuple(explicaciones[i])
    assert anomalias.horarios() == {}


@pytest.mark.parametrize("repetida", [False, True])
def test_una_anomalia_dos_veces_es_una(anomalias: Anomalias, repetida: bool) -> None:
    """Saving again changes nothing, whether or not the history knew the readings."""
    lecturas, veredictos = _lote_variado()
    anomalias.store.save(lecturas, veredictos, explicar(veredictos), _no(4), H + 5)
    antes = anomalias.anomalias(), anomalias.horarios()
    otra_vez = np.full(4, repetida)
    anomalias.store.save(lecturas, veredictos, explicar(veredictos), otra_vez, H + 5)
    assert (anomalias.anomalias(), anomalias.horarios()) == antes


@pytest.mark.parametrize("repetida", [False, True])
@pytest.mark.parametrize("estado", ["abierta", "confirmada", "descartada"])
def test_un_veredicto_nuevo_conserva_lo_que_dijo_una_persona(
    anomalias: Anomalias, estado: str, repetida: bool
) -> None:
    """A correction replaces the verdict and keeps ``estado`` and the time of detection."""
    lote = hacer_lote([("A", H), ("B", H)], severidad=[4, 2], score=[95, 70])
    anomalias.store.save(*lote, explicar(lote[1]), _no(2), H)
    anomalias.poner_estado(("A", H), estado)
    antes = anomalias.anomalias()
    nuevo = hacer_lote([("A", H)], [7.5], severidad=[1], score=[55], tipos=[4], version="v2")
    frase = explicar(nuevo[1], "Otra frase.")
    anomalias.store.save(*nuevo, frase, np.array([repetida]), H)
    hay = anomalias.anomalias()
    assert hay["B", H] == antes["B", H]
    assert hay["A", H].estado == estado
    assert hay["A", H].timestamp_deteccion == antes["A", H].timestamp_deteccion
    assert hay["A", H].explicacion == tuple(frase[0])
    assert _solo(hay["A", H]).fila == replace(filas_de(*nuevo)["A", H], hora_local=-1)


def test_una_lectura_normal_retira_su_anomalia(anomalias: Anomalias) -> None:
    """A reading that is normal after a correction leaves no open anomaly; others stay."""
    lote = hacer_lote([("A", H), ("A", H + 1), ("B", H)], severidad=[3, 3, 3], score=[85] * 3)
    anomalias.store.save(*lote, explicar(lote[1]), _no(3), H)
    normal = hacer_lote([("A", H), ("C", H)])
    anomalias.store.save(*normal, [[], []], np.array([True, True]), H)
    assert anomalias.anomalias().keys() == {("A", H + 1), ("B", H)}


def test_una_anomalia_atendida_no_desaparece(anomalias: Anomalias) -> None:
    """A reading that turns normal keeps a confirmed anomaly, now with a normal verdict."""
    lote = hacer_lote([("A", H)], severidad=[4], score=[95], tipos=[1])
    anomalias.store.save(*lote, explicar(lote[1]), _no(1), H)
    anomalias.poner_estado(("A", H), "confirmada")
    anomalias.store.save(*hacer_lote([("A", H)], score=[20]), [[]], np.array([True]), H)
    anomalia = anomalias.anomalias()["A", H]
    assert (anomalia.estado, anomalia.fila.severidad) == ("confirmada", "normal")
    assert (anomalia.fila.score_centesimas, anomalia.fila.tipos) == (20, ())


def test_un_lote_repetido_mezcla_altas_y_bajas(anomalias: Anomalias) -> None:
    """A replay with other verdicts leaves exactly the new anomalies."""
    claves = [(f"C{i}", H + i % 7) for i in range(60)]
    primera = hacer_lote(claves, severidad=[i % 3 for i in range(60)], score=[60] * 60)
    segunda = hacer_lote(claves, severidad=[(i + 1) % 3 for i in range(60)], score=[61] * 60)
    anomalias.store.save(*primera, explicar(primera[1]), _no(60), H)
    anomalias.store.save(*segunda, explicar(segunda[1]), ~_no(60), H)
    hay = anomalias.anomalias()
    assert hay.keys() == {clave for i, clave in enumerate(claves) if (i + 1) % 3}
    assert {a.fila.score_centesimas for a in hay.values()} == {61}


def test_solo_las_ultimas_48_horas_quedan_por_horas(anomalias: Anomalias) -> None:
    """``consumos_horarios`` gets the last hours only, and a correction replaces its reading."""
    ahora = H + 100
    claves = [("A", ahora - 48), ("A", ahora - 47), ("A", ahora), ("A", ahora + 3)]
    anomalias.store.save(*hacer_lote(claves, [1, 2, 3, 4]), [[]] * 4, _no(4), ahora)
    assert anomalias.horarios() == {claves[1]: 2.0, claves[2]: 3.0, claves[3]: 4.0}
    # Once as a correction that the history knows, once as one that it does not.
    corregidas = hacer_lote([claves[1], claves[2]], [20.0, 30.0])
    anomalias.store.save(*corregidas, [[]] * 2, np.array([True, False]), ahora)
    assert anomalias.horarios() == {claves[1]: 20.0, claves[2]: 30.0, claves[3]: 4.0}


def test_las_dos_horas_2_de_octubre_son_dos_anomalias(anomalias: Anomalias) -> None:
    """Both readings with local hour 2 keep an anomaly and an hour of their own."""
    claves = [("A", OCTUBRE_LEJANO), ("A", OCTUBRE_LEJANO + 1)]
    lote = hacer_lote(claves, [0.2, 0.3], desfase=[2, 1], severidad=[2, 2], score=[70, 71])
    anomalias.store.save(*lote, explicar(lote[1]), _no(2), OCTUBRE_LEJANO)
    hay = anomalias.anomalias()
    assert [(hay[c].hora, hay[c].fila.consumo_kwh) for c in claves] == [(2, 0.2), (2, 0.3)]
    assert anomalias.horarios() == {claves[0]: 0.2, claves[1]: 0.3}


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.floats(0, allow_infinity=False), min_size=1, max_size=20))
def test_los_kwh_de_una_anomalia_vuelven_identicos(anomalias: Anomalias, kwh: list[float]) -> None:
    """Any finite double comes back as the same double."""
    cliente = f"K{next(_NUMERO)}"
    claves = [(cliente, H + i) for i in range(len(kwh))]
    lote = hacer_lote(claves, kwh, severidad=[1] * len(kwh), score=[50] * len(kwh))
    anomalias.store.save(*lote, explicar(lote[1]), _no(len(kwh)), H + 20)
    hay, horas = anomalias.anomalias(), anomalias.horarios()
    assert [hay[clave].fila.consumo_kwh for clave in claves] == kwh
    assert [horas[clave] for clave in claves] == kwh


def test_un_cliente_de_una_anomalia_es_solo_un_texto(anomalias: Anomalias) -> None:
    """Quotes, operators, emoji and blanks in a customer are a customer."""
    claves = [(cliente[:20], H) for cliente in RAROS]
    lote = hacer_lote(claves, severidad=[1] * len(RAROS), score=[50] * len(RAROS))
    for repetida in (_no(len(RAROS)), ~_no(len(RAROS))):
        anomalias.store.save(*lote, explicar(lote[1]), repetida, H)
        assert anomalias.anomalias().keys() == set(claves)
    normal = hacer_lote(claves)
    anomalias.store.save(*normal, [[]] * len(RAROS), ~_no(len(RAROS)), H)
    assert anomalias.anomalias() == {}


def test_los_clientes_presentes_en_cada_parte(historial: Historial) -> None:
    """A reading in each equal part of the hours, the ends as in ``range``; one part = any hour."""
    store = historial.store
    store.save(*hacer_lote([("A", H), ("A", H + 10), ("A", H + 20), ("A", H + 29)]))
    store.save(*hacer_lote([("B", H), ("B", H + 9), ("B", H + 20), ("C", H + 25)]))
    store.save(*hacer_lote([("D", H - 1), ("D", H + 15), ("D", H + 30)]))
    assert store.customers(H, H + 30) == ["A", "B", "C", "D"]
    assert store.customers(H, H + 30, 3) == ["A"]
    assert store.customers(H, H + 30, 2) == ["A", "B"]
    assert store.customers(H - 1, H + 31, 2) == ["A", "B", "D"]
    assert store.customers(H + 31, H + 60, 4) == []
