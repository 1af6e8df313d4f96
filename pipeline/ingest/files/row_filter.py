"""Which rows of a table are its consumption: not exported energy, totals, or a second header."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from detection.errors import LecturaInvalidaError
from pipeline.ingest.files.blocks import Informe, MotivoArchivo, reject
from pipeline.ingest.files.cell_reader import Errores
from pipeline.ingest.files.layout import Disposicion
from pipeline.ingest.files.profile_schema import FiltroFilas, normalize, normalize_cell
from pipeline.ingest.files.rows import Columnas
from pipeline.ingest.files.stated import check_cell, stated_columns
from pipeline.ingest.files.text_cells import FormatoError, brief, clean, is_one_of
from pipeline.ingest.files.units import is_reactive, unit_of


@dataclass(slots=True)
class RowFilter:
    """Leaves rows of a table out, and says why.

    Parameters
    ----------
    disposicion : Disposicion
    """

    disposicion: Disposicion
    _dichos: dict[str, list[int]] = field(init=False)

    def __post_init__(self) -> None:
        self._dichos = stated_columns(self.disposicion)

    def columns(self) -> set[int]:
        """Return which columns are looked at."""
        d = self.disposicion
        suyas = {*d.vertidas, *d.filas, *chain.from_iterable(self._dichos.values())} - {-1}
        return suyas | ({0} if d.perfil.pie else set())

    def pass_over_numbers(self, trozos: Callable[[Sequence[int]], Iterator[Columnas]]) -> None:
        """Leave out the columns that have no words in the first piece of the table."""
        palabras = self._dichos["palabra"]
        primero = next(trozos(sorted(palabras)), None) if palabras else None
        if primero is not None:
            self._dichos["palabra"] = [
                s for s in palabras if any(_may_be_words(t) for t in primero.textos[s])
            ]

    def left_out(
        self, columnas: Columnas, errores: Errores, informe: Informe, unidad: str
    ) -> NDArray[np.bool_]:
        """Return which rows are no consumption: totals, exported energy, headers, blank ones.

        Parameters
        ----------
        unidad : str
            In which the values are read.

        Raises
        ------
        FormatoError
            Another header stands among the rows, or a column contradicts the layout.
        """
        fuera = np.ones(len(columnas), np.bool_)
        for sitio in columnas.textos.keys() - set(self._dichos["palabra"]):
            vacia = np.array([not t.strip() for t in columnas.textos[sitio]], np.bool_)
            fuera &= vacia[columnas.codigos[sitio]]
        pie = self.disposicion.perfil.pie
        if pie:
            suya = [bool(re.match(pie, clean(t), re.IGNORECASE)) for t in columnas.textos[0]]
            fuera |= np.array(suya, np.bool_)[columnas.codigos[0]]
        fuera |= self._headers(columnas)
        self._check_stated(columnas, fuera, unidad)
        fuera |= self._by_class(columnas, fuera, errores, informe)
        if unidad == "columna":
            fuera |= self._reactive(columnas, informe)
        self._tell_exported(columnas, informe)
        return fuera

    def _headers(self, columnas: Columnas) -> NDArray[np.bool_]:
        """Return which rows are the header once more: files that were put one behind the other."""
        d = self.disposicion
        cabeceras = np.zeros(len(columnas), np.bool_)
        if not d.nombres:
            return cabeceras
        clave = next((d.sitios[n] for n in ("instante", "fecha", "id") if n in d.sitios), -1)
        if clave < 0:
            return cabeceras
        textos = columnas.textos[clave]
        if not any(texto.lstrip()[:1] > "9" for texto in textos):
            # Times begin with a digit, all of them in nearly all files.
            return cabeceras
        suyos = columnas.textos.keys() - set(self._dichos["palabra"])
        con_letra = np.array([_starts_with_letter(texto) for texto in textos], np.bool_)
        for i in np.flatnonzero(con_letra[columnas.codigos[clave]]).tolist():
            fila = {s: columnas.textos[s][columnas.codigos[s][i]] for s in suyos}
            if all(normalize(texto) == d.nombres[s] for s, texto in fila.items()):
                cabeceras[i] = True
                self._refuse_other_customer(int(columnas.lineas[i]))
            elif self._is_header(fila, clave):
                raise FormatoError(
                    f"la línea {columnas.lineas[i]} es otra cabecera, con otras columnas: son dos "
                    "archivos, uno detrás de otro"
                )
        return cabeceras

    def _is_header(self, fila: dict[int, str], clave: int) -> bool:
        """Return whether a row has names where the layout has a time and a value."""
        d = self.disposicion
        suyas = [fila[s] for s in {clave, *d.valores} if s in fila]
        ajenas = sum(normalize(t) in d.nombres for t in fila.values() if t.strip())
        return ajenas >= 2 or (len(suyas) > 1 and all(map(_starts_with_letter, suyas)))

    def _refuse_other_customer(self, linea: int) -> None:
        """Refuse a second header where what stands above it counts."""
        perfil = self.disposicion.perfil
        if perfil.encima or ("encima" in perfil.identidad.de and self.disposicion.encima):
            raise FormatoError(
                f"en la línea {linea} empieza otro archivo, y lo que hay encima de su cabecera "
                "dice de quién y de qué es: sepárelos"
            )

    def _check_stated(self, columnas: Columnas, fuera: NDArray[np.bool_], unidad: str) -> None:
        for que, sitios in self._dichos.items():
            for sitio in sitios:
                codigos = np.unique(columnas.codigos[sitio][~fuera]).tolist()
                for codigo in codigos:
                    check_cell(que, columnas.textos[sitio][codigo], unidad)

    def _by_class(
        self, columnas: Columnas, fuera: NDArray[np.bool_], errores: Errores, informe: Informe
    ) -> NDArray[np.bool_]:
        """Return which rows a column says to be no consumption; refuse those it does not know."""
        otras = np.zeros(len(columnas), np.bool_)
        for filas, sitio in zip(self.disposicion.perfil.filas, self.disposicion.filas, strict=True):
            clases = [class_of(t, filas) for t in columnas.textos[sitio]]
            for texto, clase in zip(columnas.textos[sitio], clases, strict=True):
                if clase == "vertida":
                    informe.note_exported(f"{filas.columna[0]}: {brief(clean(texto))}")
                elif clase == "otras":
                    cual = f"{filas.columna[0]}: {brief(clean(texto))}"
                    informe.note(f"lo que no es consumo de electricidad ({cual}) no se envía")
            codigos = columnas.codigos[sitio]
            otras |= np.array([c in {"vertida", "otras"} for c in clases], np.bool_)[codigos]
            rara = np.array([not c for c in clases], np.bool_)[codigos] & ~fuera
            textos = columnas.textos[sitio]
            errores.take(rara, _unknown_row(textos, codigos, str(filas.columna[0])))
        return otras

    def _reactive(self, columnas: Columnas, informe: Informe) -> NDArray[np.bool_]:
        """Return which rows say a unit of reactive energy."""
        sitio = self.disposicion.sitios["unidad"]
        textos = columnas.textos[sitio]
        suyas = [is_reactive(unit_of(t)) for t in textos]
        for texto, suya in zip(textos, suyas, strict=True):
            if suya:
                informe.note(
                    f"la energía reactiva («{brief(clean(texto))}») no es consumo y no se envía"
                )
        return np.array(suyas, np.bool_)[columnas.codigos[sitio]]

    def _tell_exported(self, columnas: Columnas, informe: Informe) -> None:
        valor = self.disposicion.valor
        for k, sitio in enumerate(self.disposicion.vertidas):
            if any(t.strip("0,. ") for t in columnas.textos[sitio]):
                nombre = valor.vertida[min(k, len(valor.vertida) - 1)][0]
                informe.note_exported(f"columna {nombre}" if isinstance(nombre, int) else nombre)


def class_of(celda: str, filas: FiltroFilas) -> str:
    """Return what a row is, by the content that fits it best: consumo, vertida, otras or ""."""
    suya, mejor, largo = normalize_cell(clean(celda)), "", -1
    for clase in ("consumo", "vertida", "otras"):
        for texto in getattr(filas, clase):
            # What says more of a cell counts more than what fits many.
            dice = len(texto.replace("*", "")) + 1000 * ("*" not in texto)
            if dice > largo and is_one_of(suya, (texto,)):
                mejor, largo = clase, dice
    return mejor


def _may_be_words(celda: str) -> bool:
    texto = clean(celda)
    return not texto or texto[0].isalpha()


def _starts_with_letter(celda: str) -> bool:
    return clean(celda).lstrip('"\ufeff ')[:1].isalpha()


def _unknown_row(
    textos: list[str], codigos: NDArray[np.int32], columna: str
) -> Callable[[int], LecturaInvalidaError]:
    return lambda i: reject(
        MotivoArchivo.FILA_DESCONOCIDA,
        f"{columna} es «{brief(clean(textos[codigos[i]]))}», y no se sabe si es consumo",
    )
