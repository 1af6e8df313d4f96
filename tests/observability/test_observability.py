"""Dashboards and alert rules ask for what is measured, and a real Prometheus answers them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import promql_parser
import pytest
import yaml  # type: ignore[import-untyped]
from apoyo_api import esperar, servir
from contracts.fakes import hacer_caso
from contracts.sondas import CasosMongo

from detection.domain import SEVERIDADES
from pipeline.embedded.probes import ANFITRION, puerto_del_sistema
from pipeline.stores.alert_records import Alert, Night
from pipeline.stores.mongo.alert_log import MongoAlertLog
from pipeline.stores.mongo.model_log import MongoModelLog
from pipeline.stores.postgres.health import PostgresHealth
from pipeline.streaming.kafka import ensure_topics
from serving.consumer_health import SelfReport
from serving.metrics import ConsumerMetrics
from serving.settings import Settings

RAIZ = Path(__file__).resolve().parents[2]
CARPETA = RAIZ / "observability"
TABLEROS = sorted((CARPETA / "grafana" / "dashboards").glob("*.json"))
DE_PROMETHEUS = {"up": {"job", "instance"}}
PUESTAS = {"job", "instance"}
"""Labels that Prometheus puts on every series."""
AHORA = datetime(2026, 11, 20, 0, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Consulta:
    """A query, and where it is asked."""

    donde: str
    expr: str


def _de_tableros() -> list[Consulta]:
    return [
        Consulta(f"{fichero.stem}: {panel['title']}", destino["expr"])
        for fichero in TABLEROS
        for panel in json.loads(fichero.read_text("utf-8"))["panels"]
        for destino in panel["targets"]
    ]


@cache
def _reglas() -> list[dict[str, Any]]:
    grupos = yaml.safe_load((CARPETA / "alerts.yml").read_text("utf-8"))["groups"]
    return [regla for grupo in grupos for regla in grupo["rules"]]


def _de_reglas() -> list[Consulta]:
    return [Consulta(regla["alert"], regla["expr"]) for regla in _reglas()]


TODAS = [*_de_tableros(), *_de_reglas()]


# ---- What is measured ----


@pytest.fixture
def lleno(entorno: Settings) -> Settings:
    """Give stores with a case, a red drift report, a night that failed and a living consumer."""
    with closing(CasosMongo(entorno)) as sonda:
        sonda.store.save([hacer_caso("A"), hacer_caso("B", tipo="fraude")])
    with closing(MongoModelLog(entorno)) as modelos:
        resumen = {"fraccion_movidas": 0.25}
        modelos.save_informe(
            {"fecha": AHORA - timedelta(hours=3), "version": "3", "semaforo": "rojo",
             "resumen": resumen, "html": None}
        )  # fmt: skip
    with closing(MongoAlertLog(entorno)) as apuntes:
        fin = AHORA - timedelta(hours=2)
        apuntes.save_night(Night(fin, fin, 5, {"archivar": "no queda sitio"}))
        apuntes.put([Alert("noche:x", "noche", "falló", fin, faltan=("uno",))])
        apuntes.take_turn(datetime.now(UTC))
    ensure_topics(entorno)
    with closing(PostgresHealth(entorno)) as salud:
        salud.write(SelfReport((0, 1, 2)))
    return entorno


@contextmanager
def _medidos(entorno: Settings) -> Iterator[tuple[str, int]]:
    """Give the address of a real API, and the port of a consumer's metrics."""
    consumidor = ConsumerMetrics()
    consumidor.lote(np.arange(len(SEVERIDADES), dtype=np.uint8), 0.02, "consumo-detector-3")
    consumidor.invalidas({"no_json": 1})
    consumidor.retraso({0: 7})
    with servir(entorno, lambda: AHORA) as http, consumidor.servir(ANFITRION, 9464) as puerto:
        http.get("/salud")
        http.get("/api/casos")
        yield str(http.base_url).rstrip("/"), puerto


