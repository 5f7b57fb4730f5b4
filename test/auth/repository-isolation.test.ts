import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OCI_IMAGE, OCI_INDEX } from '../../lambda/protocol/media-types.ts'
import { basic, type Guarded, openGuarded, PASSWORD } from '../support/auth.ts'
import { descriptorOf, digest, imageOf, indexOf } from '../support/content.ts'
import { runs } from '../support/property-runs.ts'

/*
 * A blob or a manifest can be read from a repository if and only if it was pushed or mounted there. To mount it, a
 * caller must be able to read it in the source.
 */

const CONTENTS = ['{}', 'first layer', 'second layer']
const REPOSITORIES = ['ann/app', 'bob/app', 'shared/app']
/** The repositories that each user may pull from and push to. */
const RIGHTS: Record<string, { pull: string[]; push: string[] }> = {
  ann: { pull: ['ann/app', 'shared/app'], push: ['ann/app'] },
  bob: { pull: ['bob/app', 'shared/app'], push: ['bob/app', 'shared/app'] },
  eve: { pull: ['ann/app'], push: ['shared/app'] },
}
const POLICY = {
  rules: Object.entries(RIGHTS).flatMap(([name, { pull, push }]) => [
    { name: `${name} pulls`, who: [`user:${name}`], may: ['pull'], on: pull },
    {
      name: `${name} pushes`,
      who: [`user:${name}`],
      may: ['push', 'create-tag', 'overwrite-tag', 'delete'],
      on: push,
    },
  ]),
}

type Step = {
  /** The user, and the repository that the step is about. */
  readonly target: { readonly who: string; readonly name: string }
  readonly content: string
} & (
  | { readonly action: 'push blob' | 'delete blob' | 'push image' | 'push index' | 'delete image' }
  | { readonly action: 'mount'; readonly from: string | undefined }
)

const may = (who: string, action: 'pull' | 'push', name: string) =>
  RIGHTS[who]?.[action].includes(name) ?? false

const users = Object.keys(RIGHTS)
const allTargets = users.flatMap(who => REPOSITORIES.map(name => ({ who, name })))
/** Mostly users with the right to push, so that the repositories fill. */
const target = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...allTargets.filter(({ who, name }) => may(who, 'push', name))) },
  { weight: 1, arbitrary: fc.constantFrom(...allTargets) },
)
const common = { target, content: fc.constantFrom(...CONTENTS) }
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ ...common, action: fc.constant('push blob' as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      ...common,
      action: fc.constant('mount' as const),
      from: fc.option(fc.constantFrom(...REPOSITORIES), { nil: undefined }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      ...common,
      action: fc.constantFrom('delete blob', 'push image', 'push index', 'delete image'),
    }),
  },
)

/** An image that needs the config `{}` and this layer, and an index over that image. */
const image = (content: string) => imageOf([content])
const index = (content: string) => indexOf([image(content)])

/** The content that each repository must have. */
class Model {
  readonly blobs = new Map(REPOSITORIES.map(name => [name, new Set<string>()]))
  readonly manifests = new Map(REPOSITORIES.map(name => [name, new Set<string>()]))

  has(name: string, content: string): boolean {
    return this.blobs.get(name)?.has(content) ?? false
  }
  holds(name: string, manifest: string): boolean {
    return this.manifests.get(name)?.has(manifest) ?? false
  }
  needs(name: string, content: string): boolean {
    const layers = CONTENTS.filter(layer => this.holds(name, image(layer)))
    return layers.includes(content) || (content === '{}' && layers.length > 0)
  }
}

/**
 * Performs a step in the registry and in the model.
 * @returns the status of the response, and the one that the model expects
 */
