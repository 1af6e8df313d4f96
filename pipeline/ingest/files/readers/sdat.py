"""SDAT-CH, the Swiss market's ebIX messages of measured values (``ValidatedMeteredData``, E66).

Values follow one another from ``StartDateTime`` (UTC) in steps of ``Resolution``; each says its
place. What is read is the point of consumption; that of production goes out. A message of reactive
energy is left out. Two messages of one point with other values (the whole, and the part that came
from a community) are two values of the same hour, and both are refused by the engine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from detection.errors import LecturaInvalidaError
from pipeline.ingest.files.blocks import (
    FILAS_POR_TROZO,
    Informe,
    Intervalos,
    LectorEnCodigo,
    MotivoArchivo,
    Recogida,
    reject,
)
from pipeline.ingest.files.container import Entrada
from pipeline.ingest.files.readers.markup import parse_markup, starts_as_xml
from pipeline.ingest.files.readers.numbers_of_text import read_energy
from pipeline.ingest.files.text_cells import FormatoError, brief, short_id

_ESPACIO = "http://www.strom.ch"
_FACTORES = {"WH": 1e-3, "KWH": 1.0, "MWH": 1e3}
_PRODUCTOS_DE_EBIX, _ENERGIA_ACTIVA = "8716867", "8716867000030"
_MINUTOS = {"1": "MIN", "5": "MIN", "10": "MIN", "15": "MIN", "30": "MIN", "60": "MIN"}
_NUMERO = re.compile(r"[1-9]\d{0,6}", re.ASCII)
# ebIX's Condition of a value: 21 = temporary. Others are not said to be real or estimated.
_METODOS = {"21": 2}


@dataclass(slots=True)
class _Serie:
    """What a ``MeteringData`` says before its values, and these, until all of them are there."""

    campos: dict[str, str] = field(default_factory=dict)
    lista: bool = False
    inicio: int = 0
    fin: int = 0
    segundos: int = 0
    cliente: str = ""
    factor: float = 0.0
    valores: list[tuple[int, dict[str, str]]] = field(default_factory=list)


def read_sdat(entrada: Entrada, informe: Informe) -> Iterator[Intervalos]:
    """Yield the intervals of a file."""
    informe.zona = "UTC"
    recogida = Recogida()
    serie, camino, usados = _Serie(), list[str](), 0
    observacion: dict[str, str] = {}
    comienzo = 0
    for empieza, espacio, nombre, _, texto, linea in parse_markup(entrada):
        if empieza:
            camino.append(nombre)
            if len(camino) > _HONDO_MAXIMO:
                raise FormatoError(f"la línea {linea} está a más de {_HONDO_MAXIMO} elementos")
            if nombre == "MeteringData":
                serie = _Serie()
            elif nombre == "Observation":
                observacion, comienzo = {}, linea
            continue
        camino.pop()
        if espacio != _ESPACIO:
            continue
        if "Observation" in camino:
            observacion.setdefault(nombre, texto)
        elif nombre == "Observation":
            if not serie.lista:
                _begin(serie, comienzo, informe)
            if serie.factor:
                usados += 1
                serie.valores.append((comienzo, observacion))
        elif nombre == "MeteringData":
            _add_values(recogida, serie)
            if len(recogida) >= FILAS_POR_TROZO:
                yield recogida.take(entrada.avance)
        elif texto:
            serie.campos.setdefault(_key(camino, nombre), texto)
    if len(recogida):
        yield recogida.take(1.0)
    elif not usados:
        que = ": solo energía vertida" * informe.vertida
        raise FormatoError(f"no tiene consumo por intervalos (ConsumptionMeteringPoint){que}")


_HONDO_MAXIMO = 40


def _key(camino: list[str], nombre: str) -> str:
    """Return the name of a field, with its parent's where two have the same."""
    if nombre in {"VSENationalID", "Resolution", "Unit", "ID"} and camino:
        return f"{camino[-1]}/{nombre}"
    return nombre


