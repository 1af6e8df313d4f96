"""Every figure of the bench is one that can be worked out by hand, or scikit-learn's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from detection.domain import take
from detection.memory.hourly_ring import GAIN
from training.evaluation.metrics import (
    GRACIA_HORAS,
    HUECO_DIAS,
    PUNTOS_CURVA,
    REMUESTRAS,
    Casos,
    Cifra,
    ScoreTable,
    bootstrap_customers,
    false_alarms,
    figure_by_customer,
    find_eventos,
    interval_of,
    precision_at,
    rank_customers,
    to_centesimas,
)

DIA, MES = 24, 720


def _casos(horas: int, atacadas: dict[int, range], tipos: list[str], perdida: float = 1.0) -> Casos:
    """Return customers over the same hours; ``atacadas`` says whose hours are attacked."""
    clientes = len(tipos)
    hora = np.repeat(np.arange(horas), clientes)
    cliente = np.tile(np.arange(clientes), horas)
    atacada = np.zeros(hora.size, np.bool_)
    for quien, cuales in atacadas.items():
        atacada |= (cliente == quien) & np.isin(hora, cuales)
    limpio = np.array([not t for t in tipos])[cliente]
    return Casos(cliente, hora, atacada, atacada | limpio, atacada * perdida, tipos)


def _en(casos: Casos, cliente: int, *horas: int) -> NDArray[np.bool_]:
    """Return (n,) an alarm at some hours of a customer."""
    return np.asarray((casos.cliente == cliente) & np.isin(casos.hora_utc, horas))


@given(
    st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=80).filter(
        lambda filas: len({si for _, si in filas}) == 2
    )
)
def test_las_areas_son_las_de_scikit_learn(filas: list[tuple[int, bool]]) -> None:
    """ROC-AUC and average precision are those of scikit-learn, ties and all."""
    score, verdad = (np.array(columna) for columna in zip(*filas, strict=True))
    tabla = ScoreTable(score / 8, verdad, np.zeros(score.size, np.int64))
    assert tabla.roc_auc() == pytest.approx(roc_auc_score(verdad, score))
    assert tabla.precision_media() == pytest.approx(average_precision_score(verdad, score))


def test_quien_no_esta_listo_puntua_lo_menos() -> None:
    """NaN counts as the lowest score, below any other."""
    score = np.array([np.nan, 0.0, np.nan, 0.5])
    tabla = ScoreTable(score, np.array([True, False, False, True]), np.arange(4))
    assert tabla.roc_auc() == pytest.approx((0.0 + 0.5 + 1.0 + 1.0) / 4)


@pytest.mark.parametrize("si", [True, False])
def test_sin_una_de_las_dos_clases_no_hay_area(si: bool) -> None:
    """Where a label is missing the figure is None, not 0 nor 1."""
    tabla = ScoreTable(np.array([0.1, 0.9]), np.array([si, si]), np.arange(2))
    assert tabla.roc_auc() is None
    assert tabla.precision_media() is None
    assert tabla.intervalos(1)[0] == Cifra(None)


def test_sin_ninguna_lectura_no_hay_nada() -> None:
    """An empty table has no figure and no interval."""
    vacia = ScoreTable(np.empty(0), np.empty(0, np.bool_), np.empty(0, np.int64))
    assert vacia.intervalos(1) == (Cifra(None), Cifra(None))


def _de_clientes(semilla: int, clientes: int = 12, lecturas: int = 30) -> ScoreTable:
    rng = np.random.default_rng(semilla)
    cliente = np.repeat(np.arange(clientes), lecturas)
    verdad = (cliente % 2 == 1) & (rng.random(cliente.size) < 0.5)
    return ScoreTable(rng.random(cliente.size) + 0.5 * verdad, verdad, cliente)


def test_el_intervalo_lleva_semilla_y_contiene_la_cifra() -> None:
    """The same seed gives the same interval, another one another."""
    tabla = _de_clientes(1)
    una, otra = tabla.intervalos(7), tabla.intervalos(7)
    assert una == otra
    assert tabla.intervalos(8) != una
    for cifra in una:
        assert cifra.desde is not None
        assert cifra.hasta is not None
        assert cifra.valor is not None
        assert 0.0 <= cifra.desde < cifra.valor < cifra.hasta <= 1.0


def test_cada_remuestra_es_la_de_sus_clientes() -> None:
    """A resample weighs each customer's readings by how often it was drawn, as scikit-learn."""
    rng = np.random.default_rng(3)
    cliente = np.repeat(np.arange(6), 20)
    verdad, score = rng.random(120) < 0.3, np.round(rng.random(120), 1)
    tabla = ScoreTable(score, verdad, cliente)
    vistas: list[NDArray[np.int64]] = []

    def anotar(veces: NDArray[np.int64]) -> NDArray[np.float64]:
        vistas.append(veces)
        return tabla.weighted(veces)

    areas, medias = bootstrap_customers(anotar, tabla.clientes, 5)
    assert (np.stack([areas, medias]) == tabla.resample(5)).all()
    veces = np.concatenate(vistas)
    veces = veces[(veces != 1).any(axis=1)]  # each once is the figure itself
    assert (veces.sum(axis=1) == tabla.clientes).all()
    dos = {(areas[k], medias[k]) for k in range(REMUESTRAS)}
    for suyas in (veces[0], veces[17], veces[-1]):
        peso = suyas[cliente]
        una = roc_auc_score(verdad, score, sample_weight=peso)
        otra = average_precision_score(verdad, score, sample_weight=peso)
        assert min(abs(a - una) + abs(m - otra) for a, m in dos) < 1e-9


