"""``consumo promover``: a version becomes champion if the gate lets it, or a person insists.

Both versions are scored again on the challenger's frozen evaluation set, and what the gate says is
kept with the version. The alias is moved last, by ``serving.champion`` as everybody's, and
only if the champion is still the one that was compared: somebody may have moved it by hand.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

from detection.errors import ConsumoError, ModeloInvalidoError, PermanentError
from detection.scoring_model import ScoringModel
from pipeline.stores.postgres.audit import AuditoriaPostgres
from pipeline.stores.postgres.store import migrate
from serving.base_version import load_base
from serving.champion import (
    EXAMEN,
    FORZADA,
    FUERA,
    VUELTA,
    Examen,
    appoint,
    goes_back,
    load_version,
    replaced_by,
    way_of,
)
from serving.cli import FALLO, HECHO, Parser, entero
from serving.local_time import load_calendario
from serving.model_versions import ASPIRANTE, CAMPEON, MODELO, ModelRejection, is_base
from serving.registry import ModelRegistry
from serving.settings import Settings
from training.base_registration import register_base
from training.evaluation.version_metrics import gain_between, measure, score_conjunto
from training.holdout import EVALUACION, Conjunto
from training.promotion_policy import Criterio, Decision, Politica, al_azar, apply_gate, cifra

MOTIVO_MINIMO = 3
"""Characters, as the API asks for."""
_VIAS = {
    EXAMEN: "y además cumple todos los criterios",
    VUELTA: "que ya lo fue",
    FORZADA: "a la fuerza",
}
ANCHO_TABLA = 112
"""Columns of the table where nobody's terminal says how many there are."""
_PIE = (
    "Precisión media: se pide su ganancia, con el intervalo del 90 % al sortear clientes. "
    "Hallados: parte de los clientes atacados con una anomalía de severidad media o más; no se "
    "pide donde el campeón no halla casi ninguno. Alarmas: falsas, por 1.000 clientes limpios y "
    "día."
)
_PIE_BASE = (
    " Frente a la versión de base, que no ha aprendido de estos datos, basta con no ser peor que "
    "su margen."
)


@dataclass(frozen=True, slots=True)
class Juicio:
    """What the gate says of the two versions that have the aliases now."""

    aspirante: int  # the challenger's version
    # The champion's; None = there is none, and the base version stands in for it.
    campeon: int | None
    decision: Decision
    # Why the champion cannot be loaded, in Spanish, where the base version stood in for it; empty =
    # it was compared.
    danado: str = ""

    @property
    def comparado(self) -> int | None:
        """Return the version that was compared with; None = the base version."""
        return None if self.danado else self.campeon

    @property
    def en_contra(self) -> tuple[str, ...]:
        """Return what is to be told of a promotion that no comparison with the champion backs."""
        return (f"el campeón está dañado: {self.danado}",) if self.danado else ()


def contenders(registro: ModelRegistry) -> tuple[int, int | None]:
    """Return the versions of challenger and champion; the same one twice = nothing to decide.

    ``PermanentError``: there is no challenger. ``TransientError``: MLflow is away.
    """
    aspirante = registro.version_of(ASPIRANTE)
    if aspirante is None:
        raise PermanentError("no hay aspirante que promover; «consumo entrenar» entrena uno")
    return aspirante, registro.version_of(CAMPEON)


