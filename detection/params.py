"""Every threshold of the detector, with its unit, meaning and source.

"By hand, 2026-11-24" means: chosen by us on that day, on synthetic households and on the clean
public households named in ``tests/detection/test_hogares_reales.py``, for a bearable number of
false alarms; never on the data that a figure is reported on.
"""

from __future__ import annotations

from dataclasses import dataclass

HORAS_VENTANA = 672
"""Hours of the past that a verdict looks at: 28 days, four of each weekday (contract 5)."""

HORAS_ANILLO = 768
"""Slots kept for each customer: the window and 4 days more, so that a reading which comes up to
96 hours late, or a batch that is scored again, still finds its whole window."""

DIAS_VENTANA = HORAS_VENTANA // 24


@dataclass(frozen=True, slots=True)
class Params:
    """Thresholds of rules, calibration, blend and suspicion.

    Examples
    --------
    >>> Params().sigmas
    3.0
    """

    # --- reference: the same hour of day of the last 28 days (contract 5) ---
    dias_minimos: int = 14
    """Same-hour readings before a customer can be compared. By hand: fewer make sigma a guess."""
    dias_minimos_clase: int = 8
    """Same-hour readings of the same class (weekday, weekend) before classes are kept apart:
    28 complete days hold 8 weekend days."""

    # --- desviacion_estadistica, pico_consumo: the specification's own figures ---
    sigmas: float = 3.0
    """Standard deviations from the expected consumption ("desv > 3 sigma")."""
    incremento: float = 1.5
    """Rise over the expected consumption ("incremento > 150 %")."""

    # --- consumo_noche_anomalo ---
    noche_desde: int = 0
    noche_hasta: int = 6
    """Night = local hours 0 to 5 (contract 4)."""
    noche_horas_minimas: int = 3
    """Hours of tonight before it is judged: one high hour is a spike, not a night. By hand."""
    noche_noches_clase: int = 7
    """Nights of the same class before classes are kept apart: 27 complete ones hold 7 weekend's."""
    noche_exceso: float = 1.5
    """Tonight against one's own nights: above 1.5 times, or below 1/1.5/1.33 (= half). By hand."""
    noche_defecto: float = 0.5

    # --- consumo_constante ---
    constante_horas: int = 24
    """Equal hours in a row that no inhabited home shows: fridges cycle. By hand."""
    constante_horas_cero: int = 72
    """The same for zeros, which an outage or a switched-off home also gives. By hand."""
    constante_tolerancia: float = 0.002
    """Relative difference that still counts as equal. By hand: a meter's last digit."""
    constante_dias_minimos: int = 7
    """Complete days in the window before the rule has a say: a week."""

    # --- plantacion_cannabis: lamps on 18/6 (growth) or 12/12 (flowering) ---
    plantacion_r2: float = 0.75
    """Share of three days' variance that a two-level cycle of 12 or 18 hours must explain.
    Ordinary households reach 0.2 to 0.5. By hand."""
    plantacion_r2_un_dia: float = 0.88
    """The same on one day alone, which needs to be clearer. By hand."""
    plantacion_contraste_kwh: float = 0.4
    """Step between lamps on and off: one 400 W lamp, the smallest sold for the purpose."""
    plantacion_contraste: float = 0.8
    """The same step against the customer's usual hourly mean. By hand."""

    # --- fraude: lasting change against one's own 21 days before the last seven ---
    fraude_dias: int = 3
    """Last days that must all show the drop. By hand: shorter is a trip, not a manipulation."""
    fraude_nivel: float = 0.55
    """Fraction of the usual level, and of the usual minimum, below which both have dropped. A home
    that is empty keeps its minimum (fridge, standby). By hand."""
    fraude_noche: float = 0.6
    fraude_noche_sigmas: float = 2.0
    """Fraction of the usual night, and sigmas below it, that all of the last nights must be under
    while the days stay as they were: who charges a car some nights has a large sigma. By hand."""
    fraude_dias_cero: float = 2.0
    """Days of the last seven with three or more zero hours, where there were none before."""
    fraude_inversion: float = 0.55
    """How much better the day fits its own mirror image than itself (difference of correlations).
    By hand."""
    fraude_copia_horas: float = 43.0
    """Hours of the last 48 equal to the day or the week before, in a load that varies."""
    fraude_recorte_horas: float = 14.0
    """Hours of the last 168 within 0.1 % of their own maximum: a load cut off at a level."""

    # --- calibration: how often would this customer show such a value? ---
    frecuencias: tuple[float, ...] = (6e-3, 1.5e-3, 2.5e-4, 4e-5, 1e-8)
    """Expected frequencies, per hour, at which a detector's score passes 0.50, 0.65, 0.80, 0.90 and
    1.00: about once a week, a month, half a year, three years. By hand (alert budget)."""
    tasa_previa_horas: float = 72.0
    """Weight, in hours, of the population's rate before a customer's own is known. By hand."""

    # --- modelo_online: River's half-space trees (Tan, Ting & Liu, IJCAI 2011) ---
    online_arboles: int = 10
    online_altura: int = 8
    """Trees and their height: River's defaults. The paper's 25 trees cost 2.5 times as much."""
    online_ventana: int = 2000
    """Readings of a partition between two renewals of the masses. By hand: a few hundred customers
    an hour make a window of hours, not of minutes."""
    online_semilla: int = 20_261_124
    """Seed of the trees: one for every partition and process, so that scores can be reproduced."""
    online_aprende_de_anomalias: bool = False
    """Whether it also learns from readings that the blend flags; not, so that an attack that lasts
    does not become what is usual."""

    # --- alert budget ---
    presupuesto: tuple[float, ...] = (300.0, 60.0, 10.0, 4.0)
    """False alarms per 1 000 customers and day that analysts can bear, for baja, media, alta and
    crítica. By hand, 2026-11-24: a baja is a line in a list, and by ``frecuencias`` one detector
    alone gives 144 of them; a crítica is a visit."""
    frecuencia_maxima_puntuacion: float = 1e-6
    """Frequency, per hour, at which the learned blend's score is 1.00: below what a training of a
    thousand customers can tell. By hand, 2026-11-29."""

    # --- severidad (contract 5), in hundredths ---
    umbral_baja: int = 50
    umbral_media: int = 65
    umbral_alta: int = 80
    umbral_critica: int = 90

    # --- suspicion ---
    sospecha_semivida_dias: float = 7.0
    """Days in which evidence loses half its weight. By hand: a week."""
    sospecha_entra: float = 0.02
    """Evidence at which a customer comes under suspicion: about 5 critical hours in a day."""
    sospecha_sale: float = 0.007
    """Evidence below which suspicion ends."""

    def frecuencias_presupuesto(self) -> tuple[float, ...]:
        """Return how often, per hour, clean readings may reach each severidad, and 1.00.

        Examples
        --------
        >>> [f"{f:.1e}" for f in Params().frecuencias_presupuesto()]
        ['1.6e-02', '3.1e-03', '5.8e-04', '1.7e-04', '1.0e-06']
        """
        horas = 1_000 * 24
        desde = range(len(self.presupuesto))
        return (
            *(sum(self.presupuesto[k:]) / horas for k in desde),
            self.frecuencia_maxima_puntuacion,
        )


@dataclass(frozen=True, slots=True)
class Calibracion:
    """How a detector's excess over its threshold becomes a frequency; each class names its own.

    A value ``exceso`` times the threshold is expected ``tasa * exceso ** -alfa`` times an hour:
    a Pareto tail, which fits the tails of household consumption well beyond 3 sigma.
    """

    tasa: float  # how often an ordinary customer passes the threshold, per hour
    alfa: float  # exponent of the tail
    # For the first three detectors, whose rate is learnt from the customer's own past: share of the
    # hours in which they have a say. Their frequencies are counted in those hours.
    fraccion: float
    peso: float  # weight in the blend, 0 to 1: how far this detector alone can raise the alarm
