import { describe, expect, it } from 'vitest'
import { StallGuard } from '../../server/stall-guard.ts'

/** A guard whose samples the test takes. Twelve make a window. */
function guarded() {
  const guard = new StallGuard({ window: 2 ** 30, bytes: 100 })
  let stalls = 0
  const watch = guard.watch(() => {
    stalls++
  })
  const sample = (times: number) => {
    for (let i = 0; i < times; i++) guard.sample()
  }
  return { guard, watch, sample, stalls: () => stalls }
}

describe('the stall guard', () => {
  it('ends an exchange that transferred too few bytes in a window', () => {
    const { watch, sample, stalls } = guarded()
    watch.waiting = true
    watch.moved = 99
    sample(11)
    expect(stalls()).toBe(0)
    sample(1)
    expect(stalls()).toBe(1)
  })

  it('checks every window separately', () => {
    const { watch, sample, stalls } = guarded()
    watch.waiting = true
    watch.moved = 100
    sample(23)
    expect(stalls()).toBe(0)
    sample(1)
    expect(stalls()).toBe(1)
  })

  it('does not count time in which the server works', () => {
    const { watch, sample, stalls } = guarded()
    watch.waiting = true
    sample(11)
    watch.waiting = false
    sample(1_000)
    expect(stalls()).toBe(0)
    watch.waiting = true
    sample(1)
    expect(stalls()).toBe(1)
  })

  it('reports an exchange once', () => {
    const { watch, sample, stalls } = guarded()
    watch.waiting = true
    sample(100)
    expect(stalls()).toBe(1)
  })

  it('ignores an exchange that is not watched any more', () => {
    const { guard, watch, sample, stalls } = guarded()
    watch.waiting = true
    guard.unwatch(watch)
    sample(100)
    expect(stalls()).toBe(0)
  })
})
