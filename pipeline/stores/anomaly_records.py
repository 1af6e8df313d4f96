"""What MongoDB answers to whoever only asks: anomalies, what people said of them, and months.

Instants are aware, energies in kWh; ``desde`` is included and ``hasta`` is not. What is described
in Spanish is served as it is: its instants are local, and its sums are rounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, NamedTuple

from pydantic import Field

from detection.domain import HORAS_POR_DIA
from pipeline.stores.months import hours_of, is_whole, mes_de
from pipeline.stores.presentation import Presentacion
from pipeline.stores.record_base import (
    COSTE,
    DEFECTO,
    EN_JUEGO,
    EN_JUEGO_EUR,
    EXCESO,
    SCORE,
    SEVERIDAD,
    EstadoTexto,
    Kwh,
    PorEstado,
    PorSeveridad,
    Ratio,
    SeveridadTexto,
    StoredRecord,
    de,
)

_COMPLETO = "Falso = le faltan horas, o no ha terminado: no se compara con otros"
_ID = Field(description="Identificador de la anomalía", examples=["6745a1b2c3d4e5f6a7b8c9d0"])


class VeredictoHumano(StoredRecord):
    """What a person said of an anomaly."""

    model_config = de("Lo que una persona dijo de una anomalía.")
    estado: EstadoTexto = Field(description="En qué la dejó", examples=["confirmada"])
    estado_anterior: EstadoTexto = Field(description="En qué estaba", examples=["abierta"])
    motivo: str = Field(description="Por qué", examples=["Inspección del 20/11"])
    quien: str = Field(description="De quién era la clave", examples=["ana"])
    cuando: datetime = Field(description="Cuándo lo dijo")
    anotacion: int | None = Field(
        description="Su número en la auditoría, con el que se deshace; nulo = es de antes",
        examples=[17],
    )


class Anomalia(StoredRecord):
    """An anomaly, without its explanation."""

    model_config = de("Una hora anómala de un cliente.")
    id: str = _ID
    propietario_id: str = Field(description="Cliente", examples=["CLI_00045"])
    timestamp_consumo: datetime = Field(
        description="Instante en que empieza la hora", examples=["2026-11-23T02:00:00+01:00"]
    )
    timestamp_deteccion: datetime = Field(
        description="Cuándo se detectó", examples=["2026-11-23T03:00:04.120000+01:00"]
    )
    consumo_kwh: float = Field(ge=0, description="Energía de esa hora, kWh", examples=[8.5])
    consumo_esperado_kwh: float | None = Field(
        description="Lo que se esperaba, kWh; nulo = falta historia del cliente", examples=[0.6]
    )
    diferencia_kwh: float | None = Field(
        description="Consumido menos esperado, kWh; negativo = de menos", examples=[7.9]
    )
    hora: int = Field(ge=0, le=23, description="Hora local, de 0 a 23", examples=[2])
    tipos_anomalia: list[str] = Field(
        description="Detectores cuya definición se cumple",
        examples=[["consumo_noche_anomalo", "plantacion_cannabis"]],
    )
    score_anomalia: float = Field(ge=0, le=1, description=SCORE, examples=[0.95])
    severidad: SeveridadTexto = Field(description=SEVERIDAD, examples=["crítica"])
    es_sospechoso: bool = Field(
        description="El cliente quedó bajo sospecha tras esa hora", examples=[True]
    )
    estado: EstadoTexto = Field(description="Qué se ha dicho de ella", examples=["abierta"])
    version_modelo: str = Field(
        description="Qué emitió el veredicto", examples=["consumo-detector-3+reglas-1a2b3c4d5e6f"]
    )
    veredicto: VeredictoHumano | None = Field(
        None, description="El último que dio una persona; nulo = nadie", examples=[None]
    )
    archivada: bool = Field(description="El archivador la ha retirado", examples=[False])
    revision: str = Field(
        description="Cambia con lo que se ve de ella; devuélvala al juzgarla y no se juzgará otra "
        "cosa",
        examples=["1f3a99c0"],
    )


class DetectorExplicado(StoredRecord):
    """What one detector says of an anomaly."""

    model_config = de("Lo que un detector dice de una anomalía.")
    detector: str = Field(description="Su nombre", examples=["pico_consumo"])
    score: float | None = Field(
        description="Su puntuación, de 0 a 1; nulo = no estaba listo y no votó", examples=[0.71]
    )
    peso: float = Field(
        ge=0, le=1, description="Hasta dónde puede dar la alarma él solo, de 0 a 1", examples=[0.6]
    )
    aporte: float = Field(
        ge=0,
        le=1,
        description="Qué parte de la alarma pone, de 0 a 1; entre todos suman 1",
        examples=[0.36],
    )
    dispara: bool = Field(description="Su definición se cumple", examples=[True])
    frase: str = Field(
        description="Por qué, con los números",
        examples=["8,50 kWh: un 1.317 % más que los 0,60 kWh esperados."],
    )


class AnomaliaDetalle(Anomalia):
    """An anomaly with all that is known of it."""

    model_config = de("Una anomalía con su explicación y lo que se ha dicho de ella.")
    explicacion: list[DetectorExplicado] = Field(
        description="Cada detector, el que más aporta primero; vacía = se corrigió a normal"
    )
    resumen: str = Field(
        description="Las frases de los detectores que disparan",
        examples=["8,50 kWh: un 1.317 % más que los 0,60 kWh esperados."],
    )
    veredictos: list[VeredictoHumano] = Field(
        description="Lo que se ha dicho de ella, lo más antiguo primero"
    )
    energia_en_juego_kwh: float | None = Field(
        description="La diferencia con lo esperado, sin signo, kWh; estimada", examples=[7.9]
    )
    energia_en_juego_eur: float | None = Field(description=EN_JUEGO_EUR, examples=[1.19])


class CambioVeredicto(StoredRecord):
    """What a verdict did."""

    model_config = de("Una anomalía tras un veredicto.")
    anomalia: Anomalia = Field(description="La anomalía, como está ahora")
    estado_anterior: EstadoTexto = Field(description="En qué estaba", examples=["abierta"])
    anotacion: int | None = Field(
        description="Número del veredicto en la auditoría, con el que se deshace", examples=[17]
    )


class VeredictoDado(StoredRecord):
    """A verdict with its anomaly."""

    model_config = de("Un veredicto y su anomalía.")
    anomalia: Anomalia = Field(description="La anomalía")
    veredicto: VeredictoHumano = Field(description="Lo último que se dijo de ella")


class Puntuacion(StoredRecord):
    """What each detector scored on an anomaly."""

    model_config = de("Lo que puntuó cada detector en una anomalía.")
    id: str = _ID
    propietario_id: str = Field(description="Cliente", examples=["CLI_00045"])
    timestamp_consumo: datetime = Field(description="Instante en que empieza la hora")
    score_anomalia: float = Field(ge=0, le=1, description=SCORE, examples=[0.95])
    severidad: SeveridadTexto = Field(description=SEVERIDAD, examples=["crítica"])
    tipos_anomalia: list[str] = Field(
        description="Detectores cuya definición se cumple", examples=[["pico_consumo"]]
    )
    estado: EstadoTexto = Field(description="Qué se ha dicho de ella", examples=["abierta"])
    detectores: dict[str, float | None] = Field(
        description="Puntuación de cada detector, de 0 a 1; nulo = no estaba listo",
        examples=[{"pico_consumo": 0.71, "fraude": None}],
    )


class Incidente(StoredRecord):
    """Anomalies of a customer that follow each other."""

    model_config = de("Anomalías seguidas de un cliente, reunidas en una.")
    id: str = Field(
        description="Identificador de su primera anomalía", examples=["6745a1b2c3d4e5f6a7b8c9d0"]
    )
    propietario_id: str = Field(description="Cliente", examples=["CLI_00045"])
    inicio: datetime = Field(description="Instante en que empieza su primera hora")
    fin: datetime = Field(description="Instante en que acaba su última hora")
    horas: int = Field(ge=1, description="De inicio a fin, h", examples=[14])
    anomalias: int = Field(ge=1, description="De ellas, anómalas", examples=[12])
    consumo_kwh: float = Field(description="Energía de las horas anómalas, kWh", examples=[60.1])
    consumo_esperado_kwh: float | None = Field(
        description="Lo que se esperaba en ellas, kWh; nulo = falta historia", examples=[8.2]
    )
    exceso_kwh: float = Field(description="Consumido de más en ellas, kWh", examples=[51.9])
    defecto_kwh: float = Field(description="Consumido de menos en ellas, kWh", examples=[0.0])
    energia_en_juego_kwh: float = Field(description=EN_JUEGO, examples=[51.9])
    energia_en_juego_eur: float | None = Field(description=EN_JUEGO_EUR, examples=[7.79])
    severidad: SeveridadTexto = Field(description="La más grave", examples=["crítica"])
    score_maximo: float = Field(ge=0, le=1, description="La mayor puntuación", examples=[0.98])
    tipos_anomalia: list[str] = Field(
        description="Detectores cuya definición se cumple en alguna",
        examples=[["plantacion_cannabis"]],
    )
    estados: PorEstado = Field(description="Cuántas hay en cada estado")
    anomalia_ids: list[str] = Field(
        description="Sus anomalías, para juzgarlas a la vez; 500 como mucho",
        examples=[["6745a1b2c3d4e5f6a7b8c9d0"]],
    )


class CambiosVeredicto(NamedTuple):
    """What verdicts on several anomalies did, in the order in which they took effect.

    ``rechazadas`` are no longer what whoever judged them had seen: as they are now. ``sin_hacer``
    are those that MongoDB was away for; of the first of them nobody knows.
    """

    cambios: list[CambioVeredicto]
    no_encontradas: list[str]
    rechazadas: list[Anomalia]
    sin_hacer: list[str]


class FiltroAnomalias(NamedTuple):
    """Which anomalies; nothing given = all."""

    propietario_id: str | None = None
    # desde, hasta: of the reading, aware.
    desde: datetime | None = None
    hasta: datetime | None = None
    # severidades, tipos, estados: one of these; empty = any. An anomaly that a correction has made
    # normal and that a person had judged before comes only where "normal" is asked for.
    severidades: tuple[str, ...] = ()
    tipos: tuple[str, ...] = ()
    estados: tuple[str, ...] = ()
    con_archivo: bool = False  # archived ones too, each once


class PuntoSerie(StoredRecord):
    """Anomalies by severidad in an hour or a local day, given by its start."""

    model_config = de("Las anomalías de una hora o de un día.")
    momento: datetime = Field(
        description="Instante en que empieza", examples=["2026-11-23T00:00:00+01:00"]
    )
    anomalias: PorSeveridad = Field(description="Por severidad")
    total: int = Field(ge=0, description="En total", examples=[6])


class Distribuciones(NamedTuple):
    """How anomalies are spread; hours and weekdays (0 = Monday) are local."""

    total: int
    por_severidad: PorSeveridad
    por_tipo: dict[str, int]
    por_estado: PorEstado
    por_hora: list[int]
    por_dia_semana: list[int]


class ResumenAnomalias(NamedTuple):
    """The anomalies at a glance; ``por_estado`` and ``ultima_deteccion`` are of the last 30 days.

    The rest is of the last 7 days and of the 7 before. At stake is what was used above the expected
    (a plantation, a misuse) and what is missing below it (a fraud: used, but not billed), added;
    only of anomalous hours that nobody has judged.
    """

    por_estado: PorEstado
    ultima_deteccion: datetime | None
    en_juego_7d_kwh: float
    en_juego_7d_anterior_kwh: float
    juzgadas_7d: PorSeveridad = PorSeveridad()
    juzgadas_7d_anterior: PorSeveridad = PorSeveridad()


class EnergiaDescartada(NamedTuple):
    """A customer's anomalies that a person has rejected, and what they used above and below."""

    anomalias: int
    exceso_kwh: float
    defecto_kwh: float


