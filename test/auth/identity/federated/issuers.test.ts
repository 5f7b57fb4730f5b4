import { describe, expect, it } from 'vitest'
import { parseIssuers } from '../../../../lambda/auth/identity/federated/issuers.ts'

describe('the list of issuers', () => {
  const good = { name: 'ci', issuer: 'https://ci.example', claims: { sub: 'x' } }
  it.each([
    [[{ ...good, claims: {} }], '0.claims: must contain at least one claim'],
    [[{ ...good, claims: undefined }], /claims/],
    [
      [{ ...good, issuer: 'http://ci.example' }],
      '0.issuer: must be an https URL without a query or fragment',
    ],
    [
      [{ ...good, issuer: 'https://ci.example?x' }],
      '0.issuer: must be an https URL without a query or fragment',
    ],
    [[{ ...good, name: 'A b' }], '0.name: must be a name such as github'],
    [
      [good, { ...good, issuer: 'https://b.example' }],
      'the list of issuers: must not contain two issuers of the same name',
    ],
    [[good, { ...good, name: 'b' }], 'the list of issuers: must not contain the same issuer URL twice'],
    [[{ ...good, audiences: [] }], /audiences/],
    [{}, 'the list of issuers: must be a list'],
  ])('%j is rejected with the field and the reason', (document, message) => {
    expect(() => parseIssuers(document)).toThrow(message)
  })
})
