"""What makes a reading valid (contract 2): one definition, for messages and for rows of files.

Whole columns are checked at once; only a row that fails is looked at by itself,
to name the reason, or to read it after all where it was merely odd.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from detection.domain import HORAS_POR_DIA, LARGO_MAXIMO_ID, Lecturas, hora_absoluta, instante
from detection.errors import LecturaInvalidaError
from serving.local_time import PRIMER_ANIO, ULTIMO_ANIO

HORAS_DE_ADELANTO = HORAS_POR_DIA
"""How far in the future a reading may be: 24 h (contract 2)."""

# A batch holds few distinct times; the bound only guards against hostile input.
TIEMPOS_EN_MEMORIA = 65_536
_SIN_HORA = -(2**62)
# What ``datetime.fromisoformat`` also takes (dates alone, week dates, any separator) would turn
# a mistake into an hour nobody meant.
_ISO_8601 = re.compile(
    r"\d{4}-\d\d-\d\d[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d([.,]\d{1,9})?)?(Z|[+-]\d\d(:?\d\d)?)?",
    re.ASCII,
)
_FECHA = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

TimeKey: TypeAlias = "str | tuple[str | None, int | None]"
"""When a reading says it starts: its ``timestamp``, or its ``fecha`` and ``hora``."""


class Motivo(StrEnum):
    """Why a message or a row is no reading: the closed list, as the dead letters bear it."""

    MENSAJE_SIN_VALOR = "mensaje_sin_valor"
    NO_ES_JSON = "no_es_json"
    NO_ES_OBJETO = "no_es_objeto"
    PROPIETARIO_AUSENTE = "propietario_id_ausente"
    PROPIETARIO_NO_TEXTO = "propietario_id_no_es_texto"
    PROPIETARIO_EN_BLANCO = "propietario_id_en_blanco"
    PROPIETARIO_LARGO = "propietario_id_demasiado_largo"
    PROPIETARIO_CARACTERES = "propietario_id_con_caracteres_no_imprimibles"
    TIEMPO_AUSENTE = "tiempo_ausente"
    TIEMPO_ILEGIBLE = "tiempo_ilegible"
    HORA_INEXISTENTE = "hora_local_inexistente"
    HORA_NO_EN_PUNTO = "hora_no_en_punto"
    TIEMPO_FUTURO = "tiempo_futuro"
    TIEMPO_ANTIGUO = "tiempo_anterior_a_2000"
    CONSUMO_AUSENTE = "consumo_kwh_ausente"
    CONSUMO_NO_NUMERO = "consumo_kwh_no_es_numero"
    CONSUMO_NO_FINITO = "consumo_kwh_no_es_finito"
    CONSUMO_NEGATIVO = "consumo_kwh_negativo"
    CONSUMO_EXCESIVO = "consumo_kwh_excesivo"


@dataclass(frozen=True, slots=True)
class DecodedReadings:
    """What a list of messages holds.

    Parameters
    ----------
    lecturas : Lecturas
        The valid readings, in order of arrival.
    posiciones : ndarray (len(lecturas),), int64
        Where in the input each of them was.
    invalidas : list of (int, LecturaInvalidaError)
        Position of everything else and its reason, in order of arrival.
    """

    lecturas: Lecturas
    posiciones: NDArray[np.int64]
    invalidas: list[tuple[int, LecturaInvalidaError]]


class HourParser(dict[TimeKey, int]):
    """Absolute hour of each time that was asked for: parsed once, then looked up.

    Parameters
    ----------
    zona : str
        Zone of the times without offset. Of a local hour that comes twice (October) such a time
        means the first one; one that does not exist (March) is refused.
    """

    def __init__(self, zona: str) -> None:
        super().__init__()
        self._zona = ZoneInfo(zona)
        self.primera = hora_absoluta(datetime(PRIMER_ANIO, 1, 1, tzinfo=self._zona))

    def __missing__(self, clave: TimeKey) -> int:
        try:
            hora = self.parse(clave)
        except LecturaInvalidaError:
            return _SIN_HORA
        if len(self) >= TIEMPOS_EN_MEMORIA:
            self.clear()
        self[clave] = hora
        return hora

    def parse(self, clave: TimeKey) -> int:
        """Return the absolute hour of a time, or raise ``LecturaInvalidaError``."""
        momento = _moment(clave)
        # Outside these years arithmetic with zones may overflow; the exact limits come later.
        if momento.year < PRIMER_ANIO - 1:
            raise invalida(Motivo.TIEMPO_ANTIGUO, f"«{momento}»")
        if momento.year > ULTIMO_ANIO:
            raise invalida(Motivo.TIEMPO_FUTURO, f"«{momento}»")
        if momento.tzinfo is None:
            local = momento.replace(tzinfo=self._zona)
            momento = local.astimezone(UTC)
            if momento.astimezone(self._zona).replace(tzinfo=None) != local.replace(tzinfo=None):
                raise invalida(
                    Motivo.HORA_INEXISTENTE,
                    f"«{local:%Y-%m-%d %H:%M}» no existe en {self._zona.key} (cambio de hora)",
                )
        momento = momento.astimezone(UTC)
        if momento.minute or momento.second or momento.microsecond:
            raise invalida(
                Motivo.HORA_NO_EN_PUNTO, f"«{momento:%Y-%m-%dT%H:%M:%SZ}» no es una hora en punto"
            )
        return hora_absoluta(momento)

    def second(self, texto: str) -> str | None:
        """Return, of a local time that comes twice (October), its second time with its offset."""
        if not _ISO_8601.fullmatch(texto):
            return None
        try:
            momento = datetime.fromisoformat(texto)
        except ValueError:
            return None
        if momento.tzinfo is not None or not PRIMER_ANIO <= momento.year <= ULTIMO_ANIO:
            return None
        primera, segunda = (momento.replace(tzinfo=self._zona, fold=vez) for vez in (0, 1))
        # In the gap of March the second offset is the larger one.
        vuelve = (segunda.utcoffset() or timedelta()) < (primera.utcoffset() or timedelta())
        return segunda.isoformat() if vuelve else None


class ReadingRules:
    """The rules of contract 2, for one zone and one largest reading.

    Parameters
    ----------
    zona : str
        IANA zone of times without offset.
    consumo_maximo_kwh : float
        Largest reading admitted, kWh in one hour.
    """

    def __init__(self, zona: str, consumo_maximo_kwh: float) -> None:
        self.horas = HourParser(zona)
        self.maximo_kwh = consumo_maximo_kwh

    def check(
        self,
        propietario_id: list[str],
        claves: list[TimeKey],
        consumo_kwh: NDArray[np.float64],
        ahora_hora: int,
        campos_de: Callable[[int], Mapping[str, object]],
    ) -> DecodedReadings:
        """Return the readings among rows of columns, and the reason of each row that is none.

        Parameters
        ----------
        propietario_id : list of str (n,)
            "" where the row has none, or none that is text. Becomes part of the answer.
        claves : list of TimeKey (n,)
            When each row says it starts; "" where it does not say.
        consumo_kwh : ndarray (n,), float64
            NaN where the row has no number.
        ahora_hora : int
            Absolute hour of now.
        campos_de : callable
            Gives the fields of row i as they were written, to name what is wrong with it.
            Raises ``LecturaInvalidaError`` if they cannot be told apart.
        """
        horas = self.horas
        hora_utc = np.array([horas[clave] for clave in claves], np.int64)
        # NaN fails every comparison, so it counts as bad here.
        buena = (consumo_kwh >= 0.0) & (consumo_kwh <= self.maximo_kwh)
        buena &= (hora_utc >= horas.primera) & (hora_utc <= ahora_hora + HORAS_DE_ADELANTO)
        malos = {texto for texto in set(propietario_id) if not _is_id(texto)}
        if malos:
            buena &= np.array([texto not in malos for texto in propietario_id], np.bool_)
        invalidas: list[tuple[int, LecturaInvalidaError]] = []
        for i in np.flatnonzero(~buena).tolist():
            try:
                leida = self._read(campos_de(i), ahora_hora)
            except LecturaInvalidaError as error:
                invalidas.append((i, error))
            else:
                propietario_id[i], hora_utc[i], consumo_kwh[i] = leida
                buena[i] = True
        # Adding zero turns -0.0 into 0.0.
        lecturas = Lecturas(propietario_id, hora_utc, consumo_kwh + 0.0)
        posiciones = np.flatnonzero(buena)
        return DecodedReadings(
            lecturas if not invalidas else lecturas.elegir(posiciones), posiciones, invalidas
        )

    def _read(self, campos: Mapping[str, object], ahora_hora: int) -> tuple[str, int, float]:
        """Return one reading from its fields, or raise with the first thing that is wrong."""
        propietario_id = check_id(campos.get("propietario_id"))
        hora = self.horas.parse(_time_key(campos))
        if hora < self.horas.primera:
            raise invalida(Motivo.TIEMPO_ANTIGUO, f"«{instante(hora):%Y-%m-%dT%H:%MZ}»")
        if hora > ahora_hora + HORAS_DE_ADELANTO:
            raise invalida(
                Motivo.TIEMPO_FUTURO,
                f"«{instante(hora):%Y-%m-%dT%H:%MZ}» está a más de {HORAS_DE_ADELANTO} h de ahora",
            )
        return propietario_id, hora, self._check_kwh(campos.get("consumo_kwh"))

    def _check_kwh(self, valor: object) -> float:
        if valor is None:
            raise invalida(Motivo.CONSUMO_AUSENTE, "falta consumo_kwh")
        if isinstance(valor, bool) or not isinstance(valor, int | float):
            raise invalida(Motivo.CONSUMO_NO_NUMERO, f"«{_brief(valor)}» no es un número")
        if not math.isfinite(valor):
            raise invalida(Motivo.CONSUMO_NO_FINITO, f"«{valor}» no es un número finito")
        if valor < 0:
            raise invalida(Motivo.CONSUMO_NEGATIVO, f"{_brief(valor)} kWh es menor que cero")
        if valor > self.maximo_kwh:
            raise invalida(
                Motivo.CONSUMO_EXCESIVO,
                f"{_brief(valor)} kWh supera el máximo de {self.maximo_kwh:g}",
            )
        return float(valor)


def invalida(motivo: Motivo, detalle: str) -> LecturaInvalidaError:
    """Return the error of a reading that is none, with its reason."""
    return LecturaInvalidaError(str(motivo), detalle)


def _brief(valor: object) -> str:
    """Return a value's text, cut to what fits in a log line."""
    texto = f"{float(valor):g}" if type(valor) is int else str(valor)
    corto = texto if len(texto) <= 40 else f"{texto[:40]}…"
    return corto if corto.isprintable() else ascii(corto)


