"""What people say of anomalies: confirmed, rejected, or open again, with a reason and a name.

A verdict is one update of one document, and its history is in the same document: of two at once
the last one stands, and both are in the history, in the order in which they took effect.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId

from detection.errors import TransientError
from pipeline.almacenes.consultas_limites import (
    ConsultaInvalidaError,
    check_text,
    check_words,
    distinct,
)
from pipeline.almacenes.consultas_tipos_anomalias import (
    CambiosVeredicto,
    CambioVeredicto,
    VeredictoHumano,
)
from pipeline.almacenes.mongo_anomalias import ANOMALIAS, ARCHIVO
from pipeline.almacenes.mongo_consultas_documentos import (
    ESTADOS,
    SIN_LO_LARGO,
    VEREDICTOS_MAXIMOS,
    Turnos,
    anomaly,
    parse_id,
    verdict_of,
)
from pipeline.almacenes.mongo_consultas_listas import VEREDICTO
from serving.settings import Settings

MOTIVO_MAXIMO = 500
QUIEN_MAXIMO = 100
"""Characters."""
ANOMALIAS_A_LA_VEZ = 500
INTENTOS = 20
"""Others who judge the same anomaly between our look at it and our verdict, in a row."""


class VeredictosMongo:
    """Verdicts on anomalies, live ones and archived ones; safe from many threads.

    Parameters
    ----------
    settings : Settings
    conexiones : int
        Threads that ask at a time, at most.
    al_cambiar : callable, optional
        Told the instant of the reading of each anomaly that was judged.
    reloj : callable, optional
        The time, aware.

    Examples
    --------
    >>> from serving.settings import Settings
    >>> VeredictosMongo(Settings()).close()
    """

    def __init__(
        self,
        settings: Settings,
        conexiones: int = 4,
        al_cambiar: Callable[[datetime], None] | None = None,
        reloj: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._turnos = Turnos(settings, "consumo veredictos", conexiones)
        self._al_cambiar = al_cambiar
        self._reloj = reloj

    def dar(
        self, id: str, estado: str, motivo: str, quien: str, cuando: datetime | None = None
    ) -> CambioVeredicto | None:
        """Give an anomaly a verdict and return what it is now; None = there is no such anomaly.

        Parameters
        ----------
        estado : str
            "confirmada", "descartada", or "abierta" to take a verdict back.
        motivo : str
            Why, up to ``MOTIVO_MAXIMO`` characters.
        quien : str
            Who says so, up to ``QUIEN_MAXIMO`` characters.
        cuando : datetime, optional
            When, aware; now if not given.
        """
        cambios = self.dar_varios([id], estado, motivo, quien, cuando).cambios
        return cambios[0] if cambios else None

    def dar_varios(
        self,
        ids: Sequence[str],
        estado: str,
        motivo: str,
        quien: str,
        cuando: datetime | None = None,
    ) -> CambiosVeredicto:
        """Give several anomalies a verdict, as ``dar``, one after the other.

        Should MongoDB go away half way, those before have theirs; giving it again does no harm.
        """
        _check_verdict(estado, motivo, quien)
        pedidas = [parse_id(uno) for uno in distinct(ids, ANOMALIAS_A_LA_VEZ)]
        veredicto = {
            "estado": estado,
            "motivo": motivo,
            "quien": quien,
            "cuando": _to_millis(cuando or self._reloj()),
        }
        cambios: list[CambioVeredicto] = []
        no_encontradas: list[str] = []
        for uno in pedidas:
            with self._turnos.taken():
                cambio = self._give(uno, veredicto)
            if cambio is None:
                no_encontradas.append(str(uno))
                continue
            cambios.append(cambio)
            if self._al_cambiar is not None:
                self._al_cambiar(cambio.anomalia.timestamp_consumo)
        return CambiosVeredicto(cambios, no_encontradas)

    def _give(self, uno: ObjectId, veredicto: dict[str, Any]) -> CambioVeredicto | None:
        # The live ones once more: what was on its way out of the archive is there by now.
        for nombre in (ANOMALIAS, ARCHIVO, ANOMALIAS):
            cambio = self._give_in(nombre, uno, veredicto)
            if cambio is not None:
                return cambio
        return None

    def _give_in(
        self, nombre: str, uno: ObjectId, veredicto: dict[str, Any]
    ) -> CambioVeredicto | None:
        coleccion = self._turnos.base[nombre]
        for _ in range(INTENTOS):
            doc = coleccion.find_one({"_id": uno}, SIN_LO_LARGO)
            if doc is None:
                return None
            anterior = doc["estado"]
            dado = {**veredicto, "estado_anterior": anterior}
            cambio = {"estado": dado["estado"], "veredicto": dado, VEREDICTO: dado["cuando"]}
            # Only where it still is what the history is going to say that it was.
            hecho = coleccion.update_one(
                {"_id": uno, "estado": anterior},
                {
                    "$set": cambio,
                    "$push": {"veredictos": {"$each": [dado], "$slice": -VEREDICTOS_MAXIMOS}},
                },
            )
            if hecho.matched_count:
                return CambioVeredicto(anomaly({**doc, **cambio}, nombre == ARCHIVO), anterior)
        raise TransientError("otras personas juzgan la misma anomalía a la vez")

    def historial(self, id: str) -> list[VeredictoHumano] | None:
        """Return the verdicts on an anomaly, the oldest first; None = there is no such anomaly.

        The last ``VEREDICTOS_MAXIMOS`` of them.
        """
        clave = {"_id": parse_id(id)}
        with self._turnos.taken():
            for nombre in (ANOMALIAS, ARCHIVO, ANOMALIAS):
                doc = self._turnos.base[nombre].find_one(clave, {"veredictos": 1})
                if doc is not None:
                    return [verdict_of(uno) for uno in doc.get("veredictos", ())]
        return None

    def ping(self) -> None:
        """Return if MongoDB answers; raise ``TransientError`` otherwise."""
        self._turnos.ping()

    def close(self) -> None:
        """Close every connection."""
        self._turnos.close()


def _check_verdict(estado: str, motivo: str, quien: str) -> None:
    check_words("estado", [estado], ESTADOS)
    for nombre, texto, maximo in (
        ("motivo", motivo, MOTIVO_MAXIMO),
        ("quien", quien, QUIEN_MAXIMO),
    ):
        if not check_text(texto).strip() or len(texto) > maximo:
            raise ConsultaInvalidaError(f"«{nombre}» tiene de 1 a {maximo} caracteres")


def _to_millis(momento: datetime) -> datetime:
    """Return an instant as MongoDB keeps it."""
    if momento.tzinfo is None:
        raise ConsultaInvalidaError("a los instantes les falta el desfase horario")
    return momento.replace(microsecond=momento.microsecond // 1000 * 1000)