class ClienteRanking(StoredRecord):
    """A customer of the ranking, by its open case and its anomalies of 28 days, not rejected.

    ``probabilidad`` is that there is something to be found; ``severidad`` is that of its latest
    anomaly, and so is ``es_sospechoso`` without a case, until somebody knows of a later reading.
    """

    model_config = de(
        "Un cliente del orden por sospecha: su caso abierto, y sus anomalías de los últimos 28 "
        "días sin las descartadas."
    )
    puesto: int = Field(ge=1, description="Puesto, desde 1", examples=[1])
    propietario_id: str = Field(description="Cliente", examples=["CLI_00045"])
    evidencia: Ratio = Field(
        ge=0,
        description="Cuánto apunta a él; más alta, más sospechoso. Comparable dentro de una lista",
        examples=[12.3],
    )
    probabilidad: Ratio = Field(
        ge=0,
        le=1,
        description="De que haya algo que hallar: la de su caso, o por su evidencia",
        examples=[0.87],
    )
    es_sospechoso: bool = Field(description="Está bajo sospecha", examples=[True])
    severidad: SeveridadTexto = Field(
        description="De su última anomalía; «normal» = no tiene ninguna", examples=["crítica"]
    )
    score_maximo: float = Field(ge=0, le=1, description="La mayor puntuación", examples=[0.98])
    anomalias: int = Field(ge=0, description="Horas anómalas", examples=[120])
    criticas: int = Field(ge=0, description="De ellas, críticas", examples=[40])
    tipos_anomalia: list[str] = Field(
        description="El de su caso, y los de sus anomalías, el más frecuente primero",
        examples=[["plantacion_cannabis"]],
    )
    ultima_anomalia: datetime | None = Field(
        description="Instante en que empieza la última; nulo = no tiene ninguna"
    )
    exceso_kwh: Kwh = Field(description=EXCESO, examples=[510.2])
    defecto_kwh: Kwh = Field(description=DEFECTO, examples=[0.0])
    energia_en_juego_kwh: Kwh = Field(
        description=f"La de su caso, desde que empezó; sin caso, {EN_JUEGO}", examples=[510.2]
    )
    energia_en_juego_eur: float | None = Field(description=EN_JUEGO_EUR, examples=[76.53])
    rinde_visita_kwh: Kwh = Field(
        ge=0,
        description="kWh que cabe esperar de una visita: energia_en_juego_kwh por probabilidad",
        examples=[443.9],
    )
    rinde_visita_eur: float | None = Field(
        description="rinde_visita_kwh al precio de PRECIO_KWH_EUR, €; estimado", examples=[66.58]
    )
    caso: str | None = Field(
        description="Identificador de su caso abierto; nulo = no tiene",
        examples=["CLI_00045_2026-11-09"],
    )
    caso_desde: date | None = Field(
        description="Primer día local que fue distinto; nulo = no tiene caso",
        examples=["2026-11-03"],
    )
    motivos: list[str] = Field(
        description="Por qué, con números: la frase de su caso y las de sus anomalías, tres como "
        "mucho; las de anomalías, de los 50 primeros",
        examples=[["Lleva 5 horas de noche a 8,50 kWh por hora, 14,2 veces los 0,60 kWh..."]],
    )


