"""``consumo entrenar``: history in PostgreSQL becomes a registered version, alias ``challenger``.

Read, fit, calibrate, evaluate, pack, register: a failure before the last step leaves nothing
behind, and the last one is all or nothing itself (``serving.registry``).
"""

from __future__ import annotations

import contextlib
import json
import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detection.detector import DetectorConsumo
from detection.domain import HORAS_POR_DIA, Calendario, Lecturas, hora_absoluta, instante
from detection.errors import ModeloInvalidoError, PermanentError
from detection.features.hourly import RASGOS
from detection.models.isolation_forest import FlatIsolationForest
from detection.number_format import numero
from detection.params import Params
from detection.scoring_model import ScoringModel
from pipeline.stores.mongo.model_log import MongoModelLog
from pipeline.stores.postgres.store import PostgresStore, migrate
from serving.base_version import load_base
from serving.cli import HECHO, Parser, entero
from serving.local_time import load_calendario
from serving.model_package import save_paquete
from serving.model_versions import CAMPEON, ETIQUETA_PARAMS
from serving.registry import ModelRegistry
from serving.settings import Settings
from serving.shutdown import StopRequest
from training.blend_examples import read_reviewed
from training.blend_fit import learn_mezcla
from training.calibrate import calibrate, measure_held_out
from training.dataset import (
    CALIBRACION_DIAS,
    MINIMO_CLIENTES,
    MINIMO_DIAS,
    MINIMO_FILAS,
    RETENIDOS_DIAS,
    Limites,
    Muestra,
    read_muestra,
    training_window,
)
from training.drift import REFERENCIA, read_sample, reference_parquet
from training.evaluation.version_metrics import (
    METRICAS,
    Metricas,
    evaluate,
    informe_texto,
    permutation_importance,
)
from training.history import (
    SEMILLA_ENTRENAMIENTO,
    HeldOut,
    HistoryReader,
    by_lot,
    partition_of,
    partitions_for,
)
from training.holdout import EVALUACION, Conjunto, make_conjunto
from training.model_card import HUELLAS, fingerprints, version_card
from training.own_cases import OwnCases, learn_own_cases
from training.plots import draw_version
from training.promotion import examine

_LOG = logging.getLogger("entrenamiento")

ARBOLES_DEL_BOSQUE = 100
FILAS_POR_ARBOL = 256
"""The figures of the paper, beyond which nothing improves (F. T. Liu, K. M. Ting and Z.-H. Zhou,
"Isolation Forest", ICDM 2008, section 5)."""
FILAS_EJEMPLO = 5
SIN_REGISTRAR = "consumo-detector-0"
"""Version of a model until the registry gives it its number."""
VERSION_DE_ARCHIVO = "consumo-detector-archivo"
"""What verdicts call a version of ``consumo evaluar``, which no registry gives a number."""


@dataclass(frozen=True, slots=True, eq=False)
class Aprendido:
    """A version that is not registered yet."""

    modelo: ScoringModel
    muestra: Muestra
    conjunto: Conjunto  # what it was judged on
    # metricas, solo_reglas: of the version, and of the rules alone on the same set.
    metricas: Metricas
    solo_reglas: Metricas
    importancia: Mapping[str, float]  # by feature
    referencia: bytes  # drift reference, Parquet
    casos: OwnCases | None  # None = the version knows of none

    def extras(self) -> dict[str, bytes]:
        """Return the side files of the package, by name."""
        return {
            REFERENCIA: self.referencia,
            EVALUACION: self.conjunto.to_parquet(),
            METRICAS: self.metricas.to_json().encode(),
        }


@dataclass(frozen=True, slots=True, eq=False)
class RegisteredVersion:
    """What was learnt, and its number in the registry."""

    version: int
    aprendido: Aprendido


def train(
    settings: Settings,
    *,
    dias: int | None = None,
    semilla: int = SEMILLA_ENTRENAMIENTO,
    limites: Limites | None = None,
) -> RegisteredVersion:
    """Return the version that was trained on the stored history and registered.

    ``dias``: days to learn from; None = ``settings.entrenar_dias``. ``PermanentError``: the history
    does not allow it; the text says why. ``TransientError``: a store or the registry is away;
    nothing is registered.
    """
    # Asked first, for who trains for minutes wants to know at the start that it was for nothing.
    ModelRegistry(settings).ping()
    migrate(settings)
    with (
        contextlib.closing(PostgresStore(settings)) as almacen,
        contextlib.closing(MongoModelLog(settings)) as modelos,
    ):
        confirmadas = modelos.confirmadas()
        veredictos = dict.fromkeys(modelos.descartadas(), False) | dict.fromkeys(confirmadas, True)
        aprendido = learn(
            settings, almacen, first_hours(confirmadas), veredictos=veredictos, dias=dias,
            semilla=semilla, limites=limites, base=load_base(),
        )  # fmt: skip
    return RegisteredVersion(_register(settings, aprendido, semilla), aprendido)


