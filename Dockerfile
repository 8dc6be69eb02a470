# syntax=docker/dockerfile:1
# Two images, each with one program and nothing to log in to:
#   docker build --target controller -t external-secrets-rs/controller:0.1.0 .
#   docker build --target webhook    -t external-secrets-rs/webhook:0.1.0 .

# Static programs need no libc in the image. AWS-LC needs a C compiler that knows the same libc.
FROM rust:1.95-bookworm AS source
# What rust-toolchain.toml asks for beyond the compiler is for development.
ENV RUSTUP_TOOLCHAIN=1.95.0
RUN apt-get update && apt-get install --yes --no-install-recommends musl-tools \
    && rustup target add "$(uname -m)-unknown-linux-musl"
WORKDIR /src
COPY . .

FROM source AS build-controller
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --locked --target "$(uname -m)-unknown-linux-musl" --profile dist --package controller --bin controller \
    && install -D target/*-unknown-linux-musl/dist/controller /out/controller

FROM source AS build-webhook
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --locked --target "$(uname -m)-unknown-linux-musl" --profile dist-webhook --package webhook --bin webhook \
    && install -D target/*-unknown-linux-musl/dist-webhook/webhook /out/webhook

# CA certificates and time zones; no libc, no shell. Nothing is written, so that the root can be read-only.
FROM gcr.io/distroless/static-debian12:nonroot AS base
# As a number, so that the kubelet can tell that it isn't root.
USER 65532:65532

FROM base AS webhook
COPY --from=build-webhook /out/webhook /webhook
EXPOSE 10250 8080 8081
ENTRYPOINT ["/webhook"]

FROM base AS controller
COPY --from=build-controller /out/controller /controller
EXPOSE 8080 8082
ENTRYPOINT ["/controller"]
