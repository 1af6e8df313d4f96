"""What the API takes and gives of cases."""

from __future__ import annotations

import unicodedata
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from api.anomalies.schemas import MotivoVeredicto
from api.cases.params import NOMBRE_MAXIMO
from api.params import DiaLocal
from pipeline.stores.case_history import CambioVecinos, GrupoVecinos
from pipeline.stores.case_records import (
    TEXTO_MAXIMO,
    CasoDetalle,
    CasoResumen,
    EstadoCasoTexto,
    EvidenciaDetector,
    VeredictoCasoTexto,
)
from pipeline.stores.customer_context import ContextoCliente
from pipeline.stores.record_base import Kwh, Listado, Ratio, de

CANTIDAD_MAXIMA = 1e9


def _readable(texto: str) -> str:
    if any(unicodedata.category(c) in {"Cc", "Cs"} and c not in "\n\t" for c in texto):
        raise ValueError("lleva caracteres de control")
    return texto


TextoLibre = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=TEXTO_MAXIMO),
    AfterValidator(_readable),
]
RevisionCaso = Annotated[
    str | None,
    Field(
        description="La «revision» que se vio: si el caso ha cambiado desde entonces, 409",
        pattern=r"^[0-9]{1,19}$",
        examples=["17"],
    ),
]
PorSorteo = Annotated[
    bool,
    Field(
        description="El caso salió en el sorteo de la lista del día («sorteo» de esa lista)",
        examples=[False],
    ),
]
Cantidad = Annotated[float, Field(ge=0, le=CANTIDAD_MAXIMA)]


class PaginaCasos(Listado[CasoResumen]):
    """A page of cases."""

    model_config = de("Una página de casos.")


class ExplicacionInocente(BaseModel):
    """An innocent explanation that was weighed."""

    model_config = de("Una explicación inocente que se ha sopesado.")
    tipo: str = Field(
        description="Cuál: «temporada», «cambio_inquilino», «vehiculo_electrico», «bomba_calor», "
        "«ausencia», «autoconsumo», «corte_suministro» o «lectura_estimada»",
        examples=["cambio_inquilino"],
    )
    frase: str = Field(
        description="Por qué se ha sopesado y por qué encaja o no, con los números",
        examples=[
            "Temporada: hace un año, en estas semanas, gastaba 8,2 kWh al día y ahora 88: no es la "
            "época del año."
        ],
    )
    apartada: bool = Field(description="No encaja con lo medido", examples=[True])


class ExcesoPotencia(BaseModel):
    """Hours in which a customer used more than it has contracted."""

    model_config = de("Las horas de un caso en que se gastó más de lo contratado.")
    horas: int = Field(ge=1, description="Cuántas", examples=[37])
    maximo_kw: Kwh = Field(description="La que más, kW de media en la hora", examples=[9.2])


class CasoConPruebas(CasoDetalle):
    """A case with what speaks for it and against it."""

    model_config = de("Un caso con lo que habla a su favor y en su contra.")
    detectores: list[EvidenciaDetector] = Field(
        description="Qué detectores disparan en sus horas, de las últimas cuatro semanas; el de "
        "más horas primero"
    )
    contra: list[ExplicacionInocente] | None = Field(
        description="Explicaciones inocentes, las que encajan primero; vacía = faltan días; nulo "
        "= el histórico no responde"
    )
    contexto: ContextoCliente | None = Field(
        description="Lo que la distribuidora sabe del cliente («consumo contexto»); nulo = nada, o "
        "el histórico no responde"
    )
    exceso_potencia: ExcesoPotencia | None = Field(
        description="Las horas del caso que pasan de la potencia contratada; nulo = ninguna, o no "
        "se sabe cuál es"
    )


class VecinoConCaso(BaseModel):
    """A neighbour with an open case."""

    model_config = de("Un vecino que también tiene un caso abierto.")
    propietario_id: str = Field(description="Cliente", examples=["CLI_00012"])
    caso_id: str = Field(description="Su caso abierto", examples=["CLI_00012_2026-11-12"])
    tipo: str = Field(
        description="Qué parece, con los nombres de tipos_anomalia", examples=["fraude"]
    )


class GrupoConCasos(GrupoVecinos):
    """A group of neighbours, and who of them has an open case."""

    model_config = de(
        "Cómo cambiaron los que comparten algo con el cliente, y quién tiene un caso."
    )
    con_caso: list[VecinoConCaso] = Field(
        description="Los que tienen un caso abierto, de los 500 primeros del grupo"
    )


class VecinosCaso(CambioVecinos):
    """How others changed, and who of them has an open case."""

    model_config = de("Cómo cambió un cliente con un caso, y cómo sus vecinos.")
    con_caso: list[VecinoConCaso] = Field(description="De «elementos», los que tienen un caso")
    grupos: list[GrupoConCasos] = Field(
        description="Los que comparten tarifa y potencia, o transformador; vacía = no se sabe qué "
        "comparte con nadie («consumo contexto»)"
    )


