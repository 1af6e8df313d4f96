"""What people are told: each thing once, together, in its time, and nothing that is not needed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from apoyo_archivo import poner_entorno
from apoyo_avisos import Buzon, DestinoFalso, correo, webhook
from contracts.fakes import hacer_caso
from contracts.sondas import CasosMongo
from pymongo import MongoClient

from detection.cases.records import Caso
from detection.errors import ConfiguracionError
from pipeline.alerts.command import PRUEBA, main
from pipeline.alerts.destinations import open_destinations
from pipeline.alerts.findings import CALMA, CASO, Finding, news
from pipeline.alerts.loop import AlertLoop
from pipeline.alerts.message import CASOS_MAXIMOS, MessageWriter
from pipeline.alerts.sources import AlertSources
from pipeline.embedded.probes import puerto_del_sistema
from pipeline.stores.alert_records import Alert, Night
from pipeline.stores.mongo.alert_log import TURNO_S, MongoAlertLog
from pipeline.stores.mongo.model_log import MongoModelLog
from pipeline.stores.postgres.health import PostgresHealth
from serving.cli import FALLO, HECHO, MAL_USO, run
from serving.consumer_health import SelfReport
from serving.settings import Settings

MADRUGADA = datetime(2026, 11, 30, 3, tzinfo=UTC)
"""4 h in Madrid."""


class Turno:
    """A process that tells people, whose clock the test sets; it can be started again."""

    def __init__(self, settings: Settings, destinos: Sequence[DestinoFalso]) -> None:
        self.settings = settings
        self.destinos = destinos
        self.ahora = MADRUGADA
        self._pila = ExitStack()
        self.arrancar()

    def arrancar(self) -> None:
        self._pila.close()
        self.apuntes = self._pila.enter_context(closing(MongoAlertLog(self.settings)))
        fuentes = AlertSources(self.settings, self.apuntes, lambda: self.ahora, self._segundos)
        self._pila.enter_context(closing(fuentes))
        self._bucle = AlertLoop(
            self.settings, fuentes, self.apuntes, self.destinos, lambda: self.ahora
        )

    def _segundos(self) -> float:
        return self.ahora.timestamp()

    def mirar(self, despues: timedelta = timedelta(minutes=2)) -> bool:
        self.ahora += despues
        return self._bucle.look()

    def close(self) -> None:
        self._pila.close()


@pytest.fixture
def dos() -> tuple[DestinoFalso, DestinoFalso]:
    """Give two destinations."""
    return DestinoFalso("uno"), DestinoFalso("otro")


@pytest.fixture
def turno(entorno: Settings, dos: tuple[DestinoFalso, DestinoFalso]) -> Iterator[Turno]:
    """Give a process that tells two destinations."""
    with closing(Turno(entorno, dos)) as uno:
        yield uno


def _guardar(entorno: Settings, *casos: Caso) -> None:
    with closing(CasosMongo(entorno)) as sonda:
        sonda.store.save(casos)


def _poner(entorno: Settings, coleccion: str, clave: str, **campos: Any) -> None:
    with MongoClient(entorno.mongo_host, entorno.mongo_port) as cliente:
        cliente[entorno.mongo_db][coleccion].update_one({"_id": clave}, {"$set": campos})


# ---- Once ----


def test_un_caso_se_dice_una_vez_aunque_se_vuelva_a_arrancar(turno: Turno) -> None:
    """The first look tells it to all, the next ones and another process nothing."""
    _guardar(turno.settings, hacer_caso("A"), hacer_caso("B", energia_en_juego_kwh=9000.0))
    assert turno.mirar()
    for destino in turno.destinos:
        (mensaje,) = destino.mensajes
        assert mensaje.asunto == "Consumo: 2 casos nuevos"
        titulo, *casos = mensaje.texto.splitlines()
        assert titulo == "Casos nuevos:"
        assert [caso[:4] for caso in casos] == ["- B:", "- A:"]
        assert not mensaje.grave
    turno.mirar()
    turno.arrancar()
    turno.mirar()
    assert [len(d.mensajes) for d in turno.destinos] == [1, 1]


def test_lo_que_empeora_se_dice_otra_vez_y_solo_entonces(turno: Turno) -> None:
    """Energy that doubles or a probability that passes a step is worse; a little more is not."""
    (destino, _) = turno.destinos
    caso = hacer_caso("A", probabilidad=0.9, energia_en_juego_kwh=1000.0)
    _guardar(turno.settings, caso)
    turno.mirar()
    for dia, kwh in ((21, 1100.0), (22, 1300.0), (23, 1500.0)):
        _guardar(
            turno.settings, hacer_caso("A", hasta=date(2026, 11, dia), energia_en_juego_kwh=kwh)
        )
        turno.mirar()
    assert [m.asunto for m in destino.mensajes] == [
        "Consumo: un caso nuevo", "Consumo: un caso empeora",
    ]  # fmt: skip
    assert destino.mensajes[1].texto.startswith("Empeora:\n- A: posible plantación")


def test_del_cliente_solo_se_dice_quien_es_si_no_se_pide_mas(
    turno: Turno, entorno: Settings
) -> None:
    """No figure of what a customer uses, and no hour; with ``AVISOS_DETALLE`` its sentence."""
    _guardar(entorno, hacer_caso("CLI_00045"))
    turno.mirar()
    (mensaje,) = turno.destinos[0].mensajes
    assert "CLI_00045: posible plantación, probabilidad 90 %, 194 € recuperables" in mensaje.texto
    assert "88 kWh" not in mensaje.texto
    assert "CLI" not in mensaje.asunto
    otro = DestinoFalso("tercero")
    detalle = entorno.model_copy(
        update={"avisos_detalle": True, "avisos_enlace": "https://tablero.example/"}
    )
    _guardar(entorno, hacer_caso("B/1"))
    with closing(Turno(detalle, [otro])) as segundo:
        segundo.mirar(timedelta(minutes=10))
    assert "gasta 88 kWh al día y no 8. https://tablero.example/caso?caso=B%2F1_2026-11-09" in (
        otro.mensajes[0].texto
    )


def test_muchos_a_la_vez_son_un_mensaje(turno: Turno) -> None:
    """Those with most to recover are spelt out, the others counted."""
    casos = [hacer_caso(f"C{k:03d}", energia_en_juego_kwh=100.0 * k + 1) for k in range(50)]
    _guardar(turno.settings, *casos)
    turno.mirar()
    (mensaje,) = turno.destinos[0].mensajes
    assert mensaje.asunto == "Consumo: 50 casos nuevos"
    assert mensaje.texto.count("\n- C") == CASOS_MAXIMOS
    assert "- C049" in mensaje.texto.splitlines()[1]
    assert mensaje.texto.endswith(f"Y {50 - CASOS_MAXIMOS} más")


def test_solo_los_que_se_piden(entorno: Settings) -> None:
    """Below the probability, or without a grave hour where one is asked for, nobody is told."""
    destino = DestinoFalso("uno")
    _guardar(entorno, hacer_caso("A", probabilidad=0.4), hacer_caso("B"), hacer_caso("C"))
    hora = {"propietario_id": "B", "severidad": "alta"}
    with MongoClient(entorno.mongo_host, entorno.mongo_port) as cliente:
        anomalias = cliente[entorno.mongo_db]["anomalias_detectadas"]
        for dia, quien in ((12, "B"), (1, "C")):
            cuando = datetime(2026, 11, dia, tzinfo=UTC)
            anomalias.insert_one({**hora, "propietario_id": quien, "timestamp_consumo": cuando})
    alta = entorno.model_copy(update={"avisos_severidad": "alta"})
    with closing(Turno(alta, [destino])) as turno:
        turno.mirar()
        assert [m.asunto for m in destino.mensajes] == ["Consumo: un caso nuevo"]
        assert "- B:" in destino.mensajes[0].texto


def test_dos_procesos_avisan_una_vez(turno: Turno, entorno: Settings) -> None:
    """The second one waits for its turn, which comes when the first is gone for long enough."""
    _guardar(entorno, hacer_caso("A"))
    otro = DestinoFalso("uno")
    with closing(Turno(entorno, [otro])) as segundo:
        assert not turno.apuntes.turn_is_taken(turno.ahora)
        turno.mirar()
        assert segundo.apuntes.turn_is_taken(turno.ahora)
        segundo.mirar()
        assert (len(turno.destinos[0].mensajes), len(otro.mensajes)) == (1, 0)
        _guardar(entorno, hacer_caso("B"))
        segundo.mirar(timedelta(seconds=TURNO_S + 1))
        assert "- B:" in otro.mensajes[0].texto
        assert "- A:" not in otro.mensajes[0].texto


def test_quien_no_lo_toma_lo_recibe_despues_y_los_demas_no_lo_repiten(turno: Turno) -> None:
    """A destination that is down gets it once it is back; in between it is left in peace."""
    uno, otro = turno.destinos
    otro.cae = True
    _guardar(turno.settings, hacer_caso("A"))
    assert not turno.mirar()
    otro.cae = False
    assert turno.mirar(timedelta(seconds=10))
    assert (len(uno.mensajes), len(otro.mensajes)) == (1, 0)
    turno.mirar()
    assert (len(uno.mensajes), len(otro.mensajes)) == (1, 1)


# ---- When ----


def test_de_noche_se_calla_y_por_la_manana_se_dice_todo_junto(entorno: Settings) -> None:
    """What happens in quiet hours is kept over a restart; what was judged meanwhile is no news."""
    destino = DestinoFalso("uno")
    callado = entorno.model_copy(update={"avisos_silencio": "22-7:30"})
    with closing(Turno(callado, [destino])) as turno, closing(PostgresHealth(entorno)) as salud:
        salud.write(SelfReport((0,)), acaba=True, motivo="no queda memoria")
        _guardar(entorno, hacer_caso("A"), hacer_caso("B"))
        turno.mirar()
        salud.write(SelfReport((0,)))
        turno.mirar()
        _poner(entorno, "casos", "B_2026-11-09", estado="descartado")
        turno.arrancar()
        turno.mirar()
        assert destino.mensajes == []
        turno.mirar(timedelta(hours=3, minutes=30))
    (mensaje,) = destino.mensajes
    assert mensaje.asunto == "Consumo: las lecturas avanzan de nuevo, un caso nuevo"
    primera, _, *casos = mensaje.texto.splitlines()
    assert "no queda memoria" in primera
    assert primera.endswith("(se arregló a las 4:04).")
    assert [linea[:4] for linea in casos] == ["Caso", "- A:"]


def test_un_consumidor_muerto_se_dice_y_su_vuelta_tambien(turno: Turno) -> None:
    """Once while it lasts, and once when it is over for a minute; each episode anew."""
    (destino, _) = turno.destinos
    with closing(PostgresHealth(turno.settings)) as salud:
        for _ in range(2):
            salud.write(SelfReport((0,)), acaba=True, motivo="no queda memoria")
            turno.mirar()
            turno.mirar()
            salud.write(SelfReport((0,)))
            turno.mirar(timedelta(seconds=10))
            turno.mirar(timedelta(seconds=10))
            turno.mirar(CALMA)
            turno.mirar()
    assert [m.asunto.removeprefix("Consumo: ") for m in destino.mensajes] == [
        "las lecturas no avanzan", "las lecturas avanzan de nuevo",
    ] * 2  # fmt: skip
    assert [m.grave for m in destino.mensajes] == [True, False] * 2
    assert "acabó con un error (no queda memoria)" in destino.mensajes[0].texto


def test_la_deriva_y_la_noche(turno: Turno) -> None:
    """Red drift once while it lasts, each night that fails, and one that does not come."""
    (destino, _) = turno.destinos
    informe = {"fecha": MADRUGADA, "version": "3", "semaforo": "rojo", "html": None}
    with closing(MongoModelLog(turno.settings)) as modelos:
        modelos.save_informe(informe)
        turno.mirar()
        turno.mirar()
        modelos.save_informe({**informe, "fecha": MADRUGADA + CALMA, "semaforo": "verde"})
        turno.mirar()
        turno.mirar()
    assert [m.asunto.removeprefix("Consumo: ") for m in destino.mensajes] == [
        "hay deriva", "ya no hay deriva",
    ]  # fmt: skip
    noche = Night(turno.ahora, turno.ahora, 5, {"archivar": "no queda sitio"})
    turno.apuntes.save_night(noche)
    turno.mirar()
    turno.mirar()
    turno.mirar(timedelta(hours=27))
    turno.mirar()
    assert len(destino.mensajes) == 4
    assert destino.mensajes[2].texto == (
        "El trabajo de la noche falló en 1 de 5 pasos. archivar: no queda sitio."
    )
    assert destino.mensajes[3].texto == "El trabajo de la noche no se hace desde hace 27 h."


def test_sin_mongodb_se_dice_una_vez(entorno: Settings) -> None:
    """What is to be told cannot be known: that is told, once a while."""
    destino = DestinoFalso("uno")
    sin_mongo = entorno.model_copy(update={"mongo_port": puerto_del_sistema()})
    with closing(Turno(sin_mongo, [destino])) as turno:
        assert not turno.mirar()
        assert destino.mensajes == []
        turno.mirar()
        turno.mirar()
    (mensaje,) = destino.mensajes
    assert mensaje.texto == "MongoDB no responde desde las 4:02: no entra nada."
    assert mensaje.grave


def test_nadie_se_entera_de_que_empeora_antes_de_que_empieza() -> None:
    """Who has been told nothing yet gets one line, as bad as it is by then."""
    primero = news(Finding("caso:A", CASO, "A", (0, 0)), None, MADRUGADA)
    assert primero is not None
    sin_decir = replace(primero, faltan=("uno",))
    peor = news(Finding("caso:A", CASO, "A, peor", (1, 0)), sin_decir, MADRUGADA)
    assert peor is not None
    assert (peor.empeora, peor.texto, peor.grado) == (False, "A, peor", (1, 0))
    otra = news(Finding("caso:A", CASO, "A, otra", (0, 1)), primero, MADRUGADA)
    assert otra is not None
    assert (otra.empeora, otra.grado) == (True, (0, 1))
    assert news(Finding("caso:A", CASO, "A", (0, 0)), peor, MADRUGADA) is None


# ---- The verb ----


@pytest.fixture
def buzones() -> Iterator[tuple[Buzon, Buzon]]:
    """Give an SMTP server and a webhook."""
    with correo() as uno, webhook() as otro:
        yield uno, otro


def test_una_prueba_llega_y_lo_que_no_llega_se_dice(
    entorno_mongo: Settings,
    buzones: tuple[Buzon, Buzon],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """``--probar``: a line a destination, status 1 if one does not take it, and no address."""
    poner_entorno(monkeypatch, entorno_mongo)
    monkeypatch.setenv("AVISOS_URLS", " ".join(b.url for b in buzones))
    assert run(main, ["--probar"]) == HECHO
    for buzon in buzones:
        ((asunto, texto),) = buzon.llegados
        assert asunto == "Consumo: aviso de prueba"
        assert "No ha ocurrido nada." in texto
    buzones[1].cae = True
    assert run(main, ["--probar"]) == FALLO
    salida = capsys.readouterr()
    assert salida.out.splitlines()[-2:] == ["1, E-Mail: enviado", "2, JSON: no lo ha tomado"]
    assert "127.0.0.1" not in salida.out


def test_una_vez_con_plantilla_propia(
    entorno: Settings,
    buzones: tuple[Buzon, Buzon],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The user's words, once, by cron; a template that is none stops before anything is told."""
    plantilla = tmp_path / "aviso.j2"
    plantilla.write_text("{% for a in nuevos %}Ir a {{ a.propietario_id }}{% endfor %}")
    poner_entorno(monkeypatch, entorno)
    monkeypatch.setenv("AVISOS_URLS", " ".join(b.url for b in buzones))
    monkeypatch.setenv("AVISOS_PLANTILLA", str(plantilla))
    _guardar(entorno, hacer_caso("CLI_00045"))
    assert run(main, ["--una-vez"]) == HECHO
    assert run(main, ["--una-vez"]) == HECHO
    assert [b.llegados[0][1].strip() for b in buzones] == ["Ir a CLI_00045"] * 2
    assert [len(b.llegados) for b in buzones] == [1, 1]
    plantilla.write_text("{{ 1/0 }}")
    assert run(main, ["--una-vez"]) == MAL_USO
    donde = f"error: AVISOS_PLANTILLA ({plantilla}): línea 1: hace algo que no se puede"
    assert donde in capsys.readouterr().err


