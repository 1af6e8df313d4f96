"""What the API says of anomalies, of why they are some, and of what people said of them."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator

from api.params import Estado
from api.presentation import Presentacion, kwh, kwh_or_none
from api.schemas import EN_JUEGO, EN_JUEGO_EUR, SCORE, SEVERIDAD, Pagina, PorEstado, de
from detection.domain import Explicacion
from pipeline.stores import anomaly_records as tipos

Severidad = Literal["normal", "baja", "media", "alta", "crítica"]
IDS_MAXIMOS = 500
"""Anomalies that one request may judge: what a person can have looked at, by far. By hand,
2026-11-24."""
ID_ANOMALIA = r"^[0-9a-fA-F]{24}$"
_ES_ALARMA = 0.5
"""Scores above this add to the alarm (``detection.blend.weighted``)."""
_CASI_UNO = 1 - 1e-6
_ID = Field(description="Identificador de la anomalía", examples=["6745a1b2c3d4e5f6a7b8c9d0"])


def _readable(texto: str) -> str:
    if any(unicodedata.category(c) in {"Cc", "Cs"} and c not in "\n\t" for c in texto):
        raise ValueError("lleva caracteres de control")
    return texto


Motivo = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=500),
    AfterValidator(_readable),
    Field(description="Por qué, de 3 a 500 caracteres", examples=["Inspección del 20/11"]),
]


class Veredicto(BaseModel):
    """What a person said of an anomaly."""

    model_config = de("Lo que una persona dijo de una anomalía.")
    estado: Estado = Field(description="En qué la dejó", examples=["confirmada"])
    estado_anterior: Estado = Field(description="En qué estaba", examples=["abierta"])
    motivo: str = Field(description="Por qué", examples=["Inspección del 20/11"])
    quien: str = Field(description="De quién era la clave", examples=["ana"])
    cuando: datetime = Field(description="Cuándo lo dijo")
    anotacion: int | None = Field(
        description="Su número en la auditoría, con el que se deshace; nulo = es de antes",
        examples=[17],
    )

    @classmethod
    def of(cls, fila: tipos.VeredictoHumano, presenta: Presentacion) -> Veredicto:
        """Return a verdict as people read it."""
        return cls(**{**fila._asdict(), "cuando": presenta.hora(fila.cuando)})


class Anomalia(BaseModel):
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
    severidad: Severidad = Field(description=SEVERIDAD, examples=["crítica"])
    es_sospechoso: bool = Field(
        description="El cliente quedó bajo sospecha tras esa hora", examples=[True]
    )
    estado: Estado = Field(description="Qué se ha dicho de ella", examples=["abierta"])
    version_modelo: str = Field(
        description="Qué emitió el veredicto", examples=["consumo-detector-3+reglas-1a2b3c4d5e6f"]
    )
    veredicto: Veredicto | None = Field(
        None, description="El último que dio una persona; nulo = nadie", examples=[None]
    )
    archivada: bool = Field(description="El archivador la ha retirado", examples=[False])
    revision: str = Field(
        description="Cambia con lo que se ve de ella; devuélvala al juzgarla y no se juzgará otra "
        "cosa",
        examples=["1f3a99c0"],
    )

    @classmethod
    def of(cls, fila: tipos.Anomalia, presenta: Presentacion) -> Anomalia:
        """Return a stored anomaly as people read it."""
        return cls(**_campos(fila, presenta))


def _campos(fila: tipos.Anomalia, presenta: Presentacion) -> dict[str, object]:
    esperado, veredicto = fila.consumo_esperado_kwh, fila.veredicto
    return {
        **fila._asdict(),
        "timestamp_consumo": presenta.hora(fila.timestamp_consumo),
        "timestamp_deteccion": presenta.hora(fila.timestamp_deteccion),
        "diferencia_kwh": None if esperado is None else kwh(fila.consumo_kwh - esperado),
        "revision": fila.revision(),
        "veredicto": None if veredicto is None else Veredicto.of(veredicto, presenta),
    }


class Anomalias(Pagina[Anomalia]):
    """A page of anomalies."""

    model_config = de("Una página de anomalías.")


class Detector(BaseModel):
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
    explicacion: list[Detector] = Field(
        description="Cada detector, el que más aporta primero; vacía = se corrigió a normal"
    )
    resumen: str = Field(
        description="Las frases de los detectores que disparan",
        examples=["8,50 kWh: un 1.317 % más que los 0,60 kWh esperados."],
    )
    veredictos: list[Veredicto] = Field(
        description="Lo que se ha dicho de ella, lo más antiguo primero"
    )
    energia_en_juego_kwh: float | None = Field(
        description="La diferencia con lo esperado, sin signo, kWh; estimada", examples=[7.9]
    )
    energia_en_juego_eur: float | None = Field(description=EN_JUEGO_EUR, examples=[1.19])

    @classmethod
    def whole(cls, fila: tipos.AnomaliaDetalle, presenta: Presentacion) -> AnomaliaDetalle:
        """Return an anomaly with its explanation, as people read it."""
        partes = contributions(fila.explicacion)
        detectores = [
            Detector(
                detector=e.detector, score=e.score, peso=e.peso, aporte=round(aporte, 4),
                dispara=e.dispara, frase=e.frase,
            )
            for e, aporte in zip(fila.explicacion, partes, strict=True)
        ]  # fmt: skip
        detectores.sort(key=lambda d: (-d.aporte, -(d.score or 0.0)))
        campos = _campos(fila.anomalia, presenta)
        diferencia = campos["diferencia_kwh"]
        en_juego = abs(diferencia) if isinstance(diferencia, float) else None
        return cls(
            **campos,
            explicacion=detectores,
            resumen=" ".join(d.frase for d in detectores if d.dispara),
            veredictos=[Veredicto.of(v, presenta) for v in fila.veredictos],
            energia_en_juego_kwh=en_juego,
            energia_en_juego_eur=presenta.euros(en_juego),
        )


def contributions(explicacion: Sequence[Explicacion]) -> list[float]:
    """Return each detector's part of the alarm, 0 to 1; they add up to 1.

    The blend is ``0.5 + 0.5 * (1 - prod(1 - peso * (2 * score - 1)))`` over the scores above 0.5,
    so the logarithms of the factors add up, and each takes its share of their sum. Where none
    passes 0.5 the highest score stands alone, as the blend has it.

    Examples
    --------
    >>> fuerte = Explicacion("fraude", 0.9, 1.0, True, "")
    >>> debil = Explicacion("pico_consumo", 0.6, 0.6, False, "")
    >>> callado = Explicacion("modelo_online", None, 0.15, False, "")
    >>> [round(x, 2) for x in contributions([debil, fuerte, callado])]
    [0.07, 0.93, 0.0]
    """
    if not explicacion:
        return []
    scores = [e.score or 0.0 for e in explicacion]
    fuerzas = [
        -math.log1p(-min(e.peso * 2 * max(0.0, s - _ES_ALARMA), _CASI_UNO))
        for e, s in zip(explicacion, scores, strict=True)
    ]
    if (suma := sum(fuerzas)) > 0:
        return [fuerza / suma for fuerza in fuerzas]
    primero = scores.index(max(scores))
    return [float(i == primero) for i in range(len(scores))]


Revision = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}$")]


class VeredictoPedido(BaseModel):
    """The body of a verdict."""

    model_config = de("Lo que se dice de una anomalía.", extra="forbid")
    veredicto: Estado = Field(
        description="«confirmada», «descartada» o, para volver a abrirla, «abierta»",
        examples=["confirmada"],
    )
    motivo: Motivo
    revision: Revision | None = Field(
        None,
        description="La «revision» que se vio: si la anomalía ha cambiado desde entonces, 409",
        examples=["1f3a99c0"],
    )


class VeredictosPedidos(BaseModel):
    """The body of a verdict on several anomalies."""

    model_config = de("Lo que se dice de varias anomalías a la vez.", extra="forbid")
    ids: list[Annotated[str, StringConstraints(pattern=ID_ANOMALIA)]] = Field(
        min_length=1,
        max_length=IDS_MAXIMOS,
        description="Qué anomalías",
        examples=[["6745a1b2c3d4e5f6a7b8c9d0"]],
    )
    veredicto: Estado = Field(
        description="«confirmada», «descartada» o, para volver a abrirlas, «abierta»",
        examples=["descartada"],
    )
    motivo: Motivo
    revisiones: list[Revision] | None = Field(
        None,
        max_length=IDS_MAXIMOS,
        description="La «revision» que se vio de cada una, en el orden de «ids»: las que hayan "
        "cambiado desde entonces no se juzgan",
        examples=[["1f3a99c0"]],
    )

    @model_validator(mode="after")
    def _one_each(self) -> VeredictosPedidos:
        if self.revisiones is not None and len(self.revisiones) != len(self.ids):
            raise ValueError("«revisiones» ha de tener tantas como «ids»")
        return self


class Cambio(BaseModel):
    """What a verdict did."""

    model_config = de("Una anomalía tras un veredicto.")
    anomalia: Anomalia = Field(description="La anomalía, como está ahora")
    estado_anterior: Estado = Field(description="En qué estaba", examples=["abierta"])
    anotacion: int | None = Field(
        description="Número del veredicto en la auditoría, con el que se deshace", examples=[17]
    )

    @classmethod
    def of(cls, fila: tipos.CambioVeredicto, presenta: Presentacion) -> Cambio:
        """Return a change as people read it."""
        dicho = fila.anomalia.veredicto
        return cls(
            anomalia=Anomalia.of(fila.anomalia, presenta),
            estado_anterior=fila.estado_anterior,
            anotacion=None if dicho is None else dicho.anotacion,
        )


class Cambios(BaseModel):
    """What a verdict on several anomalies did."""

    model_config = de("Lo que ha hecho un veredicto sobre varias anomalías.")
    anotacion: int = Field(
        description="Número del veredicto en la auditoría, con el que se deshace", examples=[17]
    )
    cambiadas: list[Cambio] = Field(description="Las anomalías, como están ahora")
    no_encontradas: list[str] = Field(
        description="Identificadores que no existen", examples=[["6745a1b2c3d4e5f6a7b8c9d0"]]
    )
    rechazadas: list[Anomalia] = Field(
        description="Las que ya no son como se vieron: no se han tocado, y así están ahora"
    )
    sin_hacer: list[str] = Field(
        description="Las que faltan porque MongoDB ha dejado de responder: repítalo con ellas",
        examples=[[]],
    )


class VeredictoDado(BaseModel):
    """A verdict with its anomaly."""

    model_config = de("Un veredicto y su anomalía.")
    anomalia: Anomalia = Field(description="La anomalía")
    veredicto: Veredicto = Field(description="Lo último que se dijo de ella")

    @classmethod
    def of(cls, fila: tipos.VeredictoDado, presenta: Presentacion) -> VeredictoDado:
        """Return a verdict with its anomaly as people read them."""
        return cls(
            anomalia=Anomalia.of(fila.anomalia, presenta),
            veredicto=Veredicto.of(fila.veredicto, presenta),
        )


class VeredictosDados(Pagina[VeredictoDado]):
    """The latest verdicts."""

    model_config = de("Los últimos veredictos, el más reciente primero.")


class PuntuacionDetectores(BaseModel):
    """What each detector scored on an anomaly."""

    model_config = de("Lo que puntuó cada detector en una anomalía.")
    id: str = _ID
    propietario_id: str = Field(description="Cliente", examples=["CLI_00045"])
    timestamp_consumo: datetime = Field(description="Instante en que empieza la hora")
    score_anomalia: float = Field(ge=0, le=1, description=SCORE, examples=[0.95])
    severidad: Severidad = Field(description=SEVERIDAD, examples=["crítica"])
    tipos_anomalia: list[str] = Field(
        description="Detectores cuya definición se cumple", examples=[["pico_consumo"]]
    )
    estado: Estado = Field(description="Qué se ha dicho de ella", examples=["abierta"])
    detectores: dict[str, float | None] = Field(
        description="Puntuación de cada detector, de 0 a 1; nulo = no estaba listo",
        examples=[{"pico_consumo": 0.71, "fraude": None}],
    )

    @classmethod
    def of(cls, fila: tipos.Puntuacion, presenta: Presentacion) -> PuntuacionDetectores:
        """Return the scores of an anomaly as people read them."""
        valores = {n: v for n, v in fila._asdict().items() if n in cls.model_fields}
        valores["timestamp_consumo"] = presenta.hora(fila.timestamp_consumo)
        return cls(**valores, detectores=fila.scores)


class Puntuaciones(Pagina[PuntuacionDetectores]):
    """What the detectors scored on many anomalies."""

    model_config = de("Lo que puntuaron los detectores, lo detectado más tarde primero.")


class Incidencia(BaseModel):
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
    severidad: Severidad = Field(description="La más grave", examples=["crítica"])
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

    @classmethod
    def of(cls, fila: tipos.Incidente, presenta: Presentacion) -> Incidencia:
        """Return an incident as people read it."""
        en_juego = kwh(fila.exceso_kwh + fila.defecto_kwh)
        return cls(
            id=fila.id,
            propietario_id=fila.propietario_id,
            inicio=presenta.hora(fila.inicio),
            fin=presenta.hora(fila.fin),
            horas=fila.horas,
            anomalias=fila.anomalias,
            consumo_kwh=kwh(fila.consumo_kwh),
            consumo_esperado_kwh=kwh_or_none(fila.esperado_kwh),
            exceso_kwh=kwh(fila.exceso_kwh),
            defecto_kwh=kwh(fila.defecto_kwh),
            energia_en_juego_kwh=en_juego,
            energia_en_juego_eur=presenta.euros(en_juego),
            severidad=fila.severidad,
            score_maximo=fila.score_maximo,
            tipos_anomalia=fila.tipos_anomalia,
            estados=PorEstado.of(fila.estados),
            anomalia_ids=fila.anomalia_ids,
        )


class Incidencias(Pagina[Incidencia]):
    """A page of incidents."""

    model_config = de("Una página de incidencias, la más reciente primero.")
    truncado: bool = Field(
        description="Había demasiadas anomalías para mirarlas todas: acorte el intervalo",
        examples=[False],
    )
