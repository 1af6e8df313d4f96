"""Every verb on the command line: Spanish help, a Spanish line per error, status by contract."""

from __future__ import annotations

import argparse
import errno
import io
import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn

from detection.errors import ConfiguracionError, ConsumoError

if TYPE_CHECKING:
    from serving.settings import Settings

HECHO = 0
FALLO = 1
MAL_USO = 2
INTERRUMPIDO = 130
"""128 + SIGINT, as shells report a Ctrl-C."""

SIN_SITIO = frozenset({errno.ENOSPC, errno.EDQUOT})
_DICHO = dict.fromkeys(SIN_SITIO, "no queda sitio en el disco") | {
    errno.ENOENT: "no existe",
    errno.ENOTDIR: "no existe",
    errno.EISDIR: "es una carpeta",
    errno.EACCES: "no hay permiso",
    errno.EPERM: "no hay permiso",
}

_TRADUCCIONES = (
    (r"the following arguments are required: (.*)", r"faltan argumentos: \1"),
    (r"unrecognized arguments: (.*)", r"argumentos desconocidos: \1"),
    (r"one of the arguments (.*) is required", r"hace falta uno de: \1"),
    (r"argument (\S+): not allowed with argument (\S+)", r"\1 no se admite junto a \2"),
    (r"argument (\S+): expected one argument", r"\1 necesita un valor"),
    (r"argument (.+?): invalid choice: (.+?) \(choose from (.*)\)", r"\1: \2 no vale; elija \3"),
    (r"argument (.+?): invalid \w+ value: (.*)", r"\1: valor no válido: \2"),
    (r"argument (.+?): (.*)", r"\1: \2"),
    (r"ambiguous option: (\S+) could match (.*)", r"opción ambigua \1; puede ser \2"),
)


class Parser(argparse.ArgumentParser):
    """An argument parser that speaks Spanish and leaves with status 2 on wrong usage."""

    def __init__(self, prog: str, descripcion: str) -> None:
        super().__init__(prog=prog, description=descripcion, add_help=False, allow_abbrev=False)
        self._optionals.title = "opciones"
        self._positionals.title = "argumentos"
        self.add_argument("-h", "--help", action="help", help="muestra esta ayuda y termina")

    def format_usage(self) -> str:
        """Return the usage line, in Spanish."""
        return super().format_usage().replace("usage:", "uso:", 1)

    def format_help(self) -> str:
        """Return the help text, in Spanish."""
        return super().format_help().replace("usage:", "uso:", 1)

    def error(self, message: str) -> NoReturn:
        """Print the usage and one Spanish line, and leave with status 2."""
        for patron, texto in _TRADUCCIONES:
            if re.fullmatch(patron, message):
                message = re.sub(patron, texto, message)
                break
        self.print_usage(sys.stderr)
        self.exit(MAL_USO, f"error: {message}\n")

    def start(self, argv: Sequence[str]) -> tuple[argparse.Namespace, Settings]:
        """Return what is asked and this process's settings, by which its log is set up."""
        from serving.logs import configure_logs
        from serving.settings import load_settings

        opciones = self.parse_args(argv)
        settings = load_settings()
        configure_logs(settings.nivel_log)
        return opciones, settings


def entero(minimo: int, maximo: int | None = None) -> Callable[[str], int]:
    """Return an argument type: a whole number between two limits, both included."""

    def convertir(texto: str) -> int:
        try:
            valor = int(texto)
        except ValueError:
            raise argparse.ArgumentTypeError(f"«{texto}» no es un número entero") from None
        if valor < minimo or (maximo is not None and valor > maximo):
            hasta = "" if maximo is None else f" y el máximo {maximo}"
            raise argparse.ArgumentTypeError(f"el mínimo es {minimo}{hasta}; se dio {valor}")
        return valor

    return convertir


def greater_than(minimo: float) -> Callable[[str], float]:
    """Return an argument type: a finite number greater than ``minimo``."""

    def convertir(texto: str) -> float:
        try:
            valor = float(texto)
        except ValueError:
            raise argparse.ArgumentTypeError(f"«{texto}» no es un número") from None
        if not minimo < valor < float("inf"):
            raise argparse.ArgumentTypeError(f"ha de ser mayor que {minimo:g}; se dio {texto}")
        return valor

    return convertir


def describe_os(error: OSError) -> str:
    """Return what the system says of a file, in Spanish where it matters most.

    Examples
    --------
    >>> describe_os(OSError(errno.ENOSPC, "No space left on device"))
    'no queda sitio en el disco'
    """
    return _DICHO.get(error.errno or 0) or error.strerror or str(error)


def never_fail_to_print() -> None:
    """Make both outputs write a mark for what their encoding lacks, in place of an error."""
    for salida in (sys.stdout, sys.stderr):
        if isinstance(salida, io.TextIOWrapper) and salida.errors in {"strict", "surrogateescape"}:
            salida.reconfigure(errors="replace")


def run(main: Callable[[Sequence[str]], int], argv: Sequence[str] | None = None) -> int:
    """Return the exit status of a verb: 0 done, 1 failed, 2 wrong usage, 130 Ctrl-C.

    Our own errors become one Spanish line on standard error; anything else is a
    defect and keeps its traceback.
    """
    never_fail_to_print()
    try:
        return main(sys.argv[1:] if argv is None else argv)
    except ConfiguracionError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return MAL_USO
    except ConsumoError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return FALLO
    except BrokenPipeError:
        # The reader of our output has left (``| head``): nobody is there to tell.
        sys.stderr.close()
        return FALLO
    except OSError as error:
        if error.errno not in SIN_SITIO:
            raise
        donde = f": {error.filename}" if error.filename else ""
        print(f"error: {describe_os(error)}{donde}", file=sys.stderr)  # noqa: T201
        return FALLO
    except KeyboardInterrupt:
        print("interrumpido", file=sys.stderr)  # noqa: T201
        return INTERRUMPIDO