def _is_id(texto: str) -> bool:
    # PostgreSQL stores neither NUL nor lone surrogates; neither is printable.
    return (
        len(texto) <= LARGO_MAXIMO_ID
        and texto.isprintable()
        and not texto.isspace()
        and bool(texto)
    )


def check_id(valor: object) -> str:
    """Return a ``propietario_id``, or raise with what is wrong with it."""
    if valor is None:
        raise invalida(Motivo.PROPIETARIO_AUSENTE, "falta propietario_id")
    if not isinstance(valor, str):
        raise invalida(Motivo.PROPIETARIO_NO_TEXTO, f"«{_brief(valor)}» no es un texto")
    if not valor.strip():
        raise invalida(Motivo.PROPIETARIO_EN_BLANCO, "propietario_id está en blanco")
    if len(valor) > LARGO_MAXIMO_ID:
        raise invalida(
            Motivo.PROPIETARIO_LARGO, f"{len(valor)} caracteres; el máximo es {LARGO_MAXIMO_ID}"
        )
    if not _is_id(valor):
        raise invalida(Motivo.PROPIETARIO_CARACTERES, ascii(valor))
    return valor


def _time_key(campos: Mapping[str, object]) -> TimeKey:
    """Return what a record says of its time: ``timestamp``, or else ``fecha`` and ``hora``."""
    timestamp = campos.get("timestamp")
    if timestamp is not None:
        if not isinstance(timestamp, str):
            raise invalida(Motivo.TIEMPO_ILEGIBLE, f"«{_brief(timestamp)}» no es un texto")
        return timestamp
    fecha, hora = campos.get("fecha"), campos.get("hora")
    if fecha is None or hora is None:
        raise invalida(Motivo.TIEMPO_AUSENTE, "falta timestamp, o fecha y hora")
    if not isinstance(fecha, str) or isinstance(hora, bool) or not isinstance(hora, int):
        raise invalida(Motivo.TIEMPO_ILEGIBLE, f"fecha «{_brief(fecha)}», hora «{_brief(hora)}»")
    return fecha, hora


def _moment(clave: TimeKey) -> datetime:
    """Return the moment that a text means, aware only if it bears an offset."""
    if isinstance(clave, str):
        if not clave.strip():
            raise invalida(Motivo.TIEMPO_AUSENTE, "timestamp está en blanco")
        if not _ISO_8601.fullmatch(clave):
            raise invalida(Motivo.TIEMPO_ILEGIBLE, f"«{_brief(clave)}» no es ISO 8601 con hora")
        texto, horas = clave, 0
    else:
        fecha, hora = clave
        if fecha is None or hora is None:
            raise invalida(Motivo.TIEMPO_AUSENTE, "falta timestamp, o fecha y hora")
        if not _FECHA.fullmatch(fecha) or not 0 <= hora < HORAS_POR_DIA:
            raise invalida(Motivo.TIEMPO_ILEGIBLE, f"fecha «{_brief(fecha)}», hora {_brief(hora)}")
        texto, horas = fecha, hora
    try:
        return datetime.fromisoformat(texto) + timedelta(hours=horas)
    except (ValueError, OverflowError):
        raise invalida(Motivo.TIEMPO_ILEGIBLE, f"«{_brief(texto)}» no existe") from None