def _begin(serie: _Serie, linea: int, informe: Informe) -> None:
    """Read what stands before the values; ``factor`` 0 = these are not consumption."""
    serie.lista = True
    campos = serie.campos
    cliente = campos.get("ConsumptionMeteringPoint/VSENationalID", "")
    produce = campos.get("ProductionMeteringPoint/VSENationalID", "")
    if cliente and produce:
        raise FormatoError(f"la línea {linea} dice que es de consumo y de producción a la vez")
    if not cliente:
        if produce:
            informe.note_exported("ProductionMeteringPoint")
            return
        raise FormatoError(f"la línea {linea} no dice de qué punto de medida es (VSENationalID)")
    unidad = campos.get("MeasureUnit", "")
    producto = campos.get("Product/ID", "")
    factor = _FACTORES.get(unidad.upper())
    if producto.startswith(_PRODUCTOS_DE_EBIX) and producto != _ENERGIA_ACTIVA:
        informe.note(f"el producto {brief(producto)} no es energía activa y no se envía")
        return
    if factor is None:
        informe.note(f"la unidad «{brief(unidad)}» no es de energía activa y no se envía")
        return
    minutos, medida = (campos.get(f"Resolution/{n}", "") for n in ("Resolution", "Unit"))
    if _MINUTOS.get(minutos) != medida.upper():
        raise FormatoError(
            f"la línea {linea} tiene valores cada «{brief(minutos)} {brief(medida)}», "
            "y han de ser minutos que quepan en una hora"
        )
    try:
        inicio = datetime.fromisoformat(campos.get("StartDateTime", ""))
    except ValueError:
        raise FormatoError(f"la línea {linea} no dice cuándo empieza (StartDateTime)") from None
    if inicio.tzinfo is None:
        raise FormatoError(f"la línea {linea}: StartDateTime no dice su desfase de UTC")
    informe.unidad = unidad
    serie.inicio, serie.segundos = int(inicio.timestamp()), int(minutos) * 60
    serie.fin = _end(campos.get("EndDateTime", ""))
    serie.cliente, serie.factor = short_id(cliente), factor


def _end(texto: str) -> int:
    """Return when a series ends, in seconds; 0 = it does not say."""
    try:
        fin = datetime.fromisoformat(texto)
    except ValueError:
        return 0
    return 0 if fin.tzinfo is None else int(fin.timestamp())


def _add_values(recogida: Recogida, serie: _Serie) -> None:
    """Hand over the values of a series, if they fit between its beginning and its end."""
    puestos = [v.get("Sequence", "") for _, v in serie.valores]
    ultimo = max((int(p) for p in puestos if _NUMERO.fullmatch(p)), default=0)
    if serie.fin and serie.inicio + ultimo * serie.segundos > serie.fin:
        caben = max(0, serie.fin - serie.inicio) // serie.segundos
        detalle = (
            f"{brief(serie.cliente)}: entre StartDateTime y EndDateTime caben {caben} valores de "
            f"{serie.segundos // 60} minutos y tiene {ultimo}: no se sabe cuánto duran"
        )
        recogida.reject(serie.valores[0][0], reject(MotivoArchivo.TIEMPO_DUDOSO, detalle))
        return
    for linea, valor in serie.valores:
        _add_value(recogida, linea, valor, serie)


def _add_value(recogida: Recogida, linea: int, observacion: dict[str, str], serie: _Serie) -> None:
    """Hand over a value."""
    puesto = observacion.get("Sequence", "")
    if not _NUMERO.fullmatch(puesto):
        detalle = f"Sequence «{brief(puesto)}» no es un número de orden desde 1"
        recogida.reject(linea, reject(MotivoArchivo.REGISTRO_NO_VALIDO, detalle))
        return
    inicio = serie.inicio + (int(puesto) - 1) * serie.segundos
    try:
        kwh = read_energy(observacion.get("Volume", ""), serie.factor)
    except LecturaInvalidaError as error:
        recogida.reject_interval(linea, serie.cliente, inicio, serie.segundos, error)
        return
    metodo = _METODOS.get(observacion.get("Condition", ""), 0)
    recogida.add(linea, serie.cliente, inicio, serie.segundos, kwh, metodo=metodo)


SDAT = LectorEnCodigo(
    "SDAT (ebIX, Suiza)",
    lambda entrada: starts_as_xml(entrada, b"http://www.strom.ch"),
    read_sdat,
)
