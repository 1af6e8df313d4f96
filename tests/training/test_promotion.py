"""The gate's verb against a real MLflow: who becomes champion, what is said, what is written."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from apoyo_promocion import a_mano, conjunto, estropear, ficha, modelo, registrar, sin_hora

from detection.errors import ModeloInvalidoError, PermanentError
from pipeline.stores.postgres.audit import AuditoriaPostgres
from serving.base_version import load_base
from serving.champion import Examen, PromocionRechazadaError, appoint, refusals, way_of
from serving.cli import FALLO, HECHO, MAL_USO, run
from serving.local_time import load_calendario
from serving.model_versions import ASPIRANTE, CAMPEON, ETIQUETA_RECHAZO, ModelRejection
from serving.registry import ModelRegistry
from serving.settings import Settings
from training.drift import load_champion
from training.evaluation.attacked_homes import ATAQUES
from training.evaluation.metrics import Ganancia
from training.evaluation.version_metrics import Metricas, evaluate
from training.holdout import EVALUACION
from training.promotion import (
    ANCHO_TABLA,
    Juicio,
    compare_versions,
    contenders,
    examine,
    main,
    promote_accepted,
    show,
)
from training.promotion_policy import Decision, Politica, apply_gate

SORDO, CERTERO = 0.0, 1.0
"""Finds nothing; finds every spike, as the rules do."""


class Orden:
    """``consumo promover`` in this process, with what it printed."""

    def __init__(self, captura: pytest.CaptureFixture[str]) -> None:
        self._captura = captura
        self.salida = self.error = ""

    def __call__(self, *argv: str) -> int:
        self._captura.readouterr()
        estado = run(main, list(argv))
        self.salida, self.error = self._captura.readouterr()
        return estado

    @property
    def ultima(self) -> str:
        """Return the last line for the user, wherever it went."""
        return (self.salida + self.error).splitlines()[-1]


@pytest.fixture
def promover(
    variables_mlflow: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Orden:
    for nombre, valor in variables_mlflow.items():
        monkeypatch.setenv(nombre, valor)
    monkeypatch.delenv("CI", raising=False)
    return Orden(capsys)


@pytest.fixture
def registro(entorno_mlflow: Settings) -> ModelRegistry:
    return ModelRegistry(entorno_mlflow)


def promote(settings: Settings, *, renovacion: bool = False) -> Decision:
    """Return the gate's decision on the challenger, already carried out."""
    registro = ModelRegistry(settings)
    juicio = examine(settings, registro, *contenders(registro), renovacion=renovacion)
    promote_accepted(settings, registro, juicio, quien="la prueba")
    return juicio.decision


def columnas(tabla: str, empieza: str) -> Sequence[str]:
    """Return the cells of a printed table's row."""
    fila = next(linea for linea in tabla.splitlines() if linea.startswith(f"│ {empieza}"))
    return [celda.strip() for celda in fila.strip("│").split("│")]


# ---- The gate ----


def test_quien_es_mejor_pasa_a_ser_el_campeon(
    entorno_mlflow: Settings, registro: ModelRegistry, promover: Orden
) -> None:
    """The alias moves, the table shows every criterion, the version says who, when and why."""
    sordo = registrar(entorno_mlflow, SORDO)
    a_mano(entorno_mlflow, sordo)
    certero = registrar(entorno_mlflow, CERTERO)
    assert promover() == HECHO
    assert registro.version_of(CAMPEON) == certero
    assert promover.ultima.startswith(f"La versión {certero} pasa a ser el campeón: la precisión")
    assert f"(v{sordo})" in promover.salida
    antes, ahora, limite, veredicto = columnas(promover.salida, "precisión media")[1:]
    assert antes < ahora
    assert limite.endswith(") > 0")
    assert veredicto == "cumple"
    assert "hallados: picos" not in promover.salida, "who finds none can lose none"
    etiquetas = ficha(entorno_mlflow, certero).etiquetas
    assert sin_hora(etiquetas) == {
        "promovido_por": getpass.getuser(),
        "promovido_motivo": etiquetas["promovido_motivo"],
        "promovido_desde": str(sordo),
        "promovido_via": "examen",
        "promovido_pese_a": "nada",
    }
    assert etiquetas["promovido_motivo"] in promover.ultima
    assert columnas(promover.salida, "al azar: 0,"), "the chance level stands beside it"
    cuando = datetime.fromisoformat(etiquetas["promovido_en"])
    assert cuando.utcoffset() in {timedelta(hours=1), timedelta(hours=2)}
    assert abs(datetime.now(UTC) - cuando) < timedelta(minutes=1)


