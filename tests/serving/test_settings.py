"""A variable that cannot be is one Spanish line that names it, before anything is begun."""

from __future__ import annotations

from pathlib import Path

import pytest

from detection.errors import ConfiguracionError
from serving.cli import MAL_USO, run
from serving.registry import ModelRegistry
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
        ModelRegistry(load_settings()).ping()
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


@pytest.mark.parametrize(
    ("contenido", "linea"),
    [
        ("# uno\nNIVEL_LOG=DEBUG\n# contraseña\n".encode("latin-1"), 3),
        ("NIVEL_LOG=DEBUG\r\n".encode("utf-16"), 1),
        ("NIVEL_LOG=DEBUG\n".encode("utf-16-le"), 1),
    ],
    ids=["latin-1", "utf-16", "utf-16 sin marca"],
)
def test_un_env_que_no_es_utf8_se_dice(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    contenido: bytes,
    linea: int,
) -> None:
    """Status 2 and one line with the file, the line and what to do; no traceback."""
    monkeypatch.chdir(tmp_path)
    Path(".env").write_bytes(contenido)
    assert run(lambda _: load_settings() and 0, []) == MAL_USO
    assert capsys.readouterr().err == (
        f"error: .env: no está en UTF-8 (línea {linea}): guárdelo como UTF-8\n"
    )


def test_un_env_en_utf8_con_marca_vale(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As the Windows notepad saves it: its first variable counts, too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NIVEL_LOG", raising=False)
    Path(".env").write_bytes("NIVEL_LOG=DEBUG\n# contraseña\n".encode("utf-8-sig"))
    assert load_settings().nivel_log == "DEBUG"
