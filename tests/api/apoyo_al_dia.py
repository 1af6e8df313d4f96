"""What each endpoint should say, added up the plain way from all that the stores hold."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from apoyo_api import ZONA
from contracts.sondas import AnomaliasMongo, conectar

from serving.settings import Settings

MADRID = ZoneInfo(ZONA)
DIA = timedelta(days=1)
HORA = timedelta(hours=1)
UNO = "CLI_00001"
ASPIRANTE = "aspirante-1"
NADIE = "0" * 24
GRAVES = ("baja", "media", "alta", "crítica")
Cuerpo = Any


@dataclass(frozen=True)
class Lectura:
    """A row of the history."""

    cliente: str
    momento: datetime
    fecha: date
    kwh: float
    severidad: str


class Mundo:
    """Everything that the stores hold at this moment, and what follows from it.

    Parameters
    ----------
    fin : datetime
        End of the current hour, up to which the API looks.
    """

    def __init__(self, settings: Settings, sonda: AnomaliasMongo, fin: datetime) -> None:
        self.fin = fin
        conexion = conectar(settings)
        with conexion, conexion.cursor() as cursor:
            campos = "propietario_id, timestamp_consumo, fecha, consumo_kwh::float8, severidad"
            cursor.execute(
                f"SELECT {campos} FROM consumos_diarios "
                f"UNION ALL SELECT {campos} FROM consumos_diarios_archivo"
            )
            self.lecturas = sorted(
                (Lectura(*fila) for fila in cursor.fetchall()), key=lambda f: (f.momento, f.cliente)
            )
            cursor.execute("SELECT count(*) FROM comparacion_sombra")
            ((self.sombra,),) = cursor.fetchall()
            cursor.execute("SELECT count(*) FROM auditoria")
            ((self.auditoria,),) = cursor.fetchall()
            cursor.execute("SELECT propietario_id, tarifa FROM contexto_clientes")
            self.tarifas = dict(cursor.fetchall())
        conexion.close()
        base = sonda.base
        self.vivas = list(base["anomalias_detectadas"].find())
        self.archivadas = list(base["anomalias_archivo"].find())
        self.meses = list(base["consumos_mensuales"].find())
        self.derivas = list(base["informes_deriva"].find().sort("fecha", -1))
        self.casos = list(base["casos"].find())
        self.historial = base["historial_modelos"].count_documents({})

    def de(self, dias: int, cliente: str | None = None) -> list[Lectura]:
        """Return the readings of the local days back from now that the API means."""
        desde = self.medianoche(dias)
        return [
            fila
            for fila in self.lecturas
            if desde <= fila.momento < self.fin and cliente in {None, fila.cliente}
        ]

    def medianoche(self, dias: int) -> datetime:
        """Return the local midnight so many days before the current hour's day."""
        dia = (self.fin - timedelta(seconds=1)).astimezone(MADRID).date() - dias * DIA
        return datetime(dia.year, dia.month, dia.day, tzinfo=MADRID).astimezone(UTC)

    def visibles(self, desde: datetime | None = None) -> list[dict[str, Any]]:
        """Return the live anomalies from an instant on, without those that are normal now."""
        return [
            doc
            for doc in self.vivas
            if doc["severidad"] != "normal" and (desde is None or doc["timestamp_consumo"] >= desde)
        ]

    def del_mes(self) -> list[dict[str, Any]]:
        """Return the live anomalies of the last thirty local days."""
        return self.visibles(self.medianoche(29))

    def horas(self, dias: int) -> list[Lectura]:
        """Return the readings of so many times 24 hours."""
        return [f for f in self.lecturas if self.fin - dias * DIA <= f.momento < self.fin]


def _kwh(filas: list[Lectura]) -> float:
    return pytest.approx(sum(f.kwh for f in filas), abs=1e-3)  # type: ignore[no-any-return]


