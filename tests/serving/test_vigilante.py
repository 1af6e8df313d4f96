"""The hot swap: a new champion is taken, whatever fails leaves the old one, and it is said once."""

from __future__ import annotations

import logging
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from apoyo_paquete import modelo, paquete, rasgos

from detection.errors import PermanentError, TransientError
from serving.model_package import holds_paquete, package_fingerprint
from serving.model_versions import ModelRejection
from serving.model_watcher import COPIAS, ModelWatcher
from serving.registry import ModelRegistry
from serving.settings import Settings

PLAZO_S = 20.0
SONDEO_S = 0.02


def _hasta(condicion: Callable[[], Any]) -> Any:
    """Return what a condition gives once it holds; fail if it never does."""
    limite = time.monotonic() + PLAZO_S
    while not (valor := condicion()):
        assert time.monotonic() < limite, "no llega a cumplirse"
        time.sleep(0.005)
    return valor


class RegistroFalso:
    """A server in memory: aliases, packages by version, and what was asked of it."""

    modelo = "consumo-detector"

    def __init__(self, carpeta: Path) -> None:
        self.alias: dict[str, int] = {}
        self.paquetes: dict[int, Path] = {}
        self.error: Exception | None = None
        self.miradas = 0
        self.bajadas: list[int] = []
        self.etiquetas: dict[int, dict[str, str]] = {}
        self.preguntados: set[str] = set()
        self.paso = threading.Event()
        self.paso.set()
        self._carpeta = carpeta

    def nueva(self, numero: int) -> None:
        self.paquetes[numero] = paquete(self._carpeta / str(numero), semilla=numero)

    def romper(self, numero: int) -> None:
        (self.paquetes[numero] / "colas.npz").write_bytes(b"roto")

    def version_of(self, alias: str) -> int | None:
        self.paso.wait(PLAZO_S)
        self.miradas += 1
        self.preguntados.add(alias)
        if self.error is not None:
            raise self.error
        return self.alias.get(alias)

    def tags_of(self, version: int) -> dict[str, str]:
        return dict(self.etiquetas.get(version, {}))

    def tag(self, version: int, etiquetas: Mapping[str, str | None]) -> None:
        if self.error is not None:
            raise self.error
        suyas = self.etiquetas.setdefault(version, {})
        for nombre, valor in etiquetas.items():
            suyas.pop(nombre, None)
            if valor is not None:
                suyas[nombre] = valor

    def download(self, version: int, destino: Path) -> Path:
        self.bajadas.append(version)
        if version not in self.paquetes:
            raise PermanentError(f"no existe la versión {version}")
        origen = self.paquetes[version]
        if not holds_paquete(destino, package_fingerprint(origen)):
            shutil.rmtree(destino, ignore_errors=True)
            shutil.copytree(origen, destino)
        return destino


class Escena:
    """A fake server with three versions, the first of them champion, and consumers that start."""

    def __init__(self, tmp_path: Path, pila: ExitStack) -> None:
        self.registro = RegistroFalso(tmp_path / "servidor")
        for numero in (1, 2, 3):
            self.registro.nueva(numero)
        self.registro.alias = {"champion": 1}
        self.carpeta = tmp_path / "modelos"
        self._pila = pila

    def arrancar(self, **opciones: Any) -> ModelWatcher:
        opciones = {"sondeo_s": SONDEO_S, "espera_inicio_s": PLAZO_S} | opciones
        return self._pila.enter_context(ModelWatcher(self.registro, self.carpeta, **opciones))

    def miradas(self, n: int = 3) -> None:
        """Let so many more looks go by."""
        desde = self.registro.miradas
        _hasta(lambda: self.registro.miradas >= desde + n)


@pytest.fixture
def escena(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Escena]:
    caplog.set_level(logging.INFO, "serving.model_watcher")
    with ExitStack() as pila:
        yield Escena(tmp_path, pila)


def _lineas(caplog: pytest.LogCaptureFixture, nivel: str) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelname == nivel]


def test_se_empieza_con_el_campeon_y_se_da_una_vez(escena: Escena) -> None:
    """On return of the start the champion is there, scores as it did in training, comes once."""
    vigilante = escena.arrancar()
    campeon = vigilante.take()
    assert campeon is not None
    assert campeon.version == "consumo-detector-1"
    x = rasgos(20)
    np.testing.assert_array_equal(campeon.bosque.scores(x), modelo(1).bosque.scores(x))
    escena.miradas()
    assert vigilante.take() is None
    estado = vigilante.estado()
    assert (estado.version, estado.origen, estado.error) == ("consumo-detector-1", "mlflow", None)
    assert escena.registro.bajadas == [1]


