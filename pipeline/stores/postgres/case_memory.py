"""What the case clock remembers of customers: ``memoria_clientes`` and ``memoria_dias``.

Every function works inside the caller's transaction, on its cursor.

A customer's memory only goes forward. A consumer that has lost the customer without knowing it yet
(another one has read on) does not take it back: what stands at an earlier ``hoy`` than the stored
one is left out, pages included. At the same ``hoy`` the newer write counts, as a late correction
has to; only ``sucio``, which within a day can only come up or go back in time, stays the earlier of
the two, so a write that was overtaken does not lose a correction that is still to be judged.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import compress
from typing import Any

import numpy as np
import psycopg2
from numpy.typing import NDArray

from detection.cases.records import (
    BYTES_DIA,
    CAMPOS_ESTADO,
    DIAS_PAGINA,
    CaseMemory,
    CustomerStates,
    DayPages,
)
from detection.memory.daily import BLOQUES
from detection.memory.day_memory import NO_DAY
from pipeline.stores.postgres.copy_rows import CABECERA, COLA

_BYTES_PAGINA = DIAS_PAGINA * BYTES_DIA
_BYTES_NIVELES = 2 * BLOQUES
_KIND = "inocente_tipo"
"""The one number of a state that is no day."""
_EPOCA = "DATE '1970-01-01'"
# Binary columns go as one value that the server cuts, and arrays as one text: of psycopg2's own
# arrays every element is a literal, to be written here and parsed there (0.15 s for 5 000 states).
_CORTE = "substring(%(bytes)s::bytea FROM ({ancho} * (n - 1) + 1)::int FOR {ancho})"


def _to_column(campo: str) -> str:
    numero = f"nullif({campo}, {NO_DAY})"
    return numero if campo == _KIND else f"{_EPOCA} + {numero}"


def _from_column(campo: str) -> str:
    return f"coalesce({campo if campo == _KIND else f'{campo} - {_EPOCA}'}, {NO_DAY})"


_GUARDA_ESTADOS = f"""
INSERT INTO memoria_clientes AS m (propietario_id, {", ".join(CAMPOS_ESTADO)}, niveles)
SELECT propietario_id, {", ".join(map(_to_column, CAMPOS_ESTADO))},
    {_CORTE.format(ancho=_BYTES_NIVELES)}
FROM unnest(%(clientes)s::text[], {", ".join(f"%({campo})s::int[]" for campo in CAMPOS_ESTADO)})
    WITH ORDINALITY AS p(propietario_id, {", ".join(CAMPOS_ESTADO)}, n)
ORDER BY n
ON CONFLICT (propietario_id) DO UPDATE SET
    {", ".join(f"{campo} = excluded.{campo}" for campo in CAMPOS_ESTADO if campo != "sucio")},
    niveles = excluded.niveles,
    sucio = CASE WHEN m.hoy = excluded.hoy THEN least(m.sucio, excluded.sucio)
        ELSE excluded.sucio END
WHERE m.hoy <= excluded.hoy
RETURNING propietario_id
"""
_GUARDA_PAGINAS = f"""
INSERT INTO memoria_dias (propietario_id, mes, dias)
SELECT propietario_id, make_date(1970 + mes / 12, 1 + mes %% 12, 1),
    {_CORTE.format(ancho=_BYTES_PAGINA)}
