# The service: API and runner of jobs are the same image with another command.
# syntax is plain, so that any builder reads it.

FROM python:3.11-slim AS build
WORKDIR /build
RUN python -m venv /opt/tcn
# The CPU build of torch comes first: the default one brings gigabytes of CUDA libraries.
ARG TORCH_ARGS=""
COPY constraints.txt .
RUN /opt/tcn/bin/pip install --no-cache-dir -c constraints.txt ${TORCH_ARGS} torch
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY tcn tcn
COPY service service
RUN /opt/tcn/bin/pip install --no-cache-dir -c constraints.txt ".[service,postgres]"

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin tcn \
    && mkdir -p /data/models \
    && chown -R tcn /data
COPY --from=build /opt/tcn /opt/tcn
USER 10001
WORKDIR /data
ENV PATH=/opt/tcn/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OMP_NUM_THREADS=1 \
    TCN_HOST=0.0.0.0 \
    TCN_STORE=/data/models \
    TCN_LOG_FORMAT=json
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/ready', timeout=4)"]
CMD ["python", "-m", "service"]
