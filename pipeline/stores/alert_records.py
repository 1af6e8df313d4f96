"""What is to be told to people, and what the night did, as it is kept (MongoDB)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that was told, or is to be told as soon as it may be."""

    clave: str  # what it is about; each is told once
    clase: str  # what kind of thing it is
    texto: str  # one Spanish line
    visto: datetime  # when it was noticed
    # How bad it was at its worst, each number by itself; told again once one of them is greater.
    grado: tuple[int, ...] = (0,)
    datos: Mapping[str, Any] = field(default_factory=dict)  # of the case, for templates
    empeora: bool = False  # it has been told before, and is worse now
    fin: datetime | None = None  # since when it is no longer so; None = it is, or it has no end
    ausente: datetime | None = None  # since when it has not been seen, before it has ended
    faltan: tuple[str, ...] = ()  # destinations that have not been told yet


@dataclass(frozen=True, slots=True)
class Night:
    """One run of the nightly job."""

    inicio: datetime
    fin: datetime
    pasos: int
    fallidos: Mapping[str, str]  # step that failed -> the last thing it said
