"""The retraining job against real servers: why it trains, what it leaves behind, who waits.

What a version is worth is up to chance on so small a population; whether it is promoted is
decided by the policy that a test hands in.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import forks
import numpy as np
import pytest
from apoyo_entrenamiento import puntuadas
from apoyo_promocion import a_mano, estropear, ficha, registrar
from contracts.sondas import conectar
from forks import Fork

from detection.errors import PermanentError, TransientError
from pipeline.stores.mongo.model_log import MongoModelLog
from pipeline.stores.postgres.advisory_lock import exclusive
from pipeline.stores.postgres.audit import AuditoriaPostgres
from pipeline.stores.postgres.store import PostgresStore
from serving.model_versions import ASPIRANTE, CAMPEON
from serving.registry import ModelRegistry
from serving.settings import Settings
from serving.shutdown import StopRequest
from training.promotion_policy import Politica
from training.retrain import (
    CERROJO_DE_REENTRENAR,
    FALLIDO,
    NO_HACE_FALTA,
    PROMOVIDO,
    RECHAZADO,
    keep_running,
    retrain,
    say,
)

CUALQUIERA = Politica(-1.0, 1.0, (1e9,) * 4)
NINGUNA = Politica(2.0, 0.0, (1e9,) * 4)
"""Every challenger is good enough; none is."""
PLAZO_S = 120.0
Entrenar = Callable[[Settings], int]


@pytest.fixture
def vacio(entorno_mlflow: Settings) -> Settings:
    """Give settings without a reading."""
    return entorno_mlflow


@pytest.fixture
def parada() -> StopRequest:
    """Give a stop that nobody asks for."""
    return StopRequest()


def pequena(settings: Settings) -> int:
    """Register what a training would, of which what it is worth is soon known."""
    return registrar(settings, 1.0)


def historial(settings: Settings) -> list[dict[str, Any]]:
    """Return what is written down, the newest first."""
    with closing(MongoModelLog(settings)) as modelos:
        return modelos.historial(100)


def esperar(condicion: Callable[[], bool]) -> None:
    """Return when a condition holds; fail after a while."""
    limite = time.monotonic() + PLAZO_S
    while not condicion():
        assert time.monotonic() < limite
        time.sleep(0.2)


# ---- Why it trains, and why not ----


def test_la_vida_de_un_modelo(
    con_historia: Settings, parada: StopRequest, entrenada: Entrenar
) -> None:
    """No champion: trained, promoted. Young and no drift: nothing. Old: trained, refused."""
    registro = ModelRegistry(con_historia)
    primera = retrain(con_historia, parada, politica=CUALQUIERA, entrenar=entrenada)
    assert primera is not None
    assert (primera.motivo, primera.resultado) == ("no hay campeón propio", PROMOVIDO)
    assert registro.version_of(CAMPEON) == primera.version
    etiquetas = ficha(con_historia, primera.version or 0).etiquetas
    assert etiquetas["promovido_por"].startswith("consumo reentrenar, ")

    segunda = retrain(con_historia, parada, politica=CUALQUIERA)
    assert segunda is not None
    assert (segunda.resultado, segunda.version) == (NO_HACE_FALTA, None)
    assert segunda.semaforo in {"verde", "ámbar"}
    assert f"el campeón (versión {primera.version}) tiene 0 días" in segunda.motivo
    assert say(segunda) == f"no hace falta reentrenar: {segunda.motivo}"
    assert [v.version for v in registro.versions()] == [primera.version]

    dentro_de_31_dias = datetime.now(UTC) + timedelta(days=31)
    tercera = retrain(
        con_historia, parada, politica=NINGUNA, ahora=dentro_de_31_dias, entrenar=pequena
    )
    assert tercera is not None
    assert tercera.resultado == RECHAZADO
    assert "tiene 31 días, más de 30" in tercera.motivo
    assert "no cumple precisión media" in tercera.detalle
    assert registro.version_of(CAMPEON) == primera.version
    assert registro.version_of(ASPIRANTE) == tercera.version

    escritas = historial(con_historia)
    assert [e["resultado"] for e in escritas] == [RECHAZADO, NO_HACE_FALTA, PROMOVIDO]
    assert [e["version"] for e in escritas] == [tercera.version, None, primera.version]
    assert [e["motivo"] for e in escritas] == [tercera.motivo, segunda.motivo, primera.motivo]
    criterio = escritas[0]["criterios"][0]
    assert (criterio["nombre"], criterio["cumple"]) == ("precisión media", False)
    assert not escritas[1]["criterios"]
    assert all(e["inicio"].tzinfo and e["fin"].tzinfo for e in escritas)


def test_un_sistema_joven_no_falla_por_no_tener_modelo(
    entorno_mlflow: Settings, parada: StopRequest
) -> None:
    """Without a champion, too little history is said and is no failure; with one it is a failure.

    What is too little is what training itself asks for.
    """
    ejecucion = retrain(entorno_mlflow, parada)
    assert ejecucion is not None
    assert ejecucion.resultado == NO_HACE_FALTA
    assert ejecucion.motivo.startswith(
        "no hay campeón propio, y todavía no puede haberlo: no hay historia"
    )
    a_mano(entorno_mlflow, registrar(entorno_mlflow, 1.0))
    with pytest.raises(PermanentError, match="no hay historia"):
        retrain(entorno_mlflow, parada, forzar=True)


def test_un_sistema_con_pocos_clientes_antiguos_no_falla(
    entorno_mlflow: Settings, parada: StopRequest
) -> None:
    """One meter since the first day and twenty since last week: too young for a first model."""
    lecturas, crudos = puntuadas()
    uno = lecturas.propietario_id[0]
    semana = lecturas.hora_utc >= lecturas.hora_utc.max() - 7 * 24
    quedan = np.flatnonzero(semana | (np.array(lecturas.propietario_id) == uno))
    with closing(PostgresStore(entorno_mlflow)) as almacen:
        almacen.save(lecturas.elegir(quedan), crudos.veredictos.elegir(quedan))
    ejecucion = retrain(entorno_mlflow, parada)
    assert ejecucion is not None
    assert ejecucion.resultado == NO_HACE_FALTA
    assert ejecucion.motivo.startswith(
        "no hay campeón propio, y todavía no puede haberlo: de los 16 "
    )
    assert "solo 1 tienen lecturas en cada una" in ejecucion.motivo


def test_la_deriva_en_rojo_reentrena(
    con_historia: Settings, parada: StopRequest, entrenada: Entrenar
) -> None:
    """A week in which everybody lives another life is the reason, with the columns that moved."""
    a_mano(con_historia, entrenada(con_historia))
    lecturas, crudos = puntuadas()
    semana = np.flatnonzero(lecturas.hora_utc >= lecturas.hora_utc.max() - 7 * 24)
    rng = np.random.default_rng(3)
    otras = lecturas.consumo_kwh.copy()
    otras[semana] = np.round(0.05 + 8.0 * rng.random(semana.size) ** 3, 3)
    distintas = replace(lecturas, consumo_kwh=otras)
    with closing(PostgresStore(con_historia)) as almacen:
        # With the old verdicts: everybody under suspicion would leave nobody to learn from.
        almacen.save(distintas.elegir(semana), crudos.veredictos.elegir(semana))
    ejecucion = retrain(con_historia, parada, politica=NINGUNA, entrenar=pequena)
    assert ejecucion is not None
    assert ejecucion.semaforo == "rojo"
    assert ejecucion.motivo.startswith("deriva en rojo: ")
    assert ejecucion.resultado == RECHAZADO


def test_forzar_entrena_pero_no_promueve(con_historia: Settings, parada: StopRequest) -> None:
    """--forzar is a reason to train; the gate decides, also against a champion set by hand."""
    a_mano(con_historia, version := registrar(con_historia, 1.0))
    ejecucion = retrain(con_historia, parada, forzar=True, politica=NINGUNA, entrenar=pequena)
    assert ejecucion is not None
    assert ejecucion.motivo.startswith("se pide con --forzar")
    assert ejecucion.resultado == RECHAZADO
    assert ModelRegistry(con_historia).version_of(CAMPEON) == version


def test_tras_un_rechazo_se_espera(con_historia: Settings, parada: StopRequest) -> None:
    """What was refused is not trained again the next night, but is when some days have passed."""
    registro = ModelRegistry(con_historia)
    viejo = registrar(con_historia, 1.0)
    a_mano(con_historia, viejo)
    dia_31 = datetime.now(UTC) + timedelta(days=31)
    rechazada = retrain(con_historia, parada, politica=NINGUNA, ahora=dia_31, entrenar=pequena)
    assert rechazada is not None
    assert rechazada.resultado == RECHAZADO
    cuantas = len(registro.versions())
    seis_dias = timedelta(days=6)
    pronto = retrain(con_historia, parada, politica=NINGUNA, ahora=dia_31 + seis_dias)
    assert pronto is not None
    assert (pronto.resultado, pronto.version) == (NO_HACE_FALTA, None)
    assert pronto.motivo.endswith(
        f"pero la versión {rechazada.version} se rechazó hace 6 días y hasta los 7 no se repite"
    )
    assert len(registro.versions()) == cuantas
    semana = timedelta(days=7)
    luego = retrain(
        con_historia, parada, politica=CUALQUIERA, ahora=dia_31 + semana, entrenar=pequena
    )
    assert luego is not None
    assert luego.resultado == PROMOVIDO


def test_un_campeon_danado_se_sustituye(con_historia: Settings, parada: StopRequest) -> None:
    """A champion that cannot be loaded is a reason to train; the rules alone stand in for it."""
    roto = registrar(con_historia, 1.0)
    a_mano(con_historia, roto)
    estropear(con_historia, roto)
    ejecucion = retrain(con_historia, parada, politica=CUALQUIERA, entrenar=pequena)
    assert ejecucion is not None
    assert ejecucion.resultado == PROMOVIDO
    nombrado = f"campeón (versión {roto}): «bosque.npz» está dañado"
    assert ejecucion.motivo.startswith(f"el campeón está dañado: {nombrado}")
    assert ejecucion.detalle.startswith(nombrado)
    assert "; frente a la versión de base, " in ejecucion.detalle
    assert ModelRegistry(con_historia).version_of(CAMPEON) == ejecucion.version
    etiquetas = ficha(con_historia, ejecucion.version or 0).etiquetas
    assert etiquetas["promovido_via"] == "a la fuerza", "no exam has compared the two"
    assert etiquetas["promovido_pese_a"].startswith(f"el campeón está dañado: {nombrado}")
    with closing(AuditoriaPostgres(con_historia)) as auditoria:
        (fila,) = auditoria.latest(10)
    assert (fila.accion, fila.detalle["antes"], fila.detalle["forzar"]) == ("promover", roto, True)


# ---- What fails ----


def test_un_fallo_queda_escrito_y_nada_a_medias(vacio: Settings, parada: StopRequest) -> None:
    """Without history for another version the run fails in one line, and that is written down."""
    a_mano(vacio, registrar(vacio, 1.0))
    antes = ModelRegistry(vacio).versions()
    with pytest.raises(PermanentError) as fallo:
        retrain(vacio, parada, forzar=True)
    assert "\n" not in str(fallo.value)
    (escrita,) = historial(vacio)
    assert (escrita["resultado"], escrita["version"]) == (FALLIDO, None)
    assert escrita["detalle"] == str(fallo.value)
    assert ModelRegistry(vacio).versions() == antes


def test_mlflow_parado_queda_escrito(vacio: Settings, parada: StopRequest) -> None:
    """MLflow away is a failed run like another."""
    sin_mlflow = vacio.model_copy(update={"mlflow_tracking_uri": "http://127.0.0.1:9"})
    with pytest.raises(TransientError, match="MLflow no responde"):
        retrain(sin_mlflow, parada)
    assert [e["resultado"] for e in historial(vacio)] == [FALLIDO]


def test_lo_que_no_se_puede_escribir_no_se_empieza(
    con_historia: Settings, parada: StopRequest
) -> None:
    """With MongoDB away nothing is trained: no run goes without its record."""
    sin_mongo = con_historia.model_copy(update={"mongo_port": 9})
    with pytest.raises(TransientError, match="MongoDB"):
        retrain(sin_mongo, parada)
    assert ModelRegistry(con_historia).versions() == []


# ---- Two at once, and stops ----


@pytest.fixture
def lanzar(
    variables_mlflow: dict[str, str],
) -> Iterator[Callable[..., Fork]]:
    """Give a function that starts ``consumo reentrenar``; what still runs at the end is killed."""
    vivos: list[Fork] = []

    def _lanzar(*argv: str) -> Fork:
        proceso = forks.start(
            variables_mlflow, "reentrenar", *argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        vivos.append(proceso)
        return proceso

    yield _lanzar
    for proceso in vivos:
        if proceso.poll() is None:
            proceso.send_signal(signal.SIGCONT)
            proceso.kill()
        proceso.wait()


def en_marcha(settings: Settings) -> bool:
    """Return whether somebody holds the job's lock."""
    with closing(conectar(settings)) as conexion, conexion.cursor() as cursor:
        cursor.execute(
            """SELECT count(*) FROM pg_locks
            WHERE locktype = 'advisory' AND database = (
                SELECT oid FROM pg_database WHERE datname = current_database())"""
        )
        ((cuantos,),) = cursor.fetchall()
    return bool(cuantos)


