import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { runs } from '../support/property-runs.ts'
import {
  type Action,
  Actor,
  actionsOn,
  anyImage,
  collection,
  deleteBlob,
  earlierActions,
  History,
  pushOf,
} from './actors.ts'
import { leftovers, violations } from './invariants.ts'
import { type Gate, GRACE_PERIOD, World } from './world.ts'

/**
 * Scenarios of each property. CI runs a thousand, which found 20 of 21 bugs that were planted to evaluate these tests.
 */
const RUNS = Number(process.env.SIMULATION_RUNS ?? runs(60))

/** The actions of one client, and the number of calls of the ports after which its process is killed, if it is. */
interface Script {
  readonly actions: readonly Action[]
  readonly killedAfter: number | undefined
}

/** Actions that happen first, one after the other, and scripts that then run concurrently. */
interface Scenario {
  readonly before: readonly Action[]
  readonly scripts: readonly Script[]
}

/**
 * Two clients begin with conflicting actions: one with `lead`, the other mostly with a push of the same image. Then
 * they, and sometimes a third client, perform any actions.
 */
function scenarios(lead: fc.Arbitrary<Action[]>): fc.Arbitrary<Scenario> {
  const killedAfter = fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined, freq: 1 })
  return anyImage.chain(image => {
    const more = fc.array(actionsOn(image), { maxLength: 2 })
    const script = (beginning: fc.Arbitrary<Action[]>) =>
      fc.record({ actions: fc.tuple(beginning, more).map(actions => actions.flat()), killedAfter })
    const rival = fc.oneof({ weight: 2, arbitrary: pushOf(image) }, actionsOn(image)).map(action => [action])
    return fc.record({
      before: earlierActions(image),
      scripts: fc.oneof(
        { weight: 3, arbitrary: fc.tuple(script(lead), script(rival)) },
        fc.tuple(script(lead), script(rival), script(more)),
      ),
    })
  })
}

const open: Gate = async () => {}

/** Before every call of a port, the scheduler decides which client continues. */
async function run(
  scheduler: fc.Scheduler,
  { before, scripts }: Scenario,
): Promise<{ world: World; history: History }> {
  const world = new World()
  const history = new History()
  await new Actor(world, open, history).run(before)
  const running = scripts.map(({ actions, killedAfter }) => {
    const { promise: killed, resolve: kill } = Promise.withResolvers<void>()
    let calls = 0
    const gate: Gate = async call => {
      if (calls++ === killedAfter) {
        kill()
        return new Promise(() => {}) // a killed process never continues
      }
      await scheduler.schedule(Promise.resolve(), call)
    }
    return Promise.race([new Actor(world, gate, history).run(actions), killed])
  })
  await scheduler.waitFor(Promise.all(running))
  return { world, history }
}

describe('concurrent pushes, deletes and collectors, with processes killed at any call', {
  timeout: runs(120_000),
}, () => {
  it('lose no acknowledged push, violate no invariant and break no promise to a client', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), scenarios(collection), async (scheduler, scenario) => {
        const { world, history } = await run(scheduler, scenario)
        expect(history.failures).toEqual([])
        expect(violations(world)).toEqual([])
        const { registry } = world.start(open)
        for (const push of history.pushes)
          if (!history.mayBeDeleted(push))
            await expect(
              registry.manifests.get(push.name, { kind: 'digest', digest: push.digest }),
            ).resolves.toBeDefined()
      }),
      { numRuns: RUNS },
    )
  })

  it('never delete a blob that a manifest references, even when clients delete blobs', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), scenarios(deleteBlob), async (scheduler, scenario) => {
        const { world } = await run(scheduler, scenario)
        expect(violations(world)).toEqual([])
      }),
      { numRuns: RUNS },
    )
  })

  it('leave no unreferenced content a few grace periods later', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), scenarios(collection), async (scheduler, scenario) => {
        const { world } = await run(scheduler, scenario)
        const { collector } = world.start(open)
        for (let i = 0; i < 8; i++) {
          world.now += GRACE_PERIOD
          expect((await collector.run()).failures).toEqual([])
        }
        expect(leftovers(world)).toEqual([])
        expect(violations(world)).toEqual([])
      }),
      { numRuns: RUNS },
    )
  })
})