class MesCliente(StoredRecord):
    """A customer's month, as the nightly job left it."""

    model_config = de("El mes de un cliente; energías en kWh.")
    id: str = Field(description="Cliente y mes", examples=["CLI_00001_2026-01"])
    propietario_id: str = Field(description="Cliente", examples=["CLI_00001"])
    mes_str: str = Field(description="Mes, AAAA-MM", examples=["2026-01"])
    consumo_total: float = Field(description="Energía del mes, kWh", examples=[720.5])
    consumo_promedio: float = Field(description="Media por lectura, kWh", examples=[0.97])
    consumo_minimo: float = Field(description="La menor de una hora, kWh", examples=[0.1])
    consumo_maximo: float = Field(description="La mayor de una hora, kWh", examples=[4.3])
    anomalias_detectadas: int = Field(description="Horas anómalas", examples=[3])
    anomalias_criticas: int = Field(description="De ellas, críticas", examples=[1])
    consumo_noche_promedio: float | None = Field(
        description="Media por lectura de noche (HORAS_NOCHE), kWh", examples=[0.4]
    )
    consumo_punta_promedio: float | None = Field(
        description="Media por lectura en punta (HORAS_PUNTA), kWh", examples=[1.2]
    )
    parte_noche: float | None = Field(
        description="Parte de la energía que cae de noche, de 0 a 1; de las medias",
        examples=[0.11],
    )
    parte_punta: float | None = Field(
        description="Parte de la energía que cae en punta, de 0 a 1; de las medias",
        examples=[0.4],
    )
    lecturas: int | None = Field(description="Horas con lectura", examples=[744])
    completo: bool = Field(description=_COMPLETO, examples=[True])
    coste_estimado_eur: float | None = Field(description=COSTE, examples=[108.08])
    agregado_en: datetime | None = Field(
        description="Cuándo se sumó", examples=["2026-02-01T02:00:00+01:00"]
    )

    @classmethod
    def of(cls, doc: Mapping[str, Any], presenta: Presentacion) -> MesCliente:
        """Return the month of a document; of older ones some fields are missing."""
        campos = {campo: doc.get(campo) for campo in cls.model_fields}
        lecturas, media = doc.get("lecturas"), doc["consumo_promedio"]
        noche, punta = (doc.get(f"consumo_{cual}_promedio") for cual in ("noche", "punta"))
        return cls(
            **campos
            | {
                "id": doc["_id"],
                "parte_noche": share(noche, media, presenta.horas_noche),
                "parte_punta": share(punta, media, presenta.horas_punta),
                "completo": is_whole(lecturas, hours_of(mes_de(doc["mes_str"]))),
                "coste_estimado_eur": presenta.euros(doc["consumo_total"]),
                "agregado_en": presenta.hora_o_nada(doc.get("agregado_en")),
            }
        )

    def change_from(self, otro: MesCliente) -> float | None:
        """Return how much more an hour of this month took than one of another: 0.1 = 10 % more.

        Per hour: months differ in length. None = one of them is not whole, or took nothing.
        """
        if not (self.completo and otro.completo and otro.consumo_total > 0):
            return None
        ahora, antes = (mes.consumo_total / (mes.lecturas or 1) for mes in (self, otro))
        return ahora / antes - 1