def test_mientras_otro_reentrena_no_se_hace_nada(
    vacio: Settings, lanzar: Callable[..., Fork]
) -> None:
    """While somebody has the lock a run says so in one line, does nothing, and ends with 0."""
    with exclusive(vacio, CERROJO_DE_REENTRENAR) as nuestro:
        assert nuestro
        proceso = lanzar("--forzar")
        dicho = proceso.communicate(timeout=PLAZO_S)
    assert (proceso.returncode, *dicho) == (
        0, "otro reentrenamiento está en marcha; este no hace nada\n", "",
    )  # fmt: skip
    assert historial(vacio) == []


@pytest.mark.lenta
def test_dos_a_la_vez_no_chocan(con_historia: Settings, lanzar: Callable[..., Fork]) -> None:
    """While one run is under way a second says so in one line, does nothing, and ends with 0."""
    primero = lanzar()
    esperar(lambda: en_marcha(con_historia))
    primero.send_signal(signal.SIGSTOP)
    segundo = lanzar("--forzar")
    salida, error = segundo.communicate(timeout=PLAZO_S)
    assert (segundo.returncode, salida, error) == (
        0, "otro reentrenamiento está en marcha; este no hace nada\n", "",
    )  # fmt: skip
    assert historial(con_historia) == []
    primero.send_signal(signal.SIGCONT)
    _, error = primero.communicate(timeout=PLAZO_S)
    assert primero.returncode == 0, error
    assert len(historial(con_historia)) == 1
    assert len(ModelRegistry(con_historia).versions()) == 1


