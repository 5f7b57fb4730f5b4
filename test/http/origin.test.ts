import { describe, expect, it } from 'vitest'
import { absoluteUrl, hostOfOrigin, locationUrl } from '../../lambda/http/origin.ts'

const configured = { origin: { url: 'https://registry.example', isConfigured: true } }
const derived = { origin: { url: 'http://localhost:5000', isConfigured: false } }

describe('locationUrl', () => {
  it('is absolute when the origin is configured', () =>
    expect(locationUrl(configured, '/v2/')).toBe('https://registry.example/v2/'))

  it.each([derived, {}])('is a path when the origin is not configured: %j', request =>
    expect(locationUrl(request, '/v2/')).toBe('/v2/'),
  )
})

describe('absoluteUrl', () => {
  it.each([
    [configured, 'https://registry.example/token'],
    [derived, 'http://localhost:5000/token'],
    [{}, '/token'],
  ])('of %j is %s', (request, expected) => expect(absoluteUrl(request, '/token')).toBe(expected))
})

it.each([
  ['https://registry.example', 'registry.example'],
  ['http://localhost:5000', 'localhost:5000'],
  [undefined, ''],
])('hostOfOrigin of %s is %j', (url, host) => expect(hostOfOrigin(url)).toBe(host))
