"""A version becomes champion: the one place where the alias is moved, whoever asks for it.

Three ways lead there, and the version's tags say which one it took:

- ``EXAMEN``: the gate accepted it, against the very champion that it replaces;
- ``VUELTA``: it is what the champion took over from, or an exam has made it champion before:
  going back must not wait for an exam;
- ``FORZADA``: somebody insists and gives a reason; what spoke against it is written down too.
  Having been forced once opens no gate later.

The gate itself scores both versions and lives in ``training``; what it said is kept with the
version (``Examen``), so that the API decides by the same verdict without scoring anything.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from detection.errors import ModeloInvalidoError, PermanentError
from detection.number_format import numero
from detection.scoring_model import ScoringModel
from serving.model_package import load_paquete
from serving.model_versions import (
    CAMPEON,
    ETIQUETA_EXAMEN,
    MODELO,
    PREFIJO_PROMOCION,
    ModelRejection,
    ModelVersions,
    VersionInfo,
    promotions_of,
)

EXAMEN, VUELTA, FORZADA = "examen", "vuelta atrás", "a la fuerza"
DE_BASE = "de base"
"""It came with the product, and there was no other."""
FUERA = "fuera de la puerta"
"""The champion's alias was moved by hand, as in MLflow's own page, or before exams were kept."""
_VIA = f"{PREFIJO_PROMOCION}via"


class CampeonCambiadoError(PermanentError):
    """The champion is not the one that whoever asked had seen."""


class PromocionRechazadaError(PermanentError):
    """The gate has not let a version pass against the champion of now.

    ``razones``: why, one Spanish clause each; at least one.
    """

    def __init__(self, version: int, razones: Sequence[str]) -> None:
        super().__init__(f"la versión {version} no se promueve: {'; '.join(razones)}")
        self.razones = tuple(razones)


@dataclass(frozen=True, slots=True)
class Examen:
    """What the gate said of a version."""

    # The champion that it was compared with; None = there was none, only the rules.
    campeon: int | None
    acepta: bool
    motivo: str  # in Spanish
    cuando: str  # ISO 8601, with its offset
    # ``nombre``, ``campeon``, ``aspirante``, ``limite``, ``cumple`` of each, and ``azar``.
    criterios: tuple[Mapping[str, Any], ...] = ()

    def tags(self) -> dict[str, str]:
        """Return the tag that keeps it with its version."""
        return {ETIQUETA_EXAMEN: json.dumps(_finite(asdict(self)), ensure_ascii=False)}

    @staticmethod
    def from_tags(etiquetas: Mapping[str, str]) -> Examen | None:
        """Return what a version's tags say; None = never examined, or unreadable."""
        try:
            datos = json.loads(etiquetas[ETIQUETA_EXAMEN])
            campeon, cuando = datos["campeon"], str(datos["cuando"])
            if datetime.fromisoformat(cuando).tzinfo is None:
                return None
            return Examen(
                None if campeon is None else int(campeon), datos["acepta"] is True,
                str(datos["motivo"]), cuando,
                tuple(dict(criterio) for criterio in datos["criterios"]),
            )  # fmt: skip
        except (ValueError, KeyError, TypeError):
            # A person may have edited it in MLflow: then nothing is known.
            return None


