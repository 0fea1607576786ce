# vpcedns in an image of its own: one static binary, no shell, not root.
#
#   docker build -t vpcedns .
#   docker run --rm -p 5300:53/udp -p 5300:53/tcp -v ./zones:/etc/vpcedns/zones:ro vpcedns

# cargo, rustc and a C linker; another image with the same can be named with --build-arg BUILDER=...
ARG BUILDER=rust:1-slim-bookworm

FROM ${BUILDER} AS build
# `e2e` builds in half of the time and gives a program that is a few percent slower
ARG PROFILE=dist
WORKDIR /src
COPY . .
# Static, so that the final image needs no libc. The explicit --target keeps the flag from build scripts and
# macros, which cannot be built with it.
RUN set -e; \
    triple=$(rustc -vV | sed -n 's/^host: //p'); \
    RUSTFLAGS="-C target-feature=+crt-static -C strip=debuginfo" cargo build --profile "$PROFILE" --locked --bin vpcedns --target "$triple"; \
    cp "target/$triple/$PROFILE/vpcedns" /vpcedns

FROM scratch
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="vpcedns" \
    org.opencontainers.image.description="The private-DNS resolver for VPC interface endpoints (AWS PrivateLink)" \
    org.opencontainers.image.licenses="MIT OR Apache-2.0" \
    org.opencontainers.image.version="${VERSION}"
COPY --from=build /vpcedns /vpcedns
# which crates it is made of (CycloneDX)
COPY deploy/sbom.cdx.json /usr/share/doc/vpcedns/sbom.cdx.json
# the example, until yours is mounted over it
WORKDIR /etc/vpcedns
COPY deploy/docker/zones zones
ENV VPCEDNS_LISTEN=0.0.0.0:53 \
    VPCEDNS_HTTP=127.0.0.1:8053
EXPOSE 53/udp 53/tcp
# "nobody" by number: there is no /etc/passwd here. Port 53 is open to it, as Docker lets every user of a container
# bind low ports (net.ipv4.ip_unprivileged_port_start=0).
USER 65534:65534
HEALTHCHECK --interval=5s --timeout=2s --start-period=5s --retries=3 CMD ["/vpcedns", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/vpcedns"]
CMD ["serve"]
