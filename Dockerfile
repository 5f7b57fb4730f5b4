# The server on one machine. Its context is the folder dist/:
#   npm ci && npm run build && docker build --tag longshore --file Dockerfile dist
#   docker run --publish 5000:5000 --volume longshore:/data longshore
# (server/Dockerfile is the relay of a deployment on AWS.)
#
# The base has Node and the libraries that Node links to, and nothing else: no shell, no package manager. Another base must have Node
# 22.13 or newer at /nodejs/bin/node.
ARG BASE=gcr.io/distroless/nodejs24-debian12
FROM ${BASE}
WORKDIR /app
COPY . .
# A volume that is made here begins as a copy of this folder, and belongs to its owner.
COPY --chown=65532:65532 data /data
ENV NODE_ENV=production LONGSHORE_DATA=/data LONGSHORE_HOST=0.0.0.0 LONGSHORE_LOG=json
USER 65532:65532
VOLUME /data
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/nodejs/bin/node", "/app/health.js"]
# Node is process 1 and stops at SIGTERM by itself. Give it longer than --shutdown: docker stop --time 15.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/nodejs/bin/node", "/app/longshore.js"]
CMD ["serve"]
