"""A ``Modelo`` as a folder: plain arrays and JSON, no pickle, every byte checked on the way in.

::

    modelo.json    names, fingerprints, calibration, and the SHA-256 of every other file
    bosque.npz     the offline model's arrays
    colas.npz      both empirical tails
    mezcla.npz     the learned blend: its trees and its tails; absent where there is none
    casos.npz      the model of cases: its trees and thresholds, and the trees that tell innocent
                   kinds; absent where there is none
    ...            what training adds: the drift reference, the frozen evaluation data, metrics

``modelo.json`` ends with the SHA-256 of itself, so a changed digit is seen there too. The same
model and files give the same bytes, on whatever day they are written.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import math
import shutil
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.blend.learned import COLUMNAS, LearnedBlend
from detection.cases.case import CaseThresholds
from detection.cases.features import RASGOS_CASO
from detection.cases.model import CaseModel
from detection.domain import TIPOS_INOCENTES
from detection.errors import ModeloInvalidoError
from detection.feature_fingerprint import feature_fingerprint
from detection.features.extremes import STANDALONE_RECORDS
from detection.features.hourly import RASGOS
from detection.models.boosted_trees import FlatBoostedTrees, FlatClassTrees
from detection.models.isolation_forest import FlatIsolationForest
from detection.models.tails import EmpiricalTail
from detection.params import Calibracion
from detection.scoring_model import ScoringModel
from serving.model_versions import other_params

_FORMATO = 3
MANIFIESTO = "modelo.json"
BOSQUE = "bosque.npz"
COLAS = "colas.npz"
MEZCLA = "mezcla.npz"
CASOS = "casos.npz"
_COLAS_MEZCLA = ("arboles", *STANDALONE_RECORDS, "mezcla")
"""Tails of a learned blend: of its trees, of each record, of the rarest of them."""
_INOCENTES = "inocentes_"
"""What the names of the arrays of innocent kinds begin with."""
_PROPIOS = frozenset({BOSQUE, COLAS, MEZCLA, CASOS})

_LOG = logging.getLogger(__name__)


def save_paquete(
    modelo: ScoringModel, carpeta: Path, *, extras: Mapping[str, bytes] | None = None
) -> None:
    """Write a model and its side files into a folder, made if needed.

    ``modelo.version`` is not written: a package gets its number when it is registered. The
    fingerprint of the features is that of the code that runs: it has to be what the model was
    trained with.

    ``ValueError``: a side file's name is a path, or one of the package's own.

    Parameters
    ----------
    carpeta : Path
        Files of the same names are replaced.
    extras : mapping of str to bytes, optional
        Side files by their plain name, e.g. ``{"metricas.json": b"{}"}``.
    """
    ficheros = _files(modelo, extras or {})
    datos = {
        "formato": _FORMATO,
        "rasgos": list(modelo.rasgos),
        "columnas": list(COLUMNAS) if modelo.mezcla is not None else [],
        "huella_rasgos": feature_fingerprint(),
        "huella_params": modelo.huella_params,
        "huella_online": modelo.huella_online,
        "calibraciones": {n: asdict(c) for n, c in modelo.calibraciones.items()},
        "sha256": {n: hashlib.sha256(b).hexdigest() for n, b in ficheros.items()},
    }
    carpeta.mkdir(parents=True, exist_ok=True)
    for nombre, contenido in ficheros.items():
        (carpeta / nombre).write_bytes(contenido)
    # Last, so that a folder with a manifest has all that it names.
    (carpeta / MANIFIESTO).write_bytes(_render(datos | {"huella": _seal(datos)}))


def _files(modelo: ScoringModel, extras: Mapping[str, bytes]) -> dict[str, bytes]:
    ficheros = dict(extras)
    for nombre in ficheros:
        if not _plain(nombre) or nombre in {MANIFIESTO} | _PROPIOS:
            raise ValueError(f"«{nombre}» no vale como fichero de un paquete")
    ficheros[BOSQUE] = _npz(modelo.bosque.to_arrays())
    ficheros[COLAS] = _npz(
        {
            "offline_scores": modelo.cola_offline.scores,
            "offline_log_p": modelo.cola_offline.log_p,
            "online_scores": modelo.cola_online.scores,
            "online_log_p": modelo.cola_online.log_p,
        }
    )
    if modelo.mezcla is not None:
        colas = dict(zip(_COLAS_MEZCLA, (*modelo.mezcla.colas, modelo.mezcla.cola), strict=True))
        ficheros[MEZCLA] = _npz(
            modelo.mezcla.arboles.to_arrays()
            | {f"{cual}_scores": cola.scores for cual, cola in colas.items()}
            | {f"{cual}_log_p": cola.log_p for cual, cola in colas.items()}
        )
    if modelo.casos is not None:
        umbrales = np.array(modelo.casos.umbrales, np.float64)
        arrays = modelo.casos.arboles.to_arrays() | {"umbrales": umbrales}
        if (inocentes := modelo.casos.inocentes) is not None:
            arrays |= {f"{_INOCENTES}{n}": uno for n, uno in inocentes.to_arrays().items()}
        ficheros[CASOS] = _npz(arrays)
    return ficheros


def load_paquete(carpeta: Path, version: str) -> ScoringModel:
    """Return the model of a folder.

    Every file that the manifest names is read and hashed, also the side files (the drift
    reference, the frozen evaluation data) that the model does not need: a version is whole or it
    is refused.

    ``version``: what verdicts will carry, e.g. "consumo-detector-3". ``ModeloInvalidoError``: a
    file is missing or is not the one that was written, or the model was made for other features, by
    other code for them or by another format than ours. The text says which, in one Spanish line.
    """
    datos = _manifest(carpeta)
    ficheros = _checked_files(carpeta, datos)
    _check_rasgos(datos)
    for nombre in (BOSQUE, COLAS):
        if nombre not in ficheros:
            raise ModeloInvalidoError(f"al paquete le falta «{nombre}»")
    bosque = FlatIsolationForest.from_arrays(_arrays(BOSQUE, ficheros[BOSQUE]))
    if bosque.trees.n_rasgos != len(RASGOS):
        raise ModeloInvalidoError(
            f"el bosque mira {bosque.trees.n_rasgos} rasgos y el modelo declara {len(RASGOS)}"
        )
    colas = _arrays(COLAS, ficheros[COLAS])
    huella_params = _text(datos, "huella_params")
    if (aviso := other_params(version, huella_params)) is not None:
        _LOG.warning("%s", aviso)
    return ScoringModel(
        version=version,
        bosque=bosque,
        cola_offline=_cola(colas, "offline"),
        cola_online=_cola(colas, "online"),
        huella_online=_text(datos, "huella_online"),
        calibraciones=_calibraciones(datos.get("calibraciones")),
        rasgos=RASGOS,
        huella_params=huella_params,
        mezcla=_mezcla(datos, ficheros),
        casos=_casos(ficheros),
    )


def check_paquete(carpeta: Path) -> None:
    """Return if every file of a package is the one that was written.

    ``ModeloInvalidoError``: one is not, or is missing; the text names it.
    """
    _checked_files(carpeta, _manifest(carpeta))


def package_fingerprint(carpeta: Path) -> str:
    """Return the 64 hexadecimal digits that stand for a package and all its files.

    ``ModeloInvalidoError``: the manifest is missing or damaged.
    """
    return str(_manifest(carpeta)["huella"])


def holds_paquete(carpeta: Path, huella: str) -> bool:
    """Return whether a folder holds the package of a fingerprint, every byte of it."""
    try:
        check_paquete(carpeta)
        return package_fingerprint(carpeta) == huella
    except ModeloInvalidoError:
        return False


def place_paquete(paquete: Path, destino: Path) -> None:
    """Move a whole package to its place in one step; what was there is removed.

    Several processes may do so at once with the same package.
    """
    huella = package_fingerprint(paquete)
    apartado = paquete.with_name(f"{paquete.name}-anterior")
    with suppress(FileNotFoundError):
        destino.rename(apartado)
    try:
        paquete.rename(destino)
    except OSError:
        if not holds_paquete(destino, huella):
            raise
    finally:
        shutil.rmtree(apartado, ignore_errors=True)


def _plain(nombre: str) -> bool:
    """Return whether a name is that of a file in the folder itself."""
    return bool(nombre) and nombre == Path(nombre).name and "\\" not in nombre and nombre != ".."


def _npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    # numpy dates every entry 1980-01-01: nothing of today gets into the bytes.
    salida = io.BytesIO()
    np.savez(salida, allow_pickle=False, **{n: arrays[n] for n in sorted(arrays)})
    return salida.getvalue()


def _render(datos: Mapping[str, Any]) -> bytes:
    texto = json.dumps(datos, ensure_ascii=False, allow_nan=False, indent=2, sort_keys=True)
    return (texto + "\n").encode()


def _seal(datos: Mapping[str, Any]) -> str:
    return hashlib.sha256(_render({n: v for n, v in datos.items() if n != "huella"})).hexdigest()


def _read(carpeta: Path, nombre: str) -> bytes:
    try:
        return (carpeta / nombre).read_bytes()
    except FileNotFoundError as error:
        raise ModeloInvalidoError(f"al paquete le falta «{nombre}»") from error
    except OSError as error:
        motivo = error.strerror or error
        raise ModeloInvalidoError(f"no se puede leer «{nombre}» del paquete: {motivo}") from error


def _manifest(carpeta: Path) -> dict[str, Any]:
    """Return the manifest, sealed and of our format."""
    contenido = _read(carpeta, MANIFIESTO)
    try:
        datos = json.loads(contenido)
        entero = (
            isinstance(datos, dict)
            and datos.get("huella") == _seal(datos)
            and contenido == _render(datos)
        )
    except (ValueError, RecursionError) as error:
        raise ModeloInvalidoError(f"«{MANIFIESTO}» está dañado: no es JSON válido") from error
    formato = datos.get("formato") if isinstance(datos, dict) else None
    if isinstance(formato, int) and formato != _FORMATO:
        raise ModeloInvalidoError(
            f"el paquete es de formato {formato} y este detector entiende el {_FORMATO}; "
            "vuelva a entrenar"
        )
    if not entero or formato != _FORMATO:
        raise ModeloInvalidoError(f"«{MANIFIESTO}» está dañado: no es el que se escribió")
    return dict(datos)


def _checked_files(carpeta: Path, datos: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the bytes of the model's own files; the side files are checked and let go."""
    sumas = datos.get("sha256")
    if not isinstance(sumas, dict):
        raise ModeloInvalidoError(f"a «{MANIFIESTO}» le faltan las sumas de los ficheros")
    propios = {}
    for nombre, suma in sumas.items():
        if not _plain(nombre):
            raise ModeloInvalidoError(f"«{MANIFIESTO}» nombra un fichero de fuera: «{nombre}»")
        contenido = _read(carpeta, nombre)
        if hashlib.sha256(contenido).hexdigest() != suma:
            raise ModeloInvalidoError(f"«{nombre}» está dañado: su SHA-256 no es el registrado")
        if nombre in _PROPIOS:
            propios[nombre] = contenido
    return propios


