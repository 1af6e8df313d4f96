"""``consumo restaurar``: what is archived, days of it back, or gone for good if one insists."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pytest
from apoyo_archivo import (
    ARCHIVADAS,
    ARCHIVO,
    DIARIOS,
    HOY,
    PRIMER_DIA,
    VIVAS,
    Casa,
    dias_entre,
    llenar,
    poner_entorno,
)
from apoyo_meses import hora
from bases import base_llena

from pipeline import archivador
from pipeline.embedded.services import EmbeddedServices
from pipeline.restaurador import main
from pipeline.stores.postgres.advisory_lock import exclusive
from serving.cli import FALLO, HECHO, MAL_USO, run
from serving.settings import Settings

LIMITE = HOY - timedelta(days=30)
ELIMINAR = ("--eliminar-permanentemente", "--dias")
MARZO = ("--restaurar", "--fecha-inicio", "2026-02-20", "--fecha-fin", "2026-03-05")


def restaurar(*argv: str, hoy: date = HOY) -> int:
    """Return the exit status of the verb on a day."""
    return run(lambda argumentos: main(argumentos, hoy), argv)


def archivar(hoy: date = HOY) -> None:
    assert run(lambda argumentos: archivador.main(argumentos, hoy), []) == HECHO


class Terminal(io.StringIO):
    """Somebody who types an answer, after doing something else."""

    def __init__(self, respuesta: str, antes: Callable[[], None] = lambda: None) -> None:
        super().__init__(respuesta)
        self._antes = antes

    def isatty(self) -> bool:
        return True

    def readline(self, *_: object) -> str:
        self._antes()
        return super().readline()


def _llenar_y_archivar(entorno: Settings) -> None:
    llenar(entorno)
    with pytest.MonkeyPatch.context() as parche:
        poner_entorno(parche, entorno)
        archivar()


@pytest.fixture
def entorno(servicios: EmbeddedServices) -> Iterator[Settings]:
    """Give two months of readings and anomalies, all but the last 30 days archived; copied."""
    with base_llena(servicios, _llenar_y_archivar) as (settings, _):
        yield settings


@pytest.fixture
def casa(
    entorno: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Casa]:
    poner_entorno(monkeypatch, entorno)
    with closing(Casa(entorno)) as abierta:
        capsys.readouterr()
        yield abierta


def test_vuelven_los_dias_pedidos_y_se_quedan(
    casa: Casa, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both ends included, in both stores, as they were; the archiver leaves them until their day.

    Twice equals once.
    """
    assert restaurar(*MARZO) == HECHO
    pedidos = dias_entre(date(2026, 2, 20), date(2026, 3, 5))
    assert casa.dias(DIARIOS) == [*pedidos, *dias_entre(LIMITE, HOY)]
    vivas, archivadas = casa.dias_de_anomalias(VIVAS), casa.dias_de_anomalias(ARCHIVADAS)
    assert {dia for dia in vivas if dia < LIMITE} <= set(pedidos)
    assert archivadas.isdisjoint(pedidos)
    casa.intacta()
    lineas = capsys.readouterr().out.splitlines()
    assert lineas[0].startswith(
        "PostgreSQL: 1.344 lecturas restauradas, del 2026-02-20 al 2026-03-05; "
    )
    assert lineas[1].startswith("MongoDB: ")
    assert "anomalías restauradas, del 2026-02-20" in lineas[1]
    assert lineas[2].endswith("hasta el 2026-05-10, incluido.")
    assert restaurar(*MARZO) == HECHO
    assert capsys.readouterr().out.splitlines()[:2] == [
        "PostgreSQL: no hay lecturas archivadas del 2026-02-20 al 2026-03-05",
        "MongoDB: no hay anomalías archivadas del 2026-02-20 al 2026-03-05",
    ]
    registro = casa.sql("SELECT operacion, estado, desde, hasta FROM log_archivado ORDER BY id")
    pedida = ("restaurar", "completado", pedidos[0], pedidos[-1])
    assert registro[1:] == [pedida, pedida]
    archivar()
    assert casa.dias(DIARIOS) == [*pedidos, *dias_entre(LIMITE, HOY)]
    archivar(date(2026, 5, 11))
    assert casa.dias(DIARIOS) == []
    assert casa.dias_de_anomalias(VIVAS) == set()
    casa.intacta()


