import type { Command } from 'commander'
import { openArchive, selectImage } from '../../lambda/client/archive/image-archive.ts'
import { ClientError } from '../../lambda/client/client-error.ts'
import type { Platform } from '../../lambda/client/content.ts'
import { copyPlan } from '../../lambda/client/copy/copier.ts'
import { planCopy } from '../../lambda/client/copy/plan.ts'
import { formatReference, type ImageName } from '../../lambda/client/image-name.ts'
import { RepositoryTarget } from '../../lambda/client/registry/repository-target.ts'
import { imageNames, platform } from '../arguments.ts'
import { CliError } from '../cli-error.ts'
import type { CliContext } from '../context.ts'
import { type Done, type Transfer, transfer } from '../transfer.ts'

interface PushOptions {
  readonly image?: string
  readonly platform?: Platform
  readonly referrers: boolean
  readonly compress?: boolean
}

const NOTES = `
The archive is one of "docker save", an OCI layout in a tar archive or in a folder, or - for standard input.
Digests of an OCI layout are kept. Uncompressed layers of older versions of "docker save" are compressed.
Example: docker save app | longshore push - registry.example/team/app:v1`

/** `longshore push` */
export function addPushCommand(program: Command, context: CliContext): void {
  program
    .command('push')
    .description('push an image from an archive or an OCI layout to a registry')
    .argument('<archive>', 'file, folder, or - for standard input')
    .argument('<reference...>', 'such as registry.example/team/app:v1', imageNames)
    .option('--image <name>', 'image to push, where the archive has several')
    .option('--platform <platform>', 'only the image of a platform, such as linux/arm64', platform)
    .option('--no-referrers', 'without signatures and other referrers')
    .option('--compress', 'compress uncompressed layers of "docker save" 25 and newer, which changes digests')
    .addHelpText('after', NOTES)
    .action((archive: string, names: ImageName[], options: PushOptions) =>
      transfer(context, running => push({ context, running, archive, options }, names)),
    )
}

interface Push {
  readonly context: CliContext
  readonly running: Transfer
  readonly archive: string
  readonly options: PushOptions
}

async function push(
  { context, running, archive, options }: Push,
  names: readonly ImageName[],
): Promise<readonly Done[]> {
  const { signal, display: progress, scratch } = running
  const isStdin = archive === '-'
  if (isStdin && context.io.isTTY)
    throw new CliError('standard input is a terminal: send an archive to it, or name a file', 2)
  const images = await openArchive({
    from: isStdin ? running.stdin : context.path(archive),
    name: isStdin ? 'standard input' : archive,
    compress: options.compress ?? false,
    scratch,
    progress,
    signal,
  })
  try {
    const { source, reference } = await selectImage(images, options.image).open()
    const plan = await planCopy(source, reference, {
      platform: options.platform,
      referrers: options.referrers,
      signal,
    })
    const done: Done[] = []
    for (const group of groupByRepository(names)) {
      const [{ registry, repository }] = group
      const digest = group.find(({ reference }) => reference.kind === 'digest')?.reference
      if (digest?.kind === 'digest' && digest.digest !== plan.root.digest)
        throw new ClientError(`${archive} has ${plan.root.digest}, not ${digest.digest}`)
      const target = new RepositoryTarget(running.registry(registry, true), repository)
      const tags = group.flatMap(({ reference }) => (reference.kind === 'tag' ? reference.tag : []))
      const totals = await copyPlan(source, target, plan, { tags, progress, signal })
      for (const { reference } of group) {
        const suffix = reference.kind === 'tag' ? formatReference(reference) : ''
        done.push({
          verb: 'pushed',
          image: `${registry}/${repository}${suffix}`,
          digest: plan.root.digest,
          ...totals,
        })
      }
    }
    return done
  } finally {
    await images.close()
  }
}

type Group = readonly [ImageName, ...ImageName[]]

function groupByRepository(names: readonly ImageName[]): readonly Group[] {
  const groups = new Map<string, [ImageName, ...ImageName[]]>()
  for (const name of names) {
    const key = `${name.registry}/${name.repository}`
    const group = groups.get(key)
    if (group) group.push(name)
    else groups.set(key, [name])
  }
  return [...groups.values()]
}