def test_al_mover_el_alias_llega_el_nuevo_y_el_de_antes_vuelve(escena: Escena) -> None:
    """Promotion, and roll-back, each give the version that the alias points to."""
    vigilante = escena.arrancar()
    vigilante.take()
    for numero in (2, 1, 3):
        escena.registro.alias["champion"] = numero
        campeon = _hasta(vigilante.take)
        assert campeon.version == f"consumo-detector-{numero}"
        assert vigilante.estado().version == campeon.version


def test_quien_no_toma_a_tiempo_recibe_el_ultimo(escena: Escena) -> None:
    """Two promotions between two batches: the consumer gets the second."""
    vigilante = escena.arrancar()
    for numero in (2, 3):
        escena.registro.alias["champion"] = numero
        _hasta(lambda n=numero: vigilante.estado().version == f"consumo-detector-{n}")
    campeon = vigilante.take()
    assert campeon is not None
    assert campeon.version == "consumo-detector-3"
    assert vigilante.take() is None


@pytest.mark.parametrize("rota", ["dañada", "no existe"])
def test_una_version_rota_no_cambia_nada(
    escena: Escena, caplog: pytest.LogCaptureFixture, rota: str
) -> None:
    """The old champion stays, one ERROR line says which version and why, and the next one works."""
    vigilante = escena.arrancar()
    vigilante.take()
    numero = 2 if rota == "dañada" else 9
    if rota == "dañada":
        escena.registro.romper(2)
    escena.registro.alias["champion"] = numero
    estado = _hasta(lambda: (e := vigilante.estado()).error and e)
    assert estado.version == "consumo-detector-1"
    escena.miradas(5)
    assert vigilante.take() is None
    (linea,) = _lineas(caplog, "ERROR")
    assert linea.startswith(f"campeón consumo-detector-{numero} rechazado: ")
    assert linea.endswith("; se sigue con consumo-detector-1")
    assert ("«colas.npz» está dañado" if numero == 2 else "no existe la versión 9") in linea
    if numero == 2:
        assert escena.registro.bajadas.count(2) == 1
    escena.registro.alias["champion"] = 3
    assert _hasta(vigilante.take).version == "consumo-detector-3"
    _hasta(lambda: vigilante.estado().error is None)


def test_el_rechazo_se_anota_con_la_version_y_se_quita(escena: Escena) -> None:
    """Whoever looks at a version elsewhere sees that a consumer rejected it, until one takes it."""
    registro = escena.registro
    registro.romper(2)
    registro.alias["champion"] = 2
    vigilante = escena.arrancar()
    rechazo = _hasta(lambda: ModelRejection.from_tags(registro.tags_of(2)))
    assert "colas.npz" in rechazo.motivo
    assert vigilante.estado().version is None
    assert ModelRejection.from_tags(registro.tags_of(1)) is None
    registro.nueva(2)
    vigilante.close()
    escena.arrancar(sondeo_s=60.0)
    _hasta(lambda: not registro.tags_of(2))


def test_un_rechazo_que_mlflow_no_toma_se_anota_despues(escena: Escena) -> None:
    """MLflow goes away just then: the rejection is written down when it is back."""
    registro = escena.registro
    registro.romper(2)
    vigilante = escena.arrancar()
    tomar = registro.tag

    def una_vez_no(version: int, etiquetas: Mapping[str, str | None]) -> None:
        registro.tag = tomar  # type: ignore[method-assign]
        raise TransientError("MLflow no responde")

    registro.tag = una_vez_no  # type: ignore[method-assign]
    registro.alias["champion"] = 2
    assert _hasta(lambda: ModelRejection.from_tags(registro.tags_of(2)))
    assert vigilante.estado().version == "consumo-detector-1"


def test_volver_al_de_siempre_tras_una_rota(escena: Escena) -> None:
    """The alias put back where it was: nothing is wrong any more, and nothing is given anew."""
    vigilante = escena.arrancar()
    vigilante.take()
    escena.registro.romper(2)
    escena.registro.alias["champion"] = 2
    _hasta(lambda: vigilante.estado().error)
    escena.registro.alias["champion"] = 1
    _hasta(lambda: vigilante.estado().error is None)
    assert vigilante.take() is None
    # Mended meanwhile: looked at again, because the alias has been elsewhere.
    escena.registro.nueva(2)
    escena.registro.alias["champion"] = 2
    assert _hasta(vigilante.take).version == "consumo-detector-2"