def test_el_plazo_se_elige(casa: Casa) -> None:
    """``--retener 3``: on the fourth day they are the archiver's again."""
    assert restaurar(*MARZO, "--retener", "3") == HECHO
    archivar(HOY + timedelta(days=3))
    assert date(2026, 2, 20) in casa.dias(DIARIOS)
    archivar(HOY + timedelta(days=4))
    assert date(2026, 2, 20) not in casa.dias(DIARIOS)
    casa.intacta()


def test_listar_dice_lo_que_hay(
    casa: Casa, variables: dict[str, str], raiz: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the specification writes it: both archives, month by month, while another one works."""
    with exclusive(casa.entorno, "archivado"):
        hijo = subprocess.run(
            [sys.executable, str(raiz / "pipeline" / "restaurador.py"), "--listar"],
            env=variables, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert hijo.returncode == HECHO, hijo.stderr
    filas = [linea.split() for linea in hijo.stdout.splitlines()]
    meses = [f[:4] for f in filas if f[:1] in (["2026-02"], ["2026-03"])]
    assert meses[:2] == [
        ["2026-02", "1.820", "2026-02-10", "2026-02-28"],
        ["2026-03", "960", "2026-03-01", "2026-03-10"],
    ]
    anomalias = str(casa.base[ARCHIVADAS].count_documents({}))
    assert [f[1] for f in filas if f[:1] == ["total"]] == ["2.780", anomalias]
    assert restaurar(*ELIMINAR, "30", "--si") == HECHO
    capsys.readouterr()
    assert restaurar("--listar") == HECHO
    filas = [linea.split() for linea in capsys.readouterr().out.splitlines()]
    assert [f[1] for f in filas if f[:1] == ["total"]] == ["0", "0"]


def test_se_elimina_si_se_escribe_cuantas_son(
    casa: Casa, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Archived and old enough, in both stores; what is in the live tables never goes.

    The number may be typed as it is shown, with its dot.
    """
    restaurar(*MARZO)
    antes_de = date(2026, 2, 28)
    quedan = [
        fila for fila in casa.historia(DIARIOS) + casa.historia(ARCHIVO) if fila[2] >= antes_de
    ]
    vivas = casa.historia(DIARIOS)
    lecturas = len(casa.sql("SELECT 1 FROM consumos_diarios_archivo WHERE fecha < '2026-02-28'"))
    anomalias = sum(
        doc["timestamp_consumo"].timestamp() // 3600 < hora("2026-02-27T23:00")
        for doc in casa.base[ARCHIVADAS].find()
    )
    total = lecturas + anomalias
    capsys.readouterr()
    escrito = f"{total:,}".replace(",", ".")
    monkeypatch.setattr(sys, "stdin", Terminal(f"{escrito}\n"))
    assert restaurar(*ELIMINAR, "41") == HECHO
    texto = capsys.readouterr().out
    assert f"{lecturas} lecturas y {anomalias} anomalías de antes del 2026-02-28" in texto
    assert f"{lecturas} lecturas eliminadas" in texto
    assert casa.historia(DIARIOS) == vivas
    assert casa.dias(ARCHIVO) == dias_entre(date(2026, 3, 6), LIMITE - timedelta(days=1))
    assert [f for f in casa.historia(DIARIOS) + casa.historia(ARCHIVO) if f[2] >= antes_de] == (
        quedan
    )
    assert len(casa.anomalias(VIVAS, ARCHIVADAS)) == len(casa.documentos) - anomalias
    assert restaurar(*ELIMINAR, "41", "--si") == HECHO
    assert capsys.readouterr().out == "no hay nada archivado de antes del 2026-02-28\n"


def test_con_otra_respuesta_no_se_elimina_nada(
    casa: Casa, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another number, another word, nothing, or Ctrl-D: exit status 1, and all is there."""
    for respuesta in ("1\n", "si\n", "\n", ""):
        monkeypatch.setattr(sys, "stdin", Terminal(respuesta))
        assert restaurar(*ELIMINAR, "30") == FALLO
        assert "no se ha eliminado nada" in capsys.readouterr().err
        casa.intacta()


def test_lo_que_llega_mientras_se_pregunta_no_se_elimina_sin_saberlo(
    casa: Casa, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The number that was typed is of another archive by now: nothing goes."""
    total = len(casa.historia(ARCHIVO)) + len(casa.anomalias(ARCHIVADAS))

    def llega() -> None:
        casa.guardar([("TARDE", hora("2026-02-12T10:00"))], [1.0], [0])

    monkeypatch.setattr(sys, "stdin", Terminal(f"{total}\n", llega))
    assert restaurar(*ELIMINAR, "30") == FALLO
    assert "ahora son 2.781 lecturas y" in capsys.readouterr().err
    assert len(casa.historia(ARCHIVO)) == 2781


def test_mientras_se_pregunta_se_puede_archivar(
    casa: Casa, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who thinks for long before answering does not stop the nightly job; the deletion waits."""
    total = len(casa.historia(ARCHIVO)) + len(casa.anomalias(ARCHIVADAS))
    monkeypatch.setattr(sys, "stdin", Terminal(f"{total}\n", archivar))
    assert restaurar(*ELIMINAR, "30") == HECHO
    with exclusive(casa.entorno, "archivado"):
        assert restaurar(*MARZO) == FALLO
    assert "otro archivado o restauración" in capsys.readouterr().err


def test_sin_un_almacen_no_se_elimina_de_ninguno(
    casa: Casa, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody can tell how many they are: one clear line, and nothing goes."""
    with monkeypatch.context() as parche:
        parche.setenv("MONGO_PORT", "9")
        assert restaurar(*ELIMINAR, "30", "--si") == FALLO
    assert "MongoDB en 127.0.0.1:9 no responde" in capsys.readouterr().err
    casa.intacta()


@pytest.mark.parametrize(
    ("argv", "texto"),
    [
        ((), "hace falta uno de: --listar --restaurar --eliminar-permanentemente"),
        (("--listar", "--restaurar"), "--restaurar no se admite junto a --listar"),
        (("--restaurar", "--fecha-inicio", "2026-01-01"), "necesita --fecha-inicio y --fecha-fin"),
        ((*MARZO[:2], "2026-02-30", *MARZO[3:]), "«2026-02-30» no está en el calendario"),
        ((*MARZO[:2], "2026-W10-1", *MARZO[3:]), "no es una fecha; se espera AAAA-MM-DD"),
        ((*MARZO[:2], "1999-12-31", *MARZO[3:]), "no hay lecturas anteriores a 2000"),
        ((*MARZO[:4], "2026-02-19"), "(2026-02-20) es posterior a --fecha-fin (2026-02-19)"),
        ((*MARZO[:4], "2026-04-11"), "(2026-04-11) es posterior a hoy (2026-04-10)"),
        ((*MARZO, "--retener", "0"), "el mínimo es 1"),
        ((*MARZO, "--dias", "40"), "--dias solo se admite junto a --eliminar-permanentemente"),
        (("--listar", "--retener", "4"), "--retener solo se admite junto a --restaurar"),
        ((*ELIMINAR, "29", "--si"), "el mínimo es 30"),
        (("--eliminar-permanentemente", "--si"), "--eliminar-permanentemente necesita --dias"),
        ((*ELIMINAR, "30"), "sin un terminal en que preguntar, eliminar necesita --si"),
    ],
)
def test_mal_uso(
    argv: Sequence[str],
    texto: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Refused before anything is connected to, with the reason."""
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(SystemExit) as fin:
        restaurar(*argv)
    assert fin.value.code == MAL_USO
    assert texto in capsys.readouterr().err


def test_todos_los_dias_del_archivo_caben_en_una_orden(casa: Casa) -> None:
    """From the first possible day to today is a range like any other."""
    rango = ("--fecha-inicio", "2000-01-01", "--fecha-fin", str(HOY))
    assert restaurar("--restaurar", *rango) == HECHO
    assert casa.dias(DIARIOS) == dias_entre(PRIMER_DIA, HOY)
    casa.intacta()
