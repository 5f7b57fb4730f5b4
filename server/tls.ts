import { readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { Server as TlsServer } from 'node:https'
import { createSecureContext } from 'node:tls'
import { errorReason, StartError } from './start-error.ts'

/** A certificate chain and its private key, as PEM. */
export interface Certificate {
  readonly cert: Buffer
  readonly key: Buffer
}

/** Paths of the two files. */
interface CertificateFiles {
  readonly cert: string
  readonly key: string
}

/**
 * Reads a certificate.
 * @throws {StartError} when a file cannot be read, is not PEM, or the key does not match the certificate
 */
export function readCertificate(files: CertificateFiles): Certificate {
  const certificate = { cert: read('certificate', files.cert), key: read('key', files.key) }
  try {
    createSecureContext(certificate)
  } catch (error) {
    throw new StartError('failure', `cannot use ${files.cert} with ${files.key}: ${errorReason(error)}`)
  }
  return certificate
}

/**
 * Reads the files again and uses the certificate for new connections.
 * @throws {StartError} as {@link readCertificate}; the server keeps the old certificate
 */
export function renewCertificate(server: Server, files: CertificateFiles): void {
  const certificate = readCertificate(files)
  if (server instanceof TlsServer) server.setSecureContext({ ...certificate, minVersion: 'TLSv1.2' })
}

function read(what: string, path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new StartError('failure', `cannot read the TLS ${what}: ${errorReason(error)}`)
  }
}