def test_sin_mlflow_se_empieza_con_la_copia_en_disco(
    escena: Escena, caplog: pytest.LogCaptureFixture
) -> None:
    """MLflow away at the start: the last one used goes on, said once, confirmed when it is back."""
    with ModelWatcher(escena.registro, escena.carpeta, SONDEO_S) as antes:
        assert antes.take() is not None
    escena.registro.error = TransientError("MLflow no responde en http://x")
    vigilante = escena.arrancar()
    campeon = vigilante.take()
    assert campeon is not None
    assert campeon.version == "consumo-detector-1"
    estado = vigilante.estado()
    assert (estado.origen, estado.error) == ("disco", "MLflow no responde en http://x")
    escena.miradas()
    assert _lineas(caplog, "WARNING") == [
        "MLflow no responde en http://x; se sigue con consumo-detector-1 (la última copia en disco)"
    ]
    escena.registro.error = None
    _hasta(lambda: vigilante.estado().origen == "mlflow")
    _hasta(lambda: vigilante.estado().error is None)
    assert vigilante.take() is None
    assert (
        _lineas(caplog, "INFO")[-1] == "MLflow vuelve a responder; se sigue con consumo-detector-1"
    )


def test_mlflow_se_va_y_vuelve_mientras_se_puntua(
    escena: Escena, caplog: pytest.LogCaptureFixture
) -> None:
    """One WARNING when it goes, one line when it is back, and what was promoted meanwhile comes."""
    vigilante = escena.arrancar()
    vigilante.take()
    escena.registro.error = TransientError("MLflow no responde en http://x")
    _hasta(lambda: vigilante.estado().error)
    escena.miradas(5)
    estado = vigilante.estado()
    assert (estado.version, estado.origen) == ("consumo-detector-1", "mlflow")
    assert len(_lineas(caplog, "WARNING")) == 1
    escena.registro.alias["champion"] = 2
    escena.registro.error = None
    assert _hasta(vigilante.take).version == "consumo-detector-2"
    _hasta(lambda: "MLflow vuelve a responder" in caplog.text)
    assert len(_lineas(caplog, "WARNING")) == 1


def test_otro_servidor_con_el_mismo_numero(escena: Escena, tmp_path: Path) -> None:
    """Version 1 of a server made anew is not taken for the version 1 that is on disk."""
    escena.arrancar().close()
    escena.registro.paquetes[1] = paquete(tmp_path / "nuevo", semilla=8)
    campeon = escena.arrancar().take()
    assert campeon is not None
    x = rasgos(20)
    np.testing.assert_array_equal(campeon.bosque.scores(x), modelo(8).bosque.scores(x))


