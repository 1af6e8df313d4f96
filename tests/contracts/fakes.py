"""The two stores in memory, and batches to fill any store with. They record facts, not calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.cases.records import (
    CaseGoingOn,
    CaseMemory,
    Caso,
    CustomerStates,
    DayEvidence,
    DayPages,
    date_of,
)
from detection.domain import (
    HORAS_POR_DIA,
    SEVERIDADES,
    Explicacion,
    Historia,
    Lecturas,
    Veredictos,
    instante,
    nombres_de_tipos,
)
from detection.errors import TransientError
from detection.memory.day_memory import NO_DAY
from pipeline.stores.ports import DIFERENCIA_CENTESIMAS, Guardado, PuntoOnline

Identidad = tuple[str, int]
"""A customer and an absolute hour."""


@dataclass(frozen=True)
class Fila:
    """A row of the history, as every adapter's probe shows it."""

    consumo_kwh: float
    hora_local: int
    score_centesimas: int
    severidad: str
    tipos: tuple[str, ...]
    es_sospechoso: bool
    esperado_kwh: float | None
    version_modelo: str


def month_of_day(dia: int) -> int:
    """Return the month, counted from January 1970 on, of a local day."""
    fecha = date_of(dia)
    return (fecha.year - 1970) * 12 + fecha.month - 1


def filas_de(lecturas: Lecturas, veredictos: Veredictos) -> dict[Identidad, Fila]:
    """Return what a store that saved this batch, and nothing else, holds."""
    filas = {}
    for i, cliente in enumerate(lecturas.propietario_id):
        esperado = veredictos.esperado_kwh[i]
        filas[cliente, int(lecturas.hora_utc[i])] = Fila(
            float(lecturas.consumo_kwh[i]),
            int(veredictos.hora_local[i]),
            int(veredictos.score_centesimas[i]),
            str(SEVERIDADES[veredictos.severidad[i]]),
            tuple(nombres_de_tipos(int(veredictos.tipos[i]))),
            bool(veredictos.es_sospechoso[i]),
            None if np.isnan(esperado) else float(str(esperado)),
            veredictos.version_modelo,
        )
    return filas


def hacer_lote(
    claves: Sequence[Identidad],
    kwh: Sequence[float] | None = None,
    *,
    score: Sequence[int] | None = None,
    severidad: Sequence[int] | None = None,
    tipos: Sequence[int] | None = None,
    sospechoso: Sequence[bool] | None = None,
    esperado: Sequence[float] | None = None,
    desfase: Sequence[int] | None = None,
    version: str = "reglas-1",
) -> tuple[Lecturas, Veredictos]:
    """Return a batch; what is not given is a normal reading of 1 kWh, one hour from UTC."""
    n = len(claves)
    hora = np.array([h for _, h in claves], np.int64)
    esperados = np.array(esperado if esperado is not None else [1.0] * n, np.float32)
    lecturas = Lecturas(
        [cliente for cliente, _ in claves],
        hora,
        np.array(kwh if kwh is not None else [1.0] * n, np.float64),
    )
    veredictos = Veredictos(
        hora + np.array(desfase if desfase is not None else [1] * n, np.int64),
        np.array(score if score is not None else [10] * n, np.uint8),
        np.array(severidad if severidad is not None else [0] * n, np.uint8),
        np.array(tipos if tipos is not None else [0] * n, np.uint8),
        np.array(sospechoso if sospechoso is not None else [False] * n, np.bool_),
        esperados,
        esperados - np.float32(0.5),
        esperados + np.float32(0.5),
        version,
        np.full((n, 2), np.nan, np.float32),
        np.full((n, 2, 3), np.nan, np.float32),
    )
    return lecturas, veredictos


def explicar(veredictos: Veredictos, frase: str = "Consumo fuera de lo usual.") -> list[Any]:
    """Return an explanation by one detector for each anomaly of a batch, none for the others."""
    return [
        [Explicacion("fraude", score / 100, 1.0, True, frase)] if severidad else []
        for score, severidad in zip(
            veredictos.score_centesimas, veredictos.severidad.tolist(), strict=True
        )
    ]