def _check_rasgos(datos: Mapping[str, Any]) -> None:
    if (rasgos := datos.get("rasgos")) != list(RASGOS):
        raise ModeloInvalidoError(f"el modelo usa otros rasgos que este detector: {rasgos}")
    if (huella := _text(datos, "huella_rasgos")) != feature_fingerprint():
        # The names agree, the numbers do not: it would score, and nobody would see the skew.
        raise ModeloInvalidoError(
            f"el modelo se entrenó con otro código de rasgos ({huella}) que el de este detector "
            f"({feature_fingerprint()}); vuelva a entrenar"
        )


def _mezcla(datos: Mapping[str, Any], ficheros: Mapping[str, bytes]) -> LearnedBlend | None:
    columnas = datos.get("columnas")
    if not columnas and MEZCLA not in ficheros:
        return None
    if columnas != list(COLUMNAS):
        raise ModeloInvalidoError(
            f"la mezcla aprendida mira otras columnas que este detector: {columnas}"
        )
    if MEZCLA not in ficheros:
        raise ModeloInvalidoError(f"al paquete le falta «{MEZCLA}»")
    arrays = _arrays(MEZCLA, ficheros[MEZCLA])
    arboles = FlatBoostedTrees.from_arrays(arrays)
    if arboles.trees.n_rasgos != len(COLUMNAS):
        raise ModeloInvalidoError(
            f"la mezcla aprendida mira {arboles.trees.n_rasgos} columnas y hay {len(COLUMNAS)}"
        )
    *colas, cola = (_cola(arrays, cual, MEZCLA) for cual in _COLAS_MEZCLA)
    return LearnedBlend(arboles, tuple(colas), cola)


