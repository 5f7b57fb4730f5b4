import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { runs } from '../support/property-runs.ts'
import {
  Actor,
  blobDeletion,
  collection,
  type Deed,
  deedsAbout,
  History,
  pastsOf,
  pushOf,
  theme,
} from './actors.ts'
import { contradictions, leftovers } from './invariants.ts'
import { type Gate, GRACE, World } from './world.ts'

/** Of each property. CI plays a thousand, in which 20 of 21 bugs that were planted to try these tests came to light. */
const RUNS = Number(process.env.SIMULATION_RUNS ?? runs(60))

/** What one client does, and after how many calls of the stores its process is killed, if ever. */
interface Script {
  readonly deeds: readonly Deed[]
  readonly killedAfter: number | undefined
}

/** What happened before, one thing after the other, and what then happens at once. */
interface Play {
  readonly before: readonly Deed[]
  readonly scripts: readonly Script[]
}

/**
 * Two clients begin with what may meet, one with `lead` and the other, mostly, with a push of the image that the play is
 * about; then they, and sometimes a third, go on as they like.
 */
function plays(lead: fc.Arbitrary<Deed[]>): fc.Arbitrary<Play> {
  const killedAfter = fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined, freq: 1 })
  return theme.chain(image => {
    const more = fc.array(deedsAbout(image), { maxLength: 2 })
    const script = (beginning: fc.Arbitrary<Deed[]>) =>
      fc.record({ deeds: fc.tuple(beginning, more).map(deeds => deeds.flat()), killedAfter })
    const rival = fc.oneof({ weight: 2, arbitrary: pushOf(image) }, deedsAbout(image)).map(deed => [deed])
    return fc.record({
      before: pastsOf(image),
      scripts: fc.oneof(
        { weight: 3, arbitrary: fc.tuple(script(lead), script(rival)) },
        fc.tuple(script(lead), script(rival), script(more)),
      ),
    })
  })
}

const open: Gate = async () => {}

/** The scheduler decides before every call of a store whose call it is. */
async function run(
  scheduler: fc.Scheduler,
  { before, scripts }: Play,
): Promise<{ world: World; history: History }> {
  const world = new World()
  const history = new History()
  await new Actor(world, open, history).run(before)
  const running = scripts.map(({ deeds, killedAfter }) => {
    const { promise: killed, resolve: kill } = Promise.withResolvers<void>()
    let calls = 0
    const gate: Gate = async call => {
      if (calls++ === killedAfter) {
        kill()
        return new Promise(() => {}) // what a killed process awaits never comes
      }
      await scheduler.schedule(Promise.resolve(), call)
    }
    return Promise.race([new Actor(world, gate, history).run(deeds), killed])
  })
  await scheduler.waitFor(Promise.all(running))
  return { world, history }
}

describe('whatever pushes, deletes and collectors do at once, and wherever a process is killed', {
  timeout: runs(120_000),
}, () => {
  it('no acknowledged push is lost, no rule of the data is broken, and no promise to a client either', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), plays(collection), async (scheduler, play) => {
        const { world, history } = await run(scheduler, play)
        expect(history.complaints).toEqual([])
        expect(contradictions(world)).toEqual([])
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

  it('blobs that clients delete by hand are never taken from a manifest', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), plays(blobDeletion), async (scheduler, play) => {
        const { world } = await run(scheduler, play)
        expect(contradictions(world)).toEqual([])
      }),
      { numRuns: RUNS },
    )
  })

  it('a few graces later nothing is left that nothing needs', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), plays(collection), async (scheduler, play) => {
        const { world } = await run(scheduler, play)
        const { collector } = world.start(open)
        for (let i = 0; i < 8; i++) {
          world.now += GRACE
          expect((await collector.run()).failures).toEqual([])
        }
        expect(leftovers(world)).toEqual([])
        expect(contradictions(world)).toEqual([])
      }),
      { numRuns: RUNS },
    )
  })
})