def first_hours(confirmadas: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Return each customer's first hour.

    Examples
    --------
    >>> first_hours([("A", 7), ("A", 5), ("B", 9)])
    {'A': 5, 'B': 9}
    """
    primera: dict[str, int] = {}
    for propietario, hora in confirmadas:
        primera[propietario] = min(hora, primera.get(propietario, hora))
    return primera


def learn(
    settings: Settings,
    almacen: HistoryReader,
    confirmados: Mapping[str, int],
    *,
    veredictos: Mapping[tuple[str, int], bool] | None = None,
    dias: int | None = None,
    semilla: int = SEMILLA_ENTRENAMIENTO,
    limites: Limites | None = None,
    con_mezcla: bool = True,
    base: ScoringModel | None = None,
) -> Aprendido:
    """Return a version learnt from a history; the same history and seed give the same version.

    ``veredictos``: customer and absolute hour of the anomalies that analysts dealt with, True =
    confirmed. ``con_mezcla``: whether a blend is learnt, too. ``base``: the version that it starts
    from; None = none.
    """
    calendario = load_calendario(settings.zona_horaria)
    cuenta = almacen.contar()
    desde, hasta = (cuenta[c] and hora_absoluta(cuenta[c]) for c in ("desde", "hasta"))
    ventana = training_window(desde, hasta, dias or settings.entrenar_dias)
    fechas = (f"{instante(hora):%Y-%m-%d}" for hora in astuple(ventana))
    _LOG.info("se aprende de %s a %s y se evalúa hasta %s", *fechas)
    muestra = read_muestra(
        almacen, calendario, ventana, semilla=semilla, confirmados=confirmados,
        particiones=settings.kafka_particiones, limites=limites,
    )  # fmt: skip
    modelo = _fit_modelo(muestra, calendario, semilla)
    if con_mezcla:
        dichos = read_reviewed(almacen, veredictos or {}, modelo, calendario)
        mezcla = learn_mezcla(
            muestra.calibracion.lecturas, modelo, calendario, semilla=semilla, dichos=dichos,
            base=None if base is None else base.mezcla,
        )  # fmt: skip
        modelo = replace(modelo, mezcla=mezcla)
    casos = _learn_casos(almacen, muestra, calendario, veredictos or {}, base, semilla)
    modelo = replace(modelo, casos=None if casos is None else casos.modelo)
    conjunto = _judged_on(muestra, calendario, semilla)
    metricas = evaluate(conjunto, modelo, calendario)
    _LOG.info("evaluado sobre %d lecturas", metricas.lecturas_juzgadas)
    ultimos = (ventana.hasta_hora - CALIBRACION_DIAS * HORAS_POR_DIA, ventana.hasta_hora)
    todos, _ = read_sample(almacen, ultimos, particiones=settings.kafka_particiones)
    return Aprendido(
        modelo, muestra, conjunto, metricas,
        evaluate(conjunto, None, calendario, dejar_fuera=False),
        permutation_importance(conjunto, modelo, calendario, semilla),
        reference_parquet(todos, modelo, calendario, semilla),
        casos,
    )  # fmt: skip


def _judged_on(muestra: Muestra, calendario: Calendario, semilla: int) -> Conjunto:
    por_particion = muestra.clientes_por_particion
    return make_conjunto(muestra.evaluacion, calendario, semilla, por_particion)


def _learn_casos(
    almacen: HistoryReader,
    muestra: Muestra,
    calendario: Calendario,
    veredictos: Mapping[tuple[str, int], bool],
    base: ScoringModel | None,
    semilla: int,
) -> OwnCases | None:
    if base is None or base.casos is None:
        return None
    return learn_own_cases(
        almacen, base.casos, calendario, hasta_hora=muestra.ventana.corte_hora,
        veredictos=veredictos, juzgan=set(muestra.evaluacion.lecturas.propietario_id),
        semilla=semilla,
    )  # fmt: skip


def _fit_modelo(muestra: Muestra, calendario: Calendario, semilla: int) -> ScoringModel:
    bosque = fit_forest(muestra.rasgos, semilla)
    _LOG.info("bosque de %d árboles sobre %d lecturas", ARBOLES_DEL_BOSQUE, muestra.rasgos.shape[0])
    modelo = calibrate(SIN_REGISTRAR, bosque, muestra.calibracion, calendario)
    _LOG.info("calibrado con %d clientes limpios", muestra.recuento["clientes_calibran"])
    return modelo


def fit_forest(rasgos: NDArray[np.float32], semilla: int) -> FlatIsolationForest:
    """Return the isolation forest that features (n, F) grow."""
    from sklearn.ensemble import IsolationForest

    # No contamination: it would score every row only to choose a threshold that we calibrate.
    bosque = IsolationForest(
        n_estimators=ARBOLES_DEL_BOSQUE, max_samples=FILAS_POR_ARBOL, random_state=semilla
    )
    return FlatIsolationForest.from_sklearn(bosque.fit(rasgos))


@dataclass(frozen=True, slots=True)
class ShortFit:
    """What was learnt."""

    modelo: ScoringModel
    filas: int  # readings that the forest has grown on
    # clientes, calibran: customers that it has grown on, and others that it was calibrated on.
    clientes: int
    calibran: int


def learn_short(
    clientes: list[str],
    lecturas: Lecturas,
    calendario: Calendario,
    semilla: int,
    particiones: int,
) -> ShortFit:
    """Return a version learnt from less history than ``learn`` asks for, as well as it can be.

    A reading is compared with at least ``Params.dias_minimos`` days of its past, so of a stretch
    of three weeks one can be learnt from. Half of the customers grow the forest, the others
    calibrate it; nothing is held out to judge it on: that is what the rest of the file is for.

    ``PermanentError``: there is too little of it; the text says what.

    Parameters
    ----------
    clientes : list of str
        Who is in the readings.
    lecturas : Lecturas
        In the order of the log.
    particiones : int
        That the customers are spread over, >= 1.
    """
    params = Params()
    if len(clientes) < MINIMO_CLIENTES:
        raise PermanentError(
            f"son {len(clientes)} clientes y hacen falta al menos {MINIMO_CLIENTES}"
        )
    orden = by_lot(clientes, semilla, "corto")
    medio = len(orden) // 2
    aprende, calibra = (
        _only(lecturas, set(ids), partitions_for(len(ids), len(clientes) / particiones))
        for ids in (orden[:medio], orden[medio:])
    )
    crudos = measure_held_out(aprende, DetectorConsumo(calendario, params))
    sirve = ~np.isnan(crudos.rasgos).any(axis=1)
    sirve &= crudos.veredictos.score_centesimas < params.umbral_media
    rasgos = crudos.rasgos[sirve]
    if rasgos.shape[0] < MINIMO_FILAS:
        raise PermanentError(
            f"solo {rasgos.shape[0]} lecturas tienen {params.dias_minimos} días de pasado con que "
            f"compararse y hacen falta al menos {MINIMO_FILAS}"
        )
    bosque = fit_forest(rasgos, semilla)
    modelo = calibrate(VERSION_DE_ARCHIVO, bosque, calibra, calendario)
    return ShortFit(modelo, rasgos.shape[0], medio, len(orden) - medio)


def _only(lecturas: Lecturas, ids: set[str], particiones: int) -> HeldOut:
    cuales = np.flatnonzero([p in ids for p in lecturas.propietario_id])
    suyas = lecturas.elegir(cuales)
    propia: dict[str, int] = {p: partition_of(p, particiones) for p in ids}
    particion: NDArray[np.int32] = np.array([propia[p] for p in suyas.propietario_id], np.int32)
    return HeldOut(suyas, particion, np.ones(cuales.size, np.bool_))


def _register(settings: Settings, aprendido: Aprendido, semilla: int) -> int:
    muestra, ventana, casos = aprendido.muestra, aprendido.muestra.ventana, aprendido.casos
    calendario = load_calendario(settings.zona_horaria)
    datos = {
        "datos_desde": instante(ventana.desde_hora).isoformat(),
        "datos_corte": instante(ventana.corte_hora).isoformat(),
        "datos_hasta": instante(ventana.hasta_hora).isoformat(),
    }
    with tempfile.TemporaryDirectory(prefix="consumo-modelo-") as carpeta:
        paquete, artefactos = Path(carpeta) / "paquete", Path(carpeta) / "artefactos"
        save_paquete(aprendido.modelo, paquete, extras=aprendido.extras())
        artefactos.mkdir()
        for nombre, contenido in _artefacts(aprendido, calendario).items():
            (artefactos / nombre).write_bytes(contenido)
        return ModelRegistry(settings).register(
            paquete,
            muestra.rasgos[:FILAS_EJEMPLO],
            parametros={
                "arboles": ARBOLES_DEL_BOSQUE,
                "filas_por_arbol": FILAS_POR_ARBOL,
                "mezcla": "ponderada" if aprendido.modelo.mezcla is None else "aprendida",
                "semilla": semilla,
                "dias": (ventana.corte_hora - ventana.desde_hora) // HORAS_POR_DIA,
                "dias_retenidos": RETENIDOS_DIAS,
                "rasgos": len(RASGOS),
                "clientes_por_particion": muestra.clientes_por_particion,
                **muestra.recuento,
                **(
                    {}
                    if casos is None
                    else {"casos_hogares": casos.hogares, "casos_revisados": casos.revisados}
                ),
            },
            metricas={
                **aprendido.metricas.figures(),
                "precision_media_reglas": aprendido.solo_reglas.precision_media,
                **{f"importancia.{k}": v for k, v in aprendido.importancia.items()},
            },
            etiquetas={
                **datos,
                "evaluacion_sha256": aprendido.conjunto.sha256,
                ETIQUETA_PARAMS: aprendido.modelo.huella_params,
            },
            artefactos=artefactos,
            ficha=version_card(aprendido, calendario),
        )


def _artefacts(aprendido: Aprendido, calendario: Calendario) -> dict[str, bytes]:
    """Return what people look at, by file name."""
    importancia = json.dumps(dict(aprendido.importancia), ensure_ascii=False, indent=2)
    return {
        **draw_version(aprendido.conjunto, aprendido.modelo, aprendido.importancia, calendario),
        "informe.txt": f"{informe_texto(aprendido.metricas)}\n".encode(),
        "importancia.json": f"{importancia}\n".encode(),
        HUELLAS: fingerprints(aprendido),
        **aprendido.extras(),
    }


def main(argv: Sequence[str]) -> int:
    """Train, register, and say what the version is worth."""
    parser = Parser(
        "consumo entrenar",
        "Aprende de la historia de PostgreSQL, evalúa lo aprendido sobre los últimos "
        f"{RETENIDOS_DIAS} días con ataques simulados y lo registra en MLflow como aspirante "
        "(alias challenger). Si algo falla no se registra nada.",
    )
    parser.add_argument(
        "--dias", type=entero(MINIMO_DIAS, 3650), metavar="N",
        help="días de historia de que aprender (ENTRENAR_DIAS)",
    )  # fmt: skip
    parser.add_argument(
        "--semilla", type=entero(0, 2**32 - 1), metavar="N", default=SEMILLA_ENTRENAMIENTO,
        help="semilla de todos los sorteos",
    )  # fmt: skip
    opciones, settings = parser.start(argv)
    # A process that is told to end, as by `docker stop`, takes back what is half registered.
    with StopRequest() as parada, parada.interruptible():
        resultado = train(settings, dias=opciones.dias, semilla=opciones.semilla)
        print(say(resultado))  # noqa: T201
        print(_examined(settings, resultado.version))  # noqa: T201
    return HECHO


def _examined(settings: Settings, version: int) -> str:
    """Return what the gate says of a new version, which is kept with it for the dashboard."""
    registro = ModelRegistry(settings)
    try:
        decision = examine(settings, registro, version, registro.version_of(CAMPEON)).decision
    except ModeloInvalidoError as error:
        return f"No se ha podido examinar frente al campeón: {error}"
    que = "puede promoverse" if decision.promueve else "el examen no la acepta"
    return f"La versión {version} {que}: {decision.motivo}"


def say(resultado: RegisteredVersion) -> str:
    """Return what a run has done, for the user."""
    aprendido = resultado.aprendido
    antes = numero(aprendido.solo_reglas.precision_media, 3)
    azar = numero(aprendido.metricas.precision_azar, 3)
    return (
        f"{informe_texto(aprendido.metricas)}\n\n"
        f"Aprendido de {aprendido.muestra.elegidos}.\n"
        f"Registrada la versión {resultado.version} como aspirante (solo con las reglas, la "
        f"precisión media es {antes}, y al azar {azar})"
    )
