# A static binary on nothing: no shell, no packages, not root.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/postern ./cmd/postern \
    && mkdir -p /out/data /out/tmp && chmod 0700 /out/data && chmod 1777 /out/tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/postern /usr/bin/postern
COPY --from=build --chown=65532:65532 /out/data /var/lib/postern
COPY --from=build /out/tmp /tmp
USER 65532:65532
ENV POSTERN_DATA=/var/lib/postern
VOLUME /var/lib/postern
# contacts, CRL and OCSP, staff, two-way TLS
EXPOSE 8443 8080 9443 8444
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/usr/bin/postern", "health"]
ENTRYPOINT ["/usr/bin/postern"]
CMD ["serve"]
