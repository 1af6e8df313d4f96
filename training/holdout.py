"""The frozen, labelled set that versions are compared on: real readings, injected attacks.

Each held-out customer is in it as it is, and each of its twins, the same customer until the first
judged hour, does something from then on (``detection/simulation/attacks.py``). Who is who is not
in it: customers are numbered, for the set is kept with the model. Attacks go round the customers,
and a customer may have several twins: few customers are as many cases, though not as many people.

Judged are the held-out hours of the clean customers, and of the twins the hours that their attack
has its hand in. A twin's other hours are neither: they are honest, and yet part of a fraud.
"""

from __future__ import annotations

import hashlib
import io
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detection.domain import Calendario, Lecturas
from detection.errors import ModeloInvalidoError
from detection.simulation.attacks import make_attack
from detection.simulation.draws import make_time_axis
from training.evaluation.attacked_homes import ATAQUES, attack_readings
from training.history import HeldOut, partition_of, partitions_for

EVALUACION = "evaluacion.parquet"
"""Name of the set among the side files of a package."""
GEMELOS_POR_ATAQUE = 5
"""Twins of each kind, at least, however few customers there are: with fewer, one that is missed by
chance is a quarter of them. By hand, 2026-11-24."""
GEMELO = ".gemelo_"
"""Between the name of a customer and the number of its twin."""


@dataclass(frozen=True, slots=True, eq=False)
class Conjunto:
    """Labelled readings in the order of the log."""

    lecturas: Lecturas  # 28 days of past and the judged days of each customer
    particion: NDArray[np.int32]  # (n,): partition of each reading's customer
    juzgada: NDArray[np.bool_]  # (n,): the reading counts in the metrics
    tipo: list[str]  # (n,): one of ``ATAQUES``, "" = honest

    def __len__(self) -> int:
        return len(self.lecturas)

    @property
    def corte_hora(self) -> int:
        """Return the absolute hour at which the judged days begin."""
        return int(self.lecturas.hora_utc[self.juzgada].min())

    @property
    def origen(self) -> NDArray[np.int64]:
        """Return (n,) a number for each reading's customer, the same for it and its twins."""
        nombres = [p.partition(GEMELO)[0] for p in self.lecturas.propietario_id]
        return np.unique(np.array(nombres), return_inverse=True)[1].astype(np.int64)

    @property
    def sha256(self) -> str:
        """Return the hash of the contents, whatever file they are kept in."""
        huella = hashlib.sha256()
        for textos in (self.lecturas.propietario_id, self.tipo):
            huella.update("\n".join(textos).encode())
        for columna in (
            self.lecturas.hora_utc, self.lecturas.consumo_kwh, self.particion, self.juzgada,
        ):  # fmt: skip
            huella.update(columna.tobytes())
        return huella.hexdigest()

    def to_parquet(self) -> bytes:
        """Return the set as the bytes of a Parquet file; the same set, the same bytes."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        salida = io.BytesIO()
        tabla = pa.table(
            {
                "propietario_id": pa.array(self.lecturas.propietario_id).dictionary_encode(),
                "hora_utc": self.lecturas.hora_utc,
                "consumo_kwh": self.lecturas.consumo_kwh,
                "particion": self.particion,
                "juzgada": self.juzgada,
                "tipo": pa.array(self.tipo).dictionary_encode(),
            }
        )
        pq.write_table(tabla, salida, compression="zstd")
        return salida.getvalue()

    @staticmethod
    def from_parquet(datos: bytes) -> Conjunto:
        """Return the set in the bytes of a Parquet file.

        ``ModeloInvalidoError``: they are not a set of ours.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            tabla = pq.read_table(io.BytesIO(datos))
            columna = {nombre: tabla.column(nombre) for nombre in tabla.column_names}
            return Conjunto(
                Lecturas(
                    columna["propietario_id"].to_pylist(),
                    columna["hora_utc"].to_numpy(),
                    columna["consumo_kwh"].to_numpy(),
                ),
                columna["particion"].to_numpy(),
                columna["juzgada"].to_numpy(),
                columna["tipo"].to_pylist(),
            )
        except (pa.ArrowException, KeyError) as error:
            raise ModeloInvalidoError(f"el conjunto de evaluación está dañado: {error}") from error


def make_conjunto(
    retenidas: HeldOut, calendario: Calendario, semilla: int, clientes_por_particion: float
) -> Conjunto:
    """Return the set of some held-out customers and their twins, every kind of attack in turn.

    ``clientes_por_particion``: as live, > 0: they go into as many partitions as keep it.
    """
    lecturas = retenidas.lecturas
    corte = int(lecturas.hora_utc[retenidas.retenida].min())
    hasta = int(lecturas.hora_utc.max()) + 1
    tiempo = make_time_axis(semilla, corte, hasta, calendario, frozenset())
    reales = _by_customer(lecturas)
    gemelos = max(len(reales), GEMELOS_POR_ATAQUE * len(ATAQUES))
    partes = [
        _Parte(_name(quien), hora, kwh, hora >= corte, [""] * hora.size)
        for quien, (hora, kwh) in enumerate(reales)
    ]
    # After so many the same customers would meet the same kinds again.
    vuelta = math.lcm(len(reales), len(ATAQUES))
    for k in range(gemelos):
        quien = (k + k // vuelta) % len(reales)
        hora, kwh = reales[quien]
        ataque = make_attack(semilla, k + 1, ATAQUES[k % len(ATAQUES)], corte)
        leido, atacada = attack_readings(
            ataque, (tiempo.hora_utc.size, k + 1), hora, kwh, tiempo, calendario
        )
        nombre = f"{_name(quien)}{GEMELO}{k + 1:04d}"
        tipo = np.where(atacada, ataque.tipo, "").tolist()
        partes.append(_Parte(nombre, hora, leido, atacada, tipo))
    return _join(partes, partitions_for(len(partes), clientes_por_particion))


def _name(quien: int) -> str:
    return f"limpio_{quien + 1:04d}"


@dataclass(frozen=True, slots=True, eq=False)
class _Parte:
    nombre: str
    hora_utc: NDArray[np.int64]
    consumo_kwh: NDArray[np.float64]
    juzgada: NDArray[np.bool_]
    tipo: list[str]


def _by_customer(lecturas: Lecturas) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    _, numero = np.unique(np.array(lecturas.propietario_id), return_inverse=True)
    orden = np.lexsort((lecturas.hora_utc, numero))
    cortes = np.flatnonzero(np.diff(numero[orden])) + 1
    return [
        (lecturas.hora_utc[filas], lecturas.consumo_kwh[filas]) for filas in np.split(orden, cortes)
    ]


def _join(partes: list[_Parte], particiones: int) -> Conjunto:
    numero = np.repeat(np.arange(len(partes)), [p.hora_utc.size for p in partes])
    hora = np.concatenate([p.hora_utc for p in partes])
    orden = np.lexsort((numero, hora))
    tipo = [t for p in partes for t in p.tipo]
    particion = np.array([partition_of(p.nombre, particiones) for p in partes], np.int32)
    return Conjunto(
        Lecturas(
            [partes[k].nombre for k in numero[orden].tolist()],
            hora[orden],
            np.concatenate([p.consumo_kwh for p in partes])[orden],
        ),
        particion[numero[orden]],
        np.concatenate([p.juzgada for p in partes])[orden],
        [tipo[i] for i in orden.tolist()],
    )
