"""What cases add up to: a day's list, how many there are and why it moved, how often one is right.

Pure: from rows of cases to the figures that are served as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from hashlib import blake2b
from typing import Any, NamedTuple

from pydantic import Field

from pipeline.stores.case_records import CONFIRMADO, DESCARTADO, JUZGADOS, NUEVO, CasoResumen
from pipeline.stores.presentation import Presentacion
from pipeline.stores.record_base import Kwh, Ratio, StoredRecord, de

SEMANA = timedelta(days=7)
UN_DIA = timedelta(days=1)
Z_95 = 1.959964
"""Standard deviations on either side of the mean that hold 95 % of a normal distribution."""
LARGO_MES = len("2026-11")
EN_CURSO = ("asignado", "visitado")
"""Open cases that somebody is dealing with."""


# ---- The list of a day ----


VISITAS_MAXIMAS = 50
"""Visits of a day that one list gives."""


class DiaSerie(StoredRecord):
    """What a customer used on a day."""

    model_config = de("Lo que consumió un cliente en un día.")
    fecha: date = Field(description="Día local", examples=["2026-11-20"])
    consumo_kwh: Kwh = Field(description="Lo que consumió ese día, kWh", examples=[88.2])


class CasoDeHoy(CasoResumen):
    """A case of the list of a day."""

    model_config = de("Un caso de la lista del día.")
    serie: list[DiaSerie] = Field(
        description="Los últimos 90 días del cliente, en orden; faltan los que no están enteros, y "
        "todos si el histórico no responde"
    )


class ListaDeHoy(StoredRecord):
    """The cases to visit on a day."""

    model_config = de("Los casos que merece la pena visitar hoy.")
    fecha: date = Field(description="Día local de la lista", examples=["2026-11-30"])
    visitas: int = Field(ge=1, description="Visitas que se pidieron", examples=[10])
    sorteados: int = Field(
        ge=0, description="De ellas, por sorteo entre todos los abiertos", examples=[1]
    )
    elementos: list[CasoDeHoy] = Field(
        description="Primero donde más se recupera; los del sorteo llevan «sorteo»"
    )


class OpenCase(NamedTuple):
    """What the list of a day is made of."""

    id: str
    recuperable_kwh: float
    abierto: bool  # worth a visit; False = it was when the day began
    de_antes: bool = True  # it was there when the day began


def cases_of_day(
    casos: Iterable[OpenCase], fecha: date, visitas: int, sorteados: int
) -> dict[str, bool]:
    """Return the ids of a day's list, most to recover first, each with whether it was drawn.

    Who is drawn depends on the day alone, and on who was open when it began, whatever is to be
    recovered there: what is judged during the day leaves the list, the next one takes its place,
    and those that were drawn stay drawn.

    Examples
    --------
    >>> casos = [OpenCase(f"C{i}", 100.0 - i, True) for i in range(9)]
    >>> lista = cases_of_day(casos, date(2026, 11, 30), 4, 1)
    >>> list(lista)[:3], list(lista.values())
    (['C0', 'C1', 'C2'], [False, False, False, True])
    """
    orden = sorted(casos, key=lambda uno: (-uno.recuperable_kwh, uno.id))
    por_puesto = visitas - sorteados

    def chance(uno: OpenCase) -> bytes:
        return blake2b(f"{fecha.isoformat()}|{uno.id}".encode(), digest_size=8).digest()

    de_antes = [uno for uno in orden if uno.de_antes]
    sorteo = {uno.id for uno in sorted(de_antes, key=chance)[:sorteados]}
    abiertos = [uno for uno in orden if uno.abierto]
    primeros = {uno.id for uno in [u for u in abiertos if u.id not in sorteo][:por_puesto]}
    return {uno.id: uno.id in sorteo for uno in abiertos if uno.id in primeros | sorteo}


# ---- Customer by day ----


class FilaCalendario(StoredRecord):
    """A case day by day."""

    model_config = de("Un caso, día a día.")
    propietario_id: str = Field(description="Cliente", examples=["CLI_00045"])
    caso_id: str = Field(description="Su caso", examples=["CLI_00045_2026-11-09"])
    tipo: str = Field(description="Qué parece", examples=["plantacion_cannabis"])
    inocente: bool = Field(description="Lo más probable es que no sea nada", examples=[False])
    inicio: date = Field(description="Primer día local que es distinto", examples=["2026-11-03"])
    recuperable_eur: float | None = Field(
        description="Lo que cabe esperar de ir a verlo, €", examples=[314.67]
    )
    severidades: list[int | None] = Field(
        description="La peor de cada día: 0 = normal, 4 = crítica; nulo = sin lecturas",
        examples=[[0, 3, None]],
    )
    sospechoso: list[bool] = Field(
        description="Si ese día estuvo bajo sospecha", examples=[[False, True, False]]
    )


class CalendarioCasos(StoredRecord):
    """Open cases by day."""

    model_config = de("Los casos abiertos, día a día.")
    dias: list[date] = Field(description="Los días, en orden", examples=[["2026-11-30"]])
    filas: list[FilaCalendario] = Field(description="Primero donde más se recupera")


# ---- How many, and why it moved ----


class MovimientosCasos(StoredRecord):
    """What happened to cases in some days."""

    model_config = de("Lo que les ha pasado a los casos en unos días.")
    abiertos: int = Field(ge=0, description="Se abrieron", examples=[4])
    terminados: int = Field(
        ge=0, description="Acabaron por sí mismos sin que nadie los juzgara", examples=[1]
    )
    confirmados: int = Field(ge=0, description="Se confirmaron", examples=[2])
    descartados: int = Field(ge=0, description="Se descartaron", examples=[1])
    recuperado_eur: float = Field(
        description="Lo recuperado con los resultados que se anotaron, €", examples=[640.2]
    )


class ResumenCasos(StoredRecord):
    """How many cases there are, what is to be recovered, and why it moved."""

    model_config = de("Cuántos casos hay, lo que cabe recuperar, y por qué ha cambiado.")
    hasta: date = Field(description="Último día local entero: ayer", examples=["2026-11-29"])
    abiertos: int = Field(ge=0, description="Siguen y nadie los ha juzgado", examples=[12])
    abiertos_antes: int = Field(
        ge=0, description="Los que estaban así hace 7 días, al empezar el día", examples=[9]
    )
    en_curso: int = Field(
        ge=0, description="De los abiertos, los que alguien lleva o ha visitado", examples=[3]
    )
    en_curso_antes: int = Field(ge=0, description="Los mismos hace 7 días", examples=[2])
    recuperable_eur: float = Field(
        description="Lo que cabe esperar de ir a ver los abiertos, €", examples=[1840.5]
    )
    recuperable_eur_antes: float = Field(
        description="Lo mismo de los que estaban abiertos hace 7 días, con lo que se sabe hoy, €",
        examples=[1420.0],
    )
    hoy: MovimientosCasos = Field(description="Lo que ha pasado hoy, hasta ahora")
    semana: MovimientosCasos = Field(description="Los 7 últimos días enteros")
    semana_anterior: MovimientosCasos = Field(description="Los 7 de antes de esos")


def summarize_cases(
    docs: Sequence[Mapping[str, Any]], hoy: date, presenta: Presentacion
) -> ResumenCasos:
    """Return what cases add up to on a local day.

    ``docs``: every case that goes on, ended or was moved since two weeks before ``hoy``.
    """
    entonces = hoy - SEMANA
    ahora_abiertos = [doc for doc in docs if _open_at(doc, hoy + UN_DIA, presenta)]
    antes_abiertos = [doc for doc in docs if _open_at(doc, entonces, presenta)]

    def euros(suyos: Sequence[Mapping[str, Any]]) -> float:
        return presenta.euros(sum(doc["recuperable_kwh"] for doc in suyos)) or 0.0

    def in_hand(suyos: Sequence[Mapping[str, Any]], dia: date) -> int:
        return sum(_state_at(doc, presenta.medianoche(dia)) in EN_CURSO for doc in suyos)

    def moved(desde: date, dias: timedelta) -> MovimientosCasos:
        return _moved(docs, desde, desde + dias, presenta)

    return ResumenCasos(
        hasta=hoy - UN_DIA,
        abiertos=len(ahora_abiertos),
        abiertos_antes=len(antes_abiertos),
        en_curso=in_hand(ahora_abiertos, hoy + UN_DIA),
        en_curso_antes=in_hand(antes_abiertos, entonces),
        recuperable_eur=euros(ahora_abiertos),
        recuperable_eur_antes=euros(antes_abiertos),
        hoy=moved(hoy, UN_DIA),
        semana=moved(entonces, SEMANA),
        semana_anterior=moved(entonces - SEMANA, SEMANA),
    )


def _state_at(doc: Mapping[str, Any], momento: datetime) -> str:
    """Return the ``estado`` that people had given a case at an instant; ``nuevo`` = none."""
    estado = NUEVO
    for movimiento in doc.get("historial", ()):
        if movimiento["cuando"] < momento:
            estado = movimiento["despues"].get("estado", estado)
    return str(estado)


def _open_at(doc: Mapping[str, Any], dia: date, presenta: Presentacion) -> bool:
    """Return whether a case was open when a local day began."""
    cierre = doc["fecha_cierre"]
    if doc["fecha_apertura"] >= dia.isoformat():
        return False
    if cierre is not None and cierre < dia.isoformat():
        return False
    return _state_at(doc, presenta.medianoche(dia)) not in JUZGADOS


def _moved(
    docs: Sequence[Mapping[str, Any]], desde: date, hasta: date, presenta: Presentacion
) -> MovimientosCasos:
    """Return what happened in the local days [desde, hasta)."""
    dias = (desde.isoformat(), hasta.isoformat())
    inicio, fin = presenta.medianoche(desde), presenta.medianoche(hasta)

    def said(doc: Mapping[str, Any], campo: str) -> bool:
        dicho = doc.get(campo)
        return dicho is not None and inicio <= dicho["cuando"] < fin

    def ended(doc: Mapping[str, Any]) -> bool:
        cierre = doc["fecha_cierre"]
        if cierre is None or not dias[0] <= cierre < dias[1]:
            return False
        de_noche = presenta.medianoche(date.fromisoformat(cierre) + UN_DIA)
        return _state_at(doc, de_noche) not in JUZGADOS

    return MovimientosCasos(
        abiertos=sum(dias[0] <= doc["fecha_apertura"] < dias[1] for doc in docs),
        terminados=sum(map(ended, docs)),
        confirmados=sum(d["estado"] == CONFIRMADO and said(d, "veredicto") for d in docs),
        descartados=sum(d["estado"] == DESCARTADO and said(d, "veredicto") for d in docs),
        recuperado_eur=round(
            sum(d["resultado"]["recuperado_eur"] or 0.0 for d in docs if said(d, "resultado")), 2
        ),
    )


# ---- How often one is right ----


class TasaAciertos(StoredRecord):
    """How many of some visits found something."""

    model_config = de("Cuántas visitas hallaron algo, y lo que se recuperó.")
    visitas: int = Field(ge=0, description="Visitas de las que se sabe qué había", examples=[20])
    hallados: int = Field(ge=0, description="De ellas, las que hallaron algo", examples=[13])
    tasa: Ratio | None = Field(
        description="hallados / visitas; nulo = sin visitas", examples=[0.65]
    )
    tasa_minima: Ratio | None = Field(
        description="Lo menos que puede ser la tasa: intervalo de Wilson al 95 %", examples=[0.4329]
    )
    tasa_maxima: Ratio | None = Field(
        description="Lo más que puede ser la tasa, con el mismo intervalo", examples=[0.8188]
    )
    energia_recuperada_kwh: Kwh = Field(description="Lo recuperado, kWh", examples=[21000.0])
    recuperado_eur: float = Field(description="Lo recuperado, €", examples=[3150.0])
    eur_por_visita: float | None = Field(
        description="recuperado_eur / visitas, €; nulo = sin visitas", examples=[157.5]
    )


class AciertosTipo(TasaAciertos):
    """Those of a kind of case."""

    model_config = de("Las visitas de un tipo de caso.")
    tipo: str = Field(description="Qué parecía", examples=["plantacion_cannabis"])


class AciertosMes(TasaAciertos):
    """Those of a month."""

    model_config = de("Las visitas de un mes.")
    mes: str = Field(description="Mes local de la visita, AAAA-MM", examples=["2026-11"])


class AciertosVersion(TasaAciertos):
    """Those of a version of the model."""

    model_config = de("Las visitas de lo que juzgó una versión.")
    version_modelo: str = Field(
        description="Qué lo juzgó", examples=["consumo-detector-3+reglas-1a2b3c4d5e6f"]
    )


class Aciertos(StoredRecord):
    """How often visits find something, and what they give."""

    model_config = de("Con qué frecuencia se halla algo al ir a verlo, y cuánto rinde.")
    desde: date | None = Field(description="Primer día de las visitas; nulo = desde siempre")
    hasta: date | None = Field(description="Último día de las visitas; nulo = hasta hoy")
    total: TasaAciertos = Field(description="Todas las visitas")
    por_lista: TasaAciertos = Field(description="Las que se hicieron por el puesto en la lista")
    por_sorteo: TasaAciertos = Field(
        description="Las que salieron en el sorteo: lo que se hallaría sin elegir"
    )
    por_tipo: list[AciertosTipo] = Field(description="Por tipo, el de más visitas primero")
    por_mes: list[AciertosMes] = Field(description="Por mes, el más antiguo primero")
    por_version: list[AciertosVersion] = Field(
        description="Por versión del modelo, la de más visitas primero"
    )


def wilson(hallados: int, visitas: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927), visitas >= 1.

    Examples
    --------
    >>> tuple(round(x, 4) for x in wilson(13, 20))
    (0.4329, 0.8188)
    >>> tuple(round(x, 2) for x in wilson(0, 5))
    (0.0, 0.43)
    """
    parte, z2 = hallados / visitas, Z_95**2 / visitas
    centro = (parte + z2 / 2) / (1 + z2)
    margen = Z_95 / (1 + z2) * ((parte * (1 - parte) + z2 / 4) / visitas) ** 0.5
    return max(0.0, centro - margen), min(1.0, centro + margen)


