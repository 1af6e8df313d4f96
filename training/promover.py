"""``consumo promover``: the challenger becomes champion if the gate lets it, or a person decides.

Both versions are scored again on the challenger's frozen evaluation set. The alias is moved last,
and only if the champion is still the one that was compared: somebody may have moved it by hand.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

from detection.errors import ModeloInvalidoError, PermanentError
from detection.modelo import Modelo
from detection.params import Params
from serving.cli import FALLO, HECHO, Parser, entero, run
from serving.logs import configure_logs
from serving.nombramiento import crown, load_version
from serving.registry import Registro
from serving.settings import Settings, load_settings
from serving.versiones import ASPIRANTE, CAMPEON, MODELO
from serving.zona import load_calendario
from training.conjunto import Conjunto
from training.evaluate import measure, score_conjunto
from training.ganancia import measure_gain
from training.policy import Criterio, Decision, Politica, cifra, decide
from training.train import EVALUACION

ANCHO = 112
"""Columns of the table where nobody's terminal says how many there are."""
_PIE = (
    "Precisión media: se pide su ganancia, con el intervalo del 90 % al sortear clientes. "
    "Hallados: parte de los clientes atacados con una anomalía de severidad media o más; no se "
    "pide donde el campeón no halla casi ninguno. Alarmas: falsas, por 1.000 clientes limpios y "
    "día."
)
_PIE_REGLAS = (
    " Frente a las reglas solas, que no aprenden de los datos, basta con no ser peor que su margen."
)


@dataclass(frozen=True, slots=True)
class Juicio:
    """What the gate says of the two versions that have the aliases now.

    Parameters
    ----------
    aspirante : int
        The challenger's version.
    campeon : int or None
        The champion's; None = there is none, and the rules alone stand in for it.
    decision : Decision
        The gate's.
    suplido : bool
        The champion is damaged, and the rules alone stood in for it.
    """

    aspirante: int
    campeon: int | None
    decision: Decision
    suplido: bool = False


def contenders(registro: Registro) -> tuple[int, int | None]:
    """Return the versions of challenger and champion; the same one twice = nothing to decide.

    Raises
    ------
    PermanentError
        There is no challenger.
    TransientError
        MLflow is away.
    """
    aspirante = registro.version_of(ASPIRANTE)
    if aspirante is None:
        raise PermanentError("no hay aspirante que promover; «consumo entrenar» entrena uno")
    return aspirante, registro.version_of(CAMPEON)


def judge(
    settings: Settings,
    registro: Registro,
    aspirante: int,
    campeon: int | None,
    *,
    politica: Politica | None = None,
    renovacion: bool = False,
    suplir: bool = False,
) -> Juicio:
    """Return what the gate says, both versions scored on the challenger's frozen set.

    Parameters
    ----------
    renovacion : bool
        The champion is out of date: it is enough to be no worse. So it is without a champion, for
        the rules alone have learnt nothing from these customers.
    suplir : bool
        A champion that cannot be loaded is no obstacle: the rules alone stand in for it.

    Raises
    ------
    ModeloInvalidoError
        A version is damaged; the text says which.
    TransientError
        MLflow is away.
    """
    with TemporaryDirectory(prefix="consumo-promover-") as carpeta:
        nuevo, donde = load_version(registro, aspirante, Path(carpeta), "aspirante")
        viejo, danado = None, ""
        try:
            if campeon is not None:
                viejo, _ = load_version(registro, campeon, Path(carpeta), "campeón")
        except ModeloInvalidoError as error:
            if not suplir:
                raise ModeloInvalidoError(
                    f"{error}; sin él no hay con qué comparar: «consumo promover --forzar» "
                    "lo sustituye igualmente"
                ) from error
            danado = f"{error}; frente a las reglas solas, "
        conjunto = _frozen(donde, aspirante)
    decision = _compare(
        settings, conjunto, viejo, nuevo, politica or Politica(), renovacion or viejo is None
    )
    decision = replace(decision, motivo=f"{danado}{decision.motivo}")
    return Juicio(aspirante, campeon, decision, bool(danado))


