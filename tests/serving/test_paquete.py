"""A model that is written down is the same when it is read, or it is refused."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from apoyo_paquete import modelo, paquete, rasgos
from hypothesis import given, settings
from hypothesis import strategies as st

from detection.errors import ModeloInvalidoError
from detection.feature_fingerprint import feature_fingerprint
from detection.models.isolation_forest import FlatIsolationForest
from detection.models.tails import EmpiricalTail
from detection.params import Calibracion
from detection.rules.registry import CALIBRACIONES
from serving.model_package import (
    holds_paquete,
    load_paquete,
    package_fingerprint,
    place_paquete,
    save_paquete,
)

FICHEROS = ("bosque.npz", "colas.npz", "modelo.json", "referencia.parquet")


@pytest.fixture(scope="module")
def original() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as carpeta:
        yield paquete(Path(carpeta, "p"))


def _bytes(carpeta: Path) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in carpeta.iterdir()}


def _reseal(carpeta: Path, **cambios: Any) -> None:
    """Change the manifest as somebody would who knows how it is sealed."""
    datos = json.loads((carpeta / "modelo.json").read_text("utf-8")) | cambios
    datos["sha256"] = datos["sha256"] | {
        n: hashlib.sha256((carpeta / n).read_bytes()).hexdigest()
        for n in datos["sha256"]
        if (carpeta / n).exists()
    }
    del datos["huella"]

    def escrito() -> bytes:
        texto = json.dumps(datos, ensure_ascii=False, indent=2, sort_keys=True)
        return (texto + "\n").encode()

    datos["huella"] = hashlib.sha256(escrito()).hexdigest()
    (carpeta / "modelo.json").write_bytes(escrito())


def test_lo_escrito_es_lo_leido(original: Path) -> None:
    """Scores, tails, calibration and names come back to the last bit, under the version's name."""
    antes, leido = modelo(), load_paquete(original, "consumo-detector-3")
    assert leido.version == "consumo-detector-3"
    x = rasgos(50, 9)
    np.testing.assert_array_equal(leido.bosque.scores(x), antes.bosque.scores(x))
    for cola in ("cola_offline", "cola_online"):
        for campo in ("scores", "log_p"):
            np.testing.assert_array_equal(
                getattr(getattr(leido, cola), campo), getattr(getattr(antes, cola), campo)
            )
    for campo in ("calibraciones", "rasgos", "huella_online", "huella_params"):
        assert getattr(leido, campo) == getattr(antes, campo), campo


def test_el_mismo_modelo_da_los_mismos_bytes(original: Path, tmp_path: Path) -> None:
    """Written again, by whomever and whenever, a package has the same bytes and fingerprint."""
    otra = paquete(tmp_path / "q")
    assert _bytes(otra) == _bytes(original)
    assert package_fingerprint(otra) == package_fingerprint(original)
    assert package_fingerprint(paquete(tmp_path / "r", semilla=2)) != package_fingerprint(original)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(FICHEROS), st.integers(0, 2**20), st.integers(1, 255))
def test_un_byte_cambiado_se_ve(original: Path, nombre: str, donde: int, mascara: int) -> None:
    """Whatever byte of whatever file is not as written, the package is refused."""
    with tempfile.TemporaryDirectory() as temporal:
        copia = Path(shutil.copytree(original, Path(temporal, "p")))
        datos = bytearray((copia / nombre).read_bytes())
        datos[donde % len(datos)] ^= mascara
        (copia / nombre).write_bytes(datos)
        with pytest.raises(ModeloInvalidoError) as error:
            load_paquete(copia, "v")
        assert "\n" not in str(error.value)
        assert not holds_paquete(copia, package_fingerprint(original))