def refusals(
    version: int, etiquetas: Mapping[str, str], campeon: int | None, anterior: int | None = None
) -> tuple[str, ...]:
    """Return why a version may not replace a champion, in Spanish; empty = it may.

    Parameters
    ----------
    etiquetas : mapping of str to str
        All tags of the version.
    campeon : int or None
        The champion of now.
    anterior : int or None
        What that champion took over from (``replaced_by``).

    Examples
    --------
    >>> print(refusals(3, {}, 2)[0].partition(":")[0])
    no se ha examinado frente al campeón actual (la versión 2)
    >>> refusals(3, Examen(2, True, "es mejor", "2026-11-24T10:00:00+01:00").tags(), 2)
    ()
    """
    rechazo = ModelRejection.from_tags(etiquetas)
    razones = [] if rechazo is None else [f"los consumidores la rechazan: {rechazo.motivo}"]
    if goes_back(version, etiquetas, campeon, anterior):
        return tuple(razones)
    examen = Examen.from_tags(etiquetas)
    if examen is None or examen.campeon != campeon:
        antes = "" if examen is None else f"se examinó frente a {_named(examen.campeon)}, pero "
        razones.append(
            f"{antes}no se ha examinado frente al campeón actual ({_named(campeon)}): «consumo "
            f"promover --version {version}» la examina"
        )
    elif not examen.acepta:
        fallidos = [_failed(c) for c in examen.criterios if not c.get("cumple")]
        razones += fallidos or [examen.motivo]
    return tuple(razones)


def replaced_by(etiquetas: Mapping[str, str]) -> int | None:
    """Return the version that a champion took over from, if that was no way back itself.

    Who goes back from a version has given it up: there is no way back to it without an exam.

    ``etiquetas``: the champion's.

    Examples
    --------
    >>> replaced_by({"promovido_desde": "2", "promovido_via": FORZADA})
    2
    >>> replaced_by({"promovido_desde": "2", "promovido_via": VUELTA}) is None
    True
    """
    desde, via = etiquetas.get(f"{PREFIJO_PROMOCION}desde", ""), etiquetas.get(_VIA)
    # Promotions older than their ways do not say so: the second one may have been a way back.
    vuelta = via == VUELTA or (via is None and len(promotions_of(etiquetas)) > 1)
    return int(desde) if desde.isdecimal() and not vuelta else None


def goes_back(
    version: int, etiquetas: Mapping[str, str], campeon: int | None, anterior: int | None
) -> bool:
    """Return whether making a version champion is a way back, for which no exam is asked.

    It is to the version that the champion took over from, whatever an exam says by now, and to
    one that an exam has made champion before, unless it has failed against the champion of now.

    ``version``, ``etiquetas``, ``campeon``, ``anterior``: as of ``refusals``.

    Examples
    --------
    >>> goes_back(1, {}, 2, 1), goes_back(1, {"promociones": '[{"via": "a la fuerza"}]'}, 2, None)
    (True, False)
    >>> goes_back(1, {"promociones": '[{"via": "examen"}]'}, 2, None)
    True
    """
    if version == anterior:
        return True
    examen = Examen.from_tags(etiquetas)
    if examen is not None and examen.campeon == campeon and not examen.acepta:
        return False
    return any(
        isinstance(promocion, Mapping) and promocion.get("via") == EXAMEN
        for promocion in promotions_of(etiquetas)
    )


def way_of(versiones: Sequence[VersionInfo]) -> str | None:
    """Return how the champion among all versions came to be it; None = there is none.

    The promotion that was written down last has to be the champion's, or else somebody has moved
    the alias by other means.
    """
    campeon = next((v for v in versiones if CAMPEON in v.alias), None)
    if campeon is None:
        return None
    suya, todas = _instant(campeon), [_instant(v) for v in versiones]
    if suya is None or any(otra is not None and otra > suya for otra in todas):
        return FUERA
    via = campeon.etiquetas.get(_VIA, FUERA)
    return via if via in {EXAMEN, VUELTA, FORZADA, DE_BASE} else FUERA


