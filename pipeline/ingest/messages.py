"""Readings out of raw messages, and back (contract 2).

Two paths read a message and agree: a fast one for what is as it should be, and
a slow one for what the fast one refuses, which either reads it all the same
(an odd but valid message) or names the reason.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from detection.domain import Lecturas, instante
from pipeline.ingest.validation import (
    TIEMPOS_EN_MEMORIA,
    DecodedReadings,
    Motivo,
    ReadingRules,
    invalida,
)


class _Mensaje(msgspec.Struct, gc=False):
    propietario_id: str
    consumo_kwh: float
    timestamp: str | None = None
    fecha: str | None = None
    hora: int | None = None


class _Salida(msgspec.Struct, gc=False, omit_defaults=True):
    propietario_id: str
    timestamp: str
    consumo_kwh: float
    etiqueta: str | int | None = None
    metodo: str | None = None


# Stands for a message that the fast path refused; fails every check, so the slow path reads it.
_ILEGIBLE = _Mensaje("", math.nan, "")


class MessageDecoder:
    """Readings out of messages, by the rules of contract 2.

    Parameters
    ----------
    zona : str
        IANA zone of times without offset.
    consumo_maximo_kwh : float
        Largest reading admitted, kWh in one hour.

    Examples
    --------
    >>> decodificador = MessageDecoder("Europe/Madrid", 10_000.0)
    >>> mensaje = b'{"propietario_id":"A","timestamp":"1970-01-02T01:00Z","consumo_kwh":1}'
    >>> decodificador.decode([mensaje], ahora_hora=0).invalidas[0][1].motivo
    'tiempo_anterior_a_2000'
    """

    def __init__(self, zona: str, consumo_maximo_kwh: float) -> None:
        self._reglas = ReadingRules(zona, consumo_maximo_kwh)
        self._leer = msgspec.json.Decoder(_Mensaje).decode

    def decode(self, valores: Sequence[bytes | None], ahora_hora: int) -> DecodedReadings:
        """Return the readings in raw messages, and the reason of each message that is none.

        Parameters
        ----------
        valores : sequence of bytes or None
            Values of the messages; None = tombstone.
        ahora_hora : int
            Absolute hour of now.
        """
        leer, leidos = self._leer, list[_Mensaje]()
        por_leer = iter(valores)
        while len(leidos) < len(valores):
            try:
                for valor in por_leer:
                    leidos.append(leer(valor))  # type: ignore[arg-type]
            except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, TypeError):
                leidos.append(_ILEGIBLE)
        return self._reglas.check(
            [m.propietario_id for m in leidos],
            [(m.fecha, m.hora) if m.timestamp is None else m.timestamp for m in leidos],
            np.array([m.consumo_kwh for m in leidos], np.float64),
            ahora_hora,
            lambda i: _parse_object(valores[i]),
        )


class MessageEncoder:
    """Messages out of readings, with local time and its offset.

    Parameters
    ----------
    zona : str
        IANA zone in which the times are written.

    Examples
    --------
    >>> lecturas = Lecturas(["CLI_00001"], np.array([491425]), np.array([1.234]))
    >>> MessageEncoder("Europe/Madrid").encode(lecturas)
    [b'{"propietario_id":"CLI_00001","timestamp":"2026-01-23T02:00:00+01:00","consumo_kwh":1.234}']
    """

    def __init__(self, zona: str) -> None:
        self._zona = ZoneInfo(zona)
        self._textos: dict[int, str] = {}
        self._escribir = msgspec.json.Encoder().encode

    def encode(
        self,
        lecturas: Lecturas,
        etiqueta: Sequence[str | int | None] | None = None,
        metodo: Sequence[str | None] | None = None,
    ) -> list[bytes]:
        """Return the messages (n,) of some readings, kWh in their shortest exact form.

        Parameters
        ----------
        etiqueta, metodo : sequence (n,), optional
            Truth and provenance of each reading; None = left out.
        """
        nada = [None] * len(lecturas)
        escribir, texto = self._escribir, self._text
        return [
            escribir(_Salida(propietario_id, texto(hora), kwh, eti, met))
            for propietario_id, hora, kwh, eti, met in zip(
                lecturas.propietario_id,
                lecturas.hora_utc.tolist(),
                lecturas.consumo_kwh.tolist(),
                nada if etiqueta is None else etiqueta,
                nada if metodo is None else metodo,
                strict=True,
            )
        ]

    def _text(self, hora: int) -> str:
        texto = self._textos.get(hora)
        if texto is None:
            if len(self._textos) >= TIEMPOS_EN_MEMORIA:
                self._textos.clear()
            texto = instante(hora).astimezone(self._zona).isoformat()
            self._textos[hora] = texto
        return texto


def _parse_object(valor: bytes | None) -> dict[str, Any]:
    """Return the fields of a message, or raise with what it is instead."""
    if valor is None:
        raise invalida(Motivo.MENSAJE_SIN_VALOR, "el mensaje no lleva valor")
    try:
        objeto = json.loads(valor.decode("utf-8"), parse_int=_parse_int)
    except UnicodeDecodeError:
        raise invalida(Motivo.NO_ES_JSON, "el mensaje no es UTF-8") from None
    except json.JSONDecodeError as error:
        raise invalida(Motivo.NO_ES_JSON, f"no se entiende el carácter {error.pos + 1}") from None
    except RecursionError:
        raise invalida(Motivo.NO_ES_JSON, "demasiados niveles") from None
    if not isinstance(objeto, dict):
        raise invalida(Motivo.NO_ES_OBJETO, "el mensaje es JSON, pero no un objeto")
    return objeto


def _parse_int(texto: str) -> int | float:
    # Python refuses to convert thousands of digits; a double is infinite long before that.
    return int(texto) if len(texto) < 300 else float(texto)