async function perform(
  step: Step,
  { as }: Guarded,
  model: Model,
): Promise<[actual: number, expected: number]> {
  const { content, action } = step
  const { who, name } = step.target
  const send = (method: string, target: string, body?: string, type = '') =>
    as(basic(who, PASSWORD), method, `/v2/${name}/${target}`, {
      ...(body && { body }),
      headers: type === '' ? {} : { 'content-type': type },
    })
  const allowed = may(who, 'push', name)
  const put = (manifest: string) =>
    send('PUT', `manifests/${digest(manifest)}`, manifest, JSON.parse(manifest).mediaType)
  switch (action) {
    case 'push blob': {
      const { status } = await send('POST', `blobs/uploads/?digest=${digest(content)}`, content)
      if (allowed) model.blobs.get(name)?.add(content)
      return [status, allowed ? 201 : 403]
    }
    case 'mount': {
      const from = step.from ? `&from=${step.from}` : ''
      const { status } = await send('POST', `blobs/uploads/?mount=${digest(content)}${from}`)
      const readable = step.from !== undefined && may(who, 'pull', step.from)
      // To a caller who may not pull from the repository, the response reveals nothing of what it holds already.
      const isKnown = may(who, 'pull', name) && model.has(name, content)
      const mounted = allowed && readable && (isKnown || model.has(step.from ?? '', content))
      if (mounted) model.blobs.get(name)?.add(content)
      return [status, allowed ? (mounted ? 201 : 202) : 403]
    }
    case 'delete blob': {
      const { status } = await send('DELETE', `blobs/${digest(content)}`)
      if (!allowed) return [status, 403]
      if (!model.has(name, content)) return [status, 404]
      if (model.needs(name, content)) return [status, 405]
      model.blobs.get(name)?.delete(content)
      return [status, 202]
    }
    case 'push image': {
      const { status } = await put(image(content))
      const complete = model.has(name, content) && model.has(name, '{}')
      if (allowed && complete) model.manifests.get(name)?.add(image(content))
      return [status, allowed ? (complete ? 201 : 404) : 403]
    }
    case 'push index': {
      const { status } = await put(index(content))
      const complete = model.holds(name, image(content))
      if (allowed && complete) model.manifests.get(name)?.add(index(content))
      return [status, allowed ? (complete ? 201 : 404) : 403]
    }
    case 'delete image': {
      const { status } = await send('DELETE', `manifests/${digest(image(content))}`)
      if (!allowed) return [status, 403]
      return [status, model.manifests.get(name)?.delete(image(content)) ? 202 : 404]
    }
  }
}

async function expectAsModelled({ as }: Guarded, model: Model): Promise<void> {
  for (const who of users)
    for (const name of REPOSITORIES) {
      const expectRead = async (target: string, exists: boolean) => {
        for (const method of ['HEAD', 'GET']) {
          const { status } = await as(basic(who, PASSWORD), method, `/v2/${name}/${target}`)
          const expected = may(who, 'pull', name) ? (exists ? 200 : 404) : 403
          expect(`${who} ${method} ${name}/${target}: ${status}`).toBe(
            `${who} ${method} ${name}/${target}: ${expected}`,
          )
        }
      }
      for (const content of CONTENTS) {
        await expectRead(`blobs/${digest(content)}`, model.has(name, content))
        for (const manifest of [image(content), index(content)])
          await expectRead(`manifests/${digest(manifest)}`, model.holds(name, manifest))
      }
    }
}

describe('the content of a repository', () => {
  it('is what was pushed or mounted there, and only callers with pull access can read it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60, size: 'max' }), async steps => {
        const guarded = await openGuarded()
        for (const name of users) await guarded.addUser(name)
        await guarded.setPolicy(POLICY)
        const model = new Model()
        for (const step of steps) {
          const [actual, expected] = await perform(step, guarded, model)
          expect([step, actual]).toEqual([step, expected])
        }
        await expectAsModelled(guarded, model)
      }),
      { numRuns: runs(50) },
    )
  }, 120_000)

  it('does not include referrers of another repository with the same subject', async () => {
    const guarded = await openGuarded()
    for (const name of ['ann', 'bob']) await guarded.addUser(name)
    await guarded.setPolicy(POLICY)
    const subject = descriptorOf(imageOf(['x']), OCI_IMAGE)
    for (const [who, name] of [
      ['ann', 'ann/app'],
      ['bob', 'bob/app'],
    ] as const)
      await guarded.as(basic(who, PASSWORD), 'PUT', `/v2/${name}/manifests/of-${who}`, {
        body: indexOf([], { subject, annotations: { by: who } }),
        headers: { 'content-type': OCI_INDEX },
      })
    const referrers = (who: string, name: string) =>
      guarded.as(basic(who, PASSWORD), 'GET', `/v2/${name}/referrers/${subject.digest}`)
    const own = await referrers('ann', 'ann/app')
    expect(own.json.manifests).toMatchObject([{ annotations: { by: 'ann' } }])
    expect((await referrers('ann', 'bob/app')).status).toBe(403)
  })
})
