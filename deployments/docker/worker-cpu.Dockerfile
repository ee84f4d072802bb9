# Worker of the pool `cpu`: plans, joins, checks, watches folders. It has no PyTorch, so it takes classical filters only.
FROM python:3.11.13-slim-bookworm AS build

WORKDIR /opt/sakuga
RUN python -m venv /opt/venv
COPY constraints.txt pyproject.toml README.md LICENSE NOTICE ./
COPY sakuga sakuga
COPY blocks blocks
COPY tasks tasks
COPY flows flows
COPY deployments deployments
COPY app app
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --constraint constraints.txt \
        --editable ".[production]"


FROM python:3.11.13-slim-bookworm

RUN useradd --uid 1001 --create-home sakuga \
    && install -d -o sakuga -g sakuga /data/sakuga /data/sources
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/sakuga /opt/sakuga
COPY prefect.yaml /opt/sakuga/prefect.yaml
RUN /opt/venv/bin/python -m compileall -q /opt/sakuga \
    && /opt/venv/bin/sakuga --help >/dev/null

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SAKUGA_HOME=/data/sakuga
USER 1001
WORKDIR /opt/sakuga
VOLUME /data/sakuga
EXPOSE 8080
CMD ["prefect", "worker", "start", "--type", "process", "--with-healthcheck", "--pool", "cpu"]
