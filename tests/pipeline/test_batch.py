"""The story of one batch, on stores in memory: what is saved, in which order, and when."""

from __future__ import annotations

import numpy as np
import pytest
from apoyo import LUNES, MADRID, hogar, horas
from apoyo_modelos import PARAMS, modelo_de_prueba
from contracts.fakes import FakeAnomalyStore, FakeCaseStore, FakeHistoryStore, hacer_caso

from detection.cases.records import Caso, date_of
from detection.detector import DetectorConsumo
from detection.domain import Lecturas
from detection.errors import LoteEnVueloError, TransientError
from detection.scoring_model import ScoringModel
from pipeline.streaming.batch import ScoringProcessor
from serving.base_version import load_base
from serving.scorer import BatchOrigin, Scorer

N = 24 * 30


def _procesador() -> tuple[ScoringProcessor, FakeHistoryStore, FakeAnomalyStore]:
    historial, anomalias = FakeHistoryStore(), FakeAnomalyStore()
    scorer = Scorer(DetectorConsumo(MADRID), historial)
    casos = FakeCaseStore()
    procesador = ScoringProcessor(scorer, historial, anomalias, casos, lambda: LUNES + N)
    return procesador, historial, anomalias


def _lecturas(kwh: np.ndarray, desde: int = 0, cliente: str = "CLI_1") -> Lecturas:
    return Lecturas([cliente] * kwh.size, horas(kwh.size) + desde, kwh)


def _origen(n: int, particion: int = 0) -> BatchOrigin:
    return BatchOrigin(np.full(n, particion, np.int32), np.arange(n), {particion: n}, "registro")


def _pasar(procesador: ScoringProcessor, lecturas: Lecturas, particion: int = 0) -> None:
    puntuado = procesador.draft(lecturas, _origen(len(lecturas), particion))
    procesador.save(puntuado)
    procesador.accept(puntuado)


def test_cada_anomalia_llega_con_lo_que_dicen_todos_los_detectores() -> None:
    """An anomaly is stored with what every detector says; a normal reading is not one."""
    procesador, historial, anomalias = _procesador()
    kwh = hogar(N)
    kwh[-1] = 40.0
    _pasar(procesador, _lecturas(kwh))
    assert len(historial.filas) == N
    ultima = anomalias.anomalias["CLI_1", LUNES + N - 1]
    assert len(ultima.explicacion) == 8
    assert any(e.dispara and "40,00 kWh" in e.frase for e in ultima.explicacion)
    normales = [k for k, fila in historial.filas.items() if fila.severidad == "normal"]
    assert not set(normales) & set(anomalias.anomalias)


def test_de_una_lectura_repetida_en_un_lote_gana_la_ultima() -> None:
    """Twice in one batch: the stores get one reading, the last."""
    procesador, historial, _ = _procesador()
    lecturas = Lecturas(["A", "B", "A"], np.array([LUNES, LUNES, LUNES]), np.array([1.0, 2.0, 3.0]))
    assert lecturas.vigentes().tolist() == [1, 2]
    _pasar(procesador, lecturas)
    assert historial.filas["A", LUNES].consumo_kwh == 3.0
    assert len(historial.filas) == 2


def test_con_el_segundo_almacen_caido_se_repite_sin_duplicar() -> None:
    """The history is saved, the anomalies are away: the same draft again leaves both right."""
    procesador, historial, anomalias = _procesador()
    kwh = hogar(N)
    kwh[-1] = 40.0
    lecturas = _lecturas(kwh)
    puntuado = procesador.draft(lecturas, _origen(N))
    anomalias.caido = True
    with pytest.raises(TransientError):
        procesador.save(puntuado)
    assert len(historial.filas) == N
    anomalias.caido = False
    procesador.save(puntuado)
    procesador.accept(puntuado)
    de_historial = {k for k, fila in historial.filas.items() if fila.severidad != "normal"}
    assert set(anomalias.anomalias) == de_historial


def test_las_particiones_que_se_van_se_llevan_a_sus_clientes() -> None:
    """A partition that another consumer reads from now on leaves nobody in memory."""
    procesador, _, _ = _procesador()
    _pasar(procesador, _lecturas(hogar(10), cliente="A"), particion=0)
    _pasar(procesador, _lecturas(hogar(10), cliente="B"), particion=1)
    procesador.forget([0, 7])
    assert procesador._scorer.detector.ring.customers() == ["B"]


class ModelosDeGuion:
    """A source of versions that gives what a test puts into it."""

    def __init__(self) -> None:
        self.nuevo: ScoringModel | None = None
        self.challenger: ScoringModel | None = None

    def take(self) -> ScoringModel | None:
        nuevo, self.nuevo = self.nuevo, None
        return nuevo


