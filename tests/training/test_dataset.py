"""What may be learnt from is learnt from, as the live path saw it, and nothing else."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from apoyo_entrenamiento import (
    CLIENTES,
    HASTA,
    PARTICIONES,
    HistoriaEnMemoria,
    en_memoria,
    en_vivo,
    leer,
    puntuadas,
    ventana,
)

from detection.domain import Lecturas
from detection.errors import PermanentError
from detection.features.hourly import RASGOS
from pipeline.stores.postgres.store import PostgresStore
from serving.settings import Settings
from training.dataset import HistoriaCortaError, Limites, Muestra, _split, training_window
from training.history import widen


def _filas(muestra: Muestra) -> dict[tuple[str, int], bytes]:
    identidades = zip(muestra.propietario_id, muestra.hora_utc.tolist(), strict=True)
    return {quien: x.tobytes() for quien, x in zip(identidades, muestra.rasgos, strict=True)}


def test_los_rasgos_que_se_aprenden_son_bit_a_bit_los_que_puntuo_el_consumidor(
    entorno: Settings,
) -> None:
    """No training/serving skew on real rows: scored live, stored in PostgreSQL, read back."""
    lecturas, crudos = puntuadas()
    with closing(PostgresStore(entorno)) as almacen:
        almacen.save(lecturas, crudos.veredictos)
        muestra = leer(almacen, limites=Limites(clientes_por_bloque=5))
    vivo = {
        (cliente, hora): crudos.rasgos[i].tobytes()
        for i, (cliente, hora) in enumerate(
            zip(lecturas.propietario_id, lecturas.hora_utc.tolist(), strict=True)
        )
    }
    aprendidos = _filas(muestra)
    assert len(aprendidos) > 2_000
    assert {k for k, x in aprendidos.items() if vivo[k] != x} == set()


def test_una_ventana_corta_trae_el_pasado_que_le_hace_falta() -> None:
    """The first readings of the window have the features they had live: 28 days come before."""
    muestra = leer(de=training_window(HASTA - 24 * 60, HASTA - 1, 10))
    lecturas, crudos = puntuadas()
    assert muestra.hora_utc.min() < muestra.ventana.desde_hora + 24
    vivo = {
        k: x.tobytes()
        for k, x in zip(
            zip(lecturas.propietario_id, lecturas.hora_utc.tolist(), strict=True),
            crudos.rasgos,
            strict=True,
        )
    }
    assert all(vivo[k] == x for k, x in _filas(muestra).items())


def test_los_dias_retenidos_y_quien_calibra_no_se_aprenden() -> None:
    """The split is by time, and those who calibrate are apart from those who judge."""
    muestra = leer()
    calibran = set(muestra.calibracion.lecturas.propietario_id)
    juzgan = set(muestra.evaluacion.lecturas.propietario_id)
    assert muestra.hora_utc.max() < muestra.ventana.corte_hora == HASTA - 14 * 24
    assert calibran
    assert juzgan
    assert not calibran & juzgan
    assert not calibran & set(muestra.propietario_id)
    retenidas = muestra.evaluacion
    assert retenidas.lecturas.hora_utc[retenidas.retenida].min() == muestra.ventana.corte_hora
    for parte in (muestra.calibracion, muestra.evaluacion):
        assert (np.diff(parte.lecturas.hora_utc) >= 0).all(), "the order of the log"
        assert len(set(zip(parte.lecturas.propietario_id, parte.particion.tolist(), strict=True))
                   ) == len(set(parte.lecturas.propietario_id))  # fmt: skip


def test_quien_juzga_nunca_calibra_otra_vez() -> None:
    """Roles go with the name: no seed, and nobody else coming or going, changes sides."""
    limpios = [f"CLI_{k:05d}" for k in range(400)]
    limites = Limites()
    calibran, juzgan = (set(parte) for parte in _split(limpios, limites))
    assert (len(calibran), len(juzgan)) == (200, 100)
    for quedan in (limpios[::2], limpios[100:], limpios[:40]):
        otros = [set(parte) for parte in _split(quedan, limites)]
        assert not otros[0] & juzgan
        assert not otros[1] & calibran
    una, otra = leer(semilla=5), leer(semilla=6)
    for papel in ("calibracion", "evaluacion"):
        ids = [set(getattr(m, papel).lecturas.propietario_id) for m in (una, otra)]
        assert ids[0] == ids[1]
    for n in (4, 5):
        assert min(map(len, _split(limpios[:n], limites))) >= 2


def test_quien_calibra_comparte_particion_con_tantos_como_en_vivo() -> None:
    """Held-out customers go into as many partitions as keep the live number in each."""
    muestra = leer()
    assert muestra.clientes_por_particion == CLIENTES / PARTICIONES
    clientes = len(set(muestra.calibracion.lecturas.propietario_id))
    esperadas = round(clientes / muestra.clientes_por_particion)
    assert 1 <= esperadas < PARTICIONES
    assert muestra.calibracion.particion.max() < esperadas


def test_nadie_domina_y_nada_se_desborda() -> None:
    """At most so many rows of a customer, and so many in all."""
    uno = leer(limites=Limites(filas_por_cliente=250))
    assert max(Counter(uno.propietario_id).values()) == 250
    todos = leer(limites=Limites(filas=4_000))
    assert max(Counter(todos.propietario_id).values()) == 4_000 // CLIENTES
    assert 1_000 <= todos.rasgos.shape[0] <= 4_000


def test_el_sorteo_no_depende_de_como_se_lea() -> None:
    """Blocks of any size, customers in any order: the same rows and the same hash."""

    class AlReves(HistoriaEnMemoria):
        def customers(self, desde_hora: int, hasta_hora: int, partes: int = 1) -> list[str]:
            return super().customers(desde_hora, hasta_hora, partes)[::-1]

    memoria = en_memoria()
    limites = Limites(filas_por_cliente=200)
    una = leer(limites=limites)
    otra = leer(
        AlReves(memoria.lecturas, memoria.veredictos),
        limites=replace(limites, clientes_por_bloque=3),
    )
    assert una.sha256 == otra.sha256
    assert _filas(una) == _filas(otra)
    distinta = leer(limites=limites, semilla=6)
    assert _filas(distinta).keys() != _filas(una).keys()


def test_el_hash_nota_un_vatio_hora_y_un_veredicto() -> None:
    """The hash stands for the data: kWh and what may be learnt from."""
    memoria = en_memoria()
    kwh = memoria.lecturas.consumo_kwh.copy()
    kwh[len(kwh) // 2] += 0.001
    centesimas = memoria.veredictos.score_centesimas.copy()
    aprendible = leer()
    quien = aprendible.propietario_id[0], int(aprendible.hora_utc[0])
    identidades = zip(memoria.lecturas.propietario_id, memoria.lecturas.hora_utc, strict=True)
    centesimas[list(identidades).index(quien)] = 99
    hashes = {
        leer(m).sha256
        for m in (
            memoria,
            replace(memoria, lecturas=replace(memoria.lecturas, consumo_kwh=kwh)),
            replace(memoria, veredictos=replace(memoria.veredictos, score_centesimas=centesimas)),
        )
    }
    assert len(hashes) == 3


def test_de_un_fraude_confirmado_no_se_aprende_ni_las_cuatro_semanas_de_antes() -> None:
    """From 28 days before the first confirmed hour on, and the customer is never held out."""
    fraude = leer().propietario_id[0]
    hora = ventana().corte_hora - 24
    muestra = leer(confirmados={fraude: hora})
    suyas = muestra.hora_utc[np.array(muestra.propietario_id) == fraude]
    assert suyas.size > 0
    assert suyas.max() < hora - 672
    assert muestra.recuento["confirmadas"] > 0
    for parte in (muestra.calibracion, muestra.evaluacion):
        assert fraude not in parte.lecturas.propietario_id


def test_lo_marcado_y_lo_sospechoso_no_se_aprende() -> None:
    """Readings stored as media or more, or under suspicion, are not what is usual."""
    memoria = en_memoria()
    v = memoria.veredictos
    fuera = (v.score_centesimas >= 65) | v.es_sospechoso
    identidades = list(
        zip(memoria.lecturas.propietario_id, memoria.lecturas.hora_utc.tolist(), strict=True)
    )
    marcadas = {identidades[i] for i in np.flatnonzero(fuera)}
    sospechosos = {identidades[i][0] for i in np.flatnonzero(v.es_sospechoso)}
    muestra = leer()
    assert sospechosos, "the population has someone to exclude"
    assert not marcadas & _filas(muestra).keys()
    for parte in (muestra.calibracion, muestra.evaluacion):
        assert not sospechosos & set(parte.lecturas.propietario_id)


def test_la_evaluacion_conserva_las_falsas_alarmas() -> None:
    """Held-out customers keep their flagged readings: the tail is what is calibrated."""
    memoria = en_memoria()
    propietario = leer().calibracion.lecturas.propietario_id[0]
    centesimas = memoria.veredictos.score_centesimas.copy()
    suyas = np.array(memoria.lecturas.propietario_id) == propietario
    centesimas[suyas & (memoria.lecturas.hora_utc == HASTA - 5)] = 90
    veredictos = replace(memoria.veredictos, score_centesimas=centesimas)
    muestra = leer(replace(memoria, veredictos=veredictos))
    assert HASTA - 5 in muestra.calibracion.lecturas.hora_utc[
        np.array(muestra.calibracion.lecturas.propietario_id) == propietario
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("primera", "ultima", "texto"),
    [
        (None, None, "no hay historia"),
        (
            0,
            42 * 24 - 1,
            "abarca 42 días y para entrenar hacen falta al menos 43 .29 de que aprender, incluidos",
        ),
    ],
)
def test_sin_historia_o_con_poca_se_dice(
    primera: int | None, ultima: int | None, texto: str
) -> None:
    """One clear line, before anything is read."""
    with pytest.raises(PermanentError, match=texto):
        training_window(primera, ultima, 90)
    assert training_window(0, 43 * 24 - 1, 90).desde_hora == 0


def test_con_un_cliente_no_se_entrena() -> None:
    """One customer is nobody to compare with."""
    with pytest.raises(PermanentError, match="la historia es de 1 cliente y"):
        leer(en_memoria(clientes=1))


def test_con_lecturas_constantes_no_se_entrena() -> None:
    """Where nothing varies there is nothing to learn, however many readings there are."""
    memoria = en_memoria()
    planas = replace(memoria.lecturas, consumo_kwh=np.ones(len(memoria.lecturas)))
    veredictos = replace(
        memoria.veredictos,
        score_centesimas=np.zeros_like(memoria.veredictos.score_centesimas),
        es_sospechoso=np.zeros_like(memoria.veredictos.es_sospechoso),
    )
    with pytest.raises(PermanentError, match="todas las lecturas son iguales"):
        leer(HistoriaEnMemoria(planas, veredictos))


def test_con_casi_todo_marcado_no_se_entrena() -> None:
    """What is left after the exclusions may be too little, and the line says how little."""
    memoria = en_memoria()
    centesimas = np.full_like(memoria.veredictos.score_centesimas, 80)
    with pytest.raises(HistoriaCortaError, match="solo quedan 0 lecturas limpias"):
        leer(replace(memoria, veredictos=replace(memoria.veredictos, score_centesimas=centesimas)))


def test_con_pocos_clientes_de_siempre_no_se_entrena() -> None:
    """One meter since the first day, the others since last week: a history that is too short."""
    memoria = en_memoria()
    lecturas = memoria.lecturas
    uno = np.array(lecturas.propietario_id) == lecturas.propietario_id[0]
    quedan = np.flatnonzero(uno | (lecturas.hora_utc >= HASTA - 7 * 24))
    with pytest.raises(HistoriaCortaError, match=f"de los {CLIENTES} clientes .* solo 1 tienen"):
        leer(HistoriaEnMemoria(lecturas.elegir(quedan), memoria.veredictos.elegir(quedan)))


def test_si_todos_son_sospechosos_no_se_entrena() -> None:
    """Without clean customers there is nobody to calibrate on."""
    memoria = en_memoria()
    todos = np.ones_like(memoria.veredictos.es_sospechoso)
    with pytest.raises(PermanentError, match="solo 0 clientes sin sospecha"):
        leer(replace(memoria, veredictos=replace(memoria.veredictos, es_sospechoso=todos)))


def test_los_kwh_vuelven_como_eran() -> None:
    """Every reading of a meter, in watt-hours, survives the history's narrower column."""
    rng = np.random.default_rng(3)
    vatios_hora = np.concatenate([np.arange(200_000), rng.integers(0, 9_999_999, 200_000)])
    kwh = vatios_hora / 1000
    assert (widen(kwh.astype(np.float32)) == kwh).all()
    con_todas_las_cifras = rng.uniform(0.0, 50.0, 10_000)
    vuelta = widen(con_todas_las_cifras.astype(np.float32))
    np.testing.assert_allclose(vuelta, con_todas_las_cifras, rtol=1.2e-7)


def test_un_hueco_no_estorba() -> None:
    """Customers with gaps are read like the others: their features are those of the live path."""
    lecturas, _ = puntuadas()
    quedan = np.flatnonzero(np.random.default_rng(1).random(len(lecturas)) < 0.97)
    con_huecos: Lecturas = lecturas.elegir(quedan)
    crudos = en_vivo(con_huecos)
    muestra = leer(HistoriaEnMemoria(con_huecos, crudos.veredictos))
    vivo = {
        k: x.tobytes()
        for k, x in zip(
            zip(con_huecos.propietario_id, con_huecos.hora_utc.tolist(), strict=True),
            crudos.rasgos,
            strict=True,
        )
    }
    assert muestra.rasgos.shape[1] == len(RASGOS)
    assert all(vivo[k] == x for k, x in _filas(muestra).items())
