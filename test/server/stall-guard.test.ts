import { describe, expect, it } from 'vitest'
import { StallGuard } from '../../server/stall-guard.ts'

/** A guard whose looks the test takes: twelve are a window. */
function guarded() {
  const guard = new StallGuard({ window: 2 ** 30, bytes: 100 })
  let stalls = 0
  const watch = guard.watch(() => {
    stalls++
  })
  const look = (times: number) => {
    for (let i = 0; i < times; i++) guard.look()
  }
  return { guard, watch, look, stalls: () => stalls }
}

describe('the stall guard', () => {
  it('ends an exchange that moved too little in a window', () => {
    const { watch, look, stalls } = guarded()
    watch.waiting = true
    watch.moved = 99
    look(11)
    expect(stalls()).toBe(0)
    look(1)
    expect(stalls()).toBe(1)
  })

  it('spares one that moved enough, and judges every window anew', () => {
    const { watch, look, stalls } = guarded()
    watch.waiting = true
    watch.moved = 100
    look(23)
    expect(stalls()).toBe(0)
    look(1)
    expect(stalls()).toBe(1)
  })

  it('does not count the time in which we work', () => {
    const { watch, look, stalls } = guarded()
    watch.waiting = true
    look(11)
    watch.waiting = false
    look(1_000)
    expect(stalls()).toBe(0)
    watch.waiting = true
    look(1)
    expect(stalls()).toBe(1)
  })

  it('says so once', () => {
    const { watch, look, stalls } = guarded()
    watch.waiting = true
    look(100)
    expect(stalls()).toBe(1)
  })

  it('forgets what is no longer watched', () => {
    const { guard, watch, look, stalls } = guarded()
    watch.waiting = true
    guard.unwatch(watch)
    look(100)
    expect(stalls()).toBe(0)
  })
})
