"""Small models, quick to make, and ways to the server that keeps them, also broken ones."""

from __future__ import annotations

import http.client
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from detection.features.hourly import RASGOS
from detection.models.isolation_forest import FlatIsolationForest
from detection.models.tails import EmpiricalTail
from detection.params import Params
from detection.rules.registry import CALIBRACIONES, rules_fingerprint
from detection.scoring_model import ScoringModel
from serving.model_package import save_paquete
from serving.registry import ModelRegistry
from serving.settings import Settings


def rasgos(n: int = 200, semilla: int = 1) -> NDArray[np.float32]:
    """Return rows of features (n, F), any numbers of [0, 1]."""
    return np.random.default_rng(semilla).random((n, len(RASGOS))).astype(np.float32)


def modelo(semilla: int = 1) -> ScoringModel:
    """Return a model; another seed gives another."""
    x = rasgos(semilla=semilla)
    bosque = FlatIsolationForest.from_sklearn(
        IsolationForest(n_estimators=5, random_state=semilla).fit(x)
    )
    scores = bosque.scores(x)
    return ScoringModel(
        version="sin registrar",
        bosque=bosque,
        cola_offline=EmpiricalTail.fit(scores),
        cola_online=EmpiricalTail.fit(scores / 2),
        huella_online="0123456789ab",
        calibraciones=CALIBRACIONES,
        rasgos=RASGOS,
        huella_params=rules_fingerprint(Params()),
    )


def paquete(carpeta: Path, semilla: int = 1) -> Path:
    """Return a folder with a package, and one side file in it."""
    save_paquete(modelo(semilla), carpeta, extras={"referencia.parquet": b"PAR1" * 10})
    return carpeta


def registro_en(uri: str, nombre: str | None = None) -> ModelRegistry:
    """Return a registry with its own experiment and model on a server."""
    nombre = nombre or f"m-{uuid.uuid4().hex[:12]}"
    settings = Settings.model_validate({"mlflow_tracking_uri": uri})
    return ModelRegistry(settings, experimento=f"e-{nombre}", modelo=nombre)


def cliente_de(uri: str) -> Any:
    """Return MLflow's own client."""
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


@contextmanager
def servidor(manejador: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Give the address of a web server that lives as long as the block."""
    with ThreadingHTTPServer(("127.0.0.1", 0), manejador) as servidor:
        hilo = threading.Thread(target=servidor.serve_forever, args=(0.02,), daemon=True)
        hilo.start()
        try:
            yield f"http://127.0.0.1:{servidor.server_address[1]}"
        finally:
            servidor.shutdown()
            hilo.join()


def estropeado(uri: str, rota: Callable[[str, str], int]) -> type[BaseHTTPRequestHandler]:
    """Return a way to an MLflow server on which some requests fail with a status; 0 = pass."""
    destino = urlsplit(uri).netloc

    class Paso(BaseHTTPRequestHandler):
        def _pasar(self) -> None:
            cuerpo = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if estado := rota(self.command, self.path):
                codigo = "INTERNAL_ERROR" if estado >= 500 else "INVALID_PARAMETER_VALUE"
                cuerpo = json.dumps({"error_code": codigo, "message": "estropeado"}).encode()
                self._responder(estado, cuerpo, "application/json")
                return
            tipo = self.headers.get("Content-Type") or "application/json"
            conexion = http.client.HTTPConnection(destino, timeout=30)
            conexion.request(self.command, self.path, cuerpo, {"Content-Type": tipo})
            respuesta = conexion.getresponse()
            contenido = respuesta.read()
            conexion.close()
            self._responder(respuesta.status, contenido, respuesta.headers["Content-Type"])

        def _responder(self, estado: int, cuerpo: bytes, tipo: str) -> None:
            self.send_response(estado)
            self.send_header("Content-Type", tipo)
            self.send_header("Content-Length", str(len(cuerpo)))
            self.end_headers()
            self.wfile.write(cuerpo)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pasar  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    return Paso