def hit_rates(
    docs: Sequence[Mapping[str, Any]], desde: date | None, hasta: date | None
) -> Aciertos:
    """Return how often visits found something.

    ``docs``: cases with a visit of these days and an outcome, or a verdict in place of one.
    """

    def by(cual: Callable[[Mapping[str, Any]], str]) -> dict[str, list[Mapping[str, Any]]]:
        grupos: dict[str, list[Mapping[str, Any]]] = {}
        for doc in docs:
            grupos.setdefault(cual(doc), []).append(doc)
        return dict(sorted(grupos.items(), key=lambda uno: (-len(uno[1]), uno[0])))

    por_mes = by(lambda doc: doc["visita"]["fecha"][:LARGO_MES])
    return Aciertos(
        desde=desde,
        hasta=hasta,
        total=TasaAciertos(**_rate(docs)),
        por_lista=TasaAciertos(**_rate([doc for doc in docs if not doc.get("sorteo")])),
        por_sorteo=TasaAciertos(**_rate([doc for doc in docs if doc.get("sorteo")])),
        por_tipo=[
            AciertosTipo(tipo=tipo, **_rate(suyos))
            for tipo, suyos in by(lambda doc: doc["tipo"]).items()
        ],
        por_mes=[AciertosMes(mes=mes, **_rate(suyos)) for mes, suyos in sorted(por_mes.items())],
        por_version=[
            AciertosVersion(version_modelo=version, **_rate(suyos))
            for version, suyos in by(lambda doc: doc["version_modelo"]).items()
        ],
    )


def _rate(docs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    visitas, hallados = len(docs), sum(map(_found, docs))
    menor, mayor = wilson(hallados, visitas) if visitas else (None, None)
    eur, energia = (
        sum((doc.get("resultado") or {}).get(campo) or 0.0 for doc in docs)
        for campo in ("recuperado_eur", "energia_recuperada_kwh")
    )
    return {
        "visitas": visitas,
        "hallados": hallados,
        "tasa": hallados / visitas if visitas else None,
        "tasa_minima": menor,
        "tasa_maxima": mayor,
        "energia_recuperada_kwh": energia,
        "recuperado_eur": round(eur, 2),
        "eur_por_visita": round(eur / visitas, 2) if visitas else None,
    }


def _found(doc: Mapping[str, Any]) -> bool:
    resultado = doc.get("resultado")
    return bool(doc["estado"] == CONFIRMADO if resultado is None else resultado["hallado"])
