"""Hours of several files, of which more than one may tell the same hour of a customer.

The rule is that of one file: the better method, then the later revision, else none of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from detection.domain import SEGUNDOS_POR_HORA, Lecturas
from pipeline.ingest.files.blocks import FILAS_POR_TROZO, METODOS, Rechazada
from pipeline.ingest.files.cell_reader import Codigos
from pipeline.ingest.files.hourly_file import Etiqueta, Trozo, describe_counts
from pipeline.ingest.files.hours import Cuentas, HourMaker
from pipeline.ingest.files.interval_store import FILA, Filas, IntervalStore, in_order
from pipeline.ingest.files.line_names import LineNames


class FilesTogether:
    """Takes the hours of files one after the other, and gives each hour once.

    Parameters
    ----------
    nombres : sequence of str
        Of the files, for the user.
    """

    def __init__(self, nombres: Sequence[str]) -> None:
        self.lineas = LineNames(list(nombres))
        self.cuentas = Cuentas()
        self._clientes = Codigos()
        self._etiquetas: list[Etiqueta] = []
        self._con_metodo = False
        self._rechazadas: list[Rechazada] = []
        self._guardadas = IntervalStore()

    def __enter__(self) -> FilesTogether:
        return self

    def __exit__(self, *_: object) -> None:
        self._guardadas.__exit__()

    def add(self, archivo: int, trozo: Trozo) -> None:
        """Take hours of a file, by its place among the names."""
        desde = self.lineas.offset(archivo)
        self._rechazadas += [(linea + desde, error) for linea, error in trozo.rechazadas]
        lecturas = trozo.lecturas
        filas = np.zeros(len(lecturas), FILA)
        filas["cliente"] = [self._clientes.code(c) for c in lecturas.propietario_id]
        filas["momento"] = lecturas.hora_utc * SEGUNDOS_POR_HORA
        filas["segundos"] = SEGUNDOS_POR_HORA
        filas["valor"] = lecturas.consumo_kwh
        filas["linea"] = trozo.lineas + desde
        filas["revision"] = trozo.revision
        filas["exacto"] = True
        filas["etiqueta"] = filas["tipo"] = -1
        if trozo.metodo is not None:
            self._con_metodo = True
            filas["metodo"] = [METODOS.index(metodo) for metodo in trozo.metodo]
        if trozo.etiqueta is not None:
            filas["etiqueta"] = [self._label_code(etiqueta) for etiqueta in trozo.etiqueta]
        self._guardadas.add(filas)

    def _label_code(self, etiqueta: Etiqueta) -> int:
        if etiqueta is None:
            return -1
        if etiqueta not in self._etiquetas:
            self._etiquetas.append(etiqueta)
        return self._etiquetas.index(etiqueta)

    def trozos(self) -> Iterator[Trozo]:
        """Yield the hours of all files, and first what has been refused in each of them."""
        juntas = HourMaker(self._clientes.nombres, {}, self.cuentas, lineas=self.lineas)
        rechazadas, self._rechazadas = self._rechazadas, []
        for filas, parte in self._guardadas.parts():
            horas, fuera = juntas.make(filas)
            horas = in_order(horas, horas["linea"])
            rechazadas = [self.lineas.told(r) for r in [*rechazadas, *fuera]]
            for i in range(0, max(1, horas.size), FILAS_POR_TROZO):
                yield self._piece(horas[i : i + FILAS_POR_TROZO], rechazadas, parte)
                rechazadas = []
        if rechazadas:
            dichas = [self.lineas.told(r) for r in rechazadas]
            yield self._piece(np.zeros(0, FILA), dichas, 1.0)

    def _piece(self, horas: Filas, rechazadas: list[Rechazada], parte: float) -> Trozo:
        nombres: Any = self._clientes.nombres
        etiquetas = None
        if self._etiquetas:
            etiquetas = [None if k < 0 else self._etiquetas[k] for k in horas["etiqueta"].tolist()]
        return Trozo(
            Lecturas(
                [nombres[k] for k in horas["cliente"].tolist()],
                horas["momento"].copy(),
                horas["valor"].copy(),
            ),
            etiquetas,
            rechazadas,
            parte,
            [METODOS[k] for k in horas["metodo"].tolist()] if self._con_metodo else None,
            None,
            self.lineas.own(horas["linea"]),
            horas["revision"].copy(),
        )

    def notes(self) -> list[str]:
        """Return what the user should know of hours that more than one file tells."""
        return [
            f"entre los archivos, {aviso}" for aviso in describe_counts(self.cuentas, self.lineas)
        ]