def test_sin_campeon_todavia(escena: Escena, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing was ever promoted: the rules go on alone, said once, until there is a champion."""
    escena.registro.alias = {}
    vigilante = escena.arrancar()
    escena.miradas()
    assert vigilante.take() is None
    assert (vigilante.estado().version, vigilante.estado().origen) == (None, "ninguno")
    assert [r.getMessage() for r in caplog.records] == [
        "el alias «champion» no apunta a ninguna versión; se sigue con la versión de base"
    ]
    escena.registro.alias = {"champion": 2}
    assert _hasta(vigilante.take).version == "consumo-detector-2"


@pytest.mark.parametrize("reinicio", [False, True])
def test_un_alias_que_se_quita_deja_al_de_antes(
    escena: Escena, caplog: pytest.LogCaptureFixture, reinicio: bool
) -> None:
    """``champion`` removed: the old one goes on, also after a restart, and it is said once."""
    vigilante = escena.arrancar()
    vigilante.take()
    if reinicio:
        vigilante.close()
    escena.registro.alias = {}
    if reinicio:
        vigilante = escena.arrancar()
    assert (_hasta(lambda: vigilante.estado().error)).startswith("el alias «champion» no apunta")
    escena.miradas()
    assert vigilante.estado().version == "consumo-detector-1"
    assert (vigilante.take() is not None) == reinicio
    assert len(_lineas(caplog, "WARNING")) == 1


def test_el_aspirante_puntua_en_la_sombra_hasta_que_se_retira(escena: Escena) -> None:
    """The challenger comes apart from the champion, and goes when its alias goes."""
    escena.registro.alias["challenger"] = 2
    vigilante = escena.arrancar(en_sombra=True)
    aspirante, campeon = vigilante.challenger, vigilante.take()
    assert aspirante is not None
    assert campeon is not None
    assert (aspirante.version, campeon.version) == ("consumo-detector-2", "consumo-detector-1")
    assert vigilante.challenger is aspirante
    escena.registro.alias["challenger"] = 3
    _hasta(lambda: vigilante.challenger and vigilante.challenger is not aspirante)
    assert vigilante.challenger.version == "consumo-detector-3"
    del escena.registro.alias["challenger"]
    _hasta(lambda: vigilante.challenger is None)
    assert vigilante.take() is None


def test_un_aspirante_promovido_deja_la_sombra(escena: Escena) -> None:
    """Champion and challenger at once: it scores, and nobody shadows it."""
    escena.registro.alias["challenger"] = 2
    vigilante = escena.arrancar(en_sombra=True)
    escena.registro.alias["champion"] = 2
    _hasta(lambda: vigilante.challenger is None)
    assert vigilante.estado().version == "consumo-detector-2"


def test_un_aspirante_roto_no_toca_al_campeon(
    escena: Escena, caplog: pytest.LogCaptureFixture
) -> None:
    """A broken challenger is said once; the champion goes on changing hands."""
    escena.registro.romper(2)
    escena.registro.alias["challenger"] = 2
    vigilante = escena.arrancar(en_sombra=True)
    assert vigilante.take() is not None
    escena.registro.alias["champion"] = 3
    assert _hasta(vigilante.take).version == "consumo-detector-3"
    assert vigilante.challenger is None
    (linea,) = _lineas(caplog, "ERROR")
    assert linea.startswith("aspirante consumo-detector-2 rechazado: ")


def test_sin_sombra_no_se_pregunta_por_el_aspirante(escena: Escena) -> None:
    """Who does not score in shadow fetches no challenger."""
    escena.registro.alias["challenger"] = 2
    vigilante = escena.arrancar()
    escena.miradas()
    assert vigilante.challenger is None
    assert escena.registro.preguntados == {"champion"}


def test_en_disco_quedan_las_ultimas_versiones(escena: Escena) -> None:
    """The last three used are kept, the one in use among them; what is not ours is left alone."""
    escena.carpeta.mkdir()
    (escena.carpeta / "notas").mkdir()
    vigilante = escena.arrancar()
    vigilante.take()
    for numero in (2, 3, 4, 1, 5):
        escena.registro.nueva(numero)
        escena.registro.alias["champion"] = numero
        assert _hasta(vigilante.take).version == f"consumo-detector-{numero}"
    _hasta(lambda: len([c for c in escena.carpeta.iterdir() if c.name.isdecimal()]) == COPIAS)
    vigilante.close()
    nombres = {c.name for c in escena.carpeta.iterdir()}
    assert nombres == {"1", "4", "5", "notas", "campeon.json"}


@pytest.mark.parametrize("dano", ["copia", "apunte", "apunte raro", "otra versión", "sin copia"])
def test_una_copia_que_no_sirve_se_dice(
    escena: Escena, tmp_path: Path, caplog: pytest.LogCaptureFixture, dano: str
) -> None:
    """A damaged copy, with MLflow away, is one ERROR line and the rules alone; never a crash."""
    escena.arrancar().close()
    if dano == "copia":
        (escena.carpeta / "1" / "bosque.npz").write_bytes(b"roto")
    elif dano == "apunte":
        (escena.carpeta / "campeon.json").write_text("{")
    elif dano == "apunte raro":
        (escena.carpeta / "campeon.json").write_text("[1]")
    elif dano == "otra versión":
        shutil.rmtree(escena.carpeta / "1")
        shutil.copytree(escena.registro.paquetes[2], escena.carpeta / "1")
    else:
        shutil.rmtree(escena.carpeta / "1")
    escena.registro.error = TransientError("MLflow no responde")
    vigilante = escena.arrancar()
    assert vigilante.take() is None
    assert vigilante.estado().origen == "ninguno"
    (linea,) = _lineas(caplog, "ERROR")
    assert linea.startswith("la copia en disco del último campeón no sirve: ")
    escena.registro.error = None
    assert _hasta(vigilante.take).version == "consumo-detector-1"


def test_un_mlflow_lento_no_retiene_el_arranque(
    escena: Escena, caplog: pytest.LogCaptureFixture
) -> None:
    """A first look that takes long: the copy on disk begins, the right champion comes later."""
    escena.arrancar().close()
    escena.registro.alias["champion"] = 2
    escena.registro.paso.clear()
    vigilante = escena.arrancar(espera_inicio_s=0.05)
    campeon = vigilante.take()
    assert campeon is not None
    assert campeon.version == "consumo-detector-1"
    assert _lineas(caplog, "WARNING") == [
        "MLflow tarda en responder; se empieza con consumo-detector-1 (la última copia en disco)"
    ]
    escena.registro.paso.set()
    assert _hasta(vigilante.take).version == "consumo-detector-2"


def test_un_mlflow_lento_y_sin_copia_se_dice(
    escena: Escena, caplog: pytest.LogCaptureFixture
) -> None:
    """A first look that takes long and nothing on disk: the rules begin alone, and it is said."""
    escena.registro.paso.clear()
    vigilante = escena.arrancar(espera_inicio_s=0.05)
    assert vigilante.take() is None
    assert _lineas(caplog, "WARNING") == [
        "MLflow tarda en responder; se empieza con la versión de base"
    ]
    escena.registro.paso.set()
    assert _hasta(vigilante.take).version == "consumo-detector-1"


def test_un_fallo_inesperado_no_acaba_con_la_vigilancia(
    escena: Escena, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a look runs into is logged with its traceback, and the next look is made."""
    escena.arrancar().close()
    escena.registro.error = ZeroDivisionError("sorpresa")
    vigilante = escena.arrancar()
    assert vigilante.take() is not None
    assert "ZeroDivisionError: sorpresa" in caplog.text
    escena.registro.error = None
    escena.registro.alias["champion"] = 2
    assert _hasta(vigilante.take).version == "consumo-detector-2"


def test_una_carpeta_en_que_no_se_escribe_se_dice(
    escena: Escena, caplog: pytest.LogCaptureFixture
) -> None:
    """What was in use cannot be written down: said, and the model is used nevertheless."""
    (escena.carpeta / "campeon.json" / "estorbo").mkdir(parents=True)
    assert escena.arrancar().take() is not None
    (linea,) = _lineas(caplog, "WARNING")
    assert linea.startswith("no se puede cuidar la carpeta de modelos")


@pytest.mark.parametrize("mirando", [False, True])
def test_se_para_enseguida(escena: Escena, mirando: bool) -> None:
    """The end waits neither for the next look nor long for the one under way."""
    vigilante = ModelWatcher(escena.registro, escena.carpeta, 30.0, espera_inicio_s=0.1)
    if mirando:
        escena.registro.paso.clear()
    vigilante.start()
    desde = time.monotonic()
    vigilante.close()
    assert time.monotonic() - desde < 2.0
    escena.registro.paso.set()
    _hasta(lambda: not vigilante._hilo.is_alive())


def test_con_un_mlflow_de_verdad(mlflow_uri: str, tmp_path: Path) -> None:
    """Registered, promoted and rolled back in MLflow itself, each version reaches the consumer."""
    nombre = f"m-{uuid.uuid4().hex[:12]}"
    settings = Settings.model_validate({"mlflow_tracking_uri": mlflow_uri})
    registro = ModelRegistry(settings, experimento=f"e-{nombre}", modelo=nombre)
    for semilla in (1, 2):
        origen = paquete(tmp_path / str(semilla), semilla)
        registro.register(origen, rasgos(3), parametros={}, metricas={}, etiquetas={})
    registro.set_alias("champion", 1, {})
    carpeta = tmp_path / "modelos"
    with ModelWatcher(registro, carpeta, 0.1, en_sombra=True, espera_inicio_s=PLAZO_S) as vigilante:
        primero, sombra = vigilante.take(), _hasta(lambda: vigilante.challenger)
        assert primero is not None
        assert (primero.version, sombra.version) == (f"{nombre}-1", f"{nombre}-2")
        registro.set_alias("champion", 2, {"motivo": "mejor"})
        assert _hasta(vigilante.take).version == f"{nombre}-2"
        registro.set_alias("champion", 1, {"motivo": "peor"})
        assert _hasta(vigilante.take).version == f"{nombre}-1"
    ausente = Settings.model_validate({"mlflow_tracking_uri": "http://127.0.0.1:1"})
    with ModelWatcher(ModelRegistry(ausente, modelo=nombre), carpeta, 10.0) as vigilante:
        copia = vigilante.take()
        assert copia is not None
        assert copia.version == f"{nombre}-1"
        assert vigilante.estado().error == "MLflow no responde en http://127.0.0.1:1"
