# Una imagen para todos los procesos de Consumo («consumo VERBO») y otra, la de PostgreSQL con el
# usuario de la aplicación. Sin nada propio de BuildKit: vale cualquier «docker build».

FROM postgres:15.18-bookworm AS postgres
# La imagen oficial haría de POSTGRES_USER un superusuario. Aquí el superusuario es «postgres», y el
# de la aplicación solo es dueño de su base de datos. psql no repite en su salida lo que ejecuta.
RUN printf '%s\n' \
        '\getenv usuario USUARIO_APLICACION' \
        '\getenv clave POSTGRES_PASSWORD' \
        "SELECT format('CREATE ROLE %I LOGIN', :'usuario')" \
        " WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'usuario') \\gexec" \
        "SELECT format('ALTER ROLE %I PASSWORD %L', :'usuario', :'clave') \\gexec" \
        "SELECT format('ALTER DATABASE %I OWNER TO %I', current_database(), :'usuario') \\gexec" \
        > /docker-entrypoint-initdb.d/10-usuario.sql
USER postgres


FROM python:3.11.15-slim-bookworm AS constructor
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONSAFEPATH=1 \
    NUMBA_CACHE_DIR=/app/.numba
WORKDIR /app

# Las versiones exactas, con su huella y ya compiladas: no hay nada que resolver ni que construir.
# Fuera lo que nadie importa: las pruebas de las bibliotecas, cabeceras de C, extensiones de Jupyter.
COPY requirements.lock /tmp/
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --quiet --no-cache-dir --no-compile --disable-pip-version-check \
        --only-binary :all: --no-deps --require-hashes -r /tmp/requirements.lock \
    && cd /opt/venv/lib/python3.11/site-packages \
    && find matplotlib numba numpy pandas pyarrow scipy sklearn statsmodels \
        -depth -type d -name tests -exec rm -rf {} + \
    && rm -rf pyarrow/include jupyterlab_plotly /opt/venv/share/jupyter

# Deja compilado lo que los procesos importan de verdad (un 10 % más; todo sería un 30 %): quien los
# ejecuta no puede escribir aquí, y MLflow y Streamlit arrancarían en el doble de tiempo.
RUN python -W ignore -c "import alembic.command, confluent_kafka, evidently.presets, limits, \
matplotlib.pyplot, mlflow.cli, mlflow.pyfunc, mlflow.server.fastapi_app, mlflow.sklearn, plotly.express, \
pymongo, sklearn.ensemble, streamlit.web.bootstrap, streamlit.web.cli, uvicorn"

COPY consumo.py ./
COPY detection ./detection
COPY serving ./serving
COPY pipeline ./pipeline
COPY training ./training
COPY api ./api
COPY dashboard ./dashboard

# Numba reconoce lo compilado por la fecha de su fuente, y una imagen solo guarda segundos enteros.
RUN find . -name '*.py' -exec touch -d '2026-01-01 00:00:00' {} + \
    && python -m compileall -q . \
    && printf '%s\n' '#!/opt/venv/bin/python' 'import sys' 'from consumo import main' \
        'sys.exit(main())' > /opt/venv/bin/consumo \
    && chmod 755 /opt/venv/bin/consumo

# Compila los bucles para el procesador que construye la imagen (un minuto). En otro distinto los
# compila el primer arranque, y quedan en el contenedor.
RUN python -c "\
from detection.detector import DetectorConsumo; \
from pipeline.streaming.warmup import warm_up; \
from serving.local_time import load_calendario; \
warm_up(DetectorConsumo(load_calendario('Europe/Madrid')))"


FROM python:3.11.15-slim-bookworm AS consumo
# lsof: el diagnóstico de la especificación (docker exec consumo-backend lsof -i :8001).
RUN apt-get update \
    && apt-get install --yes --no-install-recommends lsof \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 consumo \
    && useradd --uid 10001 --gid consumo --create-home --shell /usr/sbin/nologin consumo \
    && install -d -o consumo -g consumo /datos /datos/mlflow /datos/modelos
COPY --from=constructor /opt/venv /opt/venv
COPY --from=constructor /app /app
RUN chown -R consumo:consumo /app/.numba
# PYTHONSAFEPATH: «python producer.py» no pone pipeline/ delante de las bibliotecas.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    NUMBA_CACHE_DIR=/app/.numba
# Aquí están producer.py, consumer.py, aggregator.py, archivador.py y restaurador.py.
WORKDIR /app/pipeline
USER consumo
CMD ["consumo", "--help"]