FROM unnest(%(clientes)s::text[], %(meses)s::int[]) WITH ORDINALITY AS p(propietario_id, mes, n)
ORDER BY n
ON CONFLICT (propietario_id, mes) DO UPDATE SET dias = excluded.dias
"""

# From customer to customer along the index (OFFSET 0), whatever the planner thinks of so many.
_PEDIDOS = """
FROM unnest(%(ids)s::text[]) WITH ORDINALITY AS p(propietario_id, indice)
CROSS JOIN LATERAL (
    SELECT * FROM memoria_clientes AS c WHERE c.propietario_id = p.propietario_id OFFSET 0
) AS m
"""
_ESTADOS = f"""
SELECT indice::int, {", ".join(map(_from_column, CAMPOS_ESTADO))}, niveles
{_PEDIDOS}
"""
_PAGINAS = f"""
SELECT indice::int, ((EXTRACT(year FROM mes) - 1970) * 12 + EXTRACT(month FROM mes) - 1)::int, dias
{_PEDIDOS} CROSS JOIN LATERAL (
    SELECT mes, dias FROM memoria_dias AS c
    WHERE c.propietario_id = p.propietario_id
      AND c.mes BETWEEN date_trunc('month', m.primero)::date AND m.hoy
    OFFSET 0
) AS d
"""
# Their rows as a binary COPY gives them: the number of fields, each with its length in front.
_FILA_ESTADO = np.dtype(
    [
        ("campos", ">i2"),
        ("numeros", np.dtype([("largo", ">i4"), ("valor", ">i4")]), (1 + len(CAMPOS_ESTADO),)),
        ("largo", ">i4"),
        ("niveles", "u1", (2, BLOQUES)),
    ]
)
_FILA_PAGINA = np.dtype(
    [
        ("campos", ">i2"),
        ("numeros", np.dtype([("largo", ">i4"), ("valor", ">i4")]), (2,)),
        ("largo", ">i4"),
        ("dias", "u1", (DIAS_PAGINA, BYTES_DIA)),
    ]
)

# Locked in the order in which they are written, as all rows are.
_OLVIDA_CLIENTES = """
WITH suyos AS MATERIALIZED (
    SELECT propietario_id FROM memoria_clientes WHERE hoy < %s ORDER BY propietario_id FOR UPDATE
), olvidados AS (
    DELETE FROM memoria_clientes WHERE propietario_id IN (SELECT propietario_id FROM suyos)
    RETURNING propietario_id
), sin_contexto AS (
    DELETE FROM contexto_clientes WHERE propietario_id IN (SELECT propietario_id FROM olvidados)
)
DELETE FROM memoria_dias WHERE propietario_id IN (SELECT propietario_id FROM olvidados)
"""
# No writer touches them: they lie before all that a customer remembers.
_OLVIDA_PAGINAS = """
DELETE FROM memoria_dias AS d USING memoria_clientes AS m
WHERE d.propietario_id = m.propietario_id AND d.mes < date_trunc('month', m.primero)::date
"""


def put_memory(cursor: Any, memoria: CaseMemory) -> None:
    """Store what a batch has changed, of customers whose stored memory is not ahead of it.

    Whoever has a page has a state in it. Rows go in the order of their keys, so that two writers
    never wait for each other in a circle.
    """
    estados, paginas = memoria.estados, memoria.paginas
    clientes = estados.propietario_id
    if not clientes:
        return
    orden = sorted(range(len(clientes)), key=clientes.__getitem__)
    parametros = {
        "clientes": _array(map(_quoted, (clientes[i] for i in orden))),
        "bytes": psycopg2.Binary(estados.niveles[orden].tobytes()),
        **{
            campo: _array(map(str, suyos))
            for campo, suyos in zip(CAMPOS_ESTADO, estados.dias[orden].T.tolist(), strict=True)
        },
    }
    cursor.execute(_GUARDA_ESTADOS, parametros)
    guardados = {cliente for (cliente,) in cursor}
    de_quien, meses = paginas.propietario_id, paginas.mes.tolist()
    orden = sorted(
        compress(range(len(de_quien)), (cliente in guardados for cliente in de_quien)),
        key=lambda i: (de_quien[i], meses[i]),
    )
    if orden:
        parametros = {
            "clientes": _array(map(_quoted, (de_quien[i] for i in orden))),
            "meses": _array(map(str, (meses[i] for i in orden))),
            "bytes": psycopg2.Binary(paginas.dias[orden].tobytes()),
        }
        cursor.execute(_GUARDA_PAGINAS, parametros)


def _array(elementos: Iterable[str]) -> str:
    """Return elements as PostgreSQL reads an array (manual, "Array Input and Output Syntax")."""
    return f"{{{','.join(elementos)}}}"


def _quoted(texto: str) -> str:
    escapado = texto.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escapado}"'


def get_memory(cursor: Any, propietario_id: Sequence[str]) -> CaseMemory:
    """Return all that is remembered of distinct customers; who has no memory is left out.

    States come in the order in which they are asked for, and so do pages, of a customer by month:
    from that of its ``primero`` to that of its ``hoy``.
    """
    clientes = list(propietario_id)
    estado, pagina = (
        _copy(cursor, consulta, clientes, fila)
        for consulta, fila in ((_ESTADOS, _FILA_ESTADO), (_PAGINAS, _FILA_PAGINA))
    )
    # WITH ORDINALITY counts from 1.
    de_estado, de_pagina = (
        [clientes[i - 1] for i in filas["numeros"]["valor"][:, 0].tolist()]
        for filas in (estado, pagina)
    )
    dias, meses = (filas["numeros"]["valor"].astype(np.int32) for filas in (estado, pagina))
    return CaseMemory(
        CustomerStates(de_estado, dias[:, 1:], np.ascontiguousarray(estado["niveles"])),
        DayPages(de_pagina, meses[:, 1], np.ascontiguousarray(pagina["dias"])),
    )


def _copy(cursor: Any, consulta: str, ids: list[str], fila: np.dtype[Any]) -> NDArray[Any]:
    """Return the rows of a query, all of one length, by their numbers."""
    salida = io.BytesIO()
    sql = cursor.mogrify(consulta, {"ids": ids}).decode()
    cursor.copy_expert(f"COPY ({sql}) TO STDOUT (FORMAT binary)", salida)
    filas = np.frombuffer(salida.getbuffer()[len(CABECERA) : -len(COLA)], fila)
    numeros = filas["numeros"]["valor"]
    # The server walks an index in this order anyhow.
    return filas[np.lexsort((numeros[:, 1], numeros[:, 0]))]


def forget_old_pages(cursor: Any) -> int:
    """Return how many pages are gone that lay before all that their customer remembers."""
    cursor.execute(_OLVIDA_PAGINAS)
    return int(cursor.rowcount)


def forget_customers(cursor: Any, antes_de: date) -> None:
    """Delete the memory of the customers whose last reading is of a day before ``antes_de``.

    And what the utility has told of them: nobody looks at them any more.
    """
    cursor.execute(_OLVIDA_CLIENTES, (antes_de,))
