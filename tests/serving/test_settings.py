"""A variable that cannot be is one Spanish line that names it, before anything is begun."""

from __future__ import annotations

import pytest

from detection.errors import ConfiguracionError
from serving.cli import MAL_USO, run
from serving.registry import Registro
from serving.settings import load_settings


@pytest.mark.parametrize(
    "uri",
    [
        "hola", "", "./mlruns", "sqlite:///mlflow.db", "databricks", "http://", "http://x:noes",
        "http://x:0", "http://[::1", "ftp://x", "http://un servidor:5000",
    ],
)  # fmt: skip
def test_lo_que_no_es_un_servidor_de_mlflow_se_dice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], uri: str
) -> None:
    """Status 2 and one line with the variable's name: no traceback, and MLflow is not asked."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)

    def main(_: object) -> int:
        Registro(load_settings()).ping()
        return 0

    assert run(main, []) == MAL_USO
    error = capsys.readouterr().err
    assert error == (
        "error: variable MLFLOW_TRACKING_URI no válida: se esperaba la dirección http(s) de un "
        "servidor de MLflow, como «http://127.0.0.1:5000»\n"
    )


def test_la_contrasena_de_una_direccion_mal_escrita_no_se_ensena(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The line says what was expected, never what was given."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "htp://ana:secreta@mlflow:5000")
    with pytest.raises(ConfiguracionError) as error:
        load_settings()
    assert "secreta" not in str(error.value)


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:5000", "https://ana:secreta@mlflow/raiz", "http://[::1]:5000"]
)
def test_un_servidor_vale(monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    """An address with a host is taken as it is, whatever its port, path, user and password."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert load_settings().mlflow_tracking_uri == uri