def _con_modelos() -> tuple[ScoringProcessor, FakeHistoryStore, FakeAnomalyStore, ModelosDeGuion]:
    historial, anomalias, modelos = FakeHistoryStore(), FakeAnomalyStore(), ModelosDeGuion()
    scorer = Scorer(DetectorConsumo(MADRID, PARAMS), historial)
    procesador = ScoringProcessor(
        scorer, historial, anomalias, FakeCaseStore(), lambda: LUNES + N, modelos
    )
    return procesador, historial, anomalias, modelos


def _versiones(historial: FakeHistoryStore, horas_: range) -> set[str]:
    return {historial.filas["CLI_1", LUNES + h].version_modelo.split("+")[0] for h in horas_}


def test_una_version_nueva_entra_entre_dos_lotes() -> None:
    """A champion that turns up scores from the next draft on; a draft in flight keeps its own."""
    procesador, historial, _, modelos = _con_modelos()
    kwh = hogar(N)
    _pasar(procesador, _lecturas(kwh[:600]))
    en_vuelo = procesador.draft(_lecturas(kwh[600:650], 600), _origen(50))
    modelos.nuevo = modelo_de_prueba()
    siguiente = procesador.draft(_lecturas(kwh[650:], 650), _origen(N - 650))
    for puntuado in (en_vuelo, siguiente):
        procesador.save(puntuado)
        procesador.accept(puntuado)
    assert all(v.startswith("reglas-") for v in _versiones(historial, range(650)))
    assert _versiones(historial, range(650, N)) == {"consumo-detector-1"}


def test_la_misma_lectura_con_otro_modelo_no_cambia_ningun_almacen() -> None:
    """Sent again after a swap: both stores keep the first verdict, its version and its reasons."""
    procesador, historial, anomalias, modelos = _con_modelos()
    kwh = hogar(N)
    kwh[-60::12] = 40.0
    _pasar(procesador, _lecturas(kwh))
    filas, documentos = dict(historial.filas), dict(anomalias.anomalias)
    assert documentos
    modelos.nuevo = modelo_de_prueba()
    otra_vez = procesador.draft(_lecturas(kwh[-100:], N - 100), _origen(100))
    assert otra_vez.veredictos.version_modelo.startswith("consumo-detector-1+")
    procesador.save(otra_vez)
    procesador.accept(otra_vez)
    assert historial.filas == filas
    assert anomalias.anomalias == documentos


def test_muerto_entre_los_almacenes_y_con_otro_modelo_se_repone_la_anomalia() -> None:
    """Saved to the history alone, then a restart with another version: the stores agree again."""
    procesador, historial, anomalias, _ = _con_modelos()
    kwh = hogar(N)
    kwh[-60::12] = 40.0
    anomalias.caido = True
    puntuado = procesador.draft(_lecturas(kwh), _origen(N))
    with pytest.raises(TransientError):
        procesador.save(puntuado)
    anomalias.caido = False
    modelos = ModelosDeGuion()
    modelos.nuevo = modelo_de_prueba()
    scorer = Scorer(DetectorConsumo(MADRID, PARAMS), historial)
    otro = ScoringProcessor(
        scorer, historial, anomalias, FakeCaseStore(), lambda: LUNES + N, modelos
    )
    _pasar(otro, _lecturas(kwh))
    graves = {k: f for k, f in historial.filas.items() if f.severidad != "normal"}
    assert graves
    assert set(anomalias.anomalias) == set(graves)
    for clave, fila in graves.items():
        documento = anomalias.anomalias[clave]
        assert documento.fila == fila
        assert len(documento.explicacion) == 8


def test_la_sombra_se_guarda_aparte_mientras_haya_aspirante() -> None:
    """A challenger's scores go to their own table, and stop when there is none any more."""
    procesador, historial, _, modelos = _con_modelos()
    modelos.nuevo = modelo_de_prueba()
    modelos.challenger = modelo_de_prueba("consumo-detector-2", semilla=2)
    kwh = hogar(N)
    kwh[-60::12] = 40.0
    _pasar(procesador, _lecturas(kwh[:-30]))
    assert any(version == "consumo-detector-2" for _, version in historial.sombra)
    assert _versiones(historial, range(N - 30)) == {"consumo-detector-1"}
    guardadas = len(historial.sombra)
    modelos.challenger = None
    _pasar(procesador, _lecturas(kwh[-30:], N - 30))
    assert len(historial.sombra) == guardadas


@pytest.mark.parametrize("en_memoria", [True, False])
def test_lo_que_se_descarta_llega_al_detector(en_memoria: bool) -> None:
    """People's word on a case reaches customers in memory, and those who come into it later."""
    historial, casos = FakeHistoryStore(), FakeCaseStore()
    detector = DetectorConsumo(MADRID)
    scorer = Scorer(detector, historial, casos)
    procesador = ScoringProcessor(
        scorer, historial, FakeAnomalyStore(), casos, lambda: LUNES + N, sondeo_s=0.0
    )
    _pasar(procesador, _lecturas(hogar(N)))
    inicio = date_of(int(detector.days.columns().primero[0]) + 10)
    caso = hacer_caso("CLI_1", fecha_inicio=inicio)
    casos.casos[caso.clave] = caso, "descartado"
    if not en_memoria:
        procesador.forget([0])
    puntuado = procesador.draft(_lecturas(hogar(2), desde=N), _origen(2))
    procesador.save(puntuado)
    procesador.accept(puntuado)
    fila = detector.ring.row("CLI_1")
    assert date_of(int(detector.days.columns().primero[fila])) == inicio
    assert date_of(int(historial.estados["CLI_1"][0][1])) == inicio