def test_quien_muere_suelta_el_cerrojo(con_historia: Settings, lanzar: Callable[..., Fork]) -> None:
    """A run that is killed keeps nobody out, and leaves no challenger behind."""
    proceso = lanzar()
    esperar(lambda: en_marcha(con_historia))
    proceso.kill()
    proceso.wait(PLAZO_S)
    esperar(lambda: not en_marcha(con_historia))
    with exclusive(con_historia, CERROJO_DE_REENTRENAR) as nuestro:
        assert nuestro
    assert ModelRegistry(con_historia).version_of(ASPIRANTE) is None


def test_sigterm_a_mitad(con_historia: Settings, lanzar: Callable[..., Fork]) -> None:
    """A run that is told to stop does so at once, writes it down, and registers nothing."""
    proceso = lanzar()
    esperar(lambda: en_marcha(con_historia))
    proceso.send_signal(signal.SIGTERM)
    _, error = proceso.communicate(timeout=60.0)
    assert proceso.returncode == 130, error
    assert error.splitlines()[-1] == "interrumpido"
    (escrita,) = historial(con_historia)
    assert (escrita["resultado"], escrita["detalle"]) == (FALLIDO, "interrumpido")
    assert ModelRegistry(con_historia).versions() == []


@pytest.mark.lenta  # each run imports all that a training needs
def test_cada_se_queda_y_sigterm_lo_para(vacio: Settings, lanzar: Callable[..., Fork]) -> None:
    """--cada survives runs that fail, repeats them, and ends with 0 when told to."""
    a_mano(vacio, registrar(vacio, 1.0))
    proceso = lanzar("--cada", "0.0001", "--forzar")
    esperar(lambda: len(historial(vacio)) >= 2)
    proceso.send_signal(signal.SIGTERM)
    _, error = proceso.communicate(timeout=60.0)
    assert proceso.returncode == 0, error
    assert {e["resultado"] for e in historial(vacio)} == {FALLIDO}
    assert error.count("la ejecución ha fallado (estado 1)") >= 1
    assert error.splitlines()[-1].endswith("reentrenamiento parado")


