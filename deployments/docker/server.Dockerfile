# Prefect's own image with the versions that Sakuga is tested with; its newest FastAPI breaks the server.
FROM prefecthq/prefect:3.8.8-python3.11

WORKDIR /opt/prefect
COPY constraints.txt /opt/prefect/constraints.txt
RUN pip install --no-cache-dir --disable-pip-version-check --constraint constraints.txt \
        "prefect==3.8.8" "prefect-redis==0.3.0" fastapi asyncpg \
    && prefect server start --help >/dev/null \
    && python -c "import prefect.server.api.server, prefect_redis.lease_storage, prefect_redis.ordering" \
    && useradd --uid 1001 --create-home prefect

ENV HOME=/home/prefect \
    PREFECT_HOME=/home/prefect/.prefect \
    PREFECT_SERVER_UI_STATIC_DIRECTORY=/tmp/prefect-ui
USER 1001
WORKDIR /home/prefect
