"""What a challenger in shadow says, beside the champion."""

from __future__ import annotations

from functools import partial

from detection.domain import SEVERIDADES
from pipeline.stores.postgres.history import distinct_query
from pipeline.stores.postgres.query_connections import ReadConnections
from pipeline.stores.presentation import Presentacion
from pipeline.stores.query_cache import AnswerCache
from pipeline.stores.query_limits import ConsultaInvalidaError, check_limit, check_text
from pipeline.stores.records import ComparacionSombra, LecturaEnSombra, ParSombra

SOMBRA_MAXIMA = 200_000
"""Shadow rows of a challenger that a summary looks at: some months of a large utility's."""
DIFERENCIAS_MAXIMAS = 500

PARES_SOMBRA = """
SELECT severidad_campeon, severidad_aspirante, count(*) FROM (
    SELECT severidad_campeon, severidad_aspirante FROM comparacion_sombra
    WHERE version_aspirante = %(version)s LIMIT %(limite)s
) AS s GROUP BY 1, 2
"""
VERSIONES_SOMBRA = f"{distinct_query('version_aspirante', 'comparacion_sombra')} LIMIT 100"
DIFERENCIAS = """
SELECT * FROM (
    SELECT propietario_id, timestamp_consumo, version_campeon, version_aspirante,
        score_campeon::float8, score_aspirante::float8, severidad_campeon, severidad_aspirante
    FROM comparacion_sombra WHERE version_aspirante = %(version)s LIMIT %(maximo)s
) AS s
ORDER BY abs(score_aspirante - score_campeon) DESC, timestamp_consumo DESC, propietario_id
LIMIT %(limite)s
"""


class PostgresShadow:
    """What is asked of challengers in shadow."""

    def __init__(
        self, conexiones: ReadConnections, recuerdo: AnswerCache, presenta: Presentacion
    ) -> None:
        self._rows = conexiones.rows
        self._recuerdo = recuerdo
        self._presenta = presenta

    def summary(self, version_aspirante: str) -> ComparacionSombra:
        """Return how a challenger in shadow compares, ``SOMBRA_MAXIMA`` of its rows at most.

        Without its ``elementos``, which are ``differences``.
        """
        version = _check_version(version_aspirante)
        return self._recuerdo.get(("sombra", version), partial(self._load_shadow, version))

    def versions(self) -> list[str]:
        """Return the challengers that have scored in shadow, sorted."""
        return [version for (version,) in self._rows(VERSIONES_SOMBRA, {})]

    def differences(self, version_aspirante: str, limite: int = 50) -> list[LecturaEnSombra]:
        """Return where champion and challenger differ most, the greatest difference first."""
        version = _check_version(version_aspirante)
        check_limit(limite, DIFERENCIAS_MAXIMAS)
        parametros = {"version": version, "maximo": SOMBRA_MAXIMA, "limite": DIFERENCIAS_MAXIMAS}
        filas = self._recuerdo.get(
            ("diferencias", version),
            lambda: [
                LecturaEnSombra.from_row((cliente, self._presenta.hora(momento), *resto))
                for cliente, momento, *resto in self._rows(DIFERENCIAS, parametros)
            ],
        )
        return filas[:limite]

    def _load_shadow(self, version: str) -> ComparacionSombra:
        filas = self._rows(PARES_SOMBRA, {"version": version, "limite": SOMBRA_MAXIMA})
        orden = [str(severidad) for severidad in SEVERIDADES]
        saltos = [(orden.index(b) - orden.index(a), n) for a, b, n in filas]
        return ComparacionSombra(
            version_aspirante=version,
            pares=[ParSombra.from_row(fila) for fila in sorted(filas)],
            lecturas=sum(n for _, n in saltos),
            coinciden=sum(n for salto, n in saltos if salto == 0),
            mas_graves=sum(n for salto, n in saltos if salto > 0),
            menos_graves=sum(n for salto, n in saltos if salto < 0),
        )


def _check_version(version: str) -> str:
    if not 1 <= len(version) <= 100:
        raise ConsultaInvalidaError("el nombre de una versión tiene de 1 a 100 caracteres")
    return check_text(version)
