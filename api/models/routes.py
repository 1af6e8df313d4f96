"""``/api/modelos``: which versions there are, how good they are, and which one scores."""

from __future__ import annotations

import json
import threading
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, HTTPException, Path, Query

from api.api_keys import ApiKey
from api.deps import (
    Administrador,
    Ahora,
    Auditor,
    AuditorDep,
    Historico,
    ModelosDep,
    Todo,
    tope,
)
from api.errors import PromocionNoAdmitida, respuestas, sin_direcciones
from api.models.schemas import (
    CambioCampeon,
    CampeonNuevo,
    ExamenVersion,
    Promocion,
    Reentrenamiento,
    Reentrenamientos,
    Version,
    VersionesModelo,
    version_number,
)
from api.presentation import Presenta
from detection.errors import PermanentError
from pipeline.stores.records import ComparacionSombra
from serving.champion import (
    Examen,
    PromocionRechazadaError,
    appoint,
    refusals,
    replaced_by,
    way_of,
)
from serving.model_versions import (
    ASPIRANTE,
    CAMPEON,
    ETIQUETA_EXAMEN,
    ETIQUETA_PARAMS,
    ETIQUETA_PROMOCIONES,
    ETIQUETA_RECHAZO,
    MODELO,
    PREFIJO_PROMOCION,
    ModelRejection,
    VersionInfo,
    other_params,
)
from serving.reachability import without_password
from serving.settings import Settings

router = APIRouter(prefix="/api/modelos", tags=["modelos"])

VISTA_MLFLOW = "workflowType=machine_learning"
"""MLflow's web opens as one of models: without it, as one of agents (mlflow 3.17)."""
Numero = Annotated[int, Path(ge=1, le=2**31 - 1, description="Número de la versión", examples=[3])]
_APARTE = frozenset({ETIQUETA_EXAMEN, ETIQUETA_PROMOCIONES, ETIQUETA_RECHAZO})
"""Tags that are shown as fields of their own."""
_UNO_A_LA_VEZ = threading.Lock()
"""Promotions of this process; of others, the champion is looked at again before it is moved."""


def _version(info: VersionInfo, todas: list[VersionInfo], ajustes: Settings) -> Version:
    """Return what is shown of a version among all of them."""
    etiquetas = {
        clave: valor
        for clave, valor in info.etiquetas.items()
        if clave not in _APARTE and not clave.startswith(PREFIJO_PROMOCION)
    }
    campeon = _con_alias(todas, CAMPEON)
    es_campeon = info.version == campeon
    rechazo = ModelRejection.from_tags(info.etiquetas)
    mlflow = without_password(ajustes.mlflow_tracking_uri).rstrip("/")
    return Version(
        version=info.version,
        creada=info.creada.astimezone(ZoneInfo(ajustes.zona_horaria)),
        alias=list(info.alias),
        metricas=dict(info.metricas),
        precision_azar=info.metricas.get("precision_media_azar"),
        etiquetas=etiquetas,
        promociones=_promociones(info.etiquetas.get(ETIQUETA_PROMOCIONES, "[]")),
        mlflow_url=f"{mlflow}/#/models/{MODELO}/versions/{info.version}?{VISTA_MLFLOW}",
        examen=_examen(info, campeon),
        razones=[] if es_campeon else _razones(info, todas, campeon),
        puerta=way_of(todas) if es_campeon else None,
        rechazo=None if rechazo is None else sin_direcciones(rechazo.motivo),
        aviso=_aviso(info) if es_campeon else None,
    )


def _razones(info: VersionInfo, todas: list[VersionInfo], campeon: int | None) -> list[str]:
    """Return why a version may not replace the champion."""
    anterior = next((replaced_by(v.etiquetas) for v in todas if v.version == campeon), None)
    return list(refusals(info.version, info.etiquetas, campeon, anterior))


def _aviso(info: VersionInfo) -> str | None:
    huella = info.etiquetas.get(ETIQUETA_PARAMS)
    return None if huella is None else other_params(f"{MODELO}-{info.version}", huella)


def _examen(info: VersionInfo, campeon: int | None) -> ExamenVersion | None:
    examen = Examen.from_tags(info.etiquetas)
    if examen is None:
        return None
    return ExamenVersion(
        campeon=examen.campeon, acepta=examen.acepta, motivo=examen.motivo,
        cuando=examen.cuando, criterios=[dict(c) for c in examen.criterios],
        vigente=examen.campeon == campeon and info.version != campeon,
    )  # fmt: skip