def compare_versions(
    settings: Settings,
    registro: ModelRegistry,
    aspirante: int,
    campeon: int | None,
    *,
    politica: Politica | None = None,
    renovacion: bool = False,
    suplir: bool = False,
) -> Juicio:
    """Return what the gate says, both versions scored on the challenger's frozen set.

    ``ModeloInvalidoError``: a version is damaged; the text says which. ``TransientError``: MLflow
    is away.

    Parameters
    ----------
    renovacion : bool
        The champion is out of date: it is enough to be no worse. So it is without a champion, or
        with the base version as one, for it has learnt nothing from these customers.
    suplir : bool
        A champion that cannot be loaded is no obstacle: the base version stands in for it.
    """
    with TemporaryDirectory(prefix="consumo-promover-") as carpeta:
        nuevo, donde = load_version(registro, aspirante, Path(carpeta), "aspirante")
        viejo, danado = None, ""
        de_base = campeon is not None and is_base(registro.tags_of(campeon))
        try:
            if campeon is not None:
                viejo, _ = load_version(registro, campeon, Path(carpeta), "campeón")
        except ModeloInvalidoError as error:
            if not suplir:
                raise ModeloInvalidoError(
                    f"{error}; sin él no hay con qué comparar: «consumo promover --forzar "
                    "--motivo …» lo sustituye igualmente"
                ) from error
            danado = str(error)
        conjunto = _frozen(donde, aspirante)
    decision = _compare(
        settings, conjunto, viejo or load_base(), nuevo, politica or Politica(),
        renovacion or viejo is None or de_base,
    )  # fmt: skip
    if danado:
        decision = replace(
            decision, motivo=f"{danado}; frente a la versión de base, {decision.motivo}"
        )
    return Juicio(aspirante, campeon, decision, danado)


def _compare(
    settings: Settings,
    conjunto: Conjunto,
    viejo: ScoringModel,
    nuevo: ScoringModel,
    politica: Politica,
    renovacion: bool,
) -> Decision:
    """Return the gate's verdict on two models."""
    calendario = load_calendario(settings.zona_horaria)
    antes, ahora = (score_conjunto(conjunto, modelo, calendario) for modelo in (viejo, nuevo))
    return apply_gate(
        measure(conjunto, antes, {}), measure(conjunto, ahora, {}),
        gain_between(conjunto, antes, ahora), politica, renovacion=renovacion,
    )  # fmt: skip


def _frozen(donde: Path, version: int) -> Conjunto:
    try:
        datos = (donde / EVALUACION).read_bytes()
    except FileNotFoundError as error:
        raise ModeloInvalidoError(f"a la versión {version} le falta «{EVALUACION}»") from error
    return Conjunto.from_parquet(datos)


def examine(
    settings: Settings,
    registro: ModelRegistry,
    version: int,
    campeon: int | None,
    *,
    politica: Politica | None = None,
    renovacion: bool = False,
    suplir: bool = False,
) -> Juicio:
    """Judge a version like ``compare_versions``, and keep with it what the gate says of it.

    Where the base version stood in for a damaged champion, it is kept as said of that one.
    """
    juicio = compare_versions(
        settings, registro, version, campeon, politica=politica, renovacion=renovacion,
        suplir=suplir,
    )  # fmt: skip
    decision = juicio.decision
    examen = Examen(
        juicio.comparado, decision.promueve, decision.motivo,
        local_now(settings).isoformat(timespec="seconds"),
        tuple(asdict(criterio) for criterio in decision.criterios),
    )  # fmt: skip
    registro.tag(version, examen.tags())
    return juicio


def promote_accepted(
    settings: Settings, registro: ModelRegistry, juicio: Juicio, *, quien: str
) -> None:
    """Move the alias if the gate has said so, for the very champion that it compared with.

    A damaged champion could not be compared with: taking its place is forced, and audited.

    ``PermanentError``: the champion is not the one any more that was compared. ``TransientError``:
    MLflow is away, or PostgreSQL where it has to be audited.
    """
    if not juicio.decision.promueve:
        return
    nombrar = partial(
        appoint, registro, juicio.aspirante, quien=quien, ahora=local_now(settings),
        motivo=juicio.decision.motivo, antes=juicio.campeon,
    )  # fmt: skip
    if not juicio.danado:
        nombrar()
        return
    detalle = {"antes": juicio.campeon, "motivo": juicio.decision.motivo, "forzar": True}
    with audited(settings, juicio.aspirante, detalle, quien):
        nombrar(forzar=True, en_contra=juicio.en_contra)


def who() -> str:
    """Return the name of who runs this process, and whether it is a CI job."""
    try:
        usuario = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        usuario = f"uid {os.getuid()}"
    return f"{usuario} (CI)" if os.environ.get("CI") else usuario


def local_now(settings: Settings) -> datetime:
    """Return the time, with the offset of the product's zone."""
    return datetime.now(UTC).astimezone(ZoneInfo(settings.zona_horaria))


