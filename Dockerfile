# The server for one machine. Its build context is the folder dist/:
#   npm ci && npm run build && docker build --tag longshore --file Dockerfile dist
#   docker run --publish 5000:5000 --volume longshore:/data longshore
# (server/Dockerfile is the relay of a deployment on AWS.)
#
# The base image contains Node and the libraries that it links to, but no shell and no package manager. Another base image must have
# Node 22.13 or newer at /nodejs/bin/node.
ARG BASE=gcr.io/distroless/nodejs24-debian12
FROM ${BASE}
WORKDIR /app
COPY . .
# A new volume at /data starts as a copy of this folder, with its owner.
COPY --chown=65532:65532 data /data
ENV NODE_ENV=production LONGSHORE_DATA=/data LONGSHORE_HOST=0.0.0.0 LONGSHORE_LOG=json
USER 65532:65532
VOLUME /data
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/nodejs/bin/node", "/app/health.js"]
# Node is process 1 and stops on SIGTERM. Give it more time than --shutdown: docker stop --time 15.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/nodejs/bin/node", "/app/longshore.js"]
CMD ["serve"]