def _promociones(texto: str) -> list[Promocion]:
    """Return the promotions that a tag lists; a person may have edited it in MLflow."""
    try:
        leidas = json.loads(texto)
    except ValueError:
        leidas = None
    if not isinstance(leidas, list):
        return []
    campos = Promocion.model_fields
    return [
        Promocion.model_validate({c: str(v) for c, v in leida.items() if c in campos})
        for leida in leidas
        if isinstance(leida, dict)
    ]


def _con_alias(versiones: list[VersionInfo], alias: str) -> int | None:
    return next((v.version for v in versiones if alias in v.alias), None)


def _buscar(recursos: Todo, numero: int) -> VersionInfo:
    """Return a version, or 404."""
    for info in recursos.versiones.get():
        if info.version == numero:
            return info
    raise HTTPException(404, f"no existe la versión {numero} de {MODELO}")


@router.get(
    "",
    summary="Versiones del modelo",
    description="Con sus métricas, sus alias y sus promociones; lo que MLflow sabe, de hace 5 s.",
    response_description="Las versiones, la más nueva primero",
    responses=respuestas(503, e503="MLflow no responde"),
)
def versiones(recursos: Todo, limite: Annotated[int, tope(50, 500)] = 50) -> VersionesModelo:
    """Return the versions."""
    todas = recursos.versiones.get()
    return VersionesModelo(
        elementos=[_version(v, todas, recursos.settings) for v in todas[:limite]],
        campeon=_con_alias(todas, CAMPEON),
        aspirante=_con_alias(todas, ASPIRANTE),
    )


@router.get(
    "/historial",
    summary="Reentrenamientos",
    description="Cada vez que se pensó en reentrenar: por qué, y qué se decidió.",
    response_description="Los reentrenamientos, el último primero",
    responses=respuestas(503),
)
def historial(
    modelos: ModelosDep, presenta: Presenta, limite: Annotated[int, tope(50)] = 50
) -> Reentrenamientos:
    """Return the runs of the retraining job."""
    filas = [
        {c: presenta.hora(v) if isinstance(v, datetime) else v for c, v in fila.items()}
        for fila in modelos.historial(limite)
    ]
    return Reentrenamientos(elementos=[Reentrenamiento.model_validate(fila) for fila in filas])


@router.get(
    "/sombra",
    summary="Qué habría dicho el aspirante",
    description=(
        "Con `MODELO_EN_SOMBRA=True` el consumidor puntúa también con el aspirante. Solo se "
        "guardan las lecturas en que uno de los dos ve algo, o en que difieren."
    ),
    response_description="La comparación; sin lecturas si nadie ha estado en la sombra",
    responses=respuestas(503),
)
def sombra(
    historico: Historico,
    aspirante: Annotated[
        str | None,
        Query(
            min_length=1, max_length=100, pattern=r"^[\w.+-]+$",
            description="Versión comparada (la última si falta)", examples=["consumo-detector-4"],
        ),
    ] = None,
    limite: Annotated[int, tope(50, 500)] = 50,
) -> ComparacionSombra:  # fmt: skip
    """Return the comparison of a challenger with the champion."""
    if aspirante is None:
        conocidas = historico.shadow.versions()
        if not conocidas:
            return ComparacionSombra()
        aspirante = max(conocidas, key=lambda nombre: (version_number(nombre) or 0, nombre))
    diferencias = historico.shadow.differences(aspirante, limite)
    return historico.shadow.summary(aspirante).model_copy(update={"elementos": diferencias})


@router.get(
    "/{version:int}",
    summary="Una versión del modelo",
    response_description="La versión",
    responses=respuestas(404, 503, e404="No existe esa versión", e503="MLflow no responde"),
)
def version(recursos: Todo, version: Numero) -> Version:
    """Return a version."""
    return _version(_buscar(recursos, version), recursos.versiones.get(), recursos.settings)