def _leer(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as respuesta:
        return str(respuesta.read().decode())


def _series(texto: str) -> dict[str, set[str]]:
    """Return the names of series with the labels that they have."""
    series: dict[str, set[str]] = {}
    for nombre, etiquetas in re.findall(r"^(\w+)(?:\{(.*)\})? \S+$", texto, re.MULTILINE):
        series.setdefault(nombre, set()).update(re.findall(r'(\w+)="', etiquetas))
    return series


def _visitar(nodo: Any) -> Iterator[Any]:
    """Yield every node of a parsed query."""
    yield nodo
    for campo in ("expr", "lhs", "rhs", "param", "vector_selector"):
        hijo = getattr(nodo, campo, None)
        if hijo is not None and not isinstance(hijo, str):
            yield from _visitar(hijo)
    for hijo in getattr(nodo, "args", None) or ():
        yield from _visitar(hijo)


def _pegas(consulta: Consulta, series: dict[str, set[str]]) -> list[str]:
    """Return what a query asks for that is not measured."""
    pegas = []
    nombres: list[str] = []
    agrupadas: set[str] = set()
    for nodo in _visitar(promql_parser.parse(consulta.expr)):
        if isinstance(nodo, promql_parser.VectorSelector):
            nombres.append(nodo.name)
            if nodo.name not in series:
                pegas.append(f"{consulta.donde}: no hay {nodo.name}")
                continue
            pedidas = {filtro.name for filtro in nodo.matchers.matchers}
            sobran = pedidas - series[nodo.name] - PUESTAS
            pegas += [f"{consulta.donde}: {nodo.name} no tiene {e}" for e in sobran]
        elif isinstance(nodo, promql_parser.AggregateExpr) and nodo.modifier is not None:
            agrupadas |= set(nodo.modifier.labels)
    conocidas = set().union(*(series.get(n, set()) for n in nombres)) | PUESTAS
    pegas += [f"{consulta.donde}: nada tiene {e}" for e in agrupadas - conocidas]
    return pegas if nombres else [f"{consulta.donde}: no pregunta nada"]


def test_cada_consulta_pregunta_por_lo_que_se_mide(lleno: Settings) -> None:
    """Each query is PromQL, and each series and label of it is in a real /metrics."""
    with _medidos(lleno) as (api, puerto):
        texto = _leer(f"{api}/metrics")
        series = (
            DE_PROMETHEUS | _series(texto) | _series(_leer(f"http://{ANFITRION}:{puerto}/metrics"))
        )
    assert [p for consulta in TODAS for p in _pegas(consulta, series)] == []
    for linea in (
        'consumo_casos_abiertos{tipo="plantacion_cannabis"} 1.0',
        'consumo_casos_recuperable_kwh{tipo="fraude"} 1296.0',
        "consumo_deriva_semaforo 2.0",
        "consumo_deriva_fraccion 0.25",
        "consumo_deriva_edad_segundos 10800.0",
        "consumo_noche_fallos 1.0",
        "consumo_noche_edad_segundos 7200.0",
        "consumo_avisos_en_marcha 1.0",
        "consumo_avisos_pendientes 1.0",
        "consumo_campeon_version NaN",
        'consumo_parte_bien{parte="MongoDB"} 1.0',
        'consumo_parte_bien{parte="MLflow"} 0.0',
    ):
        assert f"\n{linea}\n" in texto, linea


def test_lo_que_se_mide_del_sistema_se_ve(lleno: Settings) -> None:
    """Each metric of the API and of a consumer is in a dashboard or a rule."""
    with _medidos(lleno) as (api, puerto):
        textos = _leer(f"{api}/metrics") + _leer(f"http://{ANFITRION}:{puerto}/metrics")
    vistas = " ".join(consulta.expr for consulta in TODAS)
    suyas = set(re.findall(r"^# TYPE (consumo_\w+) (?:gauge|histogram|counter)", textos, re.M))
    assert {s for s in suyas if not s.endswith("_created") and s not in vistas} <= {
        "consumo_api_peticiones_en_curso", "consumo_ultimo_consumo_segundos",
    }  # fmt: skip


# ---- A real Prometheus ----


def _programa(nombre: str) -> str:
    """Return a program of Prometheus; skip without it."""
    ruta = shutil.which(nombre)
    if ruta is None:
        pytest.skip(f"no hay {nombre} (en Debian: apt install prometheus)")
    return ruta


def test_promtool_acepta_reglas_y_configuracion() -> None:
    """Its own check, and its own test of when rules fire and when not."""
    promtool = _programa("promtool")
    for orden in (["check", "config", "prometheus.yml"], ["test", "rules", "alerts_test.yml"]):
        r = subprocess.run(
            [promtool, *orden], cwd=CARPETA, capture_output=True, text=True, check=False, timeout=60
        )
        assert r.returncode == 0, r.stdout + r.stderr


@contextmanager
def _prometheus(carpeta: Path, api: str, puerto: int) -> Iterator[str]:
    """Give the address of a Prometheus that reads both, every second."""
    programa = _programa("prometheus")
    suya = yaml.safe_load((CARPETA / "prometheus.yml").read_text("utf-8"))
    suya["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    suya["rule_files"] = [str(CARPETA / "alerts.yml")]
    destinos = {
        "consumo-api": api.removeprefix("http://"),
        "consumo-consumidor": f"{ANFITRION}:{puerto}",
    }
    suya["scrape_configs"] = [
        {"job_name": uno["job_name"], "static_configs": [{"targets": [destinos[uno["job_name"]]]}]}
        for uno in suya["scrape_configs"]
    ]
    (carpeta / "prometheus.yml").write_text(yaml.safe_dump(suya))
    donde = f"{ANFITRION}:{puerto_del_sistema()}"
    with (carpeta / "prometheus.log").open("wb") as registro:
        proceso = subprocess.Popen(
            [programa, f"--config.file={carpeta}/prometheus.yml",
             f"--storage.tsdb.path={carpeta}/datos", f"--web.listen-address={donde}"],
            stdout=registro, stderr=registro,
        )  # fmt: skip
    try:
        yield f"http://{donde}"
    finally:
        proceso.kill()
        proceso.wait()


def _preguntar(prometheus: str, expr: str) -> list[Any]:
    consulta = urllib.parse.urlencode({"query": expr})
    respuesta = json.loads(_leer(f"{prometheus}/api/v1/query?{consulta}"))
    assert respuesta["status"] == "success", expr
    return list(respuesta["data"]["result"])


def test_un_prometheus_de_verdad_contesta_cada_tablero(lleno: Settings, tmp_path: Path) -> None:
    """Every panel has something to draw, and what is red fires its rule."""
    with ExitStack() as pila:
        api, puerto = pila.enter_context(_medidos(lleno))
        prometheus = pila.enter_context(_prometheus(tmp_path, api, puerto))

        def leidos() -> bool:
            try:
                return len(_preguntar(prometheus, "count_over_time(up[1m]) > 5")) == 2
            except OSError:
                return False

        esperar(leidos, (tmp_path / "prometheus.log").read_text(), 60.0)
        vacias = [c for c in _de_tableros() if not _preguntar(prometheus, c.expr)]
        assert vacias == []
        time.sleep(1.5)
        alertas = json.loads(_leer(f"{prometheus}/api/v1/rules"))["data"]["groups"]
        estados = {r["name"]: (r["health"], r["state"]) for g in alertas for r in g["rules"]}
        assert {salud for salud, _ in estados.values()} == {"ok"}
        assert estados["ConsumoNocheFallida"] == ("ok", "firing")
        assert estados["ConsumoDeriva"] == ("ok", "pending")
        assert estados["ConsumoNadieAvisa"] == ("ok", "inactive")


# ---- Their form ----


@pytest.mark.parametrize("fichero", TABLEROS, ids=lambda f: f.stem)
def test_un_tablero_se_puede_importar(fichero: Path) -> None:
    """Panels neither overlap nor leave the grid; the source is asked for; each has its title."""
    tablero = json.loads(fichero.read_text("utf-8"))
    assert [v["type"] for v in tablero["templating"]["list"]] == ["datasource"]
    ocupadas: set[tuple[int, int]] = set()
    for panel in tablero["panels"]:
        assert panel["title"]
        assert {d["datasource"]["uid"] for d in panel["targets"]} == {"${fuente}"}
        g = panel["gridPos"]
        suyas = {
            (x, y) for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])
        }
        assert not suyas & ocupadas, panel["title"]
        assert max(x for x, _ in suyas) < 24
        ocupadas |= suyas
    titulos = [p["title"] for p in tablero["panels"]]
    assert len(set(titulos)) == len(titulos)
    assert len({p["id"] for p in tablero["panels"]}) == len(titulos)


def test_cada_alerta_dice_que_pasa_y_que_hacer() -> None:
    """Each has its gravity, and two sentences that people can act on."""
    assert len({regla["alert"] for regla in _reglas()}) == len(_reglas())
    for regla in _reglas():
        assert regla["labels"]["gravedad"] in {"baja", "media", "alta", "critica"}
        assert regla["annotations"].keys() == {"resumen", "hacer"}
