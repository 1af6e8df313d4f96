"""Customers as wholes: which there are, how each is doing, and what it usually uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from detection.domain import SEVERIDADES
from detection.params import DIAS_VENTANA, Params
from pipeline.stores.months import HORAS_SEMANA, is_whole
from pipeline.stores.postgres.history import distinct_query
from pipeline.stores.postgres.query_connections import ReadConnections
from pipeline.stores.postgres.query_readings import (
    DEL_CLIENTE,
    DIAS_MAPA,
    PostgresReadings,
    limits,
)
from pipeline.stores.presentation import Presentacion, kwh
from pipeline.stores.query_cache import AnswerCache
from pipeline.stores.query_limits import (
    PROPIETARIO_MAXIMO,
    ConsultaInvalidaError,
    Pagina,
    check_id,
    check_ids,
    check_limit,
    check_text,
    decode_cursor,
    encode_cursor,
)
from pipeline.stores.record_base import PorSeveridad, Variacion
from pipeline.stores.records import (
    ClaseDeDia,
    EstadisticasCliente,
    EstadoCliente,
    FranjaPerfil,
)
from serving.settings import Settings, horas_de

CLIENTES_ESTADO = 500
CLIENTES_MAXIMOS = 50_000
"""Customers remembered for whoever searches by a part of the name, and to draw peers from."""
DIAS_CATALOGO = 35
CLASES: tuple[ClaseDeDia, ClaseDeDia] = ("laborable", "fin_de_semana")

FIN_DE_SEMANA = "(extract(isodow FROM fecha) > 5)::int"

_POR_SEVERIDAD = ", ".join(
    f"count(*) FILTER (WHERE severidad = '{severidad}')" for severidad in SEVERIDADES[1:]
)
ESTADISTICAS = f"""
SELECT count(*), sum(consumo_kwh)::float8, avg(consumo_kwh)::float8, min(consumo_kwh)::float8,
    max(consumo_kwh)::float8, stddev_samp(consumo_kwh)::float8,
    percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY consumo_kwh::float8),
    avg(consumo_kwh) FILTER (WHERE hora = ANY(%(noche)s))::float8,
    avg(consumo_kwh) FILTER (WHERE hora = ANY(%(punta)s))::float8,
    max(score_anomalia)::float8,
    sum(greatest(consumo_kwh::float8 - consumo_esperado_kwh, 0)) FILTER (WHERE anomalia_detectada),
    sum(greatest(consumo_esperado_kwh - consumo_kwh::float8, 0)) FILTER (WHERE anomalia_detectada),
    (SELECT timestamp_consumo FROM consumos_historia
     WHERE propietario_id = %(cliente)s ORDER BY timestamp_consumo LIMIT 1),
    {_POR_SEVERIDAD}
{DEL_CLIENTE}
"""
TIPOS = f"""
SELECT tipo, count(*)
FROM (SELECT tipos_anomalia {DEL_CLIENTE} AND anomalia_detectada) AS a
CROSS JOIN unnest(a.tipos_anomalia) AS tipo GROUP BY tipo ORDER BY count(*) DESC, tipo
"""
SEMANAS = f"""
SELECT coalesce(sum(consumo_kwh) FILTER (WHERE timestamp_consumo >= %(corte)s), 0)::float8,
    coalesce(sum(consumo_kwh) FILTER (WHERE timestamp_consumo < %(corte)s), 0)::float8,
    count(*) FILTER (WHERE timestamp_consumo >= %(corte)s),
    count(*) FILTER (WHERE timestamp_consumo < %(corte)s)
{DEL_CLIENTE}
"""
ESTADO = """
SELECT d.* FROM unnest(%(clientes)s::text[]) AS p(propietario_id)
CROSS JOIN LATERAL (
    SELECT c.propietario_id, c.timestamp_consumo, c.consumo_kwh::float8, c.score_anomalia::float8,
        c.severidad, c.es_sospechoso
    FROM consumos_historia AS c WHERE c.propietario_id = p.propietario_id
    ORDER BY c.timestamp_consumo DESC LIMIT 1
) AS d
"""
PERFIL = f"""
SELECT {FIN_DE_SEMANA}, hora, count(*), avg(consumo_kwh)::float8,
    stddev_samp(consumo_kwh)::float8,
    percentile_cont(ARRAY[0.1, 0.5, 0.9]) WITHIN GROUP (ORDER BY consumo_kwh::float8)
{DEL_CLIENTE} GROUP BY 1, 2 ORDER BY 1, 2
"""
# No name is longer than its greatest character repeated, and COLLATE "C" compares the bytes of
# UTF-8.
_DEL_PREFIJO = "propietario_id >= %(desde)s AND propietario_id < %(hasta)s"
CLIENTES_CON_PREFIJO = f"""
{distinct_query("propietario_id", "consumos_historia", _DEL_PREFIJO)} LIMIT %(limite)s
"""
_RECIENTES = "timestamp_consumo >= %(desde)s"
CATALOGO = f"""
{distinct_query("propietario_id", "consumos_historia", _RECIENTES)} LIMIT %(limite)s
"""
# By the index on fecha; the latest day's hours are then few.
ULTIMA = """
SELECT max(timestamp_consumo) FROM consumos_historia
WHERE fecha = (SELECT fecha FROM consumos_historia ORDER BY fecha DESC LIMIT 1)
"""
_TOPE = "\U0010ffff"


class PostgresCustomers:
    """What is asked of customers as wholes."""

    def __init__(
        self,
        conexiones: ReadConnections,
        recuerdo: AnswerCache,
        lecturas: PostgresReadings,
        settings: Settings,
        presenta: Presentacion,
    ) -> None:
        self._rows = conexiones.rows
        self._presenta = presenta
        self._recuerdo = recuerdo
        self._lecturas = lecturas
        self._horas = {
            "noche": list(horas_de(settings.horas_noche)),
            "punta": list(horas_de(settings.horas_punta)),
        }

    def latest_reading(self) -> datetime | None:
        """Return the instant of the latest reading of all; None = there is none."""
        return self._recuerdo.get("última", self._load_latest)

    def _load_latest(self) -> datetime | None:
        ((ultima,),) = self._rows(ULTIMA, {})
        return cast("datetime | None", ultima)

    def statistics(
        self, propietario_id: str, hasta: datetime | None = None, dias: int = DIAS_VENTANA
    ) -> EstadisticasCliente | None:
        """Return the figures of 1 to ``DIAS_MAPA`` days (``CustomerQueries.statistics``)."""
        check_id(propietario_id)
        check_limit(dias, DIAS_MAPA)
        suyas = self._rows(ESTADO, {"clientes": [propietario_id]})
        if not suyas:
            return None
        ultima = suyas[0][1]
        hasta = hasta or ultima + timedelta(hours=1)
        limites = limits(propietario_id, hasta - timedelta(days=dias), hasta, dias)
        (fila,) = self._rows(ESTADISTICAS, {**limites, **self._horas})
        tipos = self._rows(TIPOS, limites)
        semana = timedelta(days=7)
        dos = {**limites, "corte": hasta - semana, "desde": hasta - 2 * semana}
        (semanas,) = self._rows(SEMANAS, dos)
        return self._statistics(limites, suyas[0], fila, dict(tipos), semanas)

    def _statistics(
        self,
        limites: Mapping[str, Any],
        estado: Sequence[Any],
        fila: Sequence[Any],
        tipos: dict[str, int],
        semanas: tuple[float, float, int, int],
    ) -> EstadisticasCliente:
        """Return a customer's figures out of the rows that the server gave."""
        n, total, media, minimo, maximo, sd, centiles, noche, punta, score, mas, menos = fila[:12]
        primera = fila[12]
        p50, p95 = centiles or (None, None)
        desde, hasta = limites["desde"], limites["hasta"]
        posibles = _possible(desde, hasta, primera)
        cuentas = {str(s): k for s, k in zip(SEVERIDADES[1:], fila[13:], strict=True)}
        de_ahora, de_antes = map(kwh, semanas[:2])
        enteras = all(is_whole(lecturas, HORAS_SEMANA) for lecturas in semanas[2:])
        hora, euros = self._presenta.hora, self._presenta.euros
        exceso, defecto = mas or 0.0, menos or 0.0
        return EstadisticasCliente(
            propietario_id=estado[0],
            desde=hora(desde),
            hasta=hora(hasta),
            primera_lectura=hora(primera),
            ultima_lectura=hora(estado[1]),
            lecturas=n,
            lecturas_posibles=posibles,
            cobertura=min(1.0, n / posibles) if posibles else None,
            consumo_total_kwh=total or 0.0,
            coste_estimado_eur=euros(total or 0.0),
            consumo_promedio_kwh=media,
            consumo_minimo_kwh=minimo,
            consumo_maximo_kwh=maximo,
            desviacion_kwh=sd,
            p50_kwh=p50,
            p95_kwh=p95,
            consumo_noche_promedio_kwh=noche,
            consumo_punta_promedio_kwh=punta,
            anomalias=PorSeveridad.of(cuentas),
            anomalias_total=sum(cuentas.values()),
            tipos=tipos,
            score_maximo=score or 0.0,
            es_sospechoso=estado[-1],
            descartadas=None,
            exceso_kwh=exceso,
            defecto_kwh=defecto,
            energia_en_juego_kwh=exceso + defecto,
            energia_en_juego_eur=euros(exceso + defecto),
            semana=Variacion.of(de_ahora, de_antes if enteras else None),
        )

    def states(self, propietario_ids: Sequence[str]) -> dict[str, EstadoCliente]:
        """Return each customer at its latest reading; who has none is left out."""
        clientes = check_ids(propietario_ids, CLIENTES_ESTADO)
        filas = self._rows(ESTADO, {"clientes": clientes})
        return {
            cliente: EstadoCliente.from_row((cliente, self._presenta.hora(ultima), *resto))
            for cliente, ultima, *resto in filas
        }

    def profile(
        self, propietario_id: str, hasta: datetime | None = None, dias: int = DIAS_VENTANA
    ) -> list[FranjaPerfil]:
        """Return what is usual at each hour (``CustomerQueries.profile``)."""
        check_limit(dias, DIAS_MAPA)
        limites = self.window(propietario_id, hasta, dias)
        if limites is None:
            return []
        sigmas = Params().sigmas
        franjas = []
        for finde, hora, n, media, sd, (p10, p50, p90) in self._rows(PERFIL, limites):
            # Of two readings a deviation says next to nothing.
            margen = None if sd is None or n < 3 else sigmas * sd
            banda = (None, None) if margen is None else (max(media - margen, 0.0), media + margen)
            franjas.append(
                FranjaPerfil.from_row((CLASES[finde], hora, n, media, sd, p10, p50, p90, *banda))
            )
        return franjas

    def search(self, texto: str = "", limite: int = 20, cursor: str | None = None) -> Pagina[str]:
        """Return the customers whose name begins with a text, then those that contain it.

        As it is written or in capitals; of those that only contain it, who has been heard of in
        the last ``DIAS_CATALOGO`` days.
        """
        check_limit(limite, CLIENTES_ESTADO)
        if len(check_text(texto)) > PROPIETARIO_MAXIMO:
            return Pagina([], None)
        # "p" while names begin with the text, "c" while they contain it; in capitals where the
        # names that begin so are written in capitals.
        paso, tras = ("p", "") if cursor is None else decode_cursor("clientes", cursor, str, str)
        if paso not in {"p", "P", "c", "C"}:
            raise ConsultaInvalidaError("el cursor no es de esta lista; empiece sin él")
        prefijo = texto.upper() if paso.isupper() else texto
        hallados = self._walk(prefijo, tras, limite + 1) if paso in "pP" else []
        if cursor is None and not hallados and prefijo != texto.upper():
            paso, prefijo = "P", texto.upper()
            hallados = self._walk(prefijo, tras, limite + 1)
        if len(hallados) > limite:
            return Pagina(hallados[:limite], encode_cursor("clientes", paso, hallados[limite - 1]))
        faltan = limite - len(hallados)
        otros = self._containing(texto, prefijo, tras if paso in "cC" else "", faltan + 1)
        if len(otros) > faltan:
            siguiente = "C" if paso.isupper() else "c"
            ultimo = otros[faltan - 1] if faltan else ""
            return Pagina(hallados + otros[:faltan], encode_cursor("clientes", siguiente, ultimo))
        return Pagina(hallados + otros, None)

    def _walk(self, prefijo: str, tras: str, limite: int) -> list[str]:
        desde = max(prefijo, f"{tras}\x01") if tras else prefijo
        parametros = {"desde": desde, "hasta": prefijo + _TOPE, "limite": limite}
        return [cliente for (cliente,) in self._rows(CLIENTES_CON_PREFIJO, parametros)]

    def _containing(self, texto: str, prefijo: str, tras: str, limite: int) -> list[str]:
        if not texto:
            return []
        buscado = texto.casefold()
        hallados = []
        for cliente in self.active():
            if cliente > tras and buscado in cliente.casefold() and not cliente.startswith(prefijo):
                hallados.append(cliente)
                if len(hallados) == limite:
                    break
        return hallados

    def active(self) -> list[str]:
        """Return who has been heard of in the last ``DIAS_CATALOGO`` days, sorted.

        Counted back from the latest reading of all; ``CLIENTES_MAXIMOS`` at most.
        """
        return self._recuerdo.get("catálogo", self._load_catalog)

    def _load_catalog(self) -> list[str]:
        ultima = self.latest_reading()
        if ultima is None:
            return []
        desde = ultima - timedelta(days=DIAS_CATALOGO)
        filas = self._rows(CATALOGO, {"desde": desde, "limite": CLIENTES_MAXIMOS})
        # By code point, as Python compares and as UTF-8's bytes do.
        return sorted(cliente for (cliente,) in filas)

    def window(self, cliente: str, hasta: datetime | None, dias: int) -> dict[str, Any] | None:
        """Return the limits of a customer's last days; None = it has never had a reading."""
        hasta = self._lecturas.until(check_id(cliente), hasta)
        if hasta is None:
            return None
        return limits(cliente, hasta - timedelta(days=dias), hasta, dias)


def _possible(desde: datetime, hasta: datetime, primera: datetime) -> int:
    """Return how many hours begin between two instants since a customer's first reading."""
    return max(int((hasta - max(desde, primera)) / timedelta(hours=1)), 0)
