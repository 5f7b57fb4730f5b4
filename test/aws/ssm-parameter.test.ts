import { createHash, createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { serviceUrl } from '../../lambda/aws/signed-request.ts'
import { readSsmParameter } from '../../lambda/aws/ssm-parameter.ts'

const CREDENTIALS = { accessKeyId: 'id', secretAccessKey: 'key', sessionToken: 'token' }

/** Computes Signature Version 4 from its specification, independently of the SDK that the code under test uses. */
function signatureOf(headers: IncomingMessage['headers'], body: string): string {
  const [, scope = '', names = ''] =
    /^AWS4-HMAC-SHA256 Credential=id\/([^,]+), SignedHeaders=([^,]+),/.exec(headers.authorization ?? '') ?? []
  const hash = (text: string) => createHash('sha256').update(text).digest('hex')
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text)
  const lines = names.split(';').map(name => `${name}:${headers[name]}\n`)
  const request = `POST\n/\n\n${lines.join('')}\n${names}\n${hash(body)}`
  const key = scope.split('/').reduce<string | Buffer>((key, part) => hmac(key, part).digest(), 'AWS4key')
  return hmac(key, `AWS4-HMAC-SHA256\n${headers['x-amz-date']}\n${scope}\n${hash(request)}`).digest('hex')
}

describe('readSsmParameter', () => {
  let responses: [status: number, body: string][] = []
  const requests: { headers: IncomingMessage['headers']; body: unknown }[] = []
  const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    requests.push({ headers: request.headers, body: JSON.parse(await text(request)) })
    const [status, body] = responses.shift() ?? [500, '{}']
    response.writeHead(status).end(body)
  })
  const read = () =>
    readSsmParameter(
      {
        name: '/a/b',
        region: 'eu-central-1',
        endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      },
      async () => CREDENTIALS,
    )
  const found = (value: string): [number, string] => [200, JSON.stringify({ Parameter: { Value: value } })]

  beforeAll(() => once(server.listen(0, '127.0.0.1'), 'listening'))
  afterAll(() => void server.close())
  beforeEach(() => void requests.splice(0))

  it('requests a decrypted parameter by its name', async () => {
    responses = [found('väl')]
    expect(await read()).toBe('väl')
    expect(requests).toEqual([
      {
        headers: expect.objectContaining({
          'content-type': 'application/x-amz-json-1.1',
          'x-amz-target': 'AmazonSSM.GetParameter',
          'x-amz-security-token': 'token',
        }),
        body: { Name: '/a/b', WithDecryption: true },
      },
    ])
  })

  it.each([
    ['eu-central-1', 'https://ssm.eu-central-1.amazonaws.com'],
    ['cn-north-1', 'https://ssm.cn-north-1.amazonaws.com.cn'],
    ['us-gov-west-1', 'https://ssm.us-gov-west-1.amazonaws.com'],
    ['eusc-de-east-1', 'https://ssm.eusc-de-east-1.amazonaws.eu'],
  ])('uses the endpoint of SSM in the partition of the region: %s', (region, url) => {
    expect(serviceUrl('ssm', region)).toBe(url)
  })

  it('signs host, time, session token, target and body', async () => {
    responses = [found('value')]
    await read()
    const [{ headers, body } = { headers: {}, body: '' }] = requests
    expect(headers.authorization).toMatch(
      /^AWS4-HMAC-SHA256 Credential=id\/\d{8}\/eu-central-1\/ssm\/aws4_request, SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token;x-amz-target, Signature=/,
    )
    expect(headers.authorization).toMatch(
      new RegExp(`Signature=${signatureOf(headers, JSON.stringify(body))}$`),
    )
  })

  it('retries when SSM throttles the request or sends an invalid response', async () => {
    responses = [[400, '{"__type":"ThrottlingException"}'], [500, '<html>'], found('value')]
    expect(await read()).toBe('value')
  })

  it('fails after four attempts with the status and error type of SSM', async () => {
    responses = Array.from(
      { length: 9 },
      () => [400, '{"__type":"AccessDeniedException"}'] as [number, string],
    )
    await expect(read()).rejects.toThrow('SSM did not return the parameter /a/b: 400 AccessDeniedException')
    expect(requests).toHaveLength(4)
  })
})
