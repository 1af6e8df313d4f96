"""Numbers as Spanish readers write them."""

from __future__ import annotations

_A_LA_ESPANOLA = str.maketrans(",.", ".,")


def numero(valor: float, decimales: int) -> str:
    """Return a number with decimal comma and a dot between thousands.

    Examples
    --------
    >>> numero(1234.5, 1), numero(0.25, 2)
    ('1.234,5', '0,25')
    """
    return f"{valor:,.{decimales}f}".translate(_A_LA_ESPANOLA)


def kwh(valor: float) -> str:
    """Return an amount of energy.

    Examples
    --------
    >>> kwh(1.234), kwh(0.004), kwh(123.4)
    ('1,23 kWh', '0,004 kWh', '123,4 kWh')
    """
    decimales = 1 if valor >= 100 else 2 if valor >= 0.1 or valor == 0 else 3
    return f"{numero(valor, decimales)} kWh"


def kwh_dia(valor: float) -> str:
    """Return how many kWh somebody uses a day, without the unit.

    Examples
    --------
    >>> kwh_dia(8.04), kwh_dia(88.2)
    ('8,0', '88')
    """
    return numero(valor, 0 if valor >= 10 else 1)


def porcentaje(fraccion: float) -> str:
    """Return a fraction as a percentage without decimals.

    Examples
    --------
    >>> porcentaje(1.514)
    '151 %'
    """
    return f"{numero(100 * fraccion, 0)} %"