@pytest.mark.parametrize(
    ("plantilla", "dicho"),
    [
        ("a\n{% for %}", "línea 2: no está bien escrita"),
        ("a\n\n{% if asunto %}", "línea 3: no está bien escrita («if»)"),
        ("{{ asunto | mayus }}", "línea 1: usa un filtro o una prueba que no existe («mayus»)"),
        ("{% if asunto is raro %}{% endif %}", "línea 1: usa algo que no existe («raro»)"),
        ("a\n{{ nuevoss }}", "línea 2: «nuevoss» no existe; hay asunto, enlace, mas, nuevos"),
        ("a\n{{ nuevos[0].cliente.x }}", "línea 2: usa algo que no existe («cliente»)"),
        ("{{ 'a' + 1 }}", "línea 1: hace algo que no se puede"),
        ("a\n{{ ''.__class__.__mro__[1].x() }}", "línea 2: pide algo que a una plantilla no se le"),
        ("a\nasí".encode("latin-1"), "línea 2: no está en UTF-8"),
    ],
)  # fmt: skip
def test_lo_que_falla_de_una_plantilla_se_dice_en_espanol(
    tmp_path: Path, plantilla: str | bytes, dicho: str
) -> None:
    """One line: in which line of the template, and what; nothing of Jinja's English."""
    ruta = tmp_path / "aviso.j2"
    ruta.write_bytes(plantilla if isinstance(plantilla, bytes) else plantilla.encode())
    aviso = Alert("caso:A_2026-11-30", "caso", "A", datetime(2026, 11, 30, tzinfo=UTC))
    with pytest.raises(ConfiguracionError) as error:
        MessageWriter(Settings(_env_file=None, avisos_plantilla=str(ruta))).write([aviso])
    assert str(error.value).startswith(f"AVISOS_PLANTILLA ({ruta}): {dicho}")
    assert not re.search(r"\b(is|not|the|expected|object|no test)\b", str(error.value))