def test_quien_no_lo_es_se_queda_y_se_dice_por_que(
    entorno_mlflow: Settings, registro: ModelRegistry, promover: Orden
) -> None:
    """The gate stays shut: exit status 1, the criterion that failed, nothing moved or tagged."""
    certero = registrar(entorno_mlflow, CERTERO)
    a_mano(entorno_mlflow, certero)
    sordo = registrar(entorno_mlflow, SORDO)
    assert promover() == FALLO
    assert registro.version_of(CAMPEON) == certero
    assert columnas(promover.salida, "hallados: picos")[-1] == "no cumple"
    assert columnas(promover.salida, "alarmas de severidad alta")[-1] == "cumple"
    assert promover.ultima.startswith(f"La versión {sordo} no se promueve: no cumple precisión")
    assert not sin_hora(ficha(entorno_mlflow, sordo).etiquetas)


def test_forzar_pide_un_motivo_y_queda_escrito(
    entorno_mlflow: Settings, registro: ModelRegistry, promover: Orden
) -> None:
    """--forzar asks for a reason; the gate is asked, shown and overruled; tags and audit say so."""
    certero = registrar(entorno_mlflow, CERTERO)
    a_mano(entorno_mlflow, certero)
    sordo = registrar(entorno_mlflow, SORDO)
    for argv in ((), ("--motivo", " a ")):
        with pytest.raises(SystemExit) as salida:
            promover("--forzar", *argv)
        assert salida.value.code == MAL_USO
    assert registro.version_of(CAMPEON) == certero
    assert promover("--forzar", "--motivo", "el campeón no ve las tiendas") == HECHO
    assert registro.version_of(CAMPEON) == sordo
    assert columnas(promover.salida, "hallados: picos")[-1] == "no cumple"
    assert promover.ultima == (
        f"La versión {sordo} es el campeón, a la fuerza. Motivo: el campeón no ve las tiendas."
    )
    etiquetas = ficha(entorno_mlflow, sordo).etiquetas
    assert etiquetas["promovido_motivo"] == "el campeón no ve las tiendas"
    assert etiquetas["promovido_via"] == "a la fuerza"
    assert etiquetas["promovido_pese_a"].startswith("precisión media: ")
    with closing(AuditoriaPostgres(entorno_mlflow)) as auditoria:
        (fila,) = auditoria.latest(10)
    assert (fila.accion, fila.objeto, fila.rol) == ("promover", f"modelo {sordo}", "administracion")
    assert fila.detalle == {
        "antes": certero, "motivo": "el campeón no ve las tiendas", "forzar": True
    }  # fmt: skip
    assert getpass.getuser() in fila.clave


