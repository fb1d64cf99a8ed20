# The service in a container; docs/service.md has the steps. ENGINE=gpu is for NVIDIA GPUs.
FROM python:3.11.14-slim-bookworm

ARG ENGINE=cpu
# pip reads it: an index beside its own, such as PyTorch's of builds without CUDA.
ARG PIP_EXTRA_INDEX_URL=

WORKDIR /app
COPY LICENSE README.md constraints.txt pyproject.toml ./
COPY api api
COPY blipsearch blipsearch
COPY indexer indexer
COPY migrations migrations
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --disable-pip-version-check --constraint constraints.txt ".[$ENGINE]"

# What is written is in these two; everything else may be read-only.
ENV BLIPSEARCH_LIBRARY=/library HF_HOME=/cache PYTHONDONTWRITEBYTECODE=1
RUN useradd --uid 10001 --no-create-home blipsearch \
    && install --directory --owner blipsearch /library /cache
VOLUME ["/library", "/cache"]
USER 10001

EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD ["python", "-c", \
    "from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["blipsearch"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
