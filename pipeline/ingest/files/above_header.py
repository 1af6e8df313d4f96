"""What the lines above a table's header say of it, against what its layout takes for granted.

A line may name a unit, a quantity, a direction, a step or a zone. What stands there beside a figure
or a date (a total, a contracted power, when the file was exported) says nothing of the columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from pipeline.ingest.files.layout import Disposicion, split_header
from pipeline.ingest.files.profile_schema import normalize, normalize_cell
from pipeline.ingest.files.text_cells import FormatoError, brief
from pipeline.ingest.files.words import (
    CODIGOS,
    OTROS_SERVICIOS,
    denies_consumption,
    is_other_unit,
)

_CAMPO = re.compile(r"([^\d:=][^:=]*)[:=]\s*(.*)")
_CIFRA = re.compile(r"[-+]?\d[\d.,/: -]*(?:T[\d:.+Z-]*)?\s*\w{0,5}|ES\d{16}\w+")
_FECHA = re.compile(r"\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4}\b.*")
_ANIO = re.compile(r"(?:19|20)\d\d")
_PARTICIPIO = re.compile(r"\w+(?:ed|ado|ato|ert)")
_ENTRE_PARENTESIS = re.compile(r"\(([^()]*)\)")
_POTENCIA_DE_CONTRATO = re.compile(r"contrat|max|limit|nomin|instalad|pico|peak")
_DE_QUIEN = re.compile(
    r"(?:name|nombre|nome|naam|nom|titular|address|domicilio|calle|morada|adresse|indirizzo|"
    r"cliente|customer|razon_social|comercializadora|distribuidora|supplier|empresa|compania|"
    r"tarifa|contrato|peaje|producto|product)(?:$|_)"
)
_PASO = re.compile(r"(?:interval|resol|granular|periodicid|paso)")
_MINUTOS = re.compile(r"(\d+) ?(min\w*|h|horas?|hours?)")
_HORA_EN_UTC = re.compile(r"\d\d:\d\d(?::\d\d)?(?:\.\d+)? ?\(?(?:utc|gmt)\b")
_UTC_DE_WINDOWS = re.compile(r"\(utc[+-]\d\d:\d\d\) ?\w")
_UTC = re.compile(r"\b(?:utc|gmt)\b")
_ZONA = re.compile(r"\b[A-Z][A-Za-z]+/[A-Z][A-Za-z_]+\b")
_DOS_ESTACIONES = (datetime(2025, 1, 15), datetime(2025, 7, 15))


def check_above(disposicion: Disposicion, unidad: str, paso: int, zona: ZoneInfo) -> None:
    """Refuse a table above whose header something contradicts its layout.

    Parameters
    ----------
    unidad : str
        In which the values are read, ``columna`` where each row says it.
    paso : int
        Minutes of the shortest interval.
    zona : ZoneInfo
        Of times without offset.

    Raises
    ------
    FormatoError
        A line names another unit, step or zone, or what is no consumption.
    """
    con_paso = disposicion.perfil.tiempo.paso_encima is None
    for linea, campo, valor in _statements(disposicion.encima):
        que = ""
        if _says_no_consumption(campo, valor):
            que = "no es consumo"
        elif _has_other_unit(valor, unidad):
            que = f"se leería en {unidad}"
        elif con_paso and _has_other_step(campo, valor, paso):
            que = f"sus filas van de {paso} en {paso} minutos"
        elif _has_other_zone(valor, zona):
            que = f"se leería en la hora de {zona.key}"
        if que:
            raise FormatoError(
                f"es de {disposicion.perfil.nombre} y encima de su cabecera dice "
                f"«{brief(linea.strip())}»: {que}"
            )


def _statements(encima: list[str]) -> Iterator[tuple[str, str, str]]:
    """Yield line, field and value of what lines say; of a text alone the field is ""."""
    arriba: tuple[str, ...] = ()
    for linea in encima:
        celdas = split_header(linea).celdas
        nombres = arriba if len(arriba) == len(celdas) and sum(map(bool, arriba)) > 2 else ()
        arriba = celdas
        partes: list[str] = []
        for celda in celdas:
            campo = _CAMPO.fullmatch(celda)
            partes += list(campo.groups()) if campo else [celda]
        for i, parte in enumerate(partes):
            detras = next((p for p in partes[i + 1 :] if p), "")
            if not parte or _CIFRA.fullmatch(parte) or _is_beside_a_figure(parte, detras):
                if _MINUTOS.fullmatch(normalize_cell(parte)) and i:
                    yield linea, partes[i - 1], parte
                continue
            campo_suyo = nombres[i] if len(nombres) == len(partes) else partes[i - 1] if i else ""
            if not _DE_QUIEN.match(normalize(campo_suyo)):
                yield linea, campo_suyo, parte


def _is_beside_a_figure(parte: str, detras: str) -> bool:
    """Return whether a text names what stands behind it: a total, or when the file was made."""
    if _FECHA.fullmatch(detras) or _ANIO.fullmatch(detras):
        return _PARTICIPIO.fullmatch(normalize_cell(parte)) is not None
    return _CIFRA.fullmatch(detras) is not None


def _says_no_consumption(campo: str, valor: str) -> bool:
    suyo = normalize_cell(valor)
    if suyo in OTROS_SERVICIOS:
        return True
    return denies_consumption(valor) or (bool(campo) and CODIGOS.fullmatch(suyo) is not None)


def _has_other_unit(valor: str, unidad: str) -> bool:
    if _POTENCIA_DE_CONTRATO.search(normalize_cell(valor)):
        return False
    palabras = valor.split()
    ultima = palabras[-1] if palabras and len(palabras[-1]) > 1 else ""
    dichas = [valor, ultima, *_ENTRE_PARENTESIS.findall(valor)]
    return any(is_other_unit(dicha, unidad) for dicha in dichas)


def _has_other_step(campo: str, valor: str, paso: int) -> bool:
    dicho = _MINUTOS.fullmatch(normalize_cell(valor))
    if dicho is None or not _PASO.match(normalize(campo)):
        return False
    return int(dicho[1]) * (1 if dicho[2].startswith("min") else 60) != paso


def _has_other_zone(valor: str, zona: ZoneInfo) -> bool:
    suyo = normalize_cell(valor)
    for nombre in _ZONA.findall(valor):
        try:
            if _offsets(ZoneInfo(nombre)) != _offsets(zona):
                return True
        except (OSError, ValueError):
            continue
    if _UTC_DE_WINDOWS.search(suyo) or not _UTC.search(_HORA_EN_UTC.sub("", suyo)):
        return False
    return any(_offsets(zona))


def _offsets(zona: ZoneInfo) -> list[float]:
    """Return by how many seconds a zone is ahead of UTC in winter and in summer."""
    return [
        momento.replace(tzinfo=zona).utcoffset().total_seconds()  # type: ignore[union-attr]
        for momento in _DOS_ESTACIONES
    ]
