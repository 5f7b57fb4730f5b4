import { describe, expect, it } from 'vitest'
import { bodyOf, headersOf, targetOf, toEdgeHeaders, toEdgeRequest } from '../../support/edge-event.ts'
import { EdgeFunction, EdgeViolation } from '../../support/edge-function.ts'

async function written(body: string, imports = "import cf from 'cloudfront'\nimport crypto from 'crypto'\n") {
  return new EdgeFunction(`${imports}async function handler(event) {\n${body}\n}\n`)
}

const request = toEdgeRequest('GET', '/a?b=c', [['Host', 'r.example']])
const response = { statusCode: 200, headers: toEdgeHeaders([['Via', '1.1 a']]) }

describe('the emulated runtime of CloudFront Functions', () => {
  it.each([
    ['changes a read-only header', "event.request.headers.host = { value: 'x' }"],
    ['deletes a read-only header', 'delete event.request.headers.host'],
    ['adds a read-only header', "event.request.headers['content-length'] = { value: '1' }"],
    ['adds a disallowed header', "event.request.headers['x-amz-cf-id'] = { value: '1' }"],
    ['adds a header in upper case', "event.request.headers.Range = { value: '1' }"],
    ['adds a header of two lines', "event.request.headers.a = { value: 'a\\r\\nb: c' }"],
    ['adds a header that is a number', 'event.request.headers.a = { value: 1 }'],
    ['changes the method', "event.request.method = 'PUT'"],
    ['drops the first slash', "event.request.uri = 'a'"],
    ['makes the uri too long', "event.request.uri = '/' + 'a'.repeat(9000)"],
    ['selects an origin that does not exist', "cf.selectRequestOriginById('elsewhere')"],
  ])('fails a viewer-request function that %s', async (_, statement) => {
    const edge = await written(`${statement}\nreturn event.request`)

    await expect(edge.viewerRequest(request)).rejects.toThrow(EdgeViolation)
  })

  it.each([
    ['changes a read-only header', "event.response.headers.via = { value: 'x' }"],
    ['adds a disallowed header', "event.response.headers['x-cache'] = { value: 'Hit' }"],
    ['sets a status that is not a number', "event.response.statusCode = '201'"],
    ['returns the request', 'return event.request'],
  ])('fails a viewer-response function that %s', async (_, statement) => {
    const edge = await written(`${statement}\nreturn event.response`)

    await expect(edge.viewerResponse(request, response)).rejects.toThrow(EdgeViolation)
  })

  it('rejects a viewer-response event with a status of 400 or above', async () => {
    const edge = await written('return event.response')

    await expect(edge.viewerResponse(request, { ...response, statusCode: 400 })).rejects.toThrow(
      EdgeViolation,
    )
  })

  it('rejects a file that is too large', async () => {
    await expect(written(`//${'a'.repeat(10_000)}`)).rejects.toThrow(EdgeViolation)
  })

  /** Whether the runtime evaluates an expression without an error. */
  async function isOffered(expression: string): Promise<boolean> {
    const edge = await written(
      `try { (() => ${expression})() } catch (e) { return event.request }
       return { statusCode: 200, headers: {} }`,
    )
    return 'response' in (await edge.viewerRequest(request))
  }

  it.each([
    'process',
    'require',
    'fetch',
    'setTimeout',
    'URL',
    'URLSearchParams',
    'Map',
    'Set',
    'structuredClone',
    'new Function("return 1")()',
    'eval("1")',
    '"abc".charCodeAt(0)',
    '"abc".at(0)',
    '[[1]].flat()',
    'Array.from("a")',
    'Object.fromEntries([])',
    'crypto.timingSafeEqual(a, a)',
    'crypto.randomUUID()',
    "crypto.createHash('sha512')",
    "crypto.createHash('sha256').digest('latin1')",
    'cf.fetch()',
  ])('does not offer %s', async expression => {
    expect(await isOffered(expression)).toBe(false)
  })

  it.each([
    '"abc".codePointAt(0)',
    '["a"].includes("a")',
    'Object.assign({}, undefined)',
    '/a(?<b>b)/.exec("ab")',
    "Buffer.from('00', 'hex').toString('base64')",
    "crypto.createHmac('sha256', 'a').update('b').digest('base64url')",
    'cf.kvs.length',
    'console.log("a")',
  ])('offers %s', async expression => {
    expect(await isOffered(expression)).toBe(true)
  })

  it('offers only the modules cloudfront and crypto', async () => {
    const edge = await written('return event.request', "import fs from 'fs'\n")

    await expect(edge.viewerRequest(request)).rejects.toThrow('no module fs')
  })

  it.each([
    ['sets a global', 'globalThis.calls = 1', 'globalThis.calls'],
    ['replaces a global', 'globalThis.JSON = 1', 'JSON === 1'],
    ['replaces an object of the runtime', 'globalThis.Buffer = 1', 'Buffer === 1'],
    ['changes a module variable', 'calls++', 'calls'],
    ['changes an object', 'Math.calls = 1', 'Math.calls'],
    ['changes a prototype', 'Array.prototype.calls = 1', '[].calls'],
    ['leaves the position of a pattern', 'pattern.test("aa")', 'pattern.lastIndex'],
  ])('starts the next call in the original state when a function %s', async (_, change, left) => {
    const edge = await written(
      `let found = ${left} || "nothing"
       try { ${change} } catch (e) { found = found + " and an error" }
       return { statusCode: 200, headers: {}, body: found }`,
      'let calls = 0\nconst pattern = /a/g\n',
    )

    const first = await edge.viewerRequest(request)
    const second = await edge.viewerRequest(request)

    expect(first).toHaveProperty('response.body', expect.stringMatching(/^nothing/))
    expect(second).toEqual(first)
  })

  it('has the clock that each call sets', async () => {
    const edge = await written(
      `const now = Date.now() === new Date().getTime() ? Date.now() : 0
       return { statusCode: 200, headers: {}, body: 'at ' + now }`,
    )

    for (const now of [5, 6])
      expect(await edge.viewerRequest(request, { now })).toHaveProperty('response.body', `at ${now}`)
  })

  it('has the items of the KeyValueStore, and rejects for a missing item or store', async () => {
    const edge = await written(
      `const items = cf.kvs()
       let missing = 'found'
       try { await items.get('b') } catch (e) { missing = 'missing' }
       const found = [await items.get('a'), await items.exists('a'), await items.exists('b'), missing]
       return { statusCode: 200, headers: {}, body: found.join(' ') }`,
    )

    expect(await edge.viewerRequest(request, { items: { a: '1' } })).toHaveProperty(
      'response.body',
      '1 true false missing',
    )
    await expect(edge.viewerRequest(request, {})).rejects.toThrow('no KeyValueStore')
  })
})

