"""Where embedded services are is left for the other verbs, and what was left over gives way."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from pipeline.embedded.probes import ANFITRION, puerto_del_sistema
from pipeline.embedded.services import announce
from serving.settings import SERVICIOS_ENV, announced, load_settings


@pytest.fixture(autouse=True)
def _carpeta(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_las_demas_ordenes_lo_encuentran_tambien_sin_carpeta() -> None:
    """A demo that keeps its data elsewhere is found, its API and dashboard too; then it is gone."""
    with announce({"POSTGRES_PORT": "54381", "API_PORT": "9001", "TABLERO_PORT": "9501"}):
        settings = load_settings()
        assert (settings.postgres_port, settings.api_port, settings.tablero_port) == (
            54381, 9001, 9501,
        )  # fmt: skip
    assert not SERVICIOS_ENV.exists()
    with announce({"POSTGRES_PORT": "1"}, crear=False):
        assert announced()["POSTGRES_PORT"] == "1"


def test_lo_que_quedo_de_un_proceso_muerto_cede_el_sitio() -> None:
    """A file that nobody could take away does not send everyone to a dead port."""
    SERVICIOS_ENV.parent.mkdir()
    SERVICIOS_ENV.write_text(f"POSTGRES_PORT={puerto_del_sistema()}\n")
    with announce({"POSTGRES_PORT": "54381"}):
        assert announced() == {"POSTGRES_PORT": "54381"}


def test_los_que_estan_en_marcha_se_quedan() -> None:
    """A second demo does not take the other verbs away from the first one."""
    with socket.create_server((ANFITRION, 0)) as otro:
        suyo = {"POSTGRES_PORT": str(otro.getsockname()[1])}
        with announce(suyo):
            with announce({"POSTGRES_PORT": "54381"}):
                assert announced() == suyo
            assert announced() == suyo


def test_sin_dejar_nada_no_hace_carpeta() -> None:
    """Where no folder is to be made, none is."""
    with announce({"POSTGRES_PORT": "54381"}, crear=False):
        assert not SERVICIOS_ENV.parent.exists()
