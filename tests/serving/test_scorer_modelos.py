"""With both models voting: restarts, replays and swaps leave verdicts as they must be."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from apoyo import MADRID, hogar, horas
from apoyo_modelos import PARAMS, modelo_de_prueba
from contracts.fakes import FakeHistoryStore

from detection.detector import DetectorConsumo
from detection.domain import Lecturas, Veredictos
from detection.rules.registry import rules_fingerprint
from pipeline.stores.ports import PuntoOnline
from serving.scorer import BatchOrigin, Draft, Scorer

DIAS = 45
CLIENTES = 4
N = 24 * DIAS * CLIENTES
CAMPOS = ("score_centesimas", "severidad", "tipos", "es_sospechoso", "scores")


def _scorer(historia: FakeHistoryStore) -> Scorer:
    detector = DetectorConsumo(MADRID, PARAMS)
    detector.use(modelo_de_prueba())
    return Scorer(detector, historia)


@pytest.fixture(scope="module")
def lecturas() -> Lecturas:
    """Return four customers hour by hour, two partitions; the first is attacked from day 33 on."""
    kwh = np.stack([hogar(24 * DIAS, c) for c in range(CLIENTES)])
    kwh[0, 24 * 33 :] *= 0.2
    ids = [f"CLI_{c}" for _ in range(24 * DIAS) for c in range(CLIENTES)]
    return Lecturas(ids, np.repeat(horas(24 * DIAS), CLIENTES), kwh.T.ravel())


def _origen(desde: int, n: int) -> BatchOrigin:
    """Return where readings from place ``desde`` on come from: customers 0, 1 and 2, 3 apart."""
    sitio = np.arange(desde, desde + n)
    particion = (sitio % CLIENTES // 2).astype(np.int32)
    # Two of each four places belong to a partition.
    offset = sitio // CLIENTES * 2 + sitio % 2
    siguiente = {int(p): int(offset[particion == p].max()) + 1 for p in np.unique(particion)}
    return BatchOrigin(particion, offset, siguiente, "registro")


def _draft(scorer: Scorer, lecturas: Lecturas, desde: int, hasta: int) -> Draft:
    trozo = lecturas.elegir(np.arange(desde, hasta))
    return scorer.draft(trozo, _origen(desde, hasta - desde))


def _save(historia: FakeHistoryStore, borrador: Draft) -> None:
    puntos = [PuntoOnline(p, s, estado, "registro") for p, (s, estado) in borrador.online.items()]
    quedan = borrador.lecturas.vigentes()
    historia.save(borrador.lecturas.elegir(quedan), borrador.veredictos.elegir(quedan), puntos)


def _pasar(
    scorer: Scorer,
    historia: FakeHistoryStore,
    lecturas: Lecturas,
    desde: int,
    hasta: int,
    lote: int,
) -> dict[str, np.ndarray]:
    partes: list[Veredictos] = []
    for i in range(desde, hasta, lote):
        borrador = _draft(scorer, lecturas, i, min(i + lote, hasta))
        _save(historia, borrador)
        scorer.accept(borrador)
        partes.append(borrador.veredictos)
    return {c: np.concatenate([getattr(p, c) for p in partes]) for c in CAMPOS}


def _iguales(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    for campo in CAMPOS:
        np.testing.assert_array_equal(a[campo], b[campo], err_msg=campo)


def test_los_dos_modelos_votan(lecturas: Lecturas) -> None:
    """In the undisturbed run both models are ready and say something: the other tests mean it."""
    historia = FakeHistoryStore()
    todo = _pasar(_scorer(historia), historia, lecturas, 0, N, 500)
    listos = ~np.isnan(todo["scores"][:, 6:])
    assert listos[-24 * CLIENTES :].all()
    assert (todo["scores"][:, 6:][listos[:, 0] & listos[:, 1]] > 0.5).any(axis=0).all()
    assert {f.version_modelo for f in historia.filas.values()} == {
        f"consumo-detector-1+reglas-{rules_fingerprint(PARAMS)}"
    }


@pytest.mark.parametrize("lote", [37, 501])
@pytest.mark.parametrize("corte", [24 * 34 * CLIENTES, 24 * 40 * CLIENTES + 3])
def test_un_proceso_nuevo_sigue_con_el_modelo_guardado(
    lecturas: Lecturas, corte: int, lote: int
) -> None:
    """A restart, with batches cut elsewhere: every score is that of a run without one."""
    h = FakeHistoryStore()
    sin_parar = _pasar(_scorer(h), h, lecturas, 0, N, 500)
    historia = FakeHistoryStore()
    antes = _pasar(_scorer(historia), historia, lecturas, 0, corte, 503)
    despues = _pasar(_scorer(historia), historia, lecturas, corte, N, lote)
    _iguales({c: np.concatenate([antes[c], despues[c]]) for c in CAMPOS}, sin_parar)


def _desordenadas(lecturas: Lecturas, semilla: int) -> Lecturas:
    """Return them with some that come hours late, some twice and some missing."""
    rng = np.random.default_rng(semilla)
    orden = np.arange(N) + np.where(rng.random(N) < 0.05, rng.integers(1, 60, N) * CLIENTES, 0)
    # Within their own place modulo the customers, so that partitions stay what they are.
    salida = np.empty(N, np.int64)
    for c in range(CLIENTES):
        suyas = np.arange(c, N, CLIENTES)
        salida[suyas] = suyas[np.argsort(orden[suyas], kind="stable")]
    repetidas = np.flatnonzero(rng.random(N) < 0.02)
    repetidas = repetidas[repetidas >= CLIENTES]
    salida[repetidas] = salida[repetidas - CLIENTES]
    return lecturas.elegir(salida)


@pytest.mark.parametrize("semilla", [1, 2, 3])
def test_guardado_y_no_confirmado_lo_que_sigue_no_lo_nota(lecturas: Lecturas, semilla: int) -> None:
    """Saved, killed before the commit, sent again, out of order too: as if nothing had happened.

    The store keeps every verdict and the model, and what comes after gets the same scores.
    """
    desordenadas = _desordenadas(lecturas, semilla)
    corte, fin = N - 1100, N - 500
    h = FakeHistoryStore()
    sin_parar = _pasar(_scorer(h), h, desordenadas, 0, corte, 400)
    scorer = _scorer(h)
    _pasar(scorer, h, desordenadas, corte, fin, 200)
    filas, modelos = dict(h.filas), h.load_online("registro", [0, 1])
    esperado = _pasar(scorer, h, desordenadas, fin, N, 250)
    esperadas, esperados = dict(h.filas), h.load_online("registro", [0, 1])

    historia = FakeHistoryStore()
    _iguales(_pasar(_scorer(historia), historia, desordenadas, 0, corte, 400), sin_parar)
    _pasar(_scorer(historia), historia, desordenadas, corte, fin, 200)
    nuevo = _scorer(historia)
    _pasar(nuevo, historia, desordenadas, corte, fin, 200)
    assert historia.filas == filas
    assert historia.load_online("registro", [0, 1]) == modelos
    _iguales(_pasar(nuevo, historia, desordenadas, fin, N, 250), esperado)
    assert historia.filas == esperadas
    assert historia.load_online("registro", [0, 1]) == esperados


def test_un_topic_hecho_de_nuevo_empieza_sin_modelo(lecturas: Lecturas) -> None:
    """Offsets that restart belong to another log: its readings teach from the first on."""
    historia = FakeHistoryStore()
    scorer = _scorer(historia)
    _pasar(scorer, historia, lecturas, 0, N - 400, 500)
    trozo = lecturas.elegir(np.arange(N - 400, N))
    origen = _origen(0, 400)
    de_nuevo = BatchOrigin(origen.particion, origen.offset, origen.siguiente, "otro registro")
    borrador = scorer.draft(trozo, de_nuevo)
    assert np.isnan(borrador.veredictos.scores[:, 6]).all()
    assert {p: siguiente for p, (siguiente, _) in borrador.online.items()} == {0: 200, 1: 200}


def test_descartar_deja_el_modelo_como_estaba(lecturas: Lecturas) -> None:
    """Two drafts taken back, the newest first: what is drafted again gets the same scores."""
    corte = N - 600
    historia = FakeHistoryStore()
    scorer = _scorer(historia)
    _pasar(scorer, historia, lecturas, 0, corte, 400)
    a = _draft(scorer, lecturas, corte, corte + 300)
    b = _draft(scorer, lecturas, corte + 300, N)
    scorer.discard(b)
    scorer.discard(a)
    otra = _draft(scorer, lecturas, corte, corte + 300)
    assert otra.online == a.online
    np.testing.assert_array_equal(otra.veredictos.scores, a.veredictos.scores)


def test_las_mismas_lecturas_otra_vez_no_cambian_nada(lecturas: Lecturas) -> None:
    """The whole file sent again, later in the log: the store and what is remembered stay."""
    historia = FakeHistoryStore()
    scorer = _scorer(historia)
    _pasar(scorer, historia, lecturas, 0, N, 500)
    filas = dict(historia.filas)
    ventanas = scorer.detector.ring
    ids = [f"CLI_{c}" for c in range(CLIENTES)]
    marcas = ventanas.veredictos[ventanas.rows(ids)].copy()
    evidencia = ventanas.ganancia_dia[ventanas.rows(ids)].copy()
    modelos = historia.load_online("registro", [0, 1])
    for i in range(0, N, 600):
        trozo = lecturas.elegir(np.arange(i, min(i + 600, N)))
        borrador = scorer.draft(trozo, _origen(N + i, len(trozo)))
        _save(historia, borrador)
        scorer.accept(borrador)
    assert historia.filas == filas
    # The model has moved on in the log, and learnt nothing new.
    ahora = historia.load_online("registro", [0, 1])
    assert [g and g[1] for g in ahora] == [g and g[1] for g in modelos]
    np.testing.assert_array_equal(ventanas.veredictos[ventanas.rows(ids)], marcas)
    np.testing.assert_array_equal(ventanas.ganancia_dia[ventanas.rows(ids)], evidencia)


def test_otra_version_entra_entre_dos_lotes(lecturas: Lecturas) -> None:
    """A new champion scores from the next draft on, and going back gives the old scores again."""
    corte = N - 400
    historia = FakeHistoryStore()
    scorer = _scorer(historia)
    _pasar(scorer, historia, lecturas, 0, corte, 500)
    con_1 = _draft(scorer, lecturas, corte, N)
    scorer.discard(con_1)
    scorer.use(modelo_de_prueba("consumo-detector-2", semilla=2))
    con_2 = _draft(scorer, lecturas, corte, N)
    scorer.discard(con_2)
    scorer.use(modelo_de_prueba())
    con_1_otra_vez = _draft(scorer, lecturas, corte, N)
    assert con_2.veredictos.version_modelo.startswith("consumo-detector-2+")
    assert (con_2.veredictos.scores[:, 7] != con_1.veredictos.scores[:, 7]).any()
    for f in fields(Veredictos):
        np.testing.assert_array_equal(
            getattr(con_1_otra_vez.veredictos, f.name), getattr(con_1.veredictos, f.name), f.name
        )


def test_el_aspirante_en_sombra_no_toca_el_veredicto(lecturas: Lecturas) -> None:
    """A challenger beside the champion: its scores are apart, the verdicts are the champion's."""
    corte = N - 400
    historia = FakeHistoryStore()
    scorer = _scorer(historia)
    _pasar(scorer, historia, lecturas, 0, corte, 500)
    solo = _draft(scorer, lecturas, corte, N)
    scorer.discard(solo)
    scorer.use_shadow(modelo_de_prueba("consumo-detector-2", semilla=2))
    con_sombra = _draft(scorer, lecturas, corte, N)
    for campo in CAMPOS:
        np.testing.assert_array_equal(
            getattr(con_sombra.veredictos, campo), getattr(solo.veredictos, campo), err_msg=campo
        )
    assert con_sombra.sombra is not None
    assert con_sombra.sombra.version_modelo == "consumo-detector-2"
    assert (con_sombra.sombra.score_centesimas != solo.veredictos.score_centesimas).any()
    scorer.discard(con_sombra)
    scorer.use_shadow(modelo_de_prueba())
    igual = _draft(scorer, lecturas, corte, N)
    assert igual.sombra is not None
    for campo in ("score_centesimas", "severidad"):
        np.testing.assert_array_equal(
            getattr(igual.sombra, campo), getattr(igual.veredictos, campo), "the same version"
        )
