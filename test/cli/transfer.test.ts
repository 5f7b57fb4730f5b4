import { expect, it } from 'vitest'
import { addressOf } from '../../cli/transfer.ts'

it.each([
  ['registry.example', 'https://registry.example', 'registry.example'],
  ['localhost:5000', 'http://localhost:5000', 'localhost:5000'],
  ['http://registry.example', 'http://registry.example', 'registry.example'],
  ['docker.io', 'https://registry-1.docker.io', 'https://index.docker.io/v1/'],
])('addressOf knows the origin of %s, and where its login is stored', (name, origin, loginKey) => {
  expect(addressOf(name)).toEqual({ origin, loginKey })
})