class CasoEnMapa(BaseModel):
    """A case where it is."""

    model_config = de("Un caso, en su sitio.")
    id: str = Field(description="El caso", examples=["CLI_00045_2026-11-09"])
    propietario_id: str = Field(description="Cliente", examples=["CLI_00045"])
    latitud: float = Field(ge=-90, le=90, description="Grados (WGS 84)", examples=[40.4168])
    longitud: float = Field(ge=-180, le=180, description="Grados (WGS 84)", examples=[-3.7038])
    tipo: str = Field(
        description="Qué parece, con los nombres de tipos_anomalia",
        examples=["plantacion_cannabis"],
    )
    estado: EstadoCasoTexto = Field(description="En qué está", examples=["nuevo"])
    asignado_a: str | None = Field(description="Quién lo lleva; nulo = nadie", examples=["ana"])
    probabilidad: Ratio = Field(
        ge=0, le=1, description="De que haya algo que hallar, de 0 a 1", examples=[0.97]
    )
    recuperable_kwh: Kwh = Field(
        description="Lo que cabe esperar de ir a verlo, kWh", examples=[2097.82]
    )
    recuperable_eur: float | None = Field(
        description="Lo mismo al precio de PRECIO_KWH_EUR, €", examples=[314.67]
    )
    frase: str = Field(
        description="Qué ha cambiado, con los números",
        examples=["Desde el 3 de noviembre gasta 88 kWh al día y no 8."],
    )


class MapaCasos(BaseModel):
    """Cases where they are."""

    model_config = de("Los casos que tienen coordenadas, y cuántos no las tienen.")
    elementos: list[CasoEnMapa] = Field(description="Primero donde más se recupera")
    sin_coordenadas: int = Field(
        ge=0, description="Cuántos, de los mirados, no las tienen", examples=[3]
    )
    hay_mas: bool = Field(
        description="Hay más casos con esos filtros que los que se han mirado", examples=[False]
    )


class DiaCaso(BaseModel):
    """A day of a customer with a case."""

    model_config = de("Un día de un cliente con un caso.")
    fecha: date = Field(description="Día local", examples=["2026-11-20"])
    consumo_kwh: Kwh | None = Field(
        description="Lo que consumió, kWh; nulo = le faltan lecturas", examples=[88.2]
    )
    referencia_kwh: Kwh | None = Field(
        description="La media de los días iguales (laborables, o fines de semana) de antes de que "
        "empezara, kWh; nulo = no los hay",
        examples=[8.1],
    )
    minimo_kwh: Kwh | None = Field(
        description="Lo menos que era normal: la media menos dos desviaciones, kWh", examples=[5.2]
    )
    maximo_kwh: Kwh | None = Field(
        description="Lo más que era normal: la media más dos desviaciones, kWh", examples=[11.0]
    )
    hace_un_ano_kwh: Kwh | None = Field(
        description="Lo que consumió 364 días antes, kWh; nulo = no se sabe", examples=[8.4]
    )


class DiasCaso(BaseModel):
    """The days of a case."""

    model_config = de("Los días de un caso, con lo que era normal antes de que empezara.")
    inicio: date = Field(description="Primer día que es distinto", examples=["2026-11-03"])
    elementos: list[DiaCaso] = Field(
        description="Desde 60 días antes hasta el último que se ha mirado, en orden"
    )


class AsignacionPedida(BaseModel):
    """The body of an assignment."""

    model_config = de("Quién lleva un caso.", extra="forbid")
    asignado_a: str | None = Field(
        max_length=NOMBRE_MAXIMO,
        description="Uno de los nombres de `/api/personas`; nulo = nadie",
        examples=["ana"],
    )
    revision: RevisionCaso = None
    sorteo: PorSorteo = False


class ComentarioPedido(BaseModel):
    """The body of a comment."""

    model_config = de("Un comentario.", extra="forbid")
    texto: TextoLibre = Field(
        description=f"De 1 a {TEXTO_MAXIMO} caracteres", examples=["Llamar antes de ir."]
    )


class VisitaPedida(BaseModel):
    """The body of a visit."""

    model_config = de("Una visita.", extra="forbid")
    fecha: DiaLocal = Field(description="Día local de la visita", examples=["2026-11-27"])
    revision: RevisionCaso = None
    sorteo: PorSorteo = False


class VeredictoCasoPedido(BaseModel):
    """The body of a verdict on a case."""

    model_config = de("Lo que se dice de un caso.", extra="forbid")
    veredicto: VeredictoCasoTexto = Field(
        description="«confirmado» o «descartado»", examples=["confirmado"]
    )
    motivo: MotivoVeredicto
    revision: RevisionCaso = None


class ResultadoPedido(BaseModel):
    """The body of an outcome."""

    model_config = de("Lo que se halló al ir a verlo.", extra="forbid")
    hallado: bool = Field(description="Si había algo", examples=[True])
    energia_recuperada_kwh: Cantidad | None = Field(
        None, description="Energía que se ha podido refacturar, kWh", examples=[2100.0]
    )
    recuperado_eur: Cantidad | None = Field(
        None, description="Lo que se ha recuperado, €", examples=[320.5]
    )
    texto: TextoLibre | None = Field(
        None,
        description="Lo que se quiera contar",
        examples=["Doble acometida tras el contador."],
    )
    sorteo: PorSorteo = False
    revision: RevisionCaso = None


class DeshacerPedido(BaseModel):
    """The body of an undo."""

    model_config = de("Qué se deshace.", extra="forbid")
    anotacion: int = Field(
        ge=1, le=2**63 - 1, description="Número del movimiento en la auditoría", examples=[17]
    )


class CambioCaso(BaseModel):
    """What a movement of a case did."""

    model_config = de("Un caso tras un cambio.")
    anotacion: int = Field(
        description="Número del cambio en la auditoría, con el que se deshace", examples=[17]
    )
    caso: CasoDetalle = Field(description="El caso, como está ahora")
    horas: int = Field(
        ge=0, description="Anomalías que con él se han juzgado, o han vuelto atrás", examples=[412]
    )
