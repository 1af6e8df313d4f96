"""Drift: what only the season changes stays green, what changes the population turns red."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from apoyo_deriva import (
    AHORA,
    MADRID,
    MES,
    PARAMS,
    SEMANA,
    SEMILLAS,
    filas,
    mas,
    mes_normal,
    poblacion,
    version,
)
from apoyo_entrenamiento import HASTA, PARTICIONES, HistoriaEnMemoria, en_memoria, en_vivo

from detection.detector import DetectorConsumo
from detection.domain import HORAS_POR_DIA, Lecturas, instante
from detection.errors import PermanentError, TransientError
from detection.features.hourly import RASGOS
from pipeline.stores.mongo.model_log import MongoModelLog
from pipeline.stores.postgres.store import PostgresStore
from serving.model_package import load_paquete, save_paquete
from serving.registry import ModelRegistry
from serving.settings import Settings
from training.drift import (
    Recientes,
    latest_days,
    main,
    read_actual,
    run_drift,
    say,
)
from training.drift_comparison import (
    AMBAR,
    COLUMNAS_SCORE,
    FILAS_MINIMAS,
    ROJO,
    VERDE,
    ColumnaDeriva,
    ResultadoDeriva,
    compare_distributions,
    match_season,
    traffic_light,
)
from training.fit import Aprendido, learn


def nombres(resultado: ResultadoDeriva) -> set[str]:
    """Return the columns that have moved."""
    return {columna.nombre for columna in resultado.movidas}


@pytest.mark.parametrize(
    "semilla", [SEMILLAS[0], *(pytest.param(s, marks=pytest.mark.lenta) for s in SEMILLAS[1:])]
)
def test_una_semana_normal_de_primavera_tras_un_mes_normal_de_invierno_es_verde(
    semilla: int,
) -> None:
    """Seasonality alone raises nothing, a change of the clocks and three thieves included."""
    resultado = compare_distributions(mes_normal(semilla), filas(semilla, SEMANA))
    assert resultado.semaforo == VERDE, str(resultado)
    assert not resultado.movidas
    assert len(resultado.columnas) == len(RASGOS) + len(COLUMNAS_SCORE)


@pytest.mark.parametrize("factor", [1.6, pytest.param(0.6, marks=pytest.mark.lenta)])
def test_un_cambio_de_todos_es_rojo_y_dice_que_se_ha_movido(factor: float) -> None:
    """Everybody at +60 % or -40 % is red, and what tells the level of a day is named."""
    semilla = SEMILLAS[0]
    resultado = compare_distributions(mes_normal(semilla), filas(semilla, SEMANA, mas(factor)))
    assert resultado.semaforo == ROJO
    movidas = nombres(resultado)
    assert {"nivel_dia", "nivel_tres_dias", "minimo_dia", "nivel_noche", "score_offline"} <= movidas
    assert not {"ceros_dia", "racha_igual", "meseta_dia"} & movidas
    dia = next(c for c in resultado.columnas if c.nombre == "nivel_dia")
    assert (dia.media_actual > dia.media_referencia) == (factor > 1)
    assert "nivel_dia (media de 0," in say(resultado)


@lru_cache(maxsize=1)
def referencia_de_verdad() -> tuple[HistoriaEnMemoria, Aprendido]:
    """Return a history of whom a third are under suspicion, and what was learnt up to ``MES``."""
    lecturas = poblacion(SEMILLAS[0], 30, 10).lecturas()
    antes = lecturas.elegir(np.flatnonzero(lecturas.hora_utc < MES.hasta_hora))
    settings = Settings(kafka_particiones=2)
    aprendido = learn(settings, HistoriaEnMemoria(antes, en_vivo(antes).veredictos), {})
    return HistoriaEnMemoria(lecturas, en_vivo(lecturas).veredictos), aprendido


@pytest.mark.lenta
def test_la_referencia_de_una_version_y_una_semana_normal_son_de_la_misma_gente() -> None:
    """With many under suspicion a normal week is green, against what training really leaves."""
    historia, aprendido = referencia_de_verdad()
    assert historia.veredictos.es_sospechoso.any()
    referencia = pd.read_parquet(io.BytesIO(aprendido.referencia))
    semana, _ = read_actual(historia, MADRID, aprendido.modelo, SEMANA, particiones=2)
    assert len(semana) == 30 * 7 * 24
    normal = compare_distributions(referencia, semana)
    assert normal.semaforo != ROJO, str(normal)
    mes, _ = read_actual(historia, MADRID, aprendido.modelo, MES, particiones=2)
    # The last month, seen as the reference is seen, is part of it.
    assert compare_distributions(referencia, mes).semaforo == VERDE


def test_lo_que_deja_un_entrenamiento_se_compara_con_los_dias_recientes(
    paquete_entrenado: Path,
) -> None:
    """The last week that a version has learnt from, seen as drift sees it, has not moved."""
    referencia = pd.read_parquet(paquete_entrenado / "referencia.parquet")
    modelo, semana = load_paquete(paquete_entrenado, "v"), Recientes(HASTA - 7 * 24, HASTA)
    actual, _ = read_actual(en_memoria(), MADRID, modelo, semana, particiones=PARTICIONES)
    assert set(actual) == set(referencia)
    assert compare_distributions(referencia, actual).semaforo != ROJO


def sintetico(
    n: int, semilla: int, *, finde: float = 2 / 7, movidos: Sequence[str] = ()
) -> pd.DataFrame:
    """Return rows whose every column depends strongly on the weekend and on the hour."""
    rng = np.random.default_rng(semilla)
    laborable = rng.random(n) >= finde
    hora = rng.integers(0, 24, n)
    centro = 0.3 + 0.3 * ~laborable + 0.1 * (hora >= 18)
    columnas = {
        c: np.clip(centro + 0.1 * (c in movidos) + 0.05 * rng.standard_normal(n), 0, 1)
        for c in (*RASGOS, *COLUMNAS_SCORE)
    }
    return pd.DataFrame({**columnas, "laborable": laborable, "hora": hora})


@pytest.mark.parametrize("finde", [0.0, pytest.param(1.0, marks=pytest.mark.lenta)])
def test_otra_mezcla_de_laborables_y_fines_de_semana_es_verde(finde: float) -> None:
    """More or no weekend hours are no drift, though weekends look nothing like weekdays."""
    referencia = sintetico(20_000, 1)
    resultado = compare_distributions(referencia, sintetico(5_000, 2, finde=finde))
    assert resultado.semaforo == VERDE, str(resultado)


def test_la_mezcla_se_iguala_celda_a_celda() -> None:
    """The resampled reference has the current share of every hour of both kinds of day."""
    actual = sintetico(6_000, 4, finde=0.9)
    igualada = match_season(sintetico(9_000, 3), actual, np.random.default_rng(0))
    cuotas = [
        parte.groupby(["laborable", "hora"]).size() / len(parte) for parte in (actual, igualada)
    ]
    assert cuotas[0].index.equals(cuotas[1].index)
    assert (cuotas[0] - cuotas[1]).abs().max() < 2e-4


COLORES: list[tuple[Sequence[str], str]] = [
    (RASGOS[:1], AMBAR),
    (RASGOS[: len(RASGOS) // 3], AMBAR),
    (RASGOS[: len(RASGOS) // 3 + 1], ROJO),
    (("score_anomalia",), ROJO),
    (("score_offline",), ROJO),
]
"""One feature is amber, more than a third or any score red."""


@pytest.mark.parametrize(("movidos", "semaforo"), COLORES)
def test_el_color_depende_de_cuantas_columnas_y_de_cuales(
    movidos: Sequence[str], semaforo: str
) -> None:
    """The light of what has been measured, and the share of the features."""
    columnas = [
        ColumnaDeriva(c, 0.5 * (c in movidos), 0.3, c in movidos, 0.5, 0.5)
        for c in (*RASGOS, *COLUMNAS_SCORE)
    ]
    de_rasgos = [m for m in movidos if m in RASGOS]
    assert traffic_light(columnas) == (semaforo, pytest.approx(len(de_rasgos) / len(RASGOS)))


@pytest.mark.parametrize(
    ("movidos", "semaforo"),
    [COLORES[2], *(pytest.param(*c, marks=pytest.mark.lenta) for c in COLORES if c != COLORES[2])],
)
def test_solo_lo_que_se_mueve_se_nombra_y_da_el_color(
    movidos: Sequence[str], semaforo: str
) -> None:
    """Exactly the columns of which all values are a little higher are named."""
    resultado = compare_distributions(sintetico(8_000, 5), sintetico(3_000, 6, movidos=movidos))
    assert resultado.semaforo == semaforo
    assert nombres(resultado) == set(movidos)
    de_rasgos = [m for m in movidos if m in RASGOS]
    assert resultado.fraccion_movidas == pytest.approx(len(de_rasgos) / len(RASGOS))


def test_lo_mismo_da_lo_mismo_y_el_informe_es_de_valores_llanos() -> None:
    """The same frames and seed give the same figures; JSON holds them and Evidently's.

    A feature that never varied, and begins to, is what has moved.
    """
    referencia, actual = sintetico(3_000, 7).assign(ceros_dia=0.0), sintetico(2_000, 8)
    una, otra = (compare_distributions(referencia, actual, semilla=3) for _ in range(2))
    assert una.columnas == otra.columnas
    assert nombres(una) == {"ceros_dia"}
    vuelta = json.loads(json.dumps(una.json))
    assert vuelta["semaforo"] == AMBAR
    assert vuelta["columnas"][0]["estadistico"] == una.columnas[0].estadistico
    assert any("ValueDrift" in m["metric_name"] for m in vuelta["evidently"]["metrics"])
    assert "<html" in una.html
    assert "nivel_hora" in una.html


def test_sin_lecturas_bastantes_no_hay_semaforo() -> None:
    """Too few rows on either side, or none with features, end in one clear line."""
    bastantes, pocas = sintetico(FILAS_MINIMAS, 9), sintetico(FILAS_MINIMAS - 1, 10)
    sin_rasgos = bastantes.assign(nivel_dia=np.nan)
    for referencia, actual in ((pocas, bastantes), (bastantes, pocas), (bastantes, sin_rasgos)):
        with pytest.raises(PermanentError, match=f"hacen falta {FILAS_MINIMAS}"):
            compare_distributions(referencia, actual)
    with pytest.raises(PermanentError, match="faltan columnas: nivel_dia"):
        compare_distributions(bastantes.drop(columns="nivel_dia"), bastantes)


def test_ni_lo_constante_ni_un_score_que_falta_mueven() -> None:
    """A feature that never varies has not moved.

    A score without values on one side is named as not compared, and moves no light.
    """
    referencia, actual = (sintetico(2_000, s).assign(ceros_dia=0.0) for s in (13, 14))
    resultado = compare_distributions(referencia, actual.assign(score_offline=np.nan))
    assert resultado.sin_comparar == ("score_offline",)
    assert "Sin valores que comparar: score_offline" in say(resultado)
    assert resultado.semaforo == VERDE


class CarpetaDeVersiones:
    """A registry with one champion in a folder, or none, where nothing can be logged."""

    def __init__(self, paquete: Path | None) -> None:
        self._paquete = paquete

    def version_of(self, alias: str) -> int | None:
        """Return the champion's number."""
        assert alias == "champion"
        return None if self._paquete is None else 1

    def tags_of(self, version: int) -> dict[str, str]:
        """Return no tag."""
        return {}

    def download(self, version: int, destino: Path) -> Path:
        """Copy the package."""
        assert self._paquete is not None
        return Path(shutil.copytree(self._paquete, destino))

    def log_artifact_to(self, version: int, fichero: Path, carpeta: str) -> None:
        """Be away."""
        raise TransientError("MLflow no responde")