def _sin_nada(mundo: Mundo, cliente: str = UNO) -> bool:
    """Return whether nothing at all is known of a customer: the API then says 404."""
    docs = [*mundo.vivas, *mundo.archivadas]
    return not any(f.cliente == cliente for f in mundo.lecturas) and not any(
        doc["propietario_id"] == cliente for doc in docs
    )


def _ids(elementos: list[dict[str, Any]]) -> list[tuple[str, str, float]]:
    return sorted((e["id"], e["estado"], e["consumo_kwh"]) for e in elementos)


def _docs(docs: list[dict[str, Any]]) -> list[tuple[str, str, float]]:
    return sorted((str(d["_id"]), d["estado"], d["consumo_kwh"]) for d in docs)


def _caso(caso: dict[str, Any]) -> tuple[str, str, float]:
    return caso["propietario_id"], caso["estado"], pytest.approx(caso["recuperable_kwh"])


def _abiertos(mundo: Mundo) -> list[dict[str, Any]]:
    return [d for d in mundo.casos if d["fecha_cierre"] is None and d["estado"] == "nuevo"]


def _hallados(mundo: Mundo) -> list[dict[str, Any]]:
    return [d for d in mundo.casos if d.get("resultado")]


def _calendario(cuerpo: Cuerpo) -> dict[tuple[str, str], int]:
    return {
        (fila["propietario_id"], dia): peor
        for fila in cuerpo["filas"]
        for dia, peor in zip(cuerpo["dias"], fila["severidades"], strict=True)
        if peor is not None
    }


def _peores(mundo: Mundo) -> dict[tuple[str, str], int]:
    clientes = {d["propietario_id"] for d in _abiertos(mundo)}
    peores: dict[tuple[str, str], int] = {}
    for fila in mundo.de(59):
        if fila.cliente in clientes:
            cual = fila.cliente, str(fila.fecha)
            peores[cual] = max(peores.get(cual, 0), ("normal", *GRAVES).index(fila.severidad))
    return peores


def _sin_juzgar(mundo: Mundo) -> dict[str, int]:
    juzgadas = Counter(
        d["severidad"] for d in mundo.visibles(mundo.fin - 7 * DIA) if d["estado"] != "abierta"
    )
    todas = _severidades([f.severidad for f in mundo.horas(7)])
    return {severidad: n - juzgadas[severidad] for severidad, n in todas.items()}


def _severidades(nombres: list[str]) -> dict[str, int]:
    cuentas = Counter(nombres)
    return {severidad: cuentas[severidad] for severidad in GRAVES}


def _por_severidad(cuerpo: Cuerpo) -> dict[str, int]:
    return {"crítica" if k == "critica" else k: v for k, v in cuerpo.items() if k != "total"}


def _estados(docs: list[dict[str, Any]]) -> dict[str, int]:
    cuentas = Counter(d["estado"] for d in docs)
    return {estado: cuentas[estado] for estado in ("abierta", "confirmada", "descartada")}


def _ranking(mundo: Mundo) -> list[tuple[str, int]]:
    visibles = mundo.visibles(mundo.fin - 28 * DIA)
    abiertas = [doc["propietario_id"] for doc in visibles if doc["estado"] == "abierta"]
    hallados = {doc["propietario_id"] for doc in _hallados(mundo)}
    return sorted((c, n) for c, n in Counter(abiertas).items() if c not in hallados)


def _puestos(cuerpo: Cuerpo) -> list[tuple[str, int]]:
    assert all(e["motivos"] for e in cuerpo["elementos"])
    return sorted((e["propietario_id"], e["anomalias"]) for e in cuerpo["elementos"])


def _dias(filas: list[Lectura]) -> dict[str, tuple[int, Any]]:
    dias = defaultdict(list)
    for fila in filas:
        dias[str(fila.fecha)].append(fila)
    return {dia: (len(suyas), _kwh(suyas)) for dia, suyas in dias.items()}


