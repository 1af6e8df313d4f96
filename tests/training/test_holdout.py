"""The frozen set says what it is, hides whose it is, and comes back from its file as it was."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

import numpy as np
import pytest
from apoyo_entrenamiento import CLIENTES, MADRID, PARTICIONES, SEMILLA, leer

from detection.errors import ModeloInvalidoError
from training.evaluation.attacked_homes import ATAQUES
from training.history import HeldOut
from training.holdout import GEMELO, GEMELOS_POR_ATAQUE, Conjunto, make_conjunto

POR_PARTICION = CLIENTES / PARTICIONES


@lru_cache(maxsize=1)
def _retenidas() -> HeldOut:
    return leer().evaluacion


@lru_cache(maxsize=1)
def _conjunto() -> Conjunto:
    return make_conjunto(_retenidas(), MADRID, SEMILLA, POR_PARTICION)


def _serie(conjunto: Conjunto, quien: str) -> np.ndarray:
    return np.flatnonzero(np.array(conjunto.lecturas.propietario_id) == quien)


def test_va_y_vuelve() -> None:
    """Through Parquet and back: the same set, the same hash, and the same bytes each time."""
    conjunto = _conjunto()
    datos = conjunto.to_parquet()
    vuelta = Conjunto.from_parquet(datos)
    assert vuelta.sha256 == conjunto.sha256
    assert vuelta.to_parquet() == datos
    assert vuelta.tipo == conjunto.tipo
    np.testing.assert_array_equal(vuelta.juzgada, conjunto.juzgada)
    otra = make_conjunto(_retenidas(), MADRID, SEMILLA, POR_PARTICION)
    assert otra.to_parquet() == datos
    assert make_conjunto(_retenidas(), MADRID, 6, POR_PARTICION).sha256 != conjunto.sha256


@pytest.mark.parametrize("datos", [b"", b"PAR1 nada PAR1", b"\x00" * 100])
def test_un_fichero_danado_se_rechaza(datos: bytes) -> None:
    """One clear line instead of a library's traceback."""
    with pytest.raises(ModeloInvalidoError, match="el conjunto de evaluación está dañado"):
        Conjunto.from_parquet(datos)


def test_esta_cada_ataque_las_mismas_veces_y_la_mitad_es_limpia() -> None:
    """Every kind in turn; the clean customers are the real ones as they are."""
    conjunto = _conjunto()
    atacados = Counter()
    for quien in set(conjunto.lecturas.propietario_id):
        tipos = {conjunto.tipo[i] for i in _serie(conjunto, quien)} - {""}
        assert len(tipos) == (GEMELO in quien)
        atacados.update(tipos)
    assert set(atacados) == set(ATAQUES)
    assert set(atacados.values()) == {GEMELOS_POR_ATAQUE}
    reales = _retenidas().lecturas
    limpias = [i for i, p in enumerate(conjunto.lecturas.propietario_id) if GEMELO not in p]
    assert sorted(conjunto.lecturas.consumo_kwh[limpias]) == sorted(reales.consumo_kwh)


def test_no_dice_de_quien_es() -> None:
    """Nobody's identity leaves the database with the model."""
    conjunto = _conjunto()
    assert not set(conjunto.lecturas.propietario_id) & set(_retenidas().lecturas.propietario_id)
    assert b"CLI_" not in conjunto.to_parquet()


def test_el_pasado_de_un_gemelo_es_el_suyo_y_se_juzga_lo_tocado() -> None:
    """Until the first judged hour a twin is its customer; judged is what the attack touches."""
    conjunto = _conjunto()
    hora = conjunto.lecturas.hora_utc
    corte = conjunto.corte_hora
    limpios = [p for p in dict.fromkeys(conjunto.lecturas.propietario_id) if GEMELO not in p]
    pasado = {
        tuple(conjunto.lecturas.consumo_kwh[s[hora[s] < corte]])
        for s in (_serie(conjunto, p) for p in limpios)
    }
    gemelos = [p for p in dict.fromkeys(conjunto.lecturas.propietario_id) if GEMELO in p]
    assert len(gemelos) == len(ATAQUES) * GEMELOS_POR_ATAQUE
    for gemelo in gemelos:
        suya = _serie(conjunto, gemelo)
        assert tuple(conjunto.lecturas.consumo_kwh[suya[hora[suya] < corte]]) in pasado
        tocada = np.array([conjunto.tipo[i] != "" for i in suya])
        assert tocada.any()
        assert (hora[suya[tocada]] >= corte).all()
        np.testing.assert_array_equal(conjunto.juzgada[suya], tocada)
    for p in limpios:
        suya = _serie(conjunto, p)
        np.testing.assert_array_equal(conjunto.juzgada[suya], hora[suya] >= corte)


def test_un_ataque_hace_lo_que_dice() -> None:
    """Scaled readings are below the honest ones, frozen ones are all alike, lamps add."""
    conjunto = _conjunto()
    kwh, tipo = conjunto.lecturas.consumo_kwh, np.array(conjunto.tipo)
    quien = np.array(conjunto.lecturas.propietario_id)
    congelado = quien[tipo == "congelado"][0]
    assert len(set(kwh[(quien == congelado) & (tipo != "")])) == 1
    for ataque, signo in (("fraude_escala", -1), ("cannabis", 1), ("picos", 1)):
        gemelo = quien[tipo == ataque][0]
        suya = quien == gemelo
        dentro = conjunto.lecturas.hora_utc >= conjunto.corte_hora
        antes = kwh[suya & ~dentro].mean()
        assert signo * (kwh[suya & dentro].mean() - antes) > 0.1 * antes, ataque


def test_un_hueco_sigue_siendo_un_hueco() -> None:
    """An attack invents no readings that the customer does not have."""
    retenidas = _retenidas()
    quedan = np.flatnonzero(np.random.default_rng(2).random(len(retenidas.lecturas)) < 0.9)
    con_huecos = HeldOut(
        retenidas.lecturas.elegir(quedan), retenidas.particion[quedan], retenidas.retenida[quedan]
    )
    conjunto = make_conjunto(con_huecos, MADRID, SEMILLA, POR_PARTICION)
    assert np.isfinite(conjunto.lecturas.consumo_kwh).all()
    horas = Counter(conjunto.lecturas.propietario_id)
    reales = Counter(con_huecos.lecturas.propietario_id)
    assert set(horas.values()) == set(reales.values())


def test_un_gemelo_es_del_mismo_cliente_y_cada_ataque_es_de_varios() -> None:
    """Twins share their customer's number; no kind is all on one customer."""
    conjunto = _conjunto()
    ids, origen = np.array(conjunto.lecturas.propietario_id), conjunto.origen
    numero = dict(zip(ids.tolist(), origen.tolist(), strict=True))
    limpios = {p for p in numero if GEMELO not in p}
    assert sorted(numero[p] for p in limpios) == list(range(len(limpios)))
    assert all(numero[p] == numero[p.partition(GEMELO)[0]] for p in numero)
    tipo = np.array(conjunto.tipo)
    for ataque in ATAQUES:
        quienes = np.unique(origen[tipo == ataque])
        assert quienes.size == min(GEMELOS_POR_ATAQUE, len(limpios)), ataque


def test_en_cada_particion_hay_tantos_clientes_como_en_vivo() -> None:
    """The set goes into as many partitions as keep the live number of customers in each."""
    conjunto = _conjunto()
    clientes = len(set(conjunto.lecturas.propietario_id))
    assert conjunto.particion.max() + 1 == round(clientes / POR_PARTICION)
    assert set(make_conjunto(_retenidas(), MADRID, SEMILLA, 1e6).particion) == {0}
