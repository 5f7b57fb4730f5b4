import { SignatureV4 } from '@smithy/signature-v4'
import { type Credentials, Sha256 } from '../../../lambda/store/shared/aws-signing.ts'

interface Unsigned {
  readonly method: string
  readonly host: string
  /** Percent-encoded, without a query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

/**
 * Signs a request as origin access control does: the signature replaces the viewer's Authorization header and covers every
 * `x-amz-` header, but not the body, which is streamed.
 */
export async function signForBucket(
  { method, host, path, headers }: Unsigned,
  credentials: Credentials,
  region: string,
): Promise<Record<string, string>> {
  const signer = new SignatureV4({
    service: 's3',
    region,
    credentials,
    sha256: Sha256,
    uriEscapePath: false,
    applyChecksum: false,
  })
  const signed = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-'))
  const { authorization: _, ...others } = headers
  const request = await signer.sign({
    method,
    protocol: 'http:',
    hostname: host,
    path,
    query: {},
    headers: { ...Object.fromEntries(signed), host, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
  })
  return { ...others, ...request.headers }
}