class FakeHistoryStore:
    """``HistoryStore`` in a dictionary.

    Parameters
    ----------
    filas : dict
        What is stored.
    puntos : dict
        Online model by partition.
    estados, paginas : dict
        What the case clock remembers: a customer's state (its days and levels), and its pages by
        customer and month.
    sombra : dict
        Severidades of champion and challenger by identity and the challenger's version.
    caido : bool
        Set it, and every call raises ``TransientError``.
    """

    def __init__(self) -> None:
        self.filas: dict[Identidad, Fila] = {}
        self.puntos: dict[int, PuntoOnline] = {}
        self.estados: dict[str, tuple[NDArray[np.int32], NDArray[np.uint8]]] = {}
        self.paginas: dict[tuple[str, int], NDArray[np.uint8]] = {}
        self.sombra: dict[tuple[Identidad, str], tuple[str, str]] = {}
        self.caido = False

    def save(
        self,
        lecturas: Lecturas,
        veredictos: Veredictos,
        puntos: Sequence[PuntoOnline] = (),
        memoria: CaseMemory | None = None,
    ) -> Guardado:
        self.ping()
        nuevas = filas_de(lecturas, veredictos)
        assert len(nuevas) == len(lecturas), "the identities in one call are distinct"
        suyos = {punto.particion: punto for punto in puntos}
        assert len(suyos) == len(puntos), "a partition has one online model"
        if (lecturas.consumo_kwh < 0).any() or any(
            min(punto.particion, punto.siguiente_offset) < 0 for punto in puntos
        ):
            raise ValueError("lote imposible")
        repetida = np.array([clave in self.filas for clave in nuevas], np.bool_)
        conservadas: list[tuple[int, Fila]] = []
        for i, (clave, fila) in enumerate(nuevas.items()):
            antes = self.filas.get(clave)
            if antes is None or antes.consumo_kwh != fila.consumo_kwh:
                self.filas[clave] = fila
            elif antes != replace(fila, hora_local=antes.hora_local):
                conservadas.append((i, antes))
        for particion, punto in suyos.items():
            hay = self.puntos.get(particion, punto)
            if hay.registro != punto.registro or hay.siguiente_offset <= punto.siguiente_offset:
                self.puntos[particion] = punto
        self._remember(memoria or CaseMemory(CustomerStates.empty(), DayPages.empty()))
        return _guardado(repetida, conservadas)

    def _remember(self, memoria: CaseMemory) -> None:
        estados, paginas = memoria.estados, memoria.paginas
        for cliente, dias, niveles in zip(
            estados.propietario_id, estados.dias.copy(), estados.niveles, strict=True
        ):
            antes, _ = self.estados.get(cliente, (dias, niveles))
            if antes[0] > dias[0]:
                continue
            if antes[0] == dias[0]:
                sucios = [d for d in (antes[2], dias[2]) if d != NO_DAY]
                dias[2] = min(sucios, default=NO_DAY)
            self.estados[cliente] = dias, niveles
            for i, (suyo, mes) in enumerate(
                zip(paginas.propietario_id, paginas.mes.tolist(), strict=True)
            ):
                if suyo == cliente:
                    self.paginas[cliente, mes] = paginas.dias[i]

    def load_case_memory(self, propietario_id: Sequence[str]) -> CaseMemory:
        self.ping()
        suyos = [cliente for cliente in propietario_id if cliente in self.estados]
        if not suyos:
            return CaseMemory(CustomerStates.empty(), DayPages.empty())
        dias, niveles = (np.array(x) for x in zip(*map(self.estados.get, suyos), strict=True))
        estados = CustomerStates(suyos, dias, niveles)
        meses = [[month_of_day(int(dia)) for dia in (d[1], d[0])] for d in dias]
        claves = [
            (cliente, mes)
            for cliente, (primero, ultimo) in zip(suyos, meses, strict=True)
            for mes in range(primero, ultimo + 1)
            if (cliente, mes) in self.paginas
        ]
        if not claves:
            return CaseMemory(estados, DayPages.empty())
        paginas = DayPages(
            [cliente for cliente, _ in claves],
            np.array([mes for _, mes in claves], np.int32),
            np.array([self.paginas[clave] for clave in claves]),
        )
        return CaseMemory(estados, paginas)

    def load_online(
        self, registro: str, particiones: Sequence[int]
    ) -> list[tuple[int, bytes] | None]:
        self.ping()
        puntos = [self.puntos.get(particion) for particion in particiones]
        return [
            (punto.siguiente_offset, punto.estado)
            if punto is not None and punto.registro == registro
            else None
            for punto in puntos
        ]

    def customers(self, desde_hora: int, hasta_hora: int, partes: int = 1) -> list[str]:
        self.ping()
        limites = [desde_hora + k * (hasta_hora - desde_hora) // partes for k in range(partes + 1)]
        presentes = [
            {cliente for cliente, h in self.filas if desde <= h < hasta}
            for desde, hasta in pairwise(limites)
        ]
        return sorted(set.intersection(*presentes))

    def load_range(
        self, propietario_id: Sequence[str], desde_hora: int, hasta_hora: int
    ) -> Historia:
        limites = np.full(len(propietario_id), hasta_hora, np.int64)
        return self.load_before(propietario_id, limites, hasta_hora - desde_hora)

    def save_shadow(self, lecturas: Lecturas, campeon: Veredictos, aspirante: Veredictos) -> int:
        self.ping()
        suyas = filas_de(lecturas, aspirante)
        guardadas = 0
        for clave, fila in filas_de(lecturas, campeon).items():
            otra = suyas[clave]
            severidades = fila.severidad, otra.severidad
            diferencia = abs(fila.score_centesimas - otra.score_centesimas)
            if severidades != ("normal", "normal") or diferencia >= DIFERENCIA_CENTESIMAS:
                self.sombra[clave, otra.version_modelo] = severidades
                guardadas += 1
            else:
                self.sombra.pop((clave, otra.version_modelo), None)
        return guardadas

    def load_latest(self, propietario_id: Sequence[str], horas: int) -> Historia:
        ultima = [
            max((h for c, h in self.filas if c == cliente), default=0) for cliente in propietario_id
        ]
        return self.load_before(propietario_id, np.array(ultima, np.int64) + 1, horas)

    def load_before(
        self, propietario_id: Sequence[str], antes_de_hora: NDArray[np.int64], horas: int
    ) -> Historia:
        self.ping()
        elegidas = [
            (i, hora, fila)
            for i, (cliente, antes) in enumerate(zip(propietario_id, antes_de_hora, strict=True))
            for (c, hora), fila in sorted(self.filas.items())
            if c == cliente and antes - horas <= hora < antes
        ]
        if not elegidas:
            return Historia.vacia()
        indice, hora, filas = zip(*elegidas, strict=True)
        return Historia(
            np.array(indice, np.int64),
            np.array(hora, np.int64),
            np.array([f.consumo_kwh for f in filas], np.float64).astype(np.float32),
            np.array([f.score_centesimas for f in filas], np.uint8),
            np.array([_mascara(f) for f in filas], np.uint8),
            np.array([f.esperado_kwh is not None for f in filas], np.bool_),
            np.array([f.es_sospechoso for f in filas], np.bool_),
        )

    def ping(self) -> None:
        if self.caido:
            raise TransientError("el historial no responde")

    def close(self) -> None:
        """Nothing is open."""


def _mascara(fila: Fila) -> int:
    nombres = nombres_de_tipos(255)
    return sum(1 << nombres.index(tipo) for tipo in fila.tipos)


def _guardado(repetida: NDArray[np.bool_], conservadas: Sequence[tuple[int, Fila]]) -> Guardado:
    filas = [fila for _, fila in conservadas]
    severidades = [str(s) for s in SEVERIDADES]
    return Guardado(
        repetida,
        np.array([i for i, _ in conservadas], np.int64),
        np.array([f.score_centesimas for f in filas], np.uint8),
        np.array([severidades.index(f.severidad) for f in filas], np.uint8),
        np.array([_mascara(f) for f in filas], np.uint8),
        np.array([f.es_sospechoso for f in filas], np.bool_),
        np.array([f.esperado_kwh for f in filas], np.float32),
        [f.version_modelo for f in filas],
    )


@dataclass(frozen=True)
class Anomalia:
    """An anomaly, as every adapter's probe shows it."""

    fila: Fila
    hora: int
    estado: str
    timestamp_deteccion: datetime
    timestamp_consumo: datetime
    explicacion: tuple[Explicacion, ...]


class FakeAnomalyStore:
    """``AnomalyStore`` in two dictionaries.

    Parameters
    ----------
    anomalias : dict
        Anomalies by identity.
    horarios : dict
        kWh of the last hours by identity.
    caido : bool
        Set it, and every call raises ``TransientError``.
    """

    def __init__(self, retencion_horas: int = 48) -> None:
        self.anomalias: dict[Identidad, Anomalia] = {}
        self.horarios: dict[Identidad, float] = {}
        self.retencion_horas = retencion_horas
        self.caido = False

    def save(
        self,
        lecturas: Lecturas,
        veredictos: Veredictos,
        explicaciones: Sequence[Sequence[Explicacion]],
        repetida: NDArray[np.bool_],
        ahora_hora: int,
    ) -> None:
        self.ping()
        for i, (clave, fila) in enumerate(filas_de(lecturas, veredictos).items()):
            if clave[1] > ahora_hora - self.retencion_horas:
                self.horarios[clave] = fila.consumo_kwh
            antes = self.anomalias.get(clave)
            if fila.severidad == "normal":
                # A reading that is new has no anomaly to take back.
                if antes is None or not repetida[i]:
                    continue
                if antes.estado == "abierta":
                    del self.anomalias[clave]
                    continue
            self.anomalias[clave] = self._anomalia(clave, fila, explicaciones[i], antes)

    def restore(
        self,
        lecturas: Lecturas,
        veredictos: Veredictos,
        explicaciones: Sequence[Sequence[Explicacion]],
        ahora_hora: int,
    ) -> None:
        self.ping()
        for i, (clave, fila) in enumerate(filas_de(lecturas, veredictos).items()):
            if clave[1] > ahora_hora - self.retencion_horas:
                self.horarios[clave] = fila.consumo_kwh
            antes = self.anomalias.get(clave)
            normal = fila.severidad == "normal"
            if antes is None and normal:
                continue
            if antes is not None and normal and antes.estado == "abierta":
                del self.anomalias[clave]
            elif antes is None or replace(antes.fila, hora_local=-1) != replace(
                fila, hora_local=-1
            ):
                self.anomalias[clave] = self._anomalia(clave, fila, explicaciones[i], antes)

    @staticmethod
    def _anomalia(
        clave: Identidad, fila: Fila, explicacion: Sequence[Explicacion], antes: Anomalia | None
    ) -> Anomalia:
        hora = fila.hora_local % HORAS_POR_DIA
        if antes is not None:
            return replace(antes, fila=fila, hora=hora, explicacion=tuple(explicacion))
        ahora = datetime.now(UTC)
        return Anomalia(fila, hora, "abierta", ahora, instante(clave[1]), tuple(explicacion))

    def ping(self) -> None:
        if self.caido:
            raise TransientError("el almacén de anomalías no responde")

    def close(self) -> None:
        """Nothing is open."""


def hacer_caso(propietario_id: str = "CLI_00045", **campos: object) -> Caso:
    """Return a plantation that began on the third of November and goes on."""
    de_siempre = Caso(
        propietario_id=propietario_id,
        fecha_apertura=date(2026, 11, 9),
        fecha_inicio=date(2026, 11, 3),
        fecha_cierre=None,
        hasta=date(2026, 11, 20),
        tipo="plantacion_cannabis",
        probabilidad=0.9,
        consumo_antes_kwh=8.0,
        consumo_despues_kwh=88.0,
        energia_en_juego_kwh=1440.0,
        energia_minima_kwh=1200.0,
        energia_maxima_kwh=1600.0,
        evidencia=tuple(DayEvidence(date(2026, 11, 9 + k), 0.9) for k in range(12)),
        frase="Desde el 3 de noviembre gasta 88 kWh al día y no 8.",
        version_modelo="v1",
    )
    return replace(de_siempre, **campos)


class FakeCaseStore:
    """``CaseStore`` in a dictionary: what was thought of each case, and its ``estado``."""

    def __init__(self) -> None:
        self.casos: dict[str, tuple[Caso, str]] = {}
        self.caido = False

    def save(self, casos: Sequence[Caso]) -> None:
        self.ping()
        for caso in casos:
            suyo = "nuevo" if caso.fecha_cierre is None else "terminado"
            antes, estado = self.casos.get(caso.clave, (caso, suyo))
            if antes.hasta <= caso.hasta:
                queda = suyo if estado in {"nuevo", "terminado"} else estado
                self.casos[caso.clave] = caso, queda
        for caso in sorted(casos, key=lambda caso: caso.inocente):
            if caso.fecha_cierre is None:
                self._supersede(caso)

    def _supersede(self, nuevo: Caso) -> None:
        for clave, (caso, estado) in list(self.casos.items()):
            otro = caso.propietario_id == nuevo.propietario_id and clave != nuevo.clave
            otro &= caso.inocente or not nuevo.inocente
            if not otro or caso.fecha_cierre is not None or caso.hasta > nuevo.hasta:
                continue
            if estado == "nuevo" and caso.hasta >= nuevo.fecha_apertura:
                del self.casos[clave]
            else:
                queda = "terminado" if estado == "nuevo" else estado
                self.casos[clave] = replace(caso, fecha_cierre=caso.hasta), queda

    def discarded(self, propietario_id: Sequence[str]) -> dict[str, date]:
        self.ping()
        suyos = sorted(
            (caso.fecha_inicio, caso.propietario_id)
            for caso, estado in self.casos.values()
            if estado == "descartado" and caso.propietario_id in set(propietario_id)
        )
        return {propietario: inicio for inicio, propietario in suyos}

    def discarded_since(self, momento: datetime) -> dict[str, date]:
        return self.discarded([caso.propietario_id for caso, _ in self.casos.values()])

    def going_on(self, propietario_id: Sequence[str]) -> list[CaseGoingOn]:
        self.ping()
        return [
            CaseGoingOn(caso.propietario_id, caso.fecha_inicio, caso.fecha_apertura, caso.tipo)
            for caso, estado in self.casos.values()
            if caso.fecha_cierre is None
            and estado != "descartado"
            and caso.propietario_id in set(propietario_id)
        ]

    def going_on_since(self, momento: datetime) -> list[CaseGoingOn]:
        return self.going_on([caso.propietario_id for caso, _ in self.casos.values()])

    def ping(self) -> None:
        if self.caido:
            raise TransientError("el almacén de casos no responde")

    def close(self) -> None:
        """Nothing is open."""
