import type { IncomingMessage } from 'node:http'
import { PassThrough } from 'node:stream'
import { expect, it } from 'vitest'
import { clientView } from '../../server/client-view.ts'
import { Log } from '../../server/log.ts'
import { answering, ok, openServer } from './support.ts'

const FORWARDED = { 'x-forwarded-for': '192.0.2.7', 'x-forwarded-proto': 'https' }

function viewer(...trusted: string[]) {
  const stream = new PassThrough()
  const log = new Log(stream, 'json')
  const view = clientView(trusted, log)
  return {
    view: (remoteAddress: string, headers: Record<string, string>) =>
      view({ headers: { host: 'r.example', ...headers }, socket: { remoteAddress } } as IncomingMessage),
    logged() {
      log.flush()
      return String(stream.read() ?? '')
    },
  }
}

it('a header of an untrusted peer is ignored, and logged as a warning the first time', () => {
  const { view, logged } = viewer('10.0.0.1')
  for (let times = 0; times < 100; times++)
    expect(view('198.51.100.1', FORWARDED)).toEqual({
      remote: '198.51.100.1',
      scheme: 'http',
      host: 'r.example',
    })
  expect(logged().match(/--trusted-proxies 198\.51\.100\.1/g)).toHaveLength(1)
})

it('the warning contains nothing that the peer has sent', () => {
  const { view, logged } = viewer()
  view('198.51.100.1', { forwarded: 'for=secret' })
  expect(logged()).not.toContain('secret')
})

it('a header of a trusted peer is not logged', () => {
  const { view, logged } = viewer('10.0.0.0/8')
  expect(view('10.0.0.1', FORWARDED)).toEqual({ remote: '192.0.2.7', scheme: 'https', host: 'r.example' })
  expect(logged()).toBe('')
})

it('the app and the log get the address and the origin that a trusted proxy reports', async () => {
  const log = new Log(new PassThrough(), 'json')
  const app = answering(async ({ origin, remote }) => ok(`${origin?.url} ${remote}`))
  await using server = await openServer(app, { client: clientView(['127.0.0.1'], log) })
  const headers = { ...FORWARDED, 'x-forwarded-host': 'Registry.Example' }
  expect(await (await fetch(server.url, { headers })).text()).toBe('https://registry.example 192.0.2.7')
  expect(await server.logged(1)).toMatchObject([{ remote: '192.0.2.7' }])
})
