"""Verdicts on a draft: restarts, replays and corrections give what an undisturbed run gives."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from apoyo import MADRID, hogar, horas
from apoyo_modelos import modelo_de_casos
from contracts.fakes import FakeHistoryStore
from hypothesis import given, settings
from hypothesis import strategies as st

from detection.detector import DetectorConsumo
from detection.domain import Lecturas, Veredictos
from detection.errors import LoteEnVueloError, TransientError
from pipeline.stores.ports import PuntoOnline
from serving.scorer import BatchOrigin, Draft, Scorer

DIAS = 45
N = 24 * DIAS


def _scorer(historia: FakeHistoryStore, *, casos: bool = True) -> Scorer:
    detector = DetectorConsumo(MADRID)
    detector.case_model = modelo_de_casos() if casos else None
    return Scorer(detector, historia)


def _lecturas(clientes: int = 2, n: int = N) -> Lecturas:
    """Return some customers hour by hour; the first is attacked from day 33 on."""
    kwh = np.stack([hogar(n, c) for c in range(clientes)])
    kwh[0, 24 * 33 :] *= 0.2
    return Lecturas(
        [f"CLI_{c}" for _ in range(n) for c in range(clientes)],
        np.repeat(horas(n), clientes),
        kwh.T.ravel(),
    )


def _origen(n: int, desde: int = 0) -> BatchOrigin:
    """Return that n readings are those of partition 0 from an offset on."""
    offset = np.arange(desde, desde + n)
    return BatchOrigin(np.zeros(n, np.int32), offset, {0: desde + n}, "registro")


def _draft(scorer: Scorer, lecturas: Lecturas, desde: int = 0) -> Draft:
    return scorer.draft(lecturas, _origen(len(lecturas), desde))


def _save(historia: FakeHistoryStore, borrador: Draft) -> None:
    puntos = [PuntoOnline(p, s, estado, "registro") for p, (s, estado) in borrador.online.items()]
    historia.save(borrador.lecturas, borrador.veredictos, puntos, borrador.memoria)


def _pasar(
    scorer: Scorer, historia: FakeHistoryStore, lecturas: Lecturas, lote: int, desde: int = 0
) -> Veredictos:
    """Score and save batch after batch; the first reading has offset ``desde``."""
    partes: list[Draft] = []
    for i in range(0, len(lecturas), lote):
        trozo = lecturas.elegir(np.arange(i, min(i + lote, len(lecturas))))
        borrador = _draft(scorer, trozo, desde + i)
        _save(historia, borrador)
        scorer.accept(borrador)
        partes.append(borrador)
    return _unir([p.veredictos for p in partes])


def _unir(partes: list[Veredictos]) -> Veredictos:
    """Return the verdicts of parts, one after the other."""

    def unir(nombre: str) -> np.ndarray:
        return np.concatenate([getattr(parte, nombre) for parte in partes])

    columnas = [f.name for f in fields(Veredictos) if f.name != "version_modelo"]
    return Veredictos(version_modelo=partes[0].version_modelo, **{n: unir(n) for n in columnas})


def _iguales(a: Veredictos, b: Veredictos) -> None:
    for campo in (
        "score_centesimas",
        "severidad",
        "tipos",
        "es_sospechoso",
        "esperado_kwh",
        "scores",
        "caso",
    ):
        np.testing.assert_array_equal(getattr(a, campo), getattr(b, campo), err_msg=campo)


@settings(max_examples=5, deadline=None)
@given(st.integers(24 * 29, N - 24), st.integers(20, 400))
def test_tras_un_reinicio_sigue_como_si_nada(corte: int, lote: int) -> None:
    """A process that starts anew in the middle gives the verdicts of one that never stopped."""
    lecturas = _lecturas()
    sin_parar = _pasar(_scorer(h := FakeHistoryStore()), h, lecturas, 500)
    historia = FakeHistoryStore()
    antes = _pasar(_scorer(historia), historia, lecturas.elegir(np.arange(2 * corte)), lote)
    resto = lecturas.elegir(np.arange(2 * corte, len(lecturas)))
    despues = _pasar(_scorer(historia), historia, resto, lote, 2 * corte)
    _iguales(_unir([antes, despues]), sin_parar)


@settings(max_examples=4, deadline=None)
@given(st.integers(30, 400), st.booleans())
def test_el_mismo_archivo_otra_vez_da_los_mismos_veredictos(lote: int, reinicio: bool) -> None:
    """All of it sent again, by a process that remembers or by a new one: nothing changes."""
    lecturas = _lecturas()
    historia = FakeHistoryStore()
    scorer = _scorer(historia, casos=False)
    primera = _pasar(scorer, historia, lecturas, 300)
    filas = dict(historia.filas)
    otro = _scorer(historia, casos=False) if reinicio else scorer
    segunda = _pasar(otro, historia, lecturas, lote)
    _iguales(segunda, primera)
    assert historia.filas == filas


@pytest.mark.parametrize("reinicio", [False, True])
def test_el_mismo_archivo_otra_vez_no_mueve_ningun_caso(reinicio: bool) -> None:
    """What was stored stands, days and cases too: of a case the draft knows what it is by now."""
    lecturas = _lecturas()
    historia = FakeHistoryStore()
    scorer = _scorer(historia)
    primera = _pasar(scorer, historia, lecturas, 300)
    assert primera.es_sospechoso.any()
    filas, estados = dict(historia.filas), dict(historia.estados)
    paginas = {clave: pagina.copy() for clave, pagina in historia.paginas.items()}
    _pasar(_scorer(historia) if reinicio else scorer, historia, lecturas, 170)
    assert historia.filas == filas
    for cliente, (dias, niveles) in historia.estados.items():
        np.testing.assert_array_equal(dias, estados[cliente][0])
        np.testing.assert_array_equal(niveles, estados[cliente][1])
    assert paginas.keys() == historia.paginas.keys()
    for clave, pagina in historia.paginas.items():
        np.testing.assert_array_equal(pagina, paginas[clave])


def test_un_lote_que_llega_otra_vez_tras_una_caida() -> None:
    """Saved but not committed, then the process died: the batch comes again, the same verdicts."""
    lecturas = _lecturas()
    historia = FakeHistoryStore()
    _pasar(_scorer(historia, casos=False), historia, lecturas.elegir(np.arange(2 * N - 600)), 300)
    ultimo = lecturas.elegir(np.arange(2 * N - 600, 2 * N))
    borrador = _draft(_scorer(historia, casos=False), ultimo, 2 * N - 600)
    _save(historia, borrador)
    _iguales(
        _draft(_scorer(historia, casos=False), ultimo, 2 * N - 600).veredictos, borrador.veredictos
    )


def test_despues_de_la_repeticion_lo_nuevo_se_puntua_igual() -> None:
    """What comes after a replay finds the past as it was."""
    lecturas = _lecturas()
    mitad = lecturas.elegir(np.arange(2 * N - 200))
    final = lecturas.elegir(np.arange(2 * N - 200, 2 * N))
    sin_repetir = FakeHistoryStore()
    scorer = _scorer(sin_repetir)
    _pasar(scorer, sin_repetir, mitad, 250)
    esperado = _pasar(scorer, sin_repetir, final, 250)
    historia = FakeHistoryStore()
    scorer = _scorer(historia)
    _pasar(scorer, historia, mitad, 250)
    _pasar(scorer, historia, mitad.elegir(np.arange(900)), 250)
    _iguales(_pasar(scorer, historia, final, 250), esperado)


def test_una_correccion_antigua_se_puntua_contra_su_propio_pasado() -> None:
    """A corrected reading of ten days ago gets the verdict that it would have had then."""
    lecturas = _lecturas(1)
    historia = FakeHistoryStore()
    scorer = _scorer(historia)
    _pasar(scorer, historia, lecturas, 300)
    cual = N - 240
    corregida = Lecturas(["CLI_0"], lecturas.hora_utc[[cual]], np.array([50.0]))
    borrador = _draft(scorer, corregida)
    entonces = FakeHistoryStore()
    otro = _scorer(entonces)
    _pasar(otro, entonces, lecturas.elegir(np.arange(cual)), 300)
    _iguales(borrador.veredictos, _draft(otro, corregida).veredictos)
    assert borrador.veredictos.severidad[0] >= 3
    # It is remembered too: the window of what comes next has the corrected value.
    fila = scorer.detector.ring.row("CLI_0")
    valores = scorer.detector.ring.valores[fila]
    assert valores[int(corregida.hora_utc[0]) % valores.size] == 50.0


def test_una_repeticion_espera_al_lote_que_se_esta_guardando() -> None:
    """A replayed reading is not scored against a past that is half stored."""
    lecturas = _lecturas(1)
    historia = FakeHistoryStore()
    scorer = _scorer(historia)
    _pasar(scorer, historia, lecturas, 300)
    vieja = lecturas.elegir(np.arange(500, 510))
    en_vuelo = _draft(scorer, vieja)
    with pytest.raises(LoteEnVueloError):
        _draft(scorer, lecturas.elegir(np.arange(510, 520)))
    historia.save(en_vuelo.lecturas, en_vuelo.veredictos)
    scorer.accept(en_vuelo)
    assert len(_draft(scorer, lecturas.elegir(np.arange(510, 520))).veredictos) == 10


def test_quien_llega_con_un_borrador_que_no_sale_vuelve_a_ser_nuevo() -> None:
    """A draft that has to wait has loaded nobody: asked again, it says who is new."""
    lecturas = _lecturas(1)
    historia = FakeHistoryStore()
    scorer = _scorer(historia)
    _pasar(scorer, historia, lecturas, 300)
    en_vuelo = _draft(scorer, lecturas.elegir(np.arange(500, 510)))
    vieja = lecturas.elegir(np.arange(510, 511))
    con_otro = Lecturas(
        [*vieja.propietario_id, "CLI_NUEVO"],
        np.append(vieja.hora_utc, lecturas.hora_utc[-1]),
        np.append(vieja.consumo_kwh, 1.0),
    )
    with pytest.raises(LoteEnVueloError):
        _draft(scorer, con_otro)
    assert scorer.detector.ring.row("CLI_NUEVO") < 0
    _save(historia, en_vuelo)
    scorer.accept(en_vuelo)
    assert _draft(scorer, con_otro).nuevos == ["CLI_NUEVO"]


def test_descartar_olvida_y_lo_guardado_vuelve() -> None:
    """A draft that is never stored leaves no trace: its customers come back from the store."""
    lecturas = _lecturas(1)
    historia = FakeHistoryStore()
    scorer = _scorer(historia)
    _pasar(scorer, historia, lecturas.elegir(np.arange(N - 50)), 300)
    final = lecturas.elegir(np.arange(N - 50, N))
    disparate = Lecturas(final.propietario_id, final.hora_utc, final.consumo_kwh * 1000)
    scorer.discard(_draft(scorer, disparate))
    assert len(scorer.detector.ring) == 0
    esperado = _draft(_scorer(historia), final).veredictos
    _iguales(_draft(scorer, final).veredictos, esperado)


def test_dos_en_vuelo_se_aceptan_en_orden_o_se_descartan_del_reves() -> None:
    """While one batch is being stored the next is drafted upon it; both can be taken back."""
    lecturas = _lecturas(2)
    historia = FakeHistoryStore()
    scorer = _scorer(historia)
    _pasar(scorer, historia, lecturas.elegir(np.arange(1600)), 300)
    trozos = [lecturas.elegir(np.arange(i, i + 100)) for i in range(1600, 2000, 100)]
    a, b = _draft(scorer, trozos[0]), _draft(scorer, trozos[1])
    scorer.discard(b)
    scorer.discard(a)
    a, b = _draft(scorer, trozos[0]), _draft(scorer, trozos[1])
    for borrador in (a, b):
        historia.save(borrador.lecturas, borrador.veredictos)
        scorer.accept(borrador)
    sin_parar = _pasar(_scorer(h := FakeHistoryStore()), h, lecturas.elegir(np.arange(1800)), 300)
    _iguales(_unir([a.veredictos, b.veredictos]), sin_parar.elegir(np.arange(1600, 1800)))


def test_sin_almacen_no_cambia_nada() -> None:
    """The store away while new customers have to be loaded: an error, and nobody half loaded."""
    historia = FakeHistoryStore()
    scorer = _scorer(historia)
    historia.caido = True
    with pytest.raises(TransientError):
        _draft(scorer, _lecturas(2, 24))
    assert len(scorer.detector.ring) == 0
    historia.caido = False
    assert len(_draft(scorer, _lecturas(2, 24)).veredictos) == 48


def test_olvidar_clientes_que_pasan_a_otro_consumidor() -> None:
    """Customers of a partition that has left are not in memory any more."""
    historia = FakeHistoryStore()
    scorer = _scorer(historia)
    borrador = _draft(scorer, _lecturas(3, 10))
    assert sorted(borrador.nuevos) == ["CLI_0", "CLI_1", "CLI_2"]
    scorer.forget(["CLI_1"])
    assert sorted(scorer.detector.ring.customers()) == ["CLI_0", "CLI_2"]
