# The image stellar/hummingbot-connector: the program on a base of one's choice with glibc (a static binary could not load
# a PKCS#11 module). It runs as user 1000, and needs no writable root.
#
#   docker build --build-arg REVISION=$(git rev-parse HEAD) --tag stellar/hummingbot-connector:0.1.0 .
#   docker run --rm --publish 8000:8000 stellar/hummingbot-connector:0.1.0
ARG TOOLCHAIN=docker.io/library/rust:1.95-slim-bookworm
ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${TOOLCHAIN} AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends build-essential ca-certificates \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY benches benches
COPY src src
RUN cargo build --locked --release --bin stellar-connector
# What the image takes, as it lies in it.
RUN strip --strip-debug target/release/stellar-connector \
 && install -D target/release/stellar-connector /image/usr/local/bin/stellar-connector \
 && install -D --mode=644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt \
 && mkdir --parents /state

# Nothing is run in this stage, so that any base will do.
FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="stellar-hummingbot-connector" \
      org.opencontainers.image.description="A low-latency trading engine for Stellar's decentralised exchange" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image/ /
COPY --from=build --chown=1000:1000 /state /var/lib/stellar-connector
USER 1000:1000
WORKDIR /var/lib/stellar-connector
EXPOSE 8000
ENTRYPOINT ["/usr/local/bin/stellar-connector"]
CMD ["demo", "--listen", "0.0.0.0:8000"]