@router.post(
    "/{version:int}/promover",
    summary="Hacer campeona una versión",
    description=(
        "Como `consumo promover --version N`: pasa si el examen la aceptó frente al campeón "
        "actual, si es la que había antes de él, o si un examen ya la hizo campeona una vez y "
        "ninguno la rechaza ahora (para volver atrás). Si no, 409 con las `razones`; con `forzar` "
        " se hace igualmente. Los consumidores la usan antes de 30 s. Pide el rol "
        "administracion y queda anotado con su motivo."
    ),
    response_description="Ya es la campeona",
    responses=respuestas(
        401, 403, 404, 409, 503, e404="No existe esa versión",
        e409="Ya es la campeona, el campeón es otro, esa versión no se puede usar, o el examen no "
        "la acepta: `razones` dice por qué",
        e503="MLflow o PostgreSQL no responden; no se ha cambiado nada",
    ),
)  # fmt: skip
def promover(
    recursos: Todo,
    auditor: AuditorDep,
    clave: Administrador,
    ahora: Ahora,
    version: Numero,
    cambio: CambioCampeon,
) -> CampeonNuevo:
    """Make a version champion."""
    recursos.versiones.forget()
    _buscar(recursos, version)
    return _nombrar(recursos, auditor, clave, ahora, version, cambio)


@router.post(
    "/volver",
    summary="Volver al campeón anterior",
    description=(
        "Pone de campeona la versión a la que sustituyó la de ahora, sin examen. Si la de ahora "
        "ya llegó al volver atrás, la otra ha de pasar por la puerta, como en `promover`: si no, "
        "409 con las `razones`; con `forzar` se hace igualmente. Pide el rol administracion y "
        "queda anotado con su motivo."
    ),
    response_description="Vuelve a ser la campeona",
    responses=respuestas(
        401, 403, 404, 409, 503, e404="La de antes ya no existe",
        e409="No hay campeón, no sustituyó a ninguno, ya es otro, esa versión no se puede usar, o "
        "no pasa la puerta: `razones` dice por qué",
        e503="MLflow o PostgreSQL no responden; no se ha cambiado nada",
    ),
)  # fmt: skip
def volver(
    recursos: Todo, auditor: AuditorDep, clave: Administrador, ahora: Ahora, cambio: CambioCampeon
) -> CampeonNuevo:
    """Make the previous champion champion again."""
    recursos.versiones.forget()
    actual = _con_alias(recursos.versiones.get(), CAMPEON)
    if actual is None:
        raise HTTPException(409, "no hay campeón del que volver")
    desde = _buscar(recursos, actual).etiquetas.get(f"{PREFIJO_PROMOCION}desde", "")
    if not desde.isdecimal():
        raise HTTPException(409, f"la versión {actual} no sustituyó a ninguna")
    anterior = _buscar(recursos, int(desde)).version
    return _nombrar(recursos, auditor, clave, ahora, anterior, cambio)


def _nombrar(
    recursos: Todo,
    auditor: Auditor,
    clave: ApiKey,
    ahora: datetime,
    version: int,
    cambio: CambioCampeon,
) -> CampeonNuevo:
    """Make a version champion, audited; 409 where that is not possible as things are."""
    cuando = ahora.astimezone(ZoneInfo(recursos.settings.zona_horaria))
    with _UNO_A_LA_VEZ:
        antes = _con_alias(recursos.versiones.get(), CAMPEON)
        if cambio.campeon is not None and cambio.campeon != (antes or 0):
            raise HTTPException(409, f"el campeón ya es {_texto(antes)}: mírelo y repita")
        if antes == version:
            raise HTTPException(409, f"la versión {version} ya es la campeona")
        detalle: dict[str, Any] = {"antes": antes, "motivo": cambio.motivo}
        if cambio.forzar:
            detalle["forzar"] = True
        try:
            with auditor.cambio("promover", f"modelo {version}", detalle):
                via = appoint(
                    recursos.registro, version, quien=f"{clave.nombre} (API)", ahora=cuando,
                    motivo=cambio.motivo, antes=antes, forzar=cambio.forzar,
                )  # fmt: skip
        except PromocionRechazadaError as error:
            raise PromocionNoAdmitida(str(error), list(error.razones)) from error
        except PermanentError as error:  # Another champion by now, a damaged version.
            raise HTTPException(409, sin_direcciones(str(error))) from error
        finally:
            recursos.versiones.forget()
    return CampeonNuevo(
        version=version, anterior=antes, motivo=cambio.motivo, quien=clave.nombre, cuando=cuando,
        puerta=via,
    )  # fmt: skip


def _texto(version: int | None) -> str:
    return "ninguno" if version is None else f"la versión {version}"
