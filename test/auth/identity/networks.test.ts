import fc from 'fast-check'
import { expect, it } from 'vitest'
import { networksOf } from '../../../lambda/auth/identity/networks.ts'

it.each([
  ['192.0.2.1', { narrow: '192.0.2.1' }],
  ['2001:db8:1:2:3:4:5:6', { narrow: '2001:db8:1:2::/64', wide: '2001:db8:1::/48' }],
  ['2001:0DB8:0001::', { narrow: '2001:db8:1:0::/64', wide: '2001:db8:1::/48' }],
  ['::1', { narrow: '0:0:0:0::/64', wide: '0:0:0::/48' }],
  ['fe80::1%eth0', { narrow: 'fe80:0:0:0::/64', wide: 'fe80:0:0::/48' }],
  ['::ffff:192.0.2.1', { narrow: '192.0.2.1' }],
  ['::FFFF:c000:201', { narrow: '192.0.2.1' }],
  ['0:0:0:0:0:ffff:192.0.2.1', { narrow: '192.0.2.1' }],
  ['64:ff9b::192.0.2.1', { narrow: '192.0.2.1' }],
  ['', { narrow: '' }],
  ['1:2:3', { narrow: '1:2:3' }],
  ['1::2::3:4:5:6:7:8:9', { narrow: '1::2::3:4:5:6:7:8:9' }],
  ['no:address', { narrow: 'no:address' }],
])('networksOf(%s) is %j', (address, networks) => {
  expect(networksOf(address)).toEqual(networks)
})

const group = fc.integer({ min: 1, max: 0xffff })
const format = (groups: readonly number[]) => groups.map(one => one.toString(16)).join(':')

it('the networks of an IPv6 address depend only on its first 64 bits', () => {
  const four = fc.tuple(group, group, group, group)
  fc.assert(
    fc.property(four, four, four, (prefix, one, other) => {
      const [a, b] = [one, other].map(host => networksOf(format([...prefix, ...host])))
      expect(a).toEqual(b)
      expect(a?.narrow).not.toBe(a?.wide)
    }),
  )
})

it('the networks are the same for each notation of an address', () => {
  fc.assert(
    fc.property(fc.tuple(group, group, group, group, group), groups => {
      const short = `${format(groups.slice(0, 3))}::${format(groups.slice(3))}`
      const long = [...groups.slice(0, 3), 0, 0, 0, ...groups.slice(3)].map(one =>
        one.toString(16).padStart(4, '0'),
      )
      expect(networksOf(short)).toEqual(networksOf(long.join(':').toUpperCase()))
    }),
  )
})

it('the network of an IPv4-mapped address is the IPv4 address', () => {
  fc.assert(
    fc.property(fc.ipV4(), address => {
      expect(networksOf(`::ffff:${address}`)).toEqual({ narrow: address })
    }),
  )
})