def paquete(carpeta: Path, semilla: int) -> Path:
    """Return the package of a version with its reference."""
    referencia = carpeta / "referencia.tmp"
    mes_normal(semilla).to_parquet(referencia)
    extras = {"referencia.parquet": referencia.read_bytes()}
    save_paquete(version(semilla), carpeta / "paquete", extras=extras)
    return carpeta / "paquete"


def guardar(entorno: Settings, lecturas: Lecturas) -> None:
    """Put readings into PostgreSQL, with the verdicts of the rules alone."""
    detector = DetectorConsumo(MADRID, PARAMS)
    with contextlib.closing(PostgresStore(entorno)) as almacen:
        for inicio in range(0, len(lecturas), 20_000):
            lote = lecturas.elegir(np.arange(inicio, min(inicio + 20_000, len(lecturas))))
            almacen.save(lote, detector.score(lote))


def ultimo_informe(entorno: Settings) -> dict[str, object]:
    """Return the stored report."""
    with contextlib.closing(MongoModelLog(entorno)) as modelos:
        informe = modelos.latest_informe()
    assert informe is not None
    return informe


def historia_con_cambio(semilla: int) -> Lecturas:
    """Return the last weeks of some customers, at +60 % in ``SEMANA``."""
    lecturas = poblacion(semilla).lecturas()
    elegidos = set(sorted(set(lecturas.propietario_id))[:12])
    pronto = SEMANA.desde_hora - 32 * HORAS_POR_DIA
    posiciones = [
        i
        for i in np.flatnonzero(lecturas.hora_utc >= pronto).tolist()
        if lecturas.propietario_id[i] in elegidos
    ]
    pocas = lecturas.elegir(np.array(posiciones, np.int64))
    kwh = np.where(pocas.hora_utc >= SEMANA.desde_hora, 1.6 * pocas.consumo_kwh, pocas.consumo_kwh)
    return Lecturas(pocas.propietario_id, pocas.hora_utc, np.round(kwh, 3))


