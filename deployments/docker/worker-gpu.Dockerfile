# Worker of the pool `gpu`. PyTorch from the package index brings CUDA itself, so the image needs no CUDA base; the
# driver comes from the machine, through the NVIDIA container toolkit.
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
# spandrel asks for torchvision, of which Sakuga has the three lines that it uses
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --constraint constraints.txt \
        --editable ".[production,torch]" \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --constraint constraints.txt \
        --no-deps spandrel einops \
    && /opt/venv/bin/python -c "import torch; assert torch.version.cuda, 'this PyTorch has no CUDA'"


FROM python:3.11.13-slim-bookworm

RUN useradd --uid 1001 --create-home sakuga \
    && install -d -o sakuga -g sakuga /data/sakuga /data/sakuga/models
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/sakuga /opt/sakuga
COPY prefect.yaml /opt/sakuga/prefect.yaml
RUN /opt/venv/bin/python -m compileall -q /opt/sakuga \
    && /opt/venv/bin/sakuga --help >/dev/null

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    SAKUGA_HOME=/data/sakuga
USER 1001
WORKDIR /opt/sakuga
VOLUME /data/sakuga
EXPOSE 8080
CMD ["prefect", "worker", "start", "--type", "process", "--with-healthcheck", "--pool", "gpu", "--limit", "1"]
