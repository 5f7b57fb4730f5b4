import { expect, it } from 'vitest'
import { startInterval } from '../../server/interval.ts'
import { until } from './support.ts'

it('a task runs again and again, also after it failed', async () => {
  const failures: unknown[] = []
  const timer = startInterval(
    1,
    () => Promise.reject(new Error('no')),
    error => failures.push(error),
  )
  await until(() => failures.length >= 2)
  await timer.stop()
  expect(failures.slice(0, 2)).toEqual([new Error('no'), new Error('no')])
})

it('a task never runs twice at once, and a stop waits for it', async () => {
  const gate = Promise.withResolvers<void>()
  let runs = 0
  let ended = false
  const task = async () => {
    runs++
    await gate.promise
    ended = true
  }
  const timer = startInterval(1, task, () => {})
  await new Promise(resolve => setTimeout(resolve, 30))
  expect(runs).toBe(1)
  const stopped = timer.stop()
  gate.resolve()
  await stopped
  expect(ended).toBe(true)
})
