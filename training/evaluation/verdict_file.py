"""The file of verdicts: every reading with what ``evaluar`` says of it, written as it is said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from detection.domain import (
    MASCARAS,
    SEGUNDOS_POR_HORA,
    SEVERIDADES,
    Lecturas,
    Veredictos,
    instante,
    nombres_de_tipos,
)
from detection.errors import PermanentError
from serving.cli import describe_os
from serving.csv_cells import protect

SEPARADOR_LISTA = "|"
"""Between the types of one verdict in a CSV, as the API exports them."""
_ESPECIALES = frozenset(',"\r\n')
"""Characters for which a text of a CSV has to be quoted."""


@contextmanager
def open_verdict_file(ruta: Path, zona: str) -> Iterator[VerdictFile]:
    """Give what writes verdicts to a file, which is there whole when all is well, or not at all.

    CSV, or Parquet if the name ends in ``.parquet``.
    """
    temporal = ruta.with_name(f".{ruta.name}.parcial")
    try:
        salida = VerdictFile(temporal, zona, parquet=ruta.suffix.lower() == ".parquet")
    except OSError as error:
        raise PermanentError(f"no se puede escribir {ruta}: {describe_os(error)}") from error
    try:
        with salida:
            yield salida
        temporal.replace(ruta)
    finally:
        temporal.unlink(missing_ok=True)


class VerdictFile:
    """Writes readings with their verdicts, a batch at a time."""

    def __init__(self, ruta: Path, zona: str, *, parquet: bool) -> None:
        import pyarrow as pa

        self._zona = ZoneInfo(zona)
        self._parquet = parquet
        texto, listas = pa.string(), [nombres_de_tipos(m) for m in range(MASCARAS)]
        self._esquema = pa.schema(
            {
                "propietario_id": texto,
                "timestamp": pa.timestamp("s", tz=zona) if parquet else texto,
                "consumo_kwh": pa.float64(),
                "score_anomalia": pa.float64(),
                "severidad": texto,
                "tipos_anomalia": pa.list_(texto) if parquet else texto,
                "es_sospechoso": pa.bool_(),
            }
        )
        self._listas = pa.array(
            listas if parquet else [SEPARADOR_LISTA.join(lista) for lista in listas],
            self._esquema.field("tipos_anomalia").type,
        )
        self._severidades = pa.array([str(s) for s in SEVERIDADES])
        self._destino = ruta.open("wb")
        self._escritor: Any = None
        if parquet:
            import pyarrow.parquet as pq

            self._escritor = pq.ParquetWriter(self._destino, self._esquema, compression="zstd")
        else:
            self._destino.write(f"{','.join(self._esquema.names)}\n".encode())

    def __enter__(self) -> VerdictFile:
        return self

    def __exit__(self, *_: object) -> None:
        if self._escritor is not None:
            self._escritor.close()
        self._destino.close()

    def write(self, lecturas: Lecturas, veredictos: Veredictos) -> None:
        """Write one batch."""
        import pyarrow as pa

        nombres = lecturas.propietario_id
        if not self._parquet:
            nombres = [protect(nombre) for nombre in nombres]
        columnas = [
            pa.array(nombres),
            self._times(lecturas.hora_utc),
            pa.array(lecturas.consumo_kwh),
            pa.array(veredictos.score_centesimas / 100),
            self._severidades.take(pa.array(veredictos.severidad)),
            self._listas.take(pa.array(veredictos.tipos)),
            pa.array(veredictos.es_sospechoso),
        ]
        tabla = pa.table(columnas, schema=self._esquema)
        if self._parquet:
            self._escritor.write_table(tabla)
        else:
            self._write_csv(tabla, lecturas.propietario_id)

    def _write_csv(self, tabla: Any, propietario_id: list[str]) -> None:
        import pyarrow.csv as pcsv

        # Its "needed" quotes every text, needed or not; of ours only a name may need it.
        raro = any(not _ESPECIALES.isdisjoint(nombre) for nombre in set(propietario_id))
        opciones = pcsv.WriteOptions(
            include_header=False, quoting_style="needed" if raro else "none"
        )
        pcsv.write_csv(tabla, self._destino, opciones)

    def _times(self, hora_utc: NDArray[np.int64]) -> Any:
        import pyarrow as pa

        horas, cual = np.unique(hora_utc, return_inverse=True)
        if self._parquet:
            tipo = self._esquema.field("timestamp").type
            return pa.array(hora_utc * SEGUNDOS_POR_HORA).cast(tipo)
        textos = [instante(h).astimezone(self._zona).isoformat() for h in horas.tolist()]
        return pa.array(textos).take(pa.array(cual))