class ResumenMes(StoredRecord):
    """All customers' month."""

    model_config = de("El mes de todos los clientes juntos; energías en kWh.")
    mes_str: str = Field(description="Mes, AAAA-MM", examples=["2026-11"])
    clientes: int = Field(description="Clientes con lecturas", examples=[50])
    consumo_total: Kwh = Field(description="Energía del mes, kWh", examples=[36020.1])
    consumo_promedio: Kwh = Field(description="Media por cliente, kWh", examples=[720.4])
    anomalias_detectadas: int = Field(description="Horas anómalas", examples=[150])
    anomalias_criticas: int = Field(description="De ellas, críticas", examples=[12])
    consumo_noche_promedio: Kwh | None = Field(
        description="Media de las medias de noche de los clientes, kWh", examples=[0.4]
    )
    consumo_punta_promedio: Kwh | None = Field(
        description="Media de las medias en punta de los clientes, kWh", examples=[1.2]
    )
    lecturas: int = Field(description="Horas con lectura, de todos", examples=[37200])
    completo: bool = Field(description=_COMPLETO, examples=[True])
    coste_estimado_eur: Kwh | None = Field(description=COSTE, examples=[5403.02])


class PuestoMes(NamedTuple):
    """A customer's place in a month, 1 = who used most."""

    posicion: int
    de: int


class ParInteranual(StoredRecord):
    """A month and the same month a year before; ``variacion`` as in ``MesCliente.change_from``."""

    model_config = de("Un mes y el mismo mes del año anterior.")
    mes_str: str = Field(description="Mes, AAAA-MM", examples=["2026-11"])
    actual: MesCliente | None = Field(description="Nulo = no hay datos")
    anterior: MesCliente | None = Field(description="Un año antes; nulo = no hay datos")
    variacion: Ratio | None = Field(
        description="Cambio del consumo por hora: 0,1 = un 10 % más; nulo = no hay dos meses "
        "completos",
        examples=[0.1],
    )


def share(media: float | None, media_total: float, horas: int) -> float | None:
    """Return the part of the energy that some hours of the day take, 0 to 1, from averages.

    ``media``, ``media_total``: mean of a reading in those hours, and in all of them, kWh.
    ``horas``: how many hours of the day they are.

    Examples
    --------
    >>> share(0.5, 1.0, 6)
    0.125
    """
    if media is None or media_total <= 0:
        return None
    return min(1.0, round(media * horas / (media_total * HORAS_POR_DIA), 4))
