# reelhouse with its table engine; docs/docker.md says how to use it. The image holds no data and no token.
FROM python:3.13-slim AS build
WORKDIR /src
COPY locks/lake.txt locks/lake.txt
RUN python -m venv /opt/reelhouse \
 && /opt/reelhouse/bin/pip install --no-cache-dir --require-hashes -r locks/lake.txt
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY src src
RUN /opt/reelhouse/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
RUN useradd --uid 1000 --create-home --shell /usr/sbin/nologin reelhouse && install -d -o reelhouse /data
COPY --from=build /opt/reelhouse /opt/reelhouse
ENV PATH=/opt/reelhouse/bin:$PATH REELHOUSE_SPOOL=/data/spool
USER reelhouse
# reelhouse.toml and ./lake are here.
WORKDIR /data
VOLUME /data
ENTRYPOINT ["reelhouse"]
CMD ["--help"]