def test_el_informe_queda_en_mongodb_y_junto_al_campeon(
    entorno_mlflow: Settings, tmp_path: Path
) -> None:
    """Stored days against MLflow's champion: the light and both reports are in both places."""
    from mlflow.artifacts import list_artifacts
    from mlflow.tracking import MlflowClient

    semilla = SEMILLAS[0]
    guardar(entorno_mlflow, historia_con_cambio(semilla))
    registro = ModelRegistry(entorno_mlflow)
    ejemplo = mes_normal(semilla)[list(RASGOS)].head(3).to_numpy()
    numero = registro.register(
        paquete(tmp_path, semilla), parametros={}, metricas={}, etiquetas={}, ejemplo=ejemplo
    )
    registro.set_alias("champion", numero, {})
    resultado = run_drift(entorno_mlflow, ModelRegistry(entorno_mlflow), AHORA, dias=7)
    assert resultado.semaforo == ROJO
    assert resultado.filas_actual == 12 * 7 * 24
    informe = ultimo_informe(entorno_mlflow)
    assert informe["semaforo"] == ROJO
    assert informe["version"] == f"consumo-detector-{numero}"
    assert informe["fecha"] == AHORA
    assert (informe["desde"], informe["hasta"]) == (
        instante(SEMANA.desde_hora),
        instante(SEMANA.hasta_hora),
    )
    assert informe["html"] == resultado.html
    assert informe["columnas"] == resultado.json["columnas"]
    uri = entorno_mlflow.mlflow_tracking_uri
    run = MlflowClient(uri, uri).get_model_version("consumo-detector", str(numero)).run_id
    guardados = list_artifacts(run_id=run, artifact_path="deriva", tracking_uri=uri)
    assert {fichero.path for fichero in guardados} == {
        f"deriva/deriva-20260403T060000Z.{fin}" for fin in ("html", "json")
    }


