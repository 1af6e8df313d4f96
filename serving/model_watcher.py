"""The hot swap: a thread that watches the aliases in MLflow and holds new versions ready.

A version is fetched, checked and tried out in the thread; the consumer picks it up between two
batches with one look at an attribute. What is in use is on disk too, so that a consumer starts
with it when MLflow is away. Whatever goes wrong, the version in use stays in use:

- MLflow away: said once, and once when it is back.
- A broken version: said once, and not fetched again until the alias has pointed elsewhere. It is
  tagged as rejected, for those who look at it elsewhere; who can use it takes the tag away.
- ``champion`` points nowhere: said once; the old one goes on. ``challenger`` does: nobody scores
  in shadow any more.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import shutil
import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from detection.errors import ConsumoError, ModeloInvalidoError, PermanentError
from detection.scoring_model import ScoringModel
from serving.model_package import load_paquete, package_fingerprint
from serving.model_versions import (
    ASPIRANTE,
    CAMPEON,
    ETIQUETA_RECHAZO,
    ModelRejection,
    ModelVersions,
)

_ARCHIVO = "campeon.json"
"""In the folder of the models: which of them was in use last."""
COPIAS = 3
"""Versions kept on disk: the one in use and where a roll-back would lead. By hand, 2026-11-24."""
ESPERA_INICIO_S = 10.0
"""That a first look may hold up a start. By hand, 2026-11-24: MLflow's import takes 3 s on an idle
machine; when its server is away, the look ends at once."""
_DESPEDIDA_S = 1.0
"""That a look under way holds up the end; then its thread is left behind."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WatcherState:
    """What the watch knows, for a consumer's heartbeat."""

    version: str | None  # the champion in use, as verdicts carry it
    origen: str  # "mlflow", "disco" (the last copy, not confirmed by MLflow) or "ninguno"
    error: str | None  # what is wrong at present, one Spanish line
    # rechazado, rechazo: the version that the champion's alias points to and that is not used, and
    # why.
    rechazado: str | None = None
    rechazo: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _EnUso:
    modelo: ScoringModel
    numero: int
    huella: str


class _Alias:
    """One alias: what it led to last."""

    def __init__(self, nombre: str, papel: str) -> None:
        self.nombre = nombre
        self.papel = papel
        self.actual: _EnUso | None = None
        self.confirmado = False
        self.rechazada: int | None = None
        self.por_anotar: dict[str, str | None] | None = None
        self.error: str | None = None

    def say_once(self, nivel: int, texto: str) -> None:
        """Log what is wrong with it, unless that was the last thing said."""
        if texto != self.error:
            _LOG.log(nivel, "%s", texto)
        self.error = texto


