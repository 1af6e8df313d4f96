"""Fakes at the ports of the consumer's loop: a processor and a source that record facts."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from detection.domain import Lecturas
from pipeline.streaming.consumer_loop import DeadLetter
from serving.scorer import BatchOrigin

MADRID = "Europe/Madrid"
AHORA_HORA = 500_000


def wait_until(condicion: Callable[[], object], plazo_s: float = 30.0) -> None:
    """Return as soon as the condition holds; fail after the deadline."""
    limite = time.monotonic() + plazo_s
    while not condicion():
        assert time.monotonic() < limite, "la condición no se ha cumplido a tiempo"
        time.sleep(0.01)


@dataclass
class ProcesadorFalso:
    """A processor that remembers what was asked of it.

    Parameters
    ----------
    al_guardar, al_puntuar : callable
        Called with the reading's kWh before ``save`` and ``draft`` do their part; may raise.
    """

    al_guardar: Callable[[list[float]], None] = lambda _kwh: None
    al_puntuar: Callable[[list[float]], None] = lambda _kwh: None
    hechos: list[tuple[str, list[float]]] = field(default_factory=list)
    particion_de: dict[str, set[int]] = field(default_factory=dict)
    olvidadas: list[int] = field(default_factory=list)
    guardadas: list[float] = field(default_factory=list)
    hilos: set[str] = field(default_factory=set)

    def draft(self, lecturas: Lecturas, origen: BatchOrigin) -> list[float]:
        kwh = lecturas.consumo_kwh.tolist()
        self.al_puntuar(kwh)
        for propietario, particion in zip(
            lecturas.propietario_id, origen.particion.tolist(), strict=True
        ):
            self.particion_de.setdefault(propietario, set()).add(particion)
        self.hechos.append(("draft", kwh))
        return kwh

    def save(self, borrador: list[float]) -> None:
        self.hilos.add(threading.current_thread().name)
        self.al_guardar(borrador)
        self.hechos.append(("save", borrador))
        self.guardadas.extend(borrador)

    def accept(self, borrador: list[float]) -> None:
        self.hechos.append(("accept", borrador))

    def discard(self, borrador: list[float]) -> None:
        self.hechos.append(("discard", borrador))

    def forget(self, particiones: Iterable[int]) -> None:
        self.olvidadas.extend(particiones)
        self.hechos.append(("forget", [float(p) for p in particiones]))


@dataclass(frozen=True)
class MensajeFalso:
    valor: bytes | None
    particion: int
    posicion: int

    def value(self) -> bytes | None:
        return self.valor

    def key(self) -> bytes | None:
        return b"clave"

    def partition(self) -> int:
        return self.particion

    def offset(self) -> int:
        return self.posicion


def message(kwh: float, particion: int = 0, posicion: int = 0) -> MensajeFalso:
    """Return a valid message."""
    cuerpo = {"propietario_id": "A", "timestamp": "2026-01-15T02:00Z", "consumo_kwh": kwh}
    return MensajeFalso(json.dumps(cuerpo).encode(), particion, posicion)


Paso = Sequence[MensajeFalso] | Callable[["FuenteFalsa"], None]


class FuenteFalsa:
    """A source that brings what a script says; each read takes the next step of it.

    Parameters
    ----------
    guion : sequence
        Messages to bring, or something to do while somebody reads (a rebalance, say).
    hechos : list
        Where commits and letters are recorded, in one order with the processor's facts.
    """

    def __init__(self, guion: Sequence[Paso], hechos: list[tuple[str, list[float]]]) -> None:
        self.guion = list(guion)
        self.hechos = hechos
        self.confirmados: dict[int, int] = {}
        self.cartas: list[DeadLetter] = []
        self.cartas_perdidas = 0
        self.retrasos = 0
        self.pausada = False
        self.abierta = False
        self.revocar: Callable[[set[int]], None]
        self.perder: Callable[[set[int]], None]

    log_id = "registro-de-prueba"

    def open(
        self, al_revocar: Callable[[set[int]], None], al_perder: Callable[[set[int]], None]
    ) -> None:
        self.abierta = True
        self.revocar, self.perder = al_revocar, al_perder

    def read(self, maximo: int, espera_s: float) -> Sequence[MensajeFalso]:
        if self.guion and callable(self.guion[0]):
            paso = self.guion.pop(0)
            assert callable(paso)
            paso(self)
            return []
        if self.pausada or not self.guion:
            time.sleep(0.001)
            return []
        mensajes = list(self.guion.pop(0))  # type: ignore[arg-type]
        assert len(mensajes) <= maximo
        return mensajes

    def pause(self) -> None:
        self.pausada = True

    def resume(self) -> None:
        self.pausada = False

    def commit(self, siguientes: Mapping[int, int], *, espera: bool) -> None:
        self.confirmados.update(siguientes)
        self.hechos.append(("commit", [float(s) for s in siguientes.values()]))

    def send_dead_letters(self, muertas: Sequence[DeadLetter]) -> list[DeadLetter]:
        if self.cartas_perdidas:
            self.cartas_perdidas -= 1
            self.cartas.extend(muertas[1:])
            return list(muertas[:1])
        self.cartas.extend(muertas)
        self.hechos.append(("send_dead_letters", [float(len(muertas))]))
        return []

    def is_caught_up(self) -> bool:
        return not self.guion

    def lag(self) -> dict[int, int]:
        self.retrasos += 1
        return {0: 7, 2: 0}

    def close(self) -> None:
        self.abierta = False
