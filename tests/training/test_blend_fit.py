"""The learned blend: it learns, it is kept only if better, and it decides where it is ready."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from apoyo_entrenamiento import HASTA, MADRID, PARAMS, HistoriaEnMemoria, en_vivo

from detection.blend.learned import COLUMNAS, LearnedBlend
from detection.detector import DetectorConsumo
from detection.domain import TIPOS, Lecturas, TipoAnomalia
from detection.errors import ModeloInvalidoError
from detection.scoring_model import ScoringModel
from detection.simulation.synthesis import generate, make_population
from serving.model_package import MEZCLA, load_paquete, save_paquete
from training import blend_examples, blend_fit
from training.blend_examples import (
    CLIENTE_LIMPIO,
    FILAS_ATACADAS,
    FILAS_TRAS_ATAQUE,
    HORAS_DE_UN_CLIENTE,
    PESO_ATAQUES,
    PESO_INOCENTES,
    Ejemplos,
    make_ejemplos,
    part_of,
    read_reviewed,
)
from training.blend_fit import CLIENTES_DE_BASE, LIMPIOS_MINIMOS, fit_mezcla, learn_mezcla
from training.evaluation.attacked_homes import TODOS
from training.fit import learn_short

CLIENTES, DIAS = LIMPIOS_MINIMOS + 4, 45
DESDE = HASTA - 24 * DIAS
OFFLINE = TIPOS.index(TipoAnomalia.MODELO_OFFLINE)


@lru_cache(maxsize=1)
def _limpias() -> Lecturas:
    poblacion = make_population(11, CLIENTES, 0, DESDE, HASTA)
    return generate(poblacion, DESDE, HASTA, MADRID).lecturas()


@lru_cache(maxsize=1)
def _modelo() -> ScoringModel:
    lecturas = _limpias()
    ids = sorted(set(lecturas.propietario_id))
    return learn_short(ids, lecturas, MADRID, 3, 2).modelo


def _aprende(
    limpias: Lecturas | None = None, dichos: Ejemplos | None = None
) -> LearnedBlend | None:
    return learn_mezcla(limpias or _limpias(), _modelo(), MADRID, semilla=4, dichos=dichos)


@pytest.fixture(scope="module")
def mezcla() -> LearnedBlend:
    with pytest.MonkeyPatch.context() as parche:
        # Two rounds of attacks and ten trees say enough here.
        parche.setattr(blend_examples, "VUELTAS", 2)
        parche.setattr(blend_fit, "ARBOLES", 10)
        aprendida = _aprende()
    assert aprendida is not None
    return aprendida


@pytest.fixture(scope="module")
def con_mezcla(mezcla: LearnedBlend) -> ScoringModel:
    return replace(_modelo(), mezcla=mezcla)


def test_con_pocos_clientes_no_se_aprende() -> None:
    """Fewer customers than it takes: the weighted blend goes on deciding."""
    pocos = {p for p in _limpias().propietario_id if p <= "CLI_00010"}
    filas = np.flatnonzero([p in pocos for p in _limpias().propietario_id])
    assert _aprende(_limpias().elegir(filas)) is None


@pytest.fixture(scope="module")
def ejemplos() -> Ejemplos:
    with pytest.MonkeyPatch.context() as parche:
        parche.setattr(blend_examples, "VUELTAS", 2)
        return make_ejemplos(_limpias(), _modelo(), MADRID, 4)


def test_lo_inocente_y_lo_que_sigue_a_un_ataque_no_son_sospechosos(ejemplos: Ejemplos) -> None:
    """Events and honest hours after attacks are there, as negatives, each class with its weight."""
    limpia = ejemplos.tipo == CLIENTE_LIMPIO
    atacada = (ejemplos.tipo >= 0) & (ejemplos.tipo < len(TODOS))
    inocente = ejemplos.tipo >= len(TODOS)
    assert (ejemplos.sospechosa == atacada).all()
    assert np.unique(ejemplos.tipo[inocente]).size > 10
    tras = ejemplos.tipo == ejemplos.tipo.max()
    por_cliente = np.bincount(ejemplos.cliente[tras])
    assert 0 < por_cliente.max() <= 2 * FILAS_TRAS_ATAQUE < 2 * FILAS_ATACADAS
    limpio = ejemplos.peso[limpia].sum()
    assert ejemplos.peso[atacada].sum() == pytest.approx(PESO_ATAQUES * limpio)
    assert ejemplos.peso[inocente].sum() == pytest.approx(PESO_INOCENTES * limpio)


def test_los_tramos_de_un_hogar_van_juntos() -> None:
    """Whoever is left out is left out with all of its stretches."""
    assert part_of("HOGAR#3") == part_of("HOGAR")


def test_se_parte_de_la_mezcla_de_base(
    ejemplos: Ejemplos, mezcla: LearnedBlend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The score is the mean of both trees'; the tails are of the own clean customers."""
    monkeypatch.setattr(blend_fit, "ARBOLES", 10)
    sola = fit_mezcla(ejemplos, 5)
    juntas = fit_mezcla(ejemplos, 5, base=mezcla)
    assert sola is not None
    assert juntas is not None
    clientes = np.unique(ejemplos.cliente).size
    propia = clientes / (clientes + CLIENTES_DE_BASE)
    esperado = propia * sola.arboles.scores(ejemplos.columnas)
    esperado += (1.0 - propia) * mezcla.arboles.scores(ejemplos.columnas)
    np.testing.assert_allclose(juntas.arboles.scores(ejemplos.columnas), esperado, atol=1e-9)
    assert juntas.cola.scores.tolist() != mezcla.cola.scores.tolist()


