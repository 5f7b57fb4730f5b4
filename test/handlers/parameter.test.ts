import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { SignatureV4 } from '@smithy/signature-v4'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { readParameter, sign } from '../../lambda/handlers/parameter.ts'
import { Sha256 } from '../support/sha256.ts'

const KEYS = { accessKeyId: 'id', secretAccessKey: 'key', sessionToken: 'token' }

describe('the signature', () => {
  const word = fc.stringMatching(/^[A-Za-z0-9/+]{1,40}$/)
  const credentials = fc.record(
    { accessKeyId: word, secretAccessKey: word, sessionToken: word },
    { requiredKeys: ['accessKeyId', 'secretAccessKey'] },
  )
  const now = fc.date({ min: new Date('2020-01-01'), max: new Date('2099-12-31'), noInvalidDate: true })

  it("is the SDK's", async () => {
    await fc.assert(
      fc.asyncProperty(credentials, now, fc.string(), async (credentials, now, body) => {
        const url = new URL('https://ssm.eu-central-1.amazonaws.com')
        const scope = { credentials, region: 'eu-central-1', service: 'ssm', now }
        const { authorization, 'content-length': _, ...headers } = sign(url, body, scope)
        const signer = new SignatureV4({ ...scope, sha256: Sha256, applyChecksum: false })
        const theirs = await signer.sign(
          { method: 'POST', protocol: 'https:', hostname: url.hostname, path: '/', query: {}, headers, body },
          { signingDate: now },
        )
        expect(authorization).toBe(theirs.headers.authorization)
      }),
    )
  })
})

describe('a parameter', () => {
  let answers: [status: number, body: string][] = []
  const asked: { headers: IncomingMessage['headers']; body: unknown }[] = []
  const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    asked.push({ headers: request.headers, body: JSON.parse(await text(request)) })
    const [status, body] = answers.shift() ?? [500, '{}']
    response.writeHead(status).end(body)
  })
  const read = () =>
    readParameter(
      {
        name: '/a/b',
        region: 'eu-central-1',
        endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      },
      async () => KEYS,
    )
  const found = (value: string): [number, string] => [200, JSON.stringify({ Parameter: { Value: value } })]

  beforeAll(() => once(server.listen(0, '127.0.0.1'), 'listening'))
  afterAll(() => void server.close())
  beforeEach(() => void asked.splice(0))

  it('is asked for deciphered, by its name', async () => {
    answers = [found('väl')]
    expect(await read()).toBe('väl')
    expect(asked).toEqual([
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

  it('is asked for again when SSM is busy, or says nothing that makes sense', async () => {
    answers = [[400, '{"__type":"ThrottlingException"}'], [500, '<html>'], found('value')]
    expect(await read()).toBe('value')
  })

  it('is not asked for for ever, and the error says what SSM said', async () => {
    answers = Array.from({ length: 9 }, () => [400, '{"__type":"AccessDeniedException"}'] as [number, string])
    await expect(read()).rejects.toThrow('SSM does not tell /a/b: 400 AccessDeniedException')
    expect(asked).toHaveLength(4)
  })
})
