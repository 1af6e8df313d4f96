"""What the utility knows of customers, for whoever only asks, and who shares what with whom."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.stores.customer_context import CAMPOS_CONTEXTO, Companions, ContextoCliente
from pipeline.stores.postgres.query_connections import ReadConnections
from pipeline.stores.query_limits import check_id, check_ids

CLIENTES_MAXIMOS = 2_000
"""Of one question."""
COMPANEROS_MAXIMOS = 500
"""Customers of a group that are named."""
RAZON_POTENCIA = 1.5
"""Contracted powers are alike where neither is more than so many times the other: a step or two of
the usual ones (3.45, 4.6, 5.75, 6.9, 9.2 kW). By hand, 2026-12-01."""

_CONTEXTO = f"""
SELECT propietario_id, {", ".join(CAMPOS_CONTEXTO)} FROM contexto_clientes
WHERE propietario_id = ANY(%(clientes)s)
"""
_DE_TARIFA = """
SELECT count(*) OVER (), o.propietario_id
FROM contexto_clientes AS c JOIN contexto_clientes AS o ON o.tarifa = c.tarifa
    AND o.potencia_contratada_kw BETWEEN c.potencia_contratada_kw / %(razon)s
        AND c.potencia_contratada_kw * %(razon)s
    AND o.propietario_id <> c.propietario_id
WHERE c.propietario_id = %(cliente)s
ORDER BY abs(ln(o.potencia_contratada_kw / c.potencia_contratada_kw)), o.propietario_id
LIMIT %(limite)s
"""
_DE_TRANSFORMADOR = """
SELECT count(*) OVER (), o.propietario_id
FROM contexto_clientes AS c JOIN contexto_clientes AS o ON o.transformador = c.transformador
    AND o.propietario_id <> c.propietario_id
WHERE c.propietario_id = %(cliente)s
ORDER BY o.propietario_id LIMIT %(limite)s
"""


class PostgresContext:
    """What is asked of what the utility knows (``ContextQueries``)."""

    def __init__(self, conexiones: ReadConnections) -> None:
        self._rows = conexiones.rows

    def of(self, propietario_ids: Sequence[str]) -> dict[str, ContextoCliente]:
        """Return what is known of customers; of whom nothing is known is left out."""
        clientes = check_ids(propietario_ids, CLIENTES_MAXIMOS)
        filas = self._rows(_CONTEXTO, {"clientes": clientes}) if clientes else []
        return {fila[0]: ContextoCliente.from_row(fila) for fila in filas}

    def same_tariff(self, propietario_id: str) -> Companions:
        """Return who has the customer's tariff and a like contracted power, most like first."""
        return self._companions(_DE_TARIFA, propietario_id)

    def same_transformer(self, propietario_id: str) -> Companions:
        """Return who hangs from the customer's transformer, by name."""
        return self._companions(_DE_TRANSFORMADOR, propietario_id)

    def _companions(self, consulta: str, propietario_id: str) -> Companions:
        filas = self._rows(
            consulta,
            {
                "cliente": check_id(propietario_id),
                "razon": RAZON_POTENCIA,
                "limite": COMPANEROS_MAXIMOS,
            },
        )
        return Companions(filas[0][0] if filas else 0, [cliente for _, cliente in filas])