def show(juicio: Juicio) -> None:
    """Print the criteria as a table, the challenger beside what it is compared with."""
    from rich.console import Console
    from rich.table import Table

    base = juicio.comparado is None
    tabla = Table(caption=_PIE + _PIE_BASE * base, caption_justify="left")
    tabla.add_column("criterio")
    frente = "versión\nde base" if base else f"campeón\n(v{juicio.campeon})"
    tabla.add_column(frente, justify="right")
    tabla.add_column(f"aspirante\n(v{juicio.aspirante})", justify="right")
    tabla.add_column("se pide")
    tabla.add_column("veredicto")
    for criterio in juicio.decision.criterios:
        tabla.add_row(*_fila(criterio))
    terminal = sys.stdout.isatty()
    Console(width=None if terminal else ANCHO_TABLA, highlight=False).print(tabla)


def _fila(criterio: Criterio) -> list[Any]:
    from rich.text import Text

    veredicto = Text("cumple", "green") if criterio.cumple else Text("no cumple", "bold red")
    antes = "–" if criterio.campeon is None else cifra(criterio.campeon)
    nombre = criterio.nombre + al_azar(criterio.azar, "\n")
    return [nombre, antes, cifra(criterio.aspirante), criterio.limite, veredicto]


def _ya_es(registro: ModelRegistry, version: int) -> str:
    """Return that a version is the champion already, and whether the gate has had no say in it."""
    fuera = (
        f" ({FUERA}: el alias se movió a mano, sin que conste que ningún examen la aceptara)"
        if way_of(registro.versions()) == FUERA
        else ""
    )
    return f"la versión {version} ya es el campeón{fuera}: no hay nada que promover"


def main(argv: Sequence[str]) -> int:
    """Promote the challenger, or the version that was asked for, and say why or why not."""
    parser = Parser(
        "consumo promover",
        "Compara el aspirante con el campeón sobre los mismos datos congelados y, si cumple todos "
        "los criterios, lo hace campeón: los consumidores lo usan antes de 30 s, sin reiniciar. "
        "Si no los cumple, dice cuál y termina con estado 1.",
    )
    parser.add_argument(
        "--version", type=entero(1), metavar="N",
        help="esa versión en lugar del aspirante; vuelve a ser el campeón sin examen si es la que "
        "había antes de él, o si un examen ya la aceptó una vez",
    )  # fmt: skip
    parser.add_argument(
        "--forzar", action="store_true",
        help="promueve diga lo que diga la comparación; pide un motivo, y queda escrito",
    )  # fmt: skip
    parser.add_argument(
        "--motivo", metavar="TEXTO", help="por qué; con --forzar hace falta (véase la auditoría)"
    )
    parser.add_argument(
        "--base", action="store_true",
        help="registra la versión de base, que viene con el producto, y la hace campeona; si ya "
        "hay versiones no hace nada",
    )  # fmt: skip
    opciones, settings = parser.start(argv)
    if opciones.base:
        return _register_base(settings)
    motivo = " ".join((opciones.motivo or "").split())
    if opciones.forzar and len(motivo) < MOTIVO_MINIMO:
        parser.error(f"--forzar pide un --motivo, de {MOTIVO_MINIMO} caracteres al menos")
    registro = ModelRegistry(settings)
    version, campeon = _asked(registro, opciones.version)
    if version == campeon:
        return _look_at_champion(registro, version)
    if opciones.forzar:
        return _force(settings, registro, version, campeon, motivo)
    if opciones.version is not None and _goes_back(registro, version, campeon):
        return _go_back(settings, registro, version, campeon, motivo)
    juicio = examine(settings, registro, version, campeon)
    show(juicio)
    promote_accepted(settings, registro, juicio, quien=who())
    decision = juicio.decision
    que = "pasa a ser el campeón" if decision.promueve else "no se promueve"
    print(f"La versión {version} {que}: {decision.motivo}.")  # noqa: T201
    return HECHO if decision.promueve else FALLO


