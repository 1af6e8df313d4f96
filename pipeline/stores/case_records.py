"""What MongoDB answers of cases: changes of customers that go on, or have gone on until they ended.

Days are local, energies in kWh. What is described in Spanish is served as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal, NamedTuple, get_args

from pydantic import Field

from pipeline.stores.presentation import Presentacion
from pipeline.stores.record_base import Kwh, Ratio, StoredRecord, de

EstadoCasoTexto = Literal["nuevo", "asignado", "visitado", "confirmado", "descartado", "terminado"]
ESTADOS_CASO: tuple[str, ...] = get_args(EstadoCasoTexto)
NUEVO, TERMINADO = "nuevo", "terminado"
"""What nobody has dealt with: while it goes on, and once it is over by itself."""
SIN_VEREDICTO = (NUEVO, "asignado", "visitado")
"""A case in one of these is open while it goes on (contract 11)."""
CASOS_MAXIMOS = 500
"""Of a page."""


class FiltroCasos(NamedTuple):
    """Which cases; nothing given = all."""

    propietario_id: str | None = None
    # estados, tipos: one of these; empty = any.
    estados: tuple[str, ...] = ()
    tipos: tuple[str, ...] = ()
    solo_abiertos: bool = False  # those that go on and that nobody has given a verdict


class EvidenciaDia(StoredRecord):
    """What was thought of a case at the end of a day."""

    model_config = de("Lo que se pensaba del caso al acabar un día.")
    fecha: date = Field(description="Día local", examples=["2026-11-20"])
    probabilidad: Ratio = Field(
        ge=0, le=1, description="De que haya algo que hallar, de 0 a 1", examples=[0.97]
    )


class CasoResumen(StoredRecord):
    """A case, without its evidence day by day."""

    model_config = de(
        "Un caso: un cambio en el consumo de un cliente que no ha vuelto atrás, o que no volvió "
        "hasta que acabó."
    )
    id: str = Field(
        description="El cliente y el día en que se abrió", examples=["CLI_00045_2026-11-09"]
    )
    propietario_id: str = Field(description="Cliente", examples=["CLI_00045"])
    fecha_inicio: date = Field(
        description="Primer día local que es distinto", examples=["2026-11-03"]
    )
    fecha_apertura: date = Field(
        description="Día local a cuyo final se halló", examples=["2026-11-09"]
    )
    fecha_cierre: date | None = Field(
        description="Día local a cuyo final acabó por sí mismo; nulo = sigue", examples=[None]
    )
    hasta: date = Field(description="Último día local que se ha mirado", examples=["2026-11-29"])
    dias: int = Field(ge=1, description="Días que dura, del primero al último", examples=[27])
    abierto: bool = Field(description="Sigue, y nadie le ha dado un veredicto", examples=[True])
    tipo: str = Field(
        description="Qué parece, con los nombres de tipos_anomalia",
        examples=["plantacion_cannabis"],
    )
    estado: EstadoCasoTexto = Field(
        description="«nuevo», «asignado», «visitado», «confirmado», «descartado» o «terminado»: "
        "acabó sin que nadie lo tratara",
        examples=["nuevo"],
    )
    probabilidad: Ratio = Field(
        ge=0, le=1, description="De que haya algo que hallar, de 0 a 1", examples=[0.97]
    )
    consumo_antes_kwh: Kwh = Field(description="Al día, antes de que empezara, kWh", examples=[8.1])
    consumo_despues_kwh: Kwh = Field(description="Al día, desde entonces, kWh", examples=[88.2])
    energia_en_juego_kwh: Kwh = Field(
        description="Lo que se ha consumido de más, o de menos, que antes de que empezara, en "
        "total, kWh; estimado",
        examples=[2162.7],
    )
    energia_minima_kwh: Kwh = Field(
        description="Lo menos que puede ser energia_en_juego_kwh, en kWh", examples=[1890.0]
    )
    energia_maxima_kwh: Kwh = Field(
        description="Lo más que puede ser energia_en_juego_kwh, en kWh", examples=[2405.0]
    )
    energia_en_juego_eur: float | None = Field(
        description="energia_en_juego_kwh al precio de PRECIO_KWH_EUR, €; estimado",
        examples=[324.41],
    )
    energia_minima_eur: float | None = Field(
        description="energia_minima_kwh a ese precio, €", examples=[283.5]
    )
    energia_maxima_eur: float | None = Field(
        description="energia_maxima_kwh a ese precio, €", examples=[360.75]
    )
    recuperable_kwh: Kwh = Field(
        description="Lo que cabe esperar de ir a verlo: energia_en_juego_kwh por probabilidad, kWh",
        examples=[2097.82],
    )
    recuperable_eur: float | None = Field(
        description="recuperable_kwh al precio de PRECIO_KWH_EUR, €", examples=[314.67]
    )
    frase: str = Field(
        description="Qué ha cambiado, con los números",
        examples=["Desde el 3 de noviembre gasta 88 kWh al día y no 8."],
    )
    version_modelo: str = Field(
        description="Qué lo juzgó", examples=["consumo-detector-3+reglas-1a2b3c4d5e6f"]
    )


class CasoDetalle(CasoResumen):
    """A case with its evidence."""

    model_config = de("Un caso con lo que se ha pensado de él día a día.")
    evidencia: list[EvidenciaDia] = Field(
        description="Lo que se pensaba al acabar cada uno de los últimos días, en orden"
    )


def fields_of(doc: Mapping[str, Any], presenta: Presentacion) -> dict[str, Any]:
    """Return the fields of a case out of its document."""
    inicio = date.fromisoformat(doc["fecha_inicio"])
    cierre = None if doc["fecha_cierre"] is None else date.fromisoformat(doc["fecha_cierre"])
    hasta = date.fromisoformat(doc["hasta"])
    energias = ("energia_en_juego", "energia_minima", "energia_maxima", "recuperable")
    return {
        **doc,
        "id": doc["_id"],
        "dias": ((cierre or hasta) - inicio).days + 1,
        "abierto": cierre is None and doc["estado"] in SIN_VEREDICTO,
        **{f"{energia}_eur": presenta.euros(doc[f"{energia}_kwh"]) for energia in energias},
    }
