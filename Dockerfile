# The engine alone on Debian slim: the binary, OpenSSL's libraries, CA certificates.
#   docker build --tag gristmill .                    # the target `release`
#   docker build --target dev --tag gristmill:dev .   # a place to build and test in
#   docker run --rm --volume "$PWD:/build" gristmill:dev cargo test

# What the dependencies are built from, so that they are a layer of their own: they, the Kafka client among them, are built again
# only when a manifest changes. Benches and tests are not copied, so the manifest must not name them here.
FROM rust:1-bookworm AS manifests
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY perf/Cargo.toml perf/
RUN sed -i '/^\[\[bench\]\]/,/^$/d; /^\[\[test\]\]/,/^$/d; /^\[\[example\]\]/,/^$/d' Cargo.toml perf/Cargo.toml \
    && mkdir -p src perf/src \
    && echo '//! Nothing yet.' > src/lib.rs \
    && cp src/lib.rs perf/src/lib.rs \
    && printf '//! Nothing yet.\nfn main() {}\n' > src/main.rs

# The toolchain, what the tests on a real broker need, and the dependencies, built. A checkout is mounted over /build.
FROM manifests AS dev
ENV CARGO_TARGET_DIR=/target
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends maven openjdk-17-jdk-headless \
    && rm -rf /var/lib/apt/lists/* \
    && if ! cargo clippy --version; then rustup component add clippy rustfmt; fi
RUN cargo build --locked --package gristmill
CMD ["cargo", "test", "--locked"]

FROM manifests AS build
# zlib is linked in, so that the image needs no package for it.
# Debug sections are four fifths of the binary; names for backtraces stay.
ENV LIBZ_SYS_STATIC=1 CARGO_PROFILE_RELEASE_STRIP=debuginfo
# An arm64 kernel may have pages of 64 KiB, and the allocator has to know the largest when it is built.
RUN if [ "$(uname -m)" = aarch64 ]; then export JEMALLOC_SYS_WITH_LG_PAGE=16; fi \
    && cargo build --release --locked --package gristmill
COPY src src
COPY contracts contracts
# `gristmill alerts` prints them.
COPY deploy/prometheus/alerts.yml deploy/prometheus/
ARG REVISION=""
# The files' times are the context's, perhaps older than the build above.
RUN if [ "$(uname -m)" = aarch64 ]; then export JEMALLOC_SYS_WITH_LG_PAGE=16; fi \
    && touch src/lib.rs src/main.rs \
    && GRISTMILL_REVISION="$REVISION" cargo build --release --locked --package gristmill \
    && target/release/gristmill --version

FROM debian:bookworm-slim AS release
# Security updates of these are wanted, so no version is pinned.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libssl3 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /build/target/release/gristmill /usr/local/bin/gristmill
ARG VERSION="0.1.0"
ARG REVISION=""
LABEL org.opencontainers.image.title="gristmill" \
      org.opencontainers.image.description="Moves JSON events between Kafka topics: checks, enriches, dead-letters what fails" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
# Probes and scrapes come from outside the container.
ENV GRISTMILL_HTTP_ADDR=0.0.0.0:9090
EXPOSE 9090
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["gristmill", "healthcheck"]
ENTRYPOINT ["gristmill"]
CMD ["run"]