def _meses(docs: list[dict[str, Any]]) -> dict[str, Any]:
    meses: dict[str, float] = defaultdict(float)
    for doc in docs:
        meses[doc["mes_str"]] += doc["consumo_total"]
    return {mes: pytest.approx(total, abs=1e-2) for mes, total in meses.items()}


def _de_uno(docs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [doc for doc in docs if doc["propietario_id"] == UNO]


def _ultimo(mundo: Mundo) -> datetime | None:
    return max((f.momento for f in mundo.lecturas), default=None)


def _instante(texto: str | None) -> datetime | None:
    return None if texto is None else datetime.fromisoformat(texto)


def _ventana(cuerpo: Cuerpo) -> tuple[int, float, dict[str, int]]:
    return cuerpo["lecturas"], cuerpo["consumo_kwh"], _por_severidad(cuerpo["anomalias"])


def _esperada(filas: list[Lectura]) -> tuple[int, Any, dict[str, int]]:
    return len(filas), _kwh(filas), _severidades([f.severidad for f in filas])


@dataclass(frozen=True)
class Pregunta:
    """A question to an endpoint.

    Parameters
    ----------
    dice : callable
        From its body to what is compared.
    esperado : callable
        What that should be; None = there is nothing, so 404.
    """

    url: str
    dice: Callable[[Cuerpo], Any]
    esperado: Callable[[Mundo], Any]


def preguntas(mundo: Mundo) -> dict[str, Pregunta]:
    """Return a question to each endpoint by its path in the document."""
    fin_de_uno = max((f.momento for f in mundo.lecturas if f.cliente == UNO), default=mundo.fin)
    mes = f"{(mundo.fin - HORA).astimezone(MADRID):%Y-%m}"
    alguna = next((d for d in mundo.visibles() if d["propietario_id"] == UNO), None)
    caso = f"{UNO}_2026-11-09"
    id_ = NADIE if alguna is None else str(alguna["_id"])

    def si_hay(valor: Callable[[Mundo], Any]) -> Callable[[Mundo], Any]:
        return lambda m: None if _sin_nada(m) else valor(m)

    def hasta_su_fin(m: Mundo, dias: int) -> list[Lectura]:
        fin = fin_de_uno + HORA
        return [f for f in m.lecturas if f.cliente == UNO and fin - dias * DIA <= f.momento < fin]

    lecturas = _pares_de_horas
    return {
        "/api/consumos/últimas24h/{propietario_id}": Pregunta(
            f"/api/consumos/últimas24h/{UNO}", lecturas,
            si_hay(lambda m: _horas(sorted(
                (f for f in m.lecturas if f.cliente == UNO), key=lambda f: f.momento)[-100:])),
        ),
        "/api/consumos/rango": Pregunta(
            f"/api/consumos/rango?propietario_id={UNO}", lecturas,
            si_hay(lambda m: _horas(m.de(7, UNO))),
        ),
        "/api/consumos/diarios": Pregunta(
            f"/api/consumos/diarios?propietario_id={UNO}",
            lambda c: {e["fecha"]: (e["lecturas"], e["consumo_kwh"]) for e in c["elementos"]},
            lambda m: _dias(m.de(90, UNO)),
        ),
        "/api/consumos/mapa-calor/{propietario_id}": Pregunta(
            f"/api/consumos/mapa-calor/{UNO}",
            lambda c: (len(c["elementos"]), sum(e["consumo_kwh"] for e in c["elementos"])),
            si_hay(lambda m: (len(m.de(60, UNO)), _kwh(m.de(60, UNO)))),
        ),
        "/api/consumos/semana/{propietario_id}": Pregunta(
            f"/api/consumos/semana/{UNO}", lambda c: sum(e["lecturas"] for e in c["elementos"]),
            si_hay(lambda m: len(m.de(56, UNO))),
        ),
        "/api/consumos/mensuales/{propietario_id}": Pregunta(
            f"/api/consumos/mensuales/{UNO}",
            lambda c: {e["mes_str"]: e["consumo_total"] for e in c["elementos"]},
            si_hay(lambda m: _meses(_de_uno(m.meses))),
        ),
        "/api/consumos/meses": Pregunta(
            "/api/consumos/meses",
            lambda c: {e["mes_str"]: e["consumo_total"] for e in c["elementos"]},
            lambda m: _meses(m.meses),
        ),
        "/api/consumos/meses/{mes}": Pregunta(
            f"/api/consumos/meses/{mes}",
            lambda c: {e["propietario_id"]: e["consumo_total"] for e in c["elementos"]},
            lambda m: {d["propietario_id"]: pytest.approx(d["consumo_total"], abs=1e-2)
                       for d in m.meses if d["mes_str"] == mes} or None,
        ),
        "/api/anomalias/veredictos": Pregunta(
            "/api/anomalias/veredictos?limite=500",
            lambda c: _ids([e["anomalia"] for e in c["elementos"]]),
            lambda m: _docs([d for d in (*m.vivas, *m.archivadas) if "veredicto" in d]),
        ),
        "/api/anomalias/serie": Pregunta(
            "/api/anomalias/serie",
            lambda c: {e["momento"][:10]: e["total"] for e in c["elementos"] if e["total"]},
            lambda m: dict(Counter(
                str(d["timestamp_consumo"].astimezone(MADRID).date()) for d in m.del_mes())),
        ),
        "/api/anomalias/distribuciones": Pregunta(
            "/api/anomalias/distribuciones",
            lambda c: (c["total"], _por_severidad(c["por_severidad"]), c["por_estado"]),
            lambda m: (len(m.del_mes()), _severidades([d["severidad"] for d in m.del_mes()]),
                       _estados(m.del_mes())),
        ),
        "/api/anomalias/histograma": Pregunta(
            "/api/anomalias/histograma", lambda c: c["lecturas"], lambda m: len(m.de(29)),
        ),
        "/api/anomalias/puntuaciones": Pregunta(
            "/api/anomalias/puntuaciones?limite=2000",
            lambda c: sorted(e["id"] for e in c["elementos"]),
            lambda m: sorted(
                str(d["_id"]) for d in (*m.vivas, *m.archivadas)
                if d["severidad"] != "normal" and d["timestamp_consumo"] >= m.medianoche(29)),
        ),
        "/api/anomalias/últimas": Pregunta(
            "/api/anomalias/últimas?limite=200", lambda c: _ids(c["elementos"]),
            lambda m: _docs(m.visibles()),
        ),
        "/api/anomalias/críticas": Pregunta(
            "/api/anomalias/críticas?limite=200", lambda c: _ids(c["elementos"]),
            lambda m: _docs([d for d in m.visibles() if d["severidad"] == "crítica"]),
        ),
        "/api/anomalias/cliente/{propietario_id}": Pregunta(
            f"/api/anomalias/cliente/{UNO}?limite=200", lambda c: _ids(c["elementos"]),
            si_hay(lambda m: _docs(
                [d for d in _de_uno([*m.vivas, *m.archivadas]) if d["severidad"] != "normal"])),
        ),
        "/api/anomalias/{id_anomalia}": Pregunta(
            f"/api/anomalias/{id_}", lambda c: _ids([c]),
            lambda _: None if alguna is None else _docs([alguna]),
        ),
        "/api/incidencias": Pregunta(
            "/api/incidencias?limite=200",
            lambda c: (sorted(i for e in c["elementos"] for i in e["anomalia_ids"]),
                       c["siguiente"]),
            lambda m: (sorted(str(d["_id"]) for d in m.del_mes()), None),
        ),
        "/api/casos": Pregunta(
            "/api/casos?abiertos=false&limite=500", lambda c: sorted(map(_caso, c["elementos"])),
            lambda m: sorted(map(_caso, m.casos)),
        ),
        "/api/casos/{id_caso}": Pregunta(
            f"/api/casos/{caso}", lambda c: (_caso(c), len(c["evidencia"])),
            lambda m: next(
                ((_caso(d), len(d["evidencia"])) for d in m.casos if d["_id"] == caso), None),
        ),
        "/api/casos/hoy": Pregunta(
            "/api/casos/hoy?visitas=50", lambda c: sorted(map(_caso, c["elementos"])),
            lambda m: sorted(map(_caso, _abiertos(m))),
        ),
        "/api/casos/resumen": Pregunta(
            "/api/casos/resumen",
            lambda c: (c["abiertos"], c["hoy"]["confirmados"], c["hoy"]["recuperado_eur"]),
            lambda m: (len(_abiertos(m)), len(_hallados(m)), 100.0 * len(_hallados(m))),
        ),
        "/api/casos/calendario": Pregunta(
            "/api/casos/calendario", _calendario, _peores),
        "/api/casos/aciertos": Pregunta(
            "/api/casos/aciertos", lambda c: (c["total"]["visitas"], c["total"]["recuperado_eur"]),
            lambda m: (len(_hallados(m)), 100.0 * len(_hallados(m))),
        ),
        "/api/casos/mapa": Pregunta(
            "/api/casos/mapa", lambda c: c["sin_coordenadas"], lambda m: len(_abiertos(m))),
        "/api/casos/{id_caso}/dias": Pregunta(
            f"/api/casos/{caso}/dias", lambda c: (c["inicio"], c["elementos"][-1]["fecha"]),
            lambda m: next(
                ((d["fecha_inicio"], d["hasta"]) for d in m.casos if d["_id"] == caso), None),
        ),
        "/api/casos/{id_caso}/vecinos": Pregunta(
            f"/api/casos/{caso}/vecinos", lambda c: c["dias"],
            lambda m: next((18 for d in m.casos if d["_id"] == caso), None),
        ),
        "/api/clientes": Pregunta(
            "/api/clientes?limite=100",
            lambda c: {e["propietario_id"]: e["consumo_kwh"] for e in c["elementos"]},
            lambda m: {f.cliente: pytest.approx(f.kwh) for f in m.lecturas},
        ),
        "/api/clientes/ranking": Pregunta(
            "/api/clientes/ranking?limite=100", _puestos, _ranking),
        "/api/clientes/{propietario_id}/perfil": Pregunta(
            f"/api/clientes/{UNO}/perfil",
            lambda c: (sum(f["lecturas"] for f in c["franjas"]), c["clientes_pares"]),
            si_hay(lambda m: (
                len(hasta_su_fin(m, 28)), len({f.cliente for f in m.lecturas} - {UNO}))),
        ),
        "/api/clientes/{propietario_id}/pares": Pregunta(
            f"/api/clientes/{UNO}/pares", lambda c: (lecturas(c), c["clientes_pares"]),
            si_hay(lambda m: (
                _horas(m.de(7, UNO)), len({f.cliente for f in m.lecturas} - {UNO}))),
        ),
        "/api/clientes/{propietario_id}/contexto": Pregunta(
            f"/api/clientes/{UNO}/contexto", lambda c: (c["tarifa"],),
            # It is known of whom no reading is left, too.
            lambda m: None if _sin_nada(m) and UNO not in m.tarifas else (m.tarifas.get(UNO),),
        ),
        "/api/estadisticas/cliente/{propietario_id}": Pregunta(
            f"/api/estadisticas/cliente/{UNO}",
            lambda c: (c["lecturas"], c["consumo_total_kwh"], _por_severidad(c["anomalias"])),
            si_hay(lambda m: _esperada(hasta_su_fin(m, 28))),
        ),
        "/api/estadisticas/resumen": Pregunta(
            "/api/estadisticas/resumen",
            lambda c: (_ventana(c["ultimos_30d"]), _ventana(c["ultimos_7d"]), c["por_estado"],
                       _instante(c["ultima_lectura"]), c["completo"]),
            lambda m: (_esperada(m.horas(30)), _esperada(m.horas(7)),
                       _estados(m.visibles(m.fin - 30 * DIA)), _ultimo(m), True),
        ),
        "/api/estadisticas/mensuales/{propietario_id}": Pregunta(
            f"/api/estadisticas/mensuales/{UNO}", lambda c: c["consumo_total"],
            si_hay(lambda m: pytest.approx(
                sum(d["consumo_total"] for d in _de_uno(m.meses)), abs=1e-2)),
        ),
        "/api/estadisticas/dias": Pregunta(
            "/api/estadisticas/dias",
            lambda c: {e["fecha"]: (e["lecturas"], e["consumo_kwh"])
                       for e in c["elementos"] if e["lecturas"]},
            lambda m: _dias(m.de(29)),
        ),
        "/api/dashboard/resumen": Pregunta(
            "/api/dashboard/resumen",
            lambda c: (c["lecturas"]["valor"], _por_severidad(c["por_severidad"]),
                       c["por_estado"], c["completo"]),
            lambda m: (len(m.horas(7)), _sin_juzgar(m),
                       _estados(m.visibles(m.fin - 30 * DIA)), True),
        ),
        "/api/dashboard/top-anomalias": Pregunta(
            "/api/dashboard/top-anomalias?limite=100", _puestos, _ranking),
        "/api/modelos/historial": Pregunta(
            "/api/modelos/historial", lambda c: len(c["elementos"]), lambda m: m.historial),
        "/api/modelos/sombra": Pregunta(
            f"/api/modelos/sombra?aspirante={ASPIRANTE}", lambda c: c["lecturas"],
            lambda m: m.sombra),
        "/api/deriva": Pregunta(
            "/api/deriva", lambda c: c["semaforo"],
            lambda m: m.derivas[0]["semaforo"] if m.derivas else None),
        "/api/deriva/historial": Pregunta(
            "/api/deriva/historial", lambda c: len(c["elementos"]), lambda m: len(m.derivas)),
        "/api/deriva/informe": Pregunta(
            "/api/deriva/informe", lambda c: c,
            lambda m: m.derivas[0]["html"] if m.derivas else None),
        "/api/auditoría": Pregunta(
            "/api/auditoría?limite=200", lambda c: len(c["elementos"]), lambda m: m.auditoria),
    }  # fmt: skip


SIN_ALMACEN = {
    "/api/anomalias/eventos": "a stream: it remembers nothing (test_eventos)",
    "/api/casos/eventos": "a stream: it remembers nothing (test_eventos)",
    "/api/casos/{id_caso}/informe.pdf": "a PDF of what the others say (test_casos_informe)",
    "/api/personas": "the names of the keys (test_casos_personas)",
    "/api/sesion": "whose the key is (test_casos_personas)",
    "/api/clave": "whose the key is (test_seguridad)",
    "/api/modelos": "what MLflow says (test_modelos_http)",
    "/api/modelos/{version}": "what MLflow says (test_modelos_http)",
    "/metrics": "counts requests",
    "/salud": "how the parts are (test_salud_http)",
    "/salud/lista": "whether it can serve",
    "/salud/viva": "whether it lives",
}
"""Endpoints that say nothing of what is stored, and why."""


def _pares_de_horas(cuerpo: Cuerpo) -> list[tuple[datetime, float]]:
    return sorted(
        (datetime.fromisoformat(e["timestamp"] if "timestamp" in e else e["timestamp_consumo"]),
         e["consumo_kwh"])
        for e in cuerpo["elementos"]
    )  # fmt: skip


def _horas(filas: list[Lectura]) -> list[tuple[datetime, Any]]:
    return sorted(((f.momento, f.kwh) for f in filas), key=lambda par: par[0])
