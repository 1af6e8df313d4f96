"""Who asks, and who there is: the names of the keys, never the keys."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from api.deps import LectorDep, Todo
from api.errors import respuestas
from api.system.routes import ClaveDada, whose
from pipeline.stores.record_base import de

router = APIRouter(prefix="/api", tags=["sistema"])

ROL_DE_PERSONAS = "analista"
"""From which role on a key is of somebody to whom a case can be assigned."""


class Persona(BaseModel):
    """Somebody to whom a case can be assigned."""

    model_config = de("Alguien a quien se le puede asignar un caso.")
    nombre: str = Field(description="El de su clave", examples=["ana"])
    rol: str = Field(description="Su rol", examples=["analista"])


class Personas(BaseModel):
    """To whom a case can be assigned."""

    model_config = de("A quién se le puede asignar un caso.")
    elementos: list[Persona] = Field(
        description="Quien tiene una clave con el rol analista o más, por su nombre"
    )


@router.get(
    "/sesion",
    summary="Quién pregunta",
    description="El nombre y el rol de la clave de `X-API-Key`; 401 si no es ninguna.",
    response_description="Su nombre y su rol",
    responses=respuestas(401),
)
async def sesion(clave: LectorDep, respuesta: Response) -> ClaveDada:
    """Return whose the key of the request is."""
    respuesta.headers["Cache-Control"] = "no-store"
    return whose(clave)


@router.get(
    "/personas",
    summary="A quién se le puede asignar un caso",
    description="Quien tiene en API_CLAVES el rol analista o más. Pide una clave de cualquier rol.",
    response_description="Quiénes son",
    responses=respuestas(401),
)
async def personas(recursos: Todo, _clave: LectorDep, respuesta: Response) -> Personas:
    """Return those to whom a case can be assigned."""
    respuesta.headers["Cache-Control"] = "no-store"
    quienes = recursos.claves.able(ROL_DE_PERSONAS)
    return Personas(elementos=[Persona(nombre=n, rol=c.rol) for n, c in quienes.items()])