def test_forzar_sin_auditoria_no_hace_nada(
    entorno_mlflow: Settings,
    registro: ModelRegistry,
    promover: Orden,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What cannot be written down is not done: PostgreSQL away, and the champion stays."""
    a_mano(entorno_mlflow, certero := registrar(entorno_mlflow, CERTERO))
    registrar(entorno_mlflow, SORDO)
    monkeypatch.setenv("POSTGRES_PORT", "9")
    assert promover("--forzar", "--motivo", "porque sí") == FALLO
    assert registro.version_of(CAMPEON) == certero


def test_sin_campeon_se_compara_con_la_version_de_base(
    entorno_mlflow: Settings, registro: ModelRegistry, promover: Orden
) -> None:
    """The first version must be no worse than the base version; one that finds nothing is."""
    registrar(entorno_mlflow, SORDO)
    assert promover() == FALLO
    assert registro.version_of(CAMPEON) is None
    igual = registrar(entorno_mlflow, load_base())
    assert promover() == HECHO
    assert "Frente a la versión de base" in " ".join(promover.salida.split())
    _, antes, ahora, limite, _ = columnas(promover.salida, "precisión media")
    assert antes == ahora
    assert limite == "+0,000 (+0,000 a +0,000) > −0,020"
    assert registro.version_of(CAMPEON) == igual


def test_a_un_campeon_hay_que_ganarle_salvo_que_se_renueve(
    entorno_mlflow: Settings, registro: ModelRegistry
) -> None:
    """A version that says the same is refused, and accepted in place of one out of date."""
    a_mano(entorno_mlflow, registrar(entorno_mlflow, CERTERO))
    igual = registrar(entorno_mlflow, CERTERO)
    decision = promote(entorno_mlflow)
    assert not decision.promueve
    assert "precisión media (" in decision.motivo
    assert promote(entorno_mlflow, renovacion=True).promueve
    assert registro.version_of(CAMPEON) == igual


def test_la_tabla_cabe_en_su_ancho(capsys: pytest.CaptureFixture[str]) -> None:
    """No cell of the longest names is broken into lines where nobody says how wide it is."""
    tipos = dict.fromkeys(ATAQUES, 1.0)
    severas = dict(zip(("baja", "media", "alta", "crítica"), (441.0, 74.5, 9.9, 1.0), strict=True))
    medido = Metricas(
        "v", "a", 0.9, {}, {}, tipos, {}, severas, 20, 300.0, dict.fromkeys(ATAQUES, 5), 9, 5
    )  # fmt: skip
    decision = apply_gate(medido, medido, Ganancia(0.01, -0.004, 0.03), Politica(), renovacion=True)
    show(Juicio(123, 122, decision))
    salida = capsys.readouterr().out
    assert max(map(len, salida.splitlines())) <= ANCHO_TABLA
    for criterio in decision.criterios:
        celdas = columnas(salida, criterio.nombre)
        assert (celdas[0], celdas[3]) == (criterio.nombre, criterio.limite)
    assert columnas(salida, "al azar: 0,556")


def test_los_datos_son_los_del_aspirante(entorno_mlflow: Settings, registro: ModelRegistry) -> None:
    """Both are scored on the challenger's frozen set, not each on its own."""
    campeon = registrar(entorno_mlflow, SORDO, semilla=1)
    aspirante = registrar(entorno_mlflow, CERTERO, semilla=2)
    criterio = compare_versions(entorno_mlflow, registro, aspirante, campeon).decision.criterios[0]
    madrid = load_calendario("Europe/Madrid")

    def precision(peso: float, semilla: int) -> float:
        medido = evaluate(conjunto(semilla), modelo(peso), madrid, dejar_fuera=False)
        return medido.precision_media

    assert criterio.campeon == precision(SORDO, 2) != precision(SORDO, 1)
    assert criterio.aspirante == precision(CERTERO, 2) != precision(CERTERO, 1)


def test_lo_que_se_decide_se_hace(entorno_mlflow: Settings, registro: ModelRegistry) -> None:
    """What the gate accepts is carried out, in the name of who asked."""
    a_mano(entorno_mlflow, registrar(entorno_mlflow, SORDO))
    certero = registrar(entorno_mlflow, CERTERO)
    decision = promote(entorno_mlflow)
    assert decision.promueve
    assert all(c.cumple for c in decision.criterios)
    assert registro.version_of(CAMPEON) == certero
    assert ficha(entorno_mlflow, certero).etiquetas["promovido_por"] == "la prueba"


# ---- A person decides ----


def test_version_pasa_por_la_puerta_y_vuelve_atras_sin_ella(
    entorno_mlflow: Settings, registro: ModelRegistry, promover: Orden
) -> None:
    """--version N examines a version that was never champion; going back to one asks no exam."""
    certero, sordo = registrar(entorno_mlflow, load_base()), registrar(entorno_mlflow, SORDO)
    assert promover("--version", str(certero)) == HECHO
    assert registro.version_of(CAMPEON) == certero
    assert promover("--version", str(sordo)) == FALLO
    assert "hallados: picos" in promover.ultima
    assert registro.version_of(CAMPEON) == certero
    assert promover("--version", str(sordo), "--forzar", "--motivo", "una prueba") == HECHO
    assert promover("--version", str(certero)) == HECHO
    assert promover.ultima == (
        f"La versión {certero} vuelve a ser el campeón (antes: {sordo}): ya lo fue, y volver no "
        "pide examen."
    )
    etiquetas = ficha(entorno_mlflow, certero).etiquetas
    assert etiquetas["promovido_via"] == "vuelta atrás"
    assert etiquetas["promovido_motivo"] == "vuelta atrás con --version"
    assert etiquetas["promovido_desde"] == str(sordo)
    assert registro.version_of(ASPIRANTE) == sordo
    with closing(AuditoriaPostgres(entorno_mlflow)) as auditoria:
        fila = auditoria.latest(1)[0]
    assert (fila.accion, fila.objeto) == ("promover", f"modelo {certero}")
    assert fila.detalle == {"antes": sordo, "motivo": "vuelta atrás con --version"}
    assert promover("--version", str(certero)) == HECHO
    assert promover.ultima == f"la versión {certero} ya es el campeón: no hay nada que promover"


@pytest.mark.lenta  # tests/api/test_modelos_http.py keeps the same promise of the API.
def test_haber_sido_campeon_a_la_fuerza_no_abre_la_puerta(
    entorno_mlflow: Settings, registro: ModelRegistry, promover: Orden
) -> None:
    """Forced once and given up again, a version has to pass the exam as if it never had been."""
    certero, sordo = registrar(entorno_mlflow, CERTERO), registrar(entorno_mlflow, SORDO)
    forzada = ("--version", str(sordo), "--forzar", "--motivo", "una prueba")
    assert promover("--version", str(certero)) == HECHO
    assert promover(*forzada) == HECHO
    assert promover("--version", str(certero)) == HECHO
    assert promover("--version", str(sordo)) == FALLO
    assert "hallados: picos" in promover.ultima
    with pytest.raises(PromocionRechazadaError, match="hallados: picos"):
        appoint(
            registro, sordo, quien="yo", ahora=datetime.now(UTC), motivo="otra vez", antes=certero
        )
    assert registro.version_of(CAMPEON) == certero
    # Back to what the champion has taken the place of, however that came to be there.
    assert promover(*forzada) == HECHO
    mejor = registrar(entorno_mlflow, CERTERO)
    assert promover() == HECHO
    assert promover("--version", str(sordo)) == HECHO
    assert way_of(registro.versions()) == "vuelta atrás"
    # And again to one that an exam has made champion.
    assert promover("--version", str(mejor)) == HECHO
    assert registro.version_of(CAMPEON) == mejor


def test_un_examen_solo_vale_frente_a_su_campeon(
    entorno_mlflow: Settings, registro: ModelRegistry
) -> None:
    """A verdict is kept with its version, and trusted against the very champion it was made for."""
    sordo, certero = registrar(entorno_mlflow, SORDO), registrar(entorno_mlflow, CERTERO)
    otro = registrar(entorno_mlflow, CERTERO)
    a_mano(entorno_mlflow, sordo)
    assert examine(entorno_mlflow, registro, certero, sordo).decision.promueve
    assert refusals(certero, registro.tags_of(certero), sordo) == ()
    (razon,) = refusals(certero, registro.tags_of(certero), otro)
    assert f"se examinó frente a la versión {sordo}, pero no se ha examinado frente al" in razon
    a_mano(entorno_mlflow, otro)
    with pytest.raises(PromocionRechazadaError, match="no se ha examinado frente al campeón"):
        appoint(
            registro, certero, quien="yo", ahora=datetime.now(UTC), motivo="es mejor", antes=otro
        )
    assert registro.version_of(CAMPEON) == otro


def test_un_campeon_rechazado_no_es_ya_el_campeon_y_nada_mas(
    entorno_mlflow: Settings, registro: ModelRegistry, promover: Orden
) -> None:
    """Of a champion that a consumer rejected, or that is damaged, that is what is said."""
    version = registrar(entorno_mlflow, load_base())
    assert promover() == HECHO
    registro.tag(version, ModelRejection("nodo-1", "2026-11-24", "le falta «colas.npz»").tags())
    assert promover("--version", str(version)) == FALLO
    assert "un consumidor (nodo-1) la rechazó" in promover.error
    assert "le falta «colas.npz»" in promover.error
    registro.tag(version, {ETIQUETA_RECHAZO: None})
    estropear(entorno_mlflow, version)
    assert promover() == FALLO
    assert "el campeón no se puede usar" in promover.error


def test_como_llego_el_campeon(
    entorno_mlflow: Settings, registro: ModelRegistry, promover: Orden
) -> None:
    """By the exam, or by hand in MLflow's page, also to a version that was promoted once."""
    sordo, certero = registrar(entorno_mlflow, SORDO), registrar(entorno_mlflow, CERTERO)
    assert way_of(registro.versions()) is None
    a_mano(entorno_mlflow, sordo)
    assert way_of(registro.versions()) == "fuera de la puerta"
    assert promover() == HECHO
    assert way_of(registro.versions()) == "examen"
    assert promover("--version", str(sordo), "--forzar", "--motivo", "una prueba") == HECHO
    assert way_of(registro.versions()) == "vuelta atrás", "nothing speaks against going back"
    registrar(entorno_mlflow, SORDO)
    a_mano(entorno_mlflow, certero)
    assert promover("--forzar", "--motivo", "una prueba") == HECHO
    assert way_of(registro.versions()) == "a la fuerza"
    a_mano(entorno_mlflow, certero)
    assert way_of(registro.versions()) == "fuera de la puerta"


def test_una_version_que_no_existe(
    entorno_mlflow: Settings, registro: ModelRegistry, promover: Orden
) -> None:
    """An unknown version is one line that names those there are; nothing moves."""
    assert promover("--version", "1") == FALLO
    assert promover.ultima == "error: no existe la versión 1 de consumo-detector; hay: ninguna"
    version = registrar(entorno_mlflow, CERTERO)
    assert promover("--version", "99") == FALLO
    assert promover.error == (
        f"error: no existe la versión 99 de consumo-detector; hay: {version}\n"
    )
    assert registro.version_of(CAMPEON) is None
    with pytest.raises(SystemExit) as salida:
        promover("--version", "0")
    assert salida.value.code == MAL_USO


def test_el_campeon_movido_a_mano_vale_igual(
    entorno_mlflow: Settings, registro: ModelRegistry, promover: Orden
) -> None:
    """An alias moved in MLflow's UI is the champion; also one that meanwhile was moved or taken."""
    sordo, certero = registrar(entorno_mlflow, SORDO), registrar(entorno_mlflow, CERTERO)
    a_mano(entorno_mlflow, certero)
    assert promover() == HECHO
    assert promover.ultima == (
        f"la versión {certero} ya es el campeón (fuera de la puerta: el alias se movió a mano, sin "
        "que conste que ningún examen la aceptara): no hay nada que promover"
    )
    a_mano(entorno_mlflow, sordo)
    assert promover() == HECHO
    assert registro.version_of(CAMPEON) == certero
    nuevo = registrar(entorno_mlflow, CERTERO)
    juicio = examine(entorno_mlflow, registro, nuevo, certero, renovacion=True)
    assert juicio.decision.promueve
    a_mano(entorno_mlflow, sordo)
    with pytest.raises(PermanentError, match="el campeón ha cambiado mientras tanto"):
        promote_accepted(entorno_mlflow, registro, juicio, quien="yo")
    a_mano(entorno_mlflow, certero)
    promote_accepted(entorno_mlflow, registro, juicio, quien="yo")
    assert registro.version_of(CAMPEON) == nuevo


# ---- What cannot be done ----


def test_sin_aspirante(promover: Orden) -> None:
    """Without a challenger there is one line that says how to get one."""
    assert promover() == FALLO
    assert promover.error == (
        "error: no hay aspirante que promover; «consumo entrenar» entrena uno\n"
    )


def test_mlflow_parado(
    entorno_mlflow: Settings, promover: Orden, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow away is one line, with its address."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert promover() == FALLO
    assert promover.error == "error: MLflow no responde en http://127.0.0.1:9\n"


def test_un_aspirante_roto_no_asciende(
    entorno_mlflow: Settings, registro: ModelRegistry, promover: Orden
) -> None:
    """A damaged challenger is refused by name, by the gate, by --forzar and by --version."""
    certero = registrar(entorno_mlflow, CERTERO)
    a_mano(entorno_mlflow, certero)
    roto = registrar(entorno_mlflow, CERTERO)
    estropear(entorno_mlflow, roto)
    forzada = ("--forzar", "--motivo", "porque sí")
    for argv in ((), forzada, ("--version", str(roto))):
        assert promover(*argv) == FALLO
        assert f"(versión {roto}): «bosque.npz» está dañado" in promover.ultima
        assert registro.version_of(CAMPEON) == certero


def test_un_campeon_roto_solo_se_sustituye_a_la_fuerza(
    entorno_mlflow: Settings, registro: ModelRegistry, promover: Orden
) -> None:
    """With a damaged champion there is nothing to compare with: only a person can replace it."""
    roto = registrar(entorno_mlflow, SORDO)
    estropear(entorno_mlflow, roto)
    a_mano(entorno_mlflow, roto)
    certero = registrar(entorno_mlflow, CERTERO)
    assert promover() == FALLO
    assert f"campeón (versión {roto})" in promover.error
    assert "--forzar" in promover.error
    assert promover.error.count("\n") == 1
    assert registro.version_of(CAMPEON) == roto
    assert promover("--forzar", "--motivo", "el campeón está roto") == HECHO
    assert registro.version_of(CAMPEON) == certero
    assert "está dañado" in promover.salida
    etiquetas = ficha(entorno_mlflow, certero).etiquetas
    assert etiquetas["promovido_motivo"] == "el campeón está roto"
    assert etiquetas["promovido_via"] == "a la fuerza"
    assert etiquetas["promovido_pese_a"].startswith(
        f"el campeón está dañado: campeón (versión {roto}): «bosque.npz» está dañado"
    )
    examen = Examen.from_tags(etiquetas)
    assert examen is not None
    assert (examen.campeon, examen.acepta) == (None, False), "the base version stood in for it"


@pytest.mark.parametrize(
    ("extras", "dicho"),
    [
        ({}, "le falta «evaluacion.parquet»"),
        ({EVALUACION: b"no es Parquet"}, "el conjunto de evaluación está dañado"),
    ],
)
def test_sin_datos_congelados_no_hay_comparacion(
    entorno_mlflow: Settings, registro: ModelRegistry, extras: dict[str, bytes], dicho: str
) -> None:
    """A challenger without its frozen set cannot be judged, and says so."""
    version = registrar(entorno_mlflow, CERTERO, extras)
    with pytest.raises(ModeloInvalidoError, match=dicho):
        compare_versions(entorno_mlflow, registro, version, None)


def test_la_version_de_base_es_la_primera(
    entorno_mlflow: Settings, registro: ModelRegistry, promover: Orden
) -> None:
    """It is version 1, and the champion; an own one takes over, and there is a way back.

    It is no champion of the utility's own: a first training does not wait for it to grow old.
    """
    assert promover("--base") == HECHO
    assert promover.ultima == (
        "La versión de base es la 1, y el campeón hasta que otra la supere."
    )  # fmt: skip
    (base,) = registro.versions()
    assert (base.version, base.alias, base.etiquetas["origen"]) == (1, (CAMPEON,), "base")
    assert base.metricas["precision_media"] > 0.5
    assert way_of(registro.versions()) == "de base"
    with pytest.raises(PermanentError, match="no hay campeón propio"):
        load_champion(registro)
    assert promover("--base") == HECHO
    assert promover.ultima == "Ya hay versiones registradas: la de base no hace falta."
    assert len(registro.versions()) == 1
    propia = registrar(entorno_mlflow, CERTERO)
    assert promover("--forzar", "--motivo", "una prueba") == HECHO
    assert (propia, registro.version_of(CAMPEON)) == (2, 2)
    assert promover("--version", "1") == HECHO
    assert registro.version_of(CAMPEON) == 1
    assert way_of(registro.versions()) == "vuelta atrás"
