"""NEM12, the Australian market's file of interval meters (AEMO, Meter Data File Format).

Consumption is the sum of an NMI's E channels (what the grid hands out); B channels are what the
customer hands in and, as reactive energy and the like, are left out. The ``NMIConfiguration`` of
record 200 says which E channels there are: an hour counts once all of them cover it. Times are
market time, UTC+10 all the year. ``propietario_id`` is the NMI. Quality A is a real value, E, F and
S are estimated, N is none. A day that comes twice is that of the later ``UpdateDateTime``, unless
it comes from two meters: on the day of an exchange each has nothing where the other one measured,
and they are summed; an interval in which both measured is refused.

The library nemreader was tried and left: it reads a file whole into memory, skips a short day with
a line in its log, takes any text for a missing value, and names no line of a wrong quality.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

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
from pipeline.ingest.files.local_days import load_day
from pipeline.ingest.files.moments import read_day
from pipeline.ingest.files.readers.numbers_of_text import read_energy
from pipeline.ingest.files.text_cells import FormatoError, brief, read_rows, short_id

ZONA = "Etc/GMT-10"
"""UTC+10: the name's sign is the other way round."""
_MINUTOS_POR_DIA = 1440
_INTERVALOS = (5, 10, 15, 20, 30, 60)
_COMIENZO = re.compile(r"100,NEM1[23]\b|200,[^,]*,(?:[A-Z]\d)+,|300,\d{8},", re.IGNORECASE)
_CALIDAD = re.compile(r"[AEFNSV](\d\d)?", re.ASCII)
_CANAL = re.compile(r"[A-Z]\d", re.ASCII)
_REVISION = re.compile(r"\d{14}", re.ASCII)
_FACTORES = {"WH": 1e-3, "KWH": 1.0, "MWH": 1e3}
_METODOS = {"A": 1, "E": 2, "F": 2, "S": 2}


def is_nem12(entrada: Entrada) -> bool:
    """Return whether the first line that is not blank is a record of NEM12 or NEM13."""
    primera = next((linea for linea in entrada.head() if linea.strip()), "")
    return _COMIENZO.match(primera.strip()) is not None


def read_nem12(entrada: Entrada, informe: Informe) -> Iterator[Intervalos]:
    """Yield the intervals of a file; a record that is wrong is rejected with its line."""
    informe.zona = "UTC+10 (mercado australiano)"
    lector = _Registros(informe, _exchanges(entrada))
    with entrada.text() as lineas:
        for linea, campos in read_rows(lineas, ","):
            lector.read(linea, campos)
            if len(lector.recogida) >= FILAS_POR_TROZO:
                yield lector.recogida.take(entrada.avance)
    lector.close()
    if len(lector.recogida):
        yield lector.recogida.take(1.0)
    elif not lector.hay_consumo:
        que = ": solo energía vertida" * informe.vertida
        raise FormatoError(f"no tiene ningún canal de consumo (E){que}")


@dataclass(slots=True)
class _Canal:
    """What a record 200 says of the days that follow."""

    nmi: str
    nombre: str
    contador: str
    numero: int
    factor: float
    minutos: int


@dataclass(slots=True)
class _Dia:
    """A record 300; its qualities may still be changed by records 400."""

    linea: int
    canal: _Canal
    fecha: str
    inicio: int
    valores: list[str]
    calidades: list[str]
    revision: int


def _days_of_meters(entrada: Entrada) -> Iterator[tuple[tuple[str, str], str, str]]:
    """Yield NMI and channel, serial number and date of each day of consumption."""
    canal, contador = ("", ""), ""
    with entrada.text() as lineas:
        for _, campos in read_rows(lineas, ","):
            if campos[0] == "200":
                hay = len(campos) > 6 and campos[4].upper().startswith("E")
                canal = (short_id(campos[1]), campos[4].upper()) if hay else ("", "")
                contador = campos[6] if hay else ""
            elif campos[0] == "300" and contador and len(campos) > 1:
                yield canal, contador, campos[1]


def _exchanges(entrada: Entrada) -> set[tuple[str, str, str]]:
    """Return NMI, channel and date of the days that come from more than one meter."""
    primeros: dict[tuple[str, str], str] = {}
    cambiados: set[tuple[str, str]] = set()
    for canal, contador, _ in _days_of_meters(entrada):
        if primeros.setdefault(canal, contador) != contador:
            cambiados.add(canal)
    if not cambiados:
        return set()
    dias: dict[tuple[str, str, str], set[str]] = {}
    for canal, contador, fecha in _days_of_meters(entrada):
        if canal in cambiados:
            dias.setdefault((*canal, fecha), set()).add(contador)
    return {dia for dia, contadores in dias.items() if len(contadores) > 1}


