"""Cases as MongoDB answers them: what the detector says of them, and what people do with them.

Days are local, energies in kWh. What is described in Spanish is served as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal, NamedTuple, get_args

from pydantic import Field

from pipeline.stores.presentation import Presentacion
from pipeline.stores.record_base import Kwh, Ratio, StoredRecord, de

EstadoCasoTexto = Literal["nuevo", "asignado", "visitado", "confirmado", "descartado", "terminado"]
ESTADOS_CASO: tuple[str, ...] = get_args(EstadoCasoTexto)
NUEVO, TERMINADO = "nuevo", "terminado"
"""What nobody has dealt with: while it goes on, and once it is over by itself."""
ASIGNADO, VISITADO = "asignado", "visitado"
SIN_VEREDICTO = (NUEVO, ASIGNADO, VISITADO)
"""A case in one of these is open while it goes on (contract 11)."""
VeredictoCasoTexto = Literal["confirmado", "descartado"]
JUZGADOS: tuple[str, ...] = get_args(VeredictoCasoTexto)
CONFIRMADO, DESCARTADO = JUZGADOS
"""What people have said the last word on."""
AccionCaso = Literal["asignacion", "comentario", "visita", "veredicto", "resultado", "deshacer"]
ClaseCasoTexto = Literal["sospechoso", "inocente", "todos"]
CLASES_CASO: tuple[str, ...] = get_args(ClaseCasoTexto)
SOSPECHOSO, INOCENTE, TODOS = CLASES_CASO
"""Those that may be something, those of an innocent kind, or both."""
SIN_MOVER = "0"
"""``revision`` of a case that nobody has touched."""
CASOS_MAXIMOS = 500
"""Of a page."""
TEXTO_MAXIMO = 2_000
"""Characters of a comment, or of what a visit found."""


class FiltroCasos(NamedTuple):
    """Which cases; nothing given = all."""

    propietario_id: str | None = None
    # estados, tipos: one of these; empty = any.
    estados: tuple[str, ...] = ()
    tipos: tuple[str, ...] = ()
    solo_abiertos: bool = False  # those that go on and that nobody has given a verdict
    asignado_a: str | None = None
    # desde, hasta: of fecha_apertura, both included.
    desde: date | None = None
    hasta: date | None = None
    version_modelo: str | None = None
    # visita_desde, visita_hasta: of the visit, both included; who has none is left out.
    visita_desde: date | None = None
    visita_hasta: date | None = None
    con_resultado: bool = False  # those visits that ``CaseQueries.outcomes`` counts
    # One of ``CLASES_CASO``; None = ``SOSPECHOSO``, or both where one of ``tipos`` is innocent.
    clase: str | None = None


class ComentarioCaso(StoredRecord):
    """What a person noted on a case."""

    model_config = de("Un comentario sobre un caso.")
    anotacion: int = Field(description="Su número en la auditoría", examples=[16])
    quien: str = Field(description="De quién era la clave", examples=["ana"])
    cuando: datetime = Field(description="Cuándo")
    texto: str = Field(description="Qué dice", examples=["El portal es de dos viviendas."])


class VisitaCaso(StoredRecord):
    """A visit to a customer."""

    model_config = de("Una visita al cliente de un caso.")
    fecha: date = Field(description="Día local de la visita", examples=["2026-11-27"])
    quien: str = Field(description="De quién era la clave que lo anotó", examples=["ana"])


class VeredictoCaso(StoredRecord):
    """What a person said of a case, and so of all its hours."""

    model_config = de("Lo que una persona dijo de un caso, y con él de todas sus horas.")
    veredicto: VeredictoCasoTexto = Field(
        description="«confirmado» o «descartado»", examples=["confirmado"]
    )
    motivo: str = Field(description="Por qué", examples=["Inspección del 27/11"])
    quien: str = Field(description="De quién era la clave", examples=["ana"])
    cuando: datetime = Field(description="Cuándo lo dijo")
    anotacion: int = Field(
        description="Su número en la auditoría, con el que se deshace", examples=[17]
    )


class ResultadoCaso(StoredRecord):
    """What a visit found."""

    model_config = de("Lo que se halló al ir a verlo.")
    hallado: bool = Field(description="Si había algo", examples=[True])
    energia_recuperada_kwh: float | None = Field(
        description="Energía que se ha podido refacturar, kWh", examples=[2100.0]
    )
    recuperado_eur: float | None = Field(description="Lo que se ha recuperado, €", examples=[320.5])
    texto: str | None = Field(
        description="Lo que se quiera contar", examples=["Doble acometida tras el contador."]
    )
    quien: str = Field(description="De quién era la clave", examples=["ana"])
    cuando: datetime = Field(description="Cuándo lo anotó")


class EvidenciaDetector(StoredRecord):
    """What a detector says of the hours of a case."""

    model_config = de("Lo que dice un detector de las horas de un caso.")
    detector: str = Field(
        description="Cuál, con los nombres de tipos_anomalia", examples=["plantacion_cannabis"]
    )
    horas: int = Field(ge=1, description="Anomalías en que dispara", examples=[312])
    score_medio: Ratio | None = Field(
        description="Su puntuación media en ellas, de 0 a 1", examples=[0.91]
    )
    frase: str = Field(
        description="Lo que dice de la más fuerte",
        examples=["18 h seguidas a 4,9 kWh: lámparas."],
    )


class MovimientoCaso(StoredRecord):
    """What a person changed of a case."""

    model_config = de("Lo que una persona cambió de un caso.")
    anotacion: int = Field(
        description="Su número en la auditoría, con el que se deshace", examples=[17]
    )
    accion: AccionCaso = Field(
        description="«asignacion», «comentario», «visita», «veredicto», «resultado» o «deshacer»",
        examples=["asignacion"],
    )
    quien: str = Field(description="De quién era la clave", examples=["ana"])
    cuando: datetime = Field(description="Cuándo")
    antes: dict[str, Any] = Field(
        description="Los campos que cambió, como estaban",
        examples=[{"estado": "nuevo", "asignado_a": None}],
    )
    despues: dict[str, Any] = Field(
        description="Los mismos, como quedaron",
        examples=[{"estado": "asignado", "asignado_a": "ana"}],
    )
    texto: str | None = Field(
        description="El motivo, el comentario o lo que se contó", examples=[None]
    )
    deshace: int | None = Field(
        description="De «deshacer»: el número del movimiento que deshizo", examples=[None]
    )


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
        description="Qué parece, con los nombres de tipos_anomalia; o, si es inocente, la causa "
        "probable: «ausencia», «autoconsumo»…",
        examples=["plantacion_cannabis"],
    )
    inocente: bool = Field(
        description="Algo ha cambiado y lo más probable es que no haya nada que hallar: no hace "
        "sospechoso a nadie, ni entra en ninguna cuenta",
        examples=[False],
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
    asignado_a: str | None = Field(
        description="Nombre de la clave de quien lo lleva; nulo = nadie", examples=["ana"]
    )
    visita: VisitaCaso | None = Field(description="La última visita; nulo = ninguna")
    veredicto: VeredictoCaso | None = Field(description="Lo que se dijo de él; nulo = nada")
    resultado: ResultadoCaso | None = Field(description="Lo que se halló; nulo = no se sabe")
    sorteo: bool = Field(
        description="Se fue a verlo por el sorteo de la lista de un día, y no por su puesto",
        examples=[False],
    )
    revision: str = Field(
        description="Cambia con cada cosa que una persona hace con el caso; lo que depende de lo "
        "que se vio la devuelve",
        examples=["17"],
    )

    @property
    def ultimo_dia(self) -> date:
        """Return its last day: the one at whose end it was over, or the last one looked at."""
        return self.fecha_cierre or self.hasta


class CasoDetalle(CasoResumen):
    """A case with its evidence, and all that people have done with it."""

    model_config = de("Un caso con lo pensado de él día a día y lo que las personas han hecho.")
    evidencia: list[EvidenciaDia] = Field(
        description="Lo que se pensaba al acabar cada uno de los últimos días, en orden"
    )
    comentarios: list[ComentarioCaso] = Field(description="Lo más antiguo primero")
    historial: list[MovimientoCaso] = Field(
        description="Lo que las personas han cambiado, lo más antiguo primero"
    )


class MovedCase(NamedTuple):
    """A case that was found or changed, and the cursor with which the list goes on after it."""

    caso: CasoResumen
    cursor: str


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
        "inocente": bool(doc.get("inocente")),
        "asignado_a": doc.get("asignado_a"),
        "sorteo": bool(doc.get("sorteo")),
        "revision": doc.get("revision", SIN_MOVER),
        **{c: _local(doc.get(c), presenta) for c in ("visita", "veredicto", "resultado")},
        **{c: _local(doc.get(c, []), presenta) for c in ("comentarios", "historial")},
    }


def _local(valor: Any, presenta: Presentacion) -> Any:
    """Return a value with its instants in local time, all the way down."""
    if isinstance(valor, datetime):
        return presenta.hora(valor)
    if isinstance(valor, Mapping):
        return {clave: _local(dentro, presenta) for clave, dentro in valor.items()}
    if isinstance(valor, list):
        return [_local(dentro, presenta) for dentro in valor]
    return valor
