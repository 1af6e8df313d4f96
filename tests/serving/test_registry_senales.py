"""A signal in the middle of a registration: the version is there whole, or nothing of it is."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forks
import numpy as np
import pytest
from apoyo_paquete import cliente_de, estropeado, paquete, rasgos, registro_en, servidor
from forks import Fork

from serving.registry import ModelRegistry
from serving.shutdown import hold_signals

PROGRAMA = """
import sys
from pathlib import Path
import numpy as np
from serving.cli import run
from serving.registry import ModelRegistry
from serving.settings import Settings

def main(argv):
    uri, nombre, carpeta = argv
    settings = Settings(mlflow_tracking_uri=uri)
    ModelRegistry(settings, experimento=f"e-{nombre}", modelo=nombre).register(
        Path(carpeta), np.load(f"{carpeta}.npy"), parametros={"a": 1}, metricas={"b": 1.0},
        etiquetas={},
    )
    return 0

sys.exit(run(main))
"""
PLAZO_S = 60


class Registrador:
    """Another process that registers a version, and whom a signal meets at a chosen request."""

    def __init__(self, directo: ModelRegistry, carpeta: Path) -> None:
        self._directo = directo
        self._carpeta = carpeta
        np.save(f"{carpeta}.npy", rasgos(3))

    def run(self, ruta: str, senal: signal.Signals) -> int:
        """Return its exit status; the signal comes at a request, and at each one after it."""
        hijos: list[Fork] = []
        nacido, llegadas = threading.Event(), []

        def paso(_: str, camino: str) -> int:
            if llegadas or ruta in camino:
                llegadas.append(camino)
                assert nacido.wait(PLAZO_S)
                hijos[0].send_signal(senal)
            return 0

        with servidor(estropeado(self._directo._uri, paso)) as uri:
            orden = ("-c", PROGRAMA, uri, self._directo.modelo, str(self._carpeta))
            hijos.append(forks.start(os.environ, *orden))
            nacido.set()
            try:
                estado = hijos[0].wait(PLAZO_S)
            finally:
                hijos[0].kill()
                hijos[0].wait()
        assert llegadas, f"nadie pide {ruta}"
        return estado


@pytest.fixture
def directo(mlflow_uri: str, tmp_path: Path) -> ModelRegistry:
    """Return a registry of its own, with a version 1 that is the challenger."""
    registro = registro_en(mlflow_uri)
    _registrar(registro, tmp_path / "una")
    return registro


def _registrar(registro: ModelRegistry, carpeta: Path) -> int:
    return registro.register(paquete(carpeta), rasgos(3), parametros={}, metricas={}, etiquetas={})


def _queda(registro: ModelRegistry) -> tuple[list[str], int, list[int], int | None]:
    """Return the runs' states, how many models there are, the versions, and the challenger."""
    mlflow = cliente_de(registro._uri)
    experimento = mlflow.get_experiment_by_name(registro.experimento).experiment_id
    estados = sorted(run.info.status for run in mlflow.search_runs([experimento]))
    modelos: list[Any] = mlflow.search_logged_models([experimento])
    assert all(str(m.status) == "READY" or "RUNNING" in estados for m in modelos)
    versiones = [v.version for v in registro.versions()]
    return estados, len(modelos), versiones, registro.version_of("challenger")


@pytest.mark.parametrize(
    ("ruta", "senal", "estado"),
    [
        ("/runs/create", signal.SIGINT, 130),
        ("/runs/create", signal.SIGTERM, -signal.SIGTERM),
        ("/logged-models", signal.SIGINT, 130),
        ("/data/paquete/bosque.npz", signal.SIGTERM, -signal.SIGTERM),
    ],
)
def test_interrumpido_antes_de_publicar_no_queda_nada(
    directo: ModelRegistry, tmp_path: Path, ruta: str, senal: signal.Signals, estado: int
) -> None:
    """The run says FAILED, also when Ctrl-C is pressed again and again while it is taken back."""
    assert Registrador(directo, paquete(tmp_path / "otra", 2)).run(ruta, senal) == estado
    assert _queda(directo) == (["FAILED", "FINISHED"], 1, [1], 1)