def _casos(ficheros: Mapping[str, bytes]) -> CaseModel | None:
    if CASOS not in ficheros:
        return None
    arrays = _arrays(CASOS, ficheros[CASOS])
    arboles = FlatBoostedTrees.from_arrays(arrays)
    if arboles.trees.n_rasgos != RASGOS_CASO:
        raise ModeloInvalidoError(
            f"el modelo de casos mira {arboles.trees.n_rasgos} columnas y hay {RASGOS_CASO}"
        )
    umbrales = arrays.get("umbrales", np.empty(0))
    if umbrales.dtype != np.float64 or umbrales.shape != (4,) or not np.isfinite(umbrales).all():
        raise ModeloInvalidoError(f"a «{CASOS}» le faltan los cuatro umbrales")
    u = CaseThresholds(*umbrales.tolist())
    if not u.cierra <= u.abre < u.alta < u.critica:
        raise ModeloInvalidoError(f"los umbrales de «{CASOS}» no están ordenados")
    return CaseModel(arboles, u, _inocentes(arrays))


def _inocentes(arrays: Mapping[str, NDArray[Any]]) -> FlatClassTrees | None:
    suyas = {n.removeprefix(_INOCENTES): a for n, a in arrays.items() if n.startswith(_INOCENTES)}
    if not suyas:
        return None
    arboles = FlatClassTrees.from_arrays(suyas)
    if arboles.trees.n_rasgos != RASGOS_CASO or arboles.base.size != 1 + len(TIPOS_INOCENTES):
        raise ModeloInvalidoError(
            f"el modelo de clases inocentes mira {arboles.trees.n_rasgos} columnas y dice "
            f"{arboles.base.size} clases; hay {RASGOS_CASO} y {1 + len(TIPOS_INOCENTES)}"
        )
    return arboles