def test_lecturas_repetidas_de_un_cliente_no_estrechan_el_intervalo() -> None:
    """It is customers that are independent: each reading ten times over says no more."""
    rng = np.random.default_rng(2)
    cliente = np.repeat(np.arange(10), 20)
    verdad, score = cliente % 2 == 1, rng.random(200) + 0.1 * (cliente % 2)
    una = ScoreTable(score, verdad, cliente).intervalos(4)[0]
    diez = ScoreTable(np.tile(score, 10), np.tile(verdad, 10), np.tile(cliente, 10)).intervalos(4)[
        0
    ]
    assert (diez.valor, diez.desde, diez.hasta) == pytest.approx((una.valor, una.desde, una.hasta))


def test_las_curvas_pasan_por_sus_extremos_y_no_bajan() -> None:
    """Few points, rising, from the highest score to all that there is."""
    rng = np.random.default_rng(0)
    verdad = rng.random(5000) < 0.1
    curva = ScoreTable(rng.random(5000) + verdad, verdad, np.zeros(5000, np.int64)).curvas()
    assert {len(puntos) for puntos in curva.values()} == {len(curva["falsas"])}
    assert len(curva["falsas"]) <= PUNTOS_CURVA
    assert (curva["falsas"][-1], curva["halladas"][-1]) == (1.0, 1.0)
    assert (np.diff(curva["halladas"]) >= 0).all()
    assert (np.diff(curva["falsas"]) >= 0).all()
    assert curva["precision"][-1] == pytest.approx(verdad.mean(), abs=1e-4)


def test_la_curva_de_tres_lecturas() -> None:
    """By hand: attacked above clean above attacked."""
    tabla = ScoreTable(np.array([3.0, 2.0, 1.0]), np.array([True, False, True]), np.arange(3))
    assert tabla.curvas() == {
        "falsas": [0.0, 1.0, 1.0],
        "halladas": [0.5, 0.5, 1.0],
        "precision": [1.0, 0.5, 0.66667],
    }


def test_los_percentiles_de_un_intervalo() -> None:
    """The 2.5 and 97.5 percentiles; resamples without a figure are left out."""
    remuestras = np.array([np.nan, *(k / 100 for k in range(101)), np.nan])
    assert interval_of(0.4, remuestras) == Cifra(0.4, pytest.approx(0.025), pytest.approx(0.975))
    assert interval_of(0.4, np.array([np.nan])) == Cifra(0.4)
    assert interval_of(None, remuestras) == Cifra(None)


def test_un_ataque_se_halla_con_su_retraso_y_lo_perdido_hasta_entonces() -> None:
    """Found in its fourth hour: three hours late, and three kWh lost of ten."""
    casos = _casos(100, {0: range(50, 60)}, ["fraude", ""])
    # An alarm before the attack, and another customer's, find nothing.
    alarma = _en(casos, 0, 10, 53, 55) | _en(casos, 1, 50)
    eventos = find_eventos(casos, alarma)
    assert eventos.cliente.tolist() == [0]
    assert eventos.retraso_horas.tolist() == [3.0]
    assert eventos.perdida_kwh.tolist() == [3.0]
    assert eventos.total_kwh.tolist() == [10.0]
    assert (eventos.hallados, eventos.retraso(0.5)) == (1.0, 3.0)


