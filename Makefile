# Todo lo que hace falta es Python 3.11 o posterior y make: cada orden prepara .venv la primera vez.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RIVALES := .venv-rivales
ARGS ?=
# Procesos de prueba a la vez, cada uno con sus propios servidores; en dos núcleos caben tres, que
# esperan mucho.
HILOS ?= 3

.DEFAULT_GOAL := help
.PHONY: help install demo servicios test test-fallos lint auditoria format bench bench-ahorro bench-archivo bench-api \
	bench-escala bench-tablero bench-curvas bench-arranque rivales soak calidad calidad-larga cuadernos base lock clean

help:  ## muestra esta ayuda
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.listo  ## prepara .venv con las versiones exactas del cerrojo

$(VENV)/.listo: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: hace falta Python 3.11 o posterior (PYTHON=... make ...)" >&2; exit 1; }
	@echo "Preparando .venv (una sola vez)..." >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ echo "error: falta el módulo venv de Python (en Debian: apt install python3-venv)" >&2; exit 1; }
	@# El cerrojo está completo: pip no tiene nada que resolver.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: install  ## todo en esta máquina, con datos (ARGS="--una-vez")
	@$(BIN)/consumo demo $(ARGS)

servicios: install  ## solo PostgreSQL, MongoDB y Kafka embebidos, vacíos
	@$(BIN)/consumo servicios $(ARGS)

test: install  ## pasa las pruebas (ARGS="tests/detection -x")
	@# Un núcleo por proceso de prueba: dos que se reparten los mismos se estorban.
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(HILOS) \
		--dist loadfile --no-loadscope-reorder $(ARGS)

test-fallos: install  ## mata servidores y corta redes: las pruebas lentas (ARGS="-k mongo")
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m lenta tests $(ARGS)

lint: install  ## ruff, mypy y bandit
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/bandit --quiet --configfile pyproject.toml --confidence-level medium --recursive \
		consumo.py detection serving pipeline training api dashboard

auditoria: install  ## busca vulnerabilidades conocidas de lo que se instala (hace falta Internet)
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes --requirement requirements.lock || { \
		echo "error: hay vulnerabilidades, o no se ha podido preguntar por todos los paquetes" >&2; exit 1; }

format: install  ## da formato al código
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: install rivales  ## mide lo que se usa junto a otras formas de hacerlo, y cada parte (ARGS="--rapido")
	@$(BIN)/python tests/bench/cadena.py $(ARGS)

rivales: install  ## prepara .venv-rivales: las bibliotecas con que compara make bench, que no son del producto
	@# Lo que no se puede instalar no se mide, y el banco lo dice.
	@test -e $(RIVALES)/.listo || { echo "Preparando $(RIVALES) (una sola vez)..." >&2; rm -rf $(RIVALES); \
		$(PYTHON) -m venv $(RIVALES) && $(RIVALES)/bin/python -m pip install --quiet \
		--disable-pip-version-check --no-deps --require-hashes -r tests/bench/requirements-rivales.lock && \
		touch $(RIVALES)/.listo; } || { rm -rf $(RIVALES); \
		echo "aviso: no se pueden instalar Quix Streams y Bytewax: no se miden" >&2; }

calidad: install  ## mide qué se halla en hogares reales con ataques simulados (ARGS="--rapido" o "--desarrollo")
	@$(BIN)/python tests/bench/hogares.py $(ARGS)

calidad-larga: install  ## lo mismo, solo lo que dura meses y los sucesos inocentes (ARGS="--desarrollo")
	@$(BIN)/python tests/bench/hogares.py --solo larga $(ARGS)

cuadernos: install  ## ejecuta los cuadernos y los deja, también en HTML, en .consumo/cuadernos (ARGS="otra/carpeta")
	@mkdir -p $(or $(ARGS),.consumo/cuadernos)
	@$(BIN)/jupyter execute --output="$(abspath $(or $(ARGS),.consumo/cuadernos))/{notebook_name}" notebooks/*.ipynb
	@$(BIN)/python notebooks/html_pages.py $(or $(ARGS),.consumo/cuadernos)/*.ipynb
	@echo "Están en $(or $(ARGS),.consumo/cuadernos): los .html se abren con el navegador, sin red"

bench-ahorro: install  ## mide los ahorros que promete la especificación, con 438.000 lecturas
	@$(BIN)/python tests/bench/ahorro.py $(ARGS)

bench-archivo: install  ## archiva y restaura diez millones de lecturas: ritmo y memoria (ARGS="--filas N")
	@$(BIN)/python tests/bench/archivo.py $(ARGS)

bench-api: install  ## mide la API: peticiones por segundo y percentiles de cada ruta
	@$(BIN)/python tests/bench/banco_api.py $(ARGS)

bench-escala: install  ## mide qué crece con los clientes y las lecturas, y cuánto hace falta (ARGS="--rapido")
	@$(BIN)/python tests/bench/escala.py $(ARGS)

bench-tablero: install  ## mide cuánto tarda cada página del tablero en enseñar algo
	@$(BIN)/python tests/bench/tablero.py $(ARGS)

bench-curvas: install  ## lee un archivo de contadores de 1 GB: filas por segundo y memoria (ARGS="--megas N")
	@$(BIN)/python tests/bench/curvas.py $(ARGS)

bench-arranque: install  ## mide los arranques: CPU y memoria de la ayuda, de la versión de base y de un consumidor (ARGS="--veces N")
	@$(BIN)/python tests/bench/arranque.py $(ARGS)

soak: install  ## diez minutos de carga constante: memoria, ficheros y atraso (ARGS="--minutos 1")
	@$(BIN)/python tests/bench/aguante.py $(ARGS)

base: install  ## vuelve a aprender la versión de base de los hogares públicos de una carpeta (DATOS=carpeta)
	@$(BIN)/python -m training.base_version --datos "$(DATOS)" --salida serving/base

lock: install  ## vuelve a resolver las versiones (hace falta uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--quiet --output-file requirements.lock pyproject.toml
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--quiet --extra dev --extra embebido --constraint requirements.lock \
		--output-file requirements-dev.lock pyproject.toml
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--quiet --output-file tests/bench/requirements-rivales.lock tests/bench/requirements-rivales.in

clean:  ## borra .venv, .venv-rivales y las cachés; los datos de .consumo se quedan
	rm -rf $(VENV) $(RIVALES) build *.egg-info .ruff_cache .mypy_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.consumo/*' -prune -exec rm -rf {} +