class _Registros:
    """Reads the records of a file in their order."""

    def __init__(self, informe: Informe, cambios: set[tuple[str, str, str]]) -> None:
        self.recogida = Recogida()
        self._cambios = cambios
        self._de_cambio: dict[tuple[str, str, str], dict[str, _Dia]] = {}
        self.hay_consumo = False
        self._informe = informe
        # A file in a zip goes on with the numbers of the one before.
        self._numeros = {nombre: n for n, nombre in informe.nombres_de_canal.items()}
        self._zona = ZoneInfo(ZONA)
        self._empezado = False
        self._canal: _Canal | None = None
        self._dia: _Dia | None = None

    def read(self, linea: int, campos: list[str]) -> None:
        tipo = campos[0]
        if not self._empezado and tipo != "100":
            raise FormatoError(
                f"la línea {linea} es un registro «{brief(tipo)}» y falta el 100, la cabecera"
            )
        if tipo != "400":
            self._end_day()
        try:
            if tipo == "100":
                self._start(linea, campos)
            elif tipo == "200":
                self._canal = None
                self._canal = self._read_200(campos)
            elif tipo == "300":
                self._read_300(linea, campos)
            elif tipo == "400" and self._dia is not None:
                self._read_400(self._dia, campos)
            elif tipo not in {"400", "500", "900"}:
                raise _wrong(f"no hay registros «{brief(tipo)}» en un NEM12")
        except LecturaInvalidaError as error:
            if tipo == "400":
                self._dia = None
            self.recogida.reject(linea, error)

    def close(self) -> None:
        self._end_day()
        for dias in self._de_cambio.values():
            self._sum_meters(list(dias.values()))

    def _start(self, linea: int, campos: list[str]) -> None:
        version = campos[1].upper() if len(campos) > 1 else ""
        if version == "NEM13":
            raise FormatoError("es un NEM13: lecturas de meses enteros, que no se pueden repartir")
        if version != "NEM12":
            raise FormatoError(f"la línea {linea} no dice NEM12, sino «{brief(version)}»")
        self._empezado = True

    def _read_200(self, campos: list[str]) -> _Canal | None:
        """Return the channel if it is one of consumption."""
        if len(campos) < 9:
            raise _wrong(f"un registro 200 tiene 9 campos o más, y hay {len(campos)}")
        nmi, configuracion, canal = short_id(campos[1]), campos[2].upper(), campos[4].upper()
        if canal.startswith("B"):
            self._informe.note_exported(f"canal {brief(canal)}")
        if not canal.startswith("E"):
            return None
        self.hay_consumo = True
        factor = _FACTORES.get(campos[7].upper())
        if factor is None:
            raise _wrong(f"la unidad «{brief(campos[7])}» no es de energía")
        if not campos[8].isascii() or campos[8] not in {str(m) for m in _INTERVALOS}:
            raise _wrong(f"no hay intervalos de «{brief(campos[8])}» minutos")
        self._informe.unidad = campos[7]
        nombrados = _CANAL.findall(configuracion)
        registro = campos[3].upper()
        otro = _CANAL.fullmatch(registro) is not None and registro[0] != canal[0]
        if otro or (nombrados and canal not in nombrados):
            raise _wrong(
                f"dice que su canal es {brief(canal)}, y también {brief(registro)} de "
                f"{brief(configuracion)}"
            )
        canales = {c for c in nombrados if c.startswith("E")} | {canal}
        # A number for each name; how many names there may be is the pattern's limit.
        numeros = {self._numeros.setdefault(c, len(self._numeros)) for c in sorted(canales)}
        self._informe.nombres_de_canal.update({n: c for c, n in self._numeros.items()})
        self._informe.canales_exigidos.setdefault(nmi, set()).update(numeros)
        return _Canal(nmi, canal, campos[6], self._numeros[canal], factor, int(campos[8]))

    def _read_300(self, linea: int, campos: list[str]) -> None:
        canal = self._canal
        if canal is None:
            return
        tocan = _MINUTOS_POR_DIA // canal.minutos
        hay = next((i for i, c in enumerate(campos[2:]) if _CALIDAD.fullmatch(c)), None)
        if hay != tocan:
            cuantos = "no acaban en una calidad" if hay is None else f"son {hay}"
            raise _wrong(
                f"un día de intervalos de {canal.minutos} min tiene {tocan} valores; aquí {cuantos}"
            )
        fecha = campos[1]
        leida = read_day(f"{fecha[:4]}-{fecha[4:6]}-{fecha[6:]}", "ymd")
        if not isinstance(leida, int):
            raise leida
        dia = load_day(leida, self._zona)
        valores, calidad = campos[2 : 2 + tocan], campos[2 + tocan][0]
        # Behind the quality: reason code, its description, UpdateDateTime.
        puesta = campos[5 + tocan] if len(campos) > 5 + tocan else ""
        revision = int(puesta) if _REVISION.fullmatch(puesta) else 0
        self._dia = _Dia(linea, canal, campos[1], dia.inicio, valores, [calidad] * tocan, revision)

    def _read_400(self, dia: _Dia, campos: list[str]) -> None:
        """Give some intervals of the day their own quality."""
        if len(campos) < 4 or not all(c.isascii() and c.isdigit() for c in campos[1:3]):
            raise _wrong("un registro 400 dice primer y último intervalo y su calidad")
        primero, ultimo = (int(c[:6]) for c in campos[1:3])
        if not 1 <= primero <= ultimo <= len(dia.valores) or not _CALIDAD.fullmatch(campos[3]):
            raise _wrong(
                f"intervalos {primero} a {ultimo} de {len(dia.valores)}, «{brief(campos[3])}»"
            )
        dia.calidades[primero - 1 : ultimo] = [campos[3][0]] * (ultimo - primero + 1)

    def _end_day(self) -> None:
        """Hand the intervals of the day over."""
        dia, self._dia = self._dia, None
        if dia is None:
            return
        if "V" in dia.calidades:
            sitio = dia.calidades.index("V") + 1
            error = _wrong(f"calidad V, y ningún registro 400 dice la del intervalo {sitio}")
            self.recogida.reject(dia.linea, error)
            return
        canal = dia.canal
        clave = (canal.nmi, canal.nombre, dia.fecha)
        if clave not in self._cambios:
            self._hand_over(dia, dia.valores)
            return
        contadores = self._de_cambio.setdefault(clave, {})
        antes = contadores.get(canal.contador)
        if antes is None or antes.revision <= dia.revision:
            contadores[canal.contador] = dia

    def _sum_meters(self, dias: list[_Dia]) -> None:
        """Hand over the day of an exchange: of each interval, the value of the meter that ran."""
        ultimo = dias[-1]
        if any(len(dia.valores) != len(ultimo.valores) for dia in dias):
            error = _wrong("dos contadores de un día tienen intervalos de otro largo")
            self.recogida.reject(ultimo.linea, error)
            return
        self._informe.note(
            f"{brief(ultimo.canal.nmi)}, {brief(ultimo.fecha)}: hay {len(dias)} contadores, "
            "y se suman"
        )
        for dia in dias:
            dia.valores = [_scaled(texto, dia.canal.factor) for texto in dia.valores]
        entero = _Dia(
            ultimo.linea,
            replace(ultimo.canal, factor=1.0),
            ultimo.fecha,
            ultimo.inicio,
            [_of_one(textos) for textos in zip(*(dia.valores for dia in dias), strict=True)],
            [
                "N" if "N" in letras else max(letras)
                for letras in zip(*(dia.calidades for dia in dias), strict=True)
            ],
            ultimo.revision,
        )
        self._hand_over(entero, entero.valores)

    def _hand_over(self, dia: _Dia, valores: list[str]) -> None:
        canal, segundos = dia.canal, dia.canal.minutos * 60
        for i, (texto, calidad) in enumerate(zip(valores, dia.calidades, strict=True)):
            sitio_y_serie = (dia.linea, canal.nmi, dia.inicio + i * segundos, segundos)
            try:
                kwh = None if calidad == "N" else read_energy(texto, canal.factor)
            except LecturaInvalidaError as error:
                self.recogida.reject_interval(
                    *sitio_y_serie, error, canal=canal.numero, revision=dia.revision
                )
                continue
            self.recogida.add(
                *sitio_y_serie,
                kwh,
                metodo=_METODOS.get(calidad, 0),
                canal=canal.numero,
                revision=dia.revision,
            )


def _scaled(texto: str, factor: float) -> str:
    """Return the kWh of a value as text; what is none stays as it is."""
    try:
        return repr(read_energy(texto, factor))
    except LecturaInvalidaError:
        return texto


def _of_one(textos: tuple[str, ...]) -> str:
    """Return the one value of some meters that is not zero; what names both is no number."""
    distintos = [texto for texto in textos if texto != "0.0"]
    return distintos[0] if len(distintos) == 1 else " y ".join(distintos) or "0.0"


def _wrong(detalle: str) -> LecturaInvalidaError:
    return reject(MotivoArchivo.REGISTRO_NO_VALIDO, detalle)


NEM12 = LectorEnCodigo("NEM12", is_nem12, read_nem12)