@pytest.mark.parametrize(
    ("hora", "retraso"),
    [(59 + GRACIA_HORAS, 9.0 + GRACIA_HORAS), (60 + GRACIA_HORAS, np.inf)],
)
def test_un_dia_despues_todavia_vale(hora: int, retraso: float) -> None:
    """A day after its last reading an attack may still be found, and all of it is lost."""
    casos = _casos(120, {0: range(50, 60)}, ["fraude"])
    eventos = find_eventos(casos, _en(casos, 0, hora))
    assert eventos.retraso_horas.tolist() == [retraso]
    assert eventos.perdida_kwh.tolist() == [10.0]


@pytest.mark.parametrize(
    ("pausa_horas", "cuantos"), [(HUECO_DIAS * DIA, 1), (HUECO_DIAS * DIA + 1, 2)]
)
def test_una_pausa_larga_parte_un_ataque_en_dos(pausa_horas: int, cuantos: int) -> None:
    """Who pauses for a week goes on; after more it is another event, with its own delay."""
    segundo = 9 + pausa_horas
    cuales = {0: [*range(10), segundo, segundo + 1]}
    casos = _casos(segundo + 50, cuales, ["fraude"])  # type: ignore[arg-type]
    eventos = find_eventos(casos, _en(casos, 0, segundo + 1))
    assert len(eventos) == cuantos
    assert eventos.retraso_horas.tolist()[-1] == (1.0 if cuantos == 2 else segundo + 1.0)
    assert eventos.hallados == 1.0 / cuantos


def test_el_orden_de_las_filas_no_importa_y_lo_de_mas_no_se_pierde() -> None:
    """Rows by customer or by hour are the same; an attack that adds consumption loses nothing."""
    casos = _casos(80, {0: range(30, 50), 2: range(10, 20)}, ["a", "", "b"], perdida=-2.0)
    alarma = _en(casos, 0, 33) | _en(casos, 2, 25)
    orden = np.lexsort((casos.hora_utc, casos.cliente))
    otros = Casos(
        casos.cliente[orden], casos.hora_utc[orden], casos.atacada[orden], casos.juzgada[orden],
        casos.perdida_kwh[orden], casos.tipo_cliente,
    )  # fmt: skip
    uno, otro = find_eventos(casos, alarma), find_eventos(otros, alarma[orden])
    for campo in ("cliente", "retraso_horas", "perdida_kwh", "total_kwh"):
        assert getattr(uno, campo).tolist() == getattr(otro, campo).tolist()
    assert uno.total_kwh.tolist() == [0.0, 0.0]
    assert take(uno, uno.cliente == 2).retraso_horas.tolist() == [15.0]


def test_sin_ataques_no_hay_eventos_y_la_mediana_cae_entre_los_no_hallados() -> None:
    """No event, no share; where half was never found the median delay is None."""
    limpio = find_eventos(_casos(10, {}, [""]), np.ones(10, np.bool_))
    assert (len(limpio), limpio.hallados, limpio.retraso(0.5)) == (0, None, None)
    casos = _casos(100, {0: range(50, 60), 1: range(50, 60)}, ["a", "a"])
    eventos = find_eventos(casos, _en(casos, 0, 51))
    assert (eventos.hallados, eventos.retraso(0.0), eventos.retraso(0.5)) == (0.5, 1.0, None)


def test_falsas_alarmas_por_cliente_y_mes() -> None:
    """Six alarms in two clean customers' months each are three; the attacked one's do not count."""
    casos = _casos(MES, {0: range(MES)}, ["fraude", "", ""])
    alarma = _en(casos, 0, *range(100)) | _en(casos, 1, 1, 2, 3, 4) | _en(casos, 2, 7, 9)
    cifra = false_alarms(casos, alarma, 1)
    assert cifra.valor == pytest.approx(3.0)
    assert (cifra.desde, cifra.hasta) == pytest.approx((2.0, 4.0))
    assert false_alarms(casos, alarma, 1) == cifra
    assert false_alarms(_casos(5, {0: range(5)}, ["a"]), np.ones(5, np.bool_), 1) == Cifra(None)