def _arrays(nombre: str, contenido: bytes) -> dict[str, NDArray[Any]]:
    try:
        with np.load(io.BytesIO(contenido), allow_pickle=False) as archivo:
            return {clave: archivo[clave] for clave in archivo.files}
    except (ValueError, OSError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise ModeloInvalidoError(f"«{nombre}» no es un archivo de matrices: {error}") from error


def _cola(arrays: Mapping[str, NDArray[Any]], cual: str, fichero: str = COLAS) -> EmpiricalTail:
    """Return one tail: scores that rise, log probabilities that never do, none above 0."""
    nombres = (f"{cual}_scores", f"{cual}_log_p")
    if faltan := [n for n in nombres if n not in arrays]:
        raise ModeloInvalidoError(f"a «{fichero}» le falta «{faltan[0]}»")
    scores, log_p = (arrays[n] for n in nombres)
    if scores.dtype != np.float64 or log_p.dtype != np.float64:
        raise ModeloInvalidoError(f"la cola «{cual}» no es de números de 64 bits")
    if scores.ndim != 1 or scores.shape != log_p.shape or scores.size == 0:
        raise ModeloInvalidoError(f"la cola «{cual}» tiene formas {scores.shape} y {log_p.shape}")
    if not (np.isfinite(scores).all() and np.isfinite(log_p).all()):
        raise ModeloInvalidoError(f"la cola «{cual}» tiene valores que no son números")
    if (np.diff(scores) <= 0).any() or (np.diff(log_p) > 0).any() or log_p[0] > 0:
        raise ModeloInvalidoError(f"la cola «{cual}» no está ordenada")
    return EmpiricalTail(scores, log_p)


_LIMITES: Mapping[str, tuple[str, Callable[[float], bool]]] = {
    "tasa": ("mayor que 0", lambda x: x > 0),
    "alfa": ("mayor que 0", lambda x: x > 0),
    "fraccion": ("entre 0 y 1", lambda x: 0 < x <= 1),
    "peso": ("entre 0 y 1", lambda x: 0 <= x <= 1),
}


def _calibraciones(datos: object) -> dict[str, Calibracion]:
    if not isinstance(datos, dict):
        raise ModeloInvalidoError(f"a «{MANIFIESTO}» le faltan las calibraciones")
    salida = {}
    for nombre, campos in datos.items():
        if not isinstance(campos, dict) or set(campos) != set(_LIMITES):
            raise ModeloInvalidoError(f"la calibración de «{nombre}» no tiene los campos debidos")
        for campo, (limite, vale) in _LIMITES.items():
            valor = campos[campo]
            numero = isinstance(valor, int | float) and not isinstance(valor, bool)
            if not (numero and math.isfinite(valor) and vale(valor)):
                raise ModeloInvalidoError(
                    f"la calibración de «{nombre}» tiene {campo} = {valor}; ha de ser {limite}"
                )
        salida[nombre] = Calibracion(**{c: float(v) for c, v in campos.items()})
    return salida


def _text(datos: Mapping[str, Any], campo: str) -> str:
    valor = datos.get(campo)
    if not isinstance(valor, str) or not valor:
        raise ModeloInvalidoError(f"a «{MANIFIESTO}» le falta «{campo}»")
    return valor
