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
const plain = (groups: readonly number[]) => groups.map(one => one.toString(16)).join(':')

it('depends on the first 64 bits alone', () => {
  const four = fc.tuple(group, group, group, group)
  fc.assert(
    fc.property(four, four, four, (prefix, one, other) => {
      const [a, b] = [one, other].map(host => networksOf(plain([...prefix, ...host])))
      expect(a).toEqual(b)
      expect(a?.narrow).not.toBe(a?.wide)
    }),
  )
})

it('is the same however an address is spelled', () => {
  fc.assert(
    fc.property(fc.tuple(group, group, group, group, group), groups => {
      const short = `${plain(groups.slice(0, 3))}::${plain(groups.slice(3))}`
      const long = [...groups.slice(0, 3), 0, 0, 0, ...groups.slice(3)].map(one =>
        one.toString(16).padStart(4, '0'),
      )
      expect(networksOf(short)).toEqual(networksOf(long.join(':').toUpperCase()))
    }),
  )
})

it('is the IPv4 address that an IPv6 address stands for', () => {
  fc.assert(
    fc.property(fc.ipV4(), address => {
      expect(networksOf(`::ffff:${address}`)).toEqual({ narrow: address })
    }),
  )
})
