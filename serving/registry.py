"""MLflow, where versions of the model are kept and compared: the only file that imports it.

A version is a package (``serving.model_package``) inside an MLflow model, so that both we and a
data scientist read the same bytes::

    mlflow.set_tracking_uri("http://127.0.0.1:5000")
    modelo = mlflow.pyfunc.load_model("models:/consumo-detector@champion")
    modelo.predict(rasgos)          # the offline model's raw scores, high = more anomalous

(with this project installed: MLflow loads it through ``serving.puntuador``; nothing is pickled).
A version is tagged with its package's fingerprint: what is downloaded is what was registered, or
it is refused.

MLflow's own global state (active run, tracking address) is not touched.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.errors import ConsumoError, ModeloInvalidoError, PermanentError, TransientError
from detection.scoring_model import ScoringModel
from serving import model_versions, puntuador
from serving.model_package import (
    check_paquete,
    holds_paquete,
    load_paquete,
    package_fingerprint,
    place_paquete,
)
from serving.model_versions import EXPERIMENTO, MODELO, VersionInfo, process_tag
from serving.reachability import listens, without_password
from serving.run_card import (
    CURVA,
    SOBRE_EL_EXPERIMENTO,
    SOBRE_EL_MODELO,
    TIPO_EXPERIMENTO,
    RunCard,
)
from serving.settings import Settings
from serving.shutdown import hold_signals

_CARPETA = "paquete"
_RUTA = f"data/{_CARPETA}"
"""Where MLflow puts the data of a model."""
_POR_PETICION = 100
"""MLflow's own limit of parameters and tags in one request; it allows 1 000 metrics."""
_PASAJEROS = frozenset({"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"})
PACIENCIA_S = 10.0
"""For the first word of a server that a training may keep busy; as long as MLflow's own client."""
_NOTA = "mlflow.note.content"
"""Tag whose text MLflow shows as the description of a run or an experiment."""
_HUELLA_MAXIMA = 36
"""Characters of a data set's digest (``MAX_DATASET_DIGEST_SIZE`` of mlflow 3.17)."""
_SIN_FICHA = RunCard()
_NO_EXISTE = "RESOURCE_DOES_NOT_EXIST"
_YA_EXISTE = "RESOURCE_ALREADY_EXISTS"

_ENTORNO: Mapping[str, str] = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # One more try after 10 s of silence. By hand, 2026-11-24: a busy server answers in less.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
"""Names and meanings read in mlflow 3.17; whoever has set one of them wins."""

_LOG = logging.getLogger(__name__)


def configure_client(espera_s: int | None = None) -> None:
    """Tell MLflow's client, not yet imported, to be quiet, to report nothing and not to wait long.

    ``espera_s``: of silence, in which case there is no other try; None = what a job may wait.
    """
    if espera_s is not None:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(espera_s))
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for nombre, valor in _ENTORNO.items():
        os.environ.setdefault(nombre, valor)