def test_sin_mlflow_el_informe_queda_en_mongodb(
    entorno: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """MLflow going away in the middle costs the artifact and a warning, nothing else."""
    semilla = SEMILLAS[0]
    guardar(entorno, historia_con_cambio(semilla))
    versiones = CarpetaDeVersiones(paquete(tmp_path, semilla))
    run_drift(entorno, versiones, AHORA, dias=7)
    assert ultimo_informe(entorno)["semaforo"] == ROJO
    assert "el informe queda en MongoDB pero no en MLflow: MLflow no responde" in caplog.messages


def test_sin_campeon_o_sin_lecturas_una_linea_clara(entorno: Settings, tmp_path: Path) -> None:
    """No champion and no data are failures with one line each, and leave no report."""
    with pytest.raises(PermanentError, match="no hay campeón"):
        run_drift(entorno, CarpetaDeVersiones(None), AHORA, dias=7)
    with pytest.raises(PermanentError, match="consumos_diarios está vacía"):
        run_drift(entorno, CarpetaDeVersiones(paquete(tmp_path, SEMILLAS[0])), AHORA, dias=7)
    with contextlib.closing(MongoModelLog(entorno)) as modelos:
        assert modelos.latest_informe() is None


def test_los_dias_acaban_en_la_ultima_lectura() -> None:
    """Seven days are 168 hours, the newest stored one the last of them."""
    ultima = datetime(2026, 4, 2, 21, tzinfo=UTC)
    recientes = latest_days(ultima, 7)
    assert recientes.dias == 7
    assert instante(recientes.hasta_hora) == ultima + timedelta(hours=1)


@pytest.mark.parametrize("dias", ["0", "91", "siete"])
def test_un_numero_de_dias_que_no_vale_es_mal_uso(
    dias: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong usage is status 2 with a Spanish line, before anything is connected to."""
    with pytest.raises(SystemExit) as salida:
        main(["--dias", dias])
    assert salida.value.code == 2
    assert "error: --dias: " in capsys.readouterr().err