def appoint(
    registro: ModelVersions,
    version: int,
    *,
    quien: str,
    ahora: datetime,
    motivo: str,
    antes: int | None,
    forzar: bool = False,
    en_contra: Sequence[str] = (),
) -> str:
    """Make a version champion, note who did it, when, why and how, and return how.

    Parameters
    ----------
    antes : int or None
        The champion that whoever asks has seen; None = there was none.
    forzar : bool
        Whatever the gate says, as long as a consumer can load it.
    en_contra : sequence of str
        What else is written down of one that is forced, in Spanish.

    Raises
    ------
    PromocionRechazadaError
        The gate has not accepted it against this champion; nothing has been done.
    CampeonCambiadoError
        It is another one by now; nothing has been done.
    ModeloInvalidoError
        No consumer could use the version.
    PermanentError
        No such version, MLflow refuses, or a forced one lacks its reason.
    TransientError
        MLflow is away.
    """
    if forzar and not motivo.strip():
        raise PermanentError("promover a la fuerza pide un motivo")
    with TemporaryDirectory(prefix="consumo-promover-") as carpeta:
        load_version(registro, version, Path(carpeta), "no se promueve")
    etiquetas = registro.tags_of(version)
    anterior = None if antes is None else replaced_by(registro.tags_of(antes))
    razones = refusals(version, etiquetas, antes, anterior)
    if razones and not forzar:
        raise PromocionRechazadaError(version, razones)
    razones = (*en_contra, *razones) if razones else ()
    via = FORZADA if razones else EXAMEN if _accepted(etiquetas, antes) else VUELTA
    if registro.version_of(CAMPEON) != antes:
        raise CampeonCambiadoError("el campeón ha cambiado mientras tanto y no se toca; repítalo")
    registro.set_alias(CAMPEON, version, _promotion_tags(quien, ahora, motivo, antes, via, razones))
    return via


def base_tags(quien: str, ahora: datetime) -> dict[str, str]:
    """Return the promotion tags of the base version, champion because there is no other."""
    return _promotion_tags(quien, ahora, "viene con el producto", None, DE_BASE, ())


def _promotion_tags(
    quien: str, ahora: datetime, motivo: str, antes: int | None, via: str, razones: Sequence[str]
) -> dict[str, str]:
    return {
        "promovido_por": quien,
        # Milliseconds, to tell which of two promotions was the later one.
        "promovido_en": ahora.isoformat(timespec="milliseconds"),
        "promovido_motivo": motivo,
        "promovido_desde": str(antes or "ninguna"),
        "promovido_via": via,
        # Always there, or a later promotion would seem to bear those of an earlier one.
        "promovido_pese_a": "; ".join(razones) or "nada",
    }


def load_version(
    registro: ModelVersions, version: int, carpeta: Path, papel: str
) -> tuple[ScoringModel, Path]:
    """Return a version's model and the folder, below ``carpeta``, with its files.

    ``papel``: what it is loaded for, or what does not happen without it: the error begins with it.
    ``ModeloInvalidoError``: it is damaged or not for us.
    """
    try:
        donde = registro.download(version, carpeta / str(version))
        return load_paquete(donde, f"{MODELO}-{version}"), donde
    except ModeloInvalidoError as error:
        raise ModeloInvalidoError(f"{papel} (versión {version}): {error}") from error


def _accepted(etiquetas: Mapping[str, str], campeon: int | None) -> bool:
    examen = Examen.from_tags(etiquetas)
    return examen is not None and examen.acepta and examen.campeon == campeon


def _named(version: int | None) -> str:
    return "la versión de base, sin campeón" if version is None else f"la versión {version}"


def _failed(criterio: Mapping[str, Any]) -> str:
    valor = criterio.get("aspirante")
    cifra = numero(valor, 3) if isinstance(valor, int | float) else "sin medir"
    return f"{criterio.get('nombre')}: {cifra}, y se pide {criterio.get('limite')}"


def _instant(info: VersionInfo) -> datetime | None:
    try:
        momento = datetime.fromisoformat(info.etiquetas.get("promovido_en", ""))
    except ValueError:
        return None
    return momento if momento.tzinfo is not None else None


def _finite(valor: Any) -> Any:
    """Return plain data as JSON can hold them: what is not a number is nothing."""
    if isinstance(valor, float):
        return valor if math.isfinite(valor) else None
    if isinstance(valor, Mapping):
        return {clave: _finite(dentro) for clave, dentro in valor.items()}
    if isinstance(valor, list | tuple):
        return [_finite(dentro) for dentro in valor]
    return valor