@pytest.mark.parametrize("ruta", ["/runs/update", "/model-versions/create"])
@pytest.mark.parametrize(
    ("senal", "estado"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)]
)
def test_interrumpido_al_publicar_queda_entera(
    directo: ModelRegistry, tmp_path: Path, ruta: str, senal: signal.Signals, estado: int
) -> None:
    """Once publishing has begun the version is published, alias and all; then the signal comes."""
    assert Registrador(directo, paquete(tmp_path / "otra", 2)).run(ruta, senal) == estado
    assert _queda(directo) == (["FINISHED", "FINISHED"], 2, [2, 1], 2)


def test_lo_que_deja_un_proceso_matado_se_cierra_despues(
    directo: ModelRegistry, tmp_path: Path
) -> None:
    """Killed outright, its run stays open; the next registration marks it FAILED."""
    otra = Registrador(directo, paquete(tmp_path / "otra", 2))
    assert otra.run("/data/paquete/bosque.npz", signal.SIGKILL) == -signal.SIGKILL
    assert _queda(directo) == (["FINISHED", "RUNNING"], 2, [1], 1)
    assert _registrar(directo, tmp_path / "tercera") == 2
    assert _queda(directo) == (["FAILED", "FINISHED", "FINISHED"], 2, [2, 1], 2)


def test_las_ejecuciones_de_otros_siguen_abiertas(directo: ModelRegistry, tmp_path: Path) -> None:
    """An open run that is not ours, or whose process lives, is left alone; one of old is not."""
    mlflow = cliente_de(directo._uri)
    experimento = mlflow.get_experiment_by_name(directo.experimento).experiment_id
    nuestra = {"huella_paquete": "0123"}
    viva, vieja = nuestra | {"proceso": f"{os.uname().nodename}:{os.getpid()}"}, 1_700_000_000_000
    abiertas = {
        "de otros": mlflow.create_run(experimento, start_time=vieja),
        "de otra máquina": mlflow.create_run(experimento, tags=nuestra | {"proceso": "otra:1"}),
        "viva": mlflow.create_run(experimento, tags=viva),
        "vieja": mlflow.create_run(experimento, tags=viva, start_time=vieja),
    }
    _registrar(directo, tmp_path / "otra")
    estados = {n: mlflow.get_run(r.info.run_id).info.status for n, r in abiertas.items()}
    assert [n for n, estado in estados.items() if estado != "RUNNING"] == ["vieja"]
    assert estados["vieja"] == "FAILED"


def test_las_senales_vuelven_a_ser_de_quien_eran() -> None:
    """Held back inside, delivered once at the end, handlers as before; ignored ones stay so."""
    recibidas: list[int] = []
    manejador: Callable[..., None] = lambda numero, _: recibidas.append(numero)  # noqa: E731
    antes = {s: signal.signal(s, manejador) for s in (signal.SIGINT, signal.SIGTERM)}
    antes[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with hold_signals() as retenidas:
            for senal in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
                os.kill(os.getpid(), senal)
            assert recibidas == []
        assert retenidas.numeros == [signal.SIGTERM, signal.SIGINT]
        assert recibidas == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGINT) is manejador
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        for senal, anterior in antes.items():
            signal.signal(senal, anterior)


def test_ctrl_c_gana_al_error_que_trae() -> None:
    """Work given up because of Ctrl-C ends in Ctrl-C, as the shell is to be told."""
    with pytest.raises(KeyboardInterrupt), hold_signals() as retenidas:  # noqa: PT012
        os.kill(os.getpid(), signal.SIGINT)
        retenidas.check()
        raise AssertionError("sigue como si nada")
