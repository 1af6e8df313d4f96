"""The product's own table as it is written: what it reads again is what was written."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from types import TracebackType
from typing import Any

from detection.domain import instante
from detection.errors import PermanentError
from pipeline.ingest.files.hourly_file import Trozo
from serving.cli import describe_os
from serving.csv_cells import protect

COLUMNAS = ("propietario_id", "timestamp", "consumo_kwh", "metodo")


class OwnTableWriter:
    """Writes readings as a CSV or, where the name ends in ``.parquet``, as a Parquet.

    The file appears once all of it is written, and only if there is a reading.

    Parameters
    ----------
    ruta : Path

    Raises
    ------
    PermanentError
        It cannot be written.
    """

    def __init__(self, ruta: Path) -> None:
        self._ruta = ruta
        self._parcial = ruta.with_name(f".{ruta.name}.{os.getpid()}.parcial")
        self._con_parquet = ruta.suffix.lower() == ".parquet"
        self._archivo: Any = None
        self._escritor: Any = None
        self.lecturas = 0

    def __enter__(self) -> OwnTableWriter:
        if self._ruta.is_dir():
            raise PermanentError(f"no se puede escribir «{self._ruta}»: es una carpeta")
        try:
            self._archivo = (
                self._parcial.open("wb")
                if self._con_parquet
                else self._parcial.open("w", encoding="utf-8")
            )
        except OSError as error:
            que = describe_os(error)
            raise PermanentError(f"no se puede escribir «{self._ruta}»: {que}") from error
        if not self._con_parquet:
            self._escritor = csv.writer(self._archivo, lineterminator="\n")
            self._escritor.writerow(COLUMNAS)
        return self

    def write(self, trozo: Trozo) -> None:
        """Append the readings of a piece."""
        lecturas = trozo.lecturas
        if not len(lecturas):
            return
        self.lecturas += len(lecturas)
        horas = lecturas.hora_utc.tolist()
        textos = {h: f"{instante(h):%Y-%m-%dT%H:%M:%SZ}" for h in set(horas)}
        metodos = trozo.metodo or [None] * len(horas)
        columnas = (
            lecturas.propietario_id,
            [textos[h] for h in horas],
            lecturas.consumo_kwh.tolist(),
            metodos,
        )
        if self._con_parquet:
            self._write_parquet(dict(zip(COLUMNAS, columnas, strict=True)))
        else:
            ids = [protect(propietario_id) for propietario_id in columnas[0]]
            kwh = [repr(valor) for valor in columnas[2]]
            hechos = [metodo or "" for metodo in columnas[3]]
            self._escritor.writerows(zip(ids, columnas[1], kwh, hechos, strict=True))

    def _write_parquet(self, columnas: dict[str, list[Any]]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        tipos = (pa.string(), pa.string(), pa.float64(), pa.string())
        esquema = pa.schema(list(zip(COLUMNAS, tipos, strict=True)))
        if self._escritor is None:
            self._escritor = pq.ParquetWriter(self._archivo, esquema)
        self._escritor.write_table(pa.table(columnas, schema=esquema))

    def __exit__(
        self,
        clase: type[BaseException] | None,
        error: BaseException | None,
        rastro: TracebackType | None,
    ) -> None:
        if self._con_parquet and self._escritor is not None:
            self._escritor.close()
        self._archivo.close()
        if error is None and self.lecturas:
            self._parcial.replace(self._ruta)
        else:
            self._parcial.unlink(missing_ok=True)