def _compare(
    settings: Settings,
    conjunto: Conjunto,
    viejo: Modelo | None,
    nuevo: Modelo,
    politica: Politica,
    renovacion: bool,
) -> Decision:
    """Return the gate's verdict on two models, or on one and the rules alone."""
    calendario, params = load_calendario(settings.zona_horaria), Params()
    antes, ahora = (
        score_conjunto(conjunto, modelo, calendario, params) for modelo in (viejo, nuevo)
    )
    return decide(
        measure(conjunto, antes, {}), measure(conjunto, ahora, {}),
        measure_gain(conjunto, antes, ahora), politica, renovacion=renovacion,
    )  # fmt: skip


def _frozen(donde: Path, version: int) -> Conjunto:
    """Return the evaluation set in a version's folder."""
    try:
        datos = (donde / EVALUACION).read_bytes()
    except FileNotFoundError as error:
        raise ModeloInvalidoError(f"a la versión {version} le falta «{EVALUACION}»") from error
    return Conjunto.from_parquet(datos)


def enthrone(
    registro: Registro, juicio: Juicio, *, quien: str, ahora: datetime, motivo: str
) -> None:
    """Move the champion's alias to the challenger, and note who did it, when and why.

    Raises
    ------
    PermanentError
        The champion is not the one any more that was compared.
    TransientError
        MLflow is away.
    """
    if registro.version_of(CAMPEON) != juicio.campeon:
        raise PermanentError(
            "el campeón ha cambiado mientras se comparaba y no se toca; repita la orden"
        )
    crown(registro, juicio.aspirante, quien=quien, ahora=ahora, motivo=motivo, antes=juicio.campeon)


def forced(decision: Decision) -> Decision:
    """Return the promotion of a challenger whatever the gate says, with what it said."""
    if decision.promueve:
        return decision
    return replace(decision, promueve=True, motivo=f"a la fuerza; la puerta: {decision.motivo}")


def promote(
    settings: Settings,
    *,
    forzar: bool = False,
    quien: str | None = None,
    politica: Politica | None = None,
    renovacion: bool = False,
) -> Decision:
    """Return the gate's decision on the challenger, already carried out.

    Parameters
    ----------
    renovacion : bool
        The champion is out of date: it is enough to be no worse.

    Raises
    ------
    PermanentError
        There is no challenger, it is the champion already, or a version is damaged.
    TransientError
        MLflow is away.
    """
    registro = Registro(settings)
    aspirante, campeon = contenders(registro)
    if aspirante == campeon:
        raise PermanentError(_ya_es(aspirante))
    juicio = judge(
        settings, registro, aspirante, campeon, politica=politica, renovacion=renovacion,
        suplir=forzar,
    )  # fmt: skip
    return carry_out(settings, registro, juicio, forzar=forzar, quien=quien or who())


def carry_out(
    settings: Settings, registro: Registro, juicio: Juicio, *, forzar: bool, quien: str
) -> Decision:
    """Return the decision after moving the alias, if it is to be moved."""
    decision = forced(juicio.decision) if forzar else juicio.decision
    if decision.promueve:
        ahora = now(settings)
        enthrone(registro, juicio, quien=quien, ahora=ahora, motivo=decision.motivo)
    return decision


def appoint(settings: Settings, registro: Registro, version: int, quien: str) -> int | None:
    """Make a version champion because a person says so, and return the one before.

    Raises
    ------
    PermanentError
        There is no such version, or no consumer could use it.
    TransientError
        MLflow is away.
    """
    conocidas = sorted(v.version for v in registro.versions())
    if version not in conocidas:
        hay = ", ".join(map(str, conocidas)) or "ninguna"
        raise PermanentError(f"no existe la versión {version} de {MODELO}; hay: {hay}")
    antes = registro.version_of(CAMPEON)
    with TemporaryDirectory(prefix="consumo-promover-") as carpeta:
        load_version(registro, version, Path(carpeta), "no se promueve")
    motivo = "decisión explícita con --version"
    crown(registro, version, quien=quien, ahora=now(settings), motivo=motivo, antes=antes)
    return antes