@pytest.mark.parametrize("nombre", FICHEROS)
@pytest.mark.parametrize("dano", ["falta", "vacío", "cortado"])
def test_un_fichero_que_falta_se_nombra(
    original: Path, tmp_path: Path, nombre: str, dano: str
) -> None:
    """A file that is missing, empty or cut short is named in the error."""
    copia = Path(shutil.copytree(original, tmp_path / "p"))
    if dano == "falta":
        (copia / nombre).unlink()
    else:
        datos = (copia / nombre).read_bytes()
        (copia / nombre).write_bytes(datos[: len(datos) // 2] if dano == "cortado" else b"")
    with pytest.raises(ModeloInvalidoError, match=nombre):
        load_paquete(copia, "v")


def test_una_carpeta_que_no_es_un_paquete(tmp_path: Path) -> None:
    """An empty folder, a file, or nothing at all is a broken version, not a crash."""
    (tmp_path / "fichero").write_text("hola")
    for ruta in (tmp_path, tmp_path / "fichero", tmp_path / "nada"):
        with pytest.raises(ModeloInvalidoError, match=r"modelo\.json"):
            load_paquete(ruta, "v")


def test_un_paquete_que_no_es_para_este_detector(tmp_path: Path) -> None:
    """Whole but made for others, or with numbers that cannot be: refused, and said why."""
    base = modelo()
    menos = FlatIsolationForest.from_arrays(
        base.bosque.to_arrays()
        | {"n_rasgos": np.array(3), "rasgo": np.zeros_like(base.bosque.trees.rasgo)}
    )
    cola = base.cola_offline
    casos = {
        "otros rasgos": {"rasgos": ("nivel_hora",)},
        "mira 3 rasgos": {"bosque": menos},
        "«online» no está ordenada": {"cola_online": EmpiricalTail(cola.scores[::-1], cola.log_p)},
        "«offline» no está ordenada": {
            "cola_offline": EmpiricalTail(cola.scores, cola.log_p[::-1])
        },
        "«offline» tiene formas": {"cola_offline": EmpiricalTail(cola.scores[1:], cola.log_p)},
        "no son números": {"cola_offline": EmpiricalTail(cola.scores, cola.log_p * np.nan)},
        "tasa = -1": {
            "calibraciones": CALIBRACIONES | {"fraude": Calibracion(-1.0, 1.0, 1.0, 1.0)}
        },
        "peso = 1.5": {
            "calibraciones": CALIBRACIONES | {"fraude": Calibracion(1.0, 1.0, 1.0, 1.5)}
        },
        "huella_online": {"huella_online": ""},
    }
    for i, (texto, cambio) in enumerate(casos.items()):
        save_paquete(dataclasses.replace(base, **cambio), tmp_path / str(i))
        with pytest.raises(ModeloInvalidoError, match=texto):
            load_paquete(tmp_path / str(i), "v")


@pytest.mark.parametrize(
    ("cambios", "texto"),
    [
        ({"formato": 1}, "es de formato 1 y este detector entiende el 3; vuelva a entrenar"),
        ({"formato": None}, "dañado"),
        ({"sha256": {"../fuera": "0" * 64}}, "de fuera"),
        ({"sha256": {}}, "le falta «bosque.npz»"),
        ({"calibraciones": {"fraude": {"tasa": 1}}}, "«fraude» no tiene los campos"),
        ({"calibraciones": []}, "le faltan las calibraciones"),
        ({"rasgos": "nivel_hora"}, "otros rasgos"),
        ({"huella_rasgos": "0123456789ab"}, r"otro código de rasgos \(0123456789ab\).*entrenar$"),
        ({"huella_rasgos": None}, "le falta «huella_rasgos»"),
    ],
)
def test_un_manifiesto_de_otros(
    original: Path, tmp_path: Path, cambios: dict[str, Any], texto: str
) -> None:
    """A manifest that is sealed but says something else than ours does is refused in one line."""
    copia = Path(shutil.copytree(original, tmp_path / "p"))
    _reseal(copia, **cambios)
    with pytest.raises(ModeloInvalidoError, match=texto):
        load_paquete(copia, "v")


def test_un_paquete_dice_con_que_codigo_se_miden_sus_rasgos(original: Path) -> None:
    """What is written is the fingerprint of the code that runs, and not of the names alone."""
    datos = json.loads((original / "modelo.json").read_text("utf-8"))
    assert datos["huella_rasgos"] == feature_fingerprint()


class _Bomba:
    def __init__(self, testigo: str) -> None:
        self.testigo = testigo

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.testigo, "w")


def test_un_objeto_dentro_de_las_matrices_no_se_ejecuta(original: Path, tmp_path: Path) -> None:
    """A pickled object in place of an array is refused, and nothing of it runs."""
    copia = Path(shutil.copytree(original, tmp_path / "p"))
    salida, testigo = io.BytesIO(), tmp_path / "ejecutado"
    np.savez(salida, rasgo=np.array([_Bomba(str(testigo))], dtype=object))
    testigo.unlink(missing_ok=True)
    (copia / "bosque.npz").write_bytes(salida.getvalue())
    _reseal(copia)
    with pytest.raises(ModeloInvalidoError, match=r"bosque\.npz"):
        load_paquete(copia, "v")
    assert not testigo.exists()


def test_otros_umbrales_se_avisan(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A model trained with other thresholds is used, and the log says so; with ours, silence."""
    load_paquete(paquete(tmp_path / "p"), "v")
    assert not caplog.records
    save_paquete(dataclasses.replace(modelo(), huella_params="aaaabbbbcccc"), tmp_path / "q")
    assert load_paquete(tmp_path / "q", "consumo-detector-3").huella_params == "aaaabbbbcccc"
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "los pesos de detection/params.py no se usan: deciden los de consumo-detector-3" in (
        caplog.text
    )


@pytest.mark.parametrize("nombre", ["../x", "a/b", "", "..", "modelo.json", "bosque.npz", "a\\b"])
def test_los_ficheros_de_mas_tienen_nombres_llanos(tmp_path: Path, nombre: str) -> None:
    """A side file cannot leave the folder, nor take the place of the model's own."""
    with pytest.raises(ValueError, match="no vale"):
        save_paquete(modelo(), tmp_path / "p", extras={nombre: b""})
    assert not (tmp_path / "p").exists()


def test_colocar_reemplaza_entero(tmp_path: Path) -> None:
    """What stood in the place is gone, the package is whole, and nothing is left beside it."""
    destino = paquete(tmp_path / "destino", semilla=2)
    (destino / "de_antes").write_text("x")
    nuevo = paquete(tmp_path / "nuevo")
    huella = package_fingerprint(nuevo)
    place_paquete(nuevo, destino)
    assert holds_paquete(destino, huella)
    assert sorted(f.name for f in destino.iterdir()) == sorted(FICHEROS)
    assert [f.name for f in tmp_path.iterdir()] == ["destino"]