class ModelRegistry:
    """The versions of ``consumo-detector`` on an MLflow server.

    Making one does nothing yet: MLflow is imported by the first method that finds the server.
    Every method raises ``TransientError`` when the server is away, and ``PermanentError`` when it
    refuses; threads may share one.

    Parameters
    ----------
    settings : Settings
        ``mlflow_tracking_uri`` of it.
    experimento, modelo : str
        Names on the server.
    paciencia_s : float
        Longest silence of a server before it counts as away.

    Examples
    --------
    ::

        registro = ModelRegistry(load_settings())
        if (version := registro.version_of("champion")) is not None:
            carpeta = registro.download(version, Path("campeon"))
    """

    def __init__(
        self,
        settings: Settings,
        *,
        experimento: str = EXPERIMENTO,
        modelo: str = MODELO,
        paciencia_s: float = PACIENCIA_S,
    ) -> None:
        self.experimento = experimento
        self.modelo = modelo
        self._uri = settings.mlflow_tracking_uri
        self._paciencia_s = paciencia_s

    def ping(self) -> None:
        """Return if the server answers."""
        with self._hablando() as cliente:
            cliente.search_experiments(max_results=1)

    def version_of(self, alias: str) -> int | None:
        """Return the version that an alias points to; None = it points nowhere."""
        with self._hablando() as cliente:
            version = self._aliases(cliente).get(alias)
        return None if version is None else int(version)

    def versions(self) -> list[VersionInfo]:
        """Return every version, the newest first."""
        with self._hablando() as cliente:
            por_alias = self._aliases(cliente)
            filtro = f"name='{self.modelo}'"
            halladas = cliente.search_model_versions(filtro)
            fichas = list(halladas)
            while halladas.token:
                halladas = cliente.search_model_versions(filtro, page_token=halladas.token)
                fichas += halladas
            salida = [
                VersionInfo(
                    int(ficha.version),
                    datetime.fromtimestamp(ficha.creation_timestamp / 1000, UTC),
                    dict(ficha.tags),
                    _metrics_of(cliente, ficha.run_id),
                    tuple(sorted(a for a, v in por_alias.items() if v == ficha.version)),
                )
                for ficha in fichas
            ]
        return sorted(salida, key=lambda info: -info.version)

    def download(self, version: int, destino: Path) -> Path:
        """Return ``destino``, a folder that then holds a version's package, whole.

        What already holds it is left as it is; anything else there is replaced, in one move.

        ``ModeloInvalidoError``: the version carries no package, or not the one that was registered.
        ``PermanentError``: there is no such version.
        """
        with self._hablando() as cliente:
            ficha = self._version(cliente, version)
            huella = ficha.tags.get(model_versions.ETIQUETA_HUELLA)
            if huella is not None and holds_paquete(destino, huella):
                return destino
            from mlflow.artifacts import download_artifacts, list_artifacts

            raiz = cliente.get_model_version_download_uri(self.modelo, str(version))
            origen = f"{raiz}/{_RUTA}"
            if not list_artifacts(origen, tracking_uri=self._uri):
                raise ModeloInvalidoError(
                    f"la versión {version} de {self.modelo} no lleva un paquete de este detector"
                )
            destino.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".bajando-", dir=destino.parent) as temporal:
                bajado = Path(download_artifacts(origen, dst_path=temporal, tracking_uri=self._uri))
                check_paquete(bajado)
                if huella is not None and package_fingerprint(bajado) != huella:
                    raise ModeloInvalidoError(
                        f"el paquete de la versión {version} de {self.modelo} "
                        "no es el que se registró"
                    )
                place_paquete(bajado, destino)
        return destino

    def register(
        self,
        paquete: Path,
        ejemplo: NDArray[np.float32],
        *,
        parametros: Mapping[str, Any],
        metricas: Mapping[str, float],
        etiquetas: Mapping[str, str],
        artefactos: Path | None = None,
        ficha: RunCard = _SIN_FICHA,
    ) -> int:
        """Return the number of a new version, to which the alias ``challenger`` points from now on.

        All or nothing: if a step fails, no version is left and its run is marked FAILED. Signals
        wait for the end of a step; what a process that was killed left open is marked FAILED now.

        ``ModeloInvalidoError``: the package is broken; nothing was sent.

        Parameters
        ----------
        paquete : Path
            Folder that ``save_paquete`` wrote.
        ejemplo : ndarray (n, F), float32
            A few rows of features, kept as the input example.
        parametros, metricas, etiquetas : mapping
            The run's, by name; the tags are the version's too.
        artefactos, ficha : Path, RunCard, optional
            Folder whose files (plots, reports) go to the run, and what people read of it.
        """
        modelo = load_paquete(paquete, self.modelo)
        etiquetas = {**etiquetas, model_versions.ETIQUETA_HUELLA: package_fingerprint(paquete)}
        with self._hablando() as cliente, hold_signals() as retenidas:
            experimento = self._experiment(cliente)
            run = self._open_run(cliente, experimento, etiquetas, ficha)
            try:
                hecho = cliente.create_logged_model(experimento, self.modelo, run)
                _log_numbers(cliente, run, hecho, parametros, metricas)
                _log_card(cliente, run, hecho, ficha)
                if artefactos is not None:
                    cliente.log_artifacts(run, str(artefactos))
                retenidas.check()
                with tempfile.TemporaryDirectory() as temporal:
                    carpeta = _write_mlmodel(Path(temporal), hecho, modelo, paquete, ejemplo)
                    cliente.log_model_artifacts(hecho.model_id, str(carpeta))
                retenidas.check()
                return self._publish(cliente, run, hecho, etiquetas, ficha)
            except BaseException:
                self._undo(cliente, experimento, run)
                raise

    def set_alias(self, alias: str, version: int, etiquetas: Mapping[str, str]) -> None:
        """Point an alias to a version, and then tag it (who, when, why).

        Tags ``promovido_*`` are the latest promotion's; the tag ``promociones`` holds all.

        ``PermanentError``: there is no such version, or the alias has moved and its tags are
        missing.
        """
        with hold_signals():
            with self._hablando() as cliente:
                previas = dict(self._version(cliente, version).tags)
                cliente.set_registered_model_alias(self.modelo, alias, str(version))
            try:
                with self._hablando() as cliente:
                    for nombre, valor in model_versions.with_promotion(previas, etiquetas).items():
                        cliente.set_model_version_tag(self.modelo, str(version), nombre, valor)
            except ConsumoError as error:
                raise PermanentError(
                    f"el alias «{alias}» ya apunta a la versión {version}, "
                    f"pero faltan sus etiquetas: {error}"
                ) from error

    def tags_of(self, version: int) -> dict[str, str]:
        """Return the tags of a version.

        ``PermanentError``: there is no such version.
        """
        with self._hablando() as cliente:
            return dict(self._version(cliente, version).tags)

    def created(self, version: int) -> datetime:
        """Return when a version was registered, UTC.

        ``PermanentError``: there is no such version.
        """
        with self._hablando() as cliente:
            creada = self._version(cliente, version).creation_timestamp
        return datetime.fromtimestamp(creada / 1000, UTC)

    def tag(self, version: int, etiquetas: Mapping[str, str | None]) -> None:
        """Set tags of a version, and take away those that are None."""
        with hold_signals(), self._hablando() as cliente:
            for nombre, valor in etiquetas.items():
                if valor is not None:
                    cliente.set_model_version_tag(self.modelo, str(version), nombre, valor)
                else:
                    with _accepting(_NO_EXISTE):
                        cliente.delete_model_version_tag(self.modelo, str(version), nombre)

    def delete_alias(self, alias: str) -> None:
        """Let an alias point nowhere; nothing happens if it does so already."""
        with self._hablando() as cliente, _accepting(_NO_EXISTE):
            cliente.delete_registered_model_alias(self.modelo, alias)

    def log_artifact_to(self, version: int, fichero: Path, carpeta: str) -> None:
        """Add a file to a folder of the artifacts of the run that made a version.

        ``PermanentError``: there is no such version, or no run made it.
        """
        with self._hablando() as cliente:
            run = self._version(cliente, version).run_id
            if not run:
                raise PermanentError(
                    f"la versión {version} de {self.modelo} no viene de una ejecución de MLflow"
                )
            cliente.log_artifact(run, str(fichero), carpeta)

    @cached_property
    def _cliente(self) -> Any:
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)

    @contextmanager
    def _hablando(self) -> Iterator[Any]:
        """Give MLflow's client, and turn what goes wrong with it into our errors."""
        ausente = TransientError(f"MLflow no responde en {without_password(self._uri)}")
        # Before MLflow is imported: that takes seconds, which an absent server is not worth.
        if not listens(self._uri, self._paciencia_s):
            raise ausente
        configure_client()
        from mlflow.exceptions import MlflowException
        from requests import RequestException

        try:
            yield self._cliente
        except (MlflowException, RequestException) as error:
            respuesta = getattr(error, "response", None)
            estado = 500 if respuesta is None else respuesta.status_code
            codigo = getattr(error, "error_code", "INTERNAL_ERROR" if estado >= 500 else "HTTP")
            if codigo in _PASAJEROS:
                raise ausente from error
            linea = str(error).splitlines()[0] if str(error) else codigo
            raise PermanentError(f"MLflow no lo acepta: {linea}") from error
        except OSError as error:
            raise PermanentError(f"no se puede leer o escribir un fichero: {error}") from error

    def _aliases(self, cliente: Any) -> dict[str, str]:
        with _accepting(_NO_EXISTE):
            return dict(cliente.get_registered_model(self.modelo).aliases)
        return {}

    def _version(self, cliente: Any, version: int) -> Any:
        with _accepting(_NO_EXISTE):
            return cliente.get_model_version(self.modelo, str(version))
        raise PermanentError(f"no existe la versión {version} de {self.modelo}")

    def _experiment(self, cliente: Any) -> str:
        """Return the experiment's id; it is made, or brought back from the bin, if needed."""
        with _accepting(_YA_EXISTE):
            cliente.create_experiment(self.experimento)
        experimento = cliente.get_experiment_by_name(self.experimento)
        if experimento.lifecycle_stage == "deleted":
            cliente.restore_experiment(experimento.experiment_id)
        for nombre, valor in {**TIPO_EXPERIMENTO, _NOTA: SOBRE_EL_EXPERIMENTO}.items():
            if experimento.tags.get(nombre) != valor:
                cliente.set_experiment_tag(experimento.experiment_id, nombre, valor)
        return str(experimento.experiment_id)

    def _publish(
        self, cliente: Any, run: str, hecho: Any, etiquetas: dict[str, str], ficha: RunCard
    ) -> int:
        """Return the number of a new version, of which nobody has seen anything before."""
        cliente.finalize_logged_model(hecho.model_id, "READY")
        cliente.set_terminated(run, "FINISHED")
        with _accepting(_YA_EXISTE):
            cliente.create_registered_model(self.modelo)
        if cliente.get_registered_model(self.modelo).description != SOBRE_EL_MODELO:
            cliente.update_registered_model(self.modelo, SOBRE_EL_MODELO)
        nueva = cliente.create_model_version(
            self.modelo,
            f"models:/{hecho.model_id}",
            run,
            etiquetas,
            description=ficha.texto or None,
            model_id=hecho.model_id,
        )
        cliente.set_registered_model_alias(self.modelo, model_versions.ASPIRANTE, nueva.version)
        return int(nueva.version)

    def _open_run(
        self, cliente: Any, experimento: str, etiquetas: dict[str, str], ficha: RunCard
    ) -> str:
        """Return a new run's id, after taking back what killed processes left half way."""
        for run in cliente.search_runs([experimento], "attributes.status = 'RUNNING'"):
            desde = datetime.fromtimestamp(run.info.start_time / 1000, UTC)
            if model_versions.is_abandoned(run.data.tags, desde, datetime.now(UTC)):
                self._undo(cliente, experimento, run.info.run_id)
                _LOG.warning("la ejecución %s de MLflow quedó a medias; se cierra", run.info.run_id)
        suyas = etiquetas | process_tag() | ({_NOTA: ficha.texto} if ficha.texto else {})
        run = cliente.create_run(experimento, tags=suyas, run_name=ficha.nombre or None)
        return str(run.info.run_id)

    def _undo(self, cliente: Any, experimento: str, run: str) -> None:
        """Take back what a failed ``register`` left, as far as the server still answers."""
        from mlflow.exceptions import MlflowException

        try:
            for ficha in cliente.search_model_versions(f"run_id='{run}'"):
                cliente.delete_model_version(ficha.name, ficha.version)
            cliente.set_terminated(run, "FAILED")
            filtro = f"source_run_id='{run}'"
            for hecho in cliente.search_logged_models([experimento], filter_string=filtro):
                cliente.delete_logged_model(hecho.model_id)
        except MlflowException as error:
            _LOG.warning("la ejecución %s de MLflow queda a medias: %s", run, error)


