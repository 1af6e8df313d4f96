"""README, .env.example, the Makefile and the command line tell the same story."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import consumo
from dashboard.variables import load_variables
from serving.settings import Settings

RAIZ = Path(__file__).resolve().parents[2]
README = (RAIZ / "README.md").read_text(encoding="utf-8")


def _ejemplo() -> dict[str, str]:
    texto = (RAIZ / ".env.example").read_text(encoding="utf-8")
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", texto, re.MULTILINE))


def test_env_example_tiene_todas_las_variables_con_su_valor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every variable of the product is in .env.example with its default, and no other."""
    defectos = {
        nombre.upper(): str(campo.default) for nombre, campo in Settings.model_fields.items()
    }
    for nombre in ("API_URL", "TABLERO_HOST", "TABLERO_PORT", "API_CLAVE_TABLERO"):
        monkeypatch.delenv(nombre, raising=False)
    assert _ejemplo() == defectos | _del_tablero()


def _del_tablero() -> dict[str, str]:
    """Return the variables of the dashboard, which reads no Settings, with what they default to."""
    valores = load_variables()
    return {
        # Empty: then it follows API_PORT, which a written address would not.
        "API_URL": "",
        "TABLERO_HOST": valores.host,
        "TABLERO_PORT": str(valores.port),
        "API_CLAVE_TABLERO": valores.clave,
    }


def test_cada_variable_tiene_una_descripcion_en_espanol() -> None:
    """Each setting says what it is."""
    assert all(campo.description for campo in Settings.model_fields.values())


def test_el_readme_nombra_todas_las_variables() -> None:
    """Every variable is named in README, and README names none that is not."""
    nombradas = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", README))
    assert nombradas == set(_ejemplo())


@pytest.mark.parametrize("verbo", sorted(consumo.VERBOS))
def test_cada_verbo_esta_en_el_readme_y_tiene_ayuda(verbo: str) -> None:
    """Each verb is in README, and its --help is Spanish and leaves with 0."""
    assert f"`consumo {verbo}`" in README
    r = subprocess.run(
        [sys.executable, "-m", "consumo", verbo, "--help"],
        cwd=RAIZ, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert r.returncode == 0, r.stderr
    assert r.stdout.startswith(f"uso: consumo {verbo}")
    assert not re.search(r"\b(usage|options|show this help|default:)\b", r.stdout)


def test_el_readme_no_nombra_verbos_que_no_existen() -> None:
    """README promises no verb that is not there."""
    nombrados = set(re.findall(r"`consumo ([a-z]+)[ `]", README))
    assert nombrados == set(consumo.VERBOS)


@pytest.mark.parametrize("guion", ["producer.py", "consumer.py", "aggregator.py"])
def test_los_guiones_de_la_especificacion_se_pueden_llamar(guion: str, tmp_path: Path) -> None:
    """``python pipeline/<script>.py`` is the same as its verb, from any folder."""
    r = subprocess.run(
        [sys.executable, str(RAIZ / "pipeline" / guion), "--help"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert r.returncode == 0, r.stderr
    assert r.stdout.startswith("uso: consumo ")


@pytest.mark.parametrize(
    ("argv", "texto"),
    [
        ([], "falta el verbo"),
        (["volar"], "«volar» no es un verbo"),
        (["producir", "--mode", "siempre"], "--mode"),
        (["producir", "--clients", "0"], "el mínimo es 1"),
        (["demo", "--dias", "muchos"], "«muchos» no es un número entero"),
        (["consumir", "--nada"], "argumentos desconocidos: --nada"),
    ],
)
def test_mal_uso_sale_con_2_y_una_linea_en_espanol(argv: list[str], texto: str) -> None:
    """Wrong usage: status 2, and the last line says in Spanish what is wrong."""
    r = subprocess.run(
        [sys.executable, "-m", "consumo", *argv],
        cwd=RAIZ, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert r.returncode == 2
    ultima = r.stderr.strip().splitlines()[-1]
    assert ultima.startswith("error: ")
    assert texto in ultima
    assert "Traceback" not in r.stderr


@pytest.mark.parametrize(
    ("variable", "valor", "texto"),
    [
        ("POSTGRES_PORT", "muchos", "variable POSTGRES_PORT no válida: se esperaba un número"),
        ("ZONA_HORARIA", "Marte/Olimpo", "no existe la zona horaria «Marte/Olimpo»"),
        ("LOTE_MAXIMO", "0", "el mínimo es 1"),
    ],
)
def test_una_variable_mala_se_nombra(
    variable: str, valor: str, texto: str, variables_limpias: dict[str, str], tmp_path: Path
) -> None:
    """A wrong variable: status 2 and one Spanish line that names it."""
    r = subprocess.run(
        [sys.executable, "-m", "consumo", "salud"],
        env={**variables_limpias, variable: valor}, cwd=tmp_path,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert r.returncode == 2
    assert texto in r.stderr
    assert len(r.stderr.strip().splitlines()) == 1


@pytest.fixture
def variables_limpias() -> dict[str, str]:
    """Return an environment without variables of the product."""
    import os

    return {k: v for k, v in os.environ.items() if k.lower() not in Settings.model_fields}
