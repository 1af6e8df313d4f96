"""The command line speaks Spanish, says what is wrong in one line, and leaves by contract."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import consumo

RAIZ = Path(__file__).resolve().parents[2]
GUIONES = ("producer.py", "consumer.py", "aggregator.py", "archivador.py", "restaurador.py")
"""What the specification calls by their files."""


def _run(argv: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Return exit status, standard output and error of a verb that is run in this process."""
    try:
        estado = consumo.main(argv)
    except SystemExit as fin:
        estado = int(fin.code or 0)
    return estado, *capsys.readouterr()


@pytest.mark.parametrize("verbo", sorted(consumo.VERBOS))
def test_cada_verbo_tiene_ayuda(verbo: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The --help of each verb is Spanish and leaves with 0."""
    estado, salida, errores = _run([verbo, "--help"], capsys)
    assert (estado, errores) == (0, "")
    assert salida.startswith(f"uso: consumo {verbo}")
    assert not re.search(r"\b(usage|options|show this help|default:)\b", salida)


def test_los_guiones_de_la_especificacion_se_pueden_llamar(tmp_path: Path) -> None:
    """``python pipeline/<script>.py`` is the same as its verb, from any folder."""
    carpeta = RAIZ / "pipeline"
    programa = (
        "import contextlib, runpy, sys\n"
        "guiones = sys.argv[1:]\n"
        # As Python does with a script: its own folder comes before every library.
        f"sys.path[0] = {str(carpeta)!r}\n"
        "for guion in guiones:\n"
        "    sys.argv = [guion, '--help']\n"
        "    with contextlib.suppress(SystemExit):\n"
        "        runpy.run_path(guion, run_name='__main__')\n"
    )
    r = subprocess.run(
        [sys.executable, "-c", programa, *(str(carpeta / guion) for guion in GUIONES)],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert r.returncode == 0, r.stderr
    assert re.findall(r"^uso: consumo (\w+)", r.stdout, re.MULTILINE) == [
        "producir", "consumir", "agregar", "archivar", "restaurar",
    ]  # fmt: skip


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
def test_mal_uso_sale_con_2_y_una_linea_en_espanol(
    argv: list[str], texto: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong usage: status 2, and the last line says in Spanish what is wrong."""
    estado, _, errores = _run(argv, capsys)
    assert estado == 2
    ultima = errores.strip().splitlines()[-1]
    assert ultima.startswith("error: ")
    assert texto in ultima


def test_el_estado_llega_a_quien_llama(tmp_path: Path) -> None:
    """A process of its own leaves with that status, and shows no traceback."""
    r = subprocess.run(
        [sys.executable, str(RAIZ / "consumo.py"), "volar"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert r.returncode == 2
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
    variable: str,
    valor: str,
    texto: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A wrong variable: status 2 and one Spanish line that names it."""
    monkeypatch.setenv(variable, valor)
    estado, _, errores = _run(["salud"], capsys)
    assert estado == 2
    assert texto in errores
    assert len(errores.strip().splitlines()) == 1
