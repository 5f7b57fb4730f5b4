import { expect, it } from 'vitest'
import { startInterval } from '../../server/interval.ts'
import { until } from './support.ts'

it('an interval runs its task repeatedly, also after a failure', async () => {
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

it('an interval runs its task once at a time, and stop waits for it', async () => {
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
