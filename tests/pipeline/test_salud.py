"""What ``consumo salud`` promises: every part is named, what does not answer is said, in time."""

from __future__ import annotations

from contextlib import closing

import pytest
from apoyo_servidor import servidor

from pipeline.embedded.probes import ANFITRION, puerto_del_sistema
from pipeline.jobs.health import look_once, main, servers
from pipeline.stores.postgres.health import PostgresHealth
from serving.cli import FALLO, HECHO, MAL_USO, run
from serving.consumer_health import SelfReport
from serving.settings import Settings


def exportar(parche: pytest.MonkeyPatch, entorno: Settings) -> None:
    for campo, valor in entorno.model_dump().items():
        parche.setenv(campo.upper(), str(valor))


def test_all_parts_answer(
    entorno_mlflow: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With every server up the status is 0, and each part has its row."""
    partes = look_once(servers(entorno_mlflow))
    assert {nombre: parte.mal for nombre, parte in partes.items()} == dict.fromkeys(
        ("PostgreSQL", "MongoDB", "Kafka", "MLflow")
    )
    exportar(monkeypatch, entorno_mlflow)
    assert run(main, ["--servicios"]) == HECHO
    salida = capsys.readouterr().out
    assert all(nombre in salida for nombre in partes)
    assert "tablero" not in salida


def test_api_and_dashboard_are_asked_where_the_settings_say(
    entorno_mlflow: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a living consumer and every part up the status is 0; without the dashboard, 1."""
    rutas: list[str] = []
    with closing(PostgresHealth(entorno_mlflow)) as latidos, servidor(200, rutas) as donde:
        latidos.write(SelfReport((0,)))
        puerto = int(donde.rpartition(":")[2])
        # As in a container, where the API listens on every address.
        otras = {"api_host": "0.0.0.0", "api_port": puerto, "tablero_port": puerto}
        exportar(monkeypatch, entorno_mlflow.model_copy(update=otras))
        assert run(main, []) == HECHO, capsys.readouterr().out
        assert sorted(rutas) == ["/_stcore/health", "/salud/viva"]
        monkeypatch.setenv("TABLERO_PORT", str(puerto_del_sistema()))
        monkeypatch.setenv("COLUMNS", "200")
        assert run(main, []) == FALLO
        assert "El tablero no responde" in capsys.readouterr().out


def test_mlflow_away_is_said_and_the_rest_is_checked(entorno: Settings) -> None:
    """One part that is away does not hide the others."""
    uri = f"http://{ANFITRION}:{puerto_del_sistema()}"
    partes = look_once(servers(entorno.model_copy(update={"mlflow_tracking_uri": uri})))
    mal = {nombre: parte.mal for nombre, parte in partes.items() if parte.mal}
    assert mal == {"MLflow": f"MLflow no responde en {uri}"}


def test_status_says_that_a_part_is_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing runs: status 1, every row filled, and no password on the screen."""
    for variable in ("POSTGRES_PORT", "MONGO_PORT", "API_PORT", "TABLERO_PORT"):
        monkeypatch.setenv(variable, str(puerto_del_sistema()))
    monkeypatch.setenv("KAFKA_BROKER", f"{ANFITRION}:{puerto_del_sistema()}")
    uri = f"http://ana:secreta@{ANFITRION}:{puerto_del_sistema()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("COLUMNS", "200")
    assert run(main, []) == FALLO
    salida = capsys.readouterr().out
    assert salida.count("no responde") == 7  # the consumer's row too
    assert "secreta" not in salida


def test_wrong_usage_names_the_parts(capsys: pytest.CaptureFixture[str]) -> None:
    """Help speaks Spanish and names all that is checked; a flag too many is wrong usage."""
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "PostgreSQL, MongoDB, Kafka y MLflow" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(SystemExit) as salida:
        main(["--todo"])
    assert salida.value.code == MAL_USO
