"""What the product reads of a meter file, as the tests of layouts compare it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from detection.domain import hora_absoluta, instante
from detection.errors import PermanentError
from pipeline.ingest.files.hourly_file import OpcionesLectura
from pipeline.ingest.files.meter_file import open_meter_file

AHORA = hora_absoluta(datetime(2026, 11, 24, 12, tzinfo=UTC))


@dataclass
class Leido:
    """The hours of a file by customer and UTC start, and why others are none."""

    horas: dict[tuple[str, datetime], float] = field(default_factory=dict)
    metodos: dict[tuple[str, datetime], str | None] = field(default_factory=dict)
    repetidas: int = 0
    motivos: list[str] = field(default_factory=list)
    rechazadas: list[tuple[int, str]] = field(default_factory=list)
    rechazado: bool = False

    @property
    def filas(self) -> list[tuple[str, str, float, str | None]]:
        """Return customer, UTC start, kWh and provenance of each hour, by customer and time."""
        return [
            (cliente, f"{hora:%Y-%m-%dT%H}", kwh, self.metodos[cliente, hora])
            for (cliente, hora), kwh in sorted(self.horas.items())
        ]

    @property
    def clientes(self) -> set[str]:
        return {cliente for cliente, _ in self.horas}


def leer_texto(
    carpeta: Path, contenido: str | bytes, nombre: str = "curva.dat", **opciones: Any
) -> Leido:
    """Return what is read of a file with this content."""
    ruta = carpeta / nombre
    ruta.write_bytes(contenido if isinstance(contenido, bytes) else contenido.encode())
    leido = leer(ruta, **opciones)
    leido.rechazadas.sort()
    return leido


def leer(
    ruta: Path,
    zona: str = "Europe/Madrid",
    perfil: Path | None = None,
    unidad: str | None = None,
) -> Leido:
    """Return all that the product's one reader gives of a file."""
    leido = Leido()
    opciones = OpcionesLectura(zona, 10_000.0, AHORA, perfil, unidad)
    try:
        for trozo in open_meter_file(ruta, opciones).trozos():
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
            leido.rechazadas += [(linea, error.motivo) for linea, error in trozo.rechazadas]
    except PermanentError as error:
        # What fails as a whole has sent nothing: it fails before its first reading.
        assert not leido.horas
        leido.rechazado = True
        leido.motivos.append(str(error))
    return leido