def test_las_horas_honestas_de_un_atacado_no_son_falsas_alarmas() -> None:
    """Neither one thing nor the other: an alarm there is not counted, though it were judged."""
    de_uno = _casos(MES, {0: range(100, 200)}, ["fraude", ""])
    casos = replace(de_uno, juzgada=np.ones(de_uno.cliente.size, np.bool_))
    assert false_alarms(casos, _en(casos, 0, 5, 6, 7), 1).valor == 0.0


def test_dos_clientes_del_mismo_hogar_se_sortean_juntos() -> None:
    """A household that is there twice is one draw: of one household there is no interval."""
    casos = _casos(MES, {}, ["", ""])
    mismo = replace(casos, hogar=np.zeros(2, np.int64))
    alarma = _en(casos, 0, 1, 2, 3, 4)
    assert false_alarms(casos, alarma, 1) == Cifra(2.0, 0.0, 4.0)
    assert false_alarms(mismo, alarma, 1) == Cifra(2.0, 2.0, 2.0)


def test_las_lecturas_de_un_tipo() -> None:
    """A kind of attack is set against all clean customers, and no other kind."""
    casos = _casos(4, {0: range(4), 1: range(4)}, ["a", "b", ""])
    assert casos.tipos == ["a", "b"]
    assert casos.atacado.tolist() == [True, True, False]
    assert set(casos.cliente[casos.de_tipo("a")].tolist()) == {0, 2}


def test_una_medida_por_cliente_con_su_intervalo() -> None:
    """The figure is that of each customer once; without customers there is none."""
    valores = np.array([1.0, 2.0, 6.0])
    cifra = figure_by_customer(lambda veces: veces @ valores / veces.sum(axis=1), 3, 1)
    assert cifra.valor == pytest.approx(3.0)
    assert cifra.desde is not None
    assert cifra.hasta is not None
    assert 1.0 <= cifra.desde < 1.5
    assert 5.0 < cifra.hasta <= 6.0
    assert figure_by_customer(lambda veces: np.ones(len(veces)), 0, 1) == Cifra(None)


def test_precision_de_los_primeros() -> None:
    """Three of the four that rank highest are attacked; of more than there are there is none."""
    ranking = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    atacado = np.array([True, False, True, True, False])
    assert [precision_at(ranking, atacado, k) for k in (1, 2, 4, 5)] == [1.0, 0.5, 0.75, 0.6]
    assert precision_at(ranking, atacado, 0) is None
    assert precision_at(ranking, atacado, 6) is None


def test_los_empates_de_la_cabeza_se_sortean() -> None:
    """All tied: the first one is attacked as often as chance has it, whoever comes first."""
    atacado = np.arange(10) < 5
    veces = [precision_at(np.zeros(10), atacado, 1, semilla) for semilla in range(200)]
    assert 0.35 < float(np.mean(veces)) < 0.65  # type: ignore[arg-type]
    assert precision_at(np.zeros(10), atacado, 1, 3) == precision_at(np.zeros(10), atacado, 1, 3)


def test_los_clientes_se_ordenan_por_lo_mas_que_reunieron() -> None:
    """Two alarms on one day; one, and its half after a half-life and another: a half-life apart."""
    cien = GAIN[100] / 10_000
    cliente = np.array([0, 0, 1, 1, 2])
    hora = np.array([0, 1, 0, 7 * DIA, 3])
    score = np.array([100, 100, 100, 100, 0])
    picos = rank_customers(cliente, hora, score, 4, semivida_dias=7.0)
    assert picos.tolist() == pytest.approx([2 * cien, 1.5 * cien, GAIN[0] / 10_000, 0.0])
    nadie = rank_customers(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, int), 2, 7.0)
    assert nadie.tolist() == [0.0, 0.0]


def test_centesimas_por_rango() -> None:
    """What share of the scores is lower, whatever their scale; not ready is lowest."""
    score = np.array([10.0, 1e6, np.nan, 10.0, -3.0])
    assert to_centesimas(score).tolist() == [40, 80, 0, 40, 20]
    assert to_centesimas(np.empty(0)).tolist() == []
