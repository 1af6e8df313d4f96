"""What turns columns of the stores into what people read: local time, euros, no noise of sums."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timezone
from zoneinfo import ZoneInfo

from pipeline.stores.months import DECIMALES_KWH
from serving.settings import Settings, horas_de

DECIMALES_EUR = 2


@dataclass(frozen=True, slots=True)
class Presentacion:
    """Local time and price.

    ``precio_kwh_eur``: price of energy, euros per kWh, >= 0. ``horas_noche``, ``horas_punta``:
    hours of the day that are night, and peak.

    Examples
    --------
    >>> p = Presentacion(ZoneInfo("Europe/Madrid"), 0.15, 6, 8)
    >>> p.hora(datetime(2026, 1, 15, 1, tzinfo=UTC)).isoformat()
    '2026-01-15T02:00:00+01:00'
    >>> p.euros(52.0), p.euros(None)
    (7.8, None)
    """

    zona: ZoneInfo
    precio_kwh_eur: float
    horas_noche: int
    horas_punta: int

    def hora(self, instante: datetime) -> datetime:
        """Return an aware instant in local time, by its offset.

        Not by the zone: Python would add hours to it by the clock, and take the two hours 2 of a
        day of 25 for one.
        """
        desfase = instante.astimezone(self.zona).utcoffset()
        return instante.astimezone(UTC if desfase is None else timezone(desfase))

    def hora_o_nada(self, instante: datetime | None) -> datetime | None:
        """Return an aware instant in local time; None stays None."""
        return None if instante is None else self.hora(instante)

    def fecha(self, instante: datetime) -> date:
        """Return the local date of an instant."""
        return instante.astimezone(self.zona).date()

    def medianoche(self, fecha: date) -> datetime:
        """Return the instant, in UTC, at which a local day begins."""
        return datetime(fecha.year, fecha.month, fecha.day, tzinfo=self.zona).astimezone(UTC)

    def euros(self, kwh: float | None) -> float | None:
        """Return what an energy costs, in euros rounded to cents."""
        return None if kwh is None else round(kwh * self.precio_kwh_eur, DECIMALES_EUR)


def make_presentacion(settings: Settings) -> Presentacion:
    """Return local time and price of a service."""
    return Presentacion(
        ZoneInfo(settings.zona_horaria),
        settings.precio_kwh_eur,
        len(horas_de(settings.horas_noche)),
        len(horas_de(settings.horas_punta)),
    )


def kwh(energia: float) -> float:
    """Return a sum of energies without the noise of its additions.

    Examples
    --------
    >>> kwh(0.1 + 0.2)
    0.3
    """
    return round(energia, DECIMALES_KWH)


def kwh_or_none(energia: float | None) -> float | None:
    """Return ``kwh`` of an energy; None stays None."""
    return None if energia is None else kwh(energia)
