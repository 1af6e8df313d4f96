"""Numbers, dates and names on the screen, and the few variables."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import texts
from dashboard.command import main, streamlit_options
from dashboard.variables import VariableError, load_variables
from detection.domain import SEVERIDADES, TIPOS

NUESTRAS = (
    "API_URL", "API_PORT", "TABLERO_HOST", "TABLERO_PORT", "TABLERO_TESELAS",
    "TABLERO_TESELAS_AUTOR", "API_CLAVE_TABLERO",
)  # fmt: skip


@pytest.fixture
def carpeta(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty folder to work in, without variables of ours."""
    for nombre in NUESTRAS:
        monkeypatch.delenv(nombre, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@given(st.floats(-1e9, 1e9), st.integers(0, 4))
def test_los_numeros_vuelven_a_ser_ellos(valor: float, decimales: int) -> None:
    """Read back by a Spaniard, a number is the one written, to its decimals."""
    texto = texts.number(valor, decimales)
    leido = texto.translate({ord("."): "", ord(","): ".", ord("−"): "-"})
    assert float(leido) == pytest.approx(valor, abs=0.5000001 * 10**-decimales)
    assert texto not in {"−0", "−0,0", "−0,00"}


def test_cada_tipo_y_cada_severidad_tiene_nombre() -> None:
    """No detector appears on the screen by its machine's name."""
    assert set(texts.TYPE_NAMES) == {str(t) for t in TIPOS}
    assert tuple(str(s) for s in SEVERIDADES[1:]) == texts.ANOMALY_SEVERITIES
    assert not any("_" in texts.readable(str(t)) for t in TIPOS)


@pytest.mark.parametrize("funcion", [texts.number, texts.energy, texts.money, texts.percent,
                                     texts.compared, texts.time_ago, texts.date_time])  # fmt: skip
def test_lo_que_falta_es_una_raya(funcion: object) -> None:
    """What the API does not know is a dash, never «None» nor «nan»."""
    assert callable(funcion)
    assert funcion(None) == texts.MISSING


def test_las_variables_por_defecto(carpeta: Path) -> None:
    """Without variables the dashboard is at 8501 and the API at 8001, both on this machine."""
    variables = load_variables()
    assert (variables.api_url, variables.host, variables.port) == (
        "http://127.0.0.1:8001", "127.0.0.1", 8501,
    )  # fmt: skip


def test_el_entorno_gana_al_archivo(carpeta: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``.env`` is read, and the environment wins over it; an empty address follows the port."""
    (carpeta / ".env").write_text(
        "API_URL=\nAPI_PORT=9001\nTABLERO_PORT=9501\nAPI_CLAVE_TABLERO=secreta\n"
    )
    monkeypatch.setenv("TABLERO_PORT", "9502")
    variables = load_variables()
    assert variables.api_url == "http://127.0.0.1:9001"
    assert variables.port == 9502
    assert variables.clave == "secreta"
    assert "secreta" not in repr(variables)


@pytest.mark.parametrize(
    ("nombre", "valor"),
    [("API_URL", "ftp://x"), ("API_URL", "//:"), ("API_URL", "http://u:secreto@[x"),
     ("TABLERO_PORT", "0"), ("TABLERO_PORT", "65536"), ("TABLERO_PORT", "ocho"),
     ("API_PORT", "-1"), ("TABLERO_TESELAS", "https://x.example/{z}/{x}.png"),
     ("TABLERO_TESELAS", "ftp://x/{z}/{x}/{y}"), ("TABLERO_TESELAS", "sí")],
)  # fmt: skip
def test_una_variable_mala_se_dice(
    carpeta: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    nombre: str, valor: str,
) -> None:  # fmt: skip
    """A wrong variable ends the verb with status 2 and one line that names it, not its value."""
    monkeypatch.setenv(nombre, valor)
    with pytest.raises(VariableError, match=nombre):
        load_variables()
    assert main([]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "secreto" not in error


def test_el_verbo_se_explica(capsys: pytest.CaptureFixture[str]) -> None:
    """``--help`` tells the variables; an unknown flag is wrong usage."""
    assert main(["--help"]) == 0
    ayuda = capsys.readouterr().out
    assert ayuda.startswith("uso: consumo tablero")
    assert all(nombre in ayuda for nombre in NUESTRAS)
    assert main(["--otra"]) == 2
    assert "argumentos desconocidos: --otra" in capsys.readouterr().err


def test_streamlit_conoce_todas_las_opciones(carpeta: Path) -> None:
    """Every option is one that the installed Streamlit has, and nothing is told to anyone."""
    from streamlit import config

    dadas = streamlit_options(load_variables())
    conocidas = config.get_config_options()
    assert set(dadas) <= set(conocidas)
    assert dadas["browser.gatherUsageStats"] is False
