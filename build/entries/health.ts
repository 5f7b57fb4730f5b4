import { get as getHttp } from 'node:http'
import { get as getHttps } from 'node:https'

/*
 * The health check of the container image. It sends a request to the server in the same container, and finds its port
 * and TLS in the server's environment variables. A server whose port or certificate is set by flags needs another
 * health check.
 */

const { LONGSHORE_PORT = '5000', LONGSHORE_TLS_CERT } = process.env
const target = { host: '127.0.0.1', port: LONGSHORE_PORT, path: '/healthz', timeout: 4_000 }

const request = LONGSHORE_TLS_CERT
  ? // The certificate is for the registry's host name, not for this address.
    getHttps({ ...target, rejectUnauthorized: false }, ({ statusCode }) => end(statusCode === 200))
  : getHttp(target, ({ statusCode }) => end(statusCode === 200))
request.on('timeout', () => end(false)).on('error', () => end(false))

function end(isHealthy: boolean): never {
  process.exit(isHealthy ? 0 : 1)
}
