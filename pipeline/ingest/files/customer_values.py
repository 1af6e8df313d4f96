"""What the values of each customer look like: those of a home, Wh in a column of kWh, or a counter.

One customer of many may be in another unit than the file's; it is looked at on all of its rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detection.errors import LecturaInvalidaError
from pipeline.ingest.files.blocks import MotivoArchivo, reject
from pipeline.ingest.files.customer_facts import Enteros, of
from pipeline.ingest.files.units import MEDIANA_MAXIMA_KWH, MEDIANA_MINIMA_KWH

VALORES_DE_PRUEBA = 6
"""So many values, without zeros, show in which unit they are."""
_PARTE_ENTERA = 10
"""Values of which not one in so many has decimals are whole numbers."""
UNIDADES_SUELTAS_KWH = 0.01
"""With hours of zero among them no home stays below 10 Wh; kWh in a column of Wh do."""
_POLVO = 1e-6
_DICE = {"desconocida": "no dice su unidad", "columna": "dice la unidad de cada fila"}
HORAS_CRECIENTES = 47
"""A home's consumption does not grow for two days, hour after hour…"""
CONTADOR_MINIMO_KWH = 15.0
"""…nor to more than the highest tariff of a home lets through."""


@dataclass(slots=True)
class CustomerValues:
    """Counts of each customer's values, by its code; takes them in the order of the file.

    Parameters
    ----------
    unidad : str
        In which the layout has them; "" = it is not doubted.
    paso : int
        Minutes of the shortest interval.
    contra : str
        What the layout says, where the user says ``unidad`` instead; "" = the same, or he does not.
    """

    unidad: str
    paso: int = 60
    contra: str = ""
    _de_gas: set[int] = field(default_factory=set)
    _cuentas: dict[str, Enteros] = field(default_factory=dict)
    _primero: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0, np.float64))
    _ultimo: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0, np.float64))

    def see(
        self,
        cliente: NDArray[np.int32],
        valor: NDArray[np.float64],
        kwh_hora: NDArray[np.float64],
        fina: NDArray[np.bool_],
    ) -> None:
        """Take rows.

        Parameters
        ----------
        cliente, valor : ndarray (n,)
            Codes, and values as they are written; NaN = none.
        kwh_hora : ndarray (n,)
            The same in kWh of an hour.
        fina : ndarray (n,)
            Which are written with hundredths.
        """
        if not cliente.size:
            return
        self._follow(cliente, kwh_hora)
        if not self.unidad:
            return
        hay = kwh_hora > 0
        roto = hay & (valor != np.floor(valor))
        for cuenta, cuales in (
            ("cuantos", hay),
            ("grandes", kwh_hora > MEDIANA_MAXIMA_KWH),
            ("chicos", hay & (kwh_hora < MEDIANA_MINIMA_KWH)),
            ("rotos", roto),
            ("finos", roto & fina),
            ("partes", hay & (np.abs(valor * 1e3 - np.round(valor * 1e3)) > _POLVO)),
            ("unidades", hay & (kwh_hora <= UNIDADES_SUELTAS_KWH)),
            ("ceros", kwh_hora == 0.0),
        ):
            self._count(cuenta, cliente[cuales])

    def _count(self, cuenta: str, cliente: NDArray[np.int32]) -> None:
        """Add one for each of some rows to a count of their customer's."""
        antes, ahora = self._cuentas.get(cuenta, np.zeros(0, np.int64)), np.bincount(cliente)
        corta, larga = sorted((antes, ahora), key=len)
        larga[: corta.size] += corta
        self._cuentas[cuenta] = larga

    def _counted(self, cuenta: str) -> Enteros:
        """Return how many values of each customer are counted."""
        todos = np.arange(self._ultimo.size)
        return of(self._cuentas.get(cuenta, np.zeros(0, np.int64)), todos, 0)

    def _follow(self, cliente: NDArray[np.int32], valor: NDArray[np.float64]) -> None:
        """Count how often each customer's value goes up and down from one row to the next."""
        nuevos = np.full(max(0, int(cliente.max()) + 1 - self._ultimo.size), np.nan)
        self._primero, self._ultimo = (
            np.append(antes, nuevos) for antes in (self._primero, self._ultimo)
        )
        if (self._counted("suben") * self._counted("bajan") > 0)[cliente].all():
            return
        if (cliente[1:] < cliente[:-1]).any():
            orden = np.argsort(cliente, kind="stable")
            cliente, valor = cliente[orden], valor[orden]
        nuevo = np.ones(cliente.size, np.bool_)
        nuevo[1:] = cliente[1:] != cliente[:-1]
        antes = np.append(np.nan, valor[:-1])
        antes[nuevo] = self._ultimo[cliente[nuevo]]
        self._count("suben", cliente[valor > antes])
        self._count("bajan", cliente[valor < antes])
        primeros = np.flatnonzero(nuevo & np.isnan(antes))
        self._primero[cliente[primeros]] = valor[primeros]
        ultimos = np.append(np.flatnonzero(nuevo)[1:] - 1, cliente.size - 1)
        self._ultimo[cliente[ultimos]] = valor[ultimos]

    def see_volumes(self, clientes: NDArray[np.int32]) -> None:
        """Take the customers of rows in m³, whose energy is gas."""
        self._de_gas.update(np.unique(clientes).tolist())

    def doubtful(self) -> dict[int, LecturaInvalidaError]:
        """Return the customers whose values are not what they are said to be, and why."""
        dudosos: dict[int, LecturaInvalidaError] = {}
        suben, bajan = self._counted("suben"), self._counted("bajan")
        crecen = np.maximum(suben, bajan) >= HORAS_CRECIENTES * 60 // self.paso
        crecen &= np.fmax(self._primero, self._ultimo) > CONTADOR_MINIMO_KWH
        for codigo in np.flatnonzero(crecen & (suben * bajan == 0)).tolist():
            dudosos[codigo] = reject(
                MotivoArchivo.LECTURA_DE_CONTADOR,
                "sus valores no dejan de crecer: parecen lecturas del contador, no consumos",
            )
        for codigo in self._de_gas:
            dudosos[codigo] = reject(
                MotivoArchivo.UNIDAD_DUDOSA,
                "tiene filas en m³: es un contador de gas o de agua, no de electricidad",
            )
        for raros, parece in self._in_another_unit():
            detalle = (
                f"el archivo dice {self.unidad} y sus valores parecen {parece}: dígalo con "
                f"--unidad {parece} (o {self.unidad}, si lo son)"
            )
            if self.contra:
                detalle = (
                    f"el archivo {_DICE.get(self.contra, f'dice {self.contra}')} y se pide "
                    f"--unidad {self.unidad}, pero sus valores no son de {self.unidad}"
                )
            for codigo in self._proven(raros):
                dudosos.setdefault(codigo, reject(MotivoArchivo.UNIDAD_DUDOSA, detalle))
        return dudosos

    def _in_another_unit(self) -> list[tuple[NDArray[np.bool_], str]]:
        """Return which customers' values look like another unit, and which.

        Wh are whole numbers, or have a tenth; kWh of a home have Wh behind their mark.
        """
        cuantos = self._counted("cuantos")
        grandes = 2 * self._counted("grandes") > cuantos
        chicos = 2 * self._counted("chicos") > cuantos
        enteros = _PARTE_ENTERA * self._counted("rotos") <= cuantos
        gruesos = _PARTE_ENTERA * self._counted("finos") <= cuantos
        if self.contra == "desconocida":
            # What nobody else says is the user's to say, but for what the numbers cannot be.
            return [(~enteros & chicos & (self.unidad == "Wh"), "kWh")]
        if self.contra:
            # The user's word stands against the file's: the numbers must agree with it.
            ajenos = grandes | chicos | (~gruesos & (self.unidad == "Wh"))
            return [(ajenos, self.contra)]
        if self.unidad == "kWh":
            partes = 2 * self._counted("partes") > cuantos
            return [(gruesos & grandes, "Wh"), (chicos & partes, "MWh")]
        if self.unidad == "Wh":
            sueltos = enteros & (self._counted("unidades") == cuantos)
            sueltos &= _PARTE_ENTERA * self._counted("ceros") > cuantos
            return [((~enteros & chicos) | sueltos, "kWh")]
        return []

    def _proven(self, raros: NDArray[np.bool_]) -> list[int]:
        """Return the customers of some who have enough values to prove it."""
        cuantos = self._counted("cuantos")
        bastantes = cuantos >= VALORES_DE_PRUEBA
        if raros[cuantos > 0].all() and cuantos.sum() >= VALORES_DE_PRUEBA:
            # Many customers with few rows each prove it together.
            bastantes = cuantos > 0
        return np.flatnonzero(raros & bastantes).tolist()
