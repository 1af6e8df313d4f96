"""What is worth telling people: cases, consumers, drift and nights, each as a ``Finding``.

A finding says what is so now. Whether it is news is for ``news`` to say: it is where nothing was
known of it, or where it is worse than what was told.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from detection.domain import ROTULOS
from detection.number_format import numero, porcentaje
from pipeline.stores.alert_records import Alert, Night
from pipeline.stores.case_records import CasoResumen
from serving.consumer_health import Diagnosis

CASO, CONSUMIDOR, DERIVA, NOCHE = "caso", "consumidor", "deriva", "noche"
CON_FIN = (CONSUMIDOR, DERIVA)
"""Kinds of which there is one thing at a time, that ends; people are told that it has."""
CALMA = timedelta(seconds=60)
"""For which a thing has to be gone before it has ended. By hand, 2026-11-30: what comes and goes
within a minute is one thing."""
SIN_NOCHE = timedelta(hours=26)
"""After the latest night another one is missed: nights are a day apart, 25 h in autumn."""
PROBABILIDADES = (0.8, 0.95)
RECUPERABLE_KWH = 300.0
"""A case is worse where its probability passes one of these, or where what it holds has doubled,
from so many kWh on. By hand, 2026-11-30."""
ROJO = "rojo"
_LEVE = ("sin lecturas nuevas",)
"""States of the consumers that are told though nothing of ours is broken."""
_MUY_MAL = ("muerto", "parado", "sin consumidor")
_BIEN = {CONSUMIDOR: "El consumidor vuelve a estar al día", DERIVA: "La deriva ya no está en rojo"}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is so now."""

    clave: str
    clase: str
    texto: str
    grado: tuple[int, ...] = (0,)
    datos: Mapping[str, Any] = field(default_factory=dict)


def of_case(caso: CasoResumen, *, detalle: bool) -> Finding:
    """Return a case; ``detalle``: with how much the customer uses, and when."""
    que = ROTULOS.get(caso.tipo, caso.tipo)
    texto = f"{caso.propietario_id}: {que.lower()}, probabilidad {porcentaje(caso.probabilidad)}"
    if caso.recuperable_eur:
        minimo, maximo = caso.energia_minima_eur or 0.0, caso.energia_maxima_eur or 0.0
        texto += (
            f", {numero(caso.recuperable_eur, 0)} € recuperables "
            f"(en juego, de {numero(minimo, 0)} a {numero(maximo, 0)} €)"
        )
    if detalle:
        texto += f". {caso.frase.rstrip('.')}."
    doblado = math.floor(math.log2(max(caso.recuperable_kwh, RECUPERABLE_KWH) / RECUPERABLE_KWH))
    pasadas = sum(caso.probabilidad >= limite for limite in PROBABILIDADES)
    datos = {
        "id": caso.id,
        "propietario_id": caso.propietario_id,
        "tipo": caso.tipo,
        "probabilidad": caso.probabilidad,
        "recuperable_eur": caso.recuperable_eur,
    }
    return Finding(f"{CASO}:{caso.id}", CASO, texto, (pasadas, doblado), datos)


def of_consumers(diagnostico: Diagnosis) -> Finding | None:
    """Return what is wrong with the consumers; None = nothing that anybody has to be told."""
    if diagnostico.gravedad != "mal" and diagnostico.estado not in _LEVE:
        return None
    grado = (1 if diagnostico.estado in _MUY_MAL else 0,)
    # How long ago it was is another thing by the time it is read.
    texto = re.sub(r" \(hace [^)]*\)", "", diagnostico.texto)
    return Finding(CONSUMIDOR, CONSUMIDOR, f"{texto}.", grado)


def of_silent_store(servidor: str, desde: str) -> Finding:
    """Return that a server has not answered since an hour, given as a text."""
    return Finding(
        CONSUMIDOR, CONSUMIDOR, f"{servidor} no responde desde las {desde}: no entra nada.", (1,)
    )


def of_drift(informe: Mapping[str, Any] | None) -> Finding | None:
    """Return that the latest drift report is red."""
    if informe is None or informe["semaforo"] != ROJO:
        return None
    texto = (
        f"Deriva en rojo: lo que llega ya no se parece a aquello con que se entrenó la versión "
        f"{informe['version']}. La noche reentrena; véase la página Deriva."
    )
    return Finding(DERIVA, DERIVA, texto)


def of_night(noche: Night | None, ahora: datetime) -> list[Finding]:
    """Return that the latest night failed, or that there was none where one was due."""
    if noche is None:
        return []
    cuando = noche.inicio.isoformat(timespec="seconds")
    hallado = []
    if noche.fallidos:
        que = "; ".join(f"{paso}: {dicho}" for paso, dicho in noche.fallidos.items())
        pasos = f"{len(noche.fallidos)} de {noche.pasos} pasos"
        texto = f"El trabajo de la noche falló en {pasos}. {que.rstrip('.')}."
        hallado.append(Finding(f"{NOCHE}:{cuando}", NOCHE, texto))
    if ahora - noche.fin > SIN_NOCHE:
        horas = int((ahora - noche.fin) / timedelta(hours=1))
        texto = f"El trabajo de la noche no se hace desde hace {horas} h."
        hallado.append(Finding(f"{NOCHE}:falta:{cuando}", NOCHE, texto))
    return hallado


def news(hallado: Finding, sabido: Alert | None, ahora: datetime) -> Alert | None:
    """Return what is to be told of a finding, for nobody yet; None = it has been told."""
    nuevo = Alert(hallado.clave, hallado.clase, hallado.texto, ahora, hallado.grado, hallado.datos)
    if sabido is None or (sabido.fin is not None and hallado.clase in CON_FIN):
        return nuevo
    peor = tuple(map(max, hallado.grado, sabido.grado))
    if peor == sabido.grado:
        return None
    # Who has not been told that it began is not told that it got worse.
    return replace(nuevo, grado=peor, empeora=sabido.empeora or not sabido.faltan)


def ended(sabido: Alert, desde: str, ahora: datetime) -> Alert:
    """Return that a thing is over, as it is told; ``desde``: an hour, since when it is."""
    if sabido.faltan:
        # Nobody knows of it: both are told at once.
        texto = f"{sabido.texto.rstrip('.')} (se arregló a las {desde})."
        return replace(sabido, texto=texto, fin=ahora)
    return replace(sabido, texto=f"{_BIEN[sabido.clase]}, desde las {desde}.", fin=ahora)


def most_first(avisos: Sequence[Alert]) -> list[Alert]:
    """Return things in the order in which they are told: the system, new cases, worse ones."""
    orden = {CONSUMIDOR: 0, NOCHE: 1, DERIVA: 2, CASO: 3}

    def clave(aviso: Alert) -> tuple[Any, ...]:
        recuperable = aviso.datos.get("recuperable_eur") or 0.0
        return orden[aviso.clase], aviso.empeora, -recuperable, aviso.clave

    return sorted(avisos, key=clave)
