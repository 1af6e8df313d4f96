"""What the product reads of a meter file, as the tests of layouts compare it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from detection.domain import hora_absoluta, instante
from detection.errors import PermanentError
from pipeline.ingest.files.meter_file import read_archivo
from pipeline.ingest.validation import Reglas

AHORA = hora_absoluta(datetime(2026, 11, 24, 12, tzinfo=UTC))


@dataclass
class Leido:
    """The hours of a file by customer and UTC start, and why others are none."""

    horas: dict[tuple[str, datetime], float] = field(default_factory=dict)
    metodos: dict[tuple[str, datetime], str | None] = field(default_factory=dict)
    repetidas: int = 0
    motivos: list[str] = field(default_factory=list)
    lineas: list[int] = field(default_factory=list)
    rechazado: bool = False

    @property
    def clientes(self) -> set[str]:
        return {cliente for cliente, _ in self.horas}


def leer(
    ruta: Path,
    zona: str = "Europe/Madrid",
    perfil: Path | None = None,
    unidad: str | None = None,
) -> Leido:
    """Return all that the product's one reader gives of a file."""
    leido = Leido()
    try:
        for trozo in read_archivo(ruta, Reglas(zona, 10_000.0), AHORA, zona, perfil, unidad):
            lecturas = trozo.lecturas
            metodos = trozo.metodo or [None] * len(lecturas)
            for cliente, hora, kwh, metodo in zip(
                lecturas.propietario_id,
                lecturas.hora_utc.tolist(),
                lecturas.consumo_kwh.tolist(),
                metodos,
                strict=True,
            ):
                clave = (cliente, instante(hora))
                leido.repetidas += clave in leido.horas
                leido.horas[clave] = kwh
                leido.metodos[clave] = metodo
            leido.motivos += [str(error) for _, error in trozo.rechazadas]
            leido.lineas += [linea for linea, _ in trozo.rechazadas]
    except PermanentError as error:
        # What fails as a whole has sent nothing: it fails before its first reading.
        assert not leido.horas
        leido.rechazado = True
        leido.motivos.append(str(error))
    return leido