class ModelWatcher(AbstractContextManager["ModelWatcher"]):
    """Watches ``champion``, and ``challenger`` if asked to; one user takes what is new.

    Parameters
    ----------
    carpeta : Path
        For copies of the versions; made if needed. Consumers of one machine may share it.
    sondeo_s : float
        Seconds between two looks, > 0.
    en_sombra : bool
        Watch the challenger too.
    espera_inicio_s : float
        Seconds that the first look may hold up ``start``, >= 0.

    Examples
    --------
    ::

        registro = ModelRegistry(settings)
        with ModelWatcher(registro, settings.modelos_dir, settings.modelo_sondeo_s) as v:
            while True:
                if (modelo := v.take()) is not None:
                    detector.use(modelo)
                ...
    """

    def __init__(
        self,
        registro: ModelVersions,
        carpeta: Path,
        sondeo_s: float,
        *,
        en_sombra: bool = False,
        espera_inicio_s: float = ESPERA_INICIO_S,
    ) -> None:
        self._registro = registro
        self._carpeta = carpeta
        self._sondeo_s = sondeo_s
        self._espera_inicio_s = espera_inicio_s
        self._campeon = _Alias(CAMPEON, "campeón")
        self._aspirante = _Alias(ASPIRANTE, "aspirante")
        self._vigilados = (self._campeon, self._aspirante) if en_sombra else (self._campeon,)
        self._mirado = threading.Event()
        self._fin = threading.Event()
        self._cambio = threading.Lock()
        self._copia: _EnUso | None = None
        # The thread writes what is in use, the caller of ``take`` this: taking needs no lock.
        self._tomado: _EnUso | None = None
        self._ausente: str | None = None
        self._hilo = threading.Thread(target=self._watch, name="vigilante-modelos", daemon=True)

    def start(self) -> None:
        """Begin to watch; on return the champion is ready, or else the last copy on disk.

        Waits for the first look, ``espera_inicio_s`` at most.
        """
        self._copia = self._load_copy()
        self._hilo.start()
        if self._mirado.wait(self._espera_inicio_s):
            return
        self._fall_back()
        if self._campeon.actual is self._copia:
            _LOG.warning("MLflow tarda en responder; se empieza con %s", self._in_use())

    def close(self) -> None:
        """Stop watching; what is in use stays so."""
        self._fin.set()
        if self._hilo.is_alive():
            self._hilo.join(_DESPEDIDA_S)

    def __enter__(self) -> ModelWatcher:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def take(self) -> ScoringModel | None:
        """Return a champion that is new since the last call; never waits. One caller only."""
        actual = self._campeon.actual
        if actual is self._tomado:
            return None
        self._tomado = actual
        return None if actual is None else actual.modelo

    @property
    def challenger(self) -> ScoringModel | None:
        """Return who is to score in shadow now; None = nobody (any more)."""
        actual = self._aspirante.actual
        return None if actual is None else actual.modelo

    def estado(self) -> WatcherState:
        """Return what is in use and what is wrong; any thread may ask."""
        campeon, rechazada = self._campeon.actual, self._campeon.rechazada
        origen = "mlflow" if self._campeon.confirmado else "disco"
        return WatcherState(
            version=campeon.modelo.version if campeon else None,
            origen=origen if campeon else "ninguno",
            error=self._ausente or self._campeon.error or self._aspirante.error,
            rechazado=None if rechazada is None else self._named(rechazada),
            rechazo=None if rechazada is None else self._campeon.error,
        )

    def _watch(self) -> None:
        while True:
            try:
                self._look()
            except Exception:  # noqa: BLE001
                # The thread has to outlive whatever a look runs into.
                self._fall_back()
                _LOG.exception("la vigilancia de los modelos ha fallado; se vuelve a intentar")
            self._mirado.set()
            if self._fin.wait(self._sondeo_s):
                return

    def _look(self) -> None:
        try:
            for alias in self._vigilados:
                self._follow(alias, self._registro.version_of(alias.nombre))
        except ConsumoError as error:
            self._fall_back()
            if str(error) != self._ausente:
                _LOG.warning("%s; se sigue con %s", error, self._in_use())
            self._ausente = str(error)
        else:
            if self._ausente is not None:
                _LOG.info("MLflow vuelve a responder; se sigue con %s", self._in_use())
            self._ausente = None

    def _follow(self, alias: _Alias, numero: int | None) -> None:
        """Hold ready what an alias points to."""
        if alias is self._aspirante and numero is not None and self._leads(numero):
            numero = None  # promoted: there is nothing left to compare
        if numero is None:
            self._follow_nowhere(alias)
        elif numero == alias.rechazada:
            self._annotate(alias, numero)
        elif alias.actual is None or numero != alias.actual.numero or not alias.confirmado:
            alias.rechazada = None
            try:
                self._change(alias, numero)
            except ModeloInvalidoError as error:
                alias.rechazada = numero
                self._keep(alias, numero, error)
                ahora = datetime.now(UTC).isoformat(timespec="seconds")
                alias.por_anotar = {**ModelRejection(platform.node(), ahora, str(error)).tags()}
                self._annotate(alias, numero)
            except PermanentError as error:
                self._keep(alias, numero, error)
        else:
            alias.rechazada = alias.error = None

    def _leads(self, numero: int) -> bool:
        return self._campeon.actual is not None and self._campeon.actual.numero == numero

    def _follow_nowhere(self, alias: _Alias) -> None:
        alias.rechazada = None
        if alias is self._aspirante:
            if alias.actual is not None:
                _LOG.info("%s deja de puntuar en la sombra", alias.actual.modelo.version)
            alias.actual, alias.error = None, None
            return
        self._fall_back()
        nivel = logging.INFO if alias.actual is None else logging.WARNING
        alias.say_once(
            nivel,
            f"el alias «{alias.nombre}» no apunta a ninguna versión; se sigue con {self._in_use()}",
        )

    def _keep(self, alias: _Alias, numero: int, error: ConsumoError) -> None:
        """Say that a version is not used, and go on with the one before."""
        sigue = ""
        if alias is self._campeon:
            self._fall_back()
            sigue = f"; se sigue con {self._in_use()}"
        version = self._named(numero)
        alias.say_once(logging.ERROR, f"{alias.papel} {version} rechazado: {error}{sigue}")

    def _annotate(self, alias: _Alias, numero: int) -> None:
        """Tag a rejected version, unless it is done; if MLflow does not take it, the next look."""
        if alias.por_anotar is None:
            return
        try:
            self._registro.tag(numero, alias.por_anotar)
        except PermanentError as error:
            _LOG.warning("no se puede anotar en MLflow el rechazo de %s: %s",
                         self._named(numero), error)  # fmt: skip
        alias.por_anotar = None

    def _clear_rejection(self, numero: int) -> None:
        """Take away the tag of a rejection that this consumer has just disproved."""
        try:
            if ETIQUETA_RECHAZO in self._registro.tags_of(numero):
                self._registro.tag(numero, {ETIQUETA_RECHAZO: None})
        except PermanentError as error:
            _LOG.warning("no se puede quitar en MLflow el rechazo de %s: %s",
                         self._named(numero), error)  # fmt: skip

    def _change(self, alias: _Alias, numero: int) -> None:
        """Fetch a version, try it out, and put it where it is taken from."""
        carpeta = self._registro.download(numero, self._carpeta / str(numero))
        huella = package_fingerprint(carpeta)
        antes = alias.actual
        if antes is None or (antes.numero, antes.huella) != (numero, huella):
            nuevo = self._load(carpeta, numero, huella)
            with self._cambio:
                alias.actual = nuevo
            _LOG.info(
                "nuevo %s: %s, desde el próximo lote (antes: %s)",
                alias.papel, nuevo.modelo.version, antes.modelo.version if antes else "ninguno",
            )  # fmt: skip
        self._clear_rejection(numero)
        alias.confirmado = True
        alias.error = None
        self._tidy(alias, carpeta)

    def _load(self, carpeta: Path, numero: int, huella: str) -> _EnUso:
        modelo = load_paquete(carpeta, self._named(numero))
        # Compiled here, so that the consumer's first batch with it does not wait.
        crudo = modelo.bosque.scores(np.full((1, modelo.bosque.trees.n_rasgos), 0.5, np.float32))
        modelo.cola_offline.log_p_of(crudo)
        return _EnUso(modelo, numero, huella)

    def _load_copy(self) -> _EnUso | None:
        """Return what was in use last, out of the folder; None = nothing that can be used."""
        try:
            ultimo = json.loads((self._carpeta / _ARCHIVO).read_bytes())
            if ultimo["modelo"] != self._registro.modelo:
                return None
            numero, huella = int(ultimo["version"]), str(ultimo["huella"])
            carpeta = self._carpeta / str(numero)
            if package_fingerprint(carpeta) != huella:
                raise ModeloInvalidoError(f"en {carpeta} hay otra versión")
            return self._load(carpeta, numero, huella)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, ModeloInvalidoError) as error:
            _LOG.error("la copia en disco del último campeón no sirve: %s", error)
            return None

    def _fall_back(self) -> None:
        """Use the copy on disk if there is nothing better yet."""
        with self._cambio:
            if self._campeon.actual is None:
                self._campeon.actual = self._copia

    def _tidy(self, alias: _Alias, carpeta: Path) -> None:
        """Write down which champion is in use, and remove versions that are long out of use."""
        try:
            os.utime(carpeta)
            en_uso = self._campeon.actual
            if alias is self._campeon and en_uso is not None:
                datos = {
                    "modelo": self._registro.modelo,
                    "version": en_uso.numero,
                    "huella": en_uso.huella,
                }
                nuevo = self._carpeta / f".{_ARCHIVO}.{os.getpid()}"
                nuevo.write_text(json.dumps(datos))
                nuevo.replace(self._carpeta / _ARCHIVO)
            propias = {str(a.actual.numero) for a in self._vigilados if a.actual is not None}
            copias = [c for c in self._carpeta.iterdir() if c.name.isdecimal() and c.is_dir()]
            copias.sort(key=lambda c: (c.name in propias, c.stat().st_mtime_ns), reverse=True)
            for vieja in copias[COPIAS:]:
                shutil.rmtree(vieja, ignore_errors=True)
        except OSError as error:
            # The model is in memory: only a start without MLflow would miss its copy.
            _LOG.warning("no se puede cuidar la carpeta de modelos %s: %s", self._carpeta, error)

    def _named(self, numero: int) -> str:
        return f"{self._registro.modelo}-{numero}"

    def _in_use(self) -> str:
        actual = self._campeon.actual
        if actual is None:
            return "la versión de base"
        copia = "" if self._campeon.confirmado else " (la última copia en disco)"
        return actual.modelo.version + copia
