# The image that every pool of infra/kubernetes runs. `make image-proof` takes these very steps without
# an engine. A release names the base by its digest: --build-arg BASE=debian:bookworm-slim@sha256:...
ARG BASE=debian:bookworm-slim

# ---- build: compilers and headers stay here -----------------------------------------------------

# hadolint ignore=DL3006
FROM ${BASE} AS build
WORKDIR /comanda
COPY infra/image/system.sh infra/image/
RUN sh infra/image/system.sh build
COPY . .
# Locked packages, pillow-simd for AVX2 (stock Pillow where that cannot be built), stock Pillow beside it.
RUN sh infra/local/setup.sh image && sh infra/image/finish.sh

# ---- serve --------------------------------------------------------------------------------------

# hadolint ignore=DL3006
FROM ${BASE}
WORKDIR /comanda
COPY infra/image/system.sh infra/image/
RUN sh infra/image/system.sh serve
COPY --from=build /comanda /comanda
RUN .venv/bin/python infra/image/sbom.py sbom.json
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD [".venv/bin/python", "infra/image/healthy.py"]
ENTRYPOINT ["sh", "infra/image/entrypoint.sh"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