describe('an event', () => {
  it('contains a request in the format of CloudFront, and is converted back', () => {
    const headers = [
      ['Host', 'r.example'],
      ['Accept', 'a'],
      ['ACCEPT', 'b'],
      ['Connection', 'close'],
      ['X-Amz-Cf-Id', 'x'],
      ['Cookie', 'a=1; b=2'],
    ] as const

    const event = toEdgeRequest('GET', '/a%2Fb?x=%20&y&x=2', headers)

    expect(event).toEqual({
      method: 'GET',
      uri: '/a%2Fb',
      querystring: {
        x: { value: '%20', multiValue: [{ value: '%20' }, { value: '2' }] },
        y: { value: '' },
      },
      headers: {
        host: { value: 'r.example' },
        accept: { value: 'a', multiValue: [{ value: 'a' }, { value: 'b' }] },
      },
      cookies: { a: { value: '1' }, b: { value: '2' } },
    })
    expect(targetOf(event)).toBe('/a%2Fb?x=%20&x=2&y')
    expect(headersOf(event)).toEqual([
      ['host', 'r.example'],
      ['accept', 'a'],
      ['accept', 'b'],
      ['cookie', 'a=1; b=2'],
    ])
  })

  it('contains a body as text or as base64, or none', () => {
    const text = (body: Parameters<typeof bodyOf>[0]['body']) =>
      bodyOf({ statusCode: 200, headers: {}, ...(body !== undefined && { body }) })?.toString()

    expect(text('é')).toBe('é')
    expect(text({ encoding: 'text', data: 'é' })).toBe('é')
    expect(text({ encoding: 'base64', data: 'w6k=' })).toBe('é')
    expect(text(undefined)).toBeUndefined()
  })
})