def _register_base(settings: Settings) -> int:
    version = register_base(ModelRegistry(settings), local_now(settings), who())
    print(  # noqa: T201
        "Ya hay versiones registradas: la de base no hace falta."
        if version is None
        else f"La versión de base es la {version}, y el campeón hasta que otra la supere."
    )
    return HECHO


def _asked(registro: ModelRegistry, pedida: int | None) -> tuple[int, int | None]:
    if pedida is None:
        return contenders(registro)
    conocidas = sorted(v.version for v in registro.versions())
    if pedida not in conocidas:
        hay = ", ".join(map(str, conocidas)) or "ninguna"
        raise PermanentError(f"no existe la versión {pedida} de {MODELO}; hay: {hay}")
    return pedida, registro.version_of(CAMPEON)


def _look_at_champion(registro: ModelRegistry, version: int) -> int:
    """Say that a version is the champion already, or that no consumer can use it."""
    with TemporaryDirectory(prefix="consumo-promover-") as carpeta:
        load_version(registro, version, Path(carpeta), "el campeón no se puede usar")
    rechazo = ModelRejection.from_tags(registro.tags_of(version))
    if rechazo is not None:
        raise PermanentError(
            f"la versión {version} es el campeón, pero un consumidor ({rechazo.por}) la rechazó "
            f"el {rechazo.en}: {rechazo.motivo}; puntúa la anterior"
        )
    print(_ya_es(registro, version))  # noqa: T201
    return HECHO


def _goes_back(registro: ModelRegistry, version: int, campeon: int | None) -> bool:
    anterior = None if campeon is None else replaced_by(registro.tags_of(campeon))
    return goes_back(version, registro.tags_of(version), campeon, anterior)


def _go_back(
    settings: Settings, registro: ModelRegistry, version: int, campeon: int | None, motivo: str
) -> int:
    """Make champion again what has been it before."""
    motivo = motivo or "vuelta atrás con --version"
    with audited(settings, version, {"antes": campeon, "motivo": motivo}, who()):
        appoint(
            registro, version, quien=who(), ahora=local_now(settings), motivo=motivo, antes=campeon
        )  # fmt: skip
    print(  # noqa: T201
        f"La versión {version} vuelve a ser el campeón (antes: {campeon or 'ninguna'}): ya lo fue, "
        "y volver no pide examen."
    )
    return HECHO


def _force(
    settings: Settings, registro: ModelRegistry, version: int, campeon: int | None, motivo: str
) -> int:
    """Make a version champion whatever the gate says, which is asked and shown all the same."""
    en_contra: tuple[str, ...] = ()
    try:
        juicio = examine(settings, registro, version, campeon, suplir=True)
        en_contra = juicio.en_contra
        show(juicio)
        print(f"La comparación: {juicio.decision.motivo}.")  # noqa: T201
    except ModeloInvalidoError as error:
        print(f"No se puede examinar: {error}.")  # noqa: T201
    detalle = {"antes": campeon, "motivo": motivo, "forzar": True}
    with audited(settings, version, detalle, who()):
        via = appoint(
            registro, version, quien=who(), ahora=local_now(settings), motivo=motivo, antes=campeon,
            forzar=True, en_contra=en_contra,
        )  # fmt: skip
    print(f"La versión {version} es el campeón, {_VIAS[via]}. Motivo: {motivo}.")  # noqa: T201
    return HECHO


@contextmanager
def audited(
    settings: Settings, version: int, detalle: dict[str, Any], quien: str
) -> Iterator[None]:
    """Note a promotion that no exam backs, as the API does; what cannot be noted is not done.

    ``TransientError``: PostgreSQL is away; the block has not run.
    """
    migrate(settings)
    with closing(AuditoriaPostgres(settings)) as auditoria:
        anotar = partial(
            auditoria.write, clave=f"{quien} (consumo promover)", rol="administracion",
            accion="promover", objeto=f"modelo {version}", ip="local", peticion_id="consola",
        )  # fmt: skip
        anotar(detalle=detalle)
        try:
            yield
        except ConsumoError as error:
            anotar(detalle=detalle | {"fallo": type(error).__name__})
            raise