def _un_tercio(dias: int) -> np.ndarray:
    """Return a household that uses a third from day 60 on."""
    kwh = hogar(24 * dias)
    kwh[24 * 60 :] *= 0.3
    return kwh


@pytest.mark.parametrize("como", ["sin descartar", "en memoria", "al volver", "sin haberlo oído"])
def test_lo_que_ya_no_esta_descartado_sigue_como_el_mismo_caso(como: str) -> None:
    """A case whose discard is undone goes on under its own name, by what was there before it.

    Live, by whoever comes later, and by whoever was away all the time: all say the same.
    """
    historial, casos, kwh = FakeHistoryStore(), FakeCaseStore(), _un_tercio(125)
    procesador = _con_base(historial, casos)

    def pasan(desde: int, hasta: int) -> Caso:
        _pasar(procesador, _lecturas(kwh[24 * desde : 24 * hasta], 24 * desde))
        (caso,) = [c for c, _ in casos.casos.values() if c.fecha_cierre is None]
        return caso

    antes = pasan(0, 80)
    if como != "sin descartar":
        casos.casos[antes.clave] = antes, "descartado"
        if como == "sin haberlo oído":
            procesador = _con_base(historial, casos)
        else:
            assert pasan(80, 90).hasta == antes.hasta, "it is no case of the detector's any more"
        casos.casos[antes.clave] = antes, "nuevo"
        if como == "al volver":
            procesador = _con_base(historial, casos)
    pasan(90 if como in {"en memoria", "al volver"} else 80, 124)
    despues = pasan(124, 125)
    assert [c.clave for c, _ in casos.casos.values()] == [antes.clave]
    assert (despues.fecha_inicio, despues.tipo) == (antes.fecha_inicio, antes.tipo)
    assert (despues.hasta - antes.hasta).days == 45
    assert despues.consumo_antes_kwh == antes.consumo_antes_kwh
    assert despues.probabilidad > 0.9
    ultima = max(hora for _, hora in historial.filas)
    assert historial.filas["CLI_1", ultima].es_sospechoso


def test_lo_deshecho_espera_a_lo_que_se_esta_guardando() -> None:
    """A customer whose hours are not stored yet is not loaded anew out of the store."""
    historial, casos = FakeHistoryStore(), FakeCaseStore()
    procesador = _con_base(historial, casos)
    kwh = _un_tercio(82)
    _pasar(procesador, _lecturas(kwh[: 24 * 80]))
    ((antes, _),) = casos.casos.values()
    casos.casos[antes.clave] = antes, "descartado"
    en_vuelo = procesador.draft(_lecturas(kwh[24 * 80 : 24 * 81], 24 * 80), _origen(24))
    casos.casos[antes.clave] = antes, "nuevo"
    otras = _lecturas(kwh[24 * 81 :], 24 * 81)
    with pytest.raises(LoteEnVueloError):
        procesador.draft(otras, _origen(24))
    procesador.save(en_vuelo)
    procesador.accept(en_vuelo)
    _pasar(procesador, otras)
    ((caso, _),) = casos.casos.values()
    assert (caso.hasta - antes.hasta).days == 2


def test_si_los_casos_no_responden_nadie_ha_venido() -> None:
    """A customer is not half loaded: whoever asks again loads it with its days."""
    historial, casos = FakeHistoryStore(), FakeCaseStore()
    _pasar(_con_base(historial, casos), _lecturas(_un_tercio(80)))
    ((antes, _),) = casos.casos.values()
    procesador = _con_base(historial, casos, sondeo_s=60.0)
    casos.caido = True
    mas = _lecturas(_un_tercio(82)[24 * 80 :], 24 * 80)
    with pytest.raises(TransientError):
        procesador.draft(mas, _origen(48))
    casos.caido = False
    _pasar(procesador, mas)
    ((caso, _),) = casos.casos.values()
    assert (caso.clave, (caso.hasta - antes.hasta).days) == (antes.clave, 2)


def _con_base(
    historial: FakeHistoryStore, casos: FakeCaseStore, sondeo_s: float = 0.0
) -> ScoringProcessor:
    """Return a consumer's processor with the base version, as it starts over some stores."""
    detector = DetectorConsumo(MADRID)
    detector.use(load_base())
    scorer = Scorer(detector, historial, casos)
    return ScoringProcessor(
        scorer, historial, FakeAnomalyStore(), casos, lambda: LUNES + N, sondeo_s=sondeo_s
    )
