"""Numbers as texts: whose mark is the decimal one is proved by the whole file, or not at all."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from detection.errors import LecturaInvalidaError
from pipeline.ingest.files.blocks import MotivoArchivo, reject
from pipeline.ingest.files.text_cells import brief, clean
from pipeline.ingest.validation import Motivo, invalida

_ENTERO = re.compile(r"[+-]?\d+", re.ASCII)
_CIENTIFICO = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)[eE][+-]?\d+", re.ASCII)
_NO_FINITO = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_UNA_MARCA = re.compile(r"[+-]?(\d*)([.,])(\d*)", re.ASCII)
_MILLARES = re.compile(r"[+-]?\d{1,3}(?:([.,])\d{3})(?:\1\d{3})*(?:([.,])(\d+))?", re.ASCII)
_CON_BLANCOS = re.compile(r"[+-]?\d{1,3}(?:[ \u00a0\u202f\u2009]\d{3})+(?:([.,])\d+)?", re.ASCII)
"""Thousands apart, as in French and in what browsers write: its other mark is the decimal one."""
_OTRA = {".": ",", ",": "."}

NumeroLeido: TypeAlias = "float | LecturaInvalidaError"


@dataclass(slots=True)
class Marcas:
    """What the numbers of a file prove about "." and ",".

    Parameters
    ----------
    decimales, millares : dict of str to str
        Marks that have been seen as decimal mark or between thousands, and the number that
        proves it.
    """

    decimales: dict[str, str] = field(default_factory=dict)
    millares: dict[str, str] = field(default_factory=dict)

    def see(self, textos: Iterable[str]) -> None:
        """Take the distinct texts of some numbers."""
        for texto in textos:
            papeles = _roles(texto)
            if papeles is None:
                apartes = _CON_BLANCOS.fullmatch(texto)
                if apartes is None:
                    continue
                papeles = apartes.group(1) or "", ""
            decimal, millar = papeles
            if decimal:
                self.decimales.setdefault(decimal, texto)
            if millar:
                self.millares.setdefault(millar, texto)

    def describe(self) -> str:
        """Return the decision for the user."""
        partes = [f"«{m}» decimal" for m in sorted(self.decimales)]
        partes += [f"«{m}» de millares (lo prueba «{t}»)" for m, t in sorted(self.millares.items())]
        return ", ".join(partes)


def _roles(texto: str) -> tuple[str, str] | None:
    """Return what a number proves: its decimal mark and that of its thousands, "" = neither.

    None: it is no number, or its only mark may be either.
    """
    una = _UNA_MARCA.fullmatch(texto)
    if una is not None and (una.group(1) or una.group(3)):
        entera, marca, resto = una.groups()
        if len(resto) == 3 and 1 <= len(entera) <= 3 and entera[0] != "0":
            return None
        return marca, ""
    varias = _MILLARES.fullmatch(texto)
    if varias is None:
        return None
    millar, decimal = varias.group(1), varias.group(2)
    if decimal is None:
        return "", millar
    return (decimal, millar) if decimal != millar else None


class NumberReader:
    """Reads numbers, once it is known what the whole file proves.

    Parameters
    ----------
    marcas : Marcas
    decimal : str
        Mark where the file proves none; "" = unknown.
    """

    def __init__(self, marcas: Marcas, decimal: str) -> None:
        self._marcas = marcas
        probadas = bool(marcas.decimales or marcas.millares)
        self._supuesta = "" if probadas else decimal

    def read(self, celda: str) -> NumeroLeido:
        """Return the number of a cell, or why it is none."""
        texto = clean(celda)
        if not texto:
            return invalida(Motivo.CONSUMO_AUSENTE, "falta el consumo")
        if _ENTERO.fullmatch(texto) or _CIENTIFICO.fullmatch(texto):
            return _finite(float(texto), texto)
        if _NO_FINITO.fullmatch(texto):
            return invalida(Motivo.CONSUMO_NO_FINITO, f"«{brief(texto)}» no es un número finito")
        papeles = _roles(texto)
        if papeles is None:
            return self._ambiguous(texto)
        decimal, millar = papeles
        marcas = self._marcas
        if decimal in marcas.millares or millar in marcas.decimales:
            return self._doubtful(texto)
        sin_millares = texto.replace(millar, "") if millar else texto
        return _finite(float(sin_millares.replace(decimal or ".", ".")), texto)

    def _ambiguous(self, texto: str) -> NumeroLeido:
        """Return the number of a text whose only mark may be either, or that is none."""
        una = _UNA_MARCA.fullmatch(texto)
        apartes = _CON_BLANCOS.fullmatch(texto)
        if apartes is not None:
            decimal = apartes.group(1) or "."
            if decimal in self._marcas.millares:
                return self._doubtful(texto)
            return _finite(float("".join(texto.split()).replace(decimal, ".")), texto)
        if una is None or not una.group(1):
            return invalida(Motivo.CONSUMO_NO_NUMERO, f"«{brief(texto)}» no es un número")
        marca, marcas = una.group(2), self._marcas
        otra = _OTRA[marca]
        es_decimal = marca in marcas.decimales or otra in marcas.millares
        es_millar = marca in marcas.millares
        contra = otra in marcas.decimales
        if es_millar and not es_decimal:
            return float(texto.replace(marca, ""))
        if (es_decimal and not es_millar and not contra) or marca == self._supuesta:
            return float(texto.replace(marca, "."))
        return self._doubtful(texto)

    def _doubtful(self, texto: str) -> LecturaInvalidaError:
        sabido = self._marcas.describe() or "el archivo no dice cuál es su marca decimal"
        detalle = f"«{brief(texto)}» puede ser decimal o de millares ({sabido})"
        return reject(MotivoArchivo.NUMERO_DUDOSO, detalle)


def _finite(valor: float, texto: str) -> NumeroLeido:
    if math.isfinite(valor):
        return valor
    return invalida(Motivo.CONSUMO_NO_FINITO, f"«{brief(texto)}» no es un número finito")