def who() -> str:
    """Return the name of who runs this process, and whether it is a CI job."""
    try:
        usuario = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        usuario = f"uid {os.getuid()}"
    return f"{usuario} (CI)" if os.environ.get("CI") else usuario


def now(settings: Settings) -> datetime:
    """Return the time, with the offset of the product's zone."""
    return datetime.now(UTC).astimezone(ZoneInfo(settings.zona_horaria))


def show(juicio: Juicio) -> None:
    """Print the criteria as a table, the challenger beside what it is compared with."""
    from rich.console import Console
    from rich.table import Table

    reglas = juicio.campeon is None or juicio.suplido
    tabla = Table(caption=_PIE + _PIE_REGLAS * reglas, caption_justify="left")
    tabla.add_column("criterio")
    frente = "reglas\nsolas" if reglas else f"campeón\n(v{juicio.campeon})"
    tabla.add_column(frente, justify="right")
    tabla.add_column(f"aspirante\n(v{juicio.aspirante})", justify="right")
    tabla.add_column("se pide")
    tabla.add_column("veredicto")
    for criterio in juicio.decision.criterios:
        tabla.add_row(*_fila(criterio))
    terminal = sys.stdout.isatty()
    Console(width=None if terminal else ANCHO, highlight=False).print(tabla)


def _fila(criterio: Criterio) -> list[Any]:
    from rich.text import Text

    veredicto = Text("cumple", "green") if criterio.cumple else Text("no cumple", "bold red")
    antes = "–" if criterio.campeon is None else cifra(criterio.campeon)
    return [criterio.nombre, antes, cifra(criterio.aspirante), criterio.limite, veredicto]


def _ya_es(version: int) -> str:
    return f"la versión {version} ya es el campeón: no hay nada que promover"


def main(argv: Sequence[str]) -> int:
    """Promote the challenger, or the version that was asked for, and say why or why not."""
    parser = Parser(
        "consumo promover",
        "Compara el aspirante con el campeón sobre los mismos datos congelados y, si cumple todos "
        "los criterios, lo hace campeón: los consumidores lo usan antes de 30 s, sin reiniciar. "
        "Si no los cumple, dice cuál y termina con estado 1.",
    )
    parser.add_argument(
        "--version",
        type=entero(1),
        metavar="N",
        help="pone de campeón esa versión, sin comparar: para volver atrás o adelante",
    )
    parser.add_argument(
        "--forzar",
        action="store_true",
        help="promueve el aspirante diga lo que diga la comparación; queda escrito",
    )
    opciones = parser.parse_args(argv)
    settings = load_settings()
    configure_logs(settings.nivel_log)
    registro = Registro(settings)
    if opciones.version is not None:
        return _appoint(settings, registro, opciones.version)
    aspirante, campeon = contenders(registro)
    if aspirante == campeon:
        print(_ya_es(aspirante))  # noqa: T201
        return HECHO
    juicio = judge(settings, registro, aspirante, campeon, suplir=opciones.forzar)
    show(juicio)
    decision = carry_out(settings, registro, juicio, forzar=opciones.forzar, quien=who())
    que = "pasa a ser el campeón" if decision.promueve else "no se promueve"
    print(f"La versión {aspirante} {que}: {decision.motivo}.")  # noqa: T201
    return HECHO if decision.promueve else FALLO


def _appoint(settings: Settings, registro: Registro, version: int) -> int:
    if registro.version_of(CAMPEON) == version:
        print(_ya_es(version))  # noqa: T201
        return HECHO
    antes = appoint(settings, registro, version, who())
    print(f"La versión {version} es el campeón (antes: {antes or 'ninguna'}).")  # noqa: T201
    return HECHO


if __name__ == "__main__":
    sys.exit(run(main))
