"""A full disk, wherever it is: the line says that no room is left, and on whose disk."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import psycopg2
import psycopg2.errors
import pytest
from confluent_kafka import KafkaError
from pymongo.errors import BulkWriteError, OperationFailure

from detection.errors import SinSitioError, TransientError
from pipeline.embedded.processes import Proceso
from pipeline.stores.mongo.connection import traducir as traducir_mongo
from pipeline.stores.postgres.connection import traducir as traducir_pg
from pipeline.streaming.kafka import ours
from serving.cli import FALLO, run
from serving.settings import Settings

SETTINGS = Settings(postgres_host="pg", postgres_port=5432, mongo_host="mongo", mongo_port=27017)


@pytest.mark.parametrize(
    "error",
    [
        psycopg2.errors.DiskFull("could not extend file"),
        psycopg2.OperationalError('FATAL: could not write "pg_wal/1": No space left on device'),
    ],
    ids=["53100", "sin código"],
)
def test_postgresql(error: psycopg2.Error) -> None:
    """With PostgreSQL's own code, or with the system's words only."""
    nuestro = traducir_pg(SETTINGS, error)
    assert isinstance(nuestro, SinSitioError)
    assert str(nuestro) == "PostgreSQL en pg:5432: no queda sitio en su disco"


@pytest.mark.parametrize(
    "error",
    [
        OperationFailure("out of disk", 14031),
        OperationFailure("28: No space left on device", 8),
        BulkWriteError({"writeErrors": [{"code": 14031, "errmsg": "no room"}]}),
    ],
    ids=["14031", "con otro código", "en un lote"],
)
def test_mongodb(error: OperationFailure) -> None:
    """With MongoDB's own code, alone or in a batch, or with the system's words only."""
    nuestro = traducir_mongo(SETTINGS, error)
    assert isinstance(nuestro, SinSitioError)
    assert str(nuestro) == "MongoDB en mongo:27017: no queda sitio en su disco"


def test_un_mongodb_averiado_se_espera() -> None:
    """A server that only says that it has broken down is waited for: another start mends it."""
    nuestro = traducir_mongo(SETTINGS, OperationFailure("internal server error", 1))
    assert isinstance(nuestro, TransientError)
    assert "fallo interno" in str(nuestro)


def test_kafka() -> None:
    """A broker that cannot write is waited for too; it does not say why."""
    nuestro = ours(KafkaError(KafkaError.KAFKA_STORAGE_ERROR), "kafka:9092")
    assert isinstance(nuestro, TransientError)
    assert str(nuestro) == "Kafka en kafka:9092 no puede escribir en su disco: ¿queda sitio?"


def test_el_nuestro(capsys: pytest.CaptureFixture[str]) -> None:
    """A verb that cannot write a file ends with one Spanish line; other errors are defects."""

    def escribir(_argv: Sequence[str]) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/datos/salida.csv")

    assert run(escribir, []) == FALLO
    assert capsys.readouterr().err == "error: no queda sitio en el disco: /datos/salida.csv\n"

    def romper(_argv: Sequence[str]) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.raises(OSError, match="Input/output"):
        run(romper, [])


def test_un_servidor_embebido_que_ya_no_sirve(tmp_path: Path) -> None:
    """One that runs on after a panic counts as ended, and its line says that there is no room."""
    codigo = (
        "import time; print('pwrite: No space left on device'); "
        "print('the process must exit and restart: WT_PANIC', flush=True); time.sleep(60)"
    )
    proceso = Proceso("MongoDB", [sys.executable, "-c", codigo], tmp_path)
    proceso.averia = "the process must exit and restart"
    proceso.listo = lambda: "WT_PANIC" in proceso.log.read_text()
    proceso.lanzar()
    try:
        while not proceso.listo():
            assert proceso.plazo_s
        caida = proceso.caido() or ""
        assert caida.startswith("MongoDB ya no puede seguir. No queda sitio en el disco.")
        assert "\n" not in caida
    finally:
        proceso.detener()