def test_con_pocos_clientes_decide_la_de_base(mezcla: LearnedBlend) -> None:
    """Whoever has too few clean customers has the base version's blend as it is."""
    filas = np.flatnonzero([p <= "CLI_00010" for p in _limpias().propietario_id])
    pocas = _limpias().elegir(filas)
    assert learn_mezcla(pocas, _modelo(), MADRID, semilla=4, base=mezcla) is mezcla


def test_dos_veces_es_lo_mismo(mezcla: LearnedBlend, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same readings and seed give the same trees and the same tail."""
    monkeypatch.setattr(blend_examples, "VUELTAS", 2)
    monkeypatch.setattr(blend_fit, "ARBOLES", 10)
    otra = _aprende()
    assert otra is not None
    assert (otra.arboles.trees.hoja == mezcla.arboles.trees.hoja).all()
    assert (otra.cola.scores == mezcla.cola.scores).all()


def test_decide_donde_esta_lista(con_mezcla: ScoringModel) -> None:
    """The score is the tail's; what it flags bears modelo_offline; before, the weighted decides."""
    detector = DetectorConsumo(MADRID, PARAMS, con_columnas=True)
    detector.use(con_mezcla)
    crudos = detector.measure(_limpias())
    v = crudos.veredictos
    assert con_mezcla.mezcla is not None
    log_p = con_mezcla.mezcla.log_p(crudos.columnas)
    lista = ~np.isnan(log_p)
    assert lista.any()
    assert not lista.all()
    orden = np.argsort(log_p[lista], kind="stable")
    assert (np.diff(v.score_centesimas[lista][orden].astype(int)) <= 0).all()
    marcada = lista & (v.severidad > 0)
    assert (v.tipos[marcada] >> OFFLINE & 1).all()
    sola = DetectorConsumo(MADRID, PARAMS)
    sola.use(replace(con_mezcla, mezcla=None))
    ponderada = sola.measure(_limpias()).veredictos
    primera = int(np.flatnonzero(lista)[0])
    assert (v.score_centesimas[:primera] == ponderada.score_centesimas[:primera]).all()


def test_sin_modelo_offline_no_hay_mezcla(con_mezcla: ScoringModel) -> None:
    """Left out with the version that it belongs to."""
    detector = DetectorConsumo(MADRID, PARAMS, sin=["modelo_offline"])
    detector.use(con_mezcla)
    assert detector.learned is None


def test_en_sombra_dice_lo_que_diria_de_campeona(con_mezcla: ScoringModel) -> None:
    """A challenger with a learned blend gives the scores that it would give in use."""
    lecturas = _limpias()
    campeona = DetectorConsumo(MADRID, PARAMS)
    campeona.use(con_mezcla)
    sombra = DetectorConsumo(MADRID, PARAMS)
    sombra.use(replace(con_mezcla, mezcla=None))
    sombra.use_shadow(con_mezcla)
    suyas = campeona.measure(lecturas)
    en_sombra = sombra.measure(lecturas)
    detector = DetectorConsumo(MADRID, PARAMS, con_columnas=True)
    detector.use(con_mezcla)
    lista = ~np.isnan(detector.measure(lecturas).columnas[:, 0])
    assert (en_sombra.sombra_centesimas[lista] == suyas.veredictos.score_centesimas[lista]).all()


def test_va_y_vuelve_en_el_paquete(con_mezcla: ScoringModel, tmp_path: Path) -> None:
    """A package gives back the same blend, and one without it is refused."""
    save_paquete(con_mezcla, tmp_path / "p")
    vuelta = load_paquete(tmp_path / "p", "consumo-detector-9")
    assert vuelta.mezcla is not None
    assert con_mezcla.mezcla is not None
    filas = np.random.default_rng(1).random((50, len(COLUMNAS))).astype(np.float32)
    assert (vuelta.mezcla.log_p(filas) == con_mezcla.mezcla.log_p(filas)).all()
    (tmp_path / "p" / MEZCLA).unlink()
    with pytest.raises(ModeloInvalidoError, match="le falta"):
        load_paquete(tmp_path / "p", "consumo-detector-9")


def test_se_aprende_de_lo_que_dicen_los_analistas() -> None:
    """Each verdict whose reading is there becomes a row with its label; others are passed over."""
    lecturas = _limpias()
    historia = HistoriaEnMemoria(lecturas, en_vivo(lecturas).veredictos)
    casos = {
        ("CLI_00001", HASTA - 10): True,
        ("CLI_00002", HASTA - 20): False,
        ("CLI_00003", HASTA + 99): True,
        ("NADIE", HASTA - 10): True,
    }
    dichos = read_reviewed(historia, casos, _modelo(), MADRID)
    assert dichos is not None
    assert sorted(dichos.sospechosa.tolist()) == [False, True]
    assert dichos.columnas.shape == (2, len(COLUMNAS))
    assert read_reviewed(historia, {}, _modelo(), MADRID) is None


def test_un_caso_no_tapa_lo_dicho_de_los_demas() -> None:
    """Of the many hours of a judged case the latest are learnt from, beside what is older."""
    lecturas = _limpias()
    historia = HistoriaEnMemoria(lecturas, en_vivo(lecturas).veredictos)
    casos = {("CLI_00001", HASTA - 1 - h): True for h in range(200)}
    dichos = read_reviewed(
        historia, {**casos, ("CLI_00002", HASTA - 300): False}, _modelo(), MADRID
    )
    assert dichos is not None
    assert np.bincount(dichos.sospechosa).tolist() == [1, HORAS_DE_UN_CLIENTE]