def test_una_plantilla_tiene_lo_que_jinja_da(tmp_path: Path) -> None:
    """Its own names, loops and macros are no unknown ones."""
    fuente = (
        "{% macro m(x) %}{{ x }}{% endmacro %}{% set z = 1 %}{{ m(z) }}"
        "{% for a in nuevos %}{{ loop.index }}{{ range(1)|length }}{% endfor %}"
    )
    aviso = Alert("caso:A_2026-11-30", "caso", "A", datetime(2026, 11, 30, tzinfo=UTC))
    ruta = tmp_path / "aviso.j2"
    ruta.write_text(fuente)
    ajustes = Settings(_env_file=None, avisos_plantilla=str(ruta))
    assert MessageWriter(ajustes).write([aviso]).texto == "111"


def test_una_direccion_que_no_lo_es_se_dice_sin_ensenarla(
    entorno_mongo: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which one, and not what is in it: it may carry a password."""
    poner_entorno(monkeypatch, entorno_mongo)
    monkeypatch.setenv("AVISOS_URLS", "json://localhost nada://ana:secreta@x")
    assert run(main, ["--probar"]) == MAL_USO
    error = capsys.readouterr().err
    assert "la dirección 2" in error
    assert "secreta" not in error


def test_sin_direcciones_van_al_registro(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody has said where: the log has subject and text."""
    (destino,) = open_destinations("")
    assert destino.send(PRUEBA)
    assert "aviso de prueba\nSi lee esto" in caplog.text
