import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ClientView, forwardedView, proxyList } from '../../server/forwarded.ts'

const PROXY = '10.0.0.1'
const CLIENT = '192.0.2.7'
const PROXIES = proxyList(['10.0.0.0/8', '::1', '2001:db8:1::/48'])
const direct = (remote: string): ClientView => ({ remote, scheme: 'http', host: 'registry.example' })
const through = (headers: Record<string, string>) => forwardedView(direct(PROXY), headers, PROXIES)

const anyHeaders = fc.record(
  {
    forwarded: fc.oneof(fc.string(), fc.constant('for=198.51.100.1;proto=https;host=evil.example')),
    'x-forwarded-for': fc.oneof(fc.string(), fc.constant(`198.51.100.1, ${PROXY}`)),
    'x-forwarded-proto': fc.oneof(fc.string(), fc.constantFrom('https', 'http, https')),
    'x-forwarded-host': fc.oneof(fc.string(), fc.constant('evil.example')),
  },
  { requiredKeys: [] },
)

describe('a peer that is not a trusted proxy', () => {
  it('cannot change address or origin by any header', () => {
    const peers = fc.constantFrom(CLIENT, '11.0.0.1', '::2', '2001:db8:2::1', '::ffff:192.0.2.1')
    fc.assert(
      fc.property(peers, anyHeaders, (peer, headers) => {
        expect(forwardedView(direct(peer), headers, PROXIES)).toEqual(direct(peer))
      }),
    )
  })
})

describe('a client behind a trusted proxy', () => {
  const anyPrefix = fc.array(fc.oneof(fc.ipV4(), fc.ipV6(), fc.constant(PROXY), fc.string()), {
    maxLength: 5,
  })

  it('has the address that the proxy added, whatever addresses the client sends before it', () => {
    fc.assert(
      fc.property(anyPrefix, prefix => {
        const hops = [...prefix, CLIENT].join(', ')
        expect(through({ 'x-forwarded-for': hops }).remote).toBe(CLIENT)
      }),
    )
  })

  it('cannot forge an address by the kind of header that the proxy does not set', () => {
    fc.assert(
      fc.property(fc.string(), forged => {
        const { remote } = through({ 'x-forwarded-for': CLIENT, forwarded: forged })
        expect([CLIENT, PROXY]).toContain(remote)
      }),
    )
    const forged = through({ 'x-forwarded-for': CLIENT, forwarded: 'for=198.51.100.1' })
    expect(forged.remote).toBe(PROXY)
  })

  it('has the address that the outermost of several trusted proxies saw', () => {
    expect(through({ 'x-forwarded-for': `198.51.100.1, ${CLIENT}, 10.9.9.9` }).remote).toBe(CLIENT)
    expect(through({ forwarded: `for=198.51.100.1, for=${CLIENT};proto=https, for=10.9.9.9` })).toEqual({
      remote: CLIENT,
      scheme: 'https',
      host: 'registry.example',
    })
  })

  it.each([
    ['192.0.2.7:4711', CLIENT],
    ['[2001:db8:2::7]:4711', '2001:db8:2::7'],
    ['2001:DB8:2::7', '2001:db8:2::7'],
    ['::ffff:192.0.2.7', CLIENT],
    ['unknown', PROXY],
    ['_hidden', PROXY],
  ])('with the hop %s has the address %s', (hop, address) => {
    expect(through({ 'x-forwarded-for': hop }).remote).toBe(address)
    expect(through({ forwarded: `for="${hop}"` }).remote).toBe(address)
  })

  it.each([
    [{ 'x-forwarded-proto': 'https' }, 'https', 'registry.example'],
    [{ 'x-forwarded-proto': 'HTTPS', 'x-forwarded-host': 'r.example:8443' }, 'https', 'r.example:8443'],
    [{ 'x-forwarded-proto': 'gopher' }, 'http', 'registry.example'],
    [{ 'x-forwarded-proto': 'https, http' }, 'http', 'registry.example'],
    [{ forwarded: 'proto=https;host="r.example:8443"' }, 'https', 'r.example:8443'],
    [{ forwarded: 'Proto=HTTPS ; For="[2001:db8::1]"' }, 'https', 'registry.example'],
    [{ forwarded: 'proto=https;host="r' }, 'http', 'registry.example'],
    [{ forwarded: 'proto=https', 'x-forwarded-proto': 'http' }, 'http', 'registry.example'],
    [{ forwarded: 'proto=https', 'x-forwarded-for': CLIENT }, 'https', 'registry.example'],
  ])('with %j uses the scheme %s and the host %s', (headers, scheme, host) => {
    expect(through(headers as Record<string, string>)).toMatchObject({ scheme, host })
  })
})

describe('a list of proxies', () => {
  it.each(['x', '', '10.0.0.0/33', '::/129', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0.0/-1', 'proxy.example'])(
    'refuses %j',
    entry => {
      expect(() => proxyList([entry])).toThrow(RangeError)
    },
  )

  it('matches an IPv4 proxy on an IPv6 socket', () => {
    const view = forwardedView(direct(`::ffff:${PROXY}`), { 'x-forwarded-for': CLIENT }, PROXIES)
    expect(view.remote).toBe(CLIENT)
  })
})