@contextmanager
def _accepting(codigo: str) -> Iterator[None]:
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code != codigo:
            raise


def _metrics_of(cliente: Any, run: str | None) -> dict[str, float]:
    """Return the metrics of a run but for its curves; of one that is gone, none."""
    if run:
        with _accepting(_NO_EXISTE):
            metricas = cliente.get_run(run).data.metrics
            return {n: v for n, v in metricas.items() if not n.startswith(CURVA)}
    return {}


def _log_numbers(
    cliente: Any, run: str, hecho: Any, parametros: Mapping[str, Any], metricas: Mapping[str, float]
) -> None:
    from mlflow.entities import LoggedModelOutput, Metric, Param

    cliente.log_outputs(run, [LoggedModelOutput(hecho.model_id, step=0)])
    ahora = int(time.time() * 1000)
    params = [Param(n, str(v)) for n, v in parametros.items()]
    numeros = [Metric(n, float(v), ahora, 0, model_id=hecho.model_id) for n, v in metricas.items()]
    for i in range(0, max(len(params), len(numeros)), _POR_PETICION):
        lote = slice(i, i + _POR_PETICION)
        cliente.log_batch(run, metrics=numeros[lote], params=params[lote])


def _log_card(cliente: Any, run: str, hecho: Any, ficha: RunCard) -> None:
    """Log the data that a run has used, its tables, and its curves."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric
    from mlflow.types import ColSpec, Schema

    entradas = []
    for datos in ficha.datos:
        esquema = Schema([ColSpec("double", columna) for columna in datos.columnas])
        conjunto = Dataset(
            datos.nombre,
            datos.huella[:_HUELLA_MAXIMA],
            "code",
            CodeDatasetSource(dict(datos.origen)).to_json(),
            json.dumps({"mlflow_colspec": esquema.to_dict()}),
            json.dumps(dict(datos.cifras)),
        )
        entradas.append(DatasetInput(conjunto, [InputTag("mlflow.data.context", datos.uso)]))
    if entradas:
        cliente.log_inputs(run, entradas)
    for fichero, columnas in ficha.tablas.items():
        cliente.log_table(run, {n: list(v) for n, v in columnas.items()}, fichero)
    ahora = int(time.time() * 1000)
    for nombre, valores in ficha.curvas.items():
        puntos = [
            Metric(f"{CURVA}{nombre}", float(valor), ahora, paso, model_id=hecho.model_id)
            for paso, valor in enumerate(valores)
        ]
        cliente.log_batch(run, metrics=puntos)


def _write_mlmodel(
    temporal: Path, hecho: Any, modelo: ScoringModel, paquete: Path, ejemplo: NDArray[np.float32]
) -> Path:
    """Return a folder inside ``temporal`` with an MLflow model around a package."""
    import mlflow.pyfunc
    import pandas as pd
    from mlflow.models import Model, infer_signature

    copia = temporal / _CARPETA
    shutil.copytree(paquete, copia)
    # float64 in the signature: MLflow widens what it is given, and narrows nothing.
    marco = pd.DataFrame(ejemplo.astype(np.float64), columns=list(modelo.rasgos))
    salida = temporal / "modelo"
    mlflow.pyfunc.save_model(
        salida,
        loader_module=puntuador.__name__,
        data_path=str(copia),
        mlflow_model=Model(
            artifact_path=hecho.artifact_location,
            run_id=hecho.source_run_id,
            model_id=hecho.model_id,
            model_uuid=hecho.model_id,
        ),
        signature=infer_signature(marco, puntuador.Puntuador(modelo).predict(marco)),
        input_example=marco,
        pip_requirements=[f"{p}=={installed_version(p)}" for p in ("numba", "numpy", "pandas")],
    )
    return salida