def test_lo_que_falla_se_repite_hasta_que_se_para(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Runs that fail are said and repeated; a stop that comes during one ends it in order."""
    codigo = (
        "import os, pathlib, signal, sys\n"
        f"hechas = pathlib.Path({str(tmp_path / 'hechas')!r})\n"
        "hechas.touch()\n"
        "hechas.write_text(hechas.read_text() + '.')\n"
        "if len(hechas.read_text()) == 3:\n"
        "    os.kill(os.getppid(), signal.SIGTERM)\n"
        "sys.exit(1)\n"
    )
    caplog.set_level("INFO")
    with StopRequest() as parada:
        keep_running([sys.executable, "-S", "-c", codigo], parada, 0.1)
    assert (tmp_path / "hechas").read_text() == "..."
    falla = "la ejecución ha fallado (estado 1); la próxima será a su hora"
    assert [m for m in caplog.messages if "ejecución" in m][:2] == [falla, falla]
    assert caplog.messages[-1] == "reentrenamiento parado"


def test_la_espera_se_corta_enseguida() -> None:
    """Between runs a stop is heeded at once, whatever time is left."""
    with StopRequest() as parada:
        orden = [
            sys.executable,
            "-c",
            "import os, signal; os.kill(os.getppid(), signal.SIGTERM)",
        ]
        antes = time.monotonic()
        keep_running(orden, parada, 3600.0)
        assert time.monotonic() - antes < 20.0
    assert parada.pedida


def test_una_ejecucion_sorda_se_mata(tmp_path: Path) -> None:
    """A run that does not listen is killed in the end, so that a stop is a stop."""
    listo = tmp_path / "listo"
    codigo = (
        "import os, pathlib, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"pathlib.Path({str(listo)!r}).write_text('')\n"
        "os.kill(os.getppid(), signal.SIGTERM)\n"
        "time.sleep(600)\n"
    )
    with StopRequest() as parada:
        antes = time.monotonic()
        keep_running([sys.executable, "-c", codigo], parada, 3600.0, despedida_s=0.2)
        assert time.monotonic() - antes < 60.0
    assert listo.exists()


def test_solo_se_interrumpe_donde_se_puede() -> None:
    """Inside an interruptible block a stop is an exception; elsewhere it is only noted."""
    with StopRequest() as parada:
        with pytest.raises(KeyboardInterrupt), parada.interruptible():
            signal.raise_signal(signal.SIGTERM)
        assert parada.pedida
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt), parada.interruptible():
            pytest.fail("a stop that was asked for before does not let the block begin")
    with StopRequest() as otra:
        signal.raise_signal(signal.SIGTERM)
        assert otra.esperar(60.0)
